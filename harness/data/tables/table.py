"""A CSV table with a header: its cells as text, numbers, labels, ids and groups."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.samples import numbered
from harness.data.tables.cell_values import (
    EXACT,
    NumberColumn,
    label_in,
    label_names,
    missing_in,
    numbers_in,
    plain_number,
)
from harness.data.tables.csv_files import CsvFile
from harness.errors import UserError, nearest
from harness.paths import shown

FLAGS = ("0", "1")
UNNAMED = "Unnamed: "  # so pandas begins the name of a column that has none

OfIds = Callable[[Sequence[str]], Sequence[Any]]  # ids -> the group, or the label, of each
Group = str | OfIds | None  # a column, or a function of the ids


@dataclass(frozen=True)
class Table:
    """columns: their names, in their order. rows: (n,) int, which of the file's, from 0 below the header.

    missing: what a host writes for a missing number or target, beside the usual markers (`cell_values.MISSING`). kept:
    the text of columns that were asked for, and whether without the markers.
    """

    source: CsvFile
    columns: Sequence[str]
    rows: np.ndarray
    missing: Sequence[str] = ()
    kept: dict[tuple[str, bool], np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, file: Path, missing: Sequence[str] = ()) -> "Table":
        """Read cells separated by comma, semicolon, tab or bar. Raise `UserError` naming the line that is broken."""
        source = CsvFile.open(file)
        names = [name.strip() or f"{UNNAMED}{position}" for position, name in enumerate(source.header)]
        if len(set(names)) < len(names):
            twice = next(name for name, count in Counter(names).items() if count > 1)
            raise UserError(f"{shown(file)}, line 1: two columns are named {twice!r}; rename one in the file")
        if not len(source.rows):
            raise UserError(f"{shown(file)} is empty: there is no row below the header")
        return cls(source, names, np.arange(len(source.rows)), missing)

    @property
    def file(self) -> Path:
        return self.source.file

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: np.ndarray) -> "Table":
        return Table(self.source, self.columns, self.rows[rows], self.missing)

    def place(self, name: str) -> int:
        """Of the column; raise `UserError` with the nearest name where there is none."""
        if name not in self.columns:
            raise UserError(
                f"{shown(self.file)} has no column {name!r}{nearest(name, self.columns)}; "
                f"there are {', '.join(self.columns)}"
            )
        return list(self.columns).index(name)

    def text(self, name: str) -> np.ndarray:
        """(n,) object, of str without spaces at the ends: the cells as they stand."""
        if (name, False) not in self.kept:
            self.kept[name, False] = self.source.text(self.place(name))[self.rows]
        return self.kept[name, False]

    def filled(self, name: str) -> np.ndarray:
        """(n,) object, of str: the cells, "" where one says that its value is missing."""
        if (name, True) not in self.kept:
            self.kept[name, True] = np.where(missing_in(self.text(name), self.missing), "", self.text(name))
        return self.kept[name, True]

    def plain_numbers(self, name: str) -> np.ndarray | None:
        """(n,) float64, NaN where missing, of a column that pandas took for numbers; None of any other."""
        typed = self.source.typed
        assert typed is not None
        column = typed[self.place(name)]
        if column.dtype.kind not in "iufb":
            return None
        values = column.to_numpy(np.float64)[self.source.rows[self.rows]]
        markers = [number for marker in self.missing if (number := plain_number(marker)) is not None]
        return np.where(np.isin(values, markers), np.nan, values) if markers else values

    def read_numbers(self, name: str) -> NumberColumn:
        """The numbers of a column, and which of its cells are none."""
        if (values := self.plain_numbers(name)) is not None:
            return NumberColumn(values, np.zeros(len(values), bool))
        return numbers_in(self.text(name), self.missing, self.source.separator)

    def numbers(self, name: str) -> np.ndarray:
        """(n,) float64, NaN where missing. Raise `UserError` naming the first cell that is not a finite number."""
        read = self.read_numbers(name)
        if read.wrong.any():
            raise self.wrong(int(read.wrong.argmax()), name, "is not a number")
        if np.isinf(read.values).any():
            row = int(np.isinf(read.values).argmax())
            raise self.wrong(row, name, "is not a finite number; leave the cell empty where the value is missing")
        if read.commas:
            self.say(f"column {name}: commas are read as {read.commas}, as in {self.example(name, ',')}")
        if rounded := self.rounded(name, read.values):
            self.say(f"column {name}: {self.where(rounded[0], name)} is beyond 2**53, where numbers are rounded")
        return read.values

    def rounded(self, name: str, values: np.ndarray) -> list[int]:
        """The rows whose cells are whole numbers of more digits than float64 holds."""
        rows = np.flatnonzero(np.abs(values) >= EXACT).tolist()
        return [row for row in rows if self.text(name)[row].lstrip("+-").isdigit()]

    def labels(self, name: str, classes: Sequence[str]) -> np.ndarray:
        """(n,) unsigned int: a cell is the name of a class, or its number where no name of a class is a number."""
        names, cells = label_names(classes), self.text(name)
        label_of = {cell: label_in(cell, names) for cell in set(cells)}
        for row, cell in enumerate(cells):
            if label_of[cell] is None:
                near = f"is not a class{nearest(cell, classes)}; the classes are {', '.join(classes)}"
                raise self.wrong(row, name, near)
        return np.array([label_of[cell] for cell in cells], np.min_scalar_type(len(classes) - 1))

    def ids(self, name: str | None, first_row: int = 0) -> np.ndarray:
        """(n,) str, each once, as they stand; row numbers from `first_row` where no column is named."""
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

    def in_order_of(self, id: str | None, ids: np.ndarray) -> "Table":
        """The rows of these ids, in their order; raise `UserError` naming the first that has none."""
        row_of = {name: row for row, name in enumerate(self.ids(id).tolist())}
        if lost := [name for name in ids.tolist() if name not in row_of]:
            raise UserError(
                f"{shown(self.file)} has no row for {len(lost)} of {len(ids)} ids, the first is {lost[0]!r}"
            )
        return self[np.array([row_of[name] for name in ids.tolist()], int)]

    def groups(self, name: Group, ids: Sequence[str] | np.ndarray) -> np.ndarray | None:
        """(n,) int: rows with the same text in a column, or in a part of their ids, are one group; None of none."""
        if name is None:
            return None
        if callable(name):
            return groups_by(name, ids)
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
        flags = np.stack([self.labels(name, FLAGS) for name in target], axis=1)
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

    def is_labelled(self, target: str | Sequence[str], classes: Sequence[str] | None = None) -> np.ndarray:
        """(n,) bool: the rows with a target; every column of several counts. What is a class is never missing.

        Rows without a target are said, with the first of their cells. Raise `UserError` where no row has one.
        """
        columns = [target] if isinstance(target, str) else list(target)
        names = label_names(classes if classes is not None and isinstance(target, str) else FLAGS)
        labelled = np.ones(len(self), bool)
        for name in columns:
            if classes is None and (values := self.plain_numbers(name)) is not None:
                labelled &= ~np.isnan(values)
                continue
            cells = self.text(name)
            missing = missing_in(cells, self.missing)
            missing[missing] = [label_in(cell, names) is None for cell in cells[missing]]
            labelled &= ~missing
        if not labelled.any():
            raise UserError(f"{shown(self.file)} has no row with a target: the column {columns[0]} is empty")
        if not labelled.all():
            row = int((~labelled).argmax())
            self.say(
                f"{(~labelled).sum()} of {len(self)} rows have no {' or '.join(columns)}, the first is "
                f'{self.where(row, columns[0])}; they are not learned from, and make the official part "unlabelled"'
            )
        return labelled

    # -- what is said --------------------------------------------------------------------------------------------------

    def line(self, row: int) -> int:
        return self.source.lines[int(self.rows[row])]

    def where(self, row: int, name: str) -> str:
        return f"{self.text(name)[row][:60]!r} in line {self.line(row)}"

    def example(self, name: str, part: str) -> str:
        """Where the first cell stands that holds this text."""
        return self.where(next(row for row, cell in enumerate(self.text(name)) if part in cell), name)

    def say(self, what: str) -> None:
        logging.getLogger(__name__).warning("%s: %s", shown(self.file), what)

    def wrong(self, row: int, name: str, what: str) -> UserError:
        cell = self.text(name)[row]
        cell = cell if len(cell) <= 60 else f"{cell[:60]}..."
        return UserError(f"{shown(self.file)}, line {self.line(row)}, column {name}: {cell!r} {what}")


def groups_by(group: OfIds, ids: Sequence[str] | np.ndarray) -> np.ndarray:
    """(n,) int: the ids of which the function says the same are one group."""
    return np.unique(np.array(group(list(ids))), return_inverse=True)[1]
