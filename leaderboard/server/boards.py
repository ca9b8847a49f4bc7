"""What the pages show of a competition: its declaration, and its board with rank intervals."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import quote

from sqlalchemy import Engine, func, select

from harness import folders
from harness.competition import Competition, find, names
from leaderboard import resampled
from leaderboard.answers import Prepared, prepared
from leaderboard.board import Board, Row, read
from leaderboard.database import reading
from leaderboard.inbox import Refusal
from leaderboard.tables import events, on_board, reveals, scores, selections, submissions
from leaderboard.words import decimals_for

Result = TypeVar("Result")


@dataclass(frozen=True)
class Place:
    """A competition on one set of data, as pages know it.

    others: hashes of other data that have a board too; asked: the hash, where it is not that of the data prepared last.
    """

    declared: Competition
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


@dataclass(frozen=True)
class Shown:
    """A row as a page has it. gap: CV minus public score; moved: ranks won from public to private."""

    row: Row
    ranks: tuple[int, int]
    gap: float | None
    moved: int | None
    badges: tuple[tuple[str, str], ...]


def find_place(name: str, data_hash: str | None = None) -> Place:
    """Raise `Refusal` where there is no such competition, or no data of it here."""
    if name not in names():
        raise Refusal(404, f"there is no competition {name[:40]!r} here")
    boards = hashes(name)
    if not boards or (data_hash and data_hash not in boards):
        raise Refusal(404, f"no such data of {name} are prepared on this server")
    last = prepared(name)
    data = prepared(name, data_hash) if data_hash else last
    others = tuple(other for other in boards if other != data.data_hash)
    return Place(find(name), data, others, "" if data.data_hash == last.data_hash else data.data_hash)


def hashes(name: str) -> list[str]:
    return sorted(file.parent.parent.name for file in folders.data(name).glob("*/private/answers.npz"))


def places() -> list[Place]:
    """All competitions with answers here."""
    return [find_place(name) for name in names() if hashes(name) and (folders.data(name) / "current.json").exists()]


# -- the board, computed on reading and kept until something changes ---------------------------------------------------


def standings(engine: Engine, place: Place) -> Board:
    return _standings(engine, place.name, place.data, version(engine, place.data))


def version(engine: Engine, data: Prepared) -> tuple[Any, ...]:
    """Changes whenever the board does."""
    board = (data.competition, data.data_hash)
    last = [
        select(func.max(table.c.id)).where(*on_board(table, *board)).scalar_subquery()
        for table in (submissions, selections, events)
    ]
    revealed = select(func.max(reveals.c.revealed_at)).where(*on_board(reveals, *board)).scalar_subquery()
    with reading(engine) as connection:
        return tuple(
            connection.execute(
                select(*last, revealed, select(func.count()).select_from(scores).scalar_subquery())
            ).one()
        )


@lru_cache(maxsize=32)
def _standings(engine: Engine, name: str, data: Prepared, _: tuple[Any, ...]) -> Board:
    return read(engine, find(name), data)


@lru_cache(maxsize=32)
def _ranks(engine: Engine, name: str, data: Prepared, part: str, ids: tuple[int, ...]) -> list[tuple[int, int]]:
    declared = find(name)
    table = resampled.scores_of(engine, declared, data, part, list(ids))
    return resampled.rank_intervals(table, declared.metric.higher_is_better)


def kept(make: Callable[[Engine, Place], Result]) -> Callable[[Engine, Place], Result]:
    """Compute again only when the board has changed."""

    @lru_cache(maxsize=32)
    def computed(engine: Engine, name: str, data_hash: str, _: tuple[Any, ...]) -> Result:
        return make(engine, find_place(name, data_hash))

    return lambda engine, place: computed(engine, place.name, place.data.data_hash, version(engine, place.data))


def rows_of(engine: Engine, place: Place, board: Board) -> list[Shown]:
    """All rows, in the order of the ranking."""
    if not board.rows:
        return []
    part = "private" if board.revealed_at else "public"
    ranks = _ranks(engine, place.name, place.data, part, tuple(row.number for row in board.rows))
    sign = -1 if board.higher_is_better else 1
    by_public = sorted(board.rows, key=lambda row: (sign * row.score, row.number))
    public_rank = {row.team: place + 1 for place, row in enumerate(by_public)}
    return [
        Shown(
            row,
            between,
            None if row.cv is None else row.cv - row.score,
            public_rank[row.team] - row.rank if board.revealed_at else None,
            tuple(_badges(row)),
        )
        for row, between in zip(board.rows, ranks, strict=True)
    ]


def _badges(row: Row) -> list[tuple[str, str]]:
    badges = []
    if row.baseline:
        badges.append(("baseline", "the host's, to compare with"))
    if row.same_file_as:
        badges.append(("duplicate", f"the same file as {row.same_file_as} handed in earlier"))
    if row.late:
        badges.append(("late", "came after the private scores were revealed"))
    return badges


SORTS = {
    "rank": lambda shown: shown.row.rank,
    "team": lambda shown: shown.row.team.casefold(),
    "score": lambda shown: shown.row.score,
    "private": lambda shown: shown.row.private or 0.0,
    "cv": lambda shown: shown.row.cv,
    "gap": lambda shown: shown.gap,
    "entries": lambda shown: shown.row.entries,
    "time": lambda shown: shown.row.submitted_at,
    "moved": lambda shown: shown.moved,
}
DOWN_FIRST = ("score", "private", "cv", "entries", "time", "moved")


def sorted_by(rows: list[Shown], name: str, down: bool) -> list[Shown]:
    """Rows without the value stand last either way."""
    key = SORTS[name]
    there = [row for row in rows if key(row) is not None]
    return sorted(there, key=key, reverse=down) + [row for row in rows if key(row) is None]


def decimals(board: Board) -> int:
    """At most five: two that are closer look alike, and the rank says which is ahead."""
    values = [value for row in board.rows for value in (row.score, row.private) if value is not None]
    return min(5, decimals_for(values)) if values else 3
