"""Diagnostics of masks: the confusion of all pixels, label issues, and images under their labels."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.data.sized_masks import image_by_image, in_batches
from harness.metrics.masks import confusion_per_image
from harness.report.diagnostics.defaults import COLOURS, MISSED, Colour, Diagnostics, LabelIssues, outline_of
from harness.tasks import ClassSpecialist

AT_ONCE = 256  # images
UNLIKELY, MUCH = 0.1, 0.25  # a probability of the truth; the share of the labelled pixels with less than it
PALE = 235.0


class MaskDiagnostics(Diagnostics):
    def label_issues(self, targets: Any, prediction: Any) -> LabelIssues:
        """Score by the soft minimum over labelled pixels of the truth's probability (Lad and Mueller 2023).

        An issue needs a large share of unlikely pixels: at the edges of regions, some pixels always are.
        """
        parts = [self._label_issues(*sides) for sides in in_batches(AT_ONCE, targets, prediction)]
        return LabelIssues(*map(np.concatenate, zip(*parts, strict=True)))

    def _label_issues(self, targets: np.ndarray, prediction: np.ndarray) -> LabelIssues:
        from cleanlab.segmentation.rank import get_label_quality_scores

        probs = np.array(prediction, np.float32)
        if self.task.void is not None:
            probs[:, self.task.void] = 1  # a pixel without a label is never an issue
        quality, given = get_label_quality_scores(np.asarray(targets, int), probs, verbose=False)
        unlikely = (given <= UNLIKELY).sum((1, 2)) / np.maximum(self._labelled(targets).sum((1, 2)), 1)
        return LabelIssues(quality, unlikely >= MUCH)

    def errors(self, targets: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        """1 - the mean probability of the truth under the labelled pixels; 0 where there are none."""
        given = np.take_along_axis(prediction, np.asarray(targets, np.int64)[:, None], 1)[:, 0].astype(np.float64)
        labelled = self._labelled(targets)
        return (labelled * (1 - given)).sum((1, 2)) / np.maximum(labelled.sum((1, 2)), 1)

    def _labelled(self, targets: np.ndarray) -> np.ndarray:
        return np.ones(targets.shape, bool) if self.task.void is None else np.asarray(targets) != self.task.void

    def with_perfect_class(self, targets: Any, prediction: Any, decided: Any, label: int) -> Any:
        """Where the class was predicted wrongly, the next most probable one replaces it."""

        def perfect(targets: np.ndarray, prediction: np.ndarray, decided: np.ndarray) -> np.ndarray:
            others = self.task.decide(prediction, class_specialist=ClassSpecialist("truth", label, 1.0, np.inf))
            return np.where(targets == label, np.uint8(label), np.where(decided == label, others, decided))

        return image_by_image(perfect, targets, prediction, decided)

    def confusion(self, targets: Any, decided: Any) -> np.ndarray:
        """Counts of all pixels; the row of unlabelled pixels is 0."""
        size = len(self.task.classes)
        counts = np.zeros((size, size), np.int64)
        for true, said in in_batches(AT_ONCE, targets, decided):
            counts += confusion_per_image(true, said, size).sum(0, dtype=np.int64)
        if self.task.void is not None:
            counts[self.task.void] = 0
        return counts

    def confidence(self, targets: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The probability of the most probable label under every labelled pixel."""
        choices = np.array([label for label in range(len(self.task.classes)) if label != self.task.void])
        probs, labelled = np.asarray(prediction, np.float32)[:, choices], self._labelled(targets)
        return probs.max(1)[labelled], (choices[probs.argmax(1)] == targets)[labelled]

    def colours(self) -> Mapping[str, Colour]:
        """The label 0 is not coloured."""
        return {name: COLOURS[k % len(COLOURS)] for k, name in enumerate(self.task.classes[1:])}

    def draw(self, image: np.ndarray, row: np.ndarray) -> np.ndarray:
        """The image under the colours of its labels, each region outlined; the label 0 stays bare. row: (h, w)."""
        palette = np.array([COLOURS[(label - 1) % len(COLOURS)] for label in range(len(self.task.classes))])
        share = np.where(outline_of(row), 1.0, np.where(row > 0, 0.4, 0.0))[..., None]
        return np.rint((1 - share) * image + share * palette[np.maximum(row, 1)]).astype(np.uint8)

    def draw_difference(self, image: np.ndarray, target: np.ndarray, decided: np.ndarray) -> tuple[np.ndarray, str]:
        """Wrong pixels are coloured, right ones grey, unlabelled ones pale."""
        grey = np.repeat(image.mean(2, keepdims=True), 3, axis=2)
        labelled = self._labelled(target[None])[0]
        pale = np.where(labelled[..., None], grey, 0.25 * grey + 0.75 * PALE)
        wrong = (labelled & (target != decided))[..., None]
        drawing = np.where(wrong, 0.2 * grey + 0.8 * np.array(MISSED), pale)
        key = "vermilion: wrong" if labelled.all() else "vermilion: wrong; pale: unlabelled"
        return np.rint(drawing).astype(np.uint8), key
