"""Metrics of label maps: IoU on the pixels of all images together, Dice and IoU image by image."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from harness.metrics.confusion import confusion_per_image
from harness.metrics.sums import ABSENT, Absent, mean_of_classes, mean_of_rows, number, pooled, ratio


@dataclass(frozen=True)
class MeanIoU:
    """Mean intersection over union (Jaccard index) on the pooled confusion of all pixels.

    classes: names, the index is the label. void: pixels whose *truth* is this label are dropped; predicting it
    elsewhere is a miss. average: the classes in the mean (default: all but void). absent: what a class in neither
    truth nor prediction counts as: "skip" leaves it out of the mean, "zero" and "one" are those scores.

    One row: void soil soil rock (0 1 1 2), predicted as soil soil rock rock (1 1 2 2).

    >>> truth, predicted = np.array([[[0, 1, 1, 2]]], np.uint8), np.array([[[1, 1, 2, 2]]], np.uint8)
    >>> def iou(**convention):
    ...     metric = MeanIoU(("void", "soil", "rock", "sand"), **convention)
    ...     return round(float(metric.score(metric.statistics(truth, predicted))), 4)

    The void pixel is dropped: soil 1/2, rock 1/2, and the absent sand is left out.

    >>> iou(void=0)
    0.5

    A class left out of the mean is another convention: its pixels stay, and what is predicted on them is wrong.
    Soil 1/3, rock 1/2.

    >>> iou(average=(1, 2, 3))
    0.4167

    Absent classes as zero (soil, rock, sand: 1/2, 1/2, 0) or as one:

    >>> iou(void=0, absent="zero"), iou(void=0, absent="one")
    (0.3333, 0.6667)

    Keras' `MeanIoU(num_classes=4, ignore_class=0)` drops the same pixels, and averages the void class too as soon as
    it was predicted on some other pixel. The two are equal when void is never predicted ...

    >>> iou(void=0) == iou(void=0, average=(0, 1, 2, 3))
    True

    ... and Keras divides by one class more otherwise. Here one soil pixel is predicted void: soil 0, rock 1/2.

    >>> predicted = np.array([[[1, 0, 2, 2]]], np.uint8)
    >>> iou(void=0), iou(void=0, average=(0, 1, 2, 3))
    (0.25, 0.1667)
    """

    classes: tuple[str, ...]
    void: int | None = None
    average: tuple[int, ...] | None = None
    absent: Absent = "skip"
    name: ClassVar[str] = "mean IoU"
    version: ClassVar[int] = 1
    higher_is_better: ClassVar[bool] = True
    needs: ClassVar[str] = "labels"

    def statistics(self, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """(n, C, C) int32: the confusion of every image, true labels in rows; truth, predicted (n, h, w) uint8."""
        return confusion_per_image(truth, predicted, len(self.classes))

    def score(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> Any:
        return number(mean_of_classes(self._iou(statistics, counts)))

    def by_class(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> dict[str, Any]:
        iou = self._iou(statistics, counts)
        return {self.classes[c]: iou[..., k] for k, c in enumerate(self._averaged)}

    @property
    def _averaged(self) -> tuple[int, ...]:
        return self.average or tuple(c for c in range(len(self.classes)) if c != self.void)

    def _iou(self, statistics: np.ndarray, counts: np.ndarray | None) -> np.ndarray:
        """(..., averaged classes) IoU, NaN where an absent class is skipped."""
        confusion = pooled(statistics, counts)
        if self.void is not None:
            confusion[..., self.void, :] = 0
        hits = np.diagonal(confusion, axis1=-2, axis2=-1)
        union = confusion.sum(-1) + confusion.sum(-2) - hits
        return ratio(hits, union, ABSENT[self.absent])[..., list(self._averaged)]


@dataclass(frozen=True)
class _PerImage:
    """classes: names, the index is the label; class 0 is the background, which is not scored."""

    classes: tuple[str, ...]
    version: ClassVar[int] = 1
    higher_is_better: ClassVar[bool] = True
    needs: ClassVar[str] = "labels"

    def score(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> Any:
        """The mean over images of the mean over classes."""
        return number(mean_of_rows(statistics.mean(1), counts))

    def by_class(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> dict[str, Any]:
        return dict(zip(self.classes[1:], mean_of_rows(statistics, counts).T, strict=True))

    def _areas(self, truth: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n, C - 1) pixels of every image and class: where both have it, and those of truth plus those of prediction.

        truth, predicted: (n, h, w) uint8.
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

    name: ClassVar[str] = "mean Dice"

    def statistics(self, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """(n, C - 1) float64: the Dice of every image and class but 0; truth, predicted (n, h, w) uint8."""
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

    name: ClassVar[str] = "mean image IoU"

    def statistics(self, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """(n, C - 1) float64: the IoU of every image and class but 0; truth, predicted (n, h, w) uint8."""
        shared, both = self._areas(truth, predicted)
        return ratio(shared, both - shared, empty=1)
