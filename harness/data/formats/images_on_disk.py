"""Folders of images: a folder per class, images beside a CSV table, images beside masks.

Images of one size, or resized with `size`, become one array: (n, h, w) uint8 where all are grey, else (n, h, w, 3),
red first. Images of several sizes stay encoded (`images.EncodedImages`), which not every learner takes.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.formats.csv_samples import Table
from harness.data.images import EncodedImages, file_metadata
from harness.data.samples import Dataset, Samples
from harness.errors import UserError, nearest
from harness.files import short_hash
from harness.paths import shown

Size = tuple[int, int]  # height, width

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff")
GREY_MODES = ("1", "L", "LA", "I", "I;16", "F")  # of PIL
TURNED = (5, 6, 7, 8)  # values of the orientation tag with height and width exchanged
ORIENTATION = 0x0112


def class_folders(folder: Path, classes: Sequence[str], size: Size | None = None, test: Path | None = None) -> Dataset:
    """Read a folder for every class, named as it; test: a folder of images without a class, the official part "test".

    Ids are the names of the files, and the rows in their order, which must not tell the class.
    """
    files, labels = [], []
    for name in sorted(path.name for path in _existing(folder).iterdir() if path.is_dir()):
        if name not in classes:
            raise UserError(
                f"{shown(folder / name)} is not a class{nearest(name, classes)}; the classes are {', '.join(classes)}"
            )
    for label, name in enumerate(classes):
        images = images_in(folder / name)
        files += images
        labels += [label] * len(images)
    ids = np.array([file.stem for file in files])
    if len(np.unique(ids)) < len(ids):  # two folders hold the same name: a hash tells them apart
        ids = np.array([f"{file.stem}-{short_hash(file.parent.name, file.name)[:6]}" for file in files])
    order = np.argsort(ids)
    targets = np.array(labels, np.min_scalar_type(len(classes) - 1))[order]
    return _dataset([files[row] for row in order], ids[order], size, targets, test=test)


def images_and_csv(
    folder: Path,
    table: Path,
    id: str,
    target: str | Sequence[str],
    classes: Sequence[str] | None = None,
    group: str | None = None,
    size: Size | None = None,
    test: Path | None = None,
) -> Dataset:
    """Read images and a table that names each in the column `id`, with or without its suffix.

    target: the column of labels where `classes` are given, else of numbers; or several columns of 0 and 1. test: a
    folder of images, the official part "test"; those of `folder` without a target are another, "unlabelled".
    """
    rows = Table.read(table)
    file_of = _by_name(images_in(folder))
    names = rows.ids(id)
    for row, name in enumerate(names):
        if str(name) not in file_of:
            raise rows.wrong(row, id, f"is not an image of {shown(folder)}{nearest(str(name), file_of)}")
    labelled = rows.is_labelled(target)
    if not labelled.any():
        raise UserError(f"{shown(table)} has no row with a target")
    known, answered = [file_of[str(name)] for name in names[labelled]], rows[labelled]
    others = sorted(set(file_of.values()) - set(known))
    with_suffix = any(file.name in set(names) for file in known)
    targets, groups = answered.targets(target, classes), answered.groups(group)
    return _dataset(known, names[labelled], size, targets, groups, others, test, with_suffix)


def images_and_masks(
    images: Path,
    masks: Path,
    values: Sequence[int] | None = None,
    size: Size | None = None,
    test: Path | None = None,
) -> Dataset:
    """Read images and masks of the same names, whatever their suffix: a label under every pixel.

    values: the label k is the mask's value values[k], as in (0, 255); else the value itself. test: a folder of
    images, the official part "test"; those of `images` without a mask are another, "unlabelled".
    """
    file_of, mask_of = _by_name(images_in(images)), {file.stem: file for file in images_in(masks)}
    for name in mask_of:
        if name not in file_of:
            raise UserError(
                f"{shown(mask_of[name])} belongs to none of the images in {shown(images)}{nearest(name, file_of)}"
            )
    known = [file_of[name] for name in mask_of]
    of_shape = {_head(file)[0]: file for file in known}
    if size is None and len(of_shape) > 1:
        two = " and ".join(f"{shown(file)} is {h} x {w}" for (h, w), file in list(of_shape.items())[:2])
        raise UserError(f"{two}, but masks need images of one size; resize them with size=(height, width)")
    targets = np.stack([_mask(mask, file, values, size) for mask, file in zip(mask_of.values(), known, strict=True)])
    others = sorted(set(file_of.values()) - set(known))
    return _dataset(known, np.array(list(mask_of)), size, targets, others=others, test=test)


def images_like(folder: Path, like: Any) -> Samples:
    """Every image of the folder, with its name as its id, in the form of the inputs `like`.

    Raise `UserError` where there are none, or one cannot be read or has another size.
    """
    files = images_in(folder)
    ids = np.array([file.stem for file in files])
    if isinstance(like, EncodedImages):
        return Samples(ids, EncodedImages.read(files))
    for file in files:
        if (shape := _head(file)[0]) != like.shape[1:3]:
            size, seen = (f"{height} x {width}" for height, width in (shape, like.shape[1:3]))
            raise UserError(f"{shown(file)} is {size} (height x width), but the models see {seen}")
    return Samples(ids, np.stack([_decoded(file, like.ndim == 3, None) for file in files]))


def images_in(folder: Path) -> list[Path]:
    """Sort the images of a folder by their names. Raise `UserError` where there is no folder, or no image in it."""
    files = sorted(path for path in _existing(folder).iterdir() if path.suffix.lower() in SUFFIXES)
    if not files:
        raise UserError(f"{shown(folder)} holds no images ({', '.join(SUFFIXES)})")
    return files


def _dataset(
    known: Sequence[Path],
    ids: np.ndarray,
    size: Size | None,
    targets: Any,
    groups: np.ndarray | None = None,
    others: Sequence[Path] = (),
    test: Path | None = None,
    with_suffix: bool = False,
) -> Dataset:
    """The labelled images, and the official parts "unlabelled" (others) and "test" that are not empty; read alike."""
    files = [*known, *others, *(images_in(test) if test else ())]
    names = [file.name if with_suffix else file.stem for file in files[len(known) :]]
    images = _read(files, size)
    metadata = file_metadata(file.read_bytes() for file in files)
    samples = Samples(np.array([*ids, *names]), images, metadata=metadata)
    labelled, end = replace(samples[: len(known)], targets=targets, groups=groups), len(known) + len(others)
    parts = {"unlabelled": samples[len(known) : end], "test": samples[end:]}
    return Dataset(labelled, {name: part for name, part in parts.items() if len(part)})


def _read(files: Sequence[Path], size: Size | None) -> Any:
    """Read one array of images of one size, or resized; else `EncodedImages`. `UserError` names an unreadable one."""
    heads = [_head(file) for file in files]
    if size is None and len({shape for shape, _ in heads}) > 1:
        return EncodedImages.read(files)
    grey = all(is_grey for _, is_grey in heads)
    images = np.empty((len(files), *(size or heads[0][0]), *(() if grey else (3,))), np.uint8)
    for row, file in enumerate(files):
        images[row] = _decoded(file, grey, size)
    return images


# -- one file ----------------------------------------------------------------------------------------------------------


def _head(file: Path) -> tuple[Size, bool]:
    """Read (height, width) after turning, and whether the image is grey; without decoding it."""
    from PIL import Image

    with _readable(file), Image.open(file) as image:
        width, height = image.size
        turned = image.getexif().get(ORIENTATION) in TURNED
        return (width, height) if turned else (height, width), image.mode in GREY_MODES


def _decoded(file: Path, grey: bool, size: Size | None) -> np.ndarray:
    """(h, w) or (h, w, 3) uint8, turned by its EXIF orientation."""
    import cv2
    from PIL import Image, ImageOps

    with _readable(file), Image.open(file) as image:
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I;16"):
            upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
        pixels = np.asarray(upright.convert("L" if grey else "RGB"))
    if size and pixels.shape[:2] != size:
        smaller = size[0] * size[1] < pixels.shape[0] * pixels.shape[1]
        pixels = cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
    return pixels


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, SyntaxError, ImportError) as error:  # ImportError: ultralytics adds a decoder to PIL
        raise UserError(f"{shown(file)} is not readable as an image ({error}); get it again, or remove it") from error


def _mask(mask: Path, image: Path, values: Sequence[int] | None, size: Size | None) -> np.ndarray:
    """(h, w) uint8 labels. Colours of a palette are its numbers; three equal channels are one."""
    import cv2
    from PIL import Image

    (shape, _), (expected, _) = _head(mask), _head(image)
    if shape != expected:
        raise UserError(
            f"{shown(mask)} is {shape[0]} x {shape[1]} (height x width), "
            f"but its image {image.name} is {expected[0]} x {expected[1]}"
        )
    with _readable(mask), Image.open(mask) as opened:
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


def _existing(folder: Path) -> Path:
    if not folder.is_dir():
        raise UserError(f"{shown(folder)} does not exist; it should be a folder of images")
    return folder


def _by_name(files: Sequence[Path]) -> dict[str, Path]:
    """Index the files by their names, with the suffix and without."""
    file_of: dict[str, Path] = {}
    for file in files:
        if file.stem in file_of:
            raise UserError(f"{shown(file)} and {file_of[file.stem].name} have one name; rename one")
        file_of[file.stem] = file_of[file.name] = file
    return file_of
