"""Views of test-time augmentation (TTA): flips, turns, crops and scales of whole images, masks and boxes.

Images are (n, h, w) or (n, h, w, 3) uint8, or `EncodedImages`. Every view keeps the size of an image, but the quarter
turns and transpositions of one that is not square, and the scales of masks and boxes.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from harness.data.images import EncodedImages, warp
from harness.data.samples import Ragged
from harness.tasks import View

Change = Callable[[np.ndarray], np.ndarray]  # images (n, h, w[, c]) to as many others

TURNS: dict[str, Change] = {
    "hflip": lambda images: images[:, :, ::-1],
    "vflip": lambda images: images[:, ::-1],
    "rot90": lambda images: np.rot90(images, 1, axes=(1, 2)),
    "rot180": lambda images: np.rot90(images, 2, axes=(1, 2)),
    "rot270": lambda images: np.rot90(images, 3, axes=(1, 2)),
    "transpose": lambda images: images.swapaxes(1, 2),
    "antitranspose": lambda images: images[:, ::-1, ::-1].swapaxes(1, 2),
}
UNDO = {name: name for name in TURNS} | {"rot90": "rot270", "rot270": "rot90"}

CROP = 7 / 8  # of each side
CLOSER, FURTHER = 0.8, 1.25  # share of each side that a scaled view of a whole image sees
HALVED = 32  # a side of a scaled mask is a multiple of this, or of the largest power of two that divided it before


# -- whole images: there is nothing to undo ----------------------------------------------------------------------------


def of_image(change: Change) -> View:
    def apply(inputs: Any) -> Any:
        if isinstance(inputs, EncodedImages):
            return inputs.map(lambda image: change(image[None])[0])
        return change(inputs)

    return View(apply, undo=lambda prediction, _: prediction)


def zoomed(share: float, down: int = 0, right: int = 0) -> View:
    """The part of this share of both sides at the top (-1), in the middle (0) or at the bottom (1), likewise sideways,
    resized to the whole; what lies beyond the border is mirrored.
    """

    def change(images: np.ndarray) -> np.ndarray:
        import cv2

        height, width = images.shape[1:3]
        matrix = np.array(  # from a pixel of the result to where it lies in the source, x first
            [
                [share, 0, (1 - share) * (width - 1 + right * width) / 2],
                [0, share, (1 - share) * (height - 1 + down * height) / 2],
            ]
        )
        images = np.ascontiguousarray(images)
        return warp(images, np.broadcast_to(matrix, (len(images), 2, 3)), cv2.INTER_LINEAR)

    return of_image(change)


# -- masks: probabilities (n, classes, h, w) ---------------------------------------------------------------------------


def of_pixels(name: str) -> View:
    """A flip or turn, and its inverse on the probabilities."""
    inverse = TURNS[UNDO[name]]
    return View(TURNS[name], lambda probs_nchw, _: np.moveaxis(inverse(np.moveaxis(probs_nchw, 1, -1)), -1, 1))


def scaled_pixels(factor: float) -> View:
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


# -- boxes: rows of label, score, x1, y1, x2, y2 -----------------------------------------------------------------------


def flipped_boxes() -> View:
    def undo(prediction: Ragged, images: EncodedImages) -> Ragged:
        width = np.repeat(images.sizes[:, 1], np.diff(prediction.offsets))
        flat = prediction.flat.copy()
        flat[:, 2], flat[:, 4] = width - prediction.flat[:, 4], width - prediction.flat[:, 2]
        return Ragged(flat, prediction.offsets)

    return View(lambda images: images.map(lambda image: image[:, ::-1]), undo)


def scaled_boxes(factor: float) -> View:
    """The view resized by `factor`; a learner that resizes every image to one size must keep the difference."""

    def sides(before: Any) -> np.ndarray:
        return np.maximum(1, np.round(np.asarray(before) * factor)).astype(int)

    def undo(prediction: Ragged, images: EncodedImages) -> Ragged:
        ratio = (images.sizes / sides(images.sizes))[:, [1, 0, 1, 0]]
        flat = prediction.flat.copy()
        flat[:, 2:] *= np.repeat(ratio, np.diff(prediction.offsets), axis=0)
        return Ragged(flat, prediction.offsets)

    return View(lambda images: images.map(lambda image: resized(image[None], *sides(image.shape[:2]))[0]), undo)


# -- the views of the tasks --------------------------------------------------------------------------------------------

IMAGE_VIEWS = {
    **{name: of_image(change) for name, change in TURNS.items()},
    "crop_tl": zoomed(CROP, -1, -1),
    "crop_tr": zoomed(CROP, -1, 1),
    "crop_bl": zoomed(CROP, 1, -1),
    "crop_br": zoomed(CROP, 1, 1),
    "crop_centre": zoomed(CROP),
    "scale_up": zoomed(CLOSER),
    "scale_down": zoomed(FURTHER),
}
PIXEL_VIEWS = {
    **{name: of_pixels(name) for name in ("hflip", "vflip", "rot180")},
    "scale_up": scaled_pixels(1.25),
    "scale_down": scaled_pixels(0.8),
}
SQUARE_VIEWS = {  # of other shapes they would make images of a shape that no network here has seen
    name: of_pixels(name) for name in ("rot90", "rot270", "transpose", "antitranspose")
}
BOX_VIEWS = {"hflip": flipped_boxes(), "scale_up": scaled_boxes(1.25), "scale_down": scaled_boxes(0.8)}
