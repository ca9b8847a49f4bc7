"""A CSV table with a header: its cells as text, numbers or labels, and `csv_table`, which makes samples of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from harness.data.csv_files import line_of_row, read_csv
from harness.data.samples import Dataset, Samples, numbered
from harness.errors import UserError, nearest
from harness.paths import shown

SEPARATORS = ",;\t"
MISSING = {"?", "NA", "N/A", "NaN", "nan", "null", "None"}
MOST_TEXT = 2**30  # bytes that a column of text may take: every cell is stored as long as the longest


@dataclass(frozen=True)
class Table:
    """columns: name -> (n,) object, of str without spaces at the ends, "" where a value is missing; rows: (n,) int,
    their numbers in the file, from 0 below the header."""

    file: Path
    columns: dict[str, np.ndarray]
    rows: np.ndarray

    @classmethod
    def read(cls, file: Path) -> "Table":
        """Read cells separated by comma, semicolon or tab. Raise `UserError` naming the line that is broken."""
        cells = read_csv(file, SEPARATORS)
        columns = dict[str, np.ndarray]()
        for position, heading in enumerate(cells.columns):
            name = heading.strip() or f"Unnamed: {position}"  # as pandas calls it
            if name in columns:
                raise UserError(f"{shown(file)}, line 1: two columns are named {name!r}; rename one in the file")
            stripped = map(str.strip, cells.iloc[:, position])
            columns[name] = np.array(["" if cell in MISSING else cell for cell in stripped], object)
        if not len(cells):
            raise UserError(f"{shown(file)} is empty: there is no row below the header")
        return cls(file, columns, np.arange(len(cells)))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: np.ndarray) -> "Table":
        return Table(self.file, {name: cells[rows] for name, cells in self.columns.items()}, self.rows[rows])

    def text(self, name: str) -> np.ndarray:
        """(n,) object, of str. Raise `UserError` with the nearest name where there is no such column."""
        if name not in self.columns:
            raise UserError(
                f"{shown(self.file)} has no column {name!r}{nearest(name, self.columns)}; "
                f"there are {', '.join(self.columns)}"
            )
        return self.columns[name]

    def numbers(self, name: str) -> np.ndarray:
        """(n,) float64, NaN where missing. Raise `UserError` naming the first cell that is not a number."""
        text = self.text(name)
        values = as_numbers(text)
        if values is None:
            row = next(row for row, cell in enumerate(text) if as_numbers(text[row : row + 1]) is None)
            raise self.wrong(row, name, "is not a number")
        return values

    def labels(self, name: str, classes: Sequence[str]) -> np.ndarray:
        """(n,) unsigned int: a cell is the name of a class, or its number where no name of a class is a number."""
        label_of = {name: label for label, name in enumerate(classes)}
        if as_numbers(np.array(classes, object)) is None:
            label_of |= {str(label): label for label in range(len(classes))}
        text = self.text(name)
        for row, cell in enumerate(text):
            if cell not in label_of:
                near = f"is not a class{nearest(cell, classes)}; the classes are {', '.join(classes)}"
                raise self.wrong(row, name, near)
        return np.array([label_of[cell] for cell in text], np.min_scalar_type(len(classes) - 1))

    def ids(self, name: str | None, first_row: int = 0) -> np.ndarray:
        """(n,) str, each once; row numbers from `first_row` where no column is named."""
        if name is None:
            return numbered(len(self), first_row)
        text = self.text(name)
        if (missing := np.flatnonzero(text == "")).size:
            raise self.wrong(int(missing[0]), name, "is not an id: every row needs one")
        values, first, counts = np.unique(text, return_index=True, return_counts=True)
        if len(values) < len(text):
            row = int(first[counts > 1].min())
            raise self.wrong(row, name, f"names {(text == text[row]).sum()} rows, but an id names one")
        return text.astype(str)

    def groups(self, name: str | None) -> np.ndarray | None:
        """(n,) int: rows with the same text are one group; None where no column is named."""
        if name is None:
            return None
        text = self.text(name)
        if (missing := np.flatnonzero(text == "")).size:
            raise self.wrong(
                int(missing[0]), name, "is not a group; give a row that belongs to none a group of its own"
            )
        return np.unique(text, return_inverse=True)[1]

    def targets(
        self, target: str | Sequence[str], classes: Sequence[str] | None, separator: str | None = None
    ) -> np.ndarray:
        """One column: numbers; labels of `classes`; with a separator all labels in a cell, (n, classes) of 0 and 1.

        Several columns: (n, columns) numbers, or uint8 where all are 0 and 1, for several labels a row; with `classes`
        a column of 0 and 1 for each, and one label a row.
        """
        if isinstance(target, str):
            if separator is not None and classes is not None:
                return self.label_lists(target, classes, separator)
            return self.numbers(target) if classes is None else self.labels(target, classes)
        if classes is None:
            values = np.stack([self.numbers(name) for name in target], axis=1)
            return values.astype(np.uint8) if np.isin(values, (0, 1)).all() else values
        flags = np.stack([self.labels(name, ("0", "1")) for name in target], axis=1)
        if (wrong := np.flatnonzero(flags.sum(1) != 1)).size:
            raise self.wrong(int(wrong[0]), target[0], f"is in a row with {flags[wrong[0]].sum()} labels, not one")
        return flags.argmax(1).astype(np.min_scalar_type(len(classes) - 1))

    def label_lists(self, name: str, classes: Sequence[str], separator: str) -> np.ndarray:
        """(n, classes) uint8: 1 for every class that the cell names."""
        flags = np.zeros((len(self), len(classes)), np.uint8)
        for row, cell in enumerate(self.text(name)):
            for word in filter(None, map(str.strip, cell.split(separator))):
                if word not in classes:
                    raise self.wrong(row, name, f"names {word!r}, which is not a class{nearest(word, classes)}")
                flags[row, list(classes).index(word)] = 1
        return flags

    def is_labelled(self, target: str | Sequence[str]) -> np.ndarray:
        """(n,) bool: the rows with a target; every column of several counts."""
        return np.all([self.text(name) != "" for name in ([target] if isinstance(target, str) else target)], axis=0)

    def wrong(self, row: int, name: str, what: str) -> UserError:
        line = line_of_row(self.file, int(self.rows[row]), SEPARATORS)
        return UserError(f"{shown(self.file)}, line {line}, column {name}: {self.text(name)[row]!r} {what}")


def csv_table(
    file: Path,
    target: str | Sequence[str],
    classes: Sequence[str] | None = None,
    id: str | None = None,
    group: str | None = None,
    drop: Sequence[str] = (),
    test: Path | None = None,
    separator: str | None = None,
    first_row: int = 0,
) -> Dataset:
    """Samples of a table: inputs are a structured array of all columns but the target, the id, the group and `drop`.

    A column of numbers is float64 with NaN where a value is missing, any other is text. target, classes, separator: as
    in `Table.targets`. test: the official part "test", a file with the same columns; rows of `file` without a target
    are another, "unlabelled". first_row: the number of the first row, where no column is the id.
    """
    known, official_table = Table.read(file), Table.read(test) if test else None
    targets = [target] if isinstance(target, str) else list(target)
    for name in (*targets, *drop):
        known.text(name)
    inputs = [name for name in known.columns if name not in {*targets, *drop, id, group}]
    if not inputs:
        raise UserError(f"{shown(file)} has no column left to learn from")
    rows = _structured(inputs, [table for table in (known, official_table) if table is not None])
    ids, labelled = known.ids(id, first_row), known.is_labelled(target)
    if not labelled.any():
        raise UserError(f"{shown(file)} has no row with a target: the column {targets[0]} is empty")
    official = {}
    if not labelled.all():
        official["unlabelled"] = Samples(ids[~labelled], rows[: len(known)][~labelled])
    if official_table is not None:
        official["test"] = Samples(official_table.ids(id, first_row), rows[len(known) :])
    answered = known[labelled]
    columns = rows[: len(known)][labelled], answered.targets(target, classes, separator), answered.groups(group)
    return Dataset(Samples(ids[labelled], *columns), official)


def as_numbers(cells: np.ndarray) -> np.ndarray | None:
    """(n,) float64 of text, NaN where it is empty; None where some is not a number."""
    try:
        return np.where(cells == "", "nan", cells).astype(np.float64)
    except ValueError:
        return None


def _structured(names: Sequence[str], tables: Sequence[Table]) -> np.ndarray:
    """(n,) of the rows of all tables, with a field for every column: float64 where all cells are numbers, else text."""
    columns = dict[str, np.ndarray]()
    for name in names:
        cells = np.concatenate([table.text(name) for table in tables])
        longest = max(map(len, cells))
        if (values := as_numbers(cells)) is None and 4 * longest * len(cells) > MOST_TEXT:
            raise UserError(
                f"{shown(tables[0].file)}, column {name}: a cell has {longest} characters, too many for {len(cells)} "
                "rows; shorten it, or leave the column out with drop="
            )
        columns[name] = cells.astype(f"U{max(longest, 1)}") if values is None else values
    rows = np.empty(len(cells), [(name, column.dtype) for name, column in columns.items()])
    for name, column in columns.items():
        rows[name] = column
    return rows


def pixels_in_csv(
    file: Path,
    target: str,
    classes: Sequence[str] | None = None,
    id: str | None = None,
    group: str | None = None,
    test: Path | None = None,
    first_row: int = 0,
) -> Dataset:
    """Grey square images in a table, a column for every pixel, along the rows: inputs are (n, side, side) uint8.

    The other arguments are those of `csv_table`.
    """
    table = csv_table(file, target, classes, id, group, test=test, first_row=first_row)
    names = table.labelled.inputs.dtype.names
    side = int(len(names) ** 0.5)

    def images(samples: Samples) -> Samples:
        pixels = np.stack([samples.inputs[name] for name in names], axis=1)
        if side * side != len(names) or pixels.dtype.kind != "f" or not ((pixels >= 0) & (pixels <= 255)).all():
            raise UserError(f"{shown(file)}: its {len(names)} columns are not the pixels of a square image, 0 to 255")
        return replace(samples, inputs=np.round(pixels).astype(np.uint8).reshape(-1, side, side))

    return Dataset(images(table.labelled), {part: images(samples) for part, samples in table.official.items()})
