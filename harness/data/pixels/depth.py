"""Pictures of more than 8 bits (12-bit and 16-bit cameras, floats): one range of values for all files of a data set.

What lies in the range is spread over 0 to 255, so a picture keeps as many levels of grey as 8 bits can show.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

ValueRange = tuple[float, float]  # the values that become 0 and 255

FEW = 0.001  # the share of the pixels of a picture that may be hot or dead
FAR = 4  # hot and dead pixels count as such where they widen the range so many times


def scaled(pixels: np.ndarray, value_range: ValueRange | None) -> np.ndarray:
    """uint8 of pixels of any depth: what lies beyond the range is clipped to it, NaN becomes 0.

    Pixels of 8 bits stay as they are, and so do whole numbers where the range is 0 to 255.
    """
    if pixels.dtype == np.uint8 or value_range is None:
        return pixels.astype(np.uint8)
    low, high = value_range
    values = pixels.astype(np.float64)
    values -= low  # in place: pictures may fill the memory
    values *= 255 / max(high - low, 1e-30)
    np.nan_to_num(values, copy=False)
    return np.rint(np.clip(values, 0, 255, out=values), out=values).astype(np.uint8)


class Used(NamedTuple):
    """Ends of the values of one picture, those without FEW pixels, and whether all are whole numbers from 0 to 255."""

    low: float
    inner_low: float
    inner_high: float
    high: float
    whole: bool


def used_by(pixels: np.ndarray) -> Used:
    """Of pixels (h, w[, 3]); NaN and infinities are left out."""
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
