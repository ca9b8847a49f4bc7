"""Augmentation: training images changed at random, their masks alike. uint8 in, uint8 out; uint16 alike.

Random numbers are drawn for a whole epoch at once, one row a sample, by whoever owns the seed; what is done to a sample
is a function of its row alone. OpenCV does the numbers of an `Augment` in a few calls a sample. albumentations would do
them at seven times the cost, 5 to 50 % of the time of a step (`python -m tests.benchmarks.augmentation`).
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from harness.data.images import warp
from harness.data.pixels.depth import full
from harness.errors import UserError

# Beyond these an image no longer shows its class, or a larger amount changes nothing more.
MOST = {
    "hflip": 0.5,
    "vflip": 0.5,
    "rotate": 180.0,
    "scale": 1.0,
    "shift": 0.5,
    "brightness": 0.5,
    "contrast": 0.9,
    "colour": 0.5,
}
COLUMNS = 14  # random numbers a sample, before the seed of the transforms


@dataclass(frozen=True, kw_only=True)
class Augment:
    """Flips, one affine warp and one brightness curve per image, then any transforms of albumentations.

    hflip, vflip: probabilities. rotate: degrees, either way. scale: 0.25 is from 1/1.25 to 1.25. shift: share of the
    image's size, either way. brightness: share of the full range that is added or taken. contrast: 0.2 is a factor
    from 0.8 to 1.2 around mid-grey. colour: the same two for red, green and blue each on their own, as dyes and lamps
    change them; of images with three channels only. The border is mirrored, in the mask too: what is seen there is
    labelled right.

    transforms: builds a list of albumentations transforms that keep the size, and imports the library inside. They see
    images of more than 8 bits as float32 from 0 to 1; one that changes colours may need three channels.
    """

    hflip: float = 0.5
    vflip: float = 0.0
    rotate: float = 0.0
    scale: float = 0.0
    shift: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    colour: float = 0.0
    transforms: Callable[[], Sequence[Any]] | None = None

    def draw(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """(count, 15) random numbers in 0..1, one row a sample; the last seeds the transforms."""
        return rng.random((count, COLUMNS + 1))

    def __call__(
        self, images: np.ndarray, masks: np.ndarray | None, draws: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """images: (n, h, w[, c]) uint8 or uint16; masks: (n, h, w) uint8, or None where targets are not masks."""
        import cv2

        cv2.setNumThreads(0)  # an image is too small to share
        if self.rotate or self.scale or self.shift:
            matrices = self._matrices(draws, *images.shape[1:3])
            images = warp(images, matrices, cv2.INTER_LINEAR)
            masks = masks if masks is None else warp(masks, matrices, cv2.INTER_NEAREST)
        else:
            horizontal, vertical = self._flips(draws)
            images = _flip(images, horizontal, vertical)
            masks = masks if masks is None else _flip(masks, horizontal, vertical)
        if self.brightness or self.contrast or self.colour:
            images = self._lit(images, draws)
        if self.transforms:
            _transform(_pipeline(self.transforms), images, masks, draws[:, COLUMNS])
        return images, masks

    def search_space(self, trial: Any) -> Self:
        """Every amount and probability times one strength, up to `MOST`; the transforms stay."""
        strength = trial.suggest_float("augment", 0.0, 1.5)
        return replace(self, **{name: min(getattr(self, name) * strength, most) for name, most in MOST.items()})

    def _flips(self, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return draws[:, 0] < self.hflip, draws[:, 1] < self.vflip

    def _matrices(self, draws: np.ndarray, height: int, width: int) -> np.ndarray:
        """(n, 2, 3): from a pixel of the result to where it lies in the source, x first, about the centre."""
        signed = 2 * draws - 1
        angle, zoom = np.radians(self.rotate) * signed[:, 2], (1 + self.scale) ** -signed[:, 3]
        flips = np.where(np.stack(self._flips(draws), 1), -1.0, 1.0)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]).transpose(2, 0, 1)
        linear = turn * zoom[:, None, None] * flips[:, None, :]
        centre = np.array([width - 1, height - 1]) / 2
        moved = centre + self.shift * signed[:, 4:6] * (width, height)
        return np.concatenate((linear, (moved - linear @ centre)[:, :, None]), 2)

    def _lit(self, images: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """Brightness, contrast and colours changed. Raise `UserError` where these have no three channels to change."""
        import cv2

        if self.colour and images.shape[3:] != (3,):
            raise UserError(
                f"augment= changes colours, and the images have {images.shape[3] if images.ndim == 4 else 1} channels; "
                "declare it without colour=, which changes red, green and blue alone"
            )
        lit, white = np.empty_like(images), full(images.dtype)
        factors, offsets = self._factors(draws, white)
        if images.dtype == np.uint8:
            levels = factors[:, None] * (np.arange(256)[:, None] - 127.5) + 127.5 + offsets[:, None]
            curves = np.clip(np.rint(levels), 0, 255).astype(np.uint8)  # (n, 256, 1 or 3)
            for image, curve, result in zip(images, curves, lit, strict=True):
                cv2.LUT(image, curve[:, None], result)
            return lit
        for image, factor, offset, result in zip(images, factors, offsets, lit, strict=True):
            values = (image - np.float32(white / 2)) * factor.astype(np.float32)
            values += (white / 2 + offset).astype(np.float32)
            result[...] = np.rint(np.clip(values, 0, white, out=values))
        return lit

    def _factors(self, draws: np.ndarray, white: int) -> tuple[np.ndarray, np.ndarray]:
        """(n, 1) factors around mid-grey and numbers that are added; (n, 3) where every channel has its own."""
        signed = 2 * draws - 1
        factor, offset = 1 + self.contrast * signed[:, 6:7], white * self.brightness * signed[:, 7:8]
        if self.colour:
            factor = factor * (1 + self.colour * signed[:, 8:11])
            offset = offset + white * self.colour * signed[:, 11:14]
        return factor, offset


# -- OpenCV ------------------------------------------------------------------------------------------------------------


def _flip(images: np.ndarray, horizontal: np.ndarray, vertical: np.ndarray) -> np.ndarray:
    flipped = images.copy()
    flipped[horizontal] = flipped[horizontal, :, ::-1]
    flipped[vertical] = flipped[vertical, ::-1]
    return flipped


# -- albumentations ----------------------------------------------------------------------------------------------------


@functools.cache
def _pipeline(transforms: Callable[[], Sequence[Any]]) -> Any:
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # its import asks a server for the newest version otherwise
    import albumentations

    return albumentations.Compose(list(transforms()))


def _transform(pipeline: Any, images: np.ndarray, masks: np.ndarray | None, draws: np.ndarray) -> None:
    """Change images and masks in place; a sample's seed is its draw alone."""
    for row, seed in enumerate((draws * 2**31).astype(np.int64).tolist()):
        pipeline.set_random_seed(seed)
        image = images[row][..., None] if images.ndim == 3 else images[row]
        deep = images.dtype != np.uint8
        if deep:
            image = image.astype(np.float32) / np.float32(full(images.dtype))
        try:
            changed = pipeline(image=image) if masks is None else pipeline(image=image, mask=masks[row])
        except (TypeError, ValueError) as error:
            if image.shape[2] in (1, 3) and not deep:
                raise
            raise UserError(
                f"augment=: a transform of albumentations does not take images with {image.shape[2]} channels of "
                f"{image.dtype} ({str(error).splitlines()[0]}); declare transforms without it"
            ) from error
        result = changed["image"].reshape(images[row].shape)
        images[row] = np.rint(np.clip(result, 0, 1) * full(images.dtype)) if deep else result
        if masks is not None:
            masks[row] = changed["mask"]
