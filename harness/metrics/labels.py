"""Metrics of labels, one a row or several: from hits, true rows and predicted rows of every class."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from harness.metrics.sums import ABSENT, Absent, mean_of_classes, mean_of_rows, number, pooled, ratio


class Tally(NamedTuple):
    """Counts of rows, each (..., C): where the class is true and predicted, where it is true, where it is predicted."""

    hits: np.ndarray
    true: np.ndarray
    predicted: np.ndarray


def tally(statistics: np.ndarray, counts: np.ndarray | None) -> Tally:
    return Tally(*np.moveaxis(pooled(np.stack([statistics == 3, statistics & 1, statistics >> 1], 1), counts), -2, 0))


@dataclass(frozen=True)
class LabelMetric:
    """The base of metrics of labels. classes: names, the index is the label."""

    classes: tuple[str, ...]
    version: ClassVar[int] = 1
    higher_is_better: ClassVar[bool] = True
    needs: ClassVar[str] = "labels"

    def statistics(self, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """(n, C) uint8: bit 0 where the class is true, bit 1 where it is predicted, so 3 is a hit.

        One byte a class replaces a confusion matrix (C, C) a row, and holds several labels a row as well.
        truth, predicted: (n,) labels, or (n, C) of 0 and 1 where a row may have several.
        """
        return self._given(truth) | self._given(predicted) << 1

    def _given(self, labels: np.ndarray) -> np.ndarray:
        return (labels if labels.ndim == 2 else labels[:, None] == np.arange(len(self.classes))).astype(np.uint8)

    def by_class(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> dict[str, Any]:
        """The recall of every class: which share of its rows was found; NaN where it has none."""
        return dict(zip(self.classes, self._recall(statistics, counts).T, strict=True))

    def _recall(self, statistics: np.ndarray, counts: np.ndarray | None) -> np.ndarray:
        hits, true, _ = tally(statistics, counts)
        return ratio(hits, true, np.nan)


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

    name: ClassVar[str] = "accuracy"

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

    name: ClassVar[str] = "balanced accuracy"

    def score(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> Any:
        return number(mean_of_classes(self._recall(statistics, counts)))


@dataclass(frozen=True)
class _Macro(LabelMetric, ABC):
    """absent: what a class in neither truth nor prediction counts as: "skip" leaves it out of the mean (as scikit-learn
    does where it is given no labels), "zero" and "one" are those scores. A class in one of the two alone is 0.
    """

    absent: Absent = "skip"

    def score(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> Any:
        return number(mean_of_classes(self._defined(statistics, counts)))

    def by_class(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> dict[str, Any]:
        """The parts of the mean, NaN where a class is left out."""
        return dict(zip(self.classes, self._defined(statistics, counts).T, strict=True))

    def _defined(self, statistics: np.ndarray, counts: np.ndarray | None) -> np.ndarray:
        seen = tally(statistics, counts)
        return np.where(seen.true + seen.predicted > 0, self._of_class(seen), ABSENT[self.absent])

    @abstractmethod
    def _of_class(self, seen: Tally) -> np.ndarray:
        """(..., C), 0 where it is 0 / 0."""


@dataclass(frozen=True)
class MacroF1(_Macro):
    """The mean over classes of F1 = 2 hits / (true + predicted); of several labels a row, the mean over labels.

    absent: what a class in neither truth nor prediction counts as: "skip" leaves it out, "zero" and "one" are scores.

    Cat 2/3, dog 4/5, and nobody predicted a fox.

    >>> def f1(**convention):
    ...     metric = MacroF1(("cat", "dog", "fox"), **convention)
    ...     return round(metric.score(metric.statistics(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]))), 4)
    >>> f1(), f1(absent="zero"), f1(absent="one")
    (0.7333, 0.4889, 0.8222)
    """

    name: ClassVar[str] = "macro-F1"

    def _of_class(self, seen: Tally) -> np.ndarray:
        return ratio(2 * seen.hits, seen.true + seen.predicted, 0)


@dataclass(frozen=True)
class Precision(_Macro):
    """The mean over classes of the precision: which share of the rows predicted as the class are of it.

    A class that is true somewhere and never predicted has 0; absent: as in `MacroF1`.

    >>> metric = Precision(("cat", "dog", "fox"))
    >>> round(metric.score(metric.statistics(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]))), 4)
    0.8333
    """

    name: ClassVar[str] = "precision"

    def _of_class(self, seen: Tally) -> np.ndarray:
        return ratio(seen.hits, seen.predicted, 0)


@dataclass(frozen=True)
class Recall(_Macro):
    """The mean over classes of the recall: which share of the rows of the class was found.

    A class that is predicted and never true has 0, and `BalancedAccuracy` leaves it out; absent: as in `MacroF1`.

    >>> truth, predicted = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1])
    >>> classes = ("cat", "dog", "fox")
    >>> [metric.score(metric.statistics(truth, predicted)) for metric in (Recall(classes), BalancedAccuracy(classes))]
    [0.5, 0.75]
    """

    name: ClassVar[str] = "recall"

    def _of_class(self, seen: Tally) -> np.ndarray:
        return ratio(seen.hits, seen.true, 0)
