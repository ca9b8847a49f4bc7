"""Which rows a gallery shows, from the worst to the best, and a grey picture in colours."""

import numpy as np

from harness.metrics import Metric


def row_scores(metric: Metric, statistics: np.ndarray) -> np.ndarray:
    """(n,) float: the metric of every row alone, NaN where it says nothing of one row."""
    return np.array([metric.score(statistics[row : row + 1]) for row in range(len(statistics))], float)


def chosen(metric: Metric, scores: np.ndarray, most: int) -> list[list[int]]:
    """The rows of the worst, the middle and the best, at most so many of each, worst first; none stands twice.

    Rows of one score stay in their order.
    """
    order = np.argsort(scores if metric.higher_is_better else -scores, kind="stable")
    order = order[np.isfinite(scores[order])]
    each = min(most, -(-len(order) // 3))
    middle = max(each, (len(order) - each) // 2)
    best = max(middle + each, len(order) - each)
    return [order[first : first + each].tolist() for first in (0, middle, best)]


def rgb(image: np.ndarray) -> np.ndarray:
    """(h, w, 3) uint8 of a colour picture, or of a grey one, whose contrast is stretched."""
    import cv2

    if image.ndim == 3:
        return image
    stretched = cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX)  # type: ignore[call-overload]
    return np.repeat(stretched[..., None], 3, axis=2)
