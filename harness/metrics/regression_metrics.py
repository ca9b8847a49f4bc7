"""Metrics of numbers, one a row or several columns of them, of which the score is the mean ("column-wise")."""

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.errors import UserError, listed
from harness.metrics.sums import Metric, finite, mean_of_rows, number, pooled


@dataclass(frozen=True)
class RegressionMetric(Metric):
    """The base: a part for every column, and their mean. Here the part is the mean error, and a metric says which.

    targets: names of the columns, under which `by_class` shows their parts; without names it shows none.
    """

    targets: tuple[str, ...] = field(default=(), kw_only=True)
    higher_is_better = False

    def statistics(self, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """(n, k) float64, or (n, 2, k): what the errors say of every number; truth, predicted: (n,) or (n, k).

        Raise `UserError` where predicted is not finite, or the shapes differ from each other or from `targets`.
        """
        sides = np.asarray(truth, np.float64), finite(predicted)
        columns = [side[:, None] if side.ndim == 1 else side for side in sides]
        if sides[0].shape != sides[1].shape or len(self.targets) not in (0, columns[0].shape[1]):
            names = f" named {listed(self.targets)}" if self.targets else ""
            raise UserError(
                f"{self.name}: the predictions have shape {sides[1].shape} and the truth {sides[0].shape}; both must "
                f"be (n,) or (n, columns){names}"
            )
        return self.errors(*columns)

    @abstractmethod
    def errors(self, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """(n, k), of truth and predicted (n, k) float64; raise `UserError` where the metric has no value."""

    def of_columns(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
        """(..., k) the part of every column."""
        return mean_of_rows(statistics, counts)

    def score(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> Any:
        return number(self.of_columns(statistics, counts).mean(-1))

    def by_class(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> dict[str, Any]:
        """The part of every named column; numbers have no classes."""
        if not self.targets:
            return {}
        return dict(zip(self.targets, self.of_columns(statistics, counts).T, strict=True))


@dataclass(frozen=True)
class RMSE(RegressionMetric):
    """The root of the mean squared error, in the unit of the target; one large error costs more than many small ones.

    >>> metric = RMSE()
    >>> metric.score(metric.statistics(np.array([1.0, 2.0]), np.array([1.0, 4.0]))) == 2**0.5
    True

    Of two columns the mean (MCRMSE), here of 3 and 1:

    >>> metric = RMSE(targets=("width", "height"))
    >>> rows = metric.statistics(np.array([[0, 0], [0, 0]]), np.array([[3, 1], [-3, 1]]))
    >>> metric.score(rows), {name: float(part) for name, part in metric.by_class(rows).items()}
    (2.0, {'width': 3.0, 'height': 1.0})
    """

    name = "RMSE"

    def errors(self, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        return (predicted - truth) ** 2

    def of_columns(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
        return np.sqrt(mean_of_rows(statistics, counts))


@dataclass(frozen=True)
class RMSLE(RMSE):
    """The RMSE of log(1 + number): to be out by a factor costs as much for small numbers as for large ones.

    A prediction below 0 counts as 0, since a model may well go there; a truth below 0 is refused. Hosts refuse both.

    log 2 - log 4 in one of four rows: the root of (log 2)^2 / 4.

    >>> metric = RMSLE()
    >>> rows = metric.statistics(np.array([1.0, 0, 2, 3]), np.array([3.0, -1, 2, 3]))
    >>> round(metric.score(rows), 4)
    0.3466
    """

    name = "RMSLE"

    def errors(self, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        refuse(self.name, truth, truth < 0, "the logarithm takes numbers from 0 on; RMSE and MAE take any")
        return (np.log1p(np.maximum(predicted, 0)) - np.log1p(truth)) ** 2


@dataclass(frozen=True)
class MAE(RegressionMetric):
    """The mean absolute error, in the unit of the target.

    >>> metric = MAE()
    >>> metric.score(metric.statistics(np.array([1.0, 2.0]), np.array([1.0, 4.0])))
    1.0
    """

    name = "MAE"

    def errors(self, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        return np.abs(predicted - truth)


@dataclass(frozen=True)
class MAPE(RegressionMetric):
    """The mean absolute error as a share of the truth, as in scikit-learn: 0.25 is 25 %. A truth of 0 is refused.

    >>> metric = MAPE()
    >>> metric.score(metric.statistics(np.array([1.0, -4.0]), np.array([1.0, -6.0])))
    0.25
    """

    name = "MAPE"

    def errors(self, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        refuse(self.name, truth, truth == 0, "an error has no share of 0; SMAPE and MAE take it")
        return np.abs(predicted - truth) / np.abs(truth)


@dataclass(frozen=True)
class SMAPE(RegressionMetric):
    """The mean of 200 |error| / (|truth| + |prediction|), in percent from 0 to 200, as on Kaggle; 0 where both are 0.

    200 * 2 / 8 = 50 in one row, and nothing in the other:

    >>> metric = SMAPE()
    >>> metric.score(metric.statistics(np.array([3.0, 0.0]), np.array([5.0, 0.0])))
    25.0
    """

    name = "SMAPE"

    def errors(self, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        size = np.abs(truth) + np.abs(predicted)
        return np.divide(200 * np.abs(predicted - truth), size, out=np.zeros_like(size), where=size > 0)


@dataclass(frozen=True)
class Pinball(RegressionMetric):
    """The pinball loss of the quantile `q` (Koenker and Bassett 1978): a miss from below costs q, from above 1 - q.

    It is least where a share q of the truths lies below the prediction.

    Too low by 2, which costs 0.9 each; too high by 4, which costs 0.1 each:

    >>> metric = Pinball(0.9)
    >>> round(metric.score(metric.statistics(np.array([2.0, 0.0]), np.array([0.0, 4.0]))), 4)
    1.1
    """

    q: float

    def __post_init__(self) -> None:
        if not 0 < self.q < 1:
            raise UserError(f"Pinball(q={self.q}): a quantile lies between 0 and 1, such as 0.1")

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"pinball {self.q:g}"

    def errors(self, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        low = truth - predicted
        return np.maximum(self.q * low, (self.q - 1) * low)


@dataclass(frozen=True)
class R2(RegressionMetric):
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
    higher_is_better = True

    def errors(self, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """(n, 2, k): squared errors and truths."""
        return np.stack([(predicted - truth) ** 2, truth], 1)

    def of_columns(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
        """From four sums, so resamples are a matrix product. Truths are first moved near 0: squares lose less there."""
        errors, truth = statistics.swapaxes(0, 1)
        moved = truth - truth.mean(0)
        sums = pooled(np.stack([errors, moved, moved**2, np.ones_like(truth)], 1), counts)
        unexplained, first, second, rows = np.moveaxis(sums, -2, 0)
        spread = second - first**2 / rows
        varies = spread > ROUNDING * second
        unvaried = np.where(unexplained > 0, 0.0, 1.0)
        return np.where(varies, 1 - unexplained / np.where(varies, spread, 1), unvaried)


ROUNDING = 1e-12  # of a sum of squares: what remains of a difference of two equal ones


def refuse(metric: str, truth: np.ndarray, wrong: np.ndarray, why: str) -> None:
    """Raise `UserError` that names the first row of truth (n, k) that is wrong (n, k), and why."""
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise UserError(f"{metric}: the truth of row {row} is {truth[row, column]:g}, but {why}")
