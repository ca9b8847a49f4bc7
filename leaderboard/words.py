"""What the board says: numbers as text, and the sentences that tell whether a lead means anything."""

import unicodedata
from collections.abc import Iterable
from itertools import pairwise

from harness.errors import UserError
from leaderboard.board import Board, Row, is_late
from leaderboard.entries import Entry

LONGEST_TEAM = 40
MOST_NOTES = 12  # of a kind
FEW_GROUPS = 50  # below, intervals held the truth less often than they say (docs/log.md, "intervals")
COUNTS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def team_name(given: str) -> str:
    """The name as it is kept, one spelling for what looks the same; raise `UserError` where it is none."""
    name = unicodedata.normalize("NFKC", given).strip()
    if not name or len(name) > LONGEST_TEAM or not name.isprintable():
        raise UserError(f"{given!r} is no team name; give 1 to {LONGEST_TEAM} printable characters, as in --team red")
    return name


def decimals_for(values: Iterable[float]) -> int:
    """Decimals to show: three, and as many more as two different scores need to look different (nine at most)."""
    ordered = sorted(set(values))
    for decimals in range(3, 9):
        if all(f"{a:z.{decimals}f}" != f"{b:z.{decimals}f}" for a, b in pairwise(ordered)):
            return decimals
    return 9


def verdict(entry: Entry, row: Row | None, board: Board, today: int, limit: int, repeated: bool) -> str:
    """What to tell the team that handed in `entry`; `row` is where it stands now, None where it is disqualified."""
    decimals = decimals_for([entry.public.score, row.score if row else entry.public.score])
    score, low, high = (f"{value:.{decimals}f}" for value in entry.public)
    rank = f"rank {row.rank} of {len(board.rows)}" if row else "no rank: the team is disqualified"
    told = [f"public {board.metric} {score} (95 %: {low} to {high}), {rank}"]
    if repeated:
        told.insert(0, f"{entry.team} handed in this file at {short_time(entry.received_at)} already: it counts once")
    elif today > limit:
        told.append(f"entry {today} of {limit} today: over the limit of the rules; a team server would refuse it")
    else:
        told.append(f"entry {today} of {limit} today")
    if row and row.submission != entry.name:
        told.append(f"{entry.team} stays with its entry of {row.score:.{decimals}f}")
    others = sorted({team for team in board.book.teams_with[entry.sha256] if team != entry.team})
    if others:
        told.append(f"the same file is there from {' and '.join(others)}")
    if is_late(entry, board.revealed_at):
        told.append("late: the private scores were revealed before")
    return "; ".join(told)


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
    count = COUNTS[board.leaders] if board.leaders < len(COUNTS) else str(board.leaders)
    return f"The first {count} cannot be told apart{where}."


def counted(entries: int) -> str:
    return "1 entry" if entries == 1 else f"{entries} entries"


def short_time(iso: str) -> str:
    """2026-01-31 12:34, from ISO 8601."""
    return iso[:16].replace("T", " ")


def notes(board: Board) -> list[str]:
    """What else a reader of the board should know, a sentence each."""
    told = _some(
        [f"{row.team} handed in the same file as {row.same_file_as}" for row in board.rows if row.same_file_as]
    )
    told += _some([f"{row.team} entered after the reveal" for row in board.rows if row.late])
    told += _some([f"{team} is disqualified: {said.said}" for team, said in board.word.disqualified.items()])
    if board.rows and board.groups < FEW_GROUPS:
        told.append(
            f"The {board.part} scores rest on {board.groups} independent groups of rows; intervals of so few are too "
            "narrow."
        )
    if board.missing:
        told.append(
            f"The ledger has {counted(board.missing)} that the database lacks: "
            f"`python -m leaderboard rebuild {board.competition}` brings them back."
        )
    if board.waits:
        told.append(f"Nothing is scored at present: {board.waits}.")
    return told


def _some(sentences: list[str]) -> list[str]:
    """The first ones, as sentences, and how many more there are."""
    more = len(sentences) - MOST_NOTES
    return [f"{told}." for told in sentences[:MOST_NOTES]] + ([f"So it is with {more} more."] if more > 0 else [])
