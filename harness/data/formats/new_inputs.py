"""New inputs for models that are trained, read as the training's were: `make predict`."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.formats.asked import images_of_rows
from harness.data.formats.image_files import ImageFiles, decoded, files_below, files_by_name
from harness.data.images import EncodedImages
from harness.data.large_arrays import new_array
from harness.data.pixels.depth import Form, ValueRange, learnt_range, used_by
from harness.data.pixels.picture_file import PictureHead, form_of, heads_of, read_pixels
from harness.data.samples import Bags, Joined, Samples, images_of
from harness.data.tables.table import Table
from harness.data.tables.table_inputs import lines_of_ids, structured_like
from harness.errors import UserError, listed
from harness.paths import shown

TABLES = (".csv", ".tsv")
log = logging.getLogger(__name__)


def inputs_like(source: Path, like: Any, reading: Mapping[str, Any], id_columns: Sequence[str] = ()) -> Samples:
    """The images of a folder, or the rows of a CSV table, or both, in the form of the inputs `like`.

    reading: as in `Samples`. id_columns: the columns of a table that may hold its ids. Raise `UserError` where the
    source is not of that form.
    """
    if isinstance(like, np.ndarray) and like.dtype.names:
        return rows_like(source, like, id_columns)
    if isinstance(like, Joined | Bags):
        return several_like(source, like, reading)
    return images_like(source, like, reading)


def rows_like(file: Path, like: np.ndarray, id_columns: Sequence[str] = ()) -> Samples:
    """The rows of a table in the fields of `like`, a structured array, as `structured_like` says.

    Ids are those of the first of the `id_columns` that the table has, else the numbers of the rows.
    """
    if not file.is_file():
        raise UserError(f"{shown(file)} is not a file; the models see tables, so it should be a CSV file of new rows")
    table = Table.read(file)
    id_column = next((name for name in id_columns if name in table.columns), None)
    return Samples(table.ids(id_column), structured_like(table, like))


def several_like(folder: Path, like: Joined | Bags, reading: Mapping[str, Any]) -> Samples:
    """Rows of an image and a table's columns, or of several images, or of both.

    A table in the folder, or beside it with the folder's name, names the images, and their row where a row has several;
    without one every image is a row. Raise `UserError` where the table is missing or not of the training's form.
    """
    if isinstance(like, Bags) and not tables_of_folder(folder):
        samples = images_like(folder, like.flat, reading)
        return replace(samples, inputs=Bags(samples.inputs, np.arange(len(samples) + 1)))
    table, images = Table.read(table_of_folder(folder)), images_of(like)
    column, row = reading["named_by"], reading.get("row")
    key = row if row and isinstance(images, Bags) else column
    files = images_of_rows(table, column, key, ImageFiles(folder))
    ids, alone = np.array(list(files)), [file for of_row in files.values() for file in of_row]
    known = images.flat if isinstance(images, Bags) else images
    inputs = images_like(folder, known, reading, {str(k): file for k, file in enumerate(alone)}).inputs
    if isinstance(images, Bags):
        inputs = Bags(inputs, np.cumsum([0, *map(len, files.values())]))
    if not isinstance(like, Joined):
        return Samples(ids, inputs)
    line = lines_of_ids(table, key, [name for name in like.table.dtype.names or () if name in table.columns])
    columns = structured_like(table, like.table)[[line[name] for name in ids.tolist()]]
    return Samples(ids, Joined(inputs, columns))


def tables_of_folder(folder: Path) -> list[Path]:
    """The tables in a folder of images, else those beside it that are named as the folder."""
    inside = sorted(file for file in folder.glob("*") if file.suffix.lower() in TABLES)
    return inside or [file for suffix in TABLES if (file := folder.resolve().with_suffix(suffix)).is_file()]


def table_of_folder(folder: Path) -> Path:
    """The only one; raise `UserError` where there is none, or several."""
    found = tables_of_folder(folder)
    if len(found) != 1:
        there = f"there are {listed(map(shown, found))}" if found else "there is none"
        raise UserError(
            f"{shown(folder)} should hold the images and one table that says what the models have to know of each, but "
            f"{there}"
        )
    return found[0]


def images_like(
    folder: Path, like: Any, reading: Mapping[str, Any] | None = None, named: Mapping[str, Path] | None = None
) -> Samples:
    """Images in the form of the inputs `like`: those that are named, else every one of the folder by its name.

    Images of another size are resized where those of the training were. Raise `UserError` where there are none, or one
    cannot be read, or has another size or depth than the training's.
    """
    reading, named = reading or {}, named or files_by_name(files_below(folder))
    ids, files = np.array(list(named)), list(named.values())
    channels = like.shape[3] if isinstance(like, np.ndarray) and like.ndim == 4 else 1
    heads = heads_of(files, channels)
    value_range = known_range(files, heads, reading, channels)
    if isinstance(like, EncodedImages):
        return Samples(ids, EncodedImages.read(files, value_range))
    together = reading.get("together", 1)  # images of one row, one above the other
    size = like.shape[1] // together, like.shape[2]
    others = [k for k, each in enumerate(heads) if each.size != size]
    if others:
        (height, width), expected = heads[others[0]].size, f"{size[0]} x {size[1]}"
        first = f"{shown(files[others[0]])} is {height} x {width} (height x width)"
        if not (reading.get("resized") or tuple(reading.get("size", size) or ()) != size):
            raise UserError(f"{first}, but the models see {expected}")
        log.warning("%s: %d of %d images are resized to %s, as in training", first, len(others), len(files), expected)
    if channels == 1 and (coloured := [file for file, each in zip(files, heads, strict=True) if not each.grey]):
        log.warning("%s and %d more are in colour; the models see grey", shown(coloured[0]), len(coloured) - 1)
    form = Form(channels, np.uint16 if like.dtype == np.uint16 else np.uint8, value_range)
    inputs = new_array((len(files), *like.shape[1:]), form.dtype)
    for row, file in enumerate(files):
        inputs[row] = np.concatenate([decoded(file, form, size)] * together)
    return Samples(ids, inputs)


def known_range(
    files: Sequence[Path], heads: Sequence[PictureHead], reading: Mapping[str, Any], channels: int
) -> ValueRange | None:
    """The range of values of the training's files, by which new ones of more than 8 bits are scaled too."""
    if not reading:
        return form_of(files, heads, channels=channels).value_range
    known = reading["value_range"]
    deep = [file for file, each in zip(files, heads, strict=True) if each.deep]
    if known is not None:
        if shallow := sorted({*files} - {*deep}):
            log.warning("%s and %d more hold 8 bits, and stay as they are", shown(shallow[0]), len(shallow) - 1)
        return known[0], known[1]
    if deep and learnt_range([used_by(read_pixels(file, channels)) for file in deep]) != (0, 255):
        raise UserError(f"{shown(deep[0])} holds more than 8 bits, but the pictures of the training had 8")
    return None
