"""Diagnostics of masks whose classes overlap: label issues, and images under the outlines of every class."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.data.bit_sets import pixels_of, unpacked
from harness.data.sized_masks import image_by_image, in_batches
from harness.report.diagnostics.defaults import (
    COLOURS,
    FALSE,
    MISSED,
    Colour,
    Diagnostics,
    LabelIssues,
    outline_of,
)

AT_ONCE = 64  # images
UNLIKELY, MUCH = 0.1, 0.25  # a probability of the truth; the share of a class's pixels with less than it


class OverlapDiagnostics(Diagnostics):
    """Every class is looked at alone: a pixel that is missed is not confused with another class."""

    def label_issues(self, targets: Any, prediction: Any) -> LabelIssues:
        """The worst class of an image: the mean probability of the truth under the pixels that either side gives it.

        An issue needs a large share of unlikely pixels there: at the edges of regions, some pixels always are. Images
        without a pixel of any class, in truth and prediction, have a quality of 1.
        """
        parts = [self._label_issues(*sides) for sides in in_batches(AT_ONCE, targets, prediction)]
        return LabelIssues(*map(np.concatenate, zip(*parts, strict=True)))

    def _label_issues(self, targets: np.ndarray, prediction: np.ndarray) -> LabelIssues:
        true, given = self._given(targets, prediction)
        there = true | (given < 0.5)  # by the truth, or by the prediction: then a pixel outside is unlikely
        count = np.maximum(there.sum((2, 3)), 1)
        mean = np.where(there.any((2, 3)), (there * given).sum((2, 3)) / count, 1)
        unlikely = ((there & (given <= UNLIKELY)).sum((2, 3)) / count).max(1)
        return LabelIssues(mean.min(1), unlikely >= MUCH)

    def _given(self, targets: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n, classes, h, w): whether a pixel has a class, and the probability of that truth."""
        true = unpacked(np.asarray(targets), len(self.task.classes))
        probs = np.asarray(prediction, np.float32)
        return true, np.where(true, probs, 1 - probs)

    def errors(self, targets: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        """1 - the mean probability of the truth over pixels and classes."""
        return 1 - self._given(targets, prediction)[1].mean((1, 2, 3), dtype=np.float64)

    def with_perfect_class(self, targets: Any, prediction: Any, decided: Any, label: int) -> Any:
        """The class's pixels as they are in truth; the others stay."""
        bit = decided.dtype.type(1 << label)
        return image_by_image(lambda true, said: (said & ~bit) | (true & bit), targets, decided)

    def confidence(self, targets: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How sure a pixel was to have each class or not."""
        _, given = self._given(targets, prediction)
        return np.maximum(given, 1 - given).ravel(), (given > 0.5).ravel()

    def colours(self) -> Mapping[str, Colour]:
        return {name: COLOURS[k % len(COLOURS)] for k, name in enumerate(self.task.classes)}

    def draw(self, image: np.ndarray, row: np.ndarray) -> np.ndarray:
        """The image under the colours of its classes, each region outlined, the last class on top. row: (h, w) sets."""
        drawing = image.astype(np.float64)
        for label, colour in enumerate(self.colours().values()):
            mask = pixels_of(row, label, multilabel=True)
            share = np.where(outline_of(mask), 1.0, np.where(mask, 0.3, 0.0))[..., None]
            drawing = (1 - share) * drawing + share * np.array(colour)
        return np.rint(drawing).astype(np.uint8)

    def draw_difference(self, image: np.ndarray, target: np.ndarray, decided: np.ndarray) -> tuple[np.ndarray, str]:
        """Pixels that lack a class of the truth, and pixels that have one too many; right ones are grey."""
        drawing = np.repeat(image.mean(2, keepdims=True), 3, axis=2)
        for wrong, colour in ((decided & ~target, FALSE), (target & ~decided, MISSED)):
            share = np.where(wrong != 0, 0.8, 0.0)[..., None]
            drawing = (1 - share) * drawing + share * np.array(colour)
        return np.rint(drawing).astype(np.uint8), "vermilion: a class is missed; blue: a class too many"
