"""Pictures as files hold them: of different sizes and encoded, and those of a folder, shaped like a competition's."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.samples import Ragged, Samples
from harness.errors import UserError


@dataclass(frozen=True)
class Pictures(Ragged):
    """Encoded pictures (JPEG, PNG, BMP) of any size; one row is decoded when asked for, (h, w, 3) uint8, RGB.

    flat: (m,) uint8, the files' bytes one after the other.
    """

    @classmethod
    def read(cls, files: Sequence[Path]) -> "Pictures":
        """Raise `UserError` naming a file that is missing or no picture."""
        rows = []
        for file in files:
            try:
                rows.append(np.frombuffer(file.read_bytes(), np.uint8))
                size_of(rows[-1])
            except (OSError, ValueError) as error:
                raise UserError(f"{file} is not readable as a picture ({error})") from error
        return cls.of(rows)

    def __getitem__(self, rows: Any) -> Any:
        found = super().__getitem__(rows)
        return found if isinstance(found, Pictures) else decoded(found)

    def encoded(self, row: int) -> bytes:
        """The bytes of one row, as its file had them."""
        return self.flat[self.offsets[row] : self.offsets[row + 1]].tobytes()

    @property
    def sizes(self) -> np.ndarray:
        """(n, 2) int: height and width, from the headers alone."""
        return np.array([size_of(self.flat[a:b]) for a, b in zip(self.offsets, self.offsets[1:], strict=False)])

    def changed(self, change: Callable[[np.ndarray], np.ndarray]) -> "Pictures":
        """Every picture (h, w, 3) changed, and kept without loss."""
        return Pictures.of([encode(change(picture)) for picture in self])


def decoded(content: np.ndarray) -> np.ndarray:
    import cv2

    picture = cv2.imdecode(np.asarray(content), cv2.IMREAD_COLOR)
    if picture is None:
        raise UserError("the bytes of a picture cannot be decoded; the data are broken: get them again")
    return np.ascontiguousarray(picture[..., ::-1])


def encode(picture: np.ndarray) -> np.ndarray:
    """(h, w, 3) uint8, RGB, as the bytes of a BMP file: quick, and nothing is lost."""
    import cv2

    return cv2.imencode(".bmp", picture[..., ::-1])[1].ravel()


def size_of(content: np.ndarray) -> tuple[int, int]:
    """(height, width) from the header; raise OSError where it is none."""
    import io

    from PIL import Image

    with Image.open(io.BytesIO(content.tobytes())) as image:
        return image.height, image.width


WRITTEN = [("bytes", np.int64), ("comment", "U200"), ("time", "U40")]
TIMES = (0x0132, 0x9003, 0x9004)  # of EXIF: changed, taken, digitised
SUBFOLDER = 0x8769  # of EXIF, which holds the times of taking and what a user wrote


def written(contents: Iterable[bytes]) -> np.ndarray:
    """(n,) of WRITTEN: how long every file is, what its comment, text chunks and EXIF say, and when it was taken."""
    return np.array([(len(content), *words_and_time(content)) for content in contents], WRITTEN)


def words_and_time(content: bytes) -> tuple[str, str]:
    """ "" where nothing is written."""
    import io
    import struct

    from PIL import Image

    with Image.open(io.BytesIO(content)) as image:
        words = [image.info.get("comment"), *getattr(image, "text", {}).values()]
        tags: dict[int, Any] = {}
        with suppress(OSError, SyntaxError, ValueError, struct.error):  # torn EXIF is common, and the picture is whole
            exif = image.getexif()
            tags = {**exif, **exif.get_ifd(SUBFOLDER)}
    words += [value for tag, value in sorted(tags.items()) if tag not in TIMES]
    time = next((as_text(tags[tag]) for tag in TIMES if tag in tags), "")
    return " ".join(filter(None, map(as_text, words))), time


def as_text(value: Any) -> str:
    """What a person could read of a value; "" of a number."""
    if isinstance(value, bytes):
        value = value.replace(b"\0", b"").decode("utf-8", "ignore")
    return "".join(filter(str.isprintable, value)).strip() if isinstance(value, str) else ""


SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}


def read_pictures(folder: Path, like: Any) -> Samples:
    """Every picture of the folder, its name as its id. like: `Pictures`, or (n, h, w) or (n, h, w, 3) uint8, RGB.

    Raise `UserError` where there are none, or one cannot be read or has another size.
    """
    import cv2

    if not folder.is_dir():
        raise UserError(f"INPUT={folder} is not a folder of pictures")
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
    if not files:
        raise UserError(f"INPUT={folder} holds no pictures ({', '.join(sorted(SUFFIXES))})")
    ids = np.array([file.stem for file in files])
    if isinstance(like, Pictures):
        return Samples(ids, Pictures.read(files))
    pictures = np.empty((len(files), *like.shape[1:]), np.uint8)
    for row, file in enumerate(files):
        picture = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE if like.ndim == 3 else cv2.IMREAD_COLOR)
        if picture is None:
            raise UserError(f"{file} is not readable as a picture")
        if picture.shape[:2] != like.shape[1:3]:
            height, width = like.shape[1:3]
            found = f"{picture.shape[0]} x {picture.shape[1]} (height x width)"
            raise UserError(f"{file} is {found}, but the models see {height} x {width}")
        pictures[row] = picture if like.ndim == 3 else picture[..., ::-1]
    return Samples(ids, pictures)


def warp(images: np.ndarray, matrices: np.ndarray, interpolation: int) -> np.ndarray:
    import cv2

    warped = np.empty_like(images)
    size, flags = images.shape[2:0:-1], interpolation | cv2.WARP_INVERSE_MAP
    for image, matrix, result in zip(images, matrices, warped, strict=True):
        cv2.warpAffine(image, matrix, size, result, flags, cv2.BORDER_REFLECT_101)
    return warped
