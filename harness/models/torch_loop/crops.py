"""Parts of one size of images that are large or of several sizes: crops to train on, tiles to predict by.

An image that is smaller is mirrored beyond its lower and its right border; no loss looks there.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.data.bit_sets import pixels_of
from harness.data.images import EncodedImages
from harness.data.pixels import Size
from harness.data.samples import Samples
from harness.data.sized_masks import in_batches

PADDING = 255  # in a mask of labels: beyond the border of the image, and so without a label; of sets, all bits
MOST = 16  # crops of an image in an epoch; of a larger one, several epochs show all
CENTRED = 0.5  # share of the crops of a marked row that have a pixel of its class in their middle
DRAWS = 3  # random numbers a crop
KEPT_BYTES = 2**28  # of decoded images; an image of 1040 x 1388 takes 40 to 80 ms, for every crop


@dataclass(frozen=True)
class Whole:
    """Rows of samples as they are. rows: (m,); whole[places] are images and targets; places: a slice or an array."""

    samples: Samples
    rows: np.ndarray

    def __getitem__(self, places: Any) -> tuple[np.ndarray, np.ndarray]:
        rows = self.rows[places]
        return self.samples.inputs[rows], self.samples.targets[rows]


@dataclass(frozen=True)
class Crops:
    """Random parts of rows of samples, made when they are asked for: crops[places] are (b, h, w[, 3]) and (b, h, w).

    rows: (m,), a row as often as `repeated_rows` says; size: (height, width) of every crop; draws: (m, DRAWS) random
    numbers in 0..1, on which alone a crop depends. marked: (n,) bool, the samples of which half of the crops are
    centred on a pixel of one of the `labels`, the rarest that the mask holds. several: masks hold sets of classes.
    """

    samples: Samples
    rows: np.ndarray
    size: Size
    draws: np.ndarray
    marked: np.ndarray
    labels: Sequence[int]
    several: bool = False

    def __getitem__(self, places: Any) -> tuple[np.ndarray, np.ndarray]:
        pairs = [self.crop(*each) for each in zip(self.rows[places].tolist(), self.draws[places], strict=True)]
        images, masks = zip(*pairs, strict=True)
        return np.stack(images), np.stack(masks)

    def crop(self, row: int, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        image, mask = np.asarray(self.samples.inputs[row]), np.asarray(self.samples.targets[row])
        room = [max(0, side - part) + 1 for side, part in zip(mask.shape, self.size, strict=True)]
        corner = [int(draw * free) for draw, free in zip(draws[1:], room, strict=True)]
        if self.marked[row] and draws[0] < CENTRED:
            pixels = pixels_of_rarest(mask, self.labels, self.several)
            place = pixels[int(draws[1] * len(pixels))] if len(pixels) else mask.size // 2
            middle = np.array(np.unravel_index(place, mask.shape))
            corner = np.clip(middle - np.array(self.size) // 2, 0, np.array(room) - 1).tolist()
        part = tuple(slice(start, start + length) for start, length in zip(corner, self.size, strict=True))
        return mirrored(image[part], self.size), padded(mask[part], self.size, constant_values=np.iinfo(mask.dtype).max)


class Remembered:
    """Encoded images of which those that fit into `KEPT_BYTES` are decoded once, and the others each time."""

    def __init__(self, images: EncodedImages):
        self.images, self.kept, self.left = images, dict[int, np.ndarray](), KEPT_BYTES

    def __getitem__(self, row: int) -> np.ndarray:
        if row in self.kept:
            return self.kept[row]
        image = self.images[row]
        if image.nbytes <= self.left:
            self.kept[row] = image
            self.left -= image.nbytes
        return image


def repeated_rows(rows: np.ndarray, targets: Any, size: Size) -> np.ndarray:
    """The rows, each as often as crops of this size cover its image, 1 to MOST times."""
    pixels = np.array([mask.size for mask in targets])
    return np.repeat(rows, np.clip(np.rint(pixels / (size[0] * size[1])), 1, MOST).astype(int)[rows])


def pixels_of_rarest(mask: np.ndarray, labels: Sequence[int], several: bool) -> np.ndarray:
    """(k,) the places, row after row, of the label with the fewest pixels of those of `labels` that are there."""
    counts = {label: np.count_nonzero(pixels_of(mask, label, several)) for label in labels}
    return np.flatnonzero(pixels_of(mask, min(labels, key=lambda label: counts[label] or mask.size), several))


def padded(pixels: np.ndarray, size: Size, **how: Any) -> np.ndarray:
    """(h, w, ...) with lines below and columns to the right up to this size at least; how: of `np.pad`."""
    missing = [(0, max(0, side - have)) for have, side in zip(pixels.shape, size, strict=False)]
    return np.pad(pixels, [*missing, *[(0, 0)] * (pixels.ndim - 2)], **how)


def mirrored(image: np.ndarray, size: Size) -> np.ndarray:
    return padded(image, size, mode="reflect")


# -- prediction --------------------------------------------------------------------------------------------------------


def by_tiles(
    probabilities: Callable[[np.ndarray], np.ndarray], image: np.ndarray, size: Size, at_once: int
) -> np.ndarray:
    """(outputs, h, w) float32 of one image (h, w[, 3]) of any size, from overlapping tiles of `size`.

    probabilities: images (n, *size[, 3]) to (n, outputs, *size), of at most `at_once` tiles. A tile shares at least
    half of its side with the next one, and counts by a Hann window: at its edges, where a network sees least, it
    hardly does (Pielawski and Wählby 2020, doi 10.1371/journal.pone.0229839).
    """
    whole, window = mirrored(image, size), np.multiply.outer(*map(hann, size))
    tops, lefts = (starts(side, tile) for side, tile in zip(whole.shape, size, strict=False))
    places = np.array([(top, left) for top in tops for left in lefts])
    weight, total = np.zeros(whole.shape[:2], np.float32), np.zeros(0, np.float32)
    for (some,) in in_batches(at_once, places):
        parts = [np.s_[top : top + size[0], left : left + size[1]] for top, left in some.tolist()]
        for part, probs in zip(parts, probabilities(np.stack([whole[part] for part in parts])), strict=True):
            total = total if total.size else np.zeros((len(probs), *weight.shape), np.float32)
            total[:, *part] += window * probs
            weight[part] += window
    return (total / weight)[:, : image.shape[0], : image.shape[1]]


def tile_count(size: Size, tile: Size) -> int:
    """How many tiles an image of this size is predicted by.

    >>> tile_count((300, 100), (256, 256)), tile_count((1040, 1388), (256, 256))
    (2, 80)
    """
    return math.prod(len(starts(max(side, part), part)) for side, part in zip(size, tile, strict=True))


def starts(side: int, tile: int) -> list[int]:
    """Where tiles begin that cover a side of at least a tile; evenly spaced, at most half a tile apart.

    >>> starts(256, 256), starts(300, 256), starts(1024, 256)
    ([0], [0, 44], [0, 128, 256, 384, 512, 640, 768])
    """
    count = 1 + -(-2 * (side - tile) // tile)
    return np.rint(np.linspace(0, side - tile, count)).astype(int).tolist()


def hann(length: int) -> np.ndarray:
    """(length,) float32, above 0 and highest in the middle."""
    return (np.sin(np.pi * (np.arange(length) + 0.5) / length) ** 2).astype(np.float32)
