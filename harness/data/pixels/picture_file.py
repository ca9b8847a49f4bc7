"""One picture on disk: its head, read without decoding it, and its pixels. Also DICOM files and arrays in .npy."""

import logging
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from harness.data.pixels import GREY_MODES, Size, decode, is_deep, is_plain, opened, size_of
from harness.data.pixels.channels import ORDINARY, bands_left_out, read_channels
from harness.data.pixels.depth import LEVELS, Form, ValueRange, full, learnt_range, levels_of, used_by
from harness.data.pixels.dicom import dicom, dicom_pixels, is_dicom, is_windowed
from harness.data.pixels.nifti import is_slice, slice_pixels
from harness.errors import UserError
from harness.paths import shown

log = logging.getLogger(__name__)

# What libraries raise. ImportError: ultralytics adds a decoder to PIL; AttributeError: pydicom, of what a file lacks.
BROKEN = (OSError, ValueError, EOFError, SyntaxError, ImportError, AttributeError, RuntimeError, struct.error)
DIM = 0.01  # of the range: fewer than three levels of 8 bits
BOOK_FORMATS = ("TIFF", "GIF", "WEBP")  # of Pillow: a file may hold several pictures


class PictureHead(NamedTuple):
    """size: (height, width) after turning. deep: more than 8 bits a channel. pages: pictures in the file. plain: read
    and turned alike by every library. left_out: channels of the file that are not read, unless they are declared."""

    size: Size
    grey: bool
    deep: bool = False
    pages: int = 1
    plain: bool = False
    left_out: int = 0


def head(file: Path, channels: int | None = None) -> PictureHead:
    """Raise `UserError` where it is not a picture. channels: as in `read_pixels`."""
    from PIL import UnidentifiedImageError

    with readable(file):
        if is_slice(file):
            pixels = slice_pixels(file)
            return PictureHead(pixels.shape[:2], grey=True, deep=pixels.dtype != np.uint8)
        if is_dicom(file):
            tags = dicom(file, pixels=False)
            grey = int(tags.SamplesPerPixel) == 1 and tags.PhotometricInterpretation != "PALETTE COLOR"
            deep = grey and int(tags.BitsStored) > 8 and not is_windowed(tags)
            return PictureHead((int(tags.Rows), int(tags.Columns)), grey, deep, int(tags.get("NumberOfFrames", 1)))
        if file.suffix.lower() != ".npy":
            try:
                with opened(file) as image:
                    pages = getattr(image, "n_frames", 1) if image.format in BOOK_FORMATS else 1
                    kind = image.mode in GREY_MODES, is_deep(image), pages, is_plain(image), bands_left_out(image)
                    return PictureHead(size_of(image), *kind)
            except UnidentifiedImageError:  # a TIFF file of coloured or 64-bit floats: only its pixels tell
                pass
        pixels = read_pixels(file, channels)
        left_out = int(file.suffix.lower() == ".npy" and np.load(file, mmap_mode="r").shape[2:] == (4,))
        return PictureHead(pixels.shape[:2], pixels.ndim == 2, pixels.dtype != np.uint8, left_out=left_out)


def heads_of(files: Sequence[Path], channels: int | None = None) -> list[PictureHead]:
    """The heads of all files; says in one line which hold several pages, of which the first is read, or channels."""
    heads = [head(file, channels) for file in files]
    if channels not in ORDINARY:
        return heads
    if cut := [(file, each.left_out) for file, each in zip(files, heads, strict=True) if each.left_out]:
        (first, count), more = cut[0], len(cut) - 1
        log.warning(
            "%s and %d more hold channels that are not read, %d in the first; declare channels=n to keep all n",
            *(shown(first), more, count),
        )
    if several := [(file, each.pages) for file, each in zip(files, heads, strict=True) if each.pages > 1]:
        (first, pages), more = several[0], len(several) - 1
        log.warning("%s holds %d pages, and %d other files several; the first is read", shown(first), pages, more)
    return heads


def read_pixels(file: Path, channels: int | None = None) -> np.ndarray:
    """(h, w) or (h, w, 3), red first, turned: uint8, or the file's own numbers where it is deeper.

    Of several pages the first. channels: where it is another number than 1 and 3, (h, w, channels) is read. Raise
    `UserError` where it is not a whole picture.
    """
    with readable(file):
        if channels not in ORDINARY:
            return read_channels(file, channels)
        if is_slice(file):
            return slice_pixels(file)
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
        hint = f"; channels={min(pixels.shape)} would read it whole" if pixels.ndim == 3 else ""
        raise ValueError(f"{pixels.dtype} {pixels.shape} is not numbers (height, width) or (height, width, 3){hint}")
    pixels = pixels[..., :3] if pixels.ndim == 3 else pixels
    return pixels.astype(np.uint8) * 255 if pixels.dtype == bool else pixels


def form_of(
    files: Sequence[Path],
    heads: Sequence[PictureHead],
    value_range: ValueRange | None = None,
    channels: int | None = None,
    most: type[np.integer] = np.uint16,
) -> Form:
    """How the files become inputs. value_range, channels: as declared; else what the files use, said in one line.

    uint16 where files hold more than 8 bits and use more than 256 levels, unless `most` is uint8.
    """
    channels = channels or (1 if all(each.grey for each in heads) else 3)
    deep = [file for file, each in zip(files, heads, strict=True) if each.deep]
    used, levels = [], set[float]()
    for file in deep:
        if value_range is not None and len(levels) > LEVELS:
            break
        pixels = read_pixels(file, channels)
        used.append(used_by(pixels))
        levels |= levels_of(pixels, value_range) if len(levels) <= LEVELS else set()
    dtype = most if len(levels) > LEVELS else np.uint8
    if not deep or value_range is not None:
        return Form(channels, dtype, value_range)
    low, high = learnt_range(used)
    log.warning(
        "%d of %d pictures hold more than 8 bits: the values that they use, %g to %g, become 0 to %d; declare another "
        "range with value_range=(low, high)",
        *(len(deep), len(files), low, high, full(dtype)),
    )
    dim = [file for file, each in zip(deep, used, strict=True) if each.high - each.low < DIM * (high - low)]
    if dim and len(dim) < len(deep):
        log.warning("%s and %d more use less than 1 %% of that range: they are black", shown(dim[0]), len(dim) - 1)
    return Form(channels, dtype, (low, high))


@contextmanager
def readable(file: Path) -> Iterator[None]:
    """Raise `UserError` where a library cannot read the file."""
    try:
        yield
    except UserError:
        raise
    except BROKEN as error:
        raise UserError(f"{shown(file)} is not readable as an image ({error}); get it again, or remove it") from error
