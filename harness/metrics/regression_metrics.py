"""Regression metrics: RMSE, MAE and R2 of one number a row."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.metrics.sums import Metric, finite, mean_of_rows, number, pooled


@dataclass(frozen=True)
class RMSE(Metric):
    """The root of the mean squared error, in the unit of the target; one large error costs more than many small ones.

    >>> metric = RMSE()
    >>> metric.score(metric.statistics(np.array([1.0, 2.0]), np.array([1.0, 4.0]))) == 2**0.5
    True
    """

    name = "RMSE"
    higher_is_better = False

    def statistics(self, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """(n,) float64: squared errors; truth, predicted (n,); raise `UserError` where predicted is not finite."""
        return (finite(predicted) - truth) ** 2

    def score(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> Any:
        return number(np.sqrt(mean_of_rows(statistics, counts)))


@dataclass(frozen=True)
class MAE(Metric):
    """The mean absolute error, in the unit of the target.

    >>> metric = MAE()
    >>> metric.score(metric.statistics(np.array([1.0, 2.0]), np.array([1.0, 4.0])))
    1.0
    """

    name = "MAE"
    higher_is_better = False

    def statistics(self, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """(n,) float64: absolute errors; truth, predicted (n,); raise `UserError` where predicted is not finite."""
        return np.abs(finite(predicted) - truth)

    def score(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> Any:
        return number(mean_of_rows(statistics, counts))


@dataclass(frozen=True)
class R2(Metric):
    """The share of the variance that is explained: 1 - squared errors / squared distances of the truth from its mean.

    The mean is that of the scored rows, in a resample its own. Where all truths are equal there is nothing to explain:
    1 if every prediction is right, else 0, as in scikit-learn.

    >>> metric = R2()
    >>> def explained(truth, predicted):
    ...     return metric.score(metric.statistics(np.array(truth), np.array(predicted)))
    >>> explained([1.0, 2.0, 3.0], [1.0, 2.0, 4.0]), explained([1.0, 2.0, 3.0], [2.0, 2.0, 2.0])
    (0.5, 0.0)
    >>> explained([2.0, 2.0], [2.0, 2.0]), explained([2.0, 2.0], [2.0, 3.0])
    (1.0, 0.0)
    """

    name = "R2"

    def statistics(self, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """(n, 2) float64: squared errors and truths; raise `UserError` where predicted is not finite."""
        return np.stack([(finite(predicted) - truth) ** 2, truth], 1)

    def score(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> Any:
        """From four sums, so resamples are a matrix product. Truths are first moved near 0: squares lose less there."""
        errors, truth = statistics.T
        moved = truth - truth.mean()
        sums = pooled(np.stack([errors, moved, moved**2, np.ones(len(truth))], 1), counts)
        unexplained, first, second, rows = np.moveaxis(sums, -1, 0)
        spread = second - first**2 / rows
        varies = spread > ROUNDING * second
        unvaried = np.where(unexplained > 0, 0.0, 1.0)
        return number(np.where(varies, 1 - unexplained / np.where(varies, spread, 1), unvaried))


ROUNDING = 1e-12  # of a sum of squares: what remains of a difference of two equal ones
