"""Strict reading of CSV files into pandas tables: whatever is wrong is named by its line."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.paths import shown

if TYPE_CHECKING:
    import pandas as pd

csv.field_size_limit(2**31 - 1)  # a long text or the run lengths of a large mask are one cell


def read_csv(file: Path, separators: Sequence[str] = (",",)) -> "pd.DataFrame":
    """Every cell as text, "" where it is empty; columns are named as in the header. Blank lines are skipped.

    separators: the first line decides which of them is used. Names are not checked: they may be empty or repeated.
    Raise `UserError` naming the file, and the line that is broken.
    """
    import pandas as pd

    rows = [fields for _, fields in _rows(file, separators)]
    if not rows:
        raise UserError(f"{shown(file)} is empty: it has not even a header")
    return pd.DataFrame(rows[1:], columns=rows[0], dtype=object)


def line_of_row(file: Path, row: int, separators: Sequence[str] = (",",)) -> int:
    """The line of the file, from 1, in which the row (from 0, below the header) of `read_csv` ends."""
    return [line for line, _ in _rows(file, separators)][row + 1]


def _rows(file: Path, separators: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """(line, fields) of every row that is not blank, the header first; all of as many columns."""
    line, columns = 0, 0
    try:
        with open(file, encoding="utf-8-sig", newline="") as text:
            first = text.readline()
            text.seek(0)
            rows = csv.reader(text, delimiter=max(separators, key=first.count), strict=True)
            for fields in rows:
                line = rows.line_num
                if not fields or (len(fields) == 1 and fields[0].isspace()):
                    continue
                columns = columns or len(fields)
                if len(fields) != columns:
                    raise UserError(f"{shown(file)}, line {line}: {len(fields)} columns instead of {columns}")
                yield line, fields
    except csv.Error as error:
        raise UserError(f"{shown(file)} is not readable as a CSV table after line {line}: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise UserError(f"{shown(file)} is not readable as a CSV table: {why}") from error
