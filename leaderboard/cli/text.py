"""The board as text: JSON, CSV, and the sentences that say whether a lead means anything."""

import csv
import io
from collections.abc import Iterable
from dataclasses import asdict
from itertools import pairwise
from typing import Any

from leaderboard.board import Board, Row
from leaderboard.entries import ScoredEntry, is_late

FEW_GROUPS = 50  # below, 95 % intervals covered the true score less often
MAX_NOTES = 12  # of a kind
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\0")  # what a spreadsheet would run
EXPORTED = ("rank", "tied", "team", "score", "low", "high", "private", "cv", "entries", "submitted_at")


def as_json(board: Board) -> dict[str, Any]:
    names = ("competition", "data_hash", "source", "metric", "higher_is_better", "revealed_at", "outdated")
    sentences = {"standing": standing(board), "notes": notes(board)}
    return {name: getattr(board, name) for name in names} | sentences | {"rows": [asdict(row) for row in board.rows]}


def as_csv(board: Board) -> str:
    """Text that a spreadsheet would run gets a ' before it (ASVS 1.2.10); numbers are as they are."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(EXPORTED)
    for row in board.rows:
        cells = asdict(row) | {"team": f"'{row.team}" if row.team.startswith(FORMULA) else row.team}
        lines.writerow(cells[name] for name in EXPORTED)
    return text.getvalue()


def entry_message(entry: ScoredEntry, row: Row | None, board: Board, today: int, repeated: bool) -> str:
    """The message to the team that submitted `entry`; row: its present row, None if it is disqualified."""
    limit, feedback = board.declared.rules.submissions_per_day, board.declared.rules.feedback
    decimals = decimals_for([entry.public.score, row.score if row else entry.public.score])
    score, low, high = (f"{value:.{decimals}f}" for value in entry.public)
    rank = f"rank {row.rank} of {len(board.rows)}" if row else "no rank: the team is disqualified"
    parts = [f"public {board.metric} {score} (95 %: {low} to {high}), {rank}"]
    if repeated:
        parts.insert(0, f"{entry.team} submitted this file at {short_time(entry.received_at)} already: it counts once")
    elif today > limit:
        parts.append(f"entry {today} of {limit} today: over the limit of the rules; a team server would refuse it")
    else:
        parts.append(f"entry {today} of {limit} today")
    if row and row.submission != entry.name:
        parts.append(f"{entry.team} stays with its entry of {row.score:.{decimals}f}")
    others = sorted({team for team in board.entries.teams_with[entry.sha256] if team != entry.team})
    if others:
        parts.append(f"the same file is there from {' and '.join(others)}")
    if is_late(entry, board.revealed_at):
        parts.append("late: the private scores were revealed before")
    return "; ".join([*parts, feedback.words] if board.protected else parts)


def standing(board: Board) -> str:
    """One sentence: whether the lead means anything."""
    where = " on the private rows" if board.revealed_at else ""
    if not board.rows:
        return f"No entries yet: `make submit COMP={board.competition}` makes the first one."
    lead = board.lead
    if lead is None:
        return f"{board.rows[0].team} is alone on this board."
    first, second = board.rows[0].team, board.rows[1].team
    decimals = decimals_for([lead.difference, lead.low, 0.0])
    difference, low, high = (f"{value:z.{decimals}f}" for value in lead)
    if board.leaders == 1:
        return f"{first} leads {second} by {difference} (95 %: {low} to {high}){where}, and that is more than noise."
    if board.leaders == 2:
        return f"{first} and {second} cannot be told apart{where}: they differ by {difference} (95 %: {low} to {high})."
    return f"The first {board.leaders} cannot be told apart{where}."


def notes(board: Board) -> list[str]:
    """Warnings about the board, a sentence each: duplicates, late entries, disqualified teams, few rows."""
    duplicates = [row for row in board.rows if row.same_file_as]
    sentences = _first([f"{row.team} submitted the same file as {row.same_file_as}" for row in duplicates])
    sentences += _first([f"{row.team} entered after the reveal" for row in board.rows if row.late])
    sentences += _first([f"{team} is disqualified: {action.text}" for team, action in board.host.disqualified.items()])
    if board.rows and board.groups < FEW_GROUPS:
        sentences.append(
            f"The {board.part} scores rest on {board.groups} independent groups of rows; intervals of so few are too "
            "narrow."
        )
    if board.outdated:
        sentences.append(f"Nothing is scored at present: {board.outdated}.")
    return sentences


def _first(sentences: list[str]) -> list[str]:
    """The first ones, and how many more there are."""
    more = len(sentences) - MAX_NOTES
    return [f"{sentence}." for sentence in sentences[:MAX_NOTES]] + ([f"The same holds for {more} more."] * (more > 0))


def decimals_for(values: Iterable[float]) -> int:
    """Decimals to show: three, and as many more as two different scores need to look different (nine at most)."""
    ordered = sorted(set(values))
    for decimals in range(3, 9):
        if all(f"{a:z.{decimals}f}" != f"{b:z.{decimals}f}" for a, b in pairwise(ordered)):
            return decimals
    return 9


def number(value: float | None, decimals: int = 3) -> str:
    return "" if value is None else f"{value:.{decimals}f}"


def counted(entries: int) -> str:
    return "1 entry" if entries == 1 else f"{entries} entries"


def short_time(iso: str) -> str:
    """2026-01-31 12:34, from ISO 8601."""
    return iso[:16].replace("T", " ")
