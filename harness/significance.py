"""Is it more than noise? Bootstrap over groups, the units that no split may cut (Efron 1979).

Plain percentiles are too narrow for few groups, and off where the score of few rows is biased, as mAP is. So a score's
own interval is bias-corrected (Efron 1987, with acceleration 0), and all are expanded to Student's t (Hesterberg 2015,
section 5.3), whose degrees of freedom are fewer where few groups make most of the variance (Satterthwaite 1946; the
jackknife says what each makes). LOG.md has the coverage this was chosen by: `python -m tests.bench.coverage`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from harness.metrics import Metric, chunks

RESAMPLES = 2000
BATCH = 200  # resamples scored at once: 200 x 20,000 rows of counts are 32 MB
KEPT_GROUPS = 60_000  # up to which all draws are kept: 120 MB of bytes
FEW = 200  # groups, up to which the jackknife is worth a tenth of the time; beyond, the t is a normal
LEVEL = 0.05  # how often an interval may miss
NORMAL = 1.959964  # the 97.5th percentile of a normal distribution


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
    """The score of all rows, with the bounds of 2,000 resamples of their groups."""
    sample = bootstrap(lambda counts: {"": metric.score(statistics, counts)}, groups, len(statistics))[""]
    return Interval(sample.observed, *_bounds(sample, sample.bias))


def class_intervals(metric: Metric, statistics: np.ndarray, groups: np.ndarray | None) -> dict[str, Interval]:
    """The same for every class present, in the order of the metric."""
    samples = bootstrap(lambda counts: metric.by_class(statistics, counts), groups, len(statistics))
    return {
        name: Interval(sample.observed, *_bounds(sample, sample.bias))
        for name, sample in samples.items()
        if np.isfinite(sample.observed)
    }


def compare(
    metric: Metric, a: np.ndarray, b: np.ndarray, groups: np.ndarray | None, jointly: bool = False
) -> Comparison:
    """Paired: both sides are scored on the same resamples. a, b: statistics of the same rows in the same order.

    A difference has no bias to speak of: both sides have the same. jointly: the intervals of the classes hold all at
    once in 95 % of cases (Bonferroni); otherwise each of them does.
    """
    sign = 1 if metric.higher_is_better else -1

    def gains(counts: np.ndarray | None) -> dict[str, np.ndarray]:
        before, after = metric.by_class(a, counts), metric.by_class(b, counts)
        of_classes = {name: sign * (after[name] - before[name]) for name in before}
        return {"": sign * (metric.score(b, counts) - metric.score(a, counts)), **of_classes}

    samples = bootstrap(gains, groups, len(a))
    total = samples.pop("")
    present = {name: sample for name, sample in samples.items() if np.isfinite(sample.observed)}
    level = LEVEL / max(1, len(present)) if jointly else LEVEL
    by_class = {name: Interval(sample.observed, *_bounds(sample, level=level)) for name, sample in present.items()}
    return Comparison(total.observed, *_bounds(total), p=_p_value(total), by_class=by_class)


@dataclass(frozen=True)
class Sample:
    """One number, as observed, of every resample, and without each of the groups (or none of them, where many)."""

    observed: float
    resampled: np.ndarray
    without: np.ndarray
    groups: int

    @property
    def bias(self) -> float:
        """In standard errors: how far the median resample lies below the observed; at most half an interval."""
        from scipy.special import ndtri

        below = np.mean((self.resampled < self.observed) + (self.resampled == self.observed) / 2)
        return float(np.clip(ndtri(below), -NORMAL / 2, NORMAL / 2))

    @property
    def freedom(self) -> float:
        """Degrees of freedom of its variance, by the kurtosis of what each group adds: n - 1 where all add alike."""
        most = max(self.groups - 1, 1)
        squares = (self.without - self.without.mean()) ** 2 if len(self.without) else np.zeros(1)
        if not squares.sum() > 0:
            return most
        excess = (squares**2).sum() / squares.sum() ** 2 - 1 / self.groups
        return float(np.clip(2 / max(excess, 1e-9), 1, most))


def bootstrap(
    scores_of: Callable[[np.ndarray | None], Mapping[str, np.ndarray]], groups: np.ndarray | None, rows: int
) -> dict[str, Sample]:
    """By name, what `scores_of` gives for all rows (None) and for batches of counts (r, rows)."""
    number, count = group_numbers(groups, rows)
    observed = scores_of(None)
    resampled = [scores_of(counts) for counts in resamples(groups, rows)] if observed else []
    without = [scores_of(1 - (number == np.arange(count)[:, None]))] if observed and 2 < count <= FEW else []
    return {
        name: Sample(float(observed[name]), _joined(resampled, name), _joined(without, name), count)
        for name in observed
    }


def resamples(groups: np.ndarray | None, rows: int, seed: int = 0) -> Iterator[np.ndarray]:
    """Batches (BATCH, rows) of counts: every resample draws as many groups as there are, with replacement."""
    number, count = group_numbers(groups, rows)
    for drawn in kept_draws(count, seed) if count <= KEPT_GROUPS else draws(count, seed):
        yield drawn.astype(np.int64)[:, number]


def draws(count: int, seed: int) -> Iterator[np.ndarray]:
    """Batches (BATCH, count) of how often each of `count` groups is drawn; uint8 is enough by far."""
    generator = np.random.default_rng(seed)
    for batch in chunks(RESAMPLES, BATCH):
        size = batch.stop - batch.start
        yield generator.multinomial(count, np.full(count, 1 / count), size=size).astype(np.uint8)


@lru_cache(maxsize=1)
def kept_draws(count: int, seed: int) -> list[np.ndarray]:
    """The same: a ladder compares the same groups again and again, and drawing takes longer than scoring."""
    return list(draws(count, seed))


def group_numbers(groups: np.ndarray | None, rows: int) -> tuple[np.ndarray, int]:
    """The number of every row's group, from 0 on, and how many there are; None: every row is one."""
    _, number = np.unique(np.arange(rows) if groups is None else groups, return_inverse=True)
    return number, int(number.max()) + 1


def _joined(parts: list[Mapping[str, np.ndarray]], name: str) -> np.ndarray:
    """Without the NaN of those that lack a class, where there are others."""
    values = np.concatenate([part[name] for part in parts]) if parts else np.empty(0)
    return values[~np.isnan(values)] if not np.isnan(values).all() else values


def _bounds(sample: Sample, bias: float = 0.0, level: float = LEVEL) -> tuple[float, float]:
    low, high = percentiles(sample.resampled, sample.groups, sample.freedom, bias, level)
    return float(low), float(high)


def percentiles(
    resampled: np.ndarray, groups: int, freedom: float, bias: float = 0.0, level: float = LEVEL
) -> np.ndarray:
    """(2, ...) the bounds of (..., resamples), expanded to Student's t. bias: in standard errors."""
    from scipy.special import ndtr, stdtrit

    width = _expansion(groups) * stdtrit(freedom, 1 - level / 2)
    return np.nanquantile(resampled, ndtr([2 * bias - width, 2 * bias + width]), axis=-1)


def _expansion(groups: int) -> float:
    """A resample of n groups has the variance of n - 1."""
    return float(np.sqrt(groups / max(groups - 1, 1)))


def _p_value(sample: Sample) -> float:
    """Two-sided, of no difference: the level at which 0 is a bound."""
    from scipy.special import ndtri, stdtr

    tail = min((sample.resampled <= 0).mean(), (sample.resampled >= 0).mean())
    p = 2 * stdtr(sample.freedom, ndtri(tail) / _expansion(sample.groups))
    return float(np.clip(p, 1 / RESAMPLES, 1))
