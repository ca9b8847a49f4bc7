"""Strict reading of CSV files: pandas reads the cells, and a second pass names the line when something is wrong."""

import csv
from collections.abc import Iterator, Sequence
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.paths import shown

if TYPE_CHECKING:
    import pandas as pd

csv.field_size_limit(2**31 - 1)  # the second pass must take every cell that pandas takes


def read_csv(file: Path, separators: Sequence[str] = (",",)) -> "pd.DataFrame":
    """Every cell as text, "" where it is empty; columns are named as in the header. Blank lines are skipped.

    separators: the first line decides which of them is used. Names are not checked: they may be empty or repeated.
    Raise `UserError` naming the file, and the line that is broken.
    """
    import pandas as pd

    try:
        content = file.read_bytes()
        separator = _separator(content.decode("utf-8-sig"), separators)
        try:
            cells = pd.read_csv(
                BytesIO(content),
                sep=separator,
                header=None,  # else a row with one cell too many makes an index of the first column
                dtype=str,
                keep_default_na=False,
                encoding="utf-8-sig",
                low_memory=False,
            )
        except pd.errors.EmptyDataError:
            raise UserError(f"{shown(file)} is empty: it has not even a header") from None
        except pd.errors.ParserError as error:
            _require_full_rows(file, content, separator)
            raise UserError(f"{shown(file)} is not readable as a CSV table: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise UserError(f"{shown(file)} is not readable as a CSV table: {why}") from error
    expected = len(cells) * (cells.shape[1] - 1)
    if b'"' in content or content.count(separator.encode()) != expected:
        _require_full_rows(file, content, separator)  # pandas fills short rows, and takes text after a closing quote
    cells.columns = cells.iloc[0].tolist()
    return cells.iloc[1:].reset_index(drop=True)


def line_of_row(file: Path, row: int, separators: Sequence[str] = (",",)) -> int:
    """The line of the file, from 1, in which the row (from 0, below the header) of `read_csv` ends."""
    text = file.read_text(encoding="utf-8-sig")
    lines = [line for line, _ in _records(text, _separator(text, separators))]
    return lines[row + 1]


def _separator(text: str, separators: Sequence[str]) -> str:
    return max(separators, key=text.split("\n", 1)[0].count)


def _require_full_rows(file: Path, content: bytes, separator: str) -> None:
    """Raise `UserError` at the first line with a broken quote, or with another number of columns than the header."""
    line, columns = 0, 0
    try:
        for line, fields in _records(content.decode("utf-8-sig"), separator):
            columns = columns or len(fields)
            if len(fields) != columns:
                raise UserError(f"{shown(file)}, line {line}: {len(fields)} columns instead of {columns}")
    except csv.Error as error:
        raise UserError(f"{shown(file)} is not readable as a CSV table after line {line}: {error}") from error


def _records(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """(line, fields) of everything that pandas does not take for a blank line."""
    rows = csv.reader(StringIO(text, newline=""), delimiter=separator, strict=True)
    return ((rows.line_num, fields) for fields in rows if fields and not (len(fields) == 1 and fields[0].isspace()))
