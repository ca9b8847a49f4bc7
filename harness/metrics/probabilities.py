"""Metrics of probabilities, one of every class a row: log loss and the area under the ROC curve."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.errors import UserError
from harness.metrics.sums import ClassMetric, columns, finite, mean_of_labels, mean_of_rows, number


@dataclass(frozen=True)
class LogLoss(ClassMetric):
    """The mean over rows of -log of the probability that was given to the true class.

    clip: probabilities below count as this, and then rows are divided by their
    sum, as on Kaggle: no row costs more than -log(clip) = 34.5, and 1 for every class counts as 1 / C. All in
    float64, so probabilities in float16 lose nothing here; what half precision had rounded to 0 (below 6e-8) does count
    as clip, and clip=2**-24 is the convention for which that makes no difference.

    >>> def loss(probabilities, **convention):
    ...     metric = LogLoss(("cat", "dog"), **convention)
    ...     return round(metric.score(metric.statistics(np.array([0, 1]), np.array(probabilities))), 4)
    >>> loss([[0.5, 0.5], [0.25, 0.75]])
    0.4904
    >>> loss([[1, 1], [1, 1]])  # log 2
    0.6931
    >>> loss([[0, 1], [0, 1]]), loss([[0, 1], [0, 1]], clip=2**-24)  # half of 34.5, half of 16.6
    (17.2694, 8.3178)

    By class: the mean of its rows.
    """

    clip: float = 1e-15
    name = "log loss"
    higher_is_better = False
    needs = "probabilities"

    def statistics(self, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """(n, 2) float64: the loss, and the label.

        truth: (n,) labels; predicted: (n, C); raise `UserError` where it is not finite, or a row has several labels.
        """
        if truth.ndim == 2:
            raise UserError(f"{self.name} takes one label a row, and here a row has several; use ROCAUC")
        probs = np.maximum(finite(predicted), self.clip)
        given = probs[np.arange(len(truth)), truth] / probs.sum(1)
        return np.stack([-np.log(given), truth], 1)

    def score(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> Any:
        return number(mean_of_rows(statistics[:, 0], counts))

    def of_classes(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
        return mean_of_labels(statistics, len(self.classes), counts)


@dataclass(frozen=True)
class ROCAUC(ClassMetric):
    """The area under the ROC curve: how often a row of the class is given more than a row of another; ties are half.

    Of two classes it is the area of the second, by its probability; of more the mean of every class against the rest;
    of several labels a row the mean over labels. A class that is in no row, or in all, has no area, and is left out of
    the mean.

    >>> metric = ROCAUC(("well", "ill"))
    >>> probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.6, 0.4], [0.2, 0.8]])
    >>> metric.score(metric.statistics(np.array([0, 0, 1, 1]), probabilities))  # (1 + 1/2 + 1 + 1) / 4
    0.875

    One against the rest: cat 1/2, dog 1, and without a fox it has no area.

    >>> metric = ROCAUC(("cat", "dog", "fox"))
    >>> rows = metric.statistics(np.array([0, 1]), np.array([[0.4, 0.3, 0.3], [0.4, 0.6, 0.0]]))
    >>> metric.score(rows), {name: float(area) for name, area in metric.by_class(rows).items()}
    (0.75, {'cat': 0.5, 'dog': 1.0, 'fox': nan})
    """

    name = "ROC AUC"
    needs = "probabilities"

    def statistics(self, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """(n, 2, K) float64: the scores of K classes, and 1 where the class is true; K is 1 of two classes, else C.

        truth: (n,) labels, or (n, C) of 0 and 1; predicted: (n, C); raise `UserError` where it is not finite.
        """
        true = truth if truth.ndim == 2 else truth[:, None] == np.arange(len(self.classes))
        either = truth.ndim == 1 and len(self.classes) == 2
        return np.stack([finite(predicted), true], 1)[:, :, 1 if either else 0 :]

    def of_classes(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
        """(..., K), NaN where a class is in no row or in all."""
        weights = columns(counts, len(statistics))
        areas = np.stack([area(scores, true > 0, weights) for scores, true in statistics.transpose(2, 1, 0)], -1)
        return areas if counts is not None and counts.ndim == 2 else areas[0]


def area(scores: np.ndarray, true: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(r,) areas under the ROC curve of rows weighted by (n, r): the Mann-Whitney statistic, one sort for all r.

    scores: (n,); true: (n,) bool.
    """
    others = np.flatnonzero(~true)
    others = others[np.argsort(scores[others])]
    below = np.concatenate([np.zeros((1, weights.shape[1])), np.cumsum(weights[others], axis=0)])
    first, last = (np.searchsorted(scores[others], scores[true], side) for side in ("left", "right"))
    beaten = (weights[true] * (below[first] + below[last])).sum(0) / 2
    pairs = weights[true].sum(0) * below[-1]
    return np.where(pairs > 0, beaten / np.maximum(pairs, 1), np.nan)
