"""What is learned from: images that rows name, pixels in columns, or a table's columns; and the call that reads it."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from harness.data.formats.image_files import read_images
from harness.data.pixels import Size
from harness.data.pixels.channels import channels_in
from harness.data.pixels.depth import full
from harness.data.pixels.picture_file import head
from harness.errors import UserError, listed
from harness.new_competition.host_files import Host
from harness.new_competition.reading import Reading
from harness.new_competition.sample_keys import SampleKeys

PATIENT = re.compile(r"(patient|subject|person|site|source|session|group|center|hospital)(_?id)?", re.IGNORECASE)
SIDES = (32, 224)  # pixels, to which images of several sizes are resized
LOOKED_AT = 50  # images of which networks get the mean and the deviation
FEWEST_PIXELS = 50  # columns named pixel0, pixel1, ... that are an image


def with_inputs(host: Host, keys: SampleKeys, reading: Reading, separator: str | None = None) -> Reading:
    """Complete a reading of labels or numbers."""
    train, target = host.frame(host.train), reading.target
    targets = [target] if isinstance(target, str) else list(target)
    reading.rows = len(train)
    arguments = [f"target={target!r}"]
    arguments += ["classes=CLASSES"] if reading.classes and (reading.kind == "classification" or separator) else []
    arguments += [f"separator={separator!r}"] if separator else []
    id_column = host.naming_column(host.train, but=targets)
    if id_column and (keys.by == "images" or host.naming_column(host.test)):
        return of_images(host, keys, reading, id_column, arguments)
    if host.test is None:
        raise UserError("there is no table of the test rows (named test...): what is to be predicted from?")
    numbered = [f"first_row={keys.first_row}"] if keys.first_row else []
    arguments += [f"id={keys.id_column!r}"] if keys.id_column else numbered
    pixels = [name for name in train.columns if re.fullmatch(r"pixel_?\d+", name)]
    side = int(len(pixels) ** 0.5)
    if len(pixels) > FEWEST_PIXELS and side * side == len(pixels):
        host.say(f"inputs: images of {side} x {side}, a column for every pixel")
        reading.shape = (side, side)
        return finish_table(host, keys, reading, "pixels_in_csv", arguments)
    return of_columns(host, keys, reading, targets, arguments)


def of_images(host: Host, keys: SampleKeys, reading: Reading, id_column: str, arguments: list[str]) -> Reading:
    """Images of several sizes are resized to one."""
    ids = host.frame(host.train)[id_column].unique().tolist()
    folders = require_folders(host, ids, f"{host.train}, column {id_column}")
    reading.shape, size = common_shape(host)
    resized = f", resized to {size[0]} x {size[1]}" if size else ""
    count = sum(len(host.images[folder]) for folder in folders)
    host.say(f"inputs: {count} images in {', '.join(folders)}, named by {id_column}{resized}")
    row = keys.id_column if keys.by == "table" and not host.folders_of(keys.ids) else None
    if row:
        host.say(f"rows: the images of one {row} are one row, and have one answer")
        arguments += [f"row={row!r}"]
    arguments = [f"id={id_column!r}", *arguments, *([f"size={size}"] if size else [])]
    return finish(host, keys, reading, "images_and_csv", folders, arguments, row)


def of_columns(host: Host, keys: SampleKeys, reading: Reading, targets: list[str], arguments: list[str]) -> Reading:
    """The columns that train and test share."""
    train, test = host.frame(host.train), host.frame(host.test)
    inputs = [name for name in train.columns if name in test.columns and name not in {*targets, keys.id_column}]
    drop = [name for name in train.columns if name not in {*targets, keys.id_column, *inputs}]
    texts = [name for name in inputs if holds_sentences(train[name])]
    reading.texts = bool(texts)
    of_text = f", of these text: {listed(texts)}" if texts else ""
    host.say(f"inputs: {len(inputs)} columns of {host.train}{of_text}")
    if drop:
        host.say(f"left out: {listed(drop)}, which {host.test} does not have")
        arguments += [f"drop={drop!r}"]
    return finish_table(host, keys, reading, "csv_table", arguments)


def holds_sentences(cells: pd.Series) -> bool:
    """Words with spaces between them, different in many rows, rather than the names of kinds."""
    filled = cells[cells != ""]
    return bool(len(filled)) and filled.nunique() > len(filled) / 3 and filled.str.count(" ").mean() > 2


def common_shape(host: Host) -> tuple[Size, Size | None]:
    """(height, width) of all images, also of the test, and the size to which they are resized where they differ."""
    shapes = [head(file, channels_in(files[0])).size for files in host.images.values() for file in files]
    if len(set(shapes)) == 1:
        return shapes[0], None
    side = int(np.clip(np.median([min(shape) for shape in shapes]), *SIDES)) // 8 * 8
    return (side, side), (side, side)


def with_look(host: Host, reading: Reading, folder: str) -> list[str]:
    """The argument channels= of the reader, where it is needed; the look is that of some of the images, small."""
    files = host.images.get(folder) or host.images[folder.split("/")[0]]
    some, channels = files[:: -(-len(files) // LOOKED_AT)], channels_in(files[0])
    if channels is None and not any(head(file).deep for file in some):
        return []
    images = read_images(some, (SIDES[0], SIDES[0]), channels=channels)
    values = images.reshape(-1, images.shape[3] if images.ndim == 4 else 1) / full(images.dtype)
    mean, std = values.mean(0).round(3).tolist(), np.maximum(values.std(0), 0.001).round(3).tolist()
    reading.look = {"mean": tuple(mean), "std": tuple(std)}
    bits = 8 * images.itemsize
    host.say(f"channels: {len(mean)} of {bits} bits in {folder}; networks see them with their own mean and deviation")
    if channels is None:
        return []
    reading.look = {"channels": channels, **reading.look}
    return [f"channels={channels}"]


def median_shape(host: Host) -> Size:
    """(height, width) that half of the images exceed."""
    shapes = [head(file)[0] for files in host.images.values() for file in files]
    height, width = np.median(shapes, axis=0).astype(int).tolist()
    return height, width


def require_folders(host: Host, ids: Sequence[str], what: str) -> list[str]:
    """The folders in which these images lie; raise `UserError` with those that lie in none."""
    folders = host.folders_of(ids)
    if not folders:
        everywhere = set().union(*host.image_names.values())
        lost = [name for name in ids if name not in everywhere]
        raise UserError(f"{what} names {len(lost)} images that are not there, the first: {', '.join(lost[:3])}")
    return folders


# -- the call that reads -----------------------------------------------------------------------------------------------


def finish(
    host: Host,
    keys: SampleKeys,
    reading: Reading,
    reader: str,
    folders: Sequence[str],
    arguments: list[str],
    row: str | None = None,
) -> Reading:
    """A call that reads images; those of the test by the ids of the sample, or with row= by a table of them."""
    if reader != "images_and_boxes":  # which are read with 8 bits and three channels
        arguments = [*arguments, *with_look(host, reading, folders[0])]
    if reader not in ("class_folders", "images_and_masks"):
        arguments = [f"raw / {host.train!r}", *arguments, *group_of(host, row)]
        reading.needs = [host.train or ""]
    if row:
        named = host.naming_column(host.test) or ""
        tested = require_folders(host, host.frame(host.test)[named].tolist(), host.test or "")
        reading.needs += [host.test or ""]
        test = f"rows_named(raw / {host.test!r}, {named!r}, {row!r}, {places(tested)})"
    else:
        key = keys.keys.get(keys.column or "", "")
        composed = f", {key!r}" if key != "{id}" else ""
        tested = require_folders(host, keys.ids, host.sample or "")
        test = f"files_named(asked_ids(raw / SAMPLE, {keys.column!r}{composed}), {places(tested)})"
    images = places(folders) if len(folders) == 1 or reader == "images_and_masks" else f"[{places(folders)}]"
    reading.load = f"{reader}({', '.join([images, *arguments, f'test={test}'])})"
    return completed(host, keys, reading, [*folders, *tested])


def finish_table(host: Host, keys: SampleKeys, reading: Reading, reader: str, arguments: list[str]) -> Reading:
    arguments = [f"raw / {host.train!r}", *arguments, *group_of(host, None), f"test=raw / {host.test!r}"]
    reading.load = f"{reader}({', '.join(arguments)})"
    return completed(host, keys, reading, [host.train or "", host.test or ""])


def completed(host: Host, keys: SampleKeys, reading: Reading, needs: Sequence[str]) -> Reading:
    reading.keys, reading.columns = keys.keys, tuple(host.frame(host.sample).columns)
    reading.needs = list(dict.fromkeys([*reading.needs, *needs, host.sample or ""]))
    return reading


def places(folders: Sequence[str]) -> str:
    return ", ".join("raw" if folder == "." else f"raw / {folder!r}" for folder in folders)


def group_of(host: Host, row: str | None) -> list[str]:
    """group=, of the column that GROUP= names, or of one that is called like a patient or a site and repeats."""
    train, given = host.frame(host.train), host.options.group
    if given:
        return [f"group={host.require_column(given)!r}"]
    for name in train.columns if row is None else ():
        if PATIENT.fullmatch(name) and 3 <= train[name].nunique() < len(train):
            host.say(f"groups: {name}; rows of one {name} are never in two folds (GROUP= names another column)")
            return [f"group={name!r}"]
    none = "none; say GROUP= where rows belong together (a patient, a place)"
    host.say(f"groups: {none if row is None else row}")
    return []
