"""Encoded images of any size, the metadata of their files, and a folder of images shaped like a competition's."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.samples import Ragged, Samples
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
        item = super().__getitem__(rows)
        return item if isinstance(item, EncodedImages) else decoded(item)

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


def decoded(content: np.ndarray) -> np.ndarray:
    import cv2

    image = cv2.imdecode(np.asarray(content), cv2.IMREAD_COLOR)
    if image is None:
        raise UserError("the bytes of an image cannot be decoded; the data are broken: get them again")
    return np.ascontiguousarray(image[..., ::-1])


def encode(image: np.ndarray) -> np.ndarray:
    """Encode (h, w, 3) uint8, RGB, as the bytes of a BMP file: quick, and nothing is lost."""
    import cv2

    return cv2.imencode(".bmp", image[..., ::-1])[1].ravel()


def size_of(content: np.ndarray) -> tuple[int, int]:
    """Read (height, width) from the header; raise OSError where it is not an image."""
    import io

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
    """Read the comments and the time of an image file; "" where there are none."""
    import io
    import struct

    from PIL import Image

    with Image.open(io.BytesIO(content)) as image:
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


SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}


def read_images(folder: Path, like: Any) -> Samples:
    """Read every image of the folder; its name is its id.

    like: `EncodedImages`, or (n, h, w) or (n, h, w, 3) uint8, RGB, whose shape the images must have. Raise `UserError`
    where there are none, or one cannot be read or has another size.
    """
    import cv2

    if not folder.is_dir():
        raise UserError(f"INPUT={folder} is not a folder of images")
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
    if not files:
        raise UserError(f"INPUT={folder} holds no images ({', '.join(sorted(SUFFIXES))})")
    ids = np.array([file.stem for file in files])
    if isinstance(like, EncodedImages):
        return Samples(ids, EncodedImages.read(files))
    images = np.empty((len(files), *like.shape[1:]), np.uint8)
    for row, file in enumerate(files):
        image = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE if like.ndim == 3 else cv2.IMREAD_COLOR)
        if image is None:
            raise UserError(f"{file} is not readable as an image")
        if image.shape[:2] != like.shape[1:3]:
            height, width = like.shape[1:3]
            size = f"{image.shape[0]} x {image.shape[1]} (height x width)"
            raise UserError(f"{file} is {size}, but the models see {height} x {width}")
        images[row] = image if like.ndim == 3 else image[..., ::-1]
    return Samples(ids, images)


def warp(images: np.ndarray, matrices: np.ndarray, interpolation: int) -> np.ndarray:
    import cv2

    warped = np.empty_like(images)
    size, flags = images.shape[2:0:-1], interpolation | cv2.WARP_INVERSE_MAP
    for image, matrix, result in zip(images, matrices, warped, strict=True):
        cv2.warpAffine(image, matrix, size, result, flags, cv2.BORDER_REFLECT_101)
    return warped
