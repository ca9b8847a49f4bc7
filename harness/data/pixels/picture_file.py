"""One picture on disk: its head, read without decoding it, and its pixels. Also DICOM files and arrays in .npy."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from harness.data.pixels import GREY_MODES, Size, decode, is_deep, opened, size_of
from harness.data.pixels.depth import ValueRange, learnt_range
from harness.data.pixels.dicom import dicom, dicom_pixels, is_dicom, is_windowed
from harness.errors import UserError
from harness.paths import shown

BOOK_FORMATS = ("TIFF", "GIF", "WEBP")  # of Pillow: a file may hold several pictures


class PictureHead(NamedTuple):
    """size: (height, width) after turning. deep: more than 8 bits a channel. pages: pictures in the file."""

    size: Size
    grey: bool
    deep: bool = False
    pages: int = 1


def head(file: Path) -> PictureHead:
    """Raise `UserError` where it is not a picture."""
    from PIL import UnidentifiedImageError

    with readable(file):
        if is_dicom(file):
            tags = dicom(file, pixels=False)
            grey = int(tags.SamplesPerPixel) == 1 and tags.PhotometricInterpretation != "PALETTE COLOR"
            deep = grey and int(tags.BitsStored) > 8 and not is_windowed(tags)
            return PictureHead((int(tags.Rows), int(tags.Columns)), grey, deep, int(tags.get("NumberOfFrames", 1)))
        if file.suffix.lower() != ".npy":
            try:
                with opened(file) as image:
                    pages = getattr(image, "n_frames", 1) if image.format in BOOK_FORMATS else 1
                    return PictureHead(size_of(image), image.mode in GREY_MODES, is_deep(image), pages)
            except UnidentifiedImageError:  # a TIFF file of coloured or 64-bit floats: only its pixels tell
                pass
        pixels = read_pixels(file)
        return PictureHead(pixels.shape[:2], pixels.ndim == 2, pixels.dtype != np.uint8)


def read_pixels(file: Path) -> np.ndarray:
    """(h, w) or (h, w, 3), red first, turned: uint8, or the file's own numbers where it is deeper.

    Of several pages the first. Raise `UserError` where it is not a whole picture.
    """
    with readable(file):
        if is_dicom(file):
            return dicom_pixels(file)
        return array_pixels(file) if file.suffix.lower() == ".npy" else decode(file.read_bytes())


def array_pixels(file: Path) -> np.ndarray:
    """(h, w) or (h, w, 3) of an array (h, w), (h, w, 1), (h, w, 3) or (h, w, 4), whose last is alpha."""
    pixels = np.load(file, allow_pickle=False)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    if pixels.dtype.kind not in "buif" or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (3, 4))):
        raise ValueError(f"{pixels.dtype} {pixels.shape} is not numbers (height, width) or (height, width, 3)")
    pixels = pixels[..., :3] if pixels.ndim == 3 else pixels
    return pixels.astype(np.uint8) * 255 if pixels.dtype == bool else pixels


def value_range_of(files: Sequence[Path], heads: Sequence[PictureHead]) -> ValueRange | None:
    """The range of values of the files that are deeper than 8 bits, said in one line; None where none is."""
    deep = [file for file, each in zip(files, heads, strict=True) if each.deep]
    found = learnt_range(read_pixels(file) for file in deep)
    if found:
        logging.getLogger(__name__).warning(
            "%d of %d pictures hold more than 8 bits: the values that they use, %g to %g, become 0 to 255; "
            "declare another with value_range=(low, high)",
            len(deep), len(files), *found,
        )  # fmt: skip
    return found


@contextmanager
def readable(file: Path) -> Iterator[None]:
    """Raise `UserError` where a library cannot read the file."""
    try:
        yield
    except UserError:
        raise
    except (OSError, ValueError, SyntaxError, ImportError, AttributeError, RuntimeError) as error:
        # ImportError: ultralytics adds a decoder to PIL; AttributeError: pydicom, of what a file lacks
        raise UserError(f"{shown(file)} is not readable as an image ({error}); get it again, or remove it") from error
