"""Test-time augmentation of masks (TTA views): the dihedral views, which are exact, and two scales.

Inputs are images (n, h, w) or (n, h, w, 3) uint8, predictions are probabilities (n, classes, h, w).
"""

import math

import numpy as np

from harness.tasks import View

HALVED = 32  # a side of a scaled view is a multiple of this, or of the largest power of two that divided it before


def turned(quarter_turns: int) -> View:
    """The view turned by so many times 90 degrees."""
    return View(
        apply=lambda images: np.rot90(images, quarter_turns, axes=(1, 2)),
        undo=lambda probs_nchw, _: np.rot90(probs_nchw, -quarter_turns, axes=(2, 3)),
    )


def scaled(factor: float) -> View:
    """The view resized by about `factor`: networks halve an image up to five times, and each half must be whole."""

    def apply(images: np.ndarray) -> np.ndarray:
        height, width = (scaled_side(side, factor) for side in images.shape[1:3])
        return resized(images, height, width)

    def undo(probs_nchw: np.ndarray, images: np.ndarray) -> np.ndarray:
        classes, planes = probs_nchw.shape[1], probs_nchw.reshape(-1, *probs_nchw.shape[2:]).astype(np.float32)
        probs = resized(planes, *images.shape[1:3]).reshape(-1, classes, *images.shape[1:3])
        return (probs / np.maximum(probs.sum(1, keepdims=True), 1e-6)).astype(probs_nchw.dtype)

    return View(apply, undo)


def scaled_side(side: int, factor: float) -> int:
    """The next multiple of what networks can halve beyond side * factor, at least one.

    >>> scaled_side(128, 1.25), scaled_side(128, 0.8), scaled_side(64, 1.25), scaled_side(8, 0.8)
    (160, 96, 96, 8)
    """
    multiple = math.gcd(side, HALVED)
    beyond = math.ceil if factor > 1 else math.floor
    return multiple * max(1, beyond(side * factor / multiple))


def resized(images: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize (n, h, w[, 3]) to (n, height, width[, 3]): bilinear where they grow, areas averaged where they shrink."""
    import cv2

    method = cv2.INTER_AREA if height < images.shape[1] else cv2.INTER_LINEAR
    result = np.empty((len(images), height, width, *images.shape[3:]), images.dtype)
    for row, image in enumerate(images):
        result[row] = cv2.resize(np.ascontiguousarray(image), (width, height), interpolation=method)
    return result


ANY_SHAPE = {
    "hflip": View(apply=lambda images: images[:, :, ::-1], undo=lambda probs_nchw, _: probs_nchw[..., ::-1]),
    "vflip": View(apply=lambda images: images[:, ::-1], undo=lambda probs_nchw, _: probs_nchw[..., ::-1, :]),
    "rot180": turned(2),
    "scale_up": scaled(1.25),
    "scale_down": scaled(0.8),
}
SQUARE = {  # of other shapes they would make images of a shape that no network here has seen
    "rot90": turned(1),
    "rot270": turned(3),
    "transpose": View(
        apply=lambda images: images.swapaxes(1, 2),
        undo=lambda probs_nchw, _: probs_nchw.swapaxes(2, 3),
    ),
    "antitranspose": View(
        apply=lambda images: images[:, ::-1, ::-1].swapaxes(1, 2),
        undo=lambda probs_nchw, _: probs_nchw.swapaxes(2, 3)[..., ::-1, ::-1],
    ),
}
