"""Metrics of labels, one a row or several: accuracy, precision, recall, correlation, kappa and cost."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from harness.errors import UserError, listed
from harness.metrics.sums import ClassMetric, mean_of_labels, mean_of_rows, number, pooled, ratio


class Tally(NamedTuple):
    """Counts of rows, each (..., C): where the class is true and predicted, where it is true, where it is predicted."""

    hits: np.ndarray
    true: np.ndarray
    predicted: np.ndarray


def tally(statistics: np.ndarray, counts: np.ndarray | None) -> Tally:
    return Tally(*np.moveaxis(pooled(np.stack([statistics == 3, statistics & 1, statistics >> 1], 1), counts), -2, 0))


@dataclass(frozen=True)
class LabelMetric(ClassMetric):
    """The base of metrics of labels; of a class it tells the recall, which is NaN where the class has no row."""

    one_label = False

    def statistics(self, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """(n, C) uint8: bit 0 where the class is true, bit 1 where it is predicted, so 3 is a hit.

        One byte a class replaces a confusion matrix (C, C) a row, and holds several labels a row as well.
        truth, predicted: (n,) labels, or (n, C) of 0 and 1 where a row may have several; raise `UserError` where a
        metric takes one label a row.
        """
        if self.one_label and truth.ndim == 2:
            raise UserError(f"{self.name} takes one label a row, and here a row has several; use MacroF1 or Accuracy")
        sides = [
            side if side.ndim == 2 else side[:, None] == np.arange(len(self.classes)) for side in (truth, predicted)
        ]
        return sides[0].astype(np.uint8) | sides[1].astype(np.uint8) << 1

    def of_classes(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
        seen = tally(statistics, counts)
        return ratio(seen.hits, seen.true, np.nan)


@dataclass(frozen=True)
class Accuracy(LabelMetric):
    """The share of rows that are right. With several labels a row: all of them must be (subset accuracy).

    >>> metric = Accuracy(("cat", "dog", "fox"))
    >>> rows = metric.statistics(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]))
    >>> metric.score(rows)
    0.75

    By class it is the recall, and an absent class has none:

    >>> {name: float(recall) for name, recall in metric.by_class(rows).items()}
    {'cat': 0.5, 'dog': 1.0, 'fox': nan}

    Three times the second row, and none of the others:

    >>> metric.score(rows, np.array([0, 3, 0, 0]))
    0.0

    Labels (1, 0, 1) and (0, 1, 0), of which the first row has one wrong:

    >>> metric.score(metric.statistics(np.array([[1, 0, 1], [0, 1, 0]]), np.array([[1, 0, 0], [0, 1, 0]])))
    0.5
    """

    name = "accuracy"

    def score(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> Any:
        return number(mean_of_rows(((statistics == 0) | (statistics == 3)).all(1), counts))


@dataclass(frozen=True)
class BalancedAccuracy(LabelMetric):
    """The mean recall of the classes that are in the truth, as in scikit-learn: chance is 1 / C whatever the shares.

    Half of the cats, all dogs; there is no fox, and calling a cat one costs the cat only:

    >>> metric = BalancedAccuracy(("cat", "dog", "fox"))
    >>> metric.score(metric.statistics(np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1])))
    0.75
    """

    name = "balanced accuracy"


# -- means over classes ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Precision(LabelMetric):
    """The mean over classes of the precision: which share of the rows predicted as the class are of it.

    A class that is true somewhere and never predicted has 0; one that is in neither is left out.

    >>> metric = Precision(("cat", "dog", "fox"))
    >>> round(metric.score(metric.statistics(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]))), 4)
    0.8333
    """

    name = "precision"

    def of_classes(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
        seen = tally(statistics, counts)
        return ratio(seen.hits, seen.predicted, np.where(seen.true > 0, 0, np.nan))


@dataclass(frozen=True)
class Recall(LabelMetric):
    """The mean over classes of the recall: which share of the rows of the class was found.

    A class that is predicted and never true has 0, and `BalancedAccuracy` leaves it out; one in neither is left out.

    >>> truth, predicted = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1])
    >>> classes = ("cat", "dog", "fox")
    >>> [metric.score(metric.statistics(truth, predicted)) for metric in (Recall(classes), BalancedAccuracy(classes))]
    [0.5, 0.75]
    """

    name = "recall"

    def of_classes(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
        seen = tally(statistics, counts)
        return ratio(seen.hits, seen.true, np.where(seen.predicted > 0, 0, np.nan))


# -- agreement beyond chance -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MCC(LabelMetric):
    """Matthews' correlation of truth and prediction, for any number of classes (Gorodkin 2004): 1 is right, 0 chance.

    0 where all rows are of one class, or all are predicted so, as in scikit-learn. By class: the recall.

    >>> metric = MCC(("well", "ill"))
    >>> round(metric.score(metric.statistics(np.array([1, 1, 1, 0]), np.array([1, 0, 1, 1]))), 4)
    -0.3333
    >>> metric.score(metric.statistics(np.array([1, 1, 1, 0]), np.array([1, 1, 1, 1])))
    0.0
    """

    name = "MCC"
    one_label = True

    def score(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> Any:
        seen = tally(statistics, counts)
        rows = seen.true.sum(-1)
        shared = seen.hits.sum(-1) * rows - (seen.true * seen.predicted).sum(-1)
        true, predicted = (rows**2 - (side**2).sum(-1) for side in (seen.true, seen.predicted))
        return number(ratio(shared, np.sqrt(true * predicted), 0))


@dataclass(frozen=True)
class QuadraticKappa(LabelMetric):
    """Cohen's kappa with quadratic weights (Cohen 1968) of classes in their order: a miss by two costs that of four.

    1 is agreement, 0 that of chance. Where all rows are of one class and predicted so, nothing disagrees: 1 (where
    scikit-learn says NaN). By class: the recall.

    >>> metric = QuadraticKappa(("none", "mild", "severe"))
    >>> truth = np.array([0, 1, 2, 2])
    >>> near, far = np.array([0, 1, 2, 1]), np.array([0, 1, 2, 0])
    >>> [round(metric.score(metric.statistics(truth, predicted)), 4) for predicted in (near, far)]
    [0.8, 0.3846]
    """

    name = "quadratic kappa"
    one_label = True

    def score(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> Any:
        labels = np.arange(len(self.classes))
        t, p = (statistics & 1) @ labels, (statistics >> 1) @ labels
        sums = pooled(np.stack([t, p, (t - p) ** 2, t**2 + p**2, np.ones_like(t)], 1), counts)
        true, predicted, apart, squares, rows = np.moveaxis(sums, -1, 0)
        return number(1 - ratio(rows * apart, rows * squares - 2 * true * predicted, 0))


# -- cost --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cost(ClassMetric):
    """The mean cost of a decision, lower is better: one mistake may be worse than another.

    costs: costs[truth][decision], with nothing in the diagonal as a rule.

    Four rows: one ill person is sent home, which costs 10; one who is well is examined for nothing, which costs 1.

    >>> metric = Cost(("well", "ill"), costs=((0, 1), (10, 0)))
    >>> rows = metric.statistics(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 0]))
    >>> metric.score(rows)
    2.75

    By class: what a row of the class costs.

    >>> {name: float(cost) for name, cost in metric.by_class(rows).items()}
    {'well': 0.5, 'ill': 5.0}
    """

    costs: tuple[tuple[float, ...], ...]
    name = "mean cost"
    higher_is_better = False

    def __post_init__(self) -> None:
        if {len(self.costs), *map(len, self.costs)} != {len(self.classes)}:
            raise UserError(
                f"the costs are {self.costs}, but {len(self.classes)} rows (truth) of {len(self.classes)} (decision) "
                f"are right for the classes {listed(self.classes)}"
            )

    def statistics(self, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """(n, 2) float64: the cost, and the label; truth, predicted: (n,) labels."""
        return np.stack([np.asarray(self.costs, np.float64)[truth, predicted], truth], 1)

    def score(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> Any:
        return number(mean_of_rows(statistics[:, 0], counts))

    def of_classes(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
        return mean_of_labels(statistics, len(self.classes), counts)
