"""Submission tables: strict rows of a CSV file against the ids that are asked for."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from harness.errors import InvalidSubmission, UserError

SHOWN = 5  # offending ids named in a message


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


def _check_header(file: Path, found: list[str], header: Sequence[str]) -> None:
    if len(found) != len(header):
        raise InvalidSubmission(
            f"{file.name}: the header has {len(found)} columns instead of {len(header)} ({_shortened(header)})"
        )
    for position, (name, right) in enumerate(zip(found, header, strict=True)):
        if name != right:
            raise InvalidSubmission(f"{file.name}: column {position + 1} is named {name!r} instead of {right!r}")


def _shortened(header: Sequence[str]) -> str:
    names = list(header) if len(header) < 6 else [*header[:3], "...", header[-1]]
    return ",".join(names)


class Wanted:
    """The ids that a submission must hold: gives each its row, and refuses unknown, duplicate and missing ones."""

    def __init__(self, file: Path, ids: np.ndarray):
        self.file, self.row_of = file, {str(name): row for row, name in enumerate(ids)}
        self.seen: set[str] = set()

    def row(self, name: str, line: int, again: bool = False) -> int:
        """The row of this id. again: whether an id may stand on several lines."""
        if name not in self.row_of:
            raise InvalidSubmission(
                f"{self.file.name}, line {line}: id {name!r} is not one of the {len(self.row_of)} asked for"
            )
        if name in self.seen and not again:
            raise InvalidSubmission(f"{self.file.name}, line {line}: id {name!r} stands here a second time")
        self.seen.add(name)
        return self.row_of[name]

    def require_all(self) -> None:
        missing = [name for name in self.row_of if name not in self.seen]
        if missing:
            raise InvalidSubmission(
                f"{self.file.name}: {len(missing)} of {len(self.row_of)} ids are missing, "
                f"the first: {', '.join(missing[:SHOWN])}"
            )
