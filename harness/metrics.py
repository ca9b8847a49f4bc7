"""Metrics in two halves: statistics, one row per sample, and the score of any subset or resample of rows."""

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import numpy as np


class Metric(Protocol):
    """See DESIGN: public and private scores, folds and bootstrap resamples are all sums over the same rows.

    needs: "decided" or "scores", what a submission must carry. version: raised whenever a score would change.
    """

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def higher_is_better(self) -> bool: ...
    @property
    def needs(self) -> str: ...

    def statistics(self, truth: Any, predicted: Any) -> np.ndarray:
        """(n, ...) rows, aligned with `truth`."""

    def score(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> Any:
        """A float; with `counts` (n,) the score where row i stands counts[i] times; with (r, n) an array (r,)."""

    def by_class(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> dict[str, Any]:
        """The parts of the score a reader wants to see one by one, NaN where a class is absent."""


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
    absent: Literal["skip", "zero", "one"] = "skip"
    name: ClassVar[str] = "mean IoU"
    version: ClassVar[int] = 1
    higher_is_better: ClassVar[bool] = True
    needs: ClassVar[str] = "decided"

    def statistics(self, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """(n, C, C) int32: the confusion of every image, true labels in rows; truth, predicted (n, h, w) uint8."""
        return confusion_per_image(truth, predicted, len(self.classes))

    def score(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> Any:
        iou = self._iou(statistics, counts)
        means = np.where(np.isnan(iou).all(-1), np.nan, np.nansum(iou, -1) / np.maximum((~np.isnan(iou)).sum(-1), 1))
        return means if means.ndim else float(means)

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
        absent = {"skip": np.nan, "zero": 0.0, "one": 1.0}[self.absent]
        iou = np.where(union > 0, hits / np.maximum(union, 1), absent)
        return iou[..., list(self._averaged)]


def pooled(statistics: np.ndarray, counts: np.ndarray | None) -> np.ndarray:
    """Sum rows, row i counts[i] times, in float64 (exact below 2**53): (...,) or (r, ...) for counts (r, n)."""
    if counts is None:
        return statistics.sum(0, dtype=np.float64)
    flat = statistics.reshape(len(statistics), -1).astype(np.float64)
    return (counts.astype(np.float64) @ flat).reshape(counts.shape[:-1] + statistics.shape[1:])


WORKING = 2**18  # bytes of joint labels at a time: in the cache, and in memory that was touched before
FEW_PIXELS = 2048  # an image below this is counted faster with all others than by OpenCV


def confusion_per_image(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """(n, classes, classes) int32 confusion matrices of label maps (n, h, w) below `classes` <= 16, h * w < 2**24.

    The joint label fits one byte, and bytes are what OpenCV's histogram counts fast.
    """
    pixels, size = math.prod(truth.shape[1:]), classes * classes
    count = _count_together if pixels < FEW_PIXELS else _count_by_opencv
    confusion = np.empty((len(truth), size), np.int32)
    rows_at_once = max(math.isqrt(256 // size), WORKING // max(1, pixels))
    joint = np.empty((min(len(truth), rows_at_once), *truth.shape[1:]), np.uint8)
    for rows in chunks(len(truth), rows_at_once):
        codes = joint[: rows.stop - rows.start]
        np.multiply(truth[rows], classes, out=codes, casting="unsafe")
        np.add(codes, predicted[rows], out=codes, casting="unsafe")
        confusion[rows] = count(codes.reshape(len(codes), pixels), size)
    return confusion.reshape(-1, classes, classes)


def _count_together(codes: np.ndarray, size: int) -> np.ndarray:
    """(rows, size) counts of every row of codes (rows, pixels) uint8."""
    shifted = codes + (np.arange(len(codes), dtype=np.int64) * size)[:, None]
    return np.bincount(shifted.ravel(), minlength=len(codes) * size).reshape(len(codes), size)


def _count_by_opencv(codes: np.ndarray, size: int) -> np.ndarray:
    """The same; changes `codes`.

    A histogram of 256 bins has room for several copies of the counters. Some go to neighbouring pixels, which mostly
    hold the same label: adding to one counter twice in a row waits for the first sum to be stored. The rest go to
    further images, since a call costs as much as the counting.
    """
    import cv2

    copies = 256 // size
    images = math.isqrt(copies)
    lanes = copies // images
    marks, bins = _marks(codes.shape[1], size, images, lanes), images * lanes * size
    counts = np.empty((-(-len(codes) // images), bins), np.float32)
    for group, rows in enumerate(chunks(len(codes), images)):
        marked = codes[rows]
        marked += marks[: len(marked)]
        counts[group] = cv2.calcHist([marked.reshape(-1)], [0], None, [bins], [0, bins]).ravel()
    return counts.reshape(-1, lanes, size).sum(1)[: len(codes)]


@functools.lru_cache(maxsize=4)
def _marks(pixels: int, size: int, images: int, lanes: int) -> np.ndarray:
    """(images, pixels) uint8: where the counters of a pixel begin."""
    return ((np.arange(images)[:, None] * lanes + np.arange(pixels) % lanes) * size).astype(np.uint8)


def chunks(count: int, size: int) -> Iterator[slice]:
    """Slices that cover range(count), `size` rows each."""
    return (slice(start, min(start + size, count)) for start in range(0, count, size))
