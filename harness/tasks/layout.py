"""The layout of a submission: which columns, what names a row, and how a decided row becomes cells and back.

One value, declared with the task, serves the judge's hold-out and the host's official test alike: what a player hands
in here has the form that Kaggle will ask for.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from harness.data.images import EncodedImages
from harness.data.samples import Samples, images_of, table_of
from harness.errors import InvalidSubmission, UserError
from harness.files import write_bytes

SHOWN = 5  # offending ids named in a message
PLACE = re.compile(r"\{([^{}]*)\}")  # in a key: {id}, {class} or {a column}
COPIED = "copied."  # the name of a repeated column among the judge's arrays begins so
BY_LAYOUT = {"id", "class"}  # every other place is a column of the samples' own table

csv.field_size_limit(2**31 - 1)  # the run lengths of a large mask are one cell


class Asked(NamedTuple):
    """The rows that a submission must hold.

    ids: (n,) str. sizes: (n, 2) int, height and width of every image, where there are images. copied: columns of
    the samples' own table that the file repeats, (n,) str each.
    """

    ids: np.ndarray
    sizes: np.ndarray | None = None
    copied: Mapping[str, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.ids)

    def size(self, row: int) -> tuple[int, int] | None:
        return None if self.sizes is None else (int(self.sizes[row][0]), int(self.sizes[row][1]))


class Line(NamedTuple):
    """What stands in the predicted columns of one line. label: the class whose line it is, None if it is of all."""

    label: int | None
    cells: list[str]
    where: str
    columns: Sequence[str]

    def wrong(self, column: int, what: str) -> InvalidSubmission:
        return InvalidSubmission(f"{self.where}, column {self.columns[column]}: {what}")


class Cells(Protocol):
    """How a decided row is written; one class for every kind of cell.

    output: what the cells carry, and so which metrics can judge them: "labels" or "probabilities". each_object: a
    sample has as many lines as objects, at least one.
    """

    @property
    def output(self) -> str: ...
    @property
    def each_object(self) -> bool: ...
    def columns(self, task: Any) -> Sequence[str]:
        """The predicted columns."""

    def labels(self, task: Any) -> Sequence[int]:
        """The classes that have a line of their own, where the key names a class."""

    def encode(self, task: Any, row: Any, label: int | None, size: tuple[int, int] | None) -> list[list[str]]:
        """The cells of the lines of one decided row, or of one class of it."""

    def decode(self, task: Any, lines: Sequence[Line], size: tuple[int, int] | None) -> Any:
        """A decided row from its lines; raise `InvalidSubmission` by `Line.wrong`."""

    def collect(self, task: Any, rows: Sequence[Any]) -> Any:
        """Decided rows as one."""


@dataclass(frozen=True)
class Layout:
    """cells: what is predicted, and how it is written.

    keys: column -> what stands in it. {id} is the sample's id, {class} a class, and then a sample has a line for every
    class; any other name in braces is a column of the samples' own table, repeated as it stands. Without {id} the order
    of the lines counts. columns: all of them as in the file; the keys, then the cells, where none are named.

    >>> Layout(Cells, {"ImageId_ClassId": "{id}_{class}"}).places
    ['id', 'class']
    """

    cells: Cells
    keys: Mapping[str, str] = field(default_factory=lambda: {"id": "{id}"})
    columns: tuple[str, ...] = ()

    @property
    def output(self) -> str:
        return self.cells.output

    @property
    def places(self) -> list[str]:
        """The names in braces."""
        return [name for key in self.keys.values() for name in PLACE.findall(key)]

    @property
    def id_column(self) -> str | None:
        """The column that holds the id, alone or as a part; None where the order of the lines counts."""
        return next((name for name, key in self.keys.items() if "{id}" in key), None)

    def id_cells(self, task: Any, asked: Asked) -> list[str]:
        """What may stand in that column, each once."""
        of_row = (self._keys(task, asked, row, label) for row in range(len(asked)) for label in self._labels(task))
        return list(dict.fromkeys(keys[self.id_column or ""] for keys in of_row))

    def asked(self, samples: Samples) -> Asked:
        """The rows for these samples; raise `UserError` where their table lacks a column that is to be repeated."""
        inputs, table, copied = images_of(samples.inputs), table_of(samples.inputs), {}
        for name in sorted(set(self.places) - BY_LAYOUT):
            if table is None or name not in (table.dtype.names or ()):
                raise UserError(f"the layout repeats the column {name!r}, which the samples do not have")
            copied[name] = np.array([text(value) for value in table[name].tolist()])
        if isinstance(inputs, EncodedImages):
            return Asked(samples.ids, inputs.sizes, copied)
        images = isinstance(inputs, np.ndarray) and inputs.ndim > 2
        return Asked(samples.ids, np.tile(inputs.shape[1:3], (len(inputs), 1)) if images else None, copied)

    def header(self, task: Any) -> list[str]:
        return list(self.columns or (*self.keys, *self.cells.columns(task)))

    def write(self, task: Any, asked: Asked, decided: Any, file: Path) -> None:
        """A function of its arguments only: the same rows are the same bytes."""
        header = self.header(task)
        at = {name: k for k, name in enumerate(self.cells.columns(task))}
        out = io.StringIO()
        lines = csv.writer(out, lineterminator="\n")
        lines.writerow(header)
        for row, values in enumerate(decided):
            for label in self._labels(task):
                keys = self._keys(task, asked, row, label)
                for cells in self.cells.encode(task, values, label, asked.size(row)):
                    lines.writerow([cells[at[name]] if name in at else keys[name] for name in header])
        write_bytes(file, out.getvalue().encode())

    def read(self, task: Any, file: Path, asked: Asked) -> Any:
        """Decided rows in the order of `asked`; raise `InvalidSubmission` naming the line and the column."""
        header, predicted = self.header(task), list(self.cells.columns(task))
        at = [header.index(name) for name in predicted]
        key_at = {name: header.index(name) for name in self.keys}
        lines: list[list[Line]] = [[] for _ in asked.ids]
        required = self._required(task, file, asked)
        for number, fields in read_table(file, header):
            row, label = required.place({name: fields[k] for name, k in key_at.items()}, number)
            where = f"{file.name}, line {number} ({self._named(asked, row)})"
            lines[row].append(Line(label, [fields[k] for k in at], where, predicted))
        required.require_all()
        return self.cells.collect(
            task, [self.cells.decode(task, of_row, asked.size(row)) for row, of_row in enumerate(lines)]
        )

    def order(self, task: Any, sample: Path, asked: Asked) -> np.ndarray:
        """The rows of `asked` in the order of the host's sample submission.

        Raise `UserError` where the sample has other columns, or asks for a row that is not there.
        """
        header = self.header(task)
        found = read_header(sample)
        if found != header:
            raise UserError(
                f"{sample.name} has the columns {','.join(found)}, but the layout writes {','.join(header)}"
            )
        if "id" not in self.places:
            return np.arange(len(asked))
        row_of = {
            tuple(self._keys(task, asked, row, label).values()): row
            for row in range(len(asked))
            for label in self._labels(task)
        }
        rows = dict[int, None]()
        for line, fields in read_table(sample, header):
            key = tuple(fields[header.index(name)] for name in self.keys)
            if key not in row_of:
                raise UserError(
                    f"{sample.name}, line {line}: {', '.join(key)} is asked for, but is not a row of the test"
                )
            rows[row_of[key]] = None
        return np.array(list(rows), int)

    def _labels(self, task: Any) -> Sequence[int | None]:
        return self.cells.labels(task) if "class" in self.places else [None]

    def _keys(self, task: Any, asked: Asked, row: int, label: int | None) -> dict[str, str]:
        words = {name: str(column[row]) for name, column in asked.copied.items()}
        words |= {"id": str(asked.ids[row]), "class": "" if label is None else task.classes[label]}
        return {name: PLACE.sub(lambda place: words[place[1]], key) for name, key in self.keys.items()}

    def _named(self, asked: Asked, row: int) -> str:
        return f"row {row + 1}" if self.id_column is None else f"{self.id_column} {asked.ids[row]}"

    def _required(self, task: Any, file: Path, asked: Asked) -> "RequiredRows":
        keys = [
            (tuple(self._keys(task, asked, row, label).items()), (row, label))
            for row in range(len(asked))
            for label in self._labels(task)
        ]
        return RequiredRows(file, keys, by_order="id" not in self.places, repeated=self.cells.each_object)


Key = tuple[tuple[str, str], ...]  # the key columns of a line and what stands in them


class RequiredRows:
    """The lines that a submission must hold; refuses unknown, repeated and missing ones, or those out of order."""

    def __init__(self, file: Path, keys: list[tuple[Key, tuple[int, int | None]]], by_order: bool, repeated: bool):
        self.file, self.keys, self.by_order, self.repeated = file, keys, by_order, repeated
        self.place_of = {} if by_order else dict(keys)
        self.seen: set[Any] = set()

    def place(self, found: Mapping[str, str], line: int) -> tuple[int, int | None]:
        """(row, class) of the line with these keys."""
        key = tuple(found.items())
        if self.by_order:
            at = len(self.seen)
            if at >= len(self.keys):
                raise InvalidSubmission(f"{self.file.name}, line {line}: more than the {len(self.keys)} rows asked for")
            for (name, expected), (_, value) in zip(self.keys[at][0], key, strict=True):
                if value != expected:
                    raise InvalidSubmission(
                        f"{self.file.name}, line {line}, column {name}: {value[:40]!r} instead of {expected[:40]!r}; "
                        "the rows must be in the order that is asked for"
                    )
            self.seen.add(at)
            return self.keys[at][1]
        told = ", ".join(f"{name} {value!r}" for name, value in key)
        if key not in self.place_of:
            raise InvalidSubmission(
                f"{self.file.name}, line {line}: {told} is not one of the {len(self.place_of)} asked for"
            )
        if key in self.seen and not self.repeated:
            raise InvalidSubmission(f"{self.file.name}, line {line}: {told} is given a second time")
        self.seen.add(key)
        return self.place_of[key]

    def require_all(self) -> None:
        count = len(self.keys)
        if self.by_order and len(self.seen) < count:
            raise InvalidSubmission(f"{self.file.name}: {len(self.seen)} rows instead of the {count} asked for")
        missing = [key for key, _ in self.keys if key not in self.seen] if not self.by_order else []
        if missing:
            shown = ", ".join(" ".join(value for _, value in key) for key in missing[:SHOWN])
            raise InvalidSubmission(f"{self.file.name}: {len(missing)} of {count} ids are missing, the first: {shown}")


def text(value: Any) -> str:
    """A cell of a table as it is repeated: text as it stands, a whole number without a point, "" for NaN."""
    if isinstance(value, float):
        return "" if value != value else f"{value:.15g}"
    return str(value)


# -- tables ------------------------------------------------------------------------------------------------------------


def read_header(file: Path) -> list[str]:
    return next(_lines(file), (0, []))[1]


def read_table(file: Path, header: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, fields) of every row after the header; raise `InvalidSubmission` at the first broken one.

    Python's csv module reads it: of wide masks (1,000 rows of 8,193 columns) it is twice as fast as pandas with half
    the memory, and it knows the line of every row.
    """
    lines = _lines(file)
    _check_header(file, next(lines, (0, []))[1], header)
    for number, fields in lines:
        if len(fields) != len(header):
            raise InvalidSubmission(f"{file.name}, line {number}: {len(fields)} columns instead of {len(header)}")
        yield number, fields


def _lines(file: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        with open(file, newline="", encoding="utf-8-sig") as content:  # spreadsheets begin a file with a mark
            lines = csv.reader(content, strict=True)
            for fields in lines:
                yield lines.line_num, fields
    except FileNotFoundError:
        raise UserError(f"{file} does not exist") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidSubmission(f"{file.name} is not readable as a CSV table: {error}") from error


def _check_header(file: Path, columns: list[str], header: Sequence[str]) -> None:
    if len(columns) != len(header):
        names = list(header) if len(header) < 6 else [*header[:3], "...", header[-1]]
        raise InvalidSubmission(
            f"{file.name}: the header has {len(columns)} columns instead of {len(header)} ({','.join(names)})"
        )
    for position, (name, expected) in enumerate(zip(columns, header, strict=True)):
        if name != expected:
            raise InvalidSubmission(f"{file.name}: column {position + 1} is named {name!r} instead of {expected!r}")
