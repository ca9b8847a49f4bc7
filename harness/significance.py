"""Is it more than noise? Bootstrap over groups, the units that no split may cut (Efron 1979; percentile intervals)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from harness.metrics import Metric, chunks

RESAMPLES = 2000
BATCH = 200  # resamples scored at once: 200 x 20,000 rows of counts are 32 MB


class Interval(NamedTuple):
    """A score with its 95 % interval."""

    score: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """By how much b is better than a (positive: better, also where lower scores win), with 95 % interval.

    p: two-sided bootstrap p-value. by_class: the same interval for every class present.
    """

    difference: float
    low: float
    high: float
    p: float
    by_class: dict[str, Interval] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        return "better" if self.low > 0 else "worse" if self.high < 0 else "cannot tell"


def interval(metric: Metric, statistics: np.ndarray, groups: np.ndarray | None) -> Interval:
    """The score of all rows, and the percentiles of 2,000 resamples of their groups."""
    scores = np.concatenate([metric.score(statistics, counts) for counts in resamples(groups, len(statistics))])
    return Interval(float(metric.score(statistics)), *_bounds(scores))


def class_intervals(metric: Metric, statistics: np.ndarray, groups: np.ndarray | None) -> dict[str, Interval]:
    """The same for every class present, in the order of the metric."""
    found = {name: float(score) for name, score in metric.by_class(statistics).items() if np.isfinite(score)}
    parts = [metric.by_class(statistics, counts) for counts in resamples(groups, len(statistics))] if found else []
    return {
        name: Interval(score, *_bounds(np.concatenate([part[name] for part in parts]))) for name, score in found.items()
    }


def compare(metric: Metric, a: np.ndarray, b: np.ndarray, groups: np.ndarray | None) -> Comparison:
    """Paired: both sides are scored on the same resamples. a, b: statistics of the same rows in the same order."""
    sign = 1 if metric.higher_is_better else -1
    gains, class_gains = [], []
    for counts in resamples(groups, len(a)):
        gains.append(sign * (metric.score(b, counts) - metric.score(a, counts)))
        class_gains.append(_differences(metric, a, b, counts))
    gain = np.concatenate(gains)
    tail = min((gain <= 0).mean(), (gain >= 0).mean())
    difference = sign * (metric.score(b) - metric.score(a))
    observed = _differences(metric, a, b, None)
    by_class = {
        name: Interval(
            float(sign * observed[name]), *_bounds(sign * np.concatenate([part[name] for part in class_gains]))
        )
        for name in observed
        if np.isfinite(observed[name])
    }
    return Comparison(
        float(difference), *_bounds(gain), p=float(np.clip(2 * tail, 1 / RESAMPLES, 1)), by_class=by_class
    )


def resamples(groups: np.ndarray | None, rows: int, seed: int = 0) -> Iterator[np.ndarray]:
    """Batches (BATCH, rows) of counts: every resample draws as many groups as there are, with replacement."""
    _, group_of_row = np.unique(np.arange(rows) if groups is None else groups, return_inverse=True)
    count = int(group_of_row.max()) + 1
    generator = np.random.default_rng(seed)
    for batch in chunks(RESAMPLES, BATCH):
        drawn = generator.multinomial(count, np.full(count, 1 / count), size=batch.stop - batch.start)
        yield drawn[:, group_of_row]


def _differences(metric: Metric, a: np.ndarray, b: np.ndarray, counts: np.ndarray | None) -> dict[str, np.ndarray]:
    before, after = metric.by_class(a, counts), metric.by_class(b, counts)
    return {name: after[name] - before[name] for name in before}


def _bounds(values: np.ndarray) -> tuple[float, float]:
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)
