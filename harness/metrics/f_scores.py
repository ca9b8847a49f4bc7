"""F-scores of labels, one a row or several: the mean over classes, or over rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.errors import UserError
from harness.metrics.labels import LabelMetric, Tally, tally
from harness.metrics.sums import mean_of_rows, number


@dataclass(frozen=True)
class MacroF1(LabelMetric):
    """The mean over classes of F1 = 2 hits / (true + predicted); of several labels a row, the mean over labels.

    A class in neither truth nor prediction is left out, as scikit-learn does where it is given no labels; a class in
    one of the two alone is 0.

    Cat 2/3, dog 4/5, and nobody predicted a fox.

    >>> metric = MacroF1(("cat", "dog", "fox"))
    >>> round(metric.score(metric.statistics(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]))), 4)
    0.7333
    """

    name = "macro-F1"

    def of_classes(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
        return f_beta(tally(statistics, counts), 1, np.nan)


@dataclass(frozen=True)
class MacroF(LabelMetric):
    """`MacroF1` with another `beta`, by which recall counts more than precision where beta is above 1.

    F2 = 5 hits / (4 true + predicted): cat 5/9, dog 10/11, and nobody predicted a fox.

    >>> metric = MacroF(("cat", "dog", "fox"), beta=2)
    >>> round(metric.score(metric.statistics(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]))), 4)
    0.7323
    """

    beta: float

    def __post_init__(self) -> None:
        require_beta(self.beta)

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"macro-F{self.beta:g}"

    def of_classes(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
        return f_beta(tally(statistics, counts), self.beta, np.nan)


@dataclass(frozen=True)
class SampleF(LabelMetric):
    """The mean over rows of the F-beta of every row's labels ("mean F1"); by class: the F-beta of the class.

    A row without labels, for which none is predicted, counts 1.

    Of the first row one of two labels is found and nothing else, F1 = 2/3; the second is right.

    >>> metric = SampleF(("cat", "dog", "fox"))
    >>> truth, predicted = np.array([[1, 0, 1], [0, 1, 0]]), np.array([[1, 0, 0], [0, 1, 0]])
    >>> round(metric.score(metric.statistics(truth, predicted)), 4)
    0.8333

    F2 of the first row is 5 / (4 * 2 + 1):

    >>> metric = SampleF(("cat", "dog", "fox"), beta=2)
    >>> round(metric.score(metric.statistics(truth[:1], predicted[:1])), 4)
    0.5556
    """

    beta: float = 1

    def __post_init__(self) -> None:
        require_beta(self.beta)

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"mean F{self.beta:g}"

    def score(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> Any:
        of_rows = Tally((statistics == 3).sum(1), (statistics & 1).sum(1), (statistics >> 1).sum(1))
        return number(mean_of_rows(f_beta(of_rows, self.beta, 1), counts))

    def of_classes(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
        return f_beta(tally(statistics, counts), self.beta, np.nan)


def f_beta(seen: Tally, beta: float, empty: float) -> np.ndarray:
    """(1 + beta^2) hits / (beta^2 true + predicted), and `empty` where there is neither (van Rijsbergen 1979)."""
    whole = beta**2 * seen.true + seen.predicted
    return np.divide((1 + beta**2) * seen.hits, whole, out=np.full(whole.shape, float(empty)), where=whole > 0)


def require_beta(beta: float) -> None:
    if not beta > 0:
        raise UserError(f"beta={beta} weighs recall against precision and must be above 0, such as 1, 2 or 0.5")
