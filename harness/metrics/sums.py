"""What metrics share: their bases, rows summed with their counts, means over the classes present, finite numbers."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.errors import UserError


class Metric(ABC):
    """Public and private scores, folds and bootstrap resamples are all made of the same rows of statistics.

    needs: "labels" or "probabilities", what a submission must carry. version: raised whenever a score would change.
    every_object_counts: whether an object that is predicted in vain costs, however low its score; an ensemble then
    leaves out those with low ones.
    """

    name: str
    version: int = 1
    higher_is_better: bool = True
    needs: str = "labels"
    every_object_counts: bool = False

    @abstractmethod
    def statistics(self, truth: Any, predicted: Any) -> np.ndarray:
        """(n, ...) rows, aligned with `truth`."""

    @abstractmethod
    def score(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> Any:
        """A float; with `counts` (n,) the score with row i counts[i] times; with (r, n) an array (r,)."""

    def by_class(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> dict[str, Any]:
        """The parts of the score a reader wants to see one by one, NaN where a class is absent; {} without classes."""
        return {}


@dataclass(frozen=True)
class ClassMetric(Metric):
    """The base of metrics with a part for every class. classes: names, the index is the label."""

    classes: tuple[str, ...]

    @abstractmethod
    def of_classes(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
        """(..., C) the part of every class, NaN where it has none; of fewer columns than classes they are the last."""

    def score(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> Any:
        return number(mean_of_classes(self.of_classes(statistics, counts)))

    def by_class(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> dict[str, Any]:
        parts = self.of_classes(statistics, counts)
        return dict(zip(self.classes[-parts.shape[-1] :], parts.T, strict=True))


# -- sums --------------------------------------------------------------------------------------------------------------


def pooled(statistics: np.ndarray, counts: np.ndarray | None) -> np.ndarray:
    """Sum rows, row i counts[i] times, in float64 (exact below 2**53): (...,) or (r, ...) for counts (r, n)."""
    if counts is None:
        return statistics.sum(0, dtype=np.float64)
    flat = statistics.reshape(len(statistics), -1).astype(np.float64)
    return (counts.astype(np.float64) @ flat).reshape(counts.shape[:-1] + statistics.shape[1:])


def mean_of_rows(values: np.ndarray, counts: np.ndarray | None) -> np.ndarray:
    """The mean of (n, ...) values, row i counts[i] times: (...,) or (r, ...); of no rows NaN."""
    rows = np.asarray(len(values) if counts is None else counts.sum(-1))
    return ratio(pooled(values, counts), rows.reshape(rows.shape + (1,) * (values.ndim - 1)), np.nan)


def mean_of_labels(statistics: np.ndarray, classes: int, counts: np.ndarray | None) -> np.ndarray:
    """(..., C) means of the rows of every class, NaN where it has none. statistics: (n, 2) values and labels."""
    of_class = statistics[:, 1:] == np.arange(classes)
    total, rows = np.moveaxis(pooled(np.stack([of_class * statistics[:, :1], of_class], 1), counts), -2, 0)
    return ratio(total, rows, np.nan)


def columns(counts: np.ndarray | None, rows: int) -> np.ndarray:
    """The counts as (rows, r) float64, a resample in every column, as ranking metrics need them."""
    return np.ones((rows, 1)) if counts is None else np.ascontiguousarray(np.atleast_2d(counts).T, np.float64)


def mean_of_classes(values: np.ndarray, weights: Sequence[float] = ()) -> np.ndarray:
    """The mean over the last axis of what is not NaN, weighted by class; NaN where nothing is left."""
    shares = ~np.isnan(values) * (np.asarray(weights) / min(weights) if weights else 1.0)
    return ratio(np.nansum(values * shares, -1), shares.sum(-1), np.nan)


def ratio(part: np.ndarray, whole: np.ndarray, empty: float | np.ndarray) -> np.ndarray:
    """part / whole, and `empty` where the whole, a count, is 0."""
    return np.where(whole > 0, part / np.maximum(whole, 1), empty)


def number(scores: np.ndarray) -> Any:
    """One score as a float, several as they are."""
    return scores if np.ndim(scores) else float(scores)


def finite(predicted: np.ndarray) -> np.ndarray:
    """(n, ...) in float64; raise `UserError` at NaN or infinity, which would rank and cancel like no number."""
    values = np.asarray(predicted, np.float64)
    wrong = ~np.isfinite(values).all(tuple(range(1, values.ndim)))
    if wrong.any():
        raise UserError(f"prediction {int(wrong.argmax())} is not a finite number; a metric judges finite numbers only")
    return values


def chunks(count: int, size: int) -> Iterator[slice]:
    """Slices that cover range(count), `size` rows each."""
    return (slice(start, min(start + size, count)) for start in range(0, count, size))
