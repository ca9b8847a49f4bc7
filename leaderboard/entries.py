"""The scored entries of a board, in memory: they never change, so a reader asks the database for new ones alone."""

import threading
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, FromClause, Select, and_, select

from harness.bootstrap import Interval
from harness.competition import Competition
from leaderboard.answers import Prepared
from leaderboard.cards import finite
from leaderboard.decisions import count_missing, followed_to
from leaderboard.tables import PARTS, ledger, on_board, scored_by, scores, shown, submissions


class Entry(NamedTuple):
    """A scored file of a team. id: the order of arrival; private: None before the reveal."""

    id: int
    team: str
    sha256: str
    received_at: str
    cv: float | None
    public: Interval
    private: Interval | None = None

    @property
    def name(self) -> str:
        """How a person names the entry."""
        return self.sha256[:12]

    def on(self, part: str) -> Interval:
        """Its score on the "public" or "private" rows."""
        if part == "public":
            return self.public
        assert self.private is not None, "private scores are looked at only after the reveal"
        return self.private


class Book:
    """All entries in the order of arrival, and what a ranking asks of them; only `keep` changes it.

    best: each team's best by the public score, of equal ones the earlier. teams_with: sha256 -> teams, the first one
    first. times, values: of every entry, in seconds since 1970, and its public score. missing: entries that the
    ledger has and the database lacks.
    """

    def __init__(self, higher_is_better: bool):
        self.higher_is_better, self.lock = higher_is_better, threading.Lock()
        self.followed: int | None = None
        self.forget()

    def forget(self) -> None:
        self.entries: list[Entry] = []
        self.of_team: dict[str, list[Entry]] = {}
        self.best: dict[str, Entry] = {}
        self.teams_with: dict[str, list[str]] = {}
        self.times, self.values = array("d"), array("d")
        self.missing = 0

    def keep(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self.entries.append(entry)
            self.of_team.setdefault(entry.team, []).append(entry)
            self.teams_with.setdefault(entry.sha256, []).append(entry.team)
            self.times.append(datetime.fromisoformat(entry.received_at).timestamp())
            self.values.append(entry.public.score)
            gain = entry.public.score - self.best.setdefault(entry.team, entry).public.score
            if gain and (gain > 0) == self.higher_is_better:
                self.best[entry.team] = entry

    def entry(self, number: int) -> Entry | None:
        place = bisect_left(self.entries, number, key=lambda entry: entry.id)
        return self.entries[place] if place < len(self.entries) and self.entries[place].id == number else None


def read_book(engine: Engine, connection: Connection, competition: Competition, data: Prepared, revealed: bool) -> Book:
    """The book as it is now, with private scores where `revealed`."""
    metric = competition.metric
    book = _book(engine, data, metric.name, metric.version, metric.higher_is_better, revealed)
    with book.lock:
        followed = followed_to(connection, data)
        if followed != book.followed:
            new = _new_entries(connection, competition, data, revealed, book)
            if new is None:
                book.forget()
                new = read_entries(connection, competition, data, revealed)
            book.keep(new)
            book.missing, book.followed = count_missing(connection, data), followed
    return book


def _new_entries(
    connection: Connection, competition: Competition, data: Prepared, revealed: bool, book: Book
) -> list[Entry] | None:
    """Those of the ledger's new lines; None where they do not go behind the known ones, as in a rebuild."""
    if book.followed is None:
        return None
    since = select(ledger.c.submission).where(*on_board(ledger, *data[:2]), ledger.c.seq > book.followed)
    new = read_entries(connection, competition, data, revealed, submissions.c.id.in_(since))
    return None if new and book.entries and new[0].id <= book.entries[-1].id else new


@lru_cache(maxsize=32)
def _book(engine: Engine, data: Prepared, metric: str, version: int, higher_is_better: bool, revealed: bool) -> Book:
    return Book(higher_is_better)


def read_entries(
    connection: Connection, competition: Competition, data: Prepared, revealed: bool, *where: ColumnElement[bool]
) -> list[Entry]:
    """The entries with a score by the metric as it is now, in the order of arrival; `where` picks among them."""
    columns = (submissions.c.id, submissions.c.team, submissions.c.sha256, submissions.c.received_at)
    query: Select[Any] = select(*columns, submissions.c.card["cv", "score"])
    joined: FromClause = submissions
    for part in PARTS if revealed else ("shown",):  # before the reveal what may be shown, and not what was measured
        of = (scores if revealed else shown).alias(part)
        ours = [of.c.submission == submissions.c.id, *scored_by(of, competition.metric)]
        ours += [of.c.part == part] if revealed else []
        query = query.add_columns(of.c.value, of.c.low, of.c.high)
        joined = joined.join(of, and_(*ours))
    board = on_board(submissions, data.competition, data.data_hash)
    found = connection.execute(query.select_from(joined).where(*board, *where).order_by(submissions.c.id))
    return [
        Entry(number, team, sha256, at, finite(cv), Interval(*bounds[:3]), Interval(*bounds[3:]) if revealed else None)
        for number, team, sha256, at, cv, *bounds in found
    ]
