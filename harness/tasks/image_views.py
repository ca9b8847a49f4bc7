"""Test-time augmentation of whole images (TTA views): flips, turns, crops, scales; there is nothing to undo.

Every view keeps the size of an image, but the quarter turns and transpositions of one that is not square.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from harness.data.images import EncodedImages, warp
from harness.tasks import View

CROP = 7 / 8  # of each side
CLOSER, FURTHER = 0.8, 1.25  # share of each side that a scaled view sees


def view(change: Callable[[np.ndarray], np.ndarray]) -> View:
    """change: images (n, h, w) or (n, h, w, 3) uint8 to as many others."""

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

    return view(change)


IMAGE_VIEWS = {
    "hflip": view(lambda images: images[:, :, ::-1]),
    "vflip": view(lambda images: images[:, ::-1]),
    "rot90": view(lambda images: np.rot90(images, 1, axes=(1, 2))),
    "rot180": view(lambda images: np.rot90(images, 2, axes=(1, 2))),
    "rot270": view(lambda images: np.rot90(images, 3, axes=(1, 2))),
    "transpose": view(lambda images: images.swapaxes(1, 2)),
    "antitranspose": view(lambda images: images[:, ::-1, ::-1].swapaxes(1, 2)),
    "crop_tl": zoomed(CROP, -1, -1),
    "crop_tr": zoomed(CROP, -1, 1),
    "crop_bl": zoomed(CROP, 1, -1),
    "crop_br": zoomed(CROP, 1, 1),
    "crop_centre": zoomed(CROP),
    "scale_up": zoomed(CLOSER),
    "scale_down": zoomed(FURTHER),
}
