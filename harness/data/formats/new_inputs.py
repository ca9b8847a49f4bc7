"""New inputs for models that are trained, read as the training's were: `make predict`."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.formats.csv_samples import Table
from harness.data.formats.image_files import decoded, files_below, files_by_name
from harness.data.images import EncodedImages
from harness.data.large_arrays import new_array
from harness.data.pixels.depth import Form, ValueRange, learnt_range, used_by
from harness.data.pixels.picture_file import PictureHead, form_of, heads_of, read_pixels
from harness.data.samples import Samples
from harness.errors import UserError
from harness.paths import shown

log = logging.getLogger(__name__)


def inputs_like(source: Path, like: Any, reading: Mapping[str, Any], id_columns: Sequence[str] = ()) -> Samples:
    """The images of a folder, or the rows of a CSV table, in the form of the inputs `like`.

    reading: as in `Samples`. id_columns: the columns of a table that may hold its ids. Raise `UserError` where the
    source is not of that form.
    """
    if isinstance(like, np.ndarray) and like.dtype.names:
        return rows_like(source, like, id_columns)
    return images_like(source, like, reading)


def rows_like(file: Path, like: np.ndarray, id_columns: Sequence[str] = ()) -> Samples:
    """The rows of a table that has the columns of `like`, a structured array; other columns are left out.

    Ids are those of the first of the `id_columns` that the table has, else the numbers of the rows.
    """
    if not file.is_file():
        raise UserError(f"{shown(file)} is not a file; the models see tables, so it should be a CSV file of new rows")
    table, columns = Table.read(file), dict[str, np.ndarray]()
    for name in like.dtype.names or ():
        if like.dtype[name].kind == "f":
            columns[name] = table.numbers(name)
        else:
            cells = table.text(name)
            columns[name] = cells.astype(f"U{max(like.dtype[name].itemsize // 4, *map(len, cells))}")
    rows = np.empty(len(table), [(name, column.dtype) for name, column in columns.items()])
    for name, column in columns.items():
        rows[name] = column
    return Samples(table.ids(next((name for name in id_columns if name in table.columns), None)), rows)


def images_like(folder: Path, like: Any, reading: Mapping[str, Any] | None = None) -> Samples:
    """Every image of the folder, with its name as its id, in the form of the inputs `like`.

    Images of another size are resized where those of the training were. Raise `UserError` where there are none, or one
    cannot be read, or has another size or depth than the training's.
    """
    reading, named = reading or {}, files_by_name(files_below(folder))
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
