"""The board as a file for other programs: a table that no spreadsheet takes for formulas."""

import csv
import io
from dataclasses import asdict

from leaderboard.board import Board

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\0")  # what a spreadsheet would run
COLUMNS = ("rank", "tied", "team", "score", "low", "high", "private", "cv", "entries", "submitted_at")


def as_csv(board: Board) -> str:
    """As it is shown. Text that a spreadsheet would run gets a ' before it (ASVS 1.2.10); numbers are as they are."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(COLUMNS)
    for row in board.rows:
        cells = asdict(row) | {"team": f"'{row.team}" if row.team.startswith(FORMULA) else row.team}
        lines.writerow(cells[name] for name in COLUMNS)
    return text.getvalue()
