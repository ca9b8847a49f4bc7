"""One picture on disk: its head, read without decoding it, and its pixels. Also DICOM files and arrays in .npy."""

import logging
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from harness.data.pixels import GREY_MODES, Size, decode, is_deep, is_plain, opened, size_of
from harness.data.pixels.depth import ValueRange, learnt_range, used_by
from harness.data.pixels.dicom import dicom, dicom_pixels, is_dicom, is_windowed
from harness.errors import UserError
from harness.paths import shown

log = logging.getLogger(__name__)

# What libraries raise. ImportError: ultralytics adds a decoder to PIL; AttributeError: pydicom, of what a file lacks.
BROKEN = (OSError, ValueError, EOFError, SyntaxError, ImportError, AttributeError, RuntimeError, struct.error)
DIM = 0.01  # of the range: fewer than three levels of 8 bits
BOOK_FORMATS = ("TIFF", "GIF", "WEBP")  # of Pillow: a file may hold several pictures


class PictureHead(NamedTuple):
    """size: (height, width) after turning. deep: more than 8 bits a channel. pages: pictures in the file. plain: read
    and turned alike by every library."""

    size: Size
    grey: bool
    deep: bool = False
    pages: int = 1
    plain: bool = False


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
                    return PictureHead(size_of(image), image.mode in GREY_MODES, is_deep(image), pages, is_plain(image))
            except UnidentifiedImageError:  # a TIFF file of coloured or 64-bit floats: only its pixels tell
                pass
        pixels = read_pixels(file)
        return PictureHead(pixels.shape[:2], pixels.ndim == 2, pixels.dtype != np.uint8)


def heads_of(files: Sequence[Path]) -> list[PictureHead]:
    """The heads of all files; says in one line which hold several pages, of which the first is read."""
    heads = [head(file) for file in files]
    if several := [(file, each.pages) for file, each in zip(files, heads, strict=True) if each.pages > 1]:
        (first, pages), more = several[0], len(several) - 1
        log.warning("%s holds %d pages, and %d other files several; the first is read", shown(first), pages, more)
    return heads


def read_pixels(file: Path) -> np.ndarray:
    """(h, w) or (h, w, 3), red first, turned: uint8, or the file's own numbers where it is deeper.

    Of several pages the first. Raise `UserError` where it is not a whole picture.
    """
    with readable(file):
        if is_dicom(file):
            return dicom_pixels(file)
        return array_pixels(file) if file.suffix.lower() == ".npy" else decode(file.read_bytes())


def whole_bytes(file: Path) -> np.ndarray:
    """(m,) uint8, of a file that Pillow knows. Raise `UserError` where it is cut off."""
    with readable(file), opened(file) as image:
        image.draft(
            "L", (max(1, image.width // 8), max(1, image.height // 8))
        )  # an eighth of a JPEG is quick, and tells
        image.load()
    return np.fromfile(file, np.uint8)


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
    if not deep:
        return None
    used = [used_by(read_pixels(file)) for file in deep]
    low, high = learnt_range(used)
    log.warning(
        "%d of %d pictures hold more than 8 bits: the values that they use, %g to %g, become 0 to 255; declare another "
        "range with value_range=(low, high)",
        *(len(deep), len(files), low, high),
    )
    dim = [file for file, each in zip(deep, used, strict=True) if each.high - each.low < DIM * (high - low)]
    if dim and len(dim) < len(deep):
        log.warning("%s and %d more use less than 1 %% of that range: they are black", shown(dim[0]), len(dim) - 1)
    return low, high


@contextmanager
def readable(file: Path) -> Iterator[None]:
    """Raise `UserError` where a library cannot read the file."""
    try:
        yield
    except UserError:
        raise
    except BROKEN as error:
        raise UserError(f"{shown(file)} is not readable as an image ({error}); get it again, or remove it") from error
