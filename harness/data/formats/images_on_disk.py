"""Folders of images: a folder per class, images beside a CSV table, images beside masks.

Images may lie in folders inside the one that is named. Litter of archives and file managers is not read.

Images of one size, or resized with `size`, become one array: (n, h, w) uint8 where all are grey, else (n, h, w, 3),
red first. Images of several sizes stay encoded (`images.EncodedImages`), which not every learner takes.

Where files hold more than 8 bits, the values of `value_range` become 0 to 65535 (uint16), by default those from the
lowest to the highest in all files, also of the official parts; or 0 to 255 where no more than 256 levels are used, and
in images that stay encoded. `channels` is needed where they are others than 1 (grey) and 3: the last axis of an array,
the bands of a TIFF file, or its pages; 4 keeps what else is left out as alpha. The images are (n, h, w, channels) then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.formats.image_files import (
    ImageFiles,
    files_below,
    files_by_name,
    form_for,
    images_of,
)
from harness.data.formats.mask_files import Values, label_masks
from harness.data.images import EncodedImages, file_metadata
from harness.data.large_arrays import new_array
from harness.data.pixels import Size
from harness.data.pixels.depth import Form, ValueRange
from harness.data.pixels.nifti import is_slice
from harness.data.pixels.picture_file import PictureHead, head, heads_of
from harness.data.samples import Dataset, Samples
from harness.data.tables.table import Table
from harness.errors import UserError, nearest
from harness.files import short_hash
from harness.paths import shown

Folders = Path | Sequence[Path]
Images = Mapping[str, Path] | Mapping[str, Sequence[Path]]  # id -> file, or the files of one row
Test = Folders | Images  # the official test: folders, whose names are the ids, or the images of ids

MOST_A_ROW = 4  # images of one row that are seen together


def class_folders(
    folder: Path,
    classes: Sequence[str],
    size: Size | None = None,
    test: Test | None = None,
    value_range: ValueRange | None = None,
    channels: int | None = None,
) -> Dataset:
    """Read a folder for every class, named as it; test: images without a class, the official part "test".

    Ids are the names of the files, and the rows in their order, which must not tell the class.
    """
    if not folder.is_dir():
        raise UserError(f"{shown(folder)} does not exist; it should hold a folder for every class")
    label_of: dict[Path, int] = {}
    for name in sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        if name not in classes:
            raise UserError(
                f"{shown(folder / name)} is not a class{nearest(name, classes)}; the classes are {', '.join(classes)}"
            )
        label_of |= dict.fromkeys(files_below(folder / name), list(classes).index(name))
    for name in classes:
        if not (folder / name).is_dir():
            files_below(folder / name)  # says so
    names = [file.stem for file in label_of]
    if len(set(names)) < len(names):  # two folders hold the same name: a hash tells them apart
        names = [f"{file.stem}-{short_hash(*file.relative_to(folder).parts)[:6]}" for file in label_of]
    images = dict(sorted(zip(names, label_of, strict=True)))
    targets = np.array([label_of[file] for file in images.values()], np.min_scalar_type(len(classes) - 1))
    return dataset_of(images, targets, test=test, size=size, value_range=value_range, channels=channels)


def images_and_csv(
    folder: Folders,
    table: Path,
    id: str,
    target: str | Sequence[str],
    classes: Sequence[str] | None = None,
    group: str | None = None,
    size: Size | None = None,
    test: Test | None = None,
    separator: str | None = None,
    row: str | None = None,
    value_range: ValueRange | None = None,
    channels: int | None = None,
) -> Dataset:
    """Read images and a table that names each in the column `id`: by its name, with or without suffix, or its path.

    target, classes, separator: as in `Table.targets`. row: a column that says which images are one row (a patient),
    with one target; they are seen together, one above the other. test: images, the official part "test". Images that
    the table does not name, and that are not of the test, are another, "unlabelled".
    """
    rows = Table.read(table)
    files = ImageFiles(*as_list(folder))
    names, file_of = rows.ids(id), dict[str, Path]()
    for k, name in enumerate(names):
        try:
            file_of[str(name)] = files.find(str(name))
        except UserError as error:
            raise rows.wrong(k, id, f"names no image: {error}") from None
    labelled = rows.is_labelled(target, classes)
    answered, known = rows[labelled], names[labelled].tolist()
    targets, groups = answered.targets(target, classes, separator), answered.groups(group)
    if row is not None:
        members, first = _rows_of_images(answered, row, known, targets)
        images: Images = {name: [file_of[each] for each in of_row] for name, of_row in members.items()}
        of_rows = None if groups is None else groups[first]
        return dataset_of(
            images, targets[first], of_rows, test=test, size=size, value_range=value_range, channels=channels
        )
    with_suffix = any(file_of[name].name == name for name in known)
    rest = sorted(set(files.files) - {file_of[name] for name in known} - set(_files_of(test)))
    chosen, others = {name: file_of[name] for name in known}, files_by_name(rest, with_suffix)
    return dataset_of(
        chosen, targets, groups, others, test, size, with_suffix, value_range=value_range, channels=channels
    )


def _rows_of_images(
    rows: Table, column: str, names: Sequence[str], targets: np.ndarray
) -> tuple[dict[str, list[str]], list[int]]:
    """Row -> the ids of its images, and where each row begins; raise `UserError` where their targets differ."""
    members, first = dict[str, list[str]](), dict[str, int]()
    for k, (cell, name) in enumerate(zip(rows.text(column), names, strict=True)):
        if (targets[k] != targets[first.setdefault(cell, k)]).any():
            raise rows.wrong(k, column, "has images with different targets")
        members.setdefault(cell, []).append(name)
    return members, list(first.values())


def images_and_masks(
    images: Folders,
    masks: Folders,
    values: Values | None = None,
    size: Size | None = None,
    test: Test | None = None,
    value_range: ValueRange | None = None,
    channels: int | None = None,
) -> Dataset:
    """Read images and masks of the same names, whatever their suffix: a label under every pixel.

    values: the label k is the mask's value values[k], as in (0, 255) or, of coloured masks, ((0, 0, 0), (255, 0, 0));
    else the value itself. test: images, the official part "test"; those of `images` without a mask are another,
    "unlabelled".
    """
    file_of, mask_of = _by_stem(images), _by_stem(masks)
    for name in mask_of:
        if name not in file_of:
            raise UserError(f"{shown(mask_of[name])} belongs to none of the images{nearest(name, file_of)}")
    known = {name: file_of[name] for name in mask_of}
    of_shape = {head(file, channels).size: file for file in known.values()}
    if size is None and len(of_shape) > 1:
        two = " and ".join(f"{shown(file)} is {h} x {w}" for (h, w), file in list(of_shape.items())[:2])
        raise UserError(f"{two}, but masks need images of one size; resize them with size=(height, width)")
    targets = label_masks({file: mask_of[name] for name, file in known.items()}, values, size, channels)
    tested = set(_files_of(test))
    others = {name: file for name, file in file_of.items() if name not in mask_of and file not in tested}
    return dataset_of(known, targets, None, others, test, size, value_range=value_range, channels=channels)


def as_list(paths: Path | Sequence[Path]) -> list[Path]:
    return [paths] if isinstance(paths, Path) else list(paths)


def _by_stem(folders: Folders) -> dict[str, Path]:
    file_of: dict[str, Path] = {}
    for file in files_below(*as_list(folders)):
        if file.stem in file_of:
            raise UserError(f"{shown(file)} and {file_of[file.stem].name} have one name; rename one")
        file_of[file.stem] = file
    return file_of


def dataset_of(
    images: Images,
    targets: Any,
    groups: np.ndarray | None = None,
    others: Images | None = None,
    test: Test | None = None,
    size: Size | None = None,
    with_suffix: bool = False,
    encoded: bool = False,
    value_range: ValueRange | None = None,
    channels: int | None = None,
) -> Dataset:
    """The labelled images, and the official parts "unlabelled" (others) and "test" that are not empty; read alike.

    with_suffix: whether the files of test folders are named so. encoded: also images of one size stay encoded.
    """
    if test is not None and not isinstance(test, Mapping):
        test = files_by_name(files_below(*as_list(test)), with_suffix)
    parts: list[Images] = [images, others or {}, test or {}]
    of_rows = [as_list(files) for part in parts for files in part.values()]
    together = max(map(len, of_rows))
    files = sorted({file for of_row in of_rows for file in of_row})
    heads = heads_of(files, channels)
    head_of = dict(zip(files, heads, strict=True))
    form = form_for(files, heads, size, value_range, channels, encoded)
    if together > 1:
        together = min(together, MOST_A_ROW)
        inputs: Any = _seen_together(of_rows, together, head_of, size, form)
    else:
        files = [file for (file,) in of_rows]
        heads = [head_of[file] for file in files]
        inputs = images_of(files, heads, size, form, encoded)
    sizes = {each.size for each in head_of.values()}
    reading = {
        "value_range": form.value_range,
        "size": sizes.pop() if len(sizes) == 1 else None,
        "resized": size is not None,
        "together": together,
    }
    metadata = file_metadata(b"\0" if is_slice(file) else file.read_bytes() for file, *_ in of_rows)
    if groups is None and any(is_slice(file) for file, *_ in of_rows):  # slices of one volume stay together
        volumes = [str(file.parent if is_slice(file) else file) for file, *_ in of_rows[: len(images)]]
        groups = np.unique(volumes, return_inverse=True)[1]
    ids = np.array([name for part in parts for name in part])
    samples, begin = Samples(ids, inputs, metadata=metadata, reading=reading), len(images)
    labelled, end = replace(samples[:begin], targets=targets, groups=groups), begin + len(parts[1])
    official = {"unlabelled": samples[begin:end], "test": samples[end:]}
    return Dataset(labelled, {name: part for name, part in official.items() if len(part)})


def _seen_together(
    of_rows: Sequence[Sequence[Path]],
    count: int,
    head_of: Mapping[Path, PictureHead],
    size: Size | None,
    form: Form,
) -> np.ndarray:
    """(n, count * h, w[, c]): the images of a row one above the other, repeated where a row has fewer.

    A network that ends in a mean over all places then sees the mean over the images. Of more than `count` images
    evenly spread ones are taken.
    """
    chosen = [[files[k * max(len(files), count) // count % len(files)] for k in range(count)] for files in of_rows]
    files = sorted({file for row in chosen for file in row})
    images = images_of(files, [head_of[file] for file in files], size, form)
    if isinstance(images, EncodedImages):
        raise UserError("the images of one row have different sizes; resize them with size=(height, width)")
    place = {file: k for k, file in enumerate(files)}
    rows = new_array((len(chosen), count * images.shape[1], *images.shape[2:]), images.dtype)
    for row, of_row in zip(rows, chosen, strict=True):
        row[...] = np.concatenate([images[place[file]] for file in of_row])
    return rows


def _files_of(test: Test | None) -> list[Path]:
    if test is None:
        return []
    if isinstance(test, Mapping):
        return [file for files in test.values() for file in as_list(files)]
    return files_below(*as_list(test))
