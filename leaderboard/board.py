"""The ranking, computed on reading and never stored, with ties and rank intervals.

A `Row` is what JSON, the terminal, the CSV export and the web page all show.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
from sqlalchemy import Engine

from harness.bootstrap import RESAMPLES, percentiles, student
from harness.competition import Competition
from leaderboard.answers import JudgedData, count_groups
from leaderboard.database import reading
from leaderboard.entries import Entries, ScoredEntry, as_scored, entries_of, is_late, outdated, rank, rank_counting
from leaderboard.host import HostState, read_host_state, read_selected
from leaderboard.scoring import resampled_scores

MAX_RANKS, MIN_RESAMPLES = 1_000_000, 400  # for 2,000 teams 500 resamples are ranked


class Lead(NamedTuple):
    """The difference by which one entry beats another (positive also where lower scores win), with 95 % bounds."""

    difference: float
    low: float
    high: float

    @property
    def is_noise(self) -> bool:
        return self.low <= 0


@dataclass(frozen=True)
class Row:
    """A team on the board, by the entry that counts. tied: not told apart from the row above.

    rank_low, rank_high: the ranks between which the team lies in 95 % of the resamples. gap: CV minus public score.
    same_file_as: the team that submitted the same file earlier; late: the entry came after the reveal; baseline,
    reference: the host marked the team. number: the id of the entry. moved: ranks won from public to private.
    """

    rank: int
    tied: bool
    team: str
    score: float
    low: float
    high: float
    private: float | None
    private_low: float | None
    private_high: float | None
    cv: float | None
    gap: float | None
    rank_low: int
    rank_high: int
    entries: int
    submitted_at: str
    submission: str
    same_file_as: str | None
    late: bool
    baseline: bool
    reference: bool
    number: int
    moved: int | None

    @property
    def badges(self) -> list[tuple[str, str]]:
        """(name, what it means)."""
        badges = [
            (self.baseline, "baseline", "the host's, to compare with"),
            (self.reference, "reference", "the host's own solution"),
            (self.same_file_as, "duplicate", f"the same file as {self.same_file_as} submitted earlier"),
            (self.late, "late", "came after the private scores were revealed"),
        ]
        return [(name, meaning) for applies, name, meaning in badges if applies]


@dataclass(frozen=True)
class Board:
    """Everything that may be shown of one competition on one set of data.

    counted: for every row its entry. before: each team's best by the public score, as it was before the reveal; until
    then that is `counted`. lead: of the first row over the second. leaders: how many of the first rows cannot be told
    from the first. groups: of the rows that rank, as the bootstrap draws them. outdated: why nothing is scored while
    the metric has a new version. protected: the public scores are not shown as they are. declared: the declaration
    with the version of the metric that the board is scored by.
    """

    competition: str
    data_hash: str
    source: str | None
    metric: str
    higher_is_better: bool
    revealed_at: str | None
    rows: list[Row]
    counted: list[ScoredEntry]
    before: list[ScoredEntry]
    entries: Entries
    lead: Lead | None
    leaders: int
    groups: int
    host: HostState
    outdated: str | None
    protected: bool
    declared: Competition

    @property
    def part(self) -> str:
        """The part of the rows whose scores rank."""
        return "private" if self.revealed_at else "public"

    def row_of(self, team: str) -> Row | None:
        return next((row for row in self.rows if row.team == team), None)


def read(engine: Engine, competition: Competition, data: JudgedData) -> Board:
    """The board as it is now. Private scores are read only after the reveal, and then they rank."""
    higher = competition.metric.higher_is_better
    with reading(engine) as connection:
        reason, competition = outdated(connection, competition, data), as_scored(connection, competition, data)
        host = read_host_state(connection, data)
        entries = entries_of(engine, connection, competition, data, host.revealed_at is not None)
        selected = read_selected(connection, data) if host.revealed_at else {}
    ranked = [
        entry
        for entry in (entries.all if host.revealed_at else list(entries.best.values()))
        if entry.team not in host.disqualified
    ]
    counted = rank_counting(ranked, selected, host.revealed_at, higher)
    before = rank((entry for entry in ranked if not is_late(entry, host.revealed_at)), "public", higher)
    part = "private" if host.revealed_at else "public"
    protected = not (host.revealed_at or competition.rules.feedback.exact)
    ties: Ties = ShownTies(counted, higher) if protected else ResampledTies(engine, competition, data, part, counted)
    leads = ties.leads([(k, k + 1) for k in range(len(counted) - 1)])
    tied = [False, *(lead.is_noise for lead in leads)]
    # A chain of ties may end far from where it began, so every row is compared with the first as well.
    apart = (k for k in range(1, len(tied)) if not tied[k] or not ties.leads([(0, k)])[0].is_noise)
    places = {entry.team: place for place, entry in enumerate(before)} if host.revealed_at else {}
    return Board(
        competition=data.competition,
        data_hash=data.data_hash,
        source=data.source,
        metric=competition.metric.name,
        higher_is_better=higher,
        revealed_at=host.revealed_at,
        rows=[
            _row(place, tied[place], entry, ranks, entries, host, places)
            for place, (entry, ranks) in enumerate(zip(counted, ties.rank_intervals(), strict=True))
        ],
        counted=counted,
        before=before,
        entries=entries,
        lead=leads[0] if leads else None,
        leaders=next(apart, len(tied)),
        groups=count_groups(data, part),
        host=host,
        outdated=reason,
        protected=protected,
        declared=competition,
    )


def _row(
    place: int,
    tied: bool,
    entry: ScoredEntry,
    ranks: tuple[int, int],
    entries: Entries,
    host: HostState,
    places: Mapping[str, int],
) -> Row:
    """places: of every team that was on the public board at the reveal, from 0."""
    first = entries.teams_with[entry.sha256][0]
    return Row(
        rank=place + 1,
        tied=tied,
        team=entry.team,
        score=entry.public.score,
        low=entry.public.low,
        high=entry.public.high,
        private=entry.private and entry.private.score,
        private_low=entry.private and entry.private.low,
        private_high=entry.private and entry.private.high,
        cv=entry.cv,
        gap=None if entry.cv is None else entry.cv - entry.public.score,
        rank_low=ranks[0],
        rank_high=ranks[1],
        entries=len(entries.of_team[entry.team]),
        submitted_at=entry.received_at,
        submission=entry.name,
        same_file_as=first if first != entry.team else None,
        late=is_late(entry, host.revealed_at),
        baseline=entry.team in host.baselines,
        reference=entry.team in host.references,
        number=entry.id,
        moved=places[entry.team] - place if entry.team in places else None,
    )


# -- ties and rank intervals -------------------------------------------------------------------------------------------


class ResampledTies:
    """The paired bootstrap: all entries are scored on the same resamples of the rows of `part`."""

    def __init__(
        self, engine: Engine, competition: Competition, data: JudgedData, part: str, counted: list[ScoredEntry]
    ):
        metric = competition.metric
        self.sign = 1 if metric.higher_is_better else -1
        self.values = [entry.on(part).score for entry in counted]
        self.ids = [entry.id for entry in counted]
        self.known = _known_leads(engine, data, metric.name, metric.version, part)
        self.groups = count_groups(data, part)
        self.scores_of = partial(resampled_scores, engine, competition, data, part)

    def leads(self, pairs: Sequence[tuple[int, int]]) -> list[Lead]:
        """pairs: places, the better entry first. Computed once for every two entries."""
        missing = [(a, b) for a, b in pairs if (self.ids[a], self.ids[b]) not in self.known]
        if missing:
            places = sorted({place for pair in missing for place in pair})
            scores = dict(zip(places, self.scores_of([self.ids[place] for place in places]), strict=True))
            gains = np.stack([self.sign * (scores[a] - scores[b]) for a, b in missing])
            bounds = percentiles(gains, student(self.groups))
            for (a, b), (low, high) in zip(missing, bounds.T.tolist(), strict=True):
                lead = Lead(self.sign * (self.values[a] - self.values[b]), low, high)
                self.known[self.ids[a], self.ids[b]] = lead
        return [self.known[self.ids[a], self.ids[b]] for a, b in pairs]

    def rank_intervals(self) -> list[tuple[int, int]]:
        if len(self.ids) < 2:
            return [(1, 1)] * len(self.ids)
        most = max(MIN_RESAMPLES, min(RESAMPLES, MAX_RANKS // len(self.ids)))
        return rank_intervals(self.scores_of(self.ids, most), self.sign > 0)


@lru_cache(maxsize=32)
def _known_leads(engine: Engine, data: JudgedData, metric: str, version: int, part: str) -> dict[tuple[int, int], Lead]:
    """(id, id) -> lead; a board makes three new ones for an entry at most."""
    return {}


class ShownTies:
    """The same from nothing but the shown scores and bounds, as if they were of different rows: wider."""

    def __init__(self, counted: list[ScoredEntry], higher_is_better: bool):
        self.shown, self.sign = [entry.public for entry in counted], 1 if higher_is_better else -1

    def leads(self, pairs: Sequence[tuple[int, int]]) -> list[Lead]:
        leads = []
        for better, other in ((self.shown[a], self.shown[b]) for a, b in pairs):
            difference = self.sign * (better.score - other.score)
            half = math.hypot(better.high - better.low, other.high - other.low) / 2
            leads.append(Lead(difference, difference - half, difference + half))
        return leads

    def rank_intervals(self) -> list[tuple[int, int]]:
        bounds = np.array([sorted((self.sign * shown.low, self.sign * shown.high)) for shown in self.shown])
        if not len(bounds):
            return []
        lows, highs = np.sort(bounds[:, 0]), np.sort(bounds[:, 1])
        above = len(bounds) - np.searchsorted(lows, bounds[:, 1], side="right")
        below = np.searchsorted(highs, bounds[:, 0], side="left")
        return list(zip((above + 1).tolist(), (len(bounds) - below).tolist(), strict=True))


Ties = ResampledTies | ShownTies


def rank_intervals(scores: np.ndarray, higher_is_better: bool) -> list[tuple[int, int]]:
    """For every row the ranks between which it lies in 95 % of the resamples. scores: (teams, resamples).

    >>> rank_intervals(np.array([[0.9, 0.9, 0.9], [0.5, 0.6, 0.4], [0.4, 0.5, 0.6]]), True)
    [(1, 1), (2, 3), (2, 3)]
    """
    cost = -scores if higher_is_better else scores
    cost = np.ascontiguousarray(np.where(np.isnan(cost), np.inf, cost).astype(scores.dtype).T)
    ranks = np.array([1 + np.searchsorted(np.sort(row), row) for row in cost])  # those strictly better, and one
    ranks.sort(axis=0)
    low, high = (ranks[round(share * (len(ranks) - 1))].tolist() for share in (0.025, 0.975))
    return list(zip(low, high, strict=True))
