"""Encoded images of any size, and the metadata of their files."""

import io
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.samples import Ragged
from harness.errors import UserError


@dataclass(frozen=True)
class EncodedImages(Ragged):
    """Encoded images (JPEG, PNG, BMP) of any size; a row is decoded when it is asked for: (h, w, 3) uint8, RGB.

    flat: (m,) uint8, the files' bytes one after the other.
    """

    @classmethod
    def read(cls, files: Sequence[Path]) -> "EncodedImages":
        """Raise `UserError` naming a file that is missing or not an image."""
        rows = []
        for file in files:
            try:
                rows.append(np.frombuffer(file.read_bytes(), np.uint8))
                size_of(rows[-1])
            except (OSError, ValueError) as error:
                raise UserError(f"{file} is not readable as an image ({error})") from error
        return cls.of(rows)

    def __getitem__(self, rows: Any) -> Any:
        import cv2

        item = super().__getitem__(rows)
        if isinstance(item, EncodedImages):
            return item
        image = cv2.imdecode(np.asarray(item), cv2.IMREAD_COLOR)
        if image is None:
            raise UserError("the bytes of an image cannot be decoded; the data are broken: get them again")
        return np.ascontiguousarray(image[..., ::-1])

    def encoded(self, row: int) -> bytes:
        """The bytes of one row, as its file had them."""
        return self.flat[self.offsets[row] : self.offsets[row + 1]].tobytes()

    @property
    def sizes(self) -> np.ndarray:
        """(n, 2) int: height and width, from the headers alone."""
        return np.array([size_of(self.flat[a:b]) for a, b in zip(self.offsets, self.offsets[1:], strict=False)])

    def map(self, change: Callable[[np.ndarray], np.ndarray]) -> "EncodedImages":
        """Change every image (h, w, 3), and store it without loss."""
        return EncodedImages.of([encode(change(image)) for image in self])


def encode(image: np.ndarray) -> np.ndarray:
    """Encode (h, w, 3) uint8, RGB, as the bytes of a BMP file: quick, and nothing is lost."""
    import cv2

    return cv2.imencode(".bmp", image[..., ::-1])[1].ravel()


def size_of(content: np.ndarray) -> tuple[int, int]:
    """Read (height, width) from the header; raise OSError where it is not an image."""
    from PIL import Image

    with Image.open(io.BytesIO(content.tobytes())) as image:
        return image.height, image.width


METADATA = [("bytes", np.int64), ("comment", "U200"), ("time", "U40")]
EXIF_TIMES = (0x0132, 0x9003, 0x9004)  # changed, taken, digitised
EXIF_IFD = 0x8769  # holds the times and what a user wrote


def file_metadata(contents: Iterable[bytes]) -> np.ndarray:
    """(n,) of METADATA: every file's length, the text of its comment, chunks and EXIF, and its time."""
    return np.array([(len(content), *text_and_time(content)) for content in contents], METADATA)


def text_and_time(content: bytes) -> tuple[str, str]:
    """Read the comments and the time of an image file; "" where there are none, or it is a kind that Pillow lacks."""
    import struct

    from PIL import Image, UnidentifiedImageError

    try:
        opened = Image.open(io.BytesIO(content))
    except UnidentifiedImageError:  # DICOM
        return "", ""
    with opened as image:
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


def warp(images: np.ndarray, matrices: np.ndarray, interpolation: int) -> np.ndarray:
    """Images (n, h, w[, 3]) seen through (n, 2, 3) affine matrices; what lies beyond the border is mirrored."""
    import cv2

    warped = np.empty_like(images)
    size, flags = images.shape[2:0:-1], interpolation | cv2.WARP_INVERSE_MAP
    for image, matrix, result in zip(images, matrices, warped, strict=True):
        cv2.warpAffine(image, matrix, size, result, flags, cv2.BORDER_REFLECT_101)
    return warped
