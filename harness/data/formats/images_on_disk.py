"""Folders of images: a folder per class, images beside a CSV table, images beside masks.

Images may lie in folders inside the one that is named. Litter of archives and file managers is not read.

Images of one size, or resized with `size`, become one array: (n, h, w) uint8 where all are grey, else (n, h, w, 3),
red first. Images of several sizes stay encoded (`images.EncodedImages`), which not every learner takes; their masks are
`sized_masks.Masks`.

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

from harness.data.formats.asked import CLASS, ID, grouped_images, images_in, images_of_rows, pattern_of
from harness.data.formats.image_files import (
    ImageFiles,
    MatchedFiles,
    as_list,
    files_below,
    files_by_name,
    form_for,
    images_of,
)
from harness.data.formats.mask_files import Values, label_masks, object_mask, set_masks
from harness.data.images import EncodedImages, file_metadata
from harness.data.large_arrays import new_array
from harness.data.pixels import Size
from harness.data.pixels.depth import Form, ValueRange
from harness.data.pixels.nifti import is_slice
from harness.data.pixels.picture_file import PictureHead, heads_of
from harness.data.samples import Bags, Dataset, Samples
from harness.data.sized_masks import Masks, gathered
from harness.data.tables.table import FLAGS, Group, OfIds, Table, groups_by
from harness.data.tables.table_inputs import beside_images, shared_columns
from harness.errors import UserError, nearest
from harness.files import short_hash
from harness.paths import shown

MOST_OF_ID = 4  # images of one id that are seen together

Folders = Path | Sequence[Path]
Images = Mapping[str, Path] | Mapping[str, Sequence[Path]]  # id -> file, or the files of one row
Test = Folders | Images  # the official test: folders, whose names are the ids, or the images of ids


def class_folders(
    folder: Path,
    classes: Sequence[str],
    size: Size | None = None,
    test: Test | None = None,
    value_range: ValueRange | None = None,
    group: OfIds | None = None,
    channels: int | None = None,
) -> Dataset:
    """Read a folder for every class, named as it; test: images without a class, the official part "test".

    Ids are the names of the files, and the rows in their order, which must not tell the class. group: ids -> the group
    of each, as `part_of_id` makes it.
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
    return dataset_of(
        images,
        targets,
        group and groups_by(group, list(images)),
        test=test,
        size=size,
        value_range=value_range,
        channels=channels,
    )


def classes_in_names(
    folder: Folders,
    classes: Sequence[str],
    label: OfIds,
    size: Size | None = None,
    test: Test | None = None,
    value_range: ValueRange | None = None,
    group: OfIds | None = None,
    channels: int | None = None,
) -> Dataset:
    """Read images whose names tell the class, as cat.12.jpg does: label=part_of_id(r"^([a-z]+)").

    label, group: names without suffix -> the class and the group of each. test: as in `class_folders`. Ids are hashes
    of the names, and the rows in their order.
    """
    tested = set(files_of_test(test))
    files = {short_hash(file.name): file for file in files_below(*as_list(folder)) if file not in tested}
    images = dict(sorted(files.items()))
    stems = [file.stem for file in images.values()]
    names = label(stems)
    for file, name in zip(images.values(), names, strict=True):
        if name not in classes:
            raise UserError(f"{shown(file)} is of the class {name!r}{nearest(name, classes)}, which is not declared")
    targets = np.array([list(classes).index(name) for name in names], np.min_scalar_type(len(classes) - 1))
    return dataset_of(
        images,
        targets,
        group and groups_by(group, stems),
        test=test,
        size=size,
        value_range=value_range,
        channels=channels,
    )


def images_and_csv(
    folder: Folders | Images,
    table: Path,
    id: str,
    target: str | Sequence[str],
    classes: Sequence[str] | None = None,
    group: Group = None,
    size: Size | None = None,
    test: Test | None = None,
    separator: str | None = None,
    row: str | None = None,
    together: int | None = None,
    value_range: ValueRange | None = None,
    key: str = ID,
    columns: Sequence[str] | bool = False,
    test_table: Path | None = None,
    text: Sequence[str] = (),
    missing: Sequence[str] = (),
    channels: int | None = None,
) -> Dataset:
    """Read images and a table that names each in the column `id`: by its name, with or without suffix, or its path.

    folder: folders of images, or the image of every id, as `files_matched` finds them.
    target, classes, separator: as in `Table.targets`. row: a column that says which images are one row (a patient),
    with one target: models see every image alone, and the prediction of a row is the mean of those of its images
    (`Bags`). together: instead, up to so many images of a row are seen at once, one above the other; by default 4 of an
    id that `files_matched` finds several of, as of the stains of one slide. key: what stands
    in the column `id`; with {class} in it, a row for every class of an image, whose target is 0 or 1. test: images, the
    official part "test". Images that the table does not name, and that are not of the test, are another, "unlabelled".

    test_table: a table that names the images of the test, in `test` or else in `folder`, as `table` does the others.
    columns: learn also from these columns, of True from all that both tables have but the id, the target and the group:
    inputs are `Joined`, and every model sees the part that it is for. text, missing: as in `csv_table`.
    """
    rows = Table.read(table, missing)
    files = MatchedFiles(folder) if isinstance(folder, Mapping) else ImageFiles(*as_list(folder))
    together = together or (MOST_OF_ID if isinstance(folder, Mapping) and row is None else 1)
    if CLASS in key:
        found, flags = flags_of_images(rows, id, key, str(target), classes or ())
        flagged = {name: files.find(name) for name in found}
        of_images = rows.groups(group, found)
        return dataset_of(flagged, flags, of_images, test=test, size=size, value_range=value_range, channels=channels)
    tested = Table.read(test_table, missing) if test_table else None
    if tested and not isinstance(test, Mapping):
        of_test = ImageFiles(*as_list(test)) if test else files
        test = images_in(tested, id, of_test) if row is None else images_of_rows(tested, id, row, of_test)
    file_of, labelled = images_in(rows, id, files), rows.is_labelled(target, classes)
    answered = rows[labelled]
    names = answered.ids(id).tolist()
    targets, groups = answered.targets(target, classes, separator), answered.groups(group, names)

    known, taken = {name: file_of[name] for name in names}, {*files_of_test(test)}
    with_suffix = any(isinstance(file, Path) and file.name == name for name, file in known.items())
    rest = {name: file for name, file in file_of.items() if name not in known and taken.isdisjoint(as_list(file))}
    images: Images = known
    others: Images = rest
    if row is not None:
        row_of = dict(zip(file_of, rows.text(row), strict=True))
        images, first = grouped_images(known, row_of), _first_of_rows(answered, row, targets)
        others = {name: files for name, files in grouped_images(rest, row_of).items() if name not in images}
        targets, groups = targets[first], None if groups is None else groups[first]
    elif not columns:  # those that no line names, too
        others = files.others(known, taken, with_suffix)
    parts, named = (images, targets, groups, others, test), {"named_by": id, "row": row}
    dataset = dataset_of(*parts, size, with_suffix, False, value_range, together, named, channels)
    if not columns:
        return dataset
    besides = {id, row, group if isinstance(group, str) else None, *([target] if isinstance(target, str) else target)}
    return beside_images(dataset, shared_columns(columns, rows, tested, besides), row or id, rows, tested, text)


def flags_of_images(
    rows: Table, id: str, key: str, target: str, classes: Sequence[str]
) -> tuple[list[str], np.ndarray]:
    """The ids, and (n, classes) uint8 of a table with a row for every image and class; each must be there once."""
    pattern, flags = pattern_of(key), rows.labels(target, FLAGS)
    flag_of = dict[tuple[str, str], int]()
    for row, cell in enumerate(rows.ids(id).tolist()):
        match = pattern.fullmatch(cell)
        if match is None or match["class"] not in classes:
            raise rows.wrong(row, id, f"is not of the form {key} with one of the classes {', '.join(classes)}")
        flag_of[match["id"], match["class"]] = int(flags[row])
    names = list(dict.fromkeys(name for name, _ in flag_of))
    for name in names:
        if lost := [c for c in classes if (name, c) not in flag_of]:
            raise UserError(f"{shown(rows.file)} has no row of the image {name} for {', '.join(lost)}")
    return names, np.array([[flag_of[name, c] for c in classes] for name in names], np.uint8)


def _first_of_rows(rows: Table, column: str, targets: np.ndarray) -> list[int]:
    """Where each row of images begins; raise `UserError` where the targets of its images differ."""
    first = dict[str, int]()
    for k, cell in enumerate(rows.text(column)):
        if (targets[k] != targets[first.setdefault(cell, k)]).any():
            raise rows.wrong(k, column, "has images with different targets")
    return list(first.values())


def images_and_masks(
    images: Folders,
    masks: Folders | Mapping[str, Folders],
    values: Values | None = None,
    size: Size | None = None,
    test: Test | None = None,
    value_range: ValueRange | None = None,
    group: OfIds | None = None,
    channels: int | None = None,
) -> Dataset:
    """Read images and masks of the same names, whatever their suffix: a label under every pixel.

    values: the label k is the mask's value values[k], as in (0, 255) or, of coloured masks, ((0, 0, 0), (255, 0, 0));
    else the value itself. Masks of images of several sizes are `Masks`, for `Segmentation(classes)`. group: as in
    `class_folders`. test: images, the official part "test"; those of `images` without a mask are another,
    "unlabelled".

    masks: or class -> the folder of its masks, in the order of the classes. Then classes may overlap: targets are sets
    (`harness.data.bit_sets`), and an image without a mask in one of the folders shows none of that class.
    """
    file_of = _by_stem(images)
    of_class = [_by_stem(folders) for folders in (masks.values() if isinstance(masks, Mapping) else [masks])]
    mask_of = {name: mask for masks_of_class in of_class for name, mask in masks_of_class.items()}
    for name in mask_of:
        if name not in file_of:
            raise UserError(f"{shown(mask_of[name])} belongs to none of the images{nearest(name, file_of)}")
    known = {name: file_of[name] for name in mask_of}
    if isinstance(masks, Mapping):
        targets = set_masks(known, of_class, values, size, channels)
    else:
        targets = label_masks({file: mask_of[name] for name, file in known.items()}, values, size, channels)
    tested = set(files_of_test(test))
    others = {name: file for name, file in file_of.items() if name not in mask_of and file not in tested}
    groups = group and groups_by(group, list(known))
    return dataset_of(known, targets, groups, others, test, size, value_range=value_range, channels=channels)


def images_and_objects(
    folder: Path,
    size: Size | None = None,
    test: Test | None = None,
    value_range: ValueRange | None = None,
    group: OfIds | None = None,
) -> Dataset:
    """Read a folder for every image, with the image in images/ and a mask of every object in masks/: a label 0 or 1.

    So the 2018 Data Science Bowl hands them out. Of objects that touch, the later one loses the pixels at the border,
    so that both stay connected parts of their own. An image without masks shows nothing. size: what images and masks
    are resized to. test: images, the official part "test". group: as in `class_folders`.
    """
    import cv2

    inside: dict[Path, dict[str, list[Path]]] = {}
    for file in files_below(folder):
        inside.setdefault(file.parent.parent, {}).setdefault(file.parent.name, []).append(file)
    images, targets = dict[str, Path](), list[np.ndarray]()
    for place, kinds in inside.items():
        if len(kinds.get("images", ())) != 1:
            raise UserError(f"{shown(place / 'images')} should hold one image; its objects are in {place.name}/masks")
        (image,) = kinds["images"]
        images[image.stem] = image
        mask = object_mask(image, kinds.get("masks", []))
        targets.append(mask if size is None else cv2.resize(mask, size[::-1], interpolation=cv2.INTER_NEAREST))
    groups = group and groups_by(group, list(images))
    return dataset_of(images, gathered(targets), groups, test=test, size=size, value_range=value_range)


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
    together: int = 1,
    reading: Mapping[str, Any] | None = None,
    channels: int | None = None,
) -> Dataset:
    """The labelled images, and the official parts "unlabelled" (others) and "test" that are not empty; read alike.

    with_suffix: whether the files of test folders are named so. encoded: also images of one size stay encoded.
    together: of several images a row, how many are one input. reading: what else is said of it, as in `Samples`.
    """
    if test is not None and not isinstance(test, Mapping):
        test = files_by_name(files_below(*as_list(test)), with_suffix)
    parts: list[Images] = [images, others or {}, test or {}]
    of_rows = [as_list(files) for part in parts for files in part.values()]
    most = max(map(len, of_rows))
    together = min(together, most)
    files = sorted({file for of_row in of_rows for file in of_row})
    heads = heads_of(files, channels)
    head_of = dict(zip(files, heads, strict=True))
    form = form_for(files, heads, size, value_range, channels, encoded)
    if together > 1:
        inputs: Any = _seen_together(of_rows, together, head_of, size, form)
    else:
        files = [file for of_row in of_rows for file in of_row]
        inputs = images_of(files, [head_of[file] for file in files], size, form, encoded)
        if most > 1:
            inputs = Bags(inputs, np.cumsum([0, *map(len, of_rows)]))
    if isinstance(inputs, EncodedImages) and isinstance(targets, np.ndarray) and targets.ndim == 3:
        targets = Masks(list(targets))  # only images without a mask have another size
    sizes = {each.size for each in head_of.values()}
    reading = {
        **(reading or {}),
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


def files_of_test(test: Test | None) -> list[Path]:
    if test is None:
        return []
    if isinstance(test, Mapping):
        return [file for files in test.values() for file in as_list(files)]
    return files_below(*as_list(test))
