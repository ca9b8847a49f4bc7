"""Metrics of how far truth and prediction agree beyond chance: Matthews' correlation, quadratic kappa."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from harness.errors import UserError
from harness.metrics.labels import LabelMetric, tally
from harness.metrics.sums import number, pooled, ratio


@dataclass(frozen=True)
class _SingleLabelMetric(LabelMetric):
    name: ClassVar[str]

    def statistics(self, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """The rows of `Accuracy`; raise `UserError` where a row has several labels."""
        if truth.ndim == 2:
            raise UserError(f"{self.name} takes one label a row, and here a row has several; use MacroF1 or Accuracy")
        return super().statistics(truth, predicted)


@dataclass(frozen=True)
class MCC(_SingleLabelMetric):
    """Matthews' correlation of truth and prediction, for any number of classes (Gorodkin 2004): 1 is right, 0 chance.

    0 where all rows are of one class, or all are predicted so, as in scikit-learn. By class: the recall.

    >>> metric = MCC(("well", "ill"))
    >>> round(metric.score(metric.statistics(np.array([1, 1, 1, 0]), np.array([1, 0, 1, 1]))), 4)
    -0.3333
    >>> metric.score(metric.statistics(np.array([1, 1, 1, 0]), np.array([1, 1, 1, 1])))
    0.0
    """

    name: ClassVar[str] = "MCC"

    def score(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> Any:
        seen = tally(statistics, counts)
        rows = seen.true.sum(-1)
        shared = seen.hits.sum(-1) * rows - (seen.true * seen.predicted).sum(-1)
        true, predicted = (rows**2 - (side**2).sum(-1) for side in (seen.true, seen.predicted))
        return number(ratio(shared, np.sqrt(true * predicted), 0))


@dataclass(frozen=True)
class QuadraticKappa(_SingleLabelMetric):
    """Cohen's kappa with quadratic weights (Cohen 1968) of classes in their order: a miss by two costs that of four.

    1 is agreement, 0 that of chance. Where all rows are of one class and predicted so, nothing disagrees: 1 (where
    scikit-learn says NaN). By class: the recall.

    >>> metric = QuadraticKappa(("none", "mild", "severe"))
    >>> truth = np.array([0, 1, 2, 2])
    >>> near, far = np.array([0, 1, 2, 1]), np.array([0, 1, 2, 0])
    >>> [round(metric.score(metric.statistics(truth, predicted)), 4) for predicted in (near, far)]
    [0.8, 0.3846]
    """

    name: ClassVar[str] = "quadratic kappa"

    def score(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> Any:
        labels = np.arange(len(self.classes))
        t, p = (statistics & 1) @ labels, (statistics >> 1) @ labels
        sums = pooled(np.stack([t, p, (t - p) ** 2, t**2 + p**2, np.ones_like(t)], 1), counts)
        true, predicted, apart, squares, rows = np.moveaxis(sums, -1, 0)
        return number(1 - ratio(rows * apart, rows * squares - 2 * true * predicted, 0))
