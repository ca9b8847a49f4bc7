"""Pictures of more than 8 bits (12-bit and 16-bit cameras, floats): one range of values for all files of a data set.

What lies in the range is spread over 0 to 65535, or over 0 to 255 where no more than 256 levels are used.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

ValueRange = tuple[float, float]  # the values that become 0 and 255, or 0 and 65535

LEVELS = 256  # of 8 bits
FEW = 0.001  # the share of the pixels of a picture that may be hot or dead
FAR = 4  # hot and dead pixels count as such where they widen the range so many times


class Form(NamedTuple):
    """How pictures become inputs: (h, w) where there is one channel, else (h, w, channels), of the dtype.

    dtype: uint8 or uint16; what lies in the value_range is spread over all its numbers. value_range: None where all
    files hold 8 bits.
    """

    channels: int = 3
    dtype: type[np.integer] = np.uint8
    value_range: ValueRange | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one pixel."""
        return () if self.channels == 1 else (self.channels,)


def full(dtype: Any) -> int:
    """What white is in images of a whole type: 255 or 65535."""
    return int(np.iinfo(dtype).max)


def scaled(pixels: np.ndarray, value_range: ValueRange | None, dtype: type[np.integer] = np.uint8) -> np.ndarray:
    """uint8 or uint16 of pixels of any depth: what lies beyond the range is clipped to it, NaN becomes 0.

    Pixels of 8 bits stay as bright as they are, and so do whole numbers where the range is 0 to 255.
    """
    if pixels.dtype == np.uint8 or value_range is None:
        eight = pixels.astype(np.uint8)
        return eight if dtype == np.uint8 else eight.astype(dtype) * dtype(full(dtype) // 255)
    low, high = value_range
    values = pixels.astype(np.float64)
    values -= low  # in place: pictures may fill the memory
    values *= full(dtype) / max(high - low, 1e-30)
    np.nan_to_num(values, copy=False)
    return np.rint(np.clip(values, 0, full(dtype), out=values), out=values).astype(dtype)


def displayed(image: np.ndarray) -> np.ndarray:
    """(h, w) or (h, w, 3) uint8 of an image (h, w[, c]): of two channels the first, of more than three the first three.

    The contrast of one with more than 8 bits is stretched, since hot pixels leave the rest of it dark.
    """
    if image.ndim == 3 and image.shape[2] != 3:
        image = image[..., 0] if image.shape[2] < 3 else image[..., :3]
    if image.dtype == np.uint8:
        return image
    return scaled(image, learnt_range([used_by(image)]))


def levels_of(pixels: np.ndarray, value_range: ValueRange | None = None) -> set[float]:
    """The values that a picture uses within the range; some of them where they are more than LEVELS."""
    values = pixels if value_range is None else np.clip(pixels, *value_range)
    values = np.unique(values, equal_nan=True)[: LEVELS + 1]
    return set(values[np.isfinite(values)].tolist())


class Used(NamedTuple):
    """Ends of the values of one picture, those without FEW pixels, and whether all are whole numbers from 0 to 255."""

    low: float
    inner_low: float
    inner_high: float
    high: float
    whole: bool


def used_by(pixels: np.ndarray) -> Used:
    """Of pixels (h, w[, c]); NaN and infinities are left out."""
    values = pixels[np.isfinite(pixels)] if pixels.dtype.kind == "f" else pixels.ravel()
    values = values if len(values) else np.zeros(1)
    low, high = float(values.min()), float(values.max())
    inner_low, inner_high = np.quantile(values, (FEW, 1 - FEW), method="nearest").tolist()
    return Used(low, inner_low, inner_high, high, low >= 0 and high <= 255 and not np.any(values % 1))


def learnt_range(pictures: Sequence[Used]) -> ValueRange:
    """The range that pictures of more than 8 bits use, at least one.

    From the lowest to the highest value, but (0, 255) where all of them are whole numbers between. Where the last 0.1 %
    of the pixels at each end of the pictures widen the range more than fourfold (hot pixels of a camera), they are
    clipped.
    """
    low, high = min(used.low for used in pictures), max(used.high for used in pictures)
    if high > 1 and all(used.whole for used in pictures):
        return 0.0, 255.0
    if low == high:  # plain pictures: the range of their type
        return 0.0, 65535.0 if high > 1 else 1.0
    inner_low, inner_high = min(used.inner_low for used in pictures), max(used.inner_high for used in pictures)
    hot = inner_high > inner_low and high - low > FAR * (inner_high - inner_low)
    return (inner_low, inner_high) if hot else (low, high)
