"""The scored entries of a board, and the version of the metric that it is scored by.

Entries never change, so a process caches them in memory and reads only new ones from the database.
"""

import threading
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, FromClause, Select, and_, func, select

from harness.bootstrap import Interval
from harness.competition import Competition
from harness.errors import UserError
from harness.files import finite
from harness.metrics import Metric
from leaderboard.answers import JudgedData
from leaderboard.database import PARTS, host_actions, on_board, scored_by, scores, selections, submissions, versions


class ScoredEntry(NamedTuple):
    """A scored file of a team. id: the order of arrival; private: None before the reveal.

    cv, cv_noise: the CV score that its manifest claims, and half of its 95 % interval; None without.
    """

    id: int
    team: str
    sha256: str
    received_at: str
    cv: float | None
    public: Interval
    private: Interval | None = None
    cv_noise: float | None = None

    @property
    def name(self) -> str:
        """The beginning of the hash, which a person types to name the entry."""
        return self.sha256[:12]

    def on(self, part: str) -> Interval:
        """Return the score on the "public" or "private" rows."""
        if part == "public":
            return self.public
        assert self.private is not None, "private scores are read only after the reveal"
        return self.private


class Entries:
    """All entries of a board in the order of arrival, with the indexes that a ranking needs; only `add` changes it.

    best: each team's best by the public score, of equal ones the earlier. teams_with: sha256 -> teams, the first one
    first. times, values: of every entry, in seconds since 1970, and its public score.
    """

    def __init__(self, higher_is_better: bool):
        self.higher_is_better, self.lock = higher_is_better, threading.Lock()
        self.all: list[ScoredEntry] = []
        self.of_team: dict[str, list[ScoredEntry]] = {}
        self.best: dict[str, ScoredEntry] = {}
        self.teams_with: dict[str, list[str]] = {}
        self.times, self.values = array("d"), array("d")

    def add(self, entries: Iterable[ScoredEntry]) -> None:
        for entry in entries:
            self.all.append(entry)
            self.of_team.setdefault(entry.team, []).append(entry)
            self.teams_with.setdefault(entry.sha256, []).append(entry.team)
            self.times.append(datetime.fromisoformat(entry.received_at).timestamp())
            self.values.append(entry.public.score)
            gain = entry.public.score - self.best.setdefault(entry.team, entry).public.score
            if gain and (gain > 0) == self.higher_is_better:
                self.best[entry.team] = entry

    def entry(self, number: int) -> ScoredEntry | None:
        place = bisect_left(self.all, number, key=lambda entry: entry.id)
        return self.all[place] if place < len(self.all) and self.all[place].id == number else None


def entries_of(
    engine: Engine, connection: Connection, competition: Competition, data: JudgedData, revealed: bool
) -> Entries:
    """The entries of the board as it is now, with private scores if `revealed`."""
    metric = competition.metric
    entries = _remembered(engine, data, metric.name, metric.version, metric.higher_is_better, revealed)
    with entries.lock:
        last = entries.all[-1].id if entries.all else 0
        entries.add(read_entries(connection, competition, data, revealed, submissions.c.id > last))
    return entries


@lru_cache(maxsize=32)
def _remembered(
    engine: Engine, data: JudgedData, metric: str, version: int, higher_is_better: bool, revealed: bool
) -> Entries:
    return Entries(higher_is_better)


def read_entries(
    connection: Connection, competition: Competition, data: JudgedData, revealed: bool, *where: ColumnElement[bool]
) -> list[ScoredEntry]:
    """The entries with a score by this version of the metric, in the order of arrival; `where` picks among them.

    Before the reveal only what may be shown is read, neither the exact public score nor the private one.
    """
    columns = (submissions.c.id, submissions.c.team, submissions.c.sha256, submissions.c.received_at)
    query: Select[Any] = select(*columns, submissions.c.manifest["cv"])  # whole: SQLite rounds a number to 15 digits
    joined: FromClause = submissions
    for part in PARTS if revealed else ("shown",):
        table = scores.alias(part)
        of_part = (table.c.submission == submissions.c.id, table.c.part == part)
        query = query.add_columns(table.c.value, table.c.low, table.c.high)
        joined = joined.join(table, and_(*of_part, *scored_by(table, competition.metric)))
    board = on_board(submissions, data)
    rows = connection.execute(query.select_from(joined).where(*board, *where).order_by(submissions.c.id))
    entries = []
    for number, team, sha256, at, manifest, *bounds in rows:
        claimed = manifest if isinstance(manifest, dict) else {}  # it may hold anything
        cv, low, high = (finite(claimed.get(name)) for name in ("score", "low", "high"))
        noise = (high - low) / 2 if low is not None and high is not None and low <= high else None
        public, private = Interval(*bounds[:3]), Interval(*bounds[3:]) if revealed else None
        entries.append(ScoredEntry(number, team, sha256, at, cv, public, private, noise))
    return entries


def board_state(connection: Connection, data: JudgedData) -> tuple[int, ...]:
    """Changes whenever anything is added to the board: the last id of each table that the board is made of."""
    tables = (submissions, host_actions, selections, versions)
    last = [
        select(func.coalesce(func.max(table.c.id), 0)).where(*on_board(table, data)).scalar_subquery()
        for table in tables
    ]
    return tuple(connection.execute(select(*last)).one())


# -- ranking: pure functions -------------------------------------------------------------------------------------------


def better(best: Interval | None, score: Interval, higher_is_better: bool) -> Interval:
    """The better one of a team's shown scores; of equal ones the earlier, which is `best`."""
    gain = 0.0 if best is None else score.score - best.score
    return score if best is None or (gain and (gain > 0) == higher_is_better) else best


def rank(entries: Iterable[ScoredEntry], part: str, higher_is_better: bool) -> list[ScoredEntry]:
    """Each team's best entry on the rows of `part`, the best team first; of equal ones the earlier wins."""
    sign = -1 if higher_is_better else 1
    best: dict[str, ScoredEntry] = {}
    for entry in sorted(entries, key=lambda entry: (sign * entry.on(part).score, entry.id)):
        best.setdefault(entry.team, entry)
    return list(best.values())


def rank_counting(
    entries: Sequence[ScoredEntry], selected: Mapping[str, set[int]], revealed_at: str | None, higher_is_better: bool
) -> list[ScoredEntry]:
    """The ranking by public score; after the reveal by the private one, of each team's finals.

    A team that selected none has its best public entry as a final. An entry that came after the reveal has seen it, and
    counts only for a team that has no other.
    """
    if revealed_at is None:
        return rank(entries, "public", higher_is_better)
    on_time = {entry.team for entry in entries if not is_late(entry, revealed_at)}
    counting = [entry for entry in entries if not is_late(entry, revealed_at) or entry.team not in on_time]
    unselected = rank([entry for entry in counting if entry.team not in selected], "public", higher_is_better)
    chosen = [entry for entry in counting if entry.id in selected.get(entry.team, ())]
    return rank(chosen + unselected, "private", higher_is_better)


def is_late(entry: ScoredEntry, revealed_at: str | None) -> bool:
    return revealed_at is not None and entry.received_at > revealed_at


# -- the version of the metric -----------------------------------------------------------------------------------------


class MetricVersion(NamedTuple):
    """A version of the metric that a board is, or was, scored by.

    since: UTC, ISO 8601; reason: the host's, empty for the first one.
    """

    metric: str
    version: int
    reason: str
    since: str


@dataclass(frozen=True)
class PinnedMetric:
    """A metric under the name and version that older scores are stored by."""

    metric: Metric
    name: str
    version: int

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self.metric, attribute)


def read_versions(connection: Connection, data: JudgedData) -> list[MetricVersion]:
    """All versions that the board was scored by, the present one last; [] for a board without entries."""
    columns = (versions.c.metric, versions.c.version, versions.c.reason, versions.c.since)
    board = on_board(versions, data)
    return [MetricVersion(*row) for row in connection.execute(select(*columns).where(*board).order_by(versions.c.id))]


def with_version(competition: Competition, version: MetricVersion) -> Competition:
    """The declaration with its metric under that version."""
    metric = competition.metric
    if (metric.name, metric.version) == version[:2]:
        return competition
    pinned: Any = PinnedMetric(metric, version.metric, version.version)
    return replace(competition, metric=pinned)


def as_scored(connection: Connection, competition: Competition, data: JudgedData) -> Competition:
    """The declaration with the version of the metric that the board is scored by."""
    past = read_versions(connection, data)
    return with_version(competition, past[-1]) if past else competition


def outdated(connection: Connection, competition: Competition, data: JudgedData) -> str | None:
    """Return a sentence if the board is scored by another version than the declared one, else None."""
    past, metric = read_versions(connection, data), competition.metric
    if not past or past[-1][:2] == (metric.name, metric.version):
        return None
    return (
        f"the board of {data.competition} is scored by {past[-1].metric}, version {past[-1].version}, and the "
        f"declaration has {metric.name}, version {metric.version}: once the host has run "
        f"`make rescore COMP={data.competition}`, submit again"
    )


def require_current(connection: Connection, competition: Competition, data: JudgedData) -> None:
    if sentence := outdated(connection, competition, data):
        raise UserError(sentence)
