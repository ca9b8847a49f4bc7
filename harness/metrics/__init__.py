"""Metrics in two halves: statistics, one row per sample, and the score of any subset or resample of rows.

`metric(name, function, higher_is_better=)` makes one of any plain function.
"""

from harness.metrics.average_precision import MeanAveragePrecision
from harness.metrics.labels import MCC, Accuracy, BalancedAccuracy, Cost, MacroF1, Precision, QuadraticKappa, Recall
from harness.metrics.masks import MeanDice, MeanImageIoU, MeanIoU, confusion_per_image
from harness.metrics.plain_function import PlainMetric, metric
from harness.metrics.probabilities import ROCAUC, LogLoss
from harness.metrics.regression_metrics import MAE, R2, RMSE
from harness.metrics.sums import Metric, chunks, pooled

__all__ = [
    "MAE",
    "MCC",
    "R2",
    "RMSE",
    "ROCAUC",
    "Accuracy",
    "BalancedAccuracy",
    "Cost",
    "LogLoss",
    "MacroF1",
    "MeanAveragePrecision",
    "MeanDice",
    "MeanImageIoU",
    "MeanIoU",
    "Metric",
    "PlainMetric",
    "Precision",
    "QuadraticKappa",
    "Recall",
    "chunks",
    "confusion_per_image",
    "metric",
    "pooled",
]
