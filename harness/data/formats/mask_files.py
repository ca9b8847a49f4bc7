"""Mask files: a label under every pixel, told by numbers, by the numbers of a palette, or by colours."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np

from harness.data.bit_sets import dtype_of
from harness.data.pixels import Size, decode_deep_colours, is_deep, opened, orientation, upright
from harness.data.pixels.nifti import is_slice, slice_pixels
from harness.data.pixels.picture_file import head, readable
from harness.data.sized_masks import empty_masks
from harness.errors import UserError
from harness.paths import shown

if TYPE_CHECKING:
    from PIL import Image

Colour = tuple[int, int, int]
Values = Sequence[int] | Sequence[Colour]  # of the labels 0, 1, ...

MOST_SHOWN = 8  # values of a mask that a message lists


class StoredMask(NamedTuple):
    """numbers: (h, w) or (h, w, channels), turned as they are seen. palette: (n, 3) uint8, the colours of numbers."""

    file: Path
    numbers: np.ndarray
    palette: np.ndarray | None

    @property
    def colours(self) -> np.ndarray:
        """(h, w, 3)"""
        if self.palette is not None:
            return self.palette[self.numbers]
        return self.numbers if self.numbers.ndim == 3 else np.repeat(self.numbers[..., None], 3, axis=2)


def label_masks(
    mask_of: Mapping[Path, Path], values: Values | None, size: Size | None, channels: int | None = None
) -> Any:
    """The uint8 labels of the masks of images, image -> mask: (n, h, w) of one size or resized, else `Masks`.

    values: the label k is values[k], a number or a colour; by default the number itself. Numbers of a palette count
    as they are, but where they have other colours in another mask, masks are read by their colours.
    """
    import cv2

    palettes_differ, found = numbers_differ(list(mask_of.values())), set[int]()
    if palettes_differ:
        values = colours_for(list(mask_of.values()), values)
    sizes = [head(image, channels).size for image in mask_of]
    labels = empty_masks([size or each for each in sizes], np.uint8)
    for row, (image, mask) in enumerate(mask_of.items()):
        require_one_size(mask, image, sizes[row])
        coded = coded_mask(stored_mask(mask), values)
        found |= set(np.unique(coded).tolist())
        labels[row][...] = coded if size is None else cv2.resize(coded, size[::-1], interpolation=cv2.INTER_NEAREST)
    if values is None and 255 in found and found <= {0, 255}:
        raise UserError(f"the masks of {shown(mask.parent)} hold 0 and 255 alone; declare values=(0, 255) to read them")
    return labels


def set_masks(
    images: Mapping[str, Path],
    of_class: Sequence[Mapping[str, Path]],
    values: Values | None,
    size: Size | None,
    channels: int | None = None,
) -> Any:
    """Sets of classes, of a mask for every class of an image; one that is not there shows none of it.

    images: name -> image. of_class: name -> mask, for every class; 0 is without it. (n, h, w), or `Masks`.
    """
    sets = empty_masks([size or head(file, channels).size for file in images.values()], dtype_of(len(of_class)))
    place = {name: row for row, name in enumerate(images)}
    for label, mask_of in enumerate(of_class):
        masks = label_masks({images[name]: mask for name, mask in mask_of.items()}, values, size, channels)
        for name, mask in zip(mask_of, masks, strict=True):
            sets[place[name]][mask > 0] |= 1 << label
    return sets


def object_mask(image: Path, files: Sequence[Path]) -> np.ndarray:
    """(h, w) uint8: 1 where one of the files has an object, whatever its value there; objects are kept apart."""
    size = head(image).size
    whole = np.zeros(size, np.uint8)
    for file in files:
        require_one_size(file, image, size)
        seen = stored_mask(file).numbers != 0
        whole[apart_from(seen.any(2) if seen.ndim == 3 else seen, whole > 0)] = 1
    return whole


def apart_from(pixels: np.ndarray, there: np.ndarray) -> np.ndarray:
    """The pixels (h, w) bool of an object that do not touch, at a corner either, those that are there.

    A gap of one pixel keeps objects that touch, or overlap, two connected parts, as entrants of the 2018 Data Science
    Bowl did. An object that is thinner than the gap is gone.
    """
    import cv2

    near = cv2.dilate(there.astype(np.uint8), np.ones((3, 3), np.uint8))
    return pixels & (near == 0)


def stored_mask(file: Path) -> StoredMask:
    """Raise `UserError` where it is not a mask: fractions, or labels in its alpha channel."""
    palette = None
    with readable(file):
        if file.suffix.lower() == ".npy":
            numbers = np.load(file, allow_pickle=False)
            numbers = numbers[..., 0] if numbers.ndim == 3 and numbers.shape[2] == 1 else numbers
        elif is_slice(file):
            numbers = slice_pixels(file)
        else:
            with opened(file) as image:
                deep, turn, kind = is_deep(image), orientation(image), image.format
                if image.mode in ("PA", "CMYK", "LAB"):
                    image = image.convert("RGBA" if image.mode == "PA" else "RGB")
                numbers = np.asarray(image)
                if image.mode == "P":
                    palette = palette_of(image)
                if deep and numbers.ndim == 3:
                    numbers = decode_deep_colours(file.read_bytes())
                elif kind != "TIFF":  # which Pillow has turned
                    numbers = upright(numbers, turn)
    if numbers.dtype.kind == "f" and (wrong := numbers != np.floor(numbers)).any():
        where = np.argwhere(wrong)[0]
        raise UserError(
            f"{shown(file)}, row {where[0]}, column {where[1]} holds {numbers[tuple(where)]:g}, a fraction; save masks "
            "with whole numbers, one for every class"
        )
    return StoredMask(file, without_alpha(numbers.astype(np.int64), file), palette)


def palette_of(image: "Image.Image") -> np.ndarray:
    """(256, 3) uint8: the colours of a palette, black where the file ends before."""
    known = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    return np.pad(known, ((0, 256 - len(known)), (0, 0)))


def without_alpha(numbers: np.ndarray, file: Path) -> np.ndarray:
    """(h, w) or (h, w, 3) of (h, w[, channels]), where the last of two or four channels is alpha."""
    if numbers.ndim == 2 or numbers.shape[2] == 3:
        return numbers
    shades, alpha = numbers[..., :-1], numbers[..., -1]
    if (alpha != alpha[0, 0]).any() and (shades == shades[0, 0]).all():
        raise UserError(
            f"{shown(file)} is of one colour, and only its alpha channel differs; save the labels of a mask as grey "
            "numbers: Image.open(file).getchannel('A') of Pillow holds them"
        )
    return shades[..., 0] if shades.shape[2] == 1 else shades


def coded_mask(mask: StoredMask, values: Values | None) -> np.ndarray:
    """(h, w) uint8 labels; raise `UserError` at a pixel that has none of the values."""
    by_colour = values is not None and not isinstance(values[0], int | np.integer)
    seen = mask.colours if by_colour else mask.numbers
    if not by_colour and seen.ndim == 3:
        if (seen != seen[..., :1]).any():
            refuse(mask, seen, " is coloured", values)
        seen = seen[..., 0]
    coded = seen if values is None else np.full(seen.shape[:2], -1)
    for label, value in enumerate(values or ()):
        coded[(seen == value).all(2) if by_colour else seen == value] = label
    if (wrong := (coded < 0) | (coded > 255)).any():
        row, column = np.argwhere(wrong)[0]
        value = seen[row, column].tolist()
        refuse(mask, seen, f", row {row}, column {column} holds {tuple(value) if by_colour else value}", values)
    return coded.astype(np.uint8)


def refuse(mask: StoredMask, seen: np.ndarray, what: str, values: Values | None) -> NoReturn:
    """Say what the mask holds (seen: (h, w) numbers or (h, w, 3) colours), and which values= would read it."""
    found = np.unique(seen.reshape(-1, *seen.shape[2:]), axis=0).tolist()
    listed = ", ".join(str(tuple(value) if isinstance(value, list) else value) for value in found[:MOST_SHOWN])
    hint = f"it holds {listed}{', ...' if len(found) > MOST_SHOWN else ''}"
    hint += ", the numbers of a palette" if mask.palette is not None and seen.ndim == 2 else ""
    if mask.file.suffix.lower() in (".jpg", ".jpeg"):
        hint += "; JPEG changes the values of a mask: save it as PNG"
    elif 1 < len(found) <= MOST_SHOWN:
        hint += f"; declare values=({listed}) in the order of the classes to read it"
    declared = "0 to 255" if values is None else ", ".join(map(str, values))
    raise UserError(f"{shown(mask.file)}{what}, but the values of the labels are {declared}; {hint}")


def require_one_size(mask: Path, image: Path, expected: Size) -> None:
    """expected: the size of the image."""
    (height, width) = head(mask).size
    if (height, width) != expected:
        turned = (width, height) == expected
        raise UserError(
            f"{shown(mask)} is {height} x {width} (height x width), "
            f"but its image {image.name} is {expected[0]} x {expected[1]}"
            + (" after turning by its EXIF orientation; turn the mask too" if turned else "")
        )


def used_colours(file: Path) -> dict[int, Colour]:
    """Number -> colour, of the numbers that a mask with a palette uses; none of another mask."""
    if file.suffix.lower() == ".npy" or is_slice(file):
        return {}
    with readable(file), opened(file) as image:
        if image.mode != "P":
            return {}
        palette = palette_of(image).tolist()
        return {k: tuple(palette[k]) for k in np.unique(np.asarray(image)).tolist()}


def numbers_differ(masks: Sequence[Path]) -> bool:
    """Whether a number has other colours, or a colour other numbers, in the palettes of two masks.

    Not where a palette gives one colour to two numbers: it tells nothing.
    """
    pairs, numbers, colours = set[tuple[int, Colour]](), set[int](), set[Colour]()
    for used in map(used_colours, masks):
        if len(set(used.values())) < len(used):
            return False
        pairs |= set(used.items())
        numbers |= used.keys()
        colours |= set(used.values())
    return len(pairs) > len(numbers) or len(pairs) > len(colours)


def colours_for(masks: Sequence[Path], values: Values | None) -> Sequence[Colour]:
    """The colours of the labels, where palettes differ; raise `UserError` where only a person can tell them."""
    if values is not None:
        return [value if isinstance(value, tuple) else (value,) * 3 for value in values]
    found = sorted({colour for file in masks for colour in used_colours(file).values()}, key=sum)  # dark ones first
    if len(found) != 2:
        listed = ", ".join(map(str, found[:MOST_SHOWN]))
        raise UserError(
            f"{shown(masks[0].parent)}: the palettes of the masks differ, so their numbers are no labels; declare the "
            f"colours of the classes, values=({listed}) in their order"
        )
    logging.getLogger(__name__).warning(
        "%s: the palettes of the masks differ; they are read by colour, %s as label 0 and %s as label 1",
        shown(masks[0].parent), *found,
    )  # fmt: skip
    return found
