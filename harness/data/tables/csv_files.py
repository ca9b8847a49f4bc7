"""Strict reading of CSV files into pandas tables: whatever is wrong is named by its line.

pandas' parser is five times as fast as Python's, but fills short rows up; so it reads, and separators are counted.
Where their number is wrong, or quotes leave it open, Python's csv module goes over the rows and names the broken one.
"""

import csv
import io
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.data.tables.encodings import read_utf8
from harness.data.tables.json_rows import as_csv
from harness.errors import UserError
from harness.paths import shown

if TYPE_CHECKING:
    import pandas as pd

csv.field_size_limit(2**31 - 1)  # a long text or the run lengths of a large mask are one cell

SEPARATORS = ",;\t|"
FIRST = 30  # rows by which the separator is chosen
BEGINNING = 2**20  # bytes in which the header ends
WORDS = "NA N/A #N/A #NA <NA> NaN -nan NaT NULL None #NULL! #VALUE! #DIV/0!"
# what pandas takes for missing in a column of numbers; where another case stands, the column is looked at cell by cell
MARKERS = ["", "?", "-", "--", ".", *WORDS.split(), *WORDS.lower().split(), "Null", "Nan", "NAN", "NONE"]


def read_csv(file: Path) -> "pd.DataFrame":
    """Every cell as text, "" where it is empty; columns are named as in the header. Blank rows are left out.

    The separator is a comma, semicolon, tab or bar. Names are not checked: they may be empty or repeated. Raise
    `UserError` naming the file, and the line that is broken.
    """
    source = CsvFile.open(file)
    cells = source.parsed(dtype=object, na_filter=False).iloc[source.rows].reset_index(drop=True)
    cells.columns = source.header
    return cells


@dataclass(frozen=True)
class CsvFile:
    """A table as it stands in its file. content: UTF-8. header: the names of the columns, as they are."""

    file: Path
    content: bytes
    separator: str
    header: list[str]

    @classmethod
    def open(cls, file: Path) -> "CsvFile":
        """Raise `UserError` where there is no header, or where a row has more or fewer cells than it."""
        content = as_csv(file) if file.suffix.lower() == ".json" else read_utf8(file)
        if declared := re.match(rb"sep=(.)\r?\n", content):  # spreadsheets write such a line
            content = b"\n" + content[declared.end() :]
        begin = content[:BEGINNING].decode(errors="ignore")
        separator = declared[1].decode() if declared else separator_of(begin)
        header = next((fields for _, fields in rows_of(begin, separator, file)), None)
        if header is None:
            raise UserError(f"{shown(file)} is empty: it has not even a header")
        source = cls(file, content, separator, header)
        source.check()
        return source

    def check(self) -> None:
        """Raise `UserError` naming the first row that is broken."""
        separators = np.count_nonzero(np.frombuffer(self.content, np.uint8) == ord(self.separator))
        whole = self.typed is not None and separators == (len(self.typed) + 1) * (len(self.header) - 1)
        if b'"' in self.content or not whole:
            self.lines  # noqa: B018 - reads every row
        if self.typed is None:
            raise UserError(f"{shown(self.file)} is not readable as a CSV table; save it again as CSV in UTF-8")
        if dropped := len(self.typed) - len(self.rows):
            first = int((np.append(self.rows, -1) != np.arange(len(self.rows) + 1)).argmax())
            logging.getLogger(__name__).warning(
                "%s: %d rows have nothing in any column and are left out, the first after line %d",
                *(shown(self.file), dropped, self.lines[first - 1] if first else 1),
            )

    @cached_property
    def typed(self) -> "pd.DataFrame | None":
        """Every row, with numbers where all cells of a column are numbers or missing; None where pandas cannot."""
        try:
            return self.parsed(keep_default_na=False, na_values=MARKERS)
        except (ValueError, OverflowError):  # pandas' own ParserError is a ValueError
            return None

    @cached_property
    def rows(self) -> np.ndarray:
        """(n,) int: the rows of `typed` that are not blank."""
        typed = self.typed
        assert typed is not None
        blank = np.arange(len(typed))
        for _, column in typed.items():
            cells = column.iloc[blank]
            spaces = cells.astype(str).str.strip() == "" if cells.dtype.kind not in "iufb" else False
            blank = blank[np.asarray(cells.isna() | spaces)]
        if len(blank):  # or all cells say that they are missing
            text = self.parsed(dtype=object, na_filter=False).iloc[blank]
            blank = blank[np.asarray((text.apply(lambda column: column.str.strip()) == "").all(axis=1))]
        return np.delete(np.arange(len(typed)), blank)

    @cached_property
    def lines(self) -> list[int]:
        """The line, from 1, in which every row ends that is not blank. Raise `UserError` at a broken one."""
        return [line for line, _ in islice(rows_of(self.content.decode(), self.separator, self.file), 1, None)]

    @cached_property
    def has_spaces(self) -> bool:
        return b" " in self.content

    @cached_property
    def is_file(self) -> bool:
        """Whether the file holds the content as it is; pandas reads a path twice as fast as bytes."""
        return self.file.read_bytes() == self.content

    @cached_property
    def has_codes(self) -> bool:
        """Whether some cell may begin with 0 and another digit, as zip codes do."""
        content = np.frombuffer(self.content, np.uint8)
        at = np.flatnonzero(content[1:-1] == ord("0")) + 1
        begins = np.isin(content[at - 1], np.frombuffer(f'{self.separator}\n\r" '.encode(), np.uint8))
        return bool((begins & (content[at + 1] >= ord("0")) & (content[at + 1] <= ord("9"))).any())

    def text(self, column: int) -> np.ndarray:
        """(n,) object, of str without spaces at the ends: the cells of the rows that are not blank, as they stand."""
        words = column in self.words
        parsed = self.texts if words else self.parsed(dtype=object, na_filter=False, usecols=[column])
        cells = parsed[column].to_numpy()[self.rows]
        return np.array([cell.strip() for cell in cells], object) if words or self.has_spaces else cells

    @property
    def words(self) -> list[int]:
        """The columns that are no numbers."""
        assert self.typed is not None
        return [column for column in range(len(self.header)) if self.typed[column].dtype.kind not in "iufb"]

    @cached_property
    def texts(self) -> "pd.DataFrame":
        """Every row of the `words`, as text."""
        return self.parsed(dtype=object, na_filter=False, usecols=self.words)

    def parsed(self, **options: Any) -> "pd.DataFrame":
        """By pandas, blank lines left out; columns are numbered."""
        import warnings

        import pandas as pd

        with warnings.catch_warnings():  # `check` names rows that are too long, and text may look like numbers in parts
            warnings.simplefilter("ignore", pd.errors.ParserWarning)
            warnings.simplefilter("ignore", pd.errors.DtypeWarning)
            return pd.read_csv(
                self.file if self.is_file else io.BytesIO(self.content),
                sep=self.separator,
                header=0,
                names=range(len(self.header)),
                index_col=False,
                compression=None,
                skipinitialspace=self.has_spaces,  # half as fast
                **options,
            )


def rows_of(text: str, separator: str, file: Path) -> Iterator[tuple[int, list[str]]]:
    """(line, fields) of every row that is not blank, the header first. Raise `UserError` where one is broken."""
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True)
    columns, line = 0, 0
    try:
        for fields in rows:
            line = rows.line_num
            if not any(map(str.strip, fields)):
                continue
            columns = columns or len(fields)
            if len(fields) != columns:
                raise UserError(f"{shown(file)}, line {line}: {len(fields)} columns instead of {columns}")
            yield line, fields
    except csv.Error as error:
        raise UserError(f"{shown(file)} is not readable as a CSV table after line {line}: {error}") from error


def separator_of(text: str) -> str:
    """The separator that gives the first rows as many cells as the header, and parts no quotes; of several, the one
    that gives most. Where none does, the one that the header has most of.
    """
    begin = list(islice(io.StringIO(text, newline=""), FIRST))

    def fit(separator: str) -> tuple[bool, bool, int]:
        rows = [fields for fields in csv.reader(begin, delimiter=separator, skipinitialspace=True) if any(fields)]
        widths = [len(fields) for fields in rows]
        complete = widths[:-1] if len(begin) == FIRST else widths  # the last may go on
        fits = max(complete[:1], default=0) > 1 and len(set(complete)) == 1
        return fits, not any('"' in field for fields in rows for field in fields), max(widths[:1], default=0)

    return max(SEPARATORS, key=fit)


def line_of_row(file: Path, row: int) -> int:
    """The line of the file, from 1, in which the row (from 0, below the header) of `read_csv` ends."""
    return CsvFile.open(file).lines[row]
