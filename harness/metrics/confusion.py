"""The confusion of label maps, image by image, as fast as bytes can be counted."""

import functools
import math

import numpy as np

from harness.metrics.sums import chunks

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
    """(rows, size) counts of every row of codes (rows, pixels) uint8; changes `codes`.

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
