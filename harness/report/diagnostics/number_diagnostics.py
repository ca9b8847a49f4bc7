"""Diagnostics of numbers: residuals."""

import numpy as np

from harness.report.diagnostics.defaults import Diagnostics, LabelIssues

OUTLIER = 5.2  # median absolute deviations: 3.5 standard deviations of a normal distribution (Iglewicz 1993)


class NumberDiagnostics(Diagnostics):
    def label_issues(self, targets: np.ndarray, prediction: np.ndarray) -> LabelIssues:
        """An issue where the residual is an outlier among all residuals."""
        from cleanlab.regression.rank import get_label_quality_scores

        residual = self.errors(targets, prediction)
        distance = np.abs(residual - np.median(residual))
        quality = get_label_quality_scores(np.asarray(targets, float), np.asarray(prediction, float), method="residual")
        return LabelIssues(quality, distance > OUTLIER * np.median(distance))

    def errors(self, targets: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        return np.asarray(prediction, np.float64) - targets

    def numbers(self, targets: np.ndarray, decided: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.asarray(targets, np.float64), np.asarray(decided, np.float64)

    def describe(self, row: float) -> str:
        return f"{row:.4g}"
