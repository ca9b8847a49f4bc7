"""Views of test-time augmentation (TTA): flips and turns of whole images and masks, a flip and a scale for boxes.

Images are (n, h, w) or (n, h, w, 3) uint8, or `EncodedImages`; a table beside them stays as it is. Every view keeps
the size of an image, but the quarter turns and transpositions of one that is not square, and the scale.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from harness.data.images import EncodedImages
from harness.data.samples import Bags, Joined, Ragged
from harness.data.sized_masks import image_by_image
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
INVERSE = {name: name for name in TURNS} | {"rot90": "rot270", "rot270": "rot90"}
LARGER = 1.25  # a scaled image, in both directions


def of_image(name: str) -> View:
    """A view of a whole image, of which there is nothing to undo."""
    change = TURNS[name]

    def apply(inputs: Any) -> Any:
        if isinstance(inputs, Joined):
            return replace(inputs, images=apply(inputs.images))
        if isinstance(inputs, Bags):
            return replace(inputs, flat=apply(inputs.flat))
        if isinstance(inputs, EncodedImages):
            return inputs.map(lambda image: change(image[None])[0])
        return change(inputs)

    return View(apply, undo=lambda prediction, _: prediction)


def of_pixels(name: str) -> View:
    """A view whose inverse is applied to the probabilities of its pixels, (n, classes, h, w) or `Masks`."""
    inverse = TURNS[INVERSE[name]]

    def turned_back(probs_nchw: np.ndarray) -> np.ndarray:
        return np.moveaxis(inverse(np.moveaxis(probs_nchw, 1, -1)), -1, 1)

    return View(of_image(name).apply, lambda prediction, _: image_by_image(turned_back, prediction))


# -- boxes: rows of label, score, x1, y1, x2, y2 -----------------------------------------------------------------------


def unflipped(prediction: Ragged, images: EncodedImages) -> Ragged:
    width = np.repeat(images.sizes[:, 1], np.diff(prediction.offsets))
    flat = prediction.flat.copy()
    flat[:, 2], flat[:, 4] = width - prediction.flat[:, 4], width - prediction.flat[:, 2]
    return Ragged(flat, prediction.offsets)


def larger(image: np.ndarray) -> np.ndarray:
    """Resize (h, w, 3); a learner that resizes every image to one size must keep the difference."""
    import cv2

    height, width = (round(LARGER * side) for side in image.shape[:2])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)


def smaller(prediction: Ragged, images: EncodedImages) -> Ragged:
    ratio = (images.sizes / np.round(LARGER * images.sizes))[:, [1, 0, 1, 0]]
    flat = prediction.flat.copy()
    flat[:, 2:] *= np.repeat(ratio, np.diff(prediction.offsets), axis=0)
    return Ragged(flat, prediction.offsets)


# -- the views of the tasks --------------------------------------------------------------------------------------------

IMAGE_VIEWS = {name: of_image(name) for name in TURNS}
PIXEL_VIEWS = {name: of_pixels(name) for name in ("hflip", "vflip", "rot180")}
SQUARE_VIEWS = {name: of_pixels(name) for name in TURNS}  # other masks would get a shape that no network has seen
BOX_VIEWS = {
    "hflip": View(IMAGE_VIEWS["hflip"].apply, unflipped),
    "scale_up": View(lambda images: images.map(larger), smaller),
}
