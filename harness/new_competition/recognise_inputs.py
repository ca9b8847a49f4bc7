"""What is learned from: images that rows name, pixels in columns, or a table's columns; and the call that reads it."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from harness.data.formats import part_of_id
from harness.data.formats.image_files import read_images
from harness.data.pixels import Size
from harness.data.pixels.channels import channels_in
from harness.data.pixels.depth import full
from harness.data.pixels.picture_file import head
from harness.data.splits import in_days
from harness.data.tables.cell_values import date_parts, numbers_in
from harness.errors import UserError, listed
from harness.new_competition.host_files import Host
from harness.new_competition.reading import Reading, as_source
from harness.new_competition.sample_keys import SampleKeys

PATIENT = re.compile(r"(patient|subject|person|site|source|session|group|center|hospital)(_?id)?", re.IGNORECASE)
SIDES = (32, 224)  # pixels, to which images of several sizes are resized
LOOKED_AT = 20  # cells by which a column of pixels is known
IMAGES_LOOKED_AT = 50  # of which networks get the mean and the deviation
FEWEST_PIXELS = 50  # columns named pixel0, pixel1, ... that are an image


def with_inputs(host: Host, keys: SampleKeys, reading: Reading, separator: str | None = None) -> Reading:
    """Complete a reading of labels or numbers."""
    train, target = host.frame(host.train), reading.target
    targets = [target] if isinstance(target, str) else list(target)
    reading.rows = len(train)
    arguments = ["target=CLASSES" if reading.classes == target else f"target={target!r}"]
    arguments += ["classes=CLASSES"] if reading.classes and (reading.kind == "classification" or separator) else []
    arguments += [f"separator={separator!r}"] if separator else []
    id_column = host.naming_column(host.train, but=targets)
    if id_column and (keys.by == "images" or host.naming_column(host.test)):
        return of_images(host, keys, reading, id_column, arguments)
    if host.test is None and keys.ids:
        raise UserError("there is no table of the test rows (named test...): what is to be predicted from?")
    arguments += ids_of(host, keys)
    pixels = [name for name in train.columns if re.fullmatch(r"pixel_?\d+", name)]
    side = int(len(pixels) ** 0.5)
    if len(pixels) > FEWEST_PIXELS and side * side == len(pixels):
        host.say(f"inputs: images of {side} x {side}, a column for every pixel")
        reading.shape = (side, side)
        return finish_table(host, keys, reading, "pixels_in_csv", arguments)
    if columns := columns_of_pixels(host, targets):
        side = int(len(train[columns[0]].iloc[0].split()) ** 0.5)
        others = [name for name in train.columns if name not in {*targets, *columns, id_of_train(host, keys)}]
        left = f"; {listed(others)} left out" if others else ""
        host.say(f"inputs: images of {side} x {side}, all pixels of one in a cell of {', '.join(columns)}{left}")
        reading.shape = (side, side)
        return finish_table(host, keys, reading, "pixels_in_csv", [*arguments, f"pixels={tuple(columns)!r}"])
    return of_columns(host, keys, reading, targets, arguments)


def columns_of_pixels(host: Host, targets: Sequence[str]) -> list[str]:
    """Up to three columns whose cells hold as many numbers as a square image has pixels."""
    train, found = host.frame(host.train), []
    for name in train.columns:
        counts = set(train[name].iloc[:LOOKED_AT].str.count(" ") + 1)
        side = int(max(counts, default=0) ** 0.5)
        if name not in targets and len(counts) == 1 and counts == {side * side} and side * side > FEWEST_PIXELS:
            found += [name] if re.fullmatch(r"[-+.e\d ]+", train[name].iloc[0]) else []
    return found[:3]


def of_images(host: Host, keys: SampleKeys, reading: Reading, id_column: str, arguments: list[str]) -> Reading:
    """Images of several sizes are resized to one. What the tables say of them beside the target is learned from too."""
    ids = host.frame(host.train)[id_column].unique().tolist()
    folders = require_folders(host, ids, f"{host.train}, column {id_column}")
    reading.shape, size = common_shape(host)
    resized = f", resized to {size[0]} x {size[1]}" if size else ""
    host.say(f"inputs: {len(ids)} images in {', '.join(folders)}, named by {id_column}{resized}")
    row = keys.id_column if keys.by == "table" and not host.folders_of(keys.ids) else None
    if row:
        host.say(f"rows: the images of one {row} are one row; its prediction is the mean of those of its images")
        arguments += [f"row={row!r}"]
    reading.beside = columns_beside(host, reading, id_column, row)
    if reading.beside:
        host.say(f"beside the images: {listed(reading.beside)} of {host.train}; each kind of model sees its part")
        arguments += [f"columns={reading.beside!r}", f"test_table=raw / {host.test!r}"]
        reading.needs = [host.test or ""]
    arguments = [f"id={id_column!r}", *arguments, *([f"size={size}"] if size else [])]
    return finish(host, keys, reading, "images_and_csv", folders, arguments, ids, row)


def columns_beside(host: Host, reading: Reading, id_column: str, row: str | None) -> tuple[str, ...]:
    """What train and test both say of a row of images: numbers, and texts that repeat."""
    if not host.test:
        return ()
    train, test, key = host.frame(host.train), host.frame(host.test), row or id_column
    if not {key, id_column} <= set(test.columns):
        return ()
    targets = [reading.target] if isinstance(reading.target, str) else reading.target
    others = [name for name in train.columns if name in test.columns and name not in {*targets, id_column, row}]
    return tuple(
        name
        for name in others
        if says_something(train[name])
        and not (PATIENT.fullmatch(name) or name == host.options.group)
        and all(table.groupby(key)[name].nunique().max() == 1 for table in (train, test))
    )


def says_something(cells: pd.Series) -> bool:
    """Whether they are different numbers, or texts of which each stands in three rows on average."""
    numbers = not numbers_in(cells.to_numpy(object)).wrong.any()
    return cells.nunique() > 1 and (numbers or cells.nunique() <= len(cells) / 3)


def of_columns(host: Host, keys: SampleKeys, reading: Reading, targets: list[str], arguments: list[str]) -> Reading:
    """The columns that train and test share."""
    train = host.frame(host.train)
    test = host.frame(host.test) if host.test else train
    known = {*targets, keys.id_column, id_of_train(host, keys)}
    inputs = [name for name in train.columns if name in test.columns and name not in known]
    drop = [name for name in train.columns if name not in {*known, *inputs}]
    texts = [name for name in inputs if holds_sentences(train[name])]
    reading.texts = bool(texts)
    of_text = f", of these text: {listed(texts)}" if texts else ""
    host.say(f"inputs: {len(inputs)} columns of {host.train}{of_text}")
    if drop:
        host.say(f"left out: {listed(drop)}, which {host.test} does not have")
        arguments += [f"drop={drop!r}"]
    reading.time, reading.gap = time_of(host, inputs) if host.test else ("", 0.0)
    return finish_table(host, keys, reading, "csv_table", arguments)


def ids_of(host: Host, keys: SampleKeys) -> list[str]:
    """id=, test_id= and first_row=: train may call its ids otherwise than the test, or have none."""
    if keys.id_column is None:
        return [f"first_row={keys.first_row}"] if keys.first_row else []
    known = id_of_train(host, keys)
    if known == keys.id_column:
        return [f"id={known!r}"]
    host.say(f"ids: {known or 'the number of the row'} in {host.train}, {keys.id_column} in {host.test}")
    return [*([f"id={known!r}"] if known else []), f"test_id={keys.id_column!r}"]


def id_of_train(host: Host, keys: SampleKeys) -> str | None:
    """The column of train's ids: of the same name as the test's, or with "train" in it for "test"."""
    name, train = keys.id_column or "", host.frame(host.train)
    if name in train.columns:
        return name
    other = host.column(host.train, re.sub("test", "train", name, flags=re.IGNORECASE))
    return other if other and train[other].is_unique else None


def time_of(host: Host, inputs: Sequence[str]) -> tuple[str, float]:
    """The column by which all rows of the test are later than those of train, and the days between; "" of none."""
    for name in inputs:
        known, asked = (times_in(host.frame(path)[name]) for path in (host.train, host.test))
        if known is None or asked is None or not known.max() < asked.min():
            continue
        days, ahead = np.diff(np.unique(known)), asked.min() - known.max()
        gap = float(ahead) if len(days) and ahead > 1.5 * np.median(days) else 0.0
        before = f"at least {gap:g} days before" if gap else "before"
        host.say(
            f"split: by {name}, as all rows of {host.test} are later than those of {host.train}; a model learns from "
            f"rows {before} those that it predicts"
        )
        return name, gap
    return "", 0.0


def times_in(cells: pd.Series) -> np.ndarray | None:
    """(n,) float64 days of dates; None of anything else."""
    values = cells.to_numpy(str)
    if not len(values) or "" in values or date_parts(values) is None:
        return None
    return in_days(values)


def holds_sentences(cells: pd.Series) -> bool:
    """Words with spaces between them, different in many rows, rather than the names of kinds."""
    filled = cells[cells != ""]
    return bool(len(filled)) and filled.nunique() > len(filled) / 3 and filled.str.count(" ").mean() > 2


def common_shape(host: Host) -> tuple[Size, Size | None]:
    """(height, width) of all images, also of the test, and the size to which they are resized where they differ."""
    shapes = shapes_of(host)
    if len(set(shapes)) == 1:
        return shapes[0], None
    side = int(np.clip(np.median([min(shape) for shape in shapes]), *SIDES)) // 8 * 8
    return (side, side), (side, side)


def with_look(host: Host, reading: Reading, folder: str) -> list[str]:
    """The argument channels= of the reader, where it is needed; the look is that of some of the images, small."""
    files = host.images.get(folder) or host.images.get(folder.split("/")[0], [])
    if not files:
        return []
    some, channels = files[:: -(-len(files) // IMAGES_LOOKED_AT)], channels_in(files[0])
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
    height, width = np.median(shapes_of(host), axis=0).astype(int).tolist()
    return height, width


def shapes_of(host: Host) -> list[Size]:
    """(height, width) of every image, also of the test."""
    folders = [(files, channels_in(files[0])) for files in host.images.values()]
    return [head(file, channels).size for files, channels in folders for file in files]


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
    ids: Sequence[str],
    row: str | None = None,
) -> Reading:
    """A call that reads images; those of the test by the ids of the sample, or with row= by a table of them.

    ids: of the labelled rows.
    """
    if reader not in ("images_and_boxes", "images_and_objects"):  # which are read with 8 bits and three channels
        arguments = [*arguments, *with_look(host, reading, folders[0])]
    if reader not in ("class_folders", "classes_in_names", "images_and_masks", "images_and_objects"):
        arguments = [f"raw / {host.train!r}", *arguments]
        reading.needs = [host.train or "", *reading.needs]
    arguments = [*arguments, *group_of(host, row, ids)]
    both = set(ids) & set(keys.ids)
    if row is None and both and set(folders) <= set(host.folders_of(keys.ids)):
        name = next(name for name in ids if name in both)
        raise UserError(
            f"{host.train} names images of the test, such as {name}, and none of train's, whose names may have more "
            "parts than one column holds; write the folder with TASK="
        )
    if row:
        named = host.naming_column(host.test) or ""
        tested = require_folders(host, host.frame(host.test)[named].tolist(), host.test or "")
        reading.needs += [host.test or ""]
        test = f"rows_named(raw / {host.test!r}, {named!r}, {row!r}, {places(tested)})"
    else:
        key = keys.keys.get(keys.column or "", "")
        composed = f", {key!r}" if key != "{id}" else ""
        tested = require_folders(host, keys.ids, host.sample or "") if keys.ids else []
        sample = f"raw / {host.test!r}" if host.assumed else "raw / SAMPLE"
        asked = f"asked_ids({sample}, {keys.column!r}{composed})"
        test = f"files_named({asked}, {places(tested)})"
        if host.assumed and not host.test:
            test = places(tested) if len(tested) == 1 else f"[{places(tested)}]"
        test = f"files_matched({places(tested)}, *PATHS, {asked})" if host.template else test
    images = places(folders) if len(folders) == 1 or reader == "images_and_masks" else f"[{places(folders)}]"
    if host.template:
        images = f"files_matched({images}, *PATHS)"
        reading.paths = host.template
    arguments += [f"test={test}"] if tested else []
    reading.load = f"{reader}({', '.join([images, *arguments])})"
    return completed(host, keys, reading, [*folders, *tested])


def finish_table(host: Host, keys: SampleKeys, reading: Reading, reader: str, arguments: list[str]) -> Reading:
    known = id_of_train(host, keys)
    ids = host.frame(host.train)[known].tolist() if known else []
    arguments = [f"raw / {host.train!r}", *arguments, *group_of(host, None, ids)]
    arguments += [f"answers=raw / {host.answers!r}"] if host.answers else []
    arguments += [f"test=raw / {host.test!r}"] if host.test else []
    reading.load = f"{reader}({', '.join(arguments)})"
    return completed(host, keys, reading, [path for path in (host.train, host.answers, host.test) if path])


def completed(host: Host, keys: SampleKeys, reading: Reading, needs: Sequence[str]) -> Reading:
    reading.keys, reading.columns = keys.keys, () if host.assumed else tuple(host.frame(host.sample).columns)
    reading.needs = list(dict.fromkeys([*reading.needs, *needs, *([] if host.assumed else [host.sample or ""])]))
    return reading


def places(folders: Sequence[str]) -> str:
    return ", ".join("raw" if folder == "." else f"raw / {folder!r}" for folder in folders)


def group_of(host: Host, row: str | None, ids: Sequence[str]) -> list[str]:
    """group=, of the column or part of the ids that GROUP= says, or of a column that is called like a patient.

    ids: of the labelled rows. Raise `UserError` where GROUP= is neither a column nor a part of every id.
    """
    train, given = host.frame(host.train), host.options.group
    if given and (column := host.column(host.train, given)):
        return [f"group={column!r}"]
    if given and "(" in given and ids:
        groups = part_of_id(given)(ids)
        host.say(f"groups: {len(set(groups))}, by {given} in the ids, such as {groups[0]} of {ids[0]}")
        return [f"group=part_of_id({as_source(given)})"]
    if given:
        host.require_column(given)
    for name in train.columns if row is None else ():
        if PATIENT.fullmatch(name) and 3 <= train[name].nunique() < len(train) and set(train[name]) != set(ids):
            host.say(f"groups: {name}; rows of one {name} are never in two folds (GROUP= names another column)")
            return [f"group={name!r}"]
    host.say(f"groups: {row or f'none; say GROUP= where rows belong together (a patient, a place){hint_of(ids)}'}")
    return []


def hint_of(ids: Sequence[str]) -> str:
    """An example of GROUP=, where all ids begin with what some of them share: 10_left, 10_right."""
    beginnings = [re.match(r"([^_]+)_", name) for name in ids]
    shared = {match[1] for match in beginnings if match}
    if not ids or None in beginnings or not 3 <= len(shared) < 0.7 * len(ids):
        return ""
    first = next(match[1] for match in beginnings if match)
    return f", such as GROUP='^([^_]+)_' for all ids that begin with {first}_"
