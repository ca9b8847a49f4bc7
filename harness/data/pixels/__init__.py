"""The pixels of one image file of any kind: turned by its EXIF orientation, at the depth that the file holds."""

import io
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

Size = tuple[int, int]  # height, width

MOST_PIXELS = 2**30  # of one image: 3 GiB as RGB; cv2 has the same limit
ORIENTATION = 0x0112  # of the EXIF tags, 1 to 8
TURNED = (5, 6, 7, 8)  # orientations with height and width exchanged
DEEP_MODES = ("I", "I;16", "I;16L", "I;16B", "I;16N", "F")  # of Pillow: one channel of more than 8 bits
JPEGS = ("JPEG", "MPO")  # MPO: of a telephone, with a second picture behind the first
SAMPLES_A_PIXEL, PLANES = 277, 284  # tags of TIFF 6.0: the channels, and whether (1) they lie side by side
GREY_MODES = ("1", "L", "LA", *DEEP_MODES)


@contextmanager
def opened(source: bytes | Path) -> Iterator["Image.Image"]:
    """The image by Pillow, which has read its header only.

    Raise ValueError where it is larger than MOST_PIXELS, OSError where Pillow does not know its kind.
    """
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # Pillow's own guard refuses photographs of 14,000 x 14,000
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
        if image.width * image.height > MOST_PIXELS:
            raise ValueError(f"it has {image.height} x {image.width} pixels, more than {MOST_PIXELS:,} are not read")
        yield image


def orientation(image: "Image.Image") -> int:
    """How the camera was held, 1 to 8; 1 where the EXIF tags are torn, which is common in whole images."""
    if image.format == "PNG" and "exif" not in image.info:
        return 1  # Pillow would decode all pixels to look for tags behind them
    try:
        found = image.getexif().get(ORIENTATION, 1)
    except (OSError, SyntaxError, ValueError, struct.error):
        return 1
    return found if found in range(1, 9) else 1


def size_of(image: "Image.Image") -> Size:
    """(height, width) after turning, from the header alone."""
    turned = orientation(image) in TURNED and image.format != "TIFF"  # of a TIFF, Pillow tells the size turned
    return (image.width, image.height) if turned else (image.height, image.width)


def is_deep(image: "Image.Image") -> bool:
    """Whether the file holds more than 8 bits a channel."""
    tiles = getattr(image, "tile", None)
    raw_mode = str(tiles[0].args) if tiles else ""  # RGB;16B: Pillow would drop the lower half
    return image.mode in DEEP_MODES or ";16" in raw_mode


def is_plain(image: "Image.Image") -> bool:
    """Whether every library reads the file's 8 bits a channel alike, and turns it alike."""
    eight_bits = image.mode in ("1", "L", "LA", "P", "PA", "RGB", "RGBA") and not is_deep(image)
    turned_alike = image.format in JPEGS or (image.format in ("PNG", "BMP") and orientation(image) == 1)
    return eight_bits and turned_alike


def decode(content: bytes) -> np.ndarray:
    """(h, w) or (h, w, 3), red first, turned, without alpha: uint8, or the file's own numbers where it is deeper.

    Raise OSError, ValueError or SyntaxError where the bytes are not a whole image.
    """
    from PIL import UnidentifiedImageError

    try:
        with opened(content) as image:
            deep, turn = is_deep(image), orientation(image)
            image.load()  # OSError where the file is cut off, which cv2 would not tell
            if deep and image.mode not in DEEP_MODES:
                return decode_deep_colours(content)
            grey = image.mode in GREY_MODES
            pixels = np.asarray(image if deep else as_rgb(image).convert("L" if grey else "RGB"))
            pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
            return pixels if image.format == "TIFF" else upright(pixels, turn)  # Pillow has turned a TIFF
    except UnidentifiedImageError:  # Pillow lacks TIFF files of coloured or 64-bit floats
        require_colours(content)
        return decode_deep_colours(content)


def require_colours(content: bytes) -> None:
    """Raise ValueError for a TIFF file that Pillow does not know and of which cv2 would read a part, or garbage."""
    tags = tiff_tags(content)
    if (count := int(tags.get(SAMPLES_A_PIXEL, 1))) not in (1, 3):
        raise ValueError(f"it has {count} channels; declare channels={count} to read them")
    if count == 3 and tags.get(PLANES, 1) != 1:
        raise ValueError("its colours lie one after the other; save the image with them side by side")


def tiff_tags(content: bytes) -> Mapping[int, Any]:
    """The tags of the first page of a TIFF file; {} of another file."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    if content[:4] not in (b"II*\0", b"MM\0*"):
        return {}
    tags, stream = ImageFileDirectory_v2(content[:8]), io.BytesIO(content)
    stream.seek(tags.next)
    tags.load(stream)
    return tags


def decode_deep_colours(content: bytes) -> np.ndarray:
    """(h, w, 3), or (h, w) of a grey file: by cv2, which turns it."""
    import cv2

    flags = cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags) if content else None
    if pixels is None:
        raise OSError("it is empty, cut off, or of an unknown kind")
    return np.ascontiguousarray(pixels[..., ::-1]) if pixels.ndim == 3 else pixels


def as_rgb(image: "Image.Image") -> "Image.Image":
    """An image that Pillow can convert: it has no conversion of L*a*b* but by colour profiles."""
    from PIL import ImageCms

    if image.mode != "LAB":
        return image
    profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    return ImageCms.profileToProfile(image, *profiles, outputMode="RGB") or image


def upright(pixels: np.ndarray, turn: int) -> np.ndarray:
    """Pixels (h, w[, 3]) as they are seen, by the EXIF orientation `turn` (EXIF 2.32, 4.6.4)."""
    if turn in TURNED:
        pixels = pixels.swapaxes(0, 1)
    down = -1 if turn in (3, 4, 7, 8) else 1
    right = -1 if turn in (2, 3, 6, 7) else 1
    return np.ascontiguousarray(pixels[::down, ::right])
