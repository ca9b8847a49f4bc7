"""One pass over every input, on which the checks rest: its digest, size, low frequencies and grey levels."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np

from harness.data.images import EncodedImages, resized
from harness.data.large_arrays import chosen
from harness.data.samples import Bags, Joined, Samples, bags_of
from harness.errors import UserError, listed

FREQUENCIES = 24  # an axis; smaller images are alike by chance and only compared as bytes
LARGE = 192  # pixels a side, eight for each of the frequencies
FILL, NEAR = 128, 2  # the grey with which decoders fill a torn image, and how near is grey
COLOURS = ("red", "green", "blue")
STATISTICS = ("mean grey", "contrast", *COLOURS, "sharpness", "torn")
COARSE = 6  # frequencies an axis that a small model gets
NAMED = 5  # ids in a message
SMALL = 256  # values of an input that is not an image and is taken as it is


class Inspection(NamedTuple):
    """digests: of every input, of images beside a table those of the images. sizes: (n, 2) height and width; low:
    (n, FREQUENCIES, FREQUENCIES) in grey levels; statistics: (n, 7), named by STATISTICS; all three None where the
    inputs are not images.

    The statistic "torn" is the share of the height, from below, that is the decoder's grey. Of several images a row
    `low` and `statistics` are their means, and sizes those of the largest; images: the same of every image.
    """

    inputs: Any
    digests: Sequence[bytes]
    sizes: np.ndarray | None = None
    low: np.ndarray | None = None
    statistics: np.ndarray | None = None
    images: "Inspection | None" = None

    def at(self, rows: np.ndarray) -> "Inspection":
        """The same for these rows alone."""
        digests = [self.digests[row] for row in rows.tolist()]
        columns = (None if column is None else column[rows] for column in (self.sizes, self.low, self.statistics))
        at_rows, bags = Inspection(chosen(self.inputs, rows), digests, *columns), bags_of(self.inputs)
        if self.images is None or bags is None:
            return at_rows
        of_rows = replace(bags, flat=np.arange(len(bags.flat)))[rows].flat
        return at_rows._replace(images=self.images.at(of_rows))

    def statistic(self, name: str) -> np.ndarray:
        assert self.statistics is not None
        return self.statistics[:, STATISTICS.index(name)]


def inspect(samples: Samples) -> Inspection:
    """Read, and decode, every input once. Raise `UserError` naming those that cannot be decoded."""
    inputs = samples.inputs
    if isinstance(inputs, Joined):
        return inspect(replace(samples, inputs=inputs.images))._replace(inputs=inputs)
    if isinstance(inputs, Bags):
        return of_bags(inputs, inspect(Samples(samples.ids[inputs.rows], inputs.flat)))
    if not are_images(inputs):
        return Inspection(inputs, [digest(row) for row in inputs])
    digests, sizes, low, statistics, broken = [], [], [], [], []
    for row in range(len(inputs)):
        try:
            image = np.asarray(inputs[row])
        except UserError:
            broken.append(str(samples.ids[row]))
            continue
        small = in_grey_levels(shrunk(image))
        grey = small.mean(2) if small.ndim == 3 else small
        digests.append(digest(image))
        sizes.append(image.shape[:2])
        low.append(low_frequencies(grey))
        statistics.append(statistics_of(small, grey))
    if broken:
        raise UserError(f"{len(broken)} pictures are torn off or cannot be decoded: {listed(broken)}")
    return Inspection(inputs, digests, np.array(sizes), np.stack(low), np.array(statistics, np.float32))


def of_bags(bags: Bags, images: Inspection) -> Inspection:
    """Of the rows, by the inspection of every image."""
    begin, end = bags.offsets[:-1].tolist(), bags.offsets[1:].tolist()
    digests = [b"".join(images.digests[first:last]) for first, last in zip(begin, end, strict=True)]
    if images.sizes is None or images.low is None or images.statistics is None:
        return Inspection(bags, digests, images=images)
    sizes = np.maximum.reduceat(images.sizes, begin)
    return Inspection(bags, digests, sizes, bags.means(images.low), bags.means(images.statistics), images)


def digest(content: Any) -> bytes:
    array = np.ascontiguousarray(content)
    return sha256(f"{array.shape}{array.dtype}".encode() + array.tobytes()).digest()


def are_images(inputs: Any) -> bool:
    if isinstance(inputs, EncodedImages):
        return True
    if isinstance(inputs, Bags):
        return are_images(inputs.flat)
    shape = inputs.shape[1:]
    return len(shape) in (2, 3) and min(shape[:2]) >= FREQUENCIES


def low_frequencies(grey: np.ndarray) -> np.ndarray:
    """(FREQUENCIES, FREQUENCIES) float32, in grey levels: the lowest cosine frequencies without the mean.

    0 for small images.
    """
    if min(grey.shape) < FREQUENCIES:
        return np.zeros((FREQUENCIES, FREQUENCIES), np.float32)
    level = grey - np.float32(grey.mean(dtype=np.float64))  # exactly zero where the image is constant
    low = spectrum(level, FREQUENCIES) / (2 * grey.size)
    low[0, 0] = 0
    return low


def spectrum(image: np.ndarray, count: int) -> np.ndarray:
    """(count, count[, c]): the lowest cosine frequencies (DCT-II) of an image (h, w[, c])."""
    from scipy.fft import dctn

    return dctn(image, type=2, axes=(0, 1))[:count, :count].copy()


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows of length 1."""
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-6)


def statistics_of(small: np.ndarray, grey: np.ndarray) -> list[float]:
    """The STATISTICS of one image."""
    colours = small.mean((0, 1)) if small.ndim == 3 and small.shape[2] > 2 else np.repeat(grey.mean(), 3)
    sharpness = float(np.abs(grey[1:] - grey[:-1]).mean() if len(grey) > 1 else 0)
    filled = (np.abs(grey - FILL) <= NEAR).all(1)[::-1]
    torn = len(filled) if filled.all() else int(filled.argmin())
    contrast = 0.0 if grey.max() == grey.min() else float(grey.std())
    return [float(grey.mean()), contrast, *map(float, colours[:3]), sharpness, torn / len(filled)]


def shrunk(image: np.ndarray) -> np.ndarray:
    """At most LARGE pixels a side: the low frequencies stay what they are, at a tenth of the time."""
    sides = np.array(image.shape[:2])
    if sides.max() <= LARGE:
        return image
    height, width = np.maximum(1, np.ceil(sides * LARGE / sides.max())).astype(int).tolist()
    return resized(image, (height, width))


def in_grey_levels(image: np.ndarray) -> np.ndarray:
    """float32, 255 where it is white, on which the thresholds of the checks rest."""
    return image.astype(np.float32) / np.float32(257) if image.dtype == np.uint16 else image.astype(np.float32)


# -- what a small model may look at ------------------------------------------------------------------------------------


class Features(NamedTuple):
    """values: (n, k) float, all finite."""

    names: list[str]
    values: np.ndarray


def features(parts: Sequence[Inspection]) -> list[Features]:
    """Columns of a table, or statistics and low frequencies of images, or both, for several sets of samples.

    A text has the same number in each of them.
    """
    if isinstance(parts[0].inputs, Joined):
        both = [
            features([part._replace(inputs=part.inputs.images) for part in parts]),
            features([Inspection(part.inputs.table, part.digests) for part in parts]),
        ]
        return [Features(a.names + b.names, np.hstack([a.values, b.values])) for a, b in zip(*both, strict=True)]
    if parts[0].low is not None:
        coloured = any(
            not np.allclose(part.statistic(name), part.statistic(COLOURS[0])) for part in parts for name in COLOURS
        )
        return [_of_images(part, coloured) for part in parts]
    if isinstance(parts[0].inputs, Bags):  # too small to be looked at
        return [Features([], np.zeros((len(part.digests), 0))) for part in parts]
    if names := list(parts[0].inputs.dtype.names or ()):
        columns = [_numbers([part.inputs[name] for part in parts]) for name in names]
        return [Features(names, np.stack([column[k] for column in columns], 1)) for k in range(len(parts))]
    size = int(np.prod(parts[0].inputs.shape[1:]))
    names = [f"value {k}" for k in range(size)] if size <= SMALL else []
    rows = [np.nan_to_num(np.asarray(part.inputs, float)).reshape(len(part.inputs), -1) for part in parts]
    return [Features(names, values[:, : len(names)]) for values in rows]


def _of_images(part: Inspection, coloured: bool) -> Features:
    assert part.low is not None and part.sizes is not None
    names = [name for name in STATISTICS if coloured or name not in COLOURS]
    columns = [np.stack([part.statistic(name) for name in names], 1)]
    if isinstance(part.inputs.flat if isinstance(part.inputs, Bags) else part.inputs, EncodedImages):
        names, columns = [*names, "height", "width"], [*columns, part.sizes]
    names += [f"frequency {k // COARSE}, {k % COARSE}" for k in range(1, COARSE**2)]
    low = part.low[:, :COARSE, :COARSE].reshape(len(part.low), -1)[:, 1:]
    return Features(names, np.concatenate([*columns, low], axis=1, dtype=np.float64))


def _numbers(columns: Sequence[np.ndarray]) -> list[np.ndarray]:
    """One column of several tables as floats; a text becomes its rank, a missing value less than all others."""
    together = np.concatenate(columns)
    if together.dtype.kind in "biuf":
        known = together[np.isfinite(together)].astype(float)
        values = np.where(np.isfinite(together), together, known.min(initial=0) - 1)
    else:
        values = np.unique(together.astype(str), return_inverse=True)[1].astype(float)
    return np.split(values, np.cumsum([len(column) for column in columns])[:-1])
