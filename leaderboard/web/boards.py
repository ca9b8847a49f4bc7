"""What the pages show of a competition: its declaration, and its board with rank intervals."""

import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import quote

from sqlalchemy import Engine

from harness import paths
from harness.competition import Competition, find, names
from leaderboard.answers import JudgedData, prepared
from leaderboard.board import Board, Row, read
from leaderboard.cli.text import decimals_for
from leaderboard.database import reading
from leaderboard.entries import MetricVersion, board_state, read_versions
from leaderboard.queue import Refusal

MOST_VIEWS = 32


@dataclass(frozen=True)
class Place:
    """A competition on one set of data, as pages know it.

    others: hashes of other data that have a board too; asked: the hash, where it is not that of the data prepared last.
    """

    declared: Competition = field(compare=False)
    data: JudgedData
    others: tuple[str, ...] = ()
    asked: str = ""

    @property
    def name(self) -> str:
        return self.declared.name

    @property
    def title(self) -> str:
        """The first sentence of the declaration."""
        text = sys.modules[f"competitions.{self.name}.competition"].__doc__ or self.name
        return text.strip().split("\n\n")[0].replace("\n", " ")

    def link(self, *parts: str) -> str:
        """A path below this board."""
        path = "/".join(("/c", self.name, *(quote(part, safe="") for part in parts)))
        return f"{path}?data={self.asked}" if self.asked else path


class Shown(NamedTuple):
    """A row as a page has it. badges: (name, what it means)."""

    row: Row
    ranks: tuple[int, int]
    badges: tuple[tuple[str, str], ...]


def find_place(name: str, data_hash: str | None = None) -> Place:
    """Raise `Refusal` where there is no such competition, or no data of it here."""
    if name not in names():
        raise Refusal(404, f"there is no competition {name[:40]!r} here")
    boards = hashes(name)
    if not boards or (data_hash and data_hash not in boards):
        raise Refusal(
            404,
            f"no such data of {name} are prepared on this server; `make data COMP={name} SERVER=` fetches those that "
            "are (FAST=1 has few rows of its own, which only your own board judges)",
        )
    last = prepared(name)
    data = prepared(name, data_hash) if data_hash else last
    others = tuple(other for other in boards if other != data.data_hash)
    return Place(find(name), data, others, "" if data.data_hash == last.data_hash else data.data_hash)


def hashes(name: str) -> list[str]:
    return sorted(file.parent.parent.name for file in paths.data(name).glob("*/private/answers.npz"))


def places() -> list[Place]:
    """All competitions with answers here."""
    return [find_place(name) for name in names() if hashes(name) and (paths.data(name) / "current.json").exists()]


# -- the board, computed on reading and kept until something changes ---------------------------------------------------


class View:
    """A board, and what is computed from it when a page first asks for it."""

    def __init__(self, engine: Engine, place: Place):
        self.engine, self.place = engine, place
        self.board = read(engine, place.declared, place.data)
        self.turn, self.known = threading.RLock(), dict[Any, Any]()

    def once(self, make: Callable[..., Any], *of: Any) -> Any:
        """What `make` gives of this view, and of `of`; computed once."""
        with self.turn:
            if (make, of) not in self.known:
                self.known[make, of] = make(self, *of)
            return self.known[make, of]

    def shown(self, rows: Sequence[Row]) -> list[Shown]:
        """These rows as a page has them."""
        return self.once(_shown, tuple(row.rank for row in rows))

    @cached_property
    def decimals(self) -> int:
        """At most five: two that are closer look alike, and the rank says which is ahead."""
        values = [value for row in self.board.rows for value in (row.score, row.private) if value is not None]
        return min(5, decimals_for(values)) if values else 3

    @cached_property
    def versions(self) -> list[MetricVersion]:
        """Of the metric: all that the board stood by."""
        with reading(self.engine) as connection:
            return read_versions(connection, self.place.data)


_views: dict[tuple[Engine, Place], tuple[tuple[int, ...], View]] = {}
_turn = threading.RLock()


def view(engine: Engine, place: Place) -> View:
    """Of the board as it is now: a new one whenever something was added."""
    with reading(engine) as connection:
        version = board_state(connection, place.data)
    with _turn:
        known = _views.pop((engine, place), None)
        if known is None or known[0] != version:
            known = version, View(engine, place)
        _views[engine, place] = known
        while len(_views) > MOST_VIEWS:
            _views.pop(next(iter(_views)))
    return known[1]


def standings(engine: Engine, place: Place) -> Board:
    return view(engine, place).board


def _shown(of: View, ranks: tuple[int, ...]) -> list[Shown]:
    rows = [of.board.rows[rank - 1] for rank in ranks]
    return [Shown(row, (row.rank_low, row.rank_high), tuple(row.badges)) for row in rows]


SORTS: dict[str, Callable[[Row], Any]] = {
    "rank": lambda row: row.rank,
    "team": lambda row: row.team.casefold(),
    "score": lambda row: row.score,
    "private": lambda row: row.private or 0.0,
    "cv": lambda row: row.cv,
    "gap": lambda row: row.gap,
    "entries": lambda row: row.entries,
    "time": lambda row: row.submitted_at,
    "moved": lambda row: row.moved,
}
DOWN_FIRST = ("score", "private", "cv", "entries", "time", "moved")


def sorted_by(rows: list[Row], name: str, down: bool) -> list[Row]:
    """Rows without the value stand last either way."""
    key = SORTS[name]
    there = [row for row in rows if key(row) is not None]
    return sorted(there, key=key, reverse=down) + [row for row in rows if key(row) is None]
