"""One look at every input, on which the checks rest: its digest, its size, its low frequencies, how grey it is."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np

from harness.audit.checks import first
from harness.audit.motifs import cosines
from harness.data.images import EncodedImages
from harness.data.samples import Samples
from harness.errors import UserError

SEEN = 24  # frequencies an axis; smaller pictures are alike by chance and only compared as bytes
LARGE = 192  # pixels a side, eight for each of the frequencies that are looked at
FILL, NEAR = 128, 2  # the grey that decoders fill a torn picture with, and how near is grey
COLOURS = ("red", "green", "blue")
STATISTICS = ("mean grey", "contrast", *COLOURS, "sharpness", "torn")


class Look(NamedTuple):
    """digests: of every input; sizes: (n, 2) height and width, low: (n, SEEN, SEEN) frequencies in grey levels, and
    statistics: (n, 7) as STATISTICS names them; None where the inputs are no pictures.

    torn: the share of the height, from below, that is the decoder's grey.
    """

    inputs: Any
    digests: Sequence[bytes]
    sizes: np.ndarray | None = None
    low: np.ndarray | None = None
    statistics: np.ndarray | None = None


def look(samples: Samples) -> Look:
    """Every input is read, and decoded, once. Raise `UserError` naming those that cannot be decoded."""
    inputs = samples.inputs
    if not are_pictures(inputs):
        return Look(inputs, [digest(row) for row in inputs])
    digests, sizes, low, statistics, broken = [], [], [], [], []
    for row in range(len(inputs)):
        try:
            picture = np.asarray(inputs[row])
        except UserError:
            broken.append(str(samples.ids[row]))
            continue
        digests.append(digest(picture))
        sizes.append(picture.shape[:2])
        small = shrunk(picture).astype(np.float32)
        grey = small.mean(2) if small.ndim == 3 else small
        low.append(low_frequencies(grey))
        statistics.append(told(small, grey))
    if broken:
        raise UserError(f"{len(broken)} pictures are torn off or cannot be decoded: {first(broken)}")
    return Look(inputs, digests, np.array(sizes), np.stack(low), np.array(statistics, np.float32))


def at(seen: Look, rows: np.ndarray) -> Look:
    """The look at these rows alone."""
    digests = [seen.digests[row] for row in rows.tolist()]
    columns = (None if column is None else column[rows] for column in (seen.sizes, seen.low, seen.statistics))
    return Look(seen.inputs[rows], digests, *columns)


def digest(content: Any) -> bytes:
    array = np.ascontiguousarray(content)
    return sha256(f"{array.shape}{array.dtype}".encode() + array.tobytes()).digest()


def are_pictures(inputs: Any) -> bool:
    shapes = np.unique(inputs.sizes, axis=0) if isinstance(inputs, EncodedImages) else [inputs.shape[1:]]
    return isinstance(inputs, EncodedImages) or all(len(shape) in (2, 3) and min(shape[:2]) >= SEEN for shape in shapes)


def low_frequencies(grey: np.ndarray) -> np.ndarray:
    """(SEEN, SEEN) float32, in grey levels: the lowest cosine frequencies without the mean; 0 of small pictures."""
    if min(grey.shape) < SEEN:
        return np.zeros((SEEN, SEEN), np.float32)
    level = grey - np.float32(grey.mean(dtype=np.float64))  # exactly zero where the picture is constant
    spectrum = cosines(SEEN, grey.shape[0]) @ level @ cosines(SEEN, grey.shape[1]).T * (2 / grey.size)
    spectrum[0, 0] = 0
    return spectrum


def told(small: np.ndarray, grey: np.ndarray) -> list[float]:
    """The STATISTICS of one picture."""
    colours = small.mean((0, 1)) if small.ndim == 3 else np.repeat(grey.mean(), 3)
    steps = float(np.abs(grey[1:] - grey[:-1]).mean() if len(grey) > 1 else 0)
    filled = (np.abs(grey - FILL) <= NEAR).all(1)[::-1]
    torn = len(filled) if filled.all() else int(filled.argmin())
    spread = 0.0 if grey.max() == grey.min() else float(grey.std())
    return [float(grey.mean()), spread, *map(float, colours[:3]), steps, torn / len(filled)]


def shrunk(picture: np.ndarray) -> np.ndarray:
    """At most LARGE pixels a side: the low frequencies stay what they are, at a tenth of the time."""
    import cv2

    sides = np.array(picture.shape[1::-1])
    if sides.max() <= LARGE:
        return picture
    size = np.maximum(1, np.ceil(sides * LARGE / sides.max())).astype(int)
    return cv2.resize(picture, tuple(size.tolist()), interpolation=cv2.INTER_AREA)
