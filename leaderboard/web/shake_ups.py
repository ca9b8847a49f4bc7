"""The shake-up of a board: by how many ranks the reveal moved each team."""

from dataclasses import dataclass
from typing import NamedTuple

from leaderboard.web.boards import View


class Move(NamedTuple):
    """A team in the order of the public board. private: its rank in the end, None if it has none."""

    team: str
    public: int
    private: int | None


@dataclass(frozen=True)
class ShakeUp:
    """came: by how many ranks teams moved on average."""

    teams: list[Move]
    came: float | None


def shake_up(view: View) -> ShakeUp:
    board = view.board
    private = {row.team: row.rank for row in board.rows if not row.late}
    teams = [Move(entry.team, place, private.get(entry.team)) for place, entry in enumerate(board.before, 1)]
    moves = [abs(one.private - one.public) for one in teams if one.private is not None]
    return ShakeUp(teams, sum(moves) / len(moves) if moves else None)
