"""Masks of images of several sizes: rows that are arrays of different shapes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np

from harness.data.bit_sets import pixels_of
from harness.data.large_arrays import new_array

AT_ONCE = 256  # rows


@dataclass(frozen=True, eq=False)
class Masks:
    """Label maps (h, w) uint8, or probabilities (classes, h, w) float16, each of the size of its image.

    An integer gives one row, a slice or an array of rows gives those rows, as with an array; no pixel is copied.
    """

    rows: Sequence[np.ndarray]

    @classmethod
    def of(cls, pixels: np.ndarray, shapes: np.ndarray) -> Self:
        """The rows of the stored arrays `pixels` and `shapes`."""
        ends = np.concatenate([[0], np.cumsum(np.prod(shapes, axis=1, dtype=np.int64))]).tolist()
        flat = np.asarray(pixels)  # a view of a memory map costs less than another memory map
        parts = (flat[start:end] for start, end in pairwise(ends))
        return cls([part.reshape(shape) for part, shape in zip(parts, shapes.tolist(), strict=True)])

    @classmethod
    def join(cls, parts: Sequence["Masks"]) -> Self:
        """The rows of the first part, then those of the second, ..."""
        return cls([row for part in parts for row in part])

    @property
    def pixels(self) -> np.ndarray:
        """(m,) all values, row after row."""
        return np.concatenate([row.ravel() for row in self.rows] or [np.zeros(0, np.uint8)])

    @property
    def shapes(self) -> np.ndarray:
        """(n, 2) or (n, 3) int64: the shape of every row; height and width are the last two."""
        return np.array([row.shape for row in self.rows], np.int64).reshape(len(self), -1 if len(self) else 2)

    @property
    def ndim(self) -> int:
        """Of an array (n, ...) of such rows: 3 of label maps."""
        return 1 + self.shapes.shape[1]

    @property
    def dtype(self) -> np.dtype:
        return self.rows[0].dtype if len(self) else np.dtype(np.uint8)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: Any) -> Any:
        if isinstance(rows, int | np.integer):
            return self.rows[int(rows)]
        return Masks([self.rows[row] for row in np.arange(len(self))[rows].tolist()])

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter(self.rows)


def gathered(masks: Sequence[np.ndarray]) -> Any:
    """One array of masks of one size, else `Masks`."""
    return np.stack(masks) if len({mask.shape for mask in masks}) == 1 else Masks(list(masks))


def empty_masks(sizes: Sequence[tuple[int, int]], dtype: Any) -> Any:
    """Masks of 0, of images of these sizes: one array where all are alike, which may lie on disk, else `Masks`."""
    if len(set(sizes)) <= 1:
        return new_array((len(sizes), *(sizes[0] if sizes else (0, 0))), dtype)
    return Masks([np.zeros(size, dtype) for size in sizes])


def in_batches(count: int, *sides: Any) -> Iterator[tuple[np.ndarray, ...]]:
    """Some aligned rows of every side at once: of arrays `count`; where a side is `Masks` one, as arrays (1, ...)."""
    if any(isinstance(side, Masks) for side in sides):
        yield from (tuple(row[None] for row in rows) for rows in zip(*sides, strict=True))
    else:
        for first in range(0, len(sides[0]), count):
            yield tuple(np.asarray(side[first : first + count]) for side in sides)


def image_by_image(work: Callable[..., np.ndarray], *sides: Any) -> Any:
    """What `work` makes of arrays (n, ...); of `Masks` it sees one image after the other, as arrays (1, ...)."""
    if not any(isinstance(side, Masks) for side in sides):
        return work(*sides)
    return Masks([work(*images)[0] for images in in_batches(1, *sides)])


def rows_showing(targets: Any, label: int, several: bool = False) -> np.ndarray:
    """(n,) bool: the rows that hold the label; targets: an array (n, ...) or `Masks`. several: of sets of classes."""
    some = (pixels_of(rows, label, several).reshape(len(rows), -1).any(1) for (rows,) in in_batches(AT_ONCE, targets))
    return np.concatenate([np.zeros(0, bool), *some])
