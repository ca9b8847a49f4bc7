"""Metrics in two halves: statistics, one row per sample, and the score of any subset or resample of rows.

`metric(name, function, higher_is_better=)` makes one of any plain function.
"""

from typing import Any, Protocol

import numpy as np

from harness.metrics.average_precision import MeanAveragePrecision, VOCAveragePrecision
from harness.metrics.labels import (
    MCC,
    Accuracy,
    BalancedAccuracy,
    Cost,
    MacroF,
    MacroF1,
    Precision,
    QuadraticKappa,
    Recall,
    SampleF,
)
from harness.metrics.masks import MeanDice, MeanImageIoU, MeanIoU, confusion_per_image
from harness.metrics.objects import BoxPrecision, ObjectF, ObjectPrecision
from harness.metrics.plain_function import PlainMetric, metric
from harness.metrics.probabilities import ROCAUC, AveragePrecision, Brier, Gini, LogLoss
from harness.metrics.regression_metrics import MAE, MAPE, R2, RMSE, RMSLE, SMAPE, Pinball
from harness.metrics.sums import chunks, pooled
from harness.metrics.top_k import MAPatK, TopK

__all__ = [
    "MAE",
    "MAPE",
    "MCC",
    "R2",
    "RMSE",
    "RMSLE",
    "ROCAUC",
    "SMAPE",
    "Accuracy",
    "AveragePrecision",
    "BalancedAccuracy",
    "BoxPrecision",
    "Brier",
    "Cost",
    "Gini",
    "LogLoss",
    "MAPatK",
    "MacroF",
    "MacroF1",
    "MeanAveragePrecision",
    "MeanDice",
    "MeanImageIoU",
    "MeanIoU",
    "Metric",
    "ObjectF",
    "ObjectPrecision",
    "Pinball",
    "PlainMetric",
    "Precision",
    "QuadraticKappa",
    "Recall",
    "SampleF",
    "TopK",
    "VOCAveragePrecision",
    "chunks",
    "confusion_per_image",
    "metric",
    "pooled",
]


class Metric(Protocol):
    """Public and private scores, folds and bootstrap resamples are all made of the same rows of statistics.

    needs: "labels" or "probabilities", what a submission must carry. version: raised whenever a score would change.
    """

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def higher_is_better(self) -> bool: ...
    @property
    def needs(self) -> str: ...

    def statistics(self, truth: Any, predicted: Any) -> np.ndarray:
        """(n, ...) rows, aligned with `truth`."""

    def score(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> Any:
        """A float; with `counts` (n,) the score with row i counts[i] times; with (r, n) an array (r,)."""

    def by_class(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> dict[str, Any]:
        """The parts of the score a reader wants to see one by one, NaN where a class is absent."""
