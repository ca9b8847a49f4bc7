"""Submission tables: strict rows of a CSV file against the ids that are asked for; columns of labels and numbers.

Python's csv module reads them: of wide masks (1,000 rows of 8,193 columns) it is twice as fast as pandas with half the
memory, and it knows the line of every row.
"""

import csv
import io
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import InvalidSubmission, UserError
from harness.files import write_bytes

SHOWN = 5  # offending ids named in a message
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)  # Python's float takes more: 1_0, nan, " 1"

csv.field_size_limit(2**31 - 1)  # the run lengths of a large mask are one cell


def read_table(file: Path, header: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, fields) of every row after the header; raise `InvalidSubmission` at the first broken one."""
    try:
        with open(file, newline="", encoding="utf-8-sig") as text:  # spreadsheets begin a file with a mark
            lines = csv.reader(text, strict=True)
            _check_header(file, next(lines, []), header)
            for fields in lines:
                if len(fields) != len(header):
                    raise InvalidSubmission(
                        f"{file.name}, line {lines.line_num}: {len(fields)} columns instead of {len(header)}"
                    )
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


class RequiredIds:
    """The ids that a submission must hold: returns the row of each, and refuses unknown, duplicate and missing ones."""

    def __init__(self, file: Path, ids: np.ndarray):
        self.file, self.row_of = file, {str(name): row for row, name in enumerate(ids)}
        self.seen: set[str] = set()

    def row(self, name: str, line: int, repeated: bool = False) -> int:
        """The row of this id. repeated: whether an id may be on several lines."""
        if name not in self.row_of:
            raise InvalidSubmission(
                f"{self.file.name}, line {line}: id {name!r} is not one of the {len(self.row_of)} asked for"
            )
        if name in self.seen and not repeated:
            raise InvalidSubmission(f"{self.file.name}, line {line}: id {name!r} is given a second time")
        self.seen.add(name)
        return self.row_of[name]

    def require_all(self) -> None:
        missing = [name for name in self.row_of if name not in self.seen]
        if missing:
            raise InvalidSubmission(
                f"{self.file.name}: {len(missing)} of {len(self.row_of)} ids are missing, "
                f"the first: {', '.join(missing[:SHOWN])}"
            )


# -- columns of labels and numbers: id,label or id,<class>,... or id,<target> ------------------------------------------


def write_columns(ids: np.ndarray, names: Sequence[str], rows: Iterable[Sequence[str]], file: Path) -> None:
    """Write `id` and the columns of these names; a name with a comma is quoted."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["id", *names])
    lines.writerows([str(name), *row] for name, row in zip(ids, rows, strict=True))
    write_bytes(file, text.getvalue().encode())


def read_columns(
    file: Path, ids: np.ndarray, names: Sequence[str], value_of: Callable[[str], Any], expected: str
) -> np.ndarray:
    """(n, columns) float64 in the order of `ids`; raise `InvalidSubmission` naming the line and the column.

    value_of: raises ValueError for a broken text; expected: what it should have been, for the message.
    """
    values = np.zeros((len(ids), len(names)))
    required = RequiredIds(file, ids)
    for line, (name, *fields) in read_table(file, ["id", *names]):
        row = required.row(name, line)
        for column, field in enumerate(fields):
            try:
                values[row, column] = value_of(field)
            except ValueError:
                raise InvalidSubmission(
                    f"{file.name}, line {line} (id {name}), column {names[column]}: {field!r} is not {expected}"
                ) from None
    required.require_all()
    return values


def label(text: str, classes: int) -> int:
    """A class as its index, written in no other way.

    >>> label("7", 10)
    7
    >>> label("07", 10)
    Traceback (most recent call last):
    ValueError: 07
    """
    if text not in map(str, range(classes)):
        raise ValueError(text)
    return int(text)


def number(text: str) -> float:
    """A finite decimal number.

    >>> number("-1.5e3")
    -1500.0
    >>> number("nan")
    Traceback (most recent call last):
    ValueError: nan
    """
    if not NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise ValueError(text)
    return float(text)


def probability(text: str) -> float:
    """A number from 0 to 1."""
    if not 0 <= number(text) <= 1:
        raise ValueError(text)
    return number(text)
