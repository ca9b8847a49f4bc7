"""The shake-up of a board: what the forecast says of the private ranks, and after the reveal what came."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from leaderboard.board import Board, is_late, public_score, rank, read_selected
from leaderboard.book import Entry
from leaderboard.database import reading
from leaderboard.forecast import Expected, forecast
from leaderboard.server.boards import View


class Moved(NamedTuple):
    """A team in the order of the public board. private: its rank in the end, None before the reveal or without one."""

    expected: Expected
    private: int | None

    @property
    def as_forecast(self) -> bool:
        return self.private is not None and self.expected.low <= self.private <= self.expected.high


@dataclass(frozen=True)
class ShakeUp:
    """change, stays: see `Forecast`; came: by how many ranks teams moved in the end; within: how many ended where the
    forecast's 95 % lay.
    """

    teams: list[Moved]
    change: float
    stays: float
    came: float | None
    within: int


def shake_up(view: View) -> ShakeUp:
    """Made from nothing but what stood on the public board, so after the reveal it says what it said before."""
    board, data = view.board, view.place.data
    with reading(view.engine) as connection:
        selected = read_selected(connection, data)
    ranked = public_ranking(board)
    finals = {entry.team: chosen_by(board, entry.team, selected.get(entry.team, set())) for entry in ranked}
    told = forecast(view.engine, board.declared, data, ranked, finals)
    private = {row.team: row.rank for row in board.rows if not row.late} if board.revealed_at else {}
    teams = [Moved(expected, private.get(expected.team)) for expected in told.teams]
    moves = [abs(one.private - one.expected.rank) for one in teams if one.private is not None]
    return ShakeUp(
        teams,
        told.change,
        told.stays,
        sum(moves) / len(moves) if moves else None,
        sum(one.as_forecast for one in teams),
    )


def public_ranking(board: Board) -> list[Entry]:
    """The board as it was before the reveal: each team's best entry by the public score."""
    if not board.revealed_at:
        return board.counted
    entries = [e for e in on_time(board, board.book.entries) if e.team not in board.word.disqualified]
    return rank(entries, public_score, board.higher_is_better)


def chosen_by(board: Board, team: str, ids: set[int]) -> set[Entry]:
    return {entry for entry in on_time(board, board.book.of_team[team]) if entry.id in ids} if ids else set()


def on_time(board: Board, entries: Iterable[Entry]) -> list[Entry]:
    return [entry for entry in entries if not is_late(entry, board.revealed_at)]
