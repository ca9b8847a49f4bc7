"""Metrics of the k classes that a row's scores put first: top-k accuracy and MAP@k."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.errors import UserError
from harness.metrics.sums import ClassMetric, finite, mean_of_rows, number, pooled, ratio


@dataclass(frozen=True)
class TopRanked(ClassMetric):
    """The base: a value of every row, and their mean; by class, of the rows that have it.

    k: how many classes count. Of equal scores the earlier class goes first.
    """

    k: int = 5
    needs = "probabilities"

    def __post_init__(self) -> None:
        if self.k < 1:
            raise UserError(f"{type(self).__name__}(k={self.k}): at least one class of a row must count")

    def statistics(self, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """(n, 1 + C) float64: the value, then 1 where the class is true.

        truth: (n,) labels, or (n, C) of 0 and 1; predicted: (n, C); raise `UserError` where it is not finite.
        """
        true = truth if truth.ndim == 2 else truth[:, None] == np.arange(len(self.classes))
        first = np.argsort(-finite(predicted), axis=1, kind="stable")[:, : self.k]
        values = self.of_rows(np.take_along_axis(true, first, 1) > 0, true.sum(1))
        return np.column_stack([values, true]).astype(np.float64)

    @abstractmethod
    def of_rows(self, hits: np.ndarray, true: np.ndarray) -> np.ndarray:
        """(n,) values; hits: (n, k) bool, whether the class in this place is true; true: (n,) true classes."""

    def score(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> Any:
        return number(mean_of_rows(statistics[:, 0], counts))

    def of_classes(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
        true = statistics[:, 1:]
        return ratio(pooled(true * statistics[:, :1], counts), pooled(true, counts), np.nan)


@dataclass(frozen=True)
class TopK(TopRanked):
    """The share of rows with the true class among the first k; with several true classes, any of them.

    The first row has its class in the second place, the second row in the third.

    >>> metric = TopK(("cat", "dog", "fox"), k=2)
    >>> metric.score(metric.statistics(np.array([0, 1]), np.array([[0.4, 0.5, 0.1], [0.5, 0.2, 0.3]])))
    0.5
    """

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"top-{self.k} accuracy"

    def of_rows(self, hits: np.ndarray, true: np.ndarray) -> np.ndarray:
        return np.any(hits, axis=1)


@dataclass(frozen=True)
class MAPatK(TopRanked):
    """Mean average precision at k (MAP@k): the earlier the true classes of a row come, the better.

    Of a row: the sum of the precision in every place that holds a true class, divided by how many true classes k places
    can hold. With one true class it is 1 / its place. A row without any counts 0.

    Second place is 1/2, first place 1.

    >>> metric = MAPatK(("cat", "dog", "fox"), k=2)
    >>> metric.score(metric.statistics(np.array([0, 0]), np.array([[0.4, 0.5, 0.1], [0.7, 0.2, 0.1]])))
    0.75

    Dog and fox are true, in places 1 and 3: (1/1 + 2/3) / 2, and of k = 2 places only the first is right, 1/2.

    >>> truth, scores = np.array([[0, 1, 1]]), np.array([[0.4, 0.5, 0.1]])
    >>> metrics = [MAPatK(("cat", "dog", "fox"), k) for k in (3, 2)]
    >>> [round(metric.score(metric.statistics(truth, scores)), 4) for metric in metrics]
    [0.8333, 0.5]
    """

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"MAP@{self.k}"

    def of_rows(self, hits: np.ndarray, true: np.ndarray) -> np.ndarray:
        precision = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
        return ratio((precision * hits).sum(1), np.minimum(true, self.k), 0)
