"""How the sample submission names its rows."""

import re
from dataclasses import dataclass, field

import pandas as pd

from harness.errors import UserError, listed
from harness.new_competition.host_files import Host

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
        f"no column of {host.sample} ({listed(sample.columns)}) names images or rows of the test; is a folder or a "
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
