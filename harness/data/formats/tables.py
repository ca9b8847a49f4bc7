"""A CSV table with a header: its cells as text, numbers or labels, and `csv_table`, which makes samples of it."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.data.samples import Dataset, Samples, numbered
from harness.errors import UserError, nearest
from harness.paths import shown

MISSING = ("", "?", "NA", "N/A", "NaN", "nan", "null", "None")


@dataclass(frozen=True)
class Table:
    """columns: name -> (n,) text, without spaces at the ends, "" where a value is missing; lines: of the file, (n,)."""

    file: Path
    columns: dict[str, np.ndarray]
    lines: np.ndarray

    @classmethod
    def read(cls, file: Path) -> "Table":
        """Separated by comma, semicolon or tab. Raise `UserError` naming the line that is broken."""
        try:
            with open(file, newline="", encoding="utf-8-sig") as text:
                separator = max(",;\t", key=text.readline().count)
                text.seek(0)
                rows = csv.reader(text, delimiter=separator, strict=True)
                header = _header(file, next(rows, []))
                cells, lines = [], []
                for fields in filter(None, rows):
                    if len(fields) != len(header):
                        raise UserError(
                            f"{shown(file)}, line {rows.line_num}: {len(fields)} columns instead of {len(header)}"
                        )
                    cells.append([field.strip() for field in fields])
                    lines.append(rows.line_num)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            why = getattr(error, "strerror", None) or error
            raise UserError(f"{shown(file)} is not readable as a CSV table: {why}") from error
        if not cells:
            raise UserError(f"{shown(file)} is empty: there is no row below a header in it")
        columns = {name: np.array(column) for name, column in zip(header, zip(*cells, strict=True), strict=True)}
        for column in columns.values():
            column[np.isin(column, MISSING)] = ""
        return cls(file, columns, np.array(lines))

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, rows: np.ndarray) -> "Table":
        return Table(self.file, {name: cells[rows] for name, cells in self.columns.items()}, self.lines[rows])

    def text(self, name: str) -> np.ndarray:
        """(n,) str. Raise `UserError` with the nearest name where there is no such column."""
        if name not in self.columns:
            raise UserError(
                f"{shown(self.file)} has no column {name!r}{nearest(name, self.columns)}; "
                f"there are {', '.join(self.columns)}"
            )
        return self.columns[name]

    def numbers(self, name: str) -> np.ndarray:
        """(n,) float64, NaN where missing. Raise `UserError` naming the first cell that is none."""
        found = as_numbers(self.text(name))
        if found is None:
            row = next(row for row, cell in enumerate(self.text(name)) if cell and as_numbers(np.array([cell])) is None)
            raise self.wrong(row, name, "is no number")
        return found

    def labels(self, name: str, classes: Sequence[str]) -> np.ndarray:
        """(n,) unsigned int: a cell is the name of a class; or its number, where no name is a number."""
        label_of = {name: label for label, name in enumerate(classes)}
        if as_numbers(np.array(classes)) is None:
            label_of |= {str(label): label for label in range(len(classes))}
        cells, row_of_cell = np.unique(self.text(name), return_inverse=True)
        for k, cell in enumerate(cells):
            if cell not in label_of:
                right = f"is no class{nearest(cell, classes)}; the classes are {', '.join(classes)}"
                raise self.wrong(int(np.flatnonzero(row_of_cell == k)[0]), name, right)
        codes = np.array([label_of[cell] for cell in cells], np.min_scalar_type(len(classes) - 1))
        return codes[row_of_cell]

    def ids(self, name: str | None) -> np.ndarray:
        """(n,) str, each once; row numbers from 0 where no column is named."""
        if name is None:
            return numbered(len(self))
        names, first, counts = np.unique(self.text(name), return_index=True, return_counts=True)
        if (twice := counts > 1).any():
            raise self.wrong(int(first[twice][0]), name, f"names {counts[twice][0]} rows, but an id names one")
        if not names[0]:
            raise self.wrong(int(first[0]), name, "is no id: every row needs one")
        return self.text(name)

    def groups(self, name: str | None) -> np.ndarray | None:
        """(n,) int: rows with the same text are one group; None where no column is named."""
        if name is None:
            return None
        names, first, groups = np.unique(self.text(name), return_index=True, return_inverse=True)
        if not names[0]:
            raise self.wrong(int(first[0]), name, "is no group; give the row one of its own if it belongs to none")
        return groups

    def targets(self, target: str | Sequence[str], classes: Sequence[str] | None) -> np.ndarray:
        """Labels of these classes; numbers where there are none; (n, columns) 0/1 of several columns."""
        if isinstance(target, str):
            return self.numbers(target) if classes is None else self.labels(target, classes)
        return np.stack([self.labels(name, ("0", "1")) for name in target], axis=1)

    def is_labelled(self, target: str | Sequence[str]) -> np.ndarray:
        """(n,) bool: the rows with a target; every column of several counts."""
        return np.all([self.text(name) != "" for name in ([target] if isinstance(target, str) else target)], axis=0)

    def wrong(self, row: int, name: str, what: str) -> UserError:
        return UserError(
            f"{shown(self.file)}, line {self.lines[row]}, column {name}: {str(self.columns[name][row])!r} {what}"
        )


def csv_table(
    file: Path,
    target: str | Sequence[str],
    classes: Sequence[str] | None = None,
    id: str | None = None,
    group: str | None = None,
    drop: Sequence[str] = (),
    test: Path | None = None,
) -> Dataset:
    """Samples of a table: inputs are a structured array of all columns but the target, the id, the group and `drop`.

    A column of numbers is float64 with NaN where a value is missing, any other is text. target: a column of numbers, of
    labels where `classes` are given, or several columns of 0 and 1. test: the official part "test", a file with the
    same columns; rows of `file` without a target are another, "unlabelled".
    """
    known, asked = Table.read(file), Table.read(test) if test else None
    targets = [target] if isinstance(target, str) else list(target)
    for name in (*targets, *drop):
        known.text(name)
    inputs = [name for name in known.columns if name not in {*targets, *drop, id, group}]
    if not inputs:
        raise UserError(f"{shown(file)} has no column left to learn from")
    texts = [np.concatenate([table.text(name) for table in (known, asked) if table is not None]) for name in inputs]
    rows = _structured(dict(zip(inputs, texts, strict=True)))
    ids, labelled = known.ids(id), known.is_labelled(target)
    if not labelled.any():
        raise UserError(f"{shown(file)} has no row with a target: the column {targets[0]} is empty")
    official = {}
    if not labelled.all():
        official["unlabelled"] = Samples(ids[~labelled], rows[: len(known)][~labelled])
    if asked is not None:
        official["test"] = Samples(asked.ids(id), rows[len(known) :])
    answered = known[labelled]
    columns = rows[: len(known)][labelled], answered.targets(target, classes), answered.groups(group)
    return Dataset(Samples(ids[labelled], *columns), official)


def as_numbers(cells: np.ndarray) -> np.ndarray | None:
    """(n,) float64 of text, NaN where it is empty; None where some is no number."""
    try:
        return np.where(cells == "", "nan", cells).astype(np.float64)
    except ValueError:
        return None


def _structured(texts: dict[str, np.ndarray]) -> np.ndarray:
    """(n,) with a field for every column: float64 where all cells are numbers, else text as long as the longest."""
    columns = {name: cells if (found := as_numbers(cells)) is None else found for name, cells in texts.items()}
    rows = np.empty(len(next(iter(columns.values()))), [(name, column.dtype) for name, column in columns.items()])
    for name, column in columns.items():
        rows[name] = column
    return rows


def _header(file: Path, names: list[str]) -> list[str]:
    names = [name.strip() for name in names]
    for position, name in enumerate(names, 1):
        if not name:
            raise UserError(f"{shown(file)}, line 1: column {position} has no name; name it in the file")
        if name in names[: position - 1]:
            raise UserError(f"{shown(file)}, line 1: two columns are named {name!r}; rename one in the file")
    return names
