"""Metrics of label maps: IoU on the pixels of all images together, Dice and IoU image by image."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.data.sized_masks import Masks, in_batches
from harness.metrics.sums import ClassMetric, chunks, mean_of_rows, pooled, ratio

PIXELS = 2**16  # counted at once: their joint labels stay in the cache


def confusion_per_image(truth: Any, predicted: Any, classes: int) -> np.ndarray:
    """(n, classes, classes) int32 confusion matrices, true labels in rows, of label maps below `classes`.

    truth, predicted: (n, h, w), or `Masks`.
    """
    if isinstance(truth, Masks) or isinstance(predicted, Masks):
        parts = [confusion_per_image(true, said, classes) for true, said in in_batches(1, truth, predicted)]
        return np.concatenate([np.empty((0, classes, classes), np.int32), *parts])
    pixels, size = math.prod(truth.shape[1:]), classes**2
    confusion = np.empty((len(truth), size), np.int32)
    for rows in chunks(len(truth), max(1, PIXELS // max(1, pixels))):
        joint = np.multiply(truth[rows].reshape(-1, pixels), classes, dtype=np.intp)
        joint += predicted[rows].reshape(-1, pixels)
        joint += size * np.arange(len(joint))[:, None]
        confusion[rows] = np.bincount(joint.ravel(), minlength=size * len(joint)).reshape(-1, size)
    return confusion.reshape(-1, classes, classes)


@dataclass(frozen=True)
class MeanIoU(ClassMetric):
    """Mean intersection over union (Jaccard index) on the pooled confusion of all pixels.

    void: pixels whose *truth* is this label are dropped, and the label has no part in the mean; predicting it elsewhere
    is a miss. A class in neither truth nor prediction is left out of the mean.

    One row: void soil soil rock (0 1 1 2), predicted as soil soil rock rock (1 1 2 2). The void pixel is dropped: soil
    1/2, rock 1/2, and the absent sand is left out.

    >>> truth, predicted = np.array([[[0, 1, 1, 2]]], np.uint8), np.array([[[1, 1, 2, 2]]], np.uint8)
    >>> metric = MeanIoU(("void", "soil", "rock", "sand"), void=0)
    >>> metric.score(metric.statistics(truth, predicted))
    0.5

    Keras' `MeanIoU(num_classes=4, ignore_class=0)` drops the same pixels, and averages the void class too as soon as
    it was predicted on some other pixel: then it divides by one class more. Here one soil pixel is predicted void, soil
    is 0 and rock 1/2, of which Keras says 0.1667:

    >>> metric.score(metric.statistics(truth, np.array([[[1, 0, 2, 2]]], np.uint8)))
    0.25
    """

    void: int | None = None
    name = "mean IoU"

    def statistics(self, truth: Any, predicted: Any) -> np.ndarray:
        """(n, C, C) int32: the confusion of every image, true labels in rows.

        truth, predicted: (n, h, w) uint8 or `Masks`.
        """
        return confusion_per_image(truth, predicted, len(self.classes))

    def of_classes(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
        """(..., C) IoU, NaN of void and where a class is in neither truth nor prediction."""
        confusion = pooled(statistics, counts)
        if self.void is not None:
            confusion[..., self.void, :] = 0
        hits = np.diagonal(confusion, axis1=-2, axis2=-1)
        iou = ratio(hits, confusion.sum(-1) + confusion.sum(-2) - hits, np.nan)
        if self.void is not None:
            iou[..., self.void] = np.nan
        return iou

    def by_class(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> dict[str, Any]:
        parts = super().by_class(statistics, counts)
        return {name: part for label, (name, part) in enumerate(parts.items()) if label != self.void}


@dataclass(frozen=True)
class _PerImage(ClassMetric):
    """Means over images; class 0 is the background, which is not scored."""

    def of_classes(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
        return mean_of_rows(statistics, counts)

    def _areas(self, truth: Any, predicted: Any) -> tuple[np.ndarray, np.ndarray]:
        """(n, C - 1) pixels of every image and class: where both have it, and those of truth plus those of prediction.

        truth, predicted: (n, h, w) uint8 or `Masks`.
        """
        confusion = confusion_per_image(truth, predicted, len(self.classes))
        shared = np.diagonal(confusion, axis1=1, axis2=2)
        return shared[:, 1:], (confusion.sum(2) + confusion.sum(1))[:, 1:]


@dataclass(frozen=True)
class MeanDice(_PerImage):
    """Mean over images of the Dice coefficient 2 |T and P| / (|T| + |P|) of every image (Dice 1945; F1 of its pixels).

    An image counts as much as any other, however small its objects. A class that is in neither truth nor prediction
    of an image was found to be absent: its Dice there is 1; predicted where there is none, it is 0.

    Two images: of two gland pixels one is found; and nothing to find, nothing predicted.

    >>> metric = MeanDice(("background", "gland"))
    >>> truth = np.array([[[1, 1, 0]], [[0, 0, 0]]], np.uint8)
    >>> predicted = np.array([[[1, 0, 0]], [[0, 0, 0]]], np.uint8)
    >>> rows = metric.statistics(truth, predicted)
    >>> rows.ravel().round(4).tolist(), round(metric.score(rows), 4)
    ([0.6667, 1.0], 0.8333)

    One gland pixel in the empty image, and it is worth nothing:

    >>> predicted[1, 0, 0] = 1
    >>> round(metric.score(metric.statistics(truth, predicted)), 4)
    0.3333
    """

    name = "mean Dice"

    def statistics(self, truth: Any, predicted: Any) -> np.ndarray:
        """(n, C - 1) float64: the Dice of every image and class but 0; truth, predicted (n, h, w) uint8 or `Masks`."""
        shared, both = self._areas(truth, predicted)
        return ratio(2 * shared, both, empty=1)


@dataclass(frozen=True)
class MeanImageIoU(_PerImage):
    """Mean over images of the intersection over union of every image; conventions as in `MeanDice`.

    Not `MeanIoU`, which pools the pixels of all images first.

    >>> metric = MeanImageIoU(("background", "gland"))
    >>> truth = np.array([[[1, 1, 0]], [[0, 0, 0]]], np.uint8)
    >>> predicted = np.array([[[1, 0, 0]], [[0, 0, 0]]], np.uint8)
    >>> metric.score(metric.statistics(truth, predicted))
    0.75
    """

    name = "mean image IoU"

    def statistics(self, truth: Any, predicted: Any) -> np.ndarray:
        """(n, C - 1) float64: the IoU of every image and class but 0; truth, predicted (n, h, w) uint8 or `Masks`."""
        shared, both = self._areas(truth, predicted)
        return ratio(shared, both - shared, empty=1)
