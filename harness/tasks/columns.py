"""Submissions of a few columns a row: a label (`id,label`), numbers (`id,<class>,...`), one number (`id,<target>`)."""

import csv
import io
import math
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import InvalidSubmission
from harness.files import write_bytes
from harness.tasks.tables import Wanted, read_table

NUMBER = re.compile(
    r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII
)  # what Python's float takes, and more, is too much


def write_columns(ids: np.ndarray, names: Sequence[str], rows: Iterable[Sequence[str]], file: Path) -> None:
    """`id` and the columns of these names; a name with a comma is quoted."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["id", *names])
    lines.writerows([str(name), *row] for name, row in zip(ids, rows, strict=True))
    write_bytes(file, text.getvalue().encode())


def read_columns(
    file: Path, ids: np.ndarray, names: Sequence[str], value_of: Callable[[str], Any], right: str
) -> np.ndarray:
    """(n, columns) float64 in the order of `ids`; raise `InvalidSubmission` naming the line and the column.

    value_of: raises ValueError for a text that is none; right: what it should have been, for the message.
    """
    values = np.zeros((len(ids), len(names)))
    wanted = Wanted(file, ids)
    for line, (name, *fields) in read_table(file, ["id", *names]):
        row = wanted.row(name, line)
        for column, field in enumerate(fields):
            try:
                values[row, column] = value_of(field)
            except ValueError:
                raise InvalidSubmission(
                    f"{file.name}, line {line} (id {name}), column {names[column]}: {field!r} is not {right}"
                ) from None
    wanted.require_all()
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
