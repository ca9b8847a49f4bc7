"""Metrics of masks: IoU on the pixels of all images together, Dice and IoU image by image.

With multilabel=True classes overlap: masks hold sets of classes (`harness.data.bit_sets`), and every class is scored.
Else class 0 is the background, which the metrics that go image by image leave out.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.data.bit_sets import pixels_of
from harness.data.sized_masks import Masks, in_batches
from harness.metrics.sums import ClassMetric, chunks, mean_of_rows, number, pooled, ratio

AT_ONCE = 256  # images
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


def areas_per_image(truth: Any, predicted: Any, classes: int, multilabel: bool) -> tuple[np.ndarray, np.ndarray]:
    """(n, classes) pixels of every image and class: where both have it, and those of truth plus those of prediction.

    truth, predicted: (n, h, w) label maps or masks of sets, or `Masks` of them.
    """
    if not multilabel:
        confusion = confusion_per_image(truth, predicted, classes)
        return np.diagonal(confusion, axis1=1, axis2=2), confusion.sum(2) + confusion.sum(1)
    parts = [np.empty((2, 0, classes), np.int64)]
    for true, said in in_batches(AT_ONCE, truth, predicted):
        sides = [(pixels_of(true, label, True), pixels_of(said, label, True)) for label in range(classes)]
        shared = [np.count_nonzero(there & given, (1, 2)) for there, given in sides]
        both = [np.count_nonzero(there, (1, 2)) + np.count_nonzero(given, (1, 2)) for there, given in sides]
        parts.append(np.moveaxis(np.array([shared, both]), 1, 2))
    shared, both = np.concatenate(parts, axis=1)
    return shared, both


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

    Classes that overlap, one pixel with both of them and one with the first:

    >>> metric = MeanIoU(("bowel", "stomach"), multilabel=True)
    >>> metric.score(metric.statistics(np.array([[[3, 1]]], np.uint8), np.array([[[1, 1]]], np.uint8)))
    0.5
    """

    void: int | None = None
    multilabel: bool = False
    name = "mean IoU"

    def statistics(self, truth: Any, predicted: Any) -> np.ndarray:
        """(n, C, C) int32: the confusion of every image, true labels in rows.

        truth, predicted: (n, h, w) or `Masks`. Where classes overlap (n, 2, C) int64: the two of `areas_per_image`.
        """
        if self.multilabel:
            return np.stack(areas_per_image(truth, predicted, len(self.classes), multilabel=True), 1)
        return confusion_per_image(truth, predicted, len(self.classes))

    def of_classes(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
        """(..., C) IoU, NaN of void and where a class is in neither truth nor prediction."""
        if self.multilabel:
            shared, both = np.moveaxis(pooled(statistics, counts), -2, 0)
            return ratio(shared, both - shared, np.nan)
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
    """Means over images; class 0 is the background, which is not scored, unless classes overlap."""

    multilabel: bool = False

    def of_classes(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
        return mean_of_rows(statistics, counts)

    def _areas(self, truth: Any, predicted: Any) -> list[np.ndarray]:
        """The two of `areas_per_image`, of the classes that are scored."""
        areas = areas_per_image(truth, predicted, len(self.classes), self.multilabel)
        return [area[:, 0 if self.multilabel else 1 :] for area in areas]


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
        """(n, C - 1) float64: the Dice of every image and class but 0, or (n, C).

        truth, predicted: (n, h, w) or `Masks`.
        """
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
        """(n, C - 1) float64: the IoU of every image and class but 0, or (n, C).

        truth, predicted: (n, h, w) or `Masks`.
        """
        shared, both = self._areas(truth, predicted)
        return ratio(shared, both - shared, empty=1)


@dataclass(frozen=True)
class DiceHausdorff(_PerImage):
    """The mean over images and classes of `share` Dice + (1 - share) (1 - Hausdorff distance): UW-Madison GI Tract.

    The distance is the largest from a pixel of one side to the nearest of the other, both ways. Places are divided by
    the height and the width of the image, and the distance by the diagonal of the unit square, so it is 0 to 1. Where
    one side has pixels and the other none, Dice is 0 and the distance 1. An image and class with neither is left out,
    as the host did (its page says a Dice of 0). The host took distances in the volume of all slices of a scan; here an
    image is alone. Source: kaggle.com/competitions/uw-madison-gi-tract-image-segmentation, Evaluation; as code,
    grade.py of that competition in MLE-bench (Chan et al., arXiv 2410.07095).

    Two bowel pixels of which one is found: Dice 2/3, and the other is a quarter of the width away. The stomach is
    nowhere, and the second image has one in vain.

    >>> metric = DiceHausdorff(("bowel", "stomach"), multilabel=True)
    >>> truth = np.array([[[1, 1, 0, 0]], [[0, 0, 0, 0]]], np.uint8)
    >>> predicted = np.array([[[0, 1, 0, 0]], [[0, 2, 0, 0]]], np.uint8)
    >>> rows = metric.statistics(truth, predicted)
    >>> round(float(rows[0, 0, 0]), 4), round(0.4 * 2 / 3 + 0.6 * (1 - 0.25 / 2**0.5), 4)
    (0.7606, 0.7606)
    >>> round(metric.score(rows), 4)
    0.3803
    """

    share: float = 0.4
    name = "Dice and Hausdorff"

    def statistics(self, truth: Any, predicted: Any) -> np.ndarray:
        """(n, C - 1, 2) float64: of every image and class but 0, or (n, C, 2), the value and whether it counts."""
        shared, both = self._areas(truth, predicted)
        near, first = np.zeros(shared.shape), 0 if self.multilabel else 1
        for row, (true, said) in enumerate(zip(truth, predicted, strict=True)):
            for column in np.flatnonzero(both[row]):
                sides = (pixels_of(masks, int(column) + first, self.multilabel) for masks in (true, said))
                near[row, column] = 1 - hausdorff(*sides)
        return np.stack([self.share * ratio(2 * shared, both, 0) + (1 - self.share) * near, both > 0], -1)

    def of_classes(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
        value, rows = np.moveaxis(pooled(statistics, counts), -1, 0)
        return ratio(value, rows, np.nan)

    def score(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> Any:
        """Of all images and classes together, so that a rare class counts as often as it is there."""
        value, rows = np.moveaxis(pooled(statistics, counts).sum(-2), -1, 0)
        return number(ratio(value, rows, np.nan))


def hausdorff(truth: np.ndarray, predicted: np.ndarray) -> float:
    """The Hausdorff distance of the pixels of two masks (h, w) bool, not both empty, from 0 to 1; 1 where one is empty.

    In places divided by height and width, and by the diagonal; by distance transforms, which are linear in pixels, of
    the part of the image that holds both.
    """
    from scipy.ndimage import distance_transform_edt

    if not truth.any() or not predicted.any():
        return 1.0
    unit, either = 1 / np.array(truth.shape), truth | predicted
    ys, xs = np.flatnonzero(either.any(1)), np.flatnonzero(either.any(0))
    part = slice(ys[0], ys[-1] + 1), slice(xs[0], xs[-1] + 1)
    ways = ((truth[part], predicted[part]), (predicted[part], truth[part]))
    return max(float(distance_transform_edt(~to, sampling=unit)[of].max()) for of, to in ways) / 2**0.5
