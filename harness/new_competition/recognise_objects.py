"""What is predicted where the sample has one column of it: masks as run lengths, or boxes."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from harness.data.formats.image_files import read_images
from harness.data.pixels.picture_file import read_pixels
from harness.data.run_lengths import RunLengths
from harness.errors import UserError, listed
from harness.new_competition.host_files import MASKS, Host
from harness.new_competition.reading import Reading, fits, in_order, metric_for
from harness.new_competition.recognise_inputs import finish, median_shape, require_folders, shapes_of
from harness.new_competition.sample_keys import SampleKeys

PAIRS = r"\d+ \d+(?: \d+ \d+)*"
FOUR = r"[\[(]\s*[-\d.]+(?:[\s,]+[-\d.]+){3}\s*[\])]"  # [1, 2, 30, 40]
CORNERS = (
    ("x1 y1 x2 y2", ("xmin", "ymin", "xmax", "ymax")),
    ("x1 y1 x2 y2", ("x1", "y1", "x2", "y2")),
    ("x1 y1 x2 y2", ("x_min", "y_min", "x_max", "y_max")),
    ("x y w h", ("x", "y", "width", "height")),
    ("x y w h", ("x", "y", "w", "h")),
)
FOUR_NUMBERS = 3  # spaces between them: a box
LARGEST, CROP, STEP = 512, 256, 32  # pixels: the sides of whole images and of crops, at most; those of crops in steps
LOOKED_AT = 60  # masks from which the order of pixels is told
CLEAR = 1.2  # how much further masks must stand out in one order of pixels than in the other


def id_column_of(host: Host, keys: SampleKeys) -> str:
    """The column of train that names the images, as the sample's does."""
    column = host.column(host.train, keys.column or "") or host.naming_column(host.train)
    if column is None:
        raise UserError(f"no column of {host.train} names images, as {keys.column} does in {host.sample}")
    return column


# -- masks as run lengths ----------------------------------------------------------------------------------------------


def column_of_runs(host: Host, keys: SampleKeys) -> str | None:
    """The column of train that is named as the predicted one, or the only one, that holds run lengths."""
    if len(keys.predicted) != 1:
        return None
    train = host.frame(host.train)
    if column := host.column(host.train, keys.predicted[0]):
        return column if spaces_in_runs(train[column]) >= FOUR_NUMBERS else None
    found = [name for name in train.columns if spaces_in_runs(train[name]) > FOUR_NUMBERS]  # else it may be a box
    return found[0] if len(found) == 1 and fits(host, "segmentation") else None


def spaces_in_runs(cells: pd.Series) -> int:
    """The most spaces in a cell of pairs of numbers; 0 where more than one word stands for none beside them."""
    is_pairs = cells.str.fullmatch(PAIRS)
    return int(cells[is_pairs].str.count(" ").max()) if is_pairs.any() and cells[~is_pairs].nunique() <= 1 else 0


def masks(host: Host, keys: SampleKeys, column: str) -> Reading:
    train, id_column, (predicted,) = host.frame(host.train), id_column_of(host, keys), keys.predicted
    key = keys.keys[keys.column or ""]
    composed = "{class}" in key
    ids = train[id_column].str.rsplit("_", n=1).str[0] if composed else train[id_column]
    folders = require_folders(host, ids.unique().tolist(), f"{host.train}, column {id_column}")
    coding = coding_of(host, keys, train[column], ids, folders)
    each_object = not keys.labels and not coding.relative and bool(ids.duplicated().any())
    rows = "an object" if each_object else "a class of an image" if keys.labels else "an image"
    host.say(f"target: {column} holds run lengths, a row for {rows}; {coding}")
    classes = ("background", *sorted(keys.labels, key=in_order)) if keys.labels else ("background", "object")
    reading = Reading("segmentation", "the pixels of an image", metric_for(host, "segmentation"), classes)
    if both := image_with_overlap(ids, train[column], coding) if keys.labels else None:
        host.say(f"overlap: pixels of {both} have several classes; so a pixel has a set of them (multilabel=True)")
        reading.overlap, reading.classes = True, classes[1:]
    set_sizes(host, reading, folders)
    reading.coding = repr(coding)
    reading.cells = f"Runs({predicted!r}, RUNS{', each_object=True' if each_object else ''})"
    reading.rows = ids.nunique()
    label = next((name for name, what in keys.keys.items() if what == "{class}"), None)
    arguments = [f"id={id_column!r}", f"runs={column!r}", "classes=CLASSES", "coding=RUNS"]
    arguments += [f"key={key!r}"] if composed else []
    arguments += [f"label={host.require_column(label)!r}"] if label else []
    arguments += ["multilabel=True"] if reading.overlap else ["apart=True"] if each_object else []
    return finish(host, keys, reading, "images_and_runs", folders, arguments, ids.unique().tolist())


def image_with_overlap(ids: pd.Series, cells: pd.Series, coding: RunLengths) -> str | None:
    """The first image of which two rows, each of a class, share a pixel; None where no image has such rows."""
    filled = cells[cells.str.fullmatch(PAIRS)]
    for name, of_image in filled.groupby(ids[filled.index], sort=False):
        starts, stops = np.concatenate([coding.spans(cell) for cell in of_image], axis=1)
        order = np.argsort(starts, kind="stable")
        if (starts[order][1:] < np.maximum.accumulate(stops[order])[:-1]).any():
            return str(name)
    return None


def masks_beside_images(host: Host) -> tuple[str, str] | None:
    """(folder of images, folder of masks with the names of some of them)."""
    stems = {folder: {file.stem for file in files} for folder, files in host.images.items()}
    for masks in filter(MASKS.fullmatch, stems):
        for images, names in stems.items():
            if not MASKS.fullmatch(images) and stems[masks] <= names:
                return images, masks
    return None


def folder_of_objects(host: Host) -> str | None:
    """The folder that holds a folder for every image, with images/ and, in some of them, masks/ in it."""
    for folder, files in host.images.items():
        inside = {file.relative_to(host.raw / folder).parts[1:-1] for file in files}
        if inside == {("images",), ("masks",)}:
            return folder
    return None


def objects_in_files(host: Host, keys: SampleKeys, folder: str) -> Reading:
    """A mask file for every object; a line for every object in the submission."""
    coding = said_coding(host, keys, folder)
    reading = Reading(
        "segmentation", "the objects in an image", metric_for(host, "segmentation"), ("background", "object")
    )
    images = [file.stem for file in host.images[folder] if file.parent.name == "images"]
    host.say(f"target: objects, a mask for each in {folder}/<image>/masks; those that touch are kept apart")
    set_sizes(host, reading, [folder])
    reading.coding, reading.rows = repr(coding), len(images)
    reading.cells = f"Runs({keys.predicted[0]!r}, RUNS, each_object=True)"
    return finish(host, keys, reading, "images_and_objects", [folder], [], images)


def said_coding(host: Host, keys: SampleKeys, folder: str) -> RunLengths:
    """The order of pixels in the submission must be said, as no run lengths are there."""
    if host.options.pixels is None:
        raise UserError(
            f"{keys.predicted[0]} holds run lengths, and the masks are files in {folder}: are pixels counted down the "
            "columns or along the rows? The host's page tells; say PIXELS=columns or PIXELS=rows"
        )
    asked = host.frame(host.sample)[keys.predicted[0]]
    none = next(iter(asked[~asked.str.fullmatch(PAIRS)]), "")
    return RunLengths(host.options.pixels == "columns", 1, False, none)


def masks_in_files(host: Host, keys: SampleKeys, images: str, folder: str) -> Reading:
    """Masks of two values."""
    coding = said_coding(host, keys, folder)
    some = host.images[folder][:: max(1, len(host.images[folder]) // LOOKED_AT)]
    values = tuple(np.unique(np.concatenate([np.unique(np.asarray(read_images([file]))) for file in some])).tolist())
    if len(values) != 2:
        raise UserError(f"the masks in {folder} hold {len(values)} values, not two; write the folder with TASK=")
    reading = Reading(
        "segmentation", "the pixels of an image", metric_for(host, "segmentation"), ("background", "object")
    )
    set_sizes(host, reading, [images])
    host.say(f"target: masks in {folder} of the images in {images}, {values[1]} where the object is")
    reading.coding = repr(coding)
    reading.cells, reading.rows = f"Runs({keys.predicted[0]!r}, RUNS)", len(host.images[folder])
    stems = [file.stem for file in host.images[folder]]
    return finish(host, keys, reading, "images_and_masks", [images, folder], [f"values={values}"], stems)


def set_sizes(host: Host, reading: Reading, folders: Sequence[str]) -> None:
    """The shape of all images, also of the test, or () where they differ; and crops where networks need them.

    Encoders halve a crop five times, so its sides are multiples of 32.
    """
    sizes = np.array(shapes_of(host))
    if one_size := bool((sizes == sizes[0]).all()):
        reading.shape = tuple(sizes[0].tolist())
    if one_size and sizes.max() <= LARGEST:
        return
    sides = np.clip(-(-np.median(sizes, axis=0) // STEP) * STEP, STEP, CROP).astype(int)
    reading.crop = tuple(sides.tolist())
    smallest, largest = (" x ".join(map(str, sizes[at])) for at in (sizes.prod(1).argmin(), sizes.prod(1).argmax()))
    found = f"{largest} pixels" if one_size else f"of several sizes, {smallest} to {largest} pixels; masks keep them"
    host.say(f"images: {listed(folders)}, {found}; networks see parts of {reading.crop[0]} x {reading.crop[1]}")


def coding_of(host: Host, keys: SampleKeys, cells: pd.Series, ids: pd.Series, folders: Sequence[str]) -> RunLengths:
    """Starts that fall are relative; the order of pixels is that in which masks stand out from their images."""
    is_pairs = cells.str.fullmatch(PAIRS)
    pairs = cells[is_pairs]
    starts = [np.array(cell.split(), int)[::2] for cell in pairs]
    relative = any((np.diff(each) < 0).any() for each in starts)
    first = 0 if relative or any(each[0] == 0 for each in starts) else 1
    asked = host.frame(host.sample)[keys.predicted[0]]
    none = next(iter([*cells[~is_pairs], *asked[~asked.str.fullmatch(PAIRS)]]), "")
    down, along = (RunLengths(by_columns, first, relative, none) for by_columns in (True, False))
    some = pairs.iloc[:: max(1, len(pairs) // LOOKED_AT)]
    differ_down, differ_along = (contrast_of(host, some, ids, folders, coding) for coding in (down, along))
    best, other = max(differ_down, differ_along), max(min(differ_down, differ_along), 0.0)
    if best < 0:
        raise UserError(f"{host.train}: the run lengths do not fit into the images, in neither order of pixels")
    if best < CLEAR * other and host.options.pixels is None:
        raise UserError(
            f"{host.train}: are pixels counted down the columns or along the rows? In both orders masks differ alike "
            f"from their images ({best:.2g} and {other:.2g} standard deviations); say PIXELS=columns or PIXELS=rows"
        )
    by_columns = host.options.pixels == "columns" if host.options.pixels else differ_down > differ_along
    host.say(
        f"pixels: counted {'down the columns' if by_columns else 'along the rows'}; so masks differ from their images "
        f"by {best:.2g} standard deviations, in the other order by {other:.2g}"
    )
    return down if by_columns else along


def contrast_of(host: Host, pairs: pd.Series, ids: pd.Series, folders: Sequence[str], coding: RunLengths) -> float:
    """How far pixels inside masks differ from those outside, in standard deviations; -1 where a mask does not fit."""
    named = host.files_of(ids[pairs.index].unique().tolist(), folders)
    differences = [0.0]
    for name, cell in zip(ids[pairs.index], pairs, strict=True):
        pixels = read_pixels(named[name]).astype(np.float64)
        grey = pixels if pixels.ndim == 2 else pixels.mean(2)
        try:
            mask = coding.decode(cell, grey.shape)
        except ValueError:
            return -1.0
        if not mask.all():
            differences.append(abs(grey[mask].mean() - grey[~mask].mean()) / (grey.std() + 1e-6))
    return float(np.mean(differences[1:] or differences))


# -- boxes -------------------------------------------------------------------------------------------------------------


def columns_of_boxes(host: Host) -> tuple[str, str | tuple[str, ...]] | None:
    """(fields, the column of train that holds all four numbers, or the four columns)."""
    train = host.frame(host.train)
    for name in train.columns:
        filled = train[name][train[name] != ""]
        if len(filled) and filled.str.fullmatch(FOUR).all():
            return "x y w h", name
    for fields, wanted in CORNERS:
        columns = [column for name in wanted if (column := host.column(host.train, name))]
        if len(columns) == len(wanted):
            return fields, tuple(columns)
    return None


def boxes(host: Host, keys: SampleKeys, fields: str, box: str | tuple[str, ...]) -> Reading:
    train, id_column, (predicted,) = host.frame(host.train), id_column_of(host, keys), keys.predicted
    folders = require_folders(host, train[id_column].unique().tolist(), f"{host.train}, column {id_column}")
    columns = [box] if isinstance(box, str) else list(box)
    shown = train[(train[columns] != "").all(axis=1)]
    shares = len(columns) == 4 and bool((shown[columns].astype(float).max() <= 1).all())
    example = next((cell for cell in host.frame(host.sample)[predicted] if cell), "").split()
    label, classes = label_of_boxes(host, shown, [id_column, *columns], example)
    written = "class score x1 y1 x2 y2" if label or len(example) % 6 == 0 < len(example) % 5 else "score x y w h"
    none = " ".join(example) if len(example) == 6 and label and example[0] not in classes else ""
    unit = "shares of width and height" if shares else "pixels"
    host.say(f"target: boxes in {', '.join(columns)} ({fields}, {unit}); {len(classes)} classes: {listed(classes)}")
    host.say(f"{predicted}: {written} of every box, {none or 'nothing'} where there is none")
    reading = Reading("detection", "boxes in an image", metric_for(host, "detection"), tuple(classes))
    options = [repr(predicted), repr(written), *(["texts=CLASSES"] if label else [])]
    options += [*(["shares=True"] if shares else []), *([f"none={none!r}"] if none else [])]
    reading.shape = median_shape(host)
    reading.cells, reading.rows = f"Boxes({', '.join(options)})", train[id_column].nunique()
    arguments = [f"id={id_column!r}", f"box={box!r}", "classes=CLASSES", f"fields={fields!r}"]
    arguments += [f"label={label!r}"] if label else []
    arguments += ["shares=True"] if shares else []
    return finish(host, keys, reading, "images_and_boxes", folders, arguments, train[id_column].unique().tolist())


def label_of_boxes(
    host: Host, shown: pd.DataFrame, others: Sequence[str], example: Sequence[str]
) -> tuple[str | None, list[str]]:
    """The column of the class and its values: TARGET=, one whose values the sample's box names, or one named so."""
    rest = [name for name in shown.columns if name not in others]
    named = [name for name in rest if example and example[0] in set(host.frame(host.train)[name])]
    called = [name for name in rest if re.search(r"label|class|category", name, re.IGNORECASE)]
    given = [host.options.target] if host.options.target else []
    for name in [*given, *(name for name in named if name in called), *called]:
        classes = sorted(set(shown[name]) - {""}, key=in_order)
        if len(classes) > 1:
            return name, classes
    return None, ["object"]
