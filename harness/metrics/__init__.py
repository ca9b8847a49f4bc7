"""Metrics in two halves: statistics, one row per sample, and the score of any subset or resample of rows.

`metric(name, function, higher_is_better=)` makes one of any plain function.
"""

from harness.metrics.average_precision import MeanAveragePrecision, VOCAveragePrecision
from harness.metrics.f_scores import MacroF, MacroF1, SampleF
from harness.metrics.labels import MCC, Accuracy, BalancedAccuracy, Cost, Precision, QuadraticKappa, Recall
from harness.metrics.masks import DiceHausdorff, MeanDice, MeanImageIoU, MeanIoU, confusion_per_image
from harness.metrics.objects import BoxPrecision, ObjectF, ObjectPrecision
from harness.metrics.plain_function import PlainMetric, metric
from harness.metrics.probabilities import ROCAUC, AveragePrecision, Brier, Gini, LogLoss
from harness.metrics.regression_metrics import MAE, MAPE, R2, RMSE, RMSLE, SMAPE, Pinball
from harness.metrics.sums import Metric, chunks, pooled
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
    "DiceHausdorff",
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
