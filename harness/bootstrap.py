"""Is it more than noise? Bootstrap over groups, the units that no split may cut (Efron 1979).

Plain percentiles are too narrow for few groups, and off where the score of few rows is biased, as mAP is. So a score's
own interval is bias-corrected and accelerated (BCa, Efron 1987), and all are expanded to Student's t (Hesterberg 2015,
section 5.3) and to the standard error of the jackknife, which errs on the wide side (Efron and Stein 1981) where the
bootstrap's is too small. The degrees of freedom are fewer where few groups make most of the variance (Satterthwaite
1946; the jackknife says what each makes). `python -m tests.benchmarks.coverage` measures the coverage.
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
BLOCKS = 200  # of groups, at most, that the jackknife leaves out one after the other: a tenth of the time
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

    def to_json(self) -> dict[str, float]:
        return {"difference": self.difference, "low": self.low, "high": self.high, "p": self.p}


def interval(metric: Metric, statistics: np.ndarray, groups: np.ndarray | None) -> Interval:
    """The score of all rows, with the bounds of 2,000 resamples of their groups."""
    return bootstrap(lambda counts: {"": metric.score(statistics, counts)}, groups, len(statistics))[""].interval


def class_intervals(metric: Metric, statistics: np.ndarray, groups: np.ndarray | None) -> dict[str, Interval]:
    """The interval of every class present, in the order of the metric."""
    samples = bootstrap(lambda counts: metric.by_class(statistics, counts), groups, len(statistics))
    return {name: sample.interval for name, sample in samples.items() if np.isfinite(sample.observed)}


def compare(
    metric: Metric, a: np.ndarray, b: np.ndarray, groups: np.ndarray | None, jointly: bool = False
) -> Comparison:
    """Paired: both sides are scored on the same resamples. a, b: statistics of the same rows in the same order.

    A difference has neither bias nor acceleration to speak of: both sides have the same. jointly: the intervals of the
    classes hold all at once in 95 % of cases (Bonferroni); otherwise each of them does.
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
    by_class = {name: Interval(sample.observed, *sample.bounds(level=level)) for name, sample in present.items()}
    return Comparison(total.observed, *total.bounds(), p=total.p_value, by_class=by_class)


@dataclass(frozen=True)
class BootstrapSample:
    """One number, as observed, of every resample, and without each block of groups (or none of them, where few)."""

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
    def acceleration(self) -> float:
        """How much the standard error grows with the score, by the skewness of what each block adds (Efron 1987)."""
        squares = (self._added**2).sum()
        return float((self._added**3).sum() / (6 * squares**1.5)) if squares > 0 else 0.0

    @property
    def freedom(self) -> float:
        """Degrees of freedom of its variance, by the kurtosis of what each block adds: n - 1 where all add alike."""
        most, squares = max(self.groups - 1, 1), self._added**2
        if not squares.sum() > 0:
            return most
        excess = (squares**2).sum() / squares.sum() ** 2 - 1 / len(squares)
        return float(np.clip(2 / max(excess, 1e-9), 1, most))

    @property
    def expansion(self) -> float:
        """The jackknife's standard error over that of the resamples; at least that of n groups over that of n - 1."""
        least, resampled = _expansion(self.groups), self.resampled.std()
        if not (resampled > 0 and len(self.without)):
            return least
        return max(least, float(np.sqrt((self._added**2).mean() * (len(self.without) - 1)) / resampled))

    @property
    def interval(self) -> Interval:
        """The observed number with its bias-corrected and accelerated bounds."""
        return Interval(self.observed, *self.bounds(self.bias, self.acceleration))

    def bounds(self, bias: float = 0.0, acceleration: float = 0.0, level: float = LEVEL) -> tuple[float, float]:
        """Low and high; without bias and acceleration those of an expanded percentile interval."""
        from scipy.special import stdtrit

        width = self.expansion * stdtrit(self.freedom, 1 - level / 2)
        low, high = percentiles(self.resampled, width, bias, acceleration)
        return float(low), float(high)

    @property
    def p_value(self) -> float:
        """Two-sided, of no difference: the level at which 0 is a bound."""
        from scipy.special import ndtri, stdtr

        tail = min((self.resampled <= 0).mean(), (self.resampled >= 0).mean())
        p = 2 * stdtr(self.freedom, ndtri(tail) / self.expansion)
        return float(np.clip(p, 1 / RESAMPLES, 1))

    @property
    def _added(self) -> np.ndarray:
        """What each block adds to the mean of the scores without one."""
        return self.without.mean() - self.without if len(self.without) else self.without


def bootstrap(
    scores_of: Callable[[np.ndarray | None], Mapping[str, np.ndarray]], groups: np.ndarray | None, rows: int
) -> dict[str, BootstrapSample]:
    """By name, what `scores_of` gives for all rows (None) and for batches of counts (r, rows)."""
    number, count = group_numbers(groups, rows)
    observed = scores_of(None)
    resampled = [scores_of(counts) for counts in resamples(groups, rows)] if observed else []
    without = [scores_of(all_but_one(number, count))] if observed and count > 2 else []
    return {
        name: BootstrapSample(float(observed[name]), _joined(resampled, name), _joined(without, name), count)
        for name in observed
    }


def resamples(groups: np.ndarray | None, rows: int, seed: int = 0) -> Iterator[np.ndarray]:
    """Batches (BATCH, rows) of counts: every resample draws as many groups as there are, with replacement."""
    number, count = group_numbers(groups, rows)
    for drawn in kept_draws(count, seed, RESAMPLES) if count <= KEPT_GROUPS else draws(count, seed):
        yield drawn.astype(np.int64)[:, number]


def draws(count: int, seed: int) -> Iterator[np.ndarray]:
    """Batches (BATCH, count) of how often each of `count` groups is drawn; uint8 is enough by far."""
    generator = np.random.default_rng(seed)
    for batch in chunks(RESAMPLES, BATCH):
        size = batch.stop - batch.start
        yield generator.multinomial(count, np.full(count, 1 / count), size=size).astype(np.uint8)


def all_but_one(number: np.ndarray, count: int) -> np.ndarray:
    """(blocks, rows) counts: every row but those of one block, of at most BLOCKS random blocks of groups."""
    blocks = min(count, BLOCKS)
    block_of_group = np.random.default_rng(0).permutation(count) % blocks
    return 1 - (block_of_group[number] == np.arange(blocks)[:, None])


@lru_cache(maxsize=1)
def kept_draws(count: int, seed: int, resamples: int) -> list[np.ndarray]:
    """All batches of `draws`, kept: the steps of an ensemble are compared on the same groups, and drawing takes longer
    than scoring."""
    return list(draws(count, seed))


def group_numbers(groups: np.ndarray | None, rows: int) -> tuple[np.ndarray, int]:
    """The number of every row's group, from 0 on, and how many there are; None: every row is one."""
    _, number = np.unique(np.arange(rows) if groups is None else groups, return_inverse=True)
    return number, int(number.max()) + 1


def _joined(parts: list[Mapping[str, np.ndarray]], name: str) -> np.ndarray:
    """Without the NaN of those that lack a class, where there are others."""
    values = np.concatenate([part[name] for part in parts]) if parts else np.empty(0)
    return values[~np.isnan(values)] if not np.isnan(values).all() else values


def student(groups: int) -> float:
    """How many standard errors of its resamples a number of so many groups is known to, at 95 %."""
    from scipy.special import stdtrit

    return float(_expansion(groups) * stdtrit(max(groups - 1, 1), 1 - LEVEL / 2))


def percentiles(resampled: np.ndarray, width: float, bias: float = 0.0, acceleration: float = 0.0) -> np.ndarray:
    """(2, ...) the bounds of (..., resamples). width, bias: in standard errors of the resamples."""
    from scipy.special import ndtr

    wide = bias + np.array([-width, width])
    bent = 1 - acceleration * wide
    ends = np.where(bent > 0, bias + wide / np.maximum(bent, 1e-9), np.sign(wide) * np.inf)
    return np.nanquantile(resampled, ndtr(ends), axis=-1)


def _expansion(groups: int) -> float:
    """A resample of n groups has the variance of n - 1."""
    return float(np.sqrt(groups / max(groups - 1, 1)))
