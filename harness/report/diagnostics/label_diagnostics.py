"""Diagnostics of labels, one or several a row, and of numbers."""

import numpy as np

from harness.errors import listed
from harness.report.diagnostics.defaults import Diagnostics, LabelIssues

FAR = 0.9  # with several labels a row: a probability this far from the label is an issue

OUTLIER = 5.2  # median absolute deviations: 3.5 standard deviations of a normal distribution (Iglewicz 1993)


class LabelDiagnostics(Diagnostics):
    def label_issues(self, targets: np.ndarray, prediction: np.ndarray) -> LabelIssues:
        """Confident learning (Northcutt et al. 2021); with several labels a row, one class at a time."""
        probs = np.asarray(prediction, np.float64)
        if self.task.multilabel:
            from cleanlab.internal.multilabel_utils import onehot2int
            from cleanlab.multilabel_classification import get_label_quality_scores as quality_of_several

            return LabelIssues(quality_of_several(onehot2int(targets), probs), (np.abs(probs - targets) > FAR).any(1))
        from cleanlab.filter import find_label_issues
        from cleanlab.rank import get_label_quality_scores

        labels, probs = np.asarray(targets, int), probs / probs.sum(1, keepdims=True)
        quality = get_label_quality_scores(labels, probs, method="normalized_margin")
        return LabelIssues(quality, find_label_issues(labels, probs, filter_by="both", n_jobs=1))

    def errors(self, targets: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        """1 - the probability of the truth; with several labels, the mean over them."""
        probs = np.asarray(prediction, np.float64)
        if self.task.multilabel:
            return np.abs(probs - targets).mean(1)
        return 1 - probs[np.arange(len(probs)), targets]

    def with_perfect_class(
        self, targets: np.ndarray, prediction: np.ndarray, decided: np.ndarray, label: int
    ) -> np.ndarray:
        """Where the class was predicted wrongly, the next most probable one replaces it."""
        if self.task.multilabel or self.task.output == "probabilities":
            true = targets[:, label] if self.task.multilabel else targets == label
            truth = self.task.expand(np.asarray(true, np.float32), label)
            replaced = self.task.blend_class(decided, truth, label, 1.0)
            return replaced if self.task.output == "probabilities" else replaced.astype(np.uint8)
        others = np.where(np.arange(len(self.task.classes)) == label, -1, prediction).argmax(1)
        return np.where(targets == label, label, np.where(decided == label, others, decided))

    def confusion(self, targets: np.ndarray, decided: np.ndarray) -> np.ndarray | None:
        """None for several labels a row: a label that is missed is not confused with another one."""
        if self.task.multilabel:
            return None
        size = len(self.task.classes)
        joint = np.asarray(targets, np.int64) * size + self.drawable(targets, decided)[0]
        return np.bincount(joint, minlength=size * size).reshape(size, size)

    def confused_pair(self, targets: np.ndarray, decided: np.ndarray, label: int | None) -> tuple[int, int] | None:
        counts = self.confusion(targets, decided)
        if counts is None:
            return None
        mistaken = np.triu(counts + counts.T, 1)
        if label is not None:
            is_label = np.arange(len(counts)) == label
            mistaken *= np.add.outer(is_label, is_label)
        if not mistaken.any():
            return None
        first, second = divmod(int(mistaken.argmax()), len(counts))
        return (second, first) if second == label else (first, second)

    def confidence(self, targets: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The probability of the most probable class of every row; with several labels a row, of every label."""
        probs = np.asarray(prediction, np.float64)
        if self.task.multilabel:
            return probs.ravel(), np.asarray(targets).ravel() > 0
        return probs.max(1), probs.argmax(1) == targets

    def drawable(self, targets: np.ndarray, decided: np.ndarray) -> tuple[np.ndarray, str]:
        """Labels, also where the task decides probabilities."""
        return (self.task.scores(decided) if self.task.output == "probabilities" else decided), ""

    def describe(self, row: np.ndarray) -> str:
        """The name of a class, or of all classes that the row has."""
        labels = np.flatnonzero(row).tolist() if self.task.multilabel else [int(row)]
        return listed(self.task.classes[label] for label in labels) or "none"


class NumberDiagnostics(Diagnostics):
    """Residuals: predicted minus true."""

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
