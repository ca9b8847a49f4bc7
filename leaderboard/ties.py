"""Whether a lead is more than noise: the paired bootstrap, from the resampled scores that are kept of every entry."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import Engine

from harness.bootstrap import Interval, percentiles, student
from harness.competition import Competition
from leaderboard.answers import Prepared
from leaderboard.entries import Entry
from leaderboard.resampled import count_groups, scores_of

Pair = tuple[int, int]  # ids of two submissions, the better one first


class Lead(NamedTuple):
    """By how much the first is better than the second (positive also where lower scores win), with 95 % bounds."""

    difference: float
    low: float
    high: float

    @property
    def is_noise(self) -> bool:
        return self.low <= 0


def leads(
    engine: Engine, competition: Competition, data: Prepared, part: str, pairs: Sequence[tuple[Entry, Entry]]
) -> list[Lead]:
    """The lead of every pair on the rows of `part`: both were scored on the same resamples. Computed once a pair."""
    metric = competition.metric
    known = _known(engine, data, metric.name, metric.version, part)
    missing = [(better, other) for better, other in pairs if (better.id, other.id) not in known]
    if missing:
        ids = list(dict.fromkeys(entry.id for pair in missing for entry in pair))
        scores, at = scores_of(engine, competition, data, part, ids), {number: k for k, number in enumerate(ids)}
        sign = 1 if metric.higher_is_better else -1
        first, second = ([at[entry.id] for entry in side] for side in zip(*missing, strict=True))
        width = student(count_groups(engine, data, part))
        bounds_of_pairs = percentiles(sign * (scores[first] - scores[second]), width)
        for (better, other), bounds in zip(missing, bounds_of_pairs.T.tolist(), strict=True):
            difference = sign * (better.on(part).score - other.on(part).score)
            known[better.id, other.id] = Lead(difference, *bounds)
    return [known[better.id, other.id] for better, other in pairs]


def shown_leads(pairs: Sequence[tuple[Entry, Entry]], higher_is_better: bool) -> list[Lead]:
    """The same from nothing but the shown scores and bounds, as if they were of different rows: wider."""
    return [_shown_lead(better.public, other.public, 1 if higher_is_better else -1) for better, other in pairs]


def _shown_lead(better: Interval, other: Interval, sign: int) -> Lead:
    difference = sign * (better.score - other.score)
    half = math.hypot(better.high - better.low, other.high - other.low) / 2
    return Lead(difference, difference - half, difference + half)


@lru_cache(maxsize=32)
def _known(engine: Engine, data: Prepared, metric: str, version: int, part: str) -> dict[Pair, Lead]:
    """A pair is a few numbers, and a board makes three new ones an entry at most."""
    return {}
