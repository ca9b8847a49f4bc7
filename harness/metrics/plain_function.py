"""Any function of truth and prediction as a metric."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.errors import UserError
from harness.metrics.sums import Metric, finite


@dataclass(frozen=True)
class PlainMetric(Metric):
    """A metric whose statistics are the rows themselves; see `metric`."""

    name: str
    function: Callable[[np.ndarray, np.ndarray], float]
    higher_is_better: bool
    needs: str = "labels"
    version: int = 1

    def statistics(self, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """(n,) structured rows with the fields `truth` and `predicted`.

        Raise `UserError` where they are not arrays, or predicted is not finite.
        """
        if not (isinstance(truth, np.ndarray) and isinstance(predicted, np.ndarray)):
            raise UserError(
                f"{self.name} is a plain function, which needs arrays; boxes and masks of several sizes need a metric "
                "of two halves"
            )
        finite(predicted)
        columns = {"truth": truth, "predicted": predicted}
        rows = np.empty(len(truth), [(name, column.dtype, column.shape[1:]) for name, column in columns.items()])
        for name, column in columns.items():
            rows[name] = column
        return rows

    def score(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> Any:
        """A float; with `counts` (n,) the score with row i counts[i] times; with (r, n) an array (r,).

        A resample that the function refuses with a ValueError, as one without a class may be, scores NaN.
        """
        if counts is None:
            return float(self.function(statistics["truth"], statistics["predicted"]))
        scores = np.array([self._resampled(statistics, times) for times in np.atleast_2d(counts)])
        return scores if counts.ndim == 2 else float(scores[0])

    def _resampled(self, statistics: np.ndarray, times: np.ndarray) -> float:
        rows = np.repeat(statistics, times)
        try:
            return float(self.function(rows["truth"], rows["predicted"]))
        except ValueError:
            return np.nan


def metric(
    name: str,
    function: Callable[[np.ndarray, np.ndarray], float],
    *,
    higher_is_better: bool,
    needs: str = "labels",
    version: int = 1,
) -> PlainMetric:
    """A metric from any function (y_true, y_pred) -> float, as scikit-learn's are.

    needs: "labels" or "probabilities", what a submission carries. version: raise it whenever the function changes, or
    old scores stay on the board. A bootstrap calls the function 2,000 times; a metric of two halves is faster.

    >>> def smape(y_true, y_pred):
    ...     return np.mean(2 * np.abs(y_pred - y_true) / (np.abs(y_true) + np.abs(y_pred)))
    >>> declared = metric("smape", smape, higher_is_better=False)
    >>> rows = declared.statistics(np.array([1.0, 2.0]), np.array([1.0, 6.0]))
    >>> declared.score(rows), declared.score(rows, np.array([[3, 1], [2, 0]])).tolist()
    (0.5, [0.25, 0.0])
    """
    if needs not in ("labels", "probabilities"):
        raise UserError(f'the metric {name} needs {needs!r}; "labels" and "probabilities" are known')
    return PlainMetric(name, function, higher_is_better, needs, version)
