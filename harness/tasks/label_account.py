"""What labels tell beside a score: the confusion of classes, and what a probability was worth."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.tasks.accounts import Claims, Colour, Curve, Doubts

if TYPE_CHECKING:
    from harness.tasks.classification import Classification

SURE = 0.9  # of several labels a row: a probability this far from what is given is a doubt


@dataclass(frozen=True)
class LabelAccount:
    task: "Classification"

    def facets(self, targets: np.ndarray) -> np.ndarray:
        return np.asarray(targets if self.task.multilabel else np.eye(len(self.task.classes))[targets], np.float64)

    def doubts(self, targets: np.ndarray, prediction: np.ndarray) -> Doubts:
        """Confident learning (Northcutt et al. 2021); of several labels a row, one class at a time."""
        if self.task.multilabel:
            return self._of_any(np.asarray(targets), np.asarray(prediction, np.float64))
        from cleanlab.filter import find_label_issues
        from cleanlab.rank import get_label_quality_scores

        labels, probs = np.asarray(targets, int), np.asarray(prediction, np.float64)
        probs = probs / probs.sum(1, keepdims=True)
        quality = get_label_quality_scores(labels, probs, method="normalized_margin")
        return Doubts(quality, find_label_issues(labels, probs, filter_by="both", n_jobs=1))

    def _of_any(self, targets: np.ndarray, probs: np.ndarray) -> Doubts:
        from cleanlab.internal.multilabel_utils import onehot2int
        from cleanlab.multilabel_classification import get_label_quality_scores

        quality = get_label_quality_scores(onehot2int(targets), probs)
        return Doubts(quality, (np.abs(probs - targets) > SURE).any(1))

    def confusion(self, targets: np.ndarray, decided: np.ndarray) -> np.ndarray | None:
        """Of several labels a row there is none: a label that is missed is not another one's."""
        if self.task.multilabel:
            return None
        size = len(self.task.classes)
        joint = np.asarray(targets, np.int64) * size + self._labels(decided)
        return np.bincount(joint, minlength=size * size).reshape(size, size)

    def pair(self, targets: np.ndarray, decided: np.ndarray, of: int | None) -> tuple[int, int] | None:
        counts = self.confusion(targets, decided)
        if counts is None:
            return None
        mistaken = np.triu(counts + counts.T, 1)
        if of is not None:
            mistaken *= np.add.outer(np.arange(len(counts)) == of, np.arange(len(counts)) == of)
        if not mistaken.any():
            return None
        first, second = divmod(int(mistaken.argmax()), len(counts))
        return (second, first) if second == of else (first, second)

    def _labels(self, decided: np.ndarray) -> np.ndarray:
        return self.task.scores(decided) if self.task.output == "probabilities" else decided

    def curves(self, targets: np.ndarray, decided: np.ndarray) -> Mapping[str, Curve]:
        return {}

    def amounts(self, targets: np.ndarray, decided: np.ndarray) -> None:
        return None

    def claims(self, targets: np.ndarray, prediction: np.ndarray) -> Claims:
        """Of the most probable class of every row; with several labels a row, of every label."""
        probs = np.asarray(prediction, np.float64)
        if self.task.multilabel:
            return Claims(probs.ravel(), np.asarray(targets).ravel() > 0)
        return Claims(probs.max(1), probs.argmax(1) == targets)

    def misses(self, targets: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        """1 - the probability of the truth; with several labels, the mean over them."""
        probs = np.asarray(prediction, np.float64)
        if self.task.multilabel:
            return np.abs(probs - targets).mean(1)
        return 1 - probs[np.arange(len(probs)), targets]

    def perfected(self, targets: np.ndarray, prediction: np.ndarray, decided: np.ndarray, of: int) -> np.ndarray:
        """Where the class was said wrongly, the next most probable one stands."""
        if self.task.multilabel or self.task.output == "probabilities":
            true = targets[:, of] if self.task.multilabel else targets == of
            truth = self.task.expand(np.asarray(true, np.float32), of)
            replaced = self.task.blend_class(decided, truth, of, 1.0)
            return replaced if self.task.output == "probabilities" else replaced.astype(np.uint8)
        others = np.where(np.arange(len(self.task.classes)) == of, -1, prediction).argmax(1)
        return np.where(targets == of, of, np.where(decided == of, others, decided))

    def colours(self) -> Mapping[str, Colour]:
        return {}

    def shown(self, targets: np.ndarray, decided: np.ndarray) -> tuple[np.ndarray, str]:
        return self._labels(decided), ""

    def words(self, row: np.ndarray) -> str:
        """A class, or all that are given."""
        given = np.flatnonzero(row).tolist() if self.task.multilabel else [int(row)]
        return ", ".join(self.task.classes[label] for label in given) or "none"

    def picture(self, image: np.ndarray, row: np.ndarray) -> np.ndarray:
        return image

    def difference(self, image: np.ndarray, target: np.ndarray, said: np.ndarray) -> None:
        return None
