"""Which predicted boxes find a true one, at ten thresholds of overlap at once, as COCO's evaluation matches them."""

from typing import NamedTuple

import numpy as np

from harness.data.samples import Ragged
from harness.metrics.boxes import overlap

THRESHOLDS = np.linspace(0.5, 0.95, 10)  # of the overlap, as COCO writes them: .95 is .95 and no more


class Detections(NamedTuple):
    """Predicted boxes of many images, the best of an image first. All (m,).

    image: row number; label, score: float64; found: int, bit k where a true box is found at THRESHOLDS[k].
    """

    image: np.ndarray
    label: np.ndarray
    score: np.ndarray
    found: np.ndarray


def matched(truth: Ragged, predicted: Ragged, classes: int) -> Detections:
    """truth: rows of (label, x1, y1, x2, y2); predicted: rows of (label, score, x1, y1, x2, y2); as many images."""
    image = np.repeat(np.arange(len(predicted)), np.diff(predicted.offsets))
    best_first = np.lexsort((-predicted.flat[:, 1], image))
    boxes, true = predicted.flat[best_first].astype(np.float64), truth.flat.astype(np.float64)
    of_box, of_true = _together(places(predicted, classes)[best_first], places(truth, classes))
    overlaps = overlap(boxes[of_box, 2:], true[of_true, 1:])
    near = np.flatnonzero(overlaps >= THRESHOLDS[0])
    found = _greedy(of_box[near], of_true[near], overlaps[near], len(boxes), len(true))
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


def _greedy(of_box: np.ndarray, of_true: np.ndarray, overlaps: np.ndarray, boxes: int, true: int) -> np.ndarray:
    """(boxes,) bits: the best box first takes, at every threshold, the true box that it overlaps most of those left.

    Of equal overlaps the last one is taken, as COCO does. Few pairs come near, so a loop over them is quick; the ten
    thresholds are the bits of one integer.
    """
    order = np.lexsort((-of_true, -overlaps, of_box))
    reached = (1 << np.searchsorted(THRESHOLDS, overlaps[order], side="right")) - 1
    found, taken = [0] * boxes, [0] * true
    for box, one, at in zip(of_box[order].tolist(), of_true[order].tolist(), reached.tolist(), strict=True):
        takes = at & ~found[box] & ~taken[one]
        found[box] |= takes
        taken[one] |= takes
    return np.array(found, np.int64)
