"""Encoded images of any size, and the metadata of their files."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.large_arrays import joined
from harness.data.pixels import Size, decode, opened, size_of
from harness.data.pixels.depth import ValueRange, scaled
from harness.data.pixels.picture_file import PictureHead, form_of, heads_of, read_pixels, whole_bytes
from harness.data.samples import Ragged
from harness.errors import UserError


@dataclass(frozen=True)
class EncodedImages(Ragged):
    """Encoded images (JPEG, PNG, BMP) of any size; a row is decoded when it is asked for: (h, w, 3) uint8, RGB.

    Pixels and sizes are those after turning by the EXIF orientation. flat: (m,) uint8, the files' bytes one after the
    other; a file of another kind (GIF, WebP, TIFF, CMYK, more than 8 bits) is stored as its pixels, without loss.
    """

    @classmethod
    def read(cls, files: Sequence[Path], value_range: ValueRange | None = None) -> "EncodedImages":
        """Raise `UserError` naming a file that is missing or not an image.

        value_range: the values that become 0 and 255 where files hold more than 8 bits; by default what they use.
        """
        heads = heads_of(files)
        return cls.stored(files, heads, form_of(files, heads, value_range, most=np.uint8).value_range)

    @classmethod
    def stored(
        cls, files: Sequence[Path], heads: Sequence[PictureHead], value_range: ValueRange | None
    ) -> "EncodedImages":
        """As `read`, for files whose heads are known."""
        contents = (
            whole_bytes(file) if each.plain else encode(coloured(scaled(read_pixels(file), value_range)))
            for file, each in zip(files, heads, strict=True)
        )
        return cls(*joined(contents, np.uint8))

    def __getitem__(self, rows: Any) -> Any:
        item = super().__getitem__(rows)
        if isinstance(item, EncodedImages):
            return item
        try:
            return coloured(decode(item.tobytes()))
        except (OSError, ValueError, SyntaxError) as error:
            raise UserError(f"an image cannot be decoded ({error}); the data are broken: get them again") from error

    def encoded(self, row: int) -> bytes:
        """The bytes of one row, as its file had them."""
        return self.flat[self.offsets[row] : self.offsets[row + 1]].tobytes()

    @property
    def sizes(self) -> np.ndarray:
        """(n, 2) int: height and width, from the headers alone."""
        found = []
        for row in range(len(self)):
            with opened(self.encoded(row)) as image:
                found.append(size_of(image))
        return np.array(found)

    def map(self, change: Callable[[np.ndarray], np.ndarray]) -> "EncodedImages":
        """Change every image (h, w, 3), and store it without loss."""
        return EncodedImages(*joined((encode(change(image)) for image in self), np.uint8))


def coloured(pixels: np.ndarray) -> np.ndarray:
    """(h, w, 3) of (h, w) or (h, w, 3)."""
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)


def encode(image: np.ndarray) -> np.ndarray:
    """Encode (h, w, 3) uint8, RGB, as the bytes of a BMP file: quick, and nothing is lost."""
    import cv2

    return cv2.imencode(".bmp", image[..., ::-1])[1].ravel()


METADATA = [("bytes", np.int64), ("comment", "U200"), ("time", "U40")]
EXIF_TIMES = (0x0132, 0x9003, 0x9004)  # changed, taken, digitised
EXIF_IFD = 0x8769  # holds the times and what a user wrote


def file_metadata(contents: Iterable[bytes]) -> np.ndarray:
    """(n,) of METADATA: every file's length, the text of its comment, chunks and EXIF, and its time."""
    return np.array([(len(content), *text_and_time(content)) for content in contents], METADATA)


def text_and_time(content: bytes) -> tuple[str, str]:
    """Read the comments and the time of an image file; "" where there are none, or it is a kind that Pillow lacks."""
    import struct

    from PIL import UnidentifiedImageError

    with ExitStack() as stack:
        try:
            image = stack.enter_context(opened(content))
        except UnidentifiedImageError:  # DICOM, an array
            return "", ""
        texts = [image.info.get("comment"), *getattr(image, "text", {}).values()]
        tags: dict[int, Any] = {}
        with suppress(OSError, SyntaxError, ValueError, struct.error):  # torn EXIF is common, and the image is whole
            exif = image.getexif()
            tags = {**exif, **exif.get_ifd(EXIF_IFD)}
    texts += [value for tag, value in sorted(tags.items()) if tag not in EXIF_TIMES]
    time = next((as_text(tags[tag]) for tag in EXIF_TIMES if tag in tags), "")
    return " ".join(filter(None, map(as_text, texts))), time


def as_text(value: Any) -> str:
    """What a person could read of a value; "" of a number."""
    if isinstance(value, bytes):
        value = value.replace(b"\0", b"").decode("utf-8", "ignore")
    return "".join(filter(str.isprintable, value)).strip() if isinstance(value, str) else ""


def resized(pixels: np.ndarray, size: Size) -> np.ndarray:
    """(height, width[, c]) of pixels (h, w[, c]): by area where they are shrunk, else bilinear."""
    import cv2

    smaller = size[0] * size[1] < pixels.shape[0] * pixels.shape[1]
    interpolation = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    if pixels.ndim == 2 or pixels.shape[2] <= 4:  # no more channels by area
        return cv2.resize(pixels, size[::-1], interpolation=interpolation)
    return np.dstack([resized(pixels[..., k : k + 4], size) for k in range(0, pixels.shape[2], 4)])


def warp(images: np.ndarray, matrices: np.ndarray, interpolation: int) -> np.ndarray:
    """Images (n, h, w[, c]) seen through (n, 2, 3) affine matrices; what lies beyond the border is mirrored."""
    import cv2

    warped = np.empty_like(images)
    size, flags = images.shape[2:0:-1], interpolation | cv2.WARP_INVERSE_MAP
    for image, matrix, result in zip(images, matrices, warped, strict=True):
        cv2.warpAffine(image, matrix, size, result, flags, cv2.BORDER_REFLECT_101)
    return warped
