"""What the pages show of a competition: its declaration, and its board with rank intervals."""

import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
from sqlalchemy import Engine

from harness import paths
from harness.competition import Competition, find, names
from leaderboard import resampled
from leaderboard.answers import Prepared, prepared
from leaderboard.board import Board, Row, read
from leaderboard.database import reading
from leaderboard.decisions import followed_to
from leaderboard.queue import Refusal
from leaderboard.versions import Version, read_versions
from leaderboard.words import decimals_for

MOST_VIEWS = 32
CLOSE = 0.95  # the correlation of two scores over the resamples from which their entries are nearly the same
LOOKED_AT = 256  # resamples: by which a correlation of 0.95 is known to 0.006


@dataclass(frozen=True)
class Place:
    """A competition on one set of data, as pages know it.

    others: hashes of other data that have a board too; asked: the hash, where it is not that of the data prepared last.
    """

    declared: Competition = field(compare=False)
    data: Prepared
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
    def versions(self) -> list[Version]:
        """Of the metric: all that the board stood by."""
        with reading(self.engine) as connection:
            return read_versions(connection, self.place.data)

    @cached_property
    def scores(self) -> np.ndarray:
        """(teams, resamples) in the order of the ranking, of a board that hides nothing."""
        board, ids = self.board, [entry.id for entry in self.board.counted]
        most = resampled.enough_of(len(ids))
        return resampled.scores_of(self.engine, board.declared, self.place.data, board.part, ids, most)

    @cached_property
    def ordered(self) -> np.ndarray:
        return resampled.ordered(self.scores, self.board.higher_is_better)

    @cached_property
    def noise(self) -> np.ndarray:
        """(teams, LOOKED_AT): by how much each score moves with the rows, of length 1; 0 where it does not move."""
        moved = self.scores[:, :LOOKED_AT] - self.scores[:, :LOOKED_AT].mean(1, keepdims=True)
        length = np.linalg.norm(moved, axis=1, keepdims=True)
        return np.divide(moved, length, out=np.zeros_like(moved), where=length > 0)


_views: dict[tuple[Engine, Place], tuple[int, View]] = {}
_turn = threading.RLock()


def view(engine: Engine, place: Place) -> View:
    """Of the board as it is now: a new one whenever the ledger has grown."""
    with reading(engine) as connection:
        version = followed_to(connection, place.data)
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
    board, places = of.board, np.array([rank - 1 for rank in ranks], int)
    if not len(places):
        return []
    rows = [board.rows[place] for place in places]
    if board.protected:
        return [Shown(row, _overlapping(row, board), tuple(_badges(row, None))) for row in rows]
    between = resampled.intervals_among(of.ordered, of.scores[places], board.higher_is_better)
    alike = of.noise[places] @ of.noise.T > CLOSE
    close = [_earlier_twin(of.board, place, row) for place, row in zip(places, alike, strict=True)]
    return [Shown(row, ranks, tuple(_badges(row, twin))) for row, ranks, twin in zip(rows, between, close, strict=True)]


def _overlapping(row: Row, board: Board) -> tuple[int, int]:
    """The ranks that a team may have, as far as shown scores and bounds tell."""
    above = sum(other.low > row.high if board.higher_is_better else other.high < row.low for other in board.rows)
    below = sum(other.high < row.low if board.higher_is_better else other.low > row.high for other in board.rows)
    return above + 1, len(board.rows) - below


def _earlier_twin(board: Board, place: int, alike: np.ndarray) -> str | None:
    """The team with the earliest entry whose score moves with the rows as this one's does. alike: (teams,) bool."""
    entry, others = board.counted[place], (board.counted[k] for k in np.flatnonzero(alike))
    earlier = [other for other in others if other.id < entry.id and other.sha256 != entry.sha256]
    return min(earlier, key=lambda other: other.id).team if earlier else None


def _badges(row: Row, twin: str | None) -> list[tuple[str, str]]:
    badges = []
    if row.baseline:
        badges.append(("baseline", "the host's, to compare with"))
    if row.reference:
        badges.append(("reference", "the host's own solution"))
    if row.same_file_as:
        badges.append(("duplicate", f"the same file as {row.same_file_as} handed in earlier"))
    elif twin:
        badges.append(("close", f"right and wrong on nearly the same rows as the earlier entry of {twin}"))
    if row.late:
        badges.append(("late", "came after the private scores were revealed"))
    return badges


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
