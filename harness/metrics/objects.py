"""Metrics of objects, counted image by image: parts of masks (Airbus, 2018 Data Science Bowl, TGS) and boxes (wheat).

An object is found at a threshold where a predicted one of its class overlaps it by so much. Of a class in an image with
neither, the value is 1: it was found to be absent; predicted where there is none, it is 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.data.bit_sets import pixels_of
from harness.data.samples import Ragged
from harness.errors import UserError
from harness.metrics.average_precision import matched, places
from harness.metrics.f_scores import f_beta, require_beta
from harness.metrics.labels import Tally
from harness.metrics.sums import ClassMetric, finite, mean_of_rows, ratio

OVERLAPS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)


@dataclass(frozen=True)
class ObjectMetric(ClassMetric):
    """The base: means over images of a value per class, and the mean over classes."""

    def of_classes(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
        return mean_of_rows(statistics, counts)


# -- masks -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ObjectPrecision(ObjectMetric):
    """The mean over thresholds of TP / (TP + FP + FN) of an image's objects, then over images ("mean precision").

    Objects of a class are its connected parts (8 neighbours); class 0 is the background. Found: the intersection over
    union is more than the threshold. thresholds: from .5 on, so that no two objects can be found by one. connected:
    False takes all pixels of a class as one object, as TGS salt does. multilabel: classes overlap, as in `masks`.

    Two objects; the first is predicted as it is, the second by two of three pixels, found at .5 to .65 of ten.

    >>> metric = ObjectPrecision(("background", "nucleus"))
    >>> truth = np.array([[[1, 1, 0, 0, 1, 1, 1]]], np.uint8)
    >>> predicted = np.array([[[1, 1, 0, 0, 1, 1, 0]]], np.uint8)
    >>> round(metric.score(metric.statistics(truth, predicted)), 4)  # (4 * 1 + 6 * 1/3) / 10
    0.6

    All pixels together, 4 of 5, are found at .5 to .75:

    >>> metric = ObjectPrecision(("background", "salt"), connected=False)
    >>> round(metric.score(metric.statistics(truth, predicted)), 4)
    0.6
    """

    thresholds: tuple[float, ...] = OVERLAPS
    connected: bool = True
    multilabel: bool = False

    def __post_init__(self) -> None:
        require_thresholds(self.thresholds)

    @property
    def name(self) -> str:  # type: ignore[override]
        return "object precision"

    def statistics(self, truth: Any, predicted: Any) -> np.ndarray:
        """(n, C - 1) float64: the value of every image and class but 0, or (n, C).

        truth, predicted: (n, h, w) or `Masks`.
        """
        labels = range(0 if self.multilabel else 1, len(self.classes))
        seen = (
            [
                found_parts(
                    pixels_of(true, label, self.multilabel),
                    pixels_of(said, label, self.multilabel),
                    self.thresholds,
                    self.connected,
                )
                for label in labels
            ]
            for true, said in zip(truth, predicted, strict=True)
        )
        table = np.array([[self.of_objects(objects).mean() for objects in of_image] for of_image in seen], np.float64)
        return table.reshape(len(truth), len(labels))

    def of_objects(self, seen: Tally) -> np.ndarray:
        """(thresholds,) from how many objects were found at each, are true, and were predicted."""
        return ratio(seen.hits, seen.true + seen.predicted - seen.hits, 1)


@dataclass(frozen=True)
class ObjectF(ObjectPrecision):
    """The mean over thresholds of the F-beta of an image's objects, then over images; else as `ObjectPrecision`.

    F2 = 5 TP / (5 TP + 4 FN + FP), of Airbus: the first of two ships is found at every threshold, of the other nothing.

    >>> metric = ObjectF(("sea", "ship"))
    >>> truth = np.array([[[1, 1, 0, 0, 1, 1, 1]]], np.uint8)
    >>> predicted = np.array([[[1, 1, 0, 0, 0, 0, 0]]], np.uint8)
    >>> round(metric.score(metric.statistics(truth, predicted)), 4)  # 5 / (5 + 4)
    0.5556
    """

    beta: float = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        require_beta(self.beta)

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"object F{self.beta:g}"

    def of_objects(self, seen: Tally) -> np.ndarray:
        return f_beta(seen, self.beta, 1)


def found_parts(truth: np.ndarray, predicted: np.ndarray, thresholds: Sequence[float], connected: bool) -> Tally:
    """How many parts of truth (h, w) bool those of predicted overlap by more than each of the thresholds."""
    import cv2

    sides = [side.astype(np.uint8) for side in (truth, predicted)]
    parts = [cv2.connectedComponents(side, connectivity=8)[1] if connected else side for side in sides]
    count, of_said = (int(side.max()) + 1 for side in parts)
    joint = np.bincount((parts[0].astype(np.intp) * of_said + parts[1]).ravel(), minlength=count * of_said)
    joint = joint.reshape(count, of_said)
    shared, true, said = joint[1:, 1:], joint[1:].sum(1), joint[:, 1:].sum(0)
    overlaps = shared / (true[:, None] + said - shared)
    hits = (overlaps.ravel() > np.array(thresholds)[:, None]).sum(1)
    return Tally(hits, np.full(len(hits), len(true)), np.full(len(hits), len(said)))


# -- boxes -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BoxPrecision(ObjectMetric):
    """The mean over thresholds of TP / (TP + FP + FN) of an image's boxes, then over images (Global Wheat Detection).

    From the best score down, a box takes the true box of its class that it overlaps most of those left; found: the
    intersection over union is at least the threshold. Every box counts, however low its score.

    Of two heads the first is found by 3/4, at all six thresholds, and the second box hits nothing: 1 / (1 + 1 + 1).

    >>> truth = Ragged.of([np.array([[0, 0, 0, 4, 4], [0, 8, 8, 9, 9]])])
    >>> predicted = Ragged.of([np.array([[0, 0.9, 0, 0, 4, 3], [0, 0.8, 5, 5, 6, 6]])])
    >>> metric = BoxPrecision(("wheat",))
    >>> round(metric.score(metric.statistics(truth, predicted)), 4)
    0.3333
    """

    thresholds: tuple[float, ...] = OVERLAPS[:6]
    name = "box precision"
    needs = "probabilities"
    every_object_counts = True

    def __post_init__(self) -> None:
        require_thresholds(self.thresholds)

    def statistics(self, truth: Ragged, predicted: Ragged) -> np.ndarray:
        """(n, C) float64: the value of every image and class.

        truth: rows (label, x1, y1, x2, y2); predicted: rows (label, score, x1, y1, x2, y2); raise `UserError` where a
        prediction is not finite.
        """
        finite(predicted.flat)
        size, classes = len(truth) * len(self.classes), len(self.classes)
        boxes = matched(truth, predicted, classes, np.sort(self.thresholds))
        keys = boxes.image * classes + boxes.label.astype(np.int64)
        hits = np.array([np.bincount(keys, boxes.found >> bit & 1, size) for bit in range(len(self.thresholds))])
        said, true = (np.bincount(places(rows, classes), minlength=size) for rows in (predicted, truth))
        return ratio(hits, said + true - hits, 1).mean(0).reshape(len(truth), classes)


def require_thresholds(thresholds: tuple[float, ...]) -> None:
    if not thresholds or not all(0.5 <= threshold < 1 for threshold in thresholds):
        raise UserError(f"the thresholds of the overlap are {thresholds}, but must be one or more from 0.5 to below 1")
