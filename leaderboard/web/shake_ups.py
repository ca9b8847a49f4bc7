"""The shake-up of a board: what the forecast says of the private ranks, and after the reveal what came."""

from dataclasses import dataclass
from typing import NamedTuple

from leaderboard.board import is_late, read_selected
from leaderboard.database import reading
from leaderboard.forecast import Expected, forecast
from leaderboard.web.boards import View


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
    finals = {
        team: {e for e in board.book.of_team.get(team, ()) if e.id in chosen and not is_late(e, board.revealed_at)}
        for team, chosen in selected.items()
    }
    told = forecast(view.engine, board.declared, data, board.before, finals)
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
