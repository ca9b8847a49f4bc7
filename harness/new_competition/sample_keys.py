"""How the sample submission names its rows."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pandas as pd

from harness.errors import UserError, listed
from harness.new_competition.host_files import Host

SEPARATORS = "_/. -"  # what divides the words of a path; the dash last, as a pattern needs it
COMPOSED = re.compile(r"(.+)_([^_]+)")  # an id and a class


@dataclass
class SampleKeys:
    """How the sample names its rows.

    keys: column -> what stands in it, as in `Layout`. predicted: its other columns. ids: what is asked for, in order;
    row numbers where no column names a row. first_row: the first of them. by: "images", "table" or "rows", what the ids
    were found among. id_column: of the test table, if it is that. labels: the classes in the keys.
    """

    keys: dict[str, str]
    predicted: list[str]
    ids: list[str]
    by: str
    first_row: int = 0
    id_column: str | None = None
    labels: list[str] = field(default_factory=list)

    @property
    def column(self) -> str | None:
        """The column of the sample that holds the id."""
        return next((name for name, key in self.keys.items() if "{id}" in key), None)


def sample_keys(host: Host) -> SampleKeys:
    """Look every column of the sample up among the images, the test table and the row numbers."""
    sample, test = host.frame(host.sample), host.frame(host.test)
    if host.assumed and not len(sample):
        return SampleKeys({sample.columns[0]: "{id}"}, [sample.columns[1]], [], "images" if host.images else "table")
    never = {
        name.casefold() for name in host.frame(host.train).columns if host.test and host.column(host.test, name) is None
    }
    columns = [name for name in sample.columns if name.casefold() not in never]
    for look in (as_themselves, with_a_class):
        for name in columns:
            if (found := look(host, sample, name)) and (found := classes_beside(host, sample, found)):
                return found
    for name in columns:
        numbers = sample[name].tolist()
        for first in (0, 1):
            if numbers == [str(k) for k in range(first, first + len(sample))] and len(test) in (0, len(sample)):
                rest = [each for each in sample.columns if each != name]
                return SampleKeys({name: "{id}"}, rest, numbers, "rows", first)
    for name in columns:
        if len(test) == len(sample) > 0 and (key := key_of_columns(sample[name], test)):
            rest = [each for each in sample.columns if each != name]
            return SampleKeys({name: key}, rest, [str(k) for k in range(len(sample))], "rows")
    copied = [name for name in columns if host.column(host.test, name) and sample[name].tolist() == test[name].tolist()]
    if copied:
        rest = [name for name in sample.columns if name not in copied]
        return SampleKeys({name: f"{{{name}}}" for name in copied}, rest, [str(k) for k in range(len(sample))], "rows")
    for name in columns if len(sample) else ():
        for template in templates_of(host, sample[name].iloc[0]):
            host.use_template(template)
            found = as_themselves(host, sample, name)
            if found and (found := classes_beside(host, sample, found)):
                host.say(f"images: {name} is {template[1]} of {template[0]} in their paths")
                return found
        host.use_template(None)
    explained = [
        path for path in host.tables if path != host.sample and host.column(path, columns[0] if columns else "")
    ]
    if explained:
        raise UserError(
            f"{host.sample} names its rows by {columns[0]}, which only {explained[0]} lists (its columns are "
            f"{listed(host.frame(explained[0]).columns)}): they are neither rows of a test table nor images, and make "
            "new cannot read that; write the folder with TASK="
        )
    raise UserError(
        f"no column of {host.sample} ({listed(sample.columns)}) names images or rows of the test; is a folder or a "
        "table of the host's missing, or is it the wrong sample (SAMPLE=)?"
    )


def key_of_columns(cells: pd.Series, test: pd.DataFrame) -> str | None:
    """The template of two columns or more of the test, in whose order the cells are: "{Store}_{Date}".

    >>> key_of_columns(pd.Series(["1_5", "1_6"]), pd.DataFrame({"shop": ["1", "1"], "day": ["5", "6"]}))
    '{shop}_{day}'
    """
    first = dict(zip(test.columns, test.iloc[0], strict=True)) if len(test) else {}

    def templates(rest: str, unused: tuple[str, ...]) -> Iterator[str]:
        for name in unused:
            value = first[name]
            if value and rest == value:
                yield f"{{{name}}}"
            elif value and rest.startswith(value) and not rest[len(value)].isalnum():
                left = tuple(each for each in unused if each != name)
                yield from (f"{{{name}}}{rest[len(value)]}{more}" for more in templates(rest[len(value) + 1 :], left))

    for template in templates(cells.iloc[0], tuple(first)):
        made = [re.sub(r"\{([^{}]*)\}", lambda place: row[place[1]], template) for row in test.to_dict("records")]  # noqa: B023
        if template.count("{") > 1 and made == cells.tolist():
            return template
    return None


def templates_of(host: Host, name: str) -> Iterator[tuple[str, str]]:
    """What `files_matched` needs, where parts of a path below a folder of images, in their order, make the name."""
    tried = set()
    for folder, files in host.images.items():
        for file in files:
            template = template_of(name, file.relative_to(host.raw / folder).with_suffix("").as_posix())
            if template and template not in tried:
                tried.add(template)
                yield template


def template_of(name: str, path: str) -> tuple[str, str] | None:
    r"""A regular expression of such paths, and the id that is made of it; None where the path does not hold the name.

    >>> template_of("case1_day2_slice_03", "case1/case1_day2/scans/slice_03_24_32")
    ('([^/_]+_[^/_]+)/scans/([^/_]+_[^/_]+)_', '\\1_\\2')
    """
    pattern, made, at, count, rest = "", "", 0, 0, name
    while rest:
        ends = [k for k in range(len(rest), 0, -1) if k == len(rest) or rest[k] in SEPARATORS]
        found = next(((k, m) for k in ends if (m := bounded(rest[:k]).search(path, at))), None)
        if found is None:
            return None
        end, match = found
        between = path[at : match.start()] if count else path[max(match.start() - 1, 0) : match.start()].strip("/")
        pattern += re.sub(r"[^/_]*\d[^/_]*", "[^/]+", between)
        pattern += f"({'_'.join(['[^/_]+'] * (rest[:end].count('_') + 1))})"
        count, at = count + 1, match.end()
        made += f"\\{count}{rest[end : end + 1]}"
        rest = rest[end + 1 :]
    return pattern + (re.escape(path[at]) if at < len(path) else "$"), made


def bounded(part: str) -> re.Pattern[str]:
    """The part where it stands alone, between what divides words."""
    return re.compile(rf"(?<![^{SEPARATORS}]){re.escape(part)}(?![^{SEPARATORS}])")


def as_themselves(host: Host, sample: pd.DataFrame, name: str) -> SampleKeys | None:
    """The cells are the ids."""
    return found_among(host, sample, name, "{id}", sample[name])


def with_a_class(host: Host, sample: pd.DataFrame, name: str) -> SampleKeys | None:
    """The cells are an id and a class with _ between them, every class for every id."""
    parts = sample[name].str.extract(f"^{COMPOSED.pattern}$")
    if parts.isna().any(axis=None) or parts[1].nunique() * parts[0].nunique() != len(sample):
        return None
    found = found_among(host, sample, name, "{id}_{class}", parts[0])
    if found:
        found.labels = list(dict.fromkeys(parts[1]))
    return found


def found_among(host: Host, sample: pd.DataFrame, name: str, key: str, cells: pd.Series) -> SampleKeys | None:
    """Every id as often as any other, and all in one column of the test table, or all names of images."""
    ids, rest = list(dict.fromkeys(cells)), [each for each in sample.columns if each != name]
    if cells.value_counts().nunique() != 1:
        return None
    same = host.column(host.test, name)
    for column in [same] if same else list(host.frame(host.test).columns):
        if set(ids) <= set(host.frame(host.test)[column]):
            return SampleKeys({name: key}, rest, ids, "table", id_column=column)
    return SampleKeys({name: key}, rest, ids, "images") if host.folders_of(ids) else None


def classes_beside(host: Host, sample: pd.DataFrame, found: SampleKeys) -> SampleKeys | None:
    """Where an id has several rows, a second key column holds the class of each."""
    if len(found.ids) == len(sample) or found.labels:
        return found
    for name in found.predicted:
        labels = list(dict.fromkeys(sample[name]))
        if len(labels) > 1 and len(labels) * len(found.ids) == len(sample):
            found.keys[name], found.labels = "{class}", labels
            found.predicted = [each for each in found.predicted if each != name]
            return found
    return None
