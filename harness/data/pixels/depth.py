"""Pictures of more than 8 bits (12-bit and 16-bit cameras, floats): one range of values for all files of a data set.

What lies in the range is spread over 0 to 255, so a picture keeps as many levels of grey as 8 bits can show.
"""

from collections.abc import Iterable, Sequence

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
    share = (pixels.astype(np.float64) - low) / max(high - low, 1e-30)
    return np.round(np.clip(np.nan_to_num(share, nan=0.0), 0, 1) * 255).astype(np.uint8)


def learnt_range(pictures: Iterable[np.ndarray]) -> ValueRange | None:
    """The range that pictures (h, w[, 3]) of more than 8 bits use; None where there is none.

    From the lowest to the highest finite value, but (0, 255) where all of them are whole numbers between. Where 0.1 %
    of the pixels at each end of a picture widen the range more than fourfold (hot pixels of a camera), they are
    clipped.
    """
    ends, whole = list[Sequence[float]](), True
    for pixels in pictures:
        values = pixels[np.isfinite(pixels)] if pixels.dtype.kind == "f" else pixels.ravel()
        if len(values):
            few = np.quantile(values, (FEW, 1 - FEW), method="nearest")
            ends.append((float(values.min()), *few.tolist(), float(values.max())))
            whole = whole and values.min() >= 0 and values.max() <= 255 and not np.any(values % 1)
    if not ends:
        return None
    (low, inner_low, _, _), (_, _, inner_high, high) = np.min(ends, 0).tolist(), np.max(ends, 0).tolist()
    if whole and high > 1:
        return 0.0, 255.0
    if low == high:  # plain pictures: the range of their type
        return 0.0, 65535.0 if high > 1 else 1.0
    hot = inner_high > inner_low and high - low > FAR * (inner_high - inner_low)
    return (inner_low, inner_high) if hot else (low, high)
