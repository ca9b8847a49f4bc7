"""How a host's files belong together: which table is the sample, which train and test, and what each column is."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from harness.data.csv_files import read_csv
from harness.data.formats.named_files import hidden, names_of
from harness.data.images import SUFFIXES
from harness.errors import UserError, nearest

TABLES = (".csv", ".tsv")
SEPARATORS = ",;\t"
COMPOSED = re.compile(r"(.+)_([^_]+)")  # an id and a class


@dataclass(frozen=True)
class Options:
    """What a person may say: columns of the host's, paths of tables in its folder, and the kind of task."""

    metric: str
    target: str | None = None
    group: str | None = None
    task: str | None = None
    sample: str | None = None


@dataclass
class Host:
    """tables: path in raw -> cells as text. images: topmost folder in raw with images -> their files.

    sample, train, test: paths of tables; None where there is none. said: what was taken and why, a line each.
    """

    raw: Path
    options: Options
    tables: dict[str, pd.DataFrame]
    images: dict[str, list[Path]]
    sample: str | None = None
    train: str | None = None
    test: str | None = None
    said: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, raw: Path, options: Options) -> "Host":
        files = [file for file in sorted(raw.rglob("*")) if file.is_file() and not hidden(file, raw)]
        images: dict[str, list[Path]] = {}
        for file in files:
            if file.suffix.lower() in SUFFIXES:
                images.setdefault(file.relative_to(raw).parts[0] if file.parent != raw else ".", []).append(file)
        tables = {}
        for file in files:
            if file.suffix.lower() in TABLES:
                table = read_csv(file, SEPARATORS)
                table.columns = [name.strip() or f"Unnamed: {k}" for k, name in enumerate(table.columns)]
                tables[file.relative_to(raw).as_posix()] = table.map(str.strip)
        host = cls(raw, options, tables, images)
        host.sample = host._sample()
        host.test = host._named("test", "train")
        if host.test:  # an answer column that is empty there is what is asked for
            test = tables[host.test]
            tables[host.test] = test.loc[:, (test != "").any()]
        host.train = host._train()
        return host

    def say(self, line: str) -> None:
        self.said.append(line)

    # -- which table is which --------------------------------------------------------------------------------------

    def _sample(self) -> str | None:
        """Named like one; of several the one that asks for all that the others ask for."""
        given = self.options.sample
        if given:
            if given not in self.tables:
                raise UserError(f"SAMPLE={given} is not a table there{nearest(given, self.tables)}")
            return given
        named = [path for path in self.tables if re.search(r"sample|submission", Path(path).name, re.IGNORECASE)]
        rows = {path: set(self.tables[path].iloc[:, 0]) for path in named}
        most = max(named, key=lambda path: len(rows[path]), default=None)
        if most and any(not rows[path] <= rows[most] for path in named):
            raise UserError(f"which is the sample submission? Say SAMPLE={' or SAMPLE='.join(named)}")
        if most:
            other = (
                f"; it asks for all that {', '.join(path for path in named if path != most)} does" if named[1:] else ""
            )
            self.say(f"sample submission: {most}, {len(self.tables[most])} rows{other}")
        return most

    def _named(self, word: str, other: str) -> str | None:
        """The table whose name holds the word and not the other one; the one with most rows of several."""
        names = [
            path for path in self.tables if word in Path(path).stem.lower() and other not in Path(path).stem.lower()
        ]
        return max(
            (path for path in names if path != self.sample), key=lambda path: len(self.tables[path]), default=None
        )

    def _train(self) -> str | None:
        """The table named so, else the only one that shares a column with the sample or holds the target."""
        shared = {name.casefold() for name in self.frame(self.sample).columns} | {
            (self.options.target or "").casefold()
        }
        rest = [path for path in self.tables if path not in (self.sample, self.test) and not self._is_sample(path)]
        fitting = [path for path in rest if shared & {name.casefold() for name in self.tables[path].columns}]
        named = [path for path in rest if "train" in Path(path).stem.lower()]
        both = [path for path in named if path in fitting]
        for choice in (both, named, fitting):
            if len(choice) == 1 or (choice and choice is both):
                return max(choice, key=lambda path: len(self.tables[path].columns))
        return None

    def _is_sample(self, path: str) -> bool:
        return bool(re.search(r"sample|submission", Path(path).name, re.IGNORECASE))

    def frame(self, path: str | None) -> pd.DataFrame:
        return pd.DataFrame() if path is None else self.tables[path]

    def column(self, path: str | None, name: str) -> str | None:
        """The column of this name, in whatever case."""
        return next((each for each in self.frame(path).columns if each.casefold() == name.casefold()), None)

    # -- images --------------------------------------------------------------------------------------------------------

    def folders_of(self, ids: Sequence[str]) -> list[str]:
        """The fewest folders in which every id names an image; [] where some name none."""
        wanted, chosen = set(ids), list[str]()
        known = {folder: self.image_names(folder) for folder in self.images}
        while wanted and known:
            best = max(known, key=lambda folder: len(wanted & known[folder]))
            if not wanted & known[best]:
                return []
            chosen.append(best)
            wanted -= known.pop(best)
        return sorted(chosen) if not wanted else []

    def image_names(self, folder: str) -> set[str]:
        return {name for file in self.images[folder] for name in names_of(file, self.raw / folder)}

    def naming_column(self, path: str | None, but: Sequence[str] = ()) -> str | None:
        """The column whose cells all name images."""
        table = self.frame(path)
        return next((name for name in table.columns if name not in but and self.folders_of(table[name].unique())), None)


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
    copied = [name for name in columns if host.column(host.test, name) and sample[name].tolist() == test[name].tolist()]
    if copied:
        rest = [name for name in sample.columns if name not in copied]
        return SampleKeys({name: f"{{{name}}}" for name in copied}, rest, [str(k) for k in range(len(sample))], "rows")
    raise UserError(
        f"no column of {host.sample} ({', '.join(sample.columns)}) names images or rows of the test; is a folder or a "
        "table of the host's missing, or is it the wrong sample (SAMPLE=)?"
    )


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
