"""Pictures of any number of channels: the last axis of an array, the bands of a file, or its pages."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.data.pixels import PLANES, SAMPLES_A_PIXEL, opened, orientation, tiff_tags, upright

if TYPE_CHECKING:
    from PIL import Image

ORDINARY = (None, 1, 3)  # channels that every picture is read with: grey, or red, green and blue
TIFF = (".tif", ".tiff")


def bands_left_out(image: "Image.Image") -> int:
    """How many channels of a TIFF file Pillow does not read: infrared beside red, green and blue, say."""
    tags = getattr(image, "tag_v2", {})
    return max(0, int(tags.get(SAMPLES_A_PIXEL, 1)) - len(image.getbands()))


def channels_in(file: Path) -> int | None:
    """How many channels an array or a TIFF file holds beside grey, colours and alpha; None where there are no more."""
    from PIL import UnidentifiedImageError

    if file.suffix.lower() == ".npy":
        shape = np.load(file, mmap_mode="r", allow_pickle=False).shape
        return None if len(shape) < 3 or shape[2] in ORDINARY else min(shape)
    if file.suffix.lower() not in TIFF:
        return None
    try:
        with opened(file) as image:
            left_out = bands_left_out(image)
            return len(image.getbands()) + left_out if left_out else None
    except UnidentifiedImageError:
        count = int(tiff_tags(file.read_bytes()).get(SAMPLES_A_PIXEL, 1))
        return None if count in ORDINARY else count


def read_channels(file: Path, channels: int) -> np.ndarray:
    """(h, w, channels) in the file's own numbers. Raise ValueError where it has another number of channels.

    Bands come before pages; of red, green, blue and a fourth channel, red is the first.
    """
    if file.suffix.lower() == ".npy":
        pixels = np.load(file, allow_pickle=False)
    else:
        pixels = bands_of(file, channels) if (pages := pages_of(file, channels)) is None else pages
    if pixels.ndim == 3 and pixels.shape[2] != channels and pixels.shape[0] == channels:
        pixels = np.moveaxis(pixels, 0, 2)
    if pixels.dtype.kind not in "buif" or pixels.ndim != 3 or pixels.shape[2] != channels:
        raise ValueError(f"{pixels.dtype} {pixels.shape} has no {channels} channels, as channels={channels} declares")
    return np.ascontiguousarray(pixels)


def pages_of(file: Path, channels: int) -> np.ndarray | None:
    """(channels, h, w) of a TIFF file with as many grey pages; None of another."""
    from PIL import ImageSequence, UnidentifiedImageError

    try:
        with opened(file) as image:
            if getattr(image, "n_frames", 1) != channels:
                return None
            pages = [np.asarray(page) for page in ImageSequence.Iterator(image)]
            return np.stack([page.astype(page.dtype.newbyteorder("="), copy=False) for page in pages])
    except UnidentifiedImageError:  # Pillow lacks most kinds of bands
        return None


def bands_of(file: Path, channels: int) -> np.ndarray:
    """(h, w, c) or (c, h, w): four side by side by cv2, others by tifffile."""
    import cv2

    content = file.read_bytes()
    if channels == 4 and tiff_tags(content).get(PLANES, 1) == 1:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
        if pixels is not None and pixels.shape[2:] == (4,):
            return upright(pixels[..., [2, 1, 0, 3]], turn_of(file))
    if file.suffix.lower() not in TIFF:
        raise ValueError(f"it has no {channels} channels, as channels={channels} declares")
    import tifffile

    return np.asarray(tifffile.imread(file))


def turn_of(file: Path) -> int:
    """The EXIF orientation, 1 where Pillow does not know the file."""
    from PIL import UnidentifiedImageError

    try:
        with opened(file) as image:
            return orientation(image)
    except UnidentifiedImageError:
        return 1
