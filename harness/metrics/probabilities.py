"""Metrics of probabilities, one of every class a row: losses, and areas under the curves of ROC and precision."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.errors import UserError
from harness.metrics.sums import (
    ClassMetric,
    columns,
    finite,
    mean_of_classes,
    mean_of_labels,
    mean_of_rows,
    number,
    ratio,
)


@dataclass(frozen=True)
class ProbabilityLoss(ClassMetric):
    """The base of losses: one of every row, and the mean over rows; by class, of the rows that have it.

    With several labels a row there is a loss of every label, and the score is the mean over labels.
    """

    higher_is_better = False
    needs = "probabilities"

    def statistics(self, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """(n, 2) float64: the loss, and the label; of several labels a row (n, 1, C): the loss of every label.

        truth: (n,) labels, or (n, C) of 0 and 1; predicted: (n, C); raise `UserError` where it is not finite.
        """
        probs = finite(predicted)
        if truth.ndim == 2:
            return self.of_labels(truth, probs)[:, None]
        return np.stack([self.of_rows(truth, probs), truth], 1)

    @abstractmethod
    def of_rows(self, truth: np.ndarray, probs: np.ndarray) -> np.ndarray:
        """(n,) the loss of every row; truth: (n,) labels; probs: (n, C) float64."""

    @abstractmethod
    def of_labels(self, truth: np.ndarray, probs: np.ndarray) -> np.ndarray:
        """(n, C) the loss of every label; truth: (n, C) of 0 and 1; probs: (n, C) float64."""

    def score(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> Any:
        if statistics.ndim == 3:
            return super().score(statistics, counts)
        return number(mean_of_rows(statistics[:, 0], counts))

    def of_classes(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
        if statistics.ndim == 3:
            return mean_of_rows(statistics[:, 0], counts)
        return mean_of_labels(statistics, len(self.classes), counts)


@dataclass(frozen=True)
class LogLoss(ProbabilityLoss):
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

    balanced: the mean over classes of the mean of their rows ("weighted log loss"), so a rare class counts as much as
    any. Here log 2 for three cats, and log 4 for one dog:

    >>> metric = LogLoss(("cat", "dog"), balanced=True)
    >>> rows = metric.statistics(np.array([0, 0, 0, 1]), np.array([[0.5, 0.5]] * 3 + [[0.75, 0.25]]))
    >>> round(metric.score(rows), 4)  # 1.5 log 2
    1.0397

    weights: one of every class, more than 0. A row counts as often as its class says; of balanced means, and of
    several labels a row, the mean over classes is weighted. A dog that counts as three cats:

    >>> metric = LogLoss(("cat", "dog"), weights=(1, 3))
    >>> rows = metric.statistics(np.array([0, 0, 0, 1]), np.array([[0.5, 0.5]] * 3 + [[0.75, 0.25]]))
    >>> round(metric.score(rows), 4)  # (3 log 2 + 3 log 4) / 6
    1.0397

    Several labels a row: the mean over labels of -log of the probability of what is true, clipped to clip..1 - clip.

    >>> metric = LogLoss(("cat", "dog"))
    >>> round(metric.score(metric.statistics(np.array([[1, 0]]), np.array([[0.5, 0.75]]))), 4)
    1.0397

    By class: the mean of its rows, or of its label.
    """

    clip: float = 1e-15
    balanced: bool = False
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.weights and (len(self.weights) != len(self.classes) or min(self.weights) <= 0):
            raise UserError(
                f"LogLoss has weights={self.weights}; give one above 0 for each of {len(self.classes)} classes"
            )

    @property
    def name(self) -> str:  # type: ignore[override]
        kinds = ("balanced ", self.balanced), ("weighted ", bool(self.weights))
        return "".join(kind for kind, asked in kinds if asked) + "log loss"

    def of_rows(self, truth: np.ndarray, probs: np.ndarray) -> np.ndarray:
        clipped = np.maximum(probs, self.clip)
        return -np.log(clipped[np.arange(len(truth)), truth] / clipped.sum(1))

    def of_labels(self, truth: np.ndarray, probs: np.ndarray) -> np.ndarray:
        """Raise `UserError` where it is balanced: a label that a row lacks is not a class of its own."""
        if self.balanced:
            raise UserError(f"{self.name} takes one label a row, and here a row has several; use LogLoss without it")
        return -np.log(np.clip(np.where(truth > 0, probs, 1 - probs), self.clip, 1 - self.clip))

    def score(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> Any:
        if self.balanced or statistics.ndim == 3:
            return number(mean_of_classes(self.of_classes(statistics, counts), self.weights))
        if self.weights:
            of_rows = (np.array(self.weights) / min(self.weights))[statistics[:, 1].astype(int)]
            counts = of_rows if counts is None else counts * of_rows
        return super().score(statistics, counts)


@dataclass(frozen=True)
class Brier(ProbabilityLoss):
    """The Brier score (1950): the mean squared distance of the probabilities from 0 and 1, lower is better.

    Of two classes that of the second (0 to 1), of more the sum over classes (0 to 2), as in scikit-learn; of several
    labels a row the mean over labels.

    >>> metric = Brier(("well", "ill"))
    >>> metric.score(metric.statistics(np.array([1, 0]), np.array([[0.5, 0.5], [1.0, 0.0]])))
    0.125
    >>> metric = Brier(("cat", "dog", "fox"))
    >>> metric.score(metric.statistics(np.array([1]), np.array([[0.5, 0.5, 0.0]])))
    0.5
    """

    name = "Brier score"

    def of_rows(self, truth: np.ndarray, probs: np.ndarray) -> np.ndarray:
        either = len(self.classes) == 2
        return self.of_labels(np.eye(len(self.classes))[truth], probs)[:, 1 if either else 0 :].sum(1)

    def of_labels(self, truth: np.ndarray, probs: np.ndarray) -> np.ndarray:
        return (probs - truth) ** 2


# -- how scores rank the rows ------------------------------------------------------------------------------------------


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
        parts = [self.curve(scores, true > 0, weights) for scores, true in statistics.transpose(2, 1, 0)]
        areas = np.stack(parts, -1)
        return areas if counts is not None and counts.ndim == 2 else areas[0]

    def curve(self, scores: np.ndarray, true: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """(r,) of one class; scores: (n,); true: (n,) bool; weights: (n, r)."""
        return area(scores, true, weights)


@dataclass(frozen=True)
class Gini(ROCAUC):
    """The normalised Gini coefficient of 0 and 1: twice the area under the ROC curve, less 1; chance is 0.

    >>> metric = Gini(("no claim", "claim"))
    >>> probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.6, 0.4], [0.2, 0.8]])
    >>> metric.score(metric.statistics(np.array([0, 0, 1, 1]), probabilities))  # 2 * 7/8 - 1
    0.75
    """

    name = "Gini"

    def curve(self, scores: np.ndarray, true: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return 2 * area(scores, true, weights) - 1


@dataclass(frozen=True)
class AveragePrecision(ROCAUC):
    """The area under the curve of precision and recall ("PR AUC"), as scikit-learn's average_precision_score.

    The sum over thresholds of precision times what recall gains there. Of two classes it is that of the second, of
    more the mean of every class against the rest; a class that is in no row is left out.

    Of two ill rows the first is above all, precision 1; the other ties with one who is well, precision 2/3.

    >>> metric = AveragePrecision(("well", "ill"))
    >>> probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.6, 0.4], [0.2, 0.8]])
    >>> round(metric.score(metric.statistics(np.array([0, 0, 1, 1]), probabilities)), 4)
    0.8333
    """

    name = "average precision"

    def curve(self, scores: np.ndarray, true: np.ndarray, weights: np.ndarray) -> np.ndarray:
        order = np.argsort(-scores)
        ends = np.flatnonzero(np.diff(scores[order], append=-np.inf))  # the last row of every threshold
        seen = np.cumsum(weights[order], axis=0)[ends]
        found = np.cumsum(weights[order] * true[order, None], axis=0)[ends]
        gained = np.diff(found, axis=0, prepend=0)
        return ratio((ratio(found, seen, 0) * gained).sum(0), found[-1], np.nan)


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
