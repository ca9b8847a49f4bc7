"""Image files: those below a folder, those that ids name, their sizes and their pixels."""

import logging
import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.images import EncodedImages, encode
from harness.errors import UserError, nearest
from harness.paths import shown

Size = tuple[int, int]  # height, width

DICOM = (".dcm", ".dicom")
SUFFIXES = (".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp", *DICOM)
GREY_MODES = ("1", "L", "LA", "I", "I;16", "F")  # of PIL
TURNED = (5, 6, 7, 8)  # values of the orientation tag with height and width exchanged
ORIENTATION = 0x0112
NUMBERED = re.compile(r"0*(?=\d)")  # zeros before a number


# -- names -------------------------------------------------------------------------------------------------------------


def files_below(*folders: Path) -> list[Path]:
    """Every image in the folders and in the folders there, sorted, but no hidden one.

    Raise `UserError` where there is no folder, or no image in it.
    """
    files = []
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"{shown(folder)} does not exist; it should be a folder of images")
        found = [file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and not is_hidden(file, folder)]
        if not found:
            raise UserError(f"{shown(folder)} holds no images ({', '.join(SUFFIXES)})")
        files += found
    return sorted(files)


def is_hidden(file: Path, folder: Path) -> bool:
    """Litter of archives and file managers: .DS_Store, ._a.png, __MACOSX/."""
    return any(part.startswith(".") or part == "__MACOSX" for part in file.relative_to(folder).parts)


def names_of(file: Path, folder: Path) -> set[str]:
    """How an id may name it: with or without the suffix, by name or by path, also with the folder's own name before."""
    inside, beside = file.relative_to(folder), file.relative_to(folder.parent)
    return {str(path) for full in (Path(file.name), inside, beside) for path in (full, full.with_suffix(""))}


def composed(name: str) -> str:
    """With one code point for a letter and its accent (Unicode's normal form NFC)."""
    return unicodedata.normalize("NFC", name)


class ImageFiles:
    """The images below some folders, by every name that an id may give them.

    Letters may be composed or not ("é" in one or two code points, as macOS writes it), and a number may have lost the
    zeros before it, as spreadsheets and pandas write it: 7 for 007.png; that is said once.
    """

    def __init__(self, *folders: Path):
        self.folders, self.files = folders, files_below(*folders)
        self.named: dict[str, list[Path]] = {}
        for folder in folders:
            for file in files_below(folder):
                for name in names_of(file, folder):
                    self.named.setdefault(composed(name), []).append(file)
        self.without_zeros: dict[str, list[Path]] | None = None

    def find(self, name: str) -> Path:
        """Raise `UserError` for a name of no image, or of two."""
        where = " and ".join(map(shown, self.folders))
        path = composed(name).replace("\\", "/").removeprefix("./")  # of Windows, of a shell
        found = self.named.get(composed(name)) or self.named.get(path) or self.numbered(name)
        if not found:
            raise UserError(f"{name!r} is not an image of {where}{nearest(name, self.named)}")
        if len(found) > 1:
            two = " and ".join(map(shown, found[:2]))
            raise UserError(f"{name!r} names {two}; rename one, or give the path in the id")
        return found[0]

    def numbered(self, name: str) -> list[Path]:
        """The images whose names are this number with zeros before it."""
        if not NUMBERED.match(name):
            return []
        first = self.without_zeros is None
        if self.without_zeros is None:
            self.without_zeros = {}
            for each, files in self.named.items():
                self.without_zeros.setdefault(NUMBERED.sub("", each), []).extend(files)
        found = self.without_zeros.get(NUMBERED.sub("", name), [])
        if found and first:
            logging.getLogger(__name__).warning(
                "%r is taken for %s: numbers have lost the zeros before them", name, shown(found[0])
            )
        return found


def files_named(ids: Sequence[str], *folders: Path) -> dict[str, Path]:
    """id -> file; raise `UserError` for an id that names no image, or two."""
    images = ImageFiles(*folders)
    return {name: images.find(name) for name in ids}


# -- pixels ------------------------------------------------------------------------------------------------------------


def read_images(files: Sequence[Path], size: Size | None = None) -> Any:
    """Read one array of images of one size, or resized; else `EncodedImages`. `UserError` names an unreadable one."""
    heads = [head(file) for file in files]
    if size is None and len({shape for shape, _ in heads}) > 1:
        if any(file.suffix.lower() in DICOM for file in files):
            return EncodedImages.of([encode(decoded(file, False, None)) for file in files])
        return EncodedImages.read(files)
    grey = all(is_grey for _, is_grey in heads)
    images = np.empty((len(files), *(size or heads[0][0]), *(() if grey else (3,))), np.uint8)
    for row, file in enumerate(files):
        images[row] = decoded(file, grey, size)
    return images


def head(file: Path) -> tuple[Size, bool]:
    """Read (height, width) after turning, and whether the image is grey; without decoding it."""
    from PIL import Image

    if file.suffix.lower() in DICOM:
        dataset = dicom(file, pixels=False)
        return (int(dataset.Rows), int(dataset.Columns)), int(dataset.SamplesPerPixel) == 1
    with readable(file), Image.open(file) as image:
        width, height = image.size
        turned = image.getexif().get(ORIENTATION) in TURNED
        return (width, height) if turned else (height, width), image.mode in GREY_MODES


def decoded(file: Path, grey: bool, size: Size | None) -> np.ndarray:
    """(h, w) or (h, w, 3) uint8, turned by its EXIF orientation."""
    import cv2
    from PIL import Image, ImageOps

    with readable(file):
        if file.suffix.lower() in DICOM:
            image = Image.fromarray(dicom_pixels(file))
        else:
            with Image.open(file) as opened:
                image = ImageOps.exif_transpose(opened)
        if image.mode.startswith("I;16"):
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        pixels = np.asarray(image.convert("L" if grey else "RGB"))
    if size and pixels.shape[:2] != size:
        smaller = size[0] * size[1] < pixels.shape[0] * pixels.shape[1]
        pixels = cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
    return pixels


def dicom(file: Path, pixels: bool) -> Any:
    """The data set of a DICOM file."""
    import pydicom

    with readable(file):
        return pydicom.dcmread(file, stop_before_pixels=not pixels)


def dicom_pixels(file: Path) -> np.ndarray:
    """(h, w) or (h, w, 3) uint8: rescaled, in the window of the file or else in the range of its values."""
    from pydicom.pixels import apply_modality_lut, apply_voi_lut

    dataset = dicom(file, pixels=True)
    stored = dataset.pixel_array
    if stored.ndim == 3:
        return stored.astype(np.uint8)
    values = np.asarray(apply_voi_lut(apply_modality_lut(stored, dataset), dataset), np.float64)
    windowed = "WindowCenter" in dataset or dataset.BitsStored > 8
    low, high = (values.min(), values.max()) if windowed else (0, 255)
    grey = np.clip((values - low) / max(high - low, 1e-9), 0, 1) * 255
    return np.round(255 - grey if dataset.PhotometricInterpretation == "MONOCHROME1" else grey).astype(np.uint8)


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


def label_mask(mask: Path, image: Path, values: Sequence[int] | None, size: Size | None) -> np.ndarray:
    """(h, w) uint8 labels. Colours of a palette are its numbers; three equal channels are one."""
    import cv2
    from PIL import Image

    (shape, _), (expected, _) = head(mask), head(image)
    if shape != expected:
        raise UserError(
            f"{shown(mask)} is {shape[0]} x {shape[1]} (height x width), "
            f"but its image {image.name} is {expected[0]} x {expected[1]}"
        )
    with readable(mask), Image.open(mask) as opened:
        pixels = np.asarray(opened).astype(np.int64)
    channels = pixels if pixels.ndim == 3 else pixels[..., None]
    if channels.shape[2] > 2 and (channels[..., :3] != channels[..., :1]).any():
        raise UserError(f"{shown(mask)} is coloured; save masks as grey images with one number for every class")
    labels = channels[..., 0]
    coded = labels if values is None else np.full(labels.shape, -1)
    for label, value in enumerate(values or ()):
        coded[labels == value] = label
    if (wrong := (coded < 0) | (coded > 255)).any():
        row, column = np.argwhere(wrong)[0]
        raise UserError(
            f"{shown(mask)}, row {row}, column {column} holds {labels[row, column]}, "
            f"but the values of the labels are {', '.join(map(str, values or ('0 to 255',)))}"
        )
    coded = coded.astype(np.uint8)
    return coded if size is None else cv2.resize(coded, size[::-1], interpolation=cv2.INTER_NEAREST)
