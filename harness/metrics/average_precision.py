"""Mean average precision of boxes, by COCO's and VOC's rules, with a table per image that any resample is scored by."""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from harness.data.samples import Ragged
from harness.errors import UserError
from harness.metrics.boxes import MOST, overlap
from harness.metrics.sums import ClassMetric, chunks, columns, finite

THRESHOLDS = np.linspace(0.5, 0.95, 10)  # of the overlap, as COCO writes them: .95 is .95 and no more
RECALLS = np.linspace(0, 1, 101)
AT_ONCE = 256  # images matched together: 100 predicted times 100 true boxes in each are 20 MB a column


@dataclass(frozen=True)
class MeanAveragePrecision(ClassMetric):
    """Mean average precision (mAP) by COCO's definition (Lin et al. 2014; pycocotools' COCOeval, area "all").

    iou: the overlap from which a box is found, one of .5, .55, ... .95; None is
    the mean of all ten. In every image the best box of a class takes the true box of that class it overlaps most, of
    those not taken. Over all images, from the best score down, precision is made to fall only, and read at the 101
    recalls 0, .01, ... 1. Of equal scores the earlier row, and in it the earlier box, goes first. A class that is not
    in the truth is left out of the mean; without any truth the score is NaN. At most 100 boxes an image.

    Two true boxes: the best predicted box covers the first by 3/4, and of the second nothing is found.

    >>> truth = Ragged.of([np.array([[0, 0, 0, 4, 4], [0, 8, 8, 9, 9]])])
    >>> predicted = Ragged.of([np.array([[0, 0.9, 0, 0, 4, 3], [0, 0.8, 5, 5, 6, 6]])])
    >>> def score(**convention):
    ...     metric = MeanAveragePrecision(("fish", "shark"), **convention)
    ...     return round(metric.score(metric.statistics(truth, predicted)), 4)

    The precision is 1 up to recall 1/2, which are 51 of 101 points, at six of the ten thresholds:

    >>> score(iou=0.5), score(iou=0.8), score() == round(51 / 101 * 6 / 10, 4)
    (0.505, 0.0, True)
    """

    iou: float | None = None
    needs = "probabilities"

    def __post_init__(self) -> None:
        if self.iou is not None and not np.isclose(THRESHOLDS, self.iou).any():
            raise UserError(f"mAP at an overlap of {self.iou} is not COCO's: iou is one of .5, .55, ... .95, or None")

    @property
    def overlaps(self) -> np.ndarray:
        """Those at which finds are looked for, in order."""
        return THRESHOLDS

    @property
    def name(self) -> str:  # type: ignore[override]
        return "mAP 50-95" if self.iou is None else f"mAP {100 * self.iou:.0f}"

    def statistics(self, truth: Ragged, predicted: Ragged) -> np.ndarray:
        """(n, 300 + C) float64, one row an image, the best box first: the labels of up to 100 predicted boxes (-1: no
        box), their scores, what they found (bit k at the k-th threshold); then how many true boxes a class has.

        truth: rows (label, x1, y1, x2, y2); predicted: rows (label, score, x1, y1, x2, y2). Raise `UserError` where a
        prediction is not finite, or an image holds more than 100.
        """
        lengths = np.diff(predicted.offsets)
        if lengths.max(initial=0) > MOST:
            row = int(lengths.argmax())
            raise UserError(f"image {row} has {lengths[row]} predicted boxes, but mAP takes at most {MOST} an image")
        finite(predicted.flat)
        table = np.zeros((len(truth), 3 * MOST + len(self.classes)))
        table[:, :MOST] = -1
        classes = len(self.classes)
        for rows in chunks(len(truth), AT_ONCE):
            boxes = self.matched(truth[rows], predicted[rows])
            place = np.arange(len(boxes.image)) - predicted[rows].offsets[boxes.image]
            for part, column in enumerate(boxes[1:]):
                table[rows][boxes.image, part * MOST + place] = column
        true = np.bincount(places(truth, classes), minlength=len(truth) * classes)
        table[:, 3 * MOST :] = true.reshape(len(truth), classes)
        return table

    def of_classes(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
        """The average precision of every class, NaN where it is not in the truth: (C,), or (r, C) for counts (r, n)."""
        weights = columns(counts, len(statistics))
        true = statistics[:, 3 * MOST :].T @ weights
        labels, scores, found = statistics[:, : 3 * MOST].reshape(len(statistics), 3, MOST).swapaxes(0, 1)
        image, place = np.nonzero(labels >= 0)
        labels, scores, found = (part[image, place] for part in (labels, scores, found))
        ranked = np.lexsort((-scores, labels))  # class by class, from the best score down
        ends = np.searchsorted(labels[ranked], np.arange(len(self.classes) + 1))
        boxes = [ranked[first:last] for first, last in pairwise(ends)]
        means = [
            self._of_class(image[k], found[k].astype(np.int64), weights, of) for k, of in zip(boxes, true, strict=True)
        ]
        return np.stack(means, -1) if counts is not None and counts.ndim == 2 else np.stack(means, -1)[0]

    def _of_class(self, image: np.ndarray, found: np.ndarray, weights: np.ndarray, true: np.ndarray) -> np.ndarray:
        """(r,). Precision need only be known where a true box was found: behind it, up to the next, it falls.

        image, found: (boxes,); weights: (n, r), how often each image counts; true: (r,) true boxes.
        """
        hits = np.flatnonzero(found)
        if not len(hits):
            return np.where(true > 0, 0.0, np.nan)
        boxes = weights[image[: hits[-1] + 1]]
        seen = np.cumsum(np.add.reduceat(boxes, np.concatenate([[0], hits[:-1] + 1])), axis=0)
        found, weights = found[hits], weights[image[hits]]
        bits = [k for k, overlap in enumerate(self.overlaps) if self.iou is None or np.isclose(overlap, self.iou)]
        hits_at = [np.flatnonzero(found >> bit & 1) for bit in bits]
        means = [self.area(weights[at], seen[at], true) for at in hits_at]
        return np.where(true > 0, np.mean(means, axis=0), np.nan)

    def matched(self, truth: Ragged, predicted: Ragged) -> "Detections":
        return matched(truth, predicted, len(self.classes))

    def area(self, hits: np.ndarray, seen: np.ndarray, true: np.ndarray) -> np.ndarray:
        """(r,) of the curve of one class at one threshold; see `average_precision`."""
        return average_precision(hits, seen, true)


@dataclass(frozen=True)
class VOCAveragePrecision(MeanAveragePrecision):
    """Mean average precision by VOC's rule of 2010 (Everingham et al. 2010), as Open Images and most competitions.

    Unlike COCO's, the area below all of the curve of falling precision is measured, not at 101 recalls; the overlap
    must be more than `iou`, which is any; and a box looks only at the true box of its class that it overlaps most:
    where a better box has found that one, it finds nothing.

    The precision is 1 up to recall 1/2, where `MeanAveragePrecision` counts 51 of 101 points:

    >>> truth = Ragged.of([np.array([[0, 0, 0, 4, 4], [0, 8, 8, 9, 9]])])
    >>> predicted = Ragged.of([np.array([[0, 0.9, 0, 0, 4, 3], [0, 0.8, 5, 5, 6, 6]])])
    >>> metric = VOCAveragePrecision(("fish", "shark"))
    >>> metric.score(metric.statistics(truth, predicted))
    0.5
    """

    iou: float | None = 0.5

    def __post_init__(self) -> None:
        if self.iou is not None and not 0 < self.iou < 1:
            raise UserError(
                f"VOC mAP at an overlap of {self.iou}: iou is above 0 and below 1, or None for all of COCO's"
            )

    @property
    def overlaps(self) -> np.ndarray:
        return THRESHOLDS if self.iou is None else np.array([self.iou])

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"VOC {super().name}"

    def matched(self, truth: Ragged, predicted: Ragged) -> "Detections":
        return matched(truth, predicted, len(self.classes), np.nextafter(self.overlaps.round(2), 1), nearest_only=True)

    def area(self, hits: np.ndarray, seen: np.ndarray, true: np.ndarray) -> np.ndarray:
        return (falling_precision(hits, seen) * hits).sum(0) / np.maximum(true, 1)


def average_precision(hits: np.ndarray, seen: np.ndarray, true: np.ndarray) -> np.ndarray:
    """(r,) the mean over RECALLS of the best precision at that recall or above.

    hits: (m, r) how often each box that found a true one counts, the best score first; seen: (m, r) how many boxes
    there are down to it; true: (r,) how many true boxes.
    """
    recall = np.cumsum(hits, axis=0) / np.maximum(true, 1)
    return (falling_precision(hits, seen) * np.diff(reached(recall), axis=0, prepend=0)).sum(0) / len(RECALLS)


def falling_precision(hits: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(m, r) the best precision at the recall of every hit, or above; as in `average_precision`."""
    precision = np.cumsum(hits, axis=0) / np.maximum(seen, 1)
    return np.maximum.accumulate(precision[::-1])[::-1]


def reached(recall: np.ndarray) -> np.ndarray:
    """How many of RECALLS are at most this: the same as searchsorted, and ten times as fast, since they are even."""
    nearest = (recall * (len(RECALLS) - 1) + 0.5).astype(np.int64)
    return nearest + (RECALLS[nearest] <= recall)


# -- which boxes find a true one ---------------------------------------------------------------------------------------


class Detections(NamedTuple):
    """Predicted boxes of many images, the best of an image first. All (m,).

    image: row number; label, score: float64; found: int, bit k where a true box is found at the k-th threshold.
    """

    image: np.ndarray
    label: np.ndarray
    score: np.ndarray
    found: np.ndarray


def matched(
    truth: Ragged, predicted: Ragged, classes: int, thresholds: np.ndarray = THRESHOLDS, nearest_only: bool = False
) -> Detections:
    """truth: rows of (label, x1, y1, x2, y2); predicted: rows of (label, score, x1, y1, x2, y2); as many images.

    thresholds: up to 62 in order, from each of which on an overlap is a find. nearest_only: a box can find none but the
    true box that it overlaps most, whether or not that is taken.
    """
    image = np.repeat(np.arange(len(predicted)), np.diff(predicted.offsets))
    best_first = np.lexsort((-predicted.flat[:, 1], image))
    boxes, true = predicted.flat[best_first].astype(np.float64), truth.flat.astype(np.float64)
    of_box, of_true = _together(places(predicted, classes)[best_first], places(truth, classes))
    overlaps = overlap(boxes[of_box, 2:], true[of_true, 1:])
    if nearest_only:
        order = np.lexsort((of_true, -overlaps, of_box))
        nearest = order[np.unique(of_box[order], return_index=True)[1]]
        of_box, of_true, overlaps = of_box[nearest], of_true[nearest], overlaps[nearest]
    near = np.flatnonzero(overlaps >= thresholds[0])
    reached = (1 << np.searchsorted(thresholds, overlaps[near], side="right")) - 1
    found = _greedy(of_box[near], of_true[near], overlaps[near], reached, len(boxes), len(true))
    return Detections(image, boxes[:, 0], boxes[:, 1], found)


def places(rows: Ragged, classes: int) -> np.ndarray:
    """(m,) the key of every box: image * classes + label."""
    return np.repeat(np.arange(len(rows)) * classes, np.diff(rows.offsets)) + rows.flat[:, 0].astype(np.int64)


def _together(boxes: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(pairs,) indices of a predicted and a true box, of all pairs of the same image and class."""
    order = np.argsort(true, kind="stable")
    first, last = (np.searchsorted(true[order], boxes, side) for side in ("left", "right"))
    count = last - first
    place = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return np.repeat(np.arange(len(boxes)), count), order[np.repeat(first, count) + place]


def _greedy(
    of_box: np.ndarray, of_true: np.ndarray, overlaps: np.ndarray, reached: np.ndarray, boxes: int, true: int
) -> np.ndarray:
    """(boxes,) bits: the best box first takes, at every threshold, the true box that it overlaps most of those left.

    reached: (pairs,) bits, the thresholds that a pair's overlap reaches. Of equal overlaps the last one is taken, as
    COCO does. Few pairs come near, so a loop over them is quick; the thresholds are the bits of one integer.
    """
    order = np.lexsort((-of_true, -overlaps, of_box))
    found, taken = [0] * boxes, [0] * true
    for box, one, at in zip(of_box[order].tolist(), of_true[order].tolist(), reached[order].tolist(), strict=True):
        takes = at & ~found[box] & ~taken[one]
        found[box] |= takes
        taken[one] |= takes
    return np.array(found, np.int64)
