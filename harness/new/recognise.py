"""From a host's files to a declaration's parts: what is predicted, from what, and how it is written.

Every choice is said with its reason. Where two are possible the answer is an error that names the option to give.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from harness.data.run_lengths import RunLengths
from harness.errors import UserError
from harness.metrics import names
from harness.new.host import Host, SampleKeys, sample_keys

PATIENT = re.compile(r"(patient|subject|person|site|source|session|group|center|hospital)(_?id)?", re.IGNORECASE)
CORNERS = (
    ("x1 y1 x2 y2", ("xmin", "ymin", "xmax", "ymax")),
    ("x1 y1 x2 y2", ("x1", "y1", "x2", "y2")),
    ("x1 y1 x2 y2", ("x_min", "y_min", "x_max", "y_max")),
    ("x y w h", ("x", "y", "width", "height")),
    ("x y w h", ("x", "y", "w", "h")),
)
SEPARATORS = (" ", "|", ";", ",")


@dataclass
class Reading:
    """The parts of a declaration.

    classes: names, the index is the label; () for numbers. task, layout, metric, load, split, models: Python source;
    imports: module -> names. needs: paths in raw without which the files are not the host's. title: what is learned.
    """

    kind: str
    title: str
    metric: names.Entry
    classes: tuple[str, ...] = ()
    target: str | tuple[str, ...] = ""
    cells: str = ""
    keys: dict[str, str] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    load: str = ""
    shape: tuple[int, ...] = ()
    rows: int = 0
    text: bool = False
    needs: list[str] = field(default_factory=list)
    group: str | None = None


def recognise(host: Host) -> Reading:
    """Raise `UserError` with the option to give where two readings are possible."""
    if host.sample is None:
        raise UserError(
            "no table is named like a sample submission; say which it is with SAMPLE=, or write the folder with TASK="
        )
    keys = sample_keys(host)
    found = ", ".join(f"{name} is {key}" for name, key in keys.keys.items())
    where = {"images": "the names of images", "table": f"{host.test}", "rows": "the order of the rows"}[keys.by]
    host.say(f"rows: {found}; {len(keys.ids)} are asked for, known by {where}")
    if len(keys.predicted) == 1 and (runs := runs_of(host, keys.predicted[0])):
        return masks(host, keys, *runs)
    if len(keys.predicted) == 1 and (boxes := boxes_of(host)):
        return detections(host, keys, *boxes)
    return labels_or_numbers(host, keys)


# -- masks as run lengths ----------------------------------------------------------------------------------------------


def runs_of(host: Host, predicted: str) -> tuple[str, list[str]] | None:
    """The column of train that holds run lengths, and its cells that are not empty."""
    column = host.column(host.train, predicted)
    if column is None:
        return None
    cells = host.frame(host.train)[column]
    pairs = cells[cells.str.fullmatch(r"\d+ \d+( \d+ \d+)*")]
    others = set(cells) - set(pairs)
    return (column, list(pairs)) if len(pairs) and len(others) <= 1 and pairs.str.count(" ").max() > 2 else None


def masks(host: Host, keys: SampleKeys, column: str, pairs: list[str]) -> Reading:
    train = host.frame(host.train)
    id_column = host.column(host.train, keys.column or "") or host.naming_column(host.train)
    if id_column is None:
        raise UserError(f"no column of {host.train} names the images, as {keys.column} does in {host.sample}")
    key = keys.keys[keys.column or ""]
    labels = sorted(keys.labels, key=in_order) or ["object"]
    parts = train[id_column].str.rsplit("_", n=1) if "{class}" in key else None
    ids = train[id_column] if parts is None else parts.str[0]
    folders = require_folders(host, list(ids.unique()), f"{host.train}, column {id_column}")
    several = parts is None and not keys.labels and bool(train[id_column].duplicated().any())
    coding = coding_of(host, keys, column, train, ids, folders)
    described = "an object" if several and not coding.relative else "a class" if keys.labels else "an image"
    each_object = several and not coding.relative
    host.say(f"target: {column} holds run lengths, a row for {described}; {coding}")
    reading = Reading("segmentation", f"{column} of an image", entry(host, "segmentation"), ("background", *labels))
    reading.shape = shape_of(host, folders)
    cells = f"Runs({keys.predicted[0]!r}, {coding}" + (", each_object=True)" if each_object else ")")
    reading.cells = cells
    label = next((name for name, what in keys.keys.items() if what == "{class}"), None)
    arguments = [f"id={id_column!r}", f"runs={column!r}", "classes=CLASSES", f"coding={coding}"]
    arguments += [f"key={key!r}"] if "{class}" in key else []
    arguments += [f"label={host.column(host.train, label)!r}"] if label else []
    return finish(host, keys, reading, "images_and_runs", folders, arguments)


def coding_of(
    host: Host, keys: SampleKeys, column: str, train: pd.DataFrame, ids: pd.Series, folders: Sequence[str]
) -> RunLengths:
    """Starts that fall are relative; the order of pixels is that in which masks stand out from their images."""
    cells = train[column]
    pairs = cells[cells.str.fullmatch(r"\d+ \d+( \d+ \d+)*")]
    starts = [np.array(cell.split(), int)[::2] for cell in pairs]
    relative = any((np.diff(each) < 0).any() for each in starts)
    first = 0 if relative or any(each[0] == 0 for each in starts) else 1
    words = [*cells[~cells.index.isin(pairs.index)].unique(), *host.frame(host.sample)[keys.predicted[0]].unique()]
    none = next((word for word in words if not re.fullmatch(r"\d+ \d+( \d+ \d+)*", word)), "")
    contrast = {
        by_columns: contrast_of(host, pairs, ids, folders, RunLengths(by_columns, first, relative, none))
        for by_columns in (True, False)
    }
    low, high = sorted(contrast.values())
    if high <= 0:
        raise UserError(
            f"{host.train}, column {column}: the run lengths do not fit into the images, in no order of pixels"
        )
    by_columns = contrast[True] >= contrast[False]
    host.say(
        f"pixels: counted {'down the columns' if by_columns else 'along the rows'}; there masks differ from the rest "
        f"of their images by {high:.2g} standard deviations, in the other order by {max(low, 0):.2g}"
    )
    return RunLengths(by_columns, first, relative, none)


def contrast_of(host: Host, pairs: pd.Series, ids: pd.Series, folders: Sequence[str], coding: RunLengths) -> float:
    """How far the pixels inside masks differ from those outside, in standard deviations; -1 where one does not fit."""
    from harness.data.formats.images_on_disk import read
    from harness.data.formats.named_files import files_named

    some = pairs.iloc[:: max(1, len(pairs) // 60)]
    named = files_named(list(ids[some.index].unique()), *(host.raw / folder for folder in folders))
    differences = []
    for at, cell in some.items():
        pixels = np.asarray(read([named[ids[at]]])[0], float)
        grey = pixels if pixels.ndim == 2 else pixels.mean(2)
        try:
            mask = coding.decode(cell, grey.shape)
        except ValueError:
            return -1.0
        if not mask.all():
            differences.append(abs(grey[mask].mean() - grey[~mask].mean()) / (grey.std() + 1e-6))
    return float(np.mean(differences)) if differences else 0.0


# -- boxes -------------------------------------------------------------------------------------------------------------


def boxes_of(host: Host) -> tuple[str, str | tuple[str, ...]] | None:
    """(fields, the column of train that holds all four numbers, or the four columns)."""
    train = host.frame(host.train)
    for name in train.columns:
        filled = train[name][train[name] != ""]
        if (
            len(filled)
            and filled.str.fullmatch(
                r"[\[(]\s*[-\d.]+(\s*,\s*|\s+)[-\d.]+(\s*,\s*|\s+)[-\d.]+(\s*,\s*|\s+)[-\d.]+\s*[\])]"
            ).all()
        ):
            return "x y w h", name
    for fields, wanted in CORNERS:
        columns = tuple(host.column(host.train, name) for name in wanted)
        if all(columns):
            return fields, tuple(filter(None, columns))
    return None


def detections(host: Host, keys: SampleKeys, fields: str, box: str | tuple[str, ...]) -> Reading:
    train = host.frame(host.train)
    id_column = host.column(host.train, keys.column or "") or host.naming_column(host.train)
    if id_column is None:
        raise UserError(f"no column of {host.train} names the images, as {keys.column} does in {host.sample}")
    folders = require_folders(host, list(train[id_column].unique()), f"{host.train}, column {id_column}")
    numbers = train[list(box)].replace("", np.nan).astype(float) if not isinstance(box, str) else pd.DataFrame()
    shares = not numbers.empty and bool((numbers.max() <= 1).all())
    label, texts = label_of_boxes(host, id_column, box)
    example = next((cell for cell in host.frame(host.sample)[keys.predicted[0]] if cell), "")
    layout, none = box_fields(host, example, texts)
    kind = "shares of the image" if shares else "pixels"
    host.say(
        f"target: boxes in {box if isinstance(box, str) else ', '.join(box)} ({fields}, {kind}), {len(texts)} classes"
    )
    host.say(f"{keys.predicted[0]}: {layout} for every box, {none!r} where there is none")
    reading = Reading("detection", "boxes in an image", entry(host, "detection"), tuple(texts))
    named = ", texts=CLASSES" if "class" in layout else ""
    reading.cells = f"Boxes({keys.predicted[0]!r}, {layout!r}{named}{', shares=True' if shares else ''}{f', none={none!r}' if none else ''})"
    arguments = [f"id={id_column!r}", f"box={box!r}", "classes=CLASSES", f"fields={fields!r}"]
    arguments += [f"label={label!r}"] if label else []
    arguments += ["shares=True"] if shares else []
    return finish(host, keys, reading, "images_and_boxes", folders, arguments)


def label_of_boxes(host: Host, id_column: str, box: str | tuple[str, ...]) -> tuple[str | None, list[str]]:
    """The column of the class, and its values; a class of its own where there is none."""
    train, given = host.frame(host.train), host.options.target
    boxes = {box} if isinstance(box, str) else set(box)
    rest = [name for name in train.columns if name not in {id_column, *boxes}]
    named = [given] if given else [name for name in rest if re.search(r"label|class|category", name, re.IGNORECASE)]
    for name in named:
        values = sorted(set(train[name]) - {""}, key=in_order)
        if len(values) > 1:
            return name, values
    return None, ["object"]


def box_fields(host: Host, example: str, texts: Sequence[str]) -> tuple[str, str]:
    """(fields of a box in a submission, what stands for none) from the sample's own cell."""
    words = example.split()
    first = words[0] if words else ""
    labelled = first in texts or (len(words) % 6 == 0 and len(words) % 5 != 0) or len(texts) > 1
    if not labelled:
        return "score x y w h", ""
    return "class score x1 y1 x2 y2", ""


# -- labels and numbers ------------------------------------------------------------------------------------------------


def labels_or_numbers(host: Host, keys: SampleKeys) -> Reading:
    """Columns of train named as in the sample, or one whose values are the sample's columns, or folders named so."""
    train, predicted = host.frame(host.train), keys.predicted
    targets = [column for name in predicted if (column := host.column(host.train, name))]
    if len(predicted) == 1:
        column = host.options.target or (targets[0] if targets else the_one_left(host))
        return one_column(host, keys, require_column(host, column))
    if len(targets) == len(predicted):
        values = train[targets].apply(pd.to_numeric, errors="coerce")
        if not values.isin([0, 1]).all(axis=None):
            return several_numbers(host, keys, targets)
        return flags(host, keys, targets, single=bool((values.sum(axis=1) == 1).all()))
    for name in train.columns:
        if names_in_order := matching(set(train[name]), predicted):
            return one_of_columns(host, keys, name, names_in_order)
    folders = class_folders_of(host, predicted)
    if folders:
        return of_folders(host, keys, *folders)
    raise UserError(
        f"what is {', '.join(predicted[:3])} of {host.sample}? No column of {host.train} is named so, and none holds "
        "these as its values; say TARGET="
    )


def one_column(host: Host, keys: SampleKeys, column: str) -> Reading:
    """A label, a probability, several labels, the k best, or a number in one cell."""
    cells = host.frame(host.train)[column]
    cells = cells[cells != ""]
    predicted = keys.predicted[0]
    numbers = pd.to_numeric(cells, errors="coerce")
    separator = separator_of(cells)
    if separator and fits(host, "multilabel"):
        classes = sorted({name for cell in cells for name in cell.split(separator)}, key=in_order)
        none = f", none={''!r}" if (host.frame(host.train)[column] == "").any() else ""
        host.say(f"target: {column}, several of {len(classes)} labels in a cell, with {separator!r} between them")
        reading = Reading("multilabel", column, entry(host, "multilabel"), tuple(classes), column)
        reading.cells = f"Labels({predicted!r}{'' if separator == ' ' else f', {separator!r}'}{none})"
        return with_inputs(host, keys, reading, separator=separator)
    kinds = [kind for kind in ("classification", "regression") if fits(host, kind)]
    if not kinds:
        entry(host, "classification")
    if len(kinds) == 2:
        kinds = [
            "regression" if numbers.notna().all() and cells.nunique() > max(20, len(cells) // 20) else "classification"
        ]
    if kinds[0] == "regression":
        if numbers.isna().any():
            raise UserError(
                f"{host.train}, column {column}: {cells[numbers.isna()].iloc[0]!r} is not a number, and {host.options.metric} needs numbers"
            )
        return a_number(host, keys, column, numbers)
    classes = tuple(sorted(cells.unique(), key=in_order))
    if len(classes) < 2 or len(classes) > max(2, len(cells) // 2):
        raise UserError(
            f"{host.train}, column {column} has {len(classes)} different values in {len(cells)} rows: no classes; say TARGET= or TASK="
        )
    metric = entry(host, "classification")
    reading = Reading("classification", column, metric, classes, column)
    host.say(f"target: {column}, {len(classes)} classes: {shortened(classes)}")
    if metric.needs == "labels":
        numbered = list(classes) == [str(k) for k in range(len(classes))]
        reading.cells = f"Label({predicted!r})" if numbered else f"Label({predicted!r}, CLASSES)"
    elif metric.best:
        reading.cells = f"Best({metric.best}, {predicted!r})"
    elif len(classes) == 2:
        of = list(classes).index(predicted) if predicted in classes else 1
        host.say(f"{predicted}: the probability of {classes[of]!r}")
        reading.cells = f"Probability({predicted!r})" if of == 1 else f"Probability({predicted!r}, of=0)"
    elif keys.labels:
        reading.cells = f"Probability({predicted!r})"
    else:
        raise UserError(
            f"{host.options.metric} needs a probability for each of {len(classes)} classes, but the sample has one column"
        )
    return with_inputs(host, keys, reading)


def a_number(host: Host, keys: SampleKeys, column: str, numbers: pd.Series) -> Reading:
    """The range is learned from train only where it is plain: no number below 0."""
    reading = Reading("regression", column, entry(host, "regression"), (), column)
    least = ", least=0" if numbers.min() >= 0 else ""
    host.say(f"target: {column}, numbers from {numbers.min():g} to {numbers.max():g}")
    reading.cells = f"Numbers(({keys.predicted[0]!r},){least})"
    return with_inputs(host, keys, reading)


def several_numbers(host: Host, keys: SampleKeys, targets: list[str]) -> Reading:
    values = host.frame(host.train)[targets].astype(float)
    reading = Reading("regression", ", ".join(targets), entry(host, "regression"), (), tuple(targets))
    host.say(f"target: the numbers {', '.join(targets)}")
    reading.cells = f"Numbers({tuple(keys.predicted)!r}{', least=0' if values.min(axis=None) >= 0 else ''})"
    return with_inputs(host, keys, reading)


def flags(host: Host, keys: SampleKeys, targets: list[str], single: bool) -> Reading:
    """A column of 0 and 1 for every class: one label a row where every row has exactly one."""
    kind = "classification" if single and fits(host, "classification") else "multilabel"
    metric = entry(host, kind)
    host.say(
        f"target: {len(targets)} columns of 0 and 1, {'one label a row' if kind == 'classification' else 'several labels a row'}"
    )
    reading = Reading(kind, ", ".join(targets), metric, tuple(targets), tuple(targets))
    reading.cells = "Probabilities()" if metric.needs == "probabilities" else "Flags()"
    if tuple(targets) != tuple(keys.predicted):
        reading.cells = reading.cells.replace("()", f"({tuple(keys.predicted)!r})")
    return with_inputs(host, keys, reading)


def one_of_columns(host: Host, keys: SampleKeys, column: str, classes: dict[str, str]) -> Reading:
    """classes: value of the train column -> the sample's column."""
    host.say(f"target: {column}, {len(classes)} classes, a probability for each: {shortened(list(classes))}")
    reading = Reading("classification", column, entry(host, "classification"), tuple(classes), column)
    reading.cells = (
        "Probabilities()" if list(classes) == keys.predicted else f"Probabilities({tuple(classes.values())!r})"
    )
    return with_inputs(host, keys, reading)


def matching(values: set[str], predicted: Sequence[str]) -> dict[str, str]:
    """value -> column where the sample's columns are the values, with or without the same text before each."""
    if not values or len(values) > len(predicted):
        return {}
    for column in predicted:
        for value in values:
            if column.endswith(value):
                before = column[: len(column) - len(value)]
                if {f"{before}{each}" for each in values} <= set(predicted):
                    return {name.removeprefix(before): name for name in predicted}
    return {}


def class_folders_of(host: Host, predicted: Sequence[str]) -> tuple[str, list[str]] | None:
    """The folder in which every class has a folder with its images."""
    for folder, files in host.images.items():
        places: dict[str, set[str]] = {}
        for file in files:
            places.setdefault(file.parent.parent.relative_to(host.raw).as_posix(), set()).add(file.parent.name)
        for place, classes in places.items():
            if len(classes) > 1 and (set(predicted) <= classes if len(predicted) > 1 else folder not in ("test",)):
                return place, sorted(classes)
    return None


def of_folders(host: Host, keys: SampleKeys, folder: str, classes: list[str]) -> Reading:
    ordered = [name for name in keys.predicted if name in classes]
    host.say(f"target: {len(ordered)} classes, a folder for each in {folder}: {shortened(ordered)}")
    metric = entry(host, "classification")
    reading = Reading("classification", "the class", metric, tuple(ordered), "class")
    reading.cells = "Probabilities()"
    reading.rows = sum(len(files) for files in host.images.values())
    files = [file for file in host.images[folder.split("/")[0]] if file.parent.parent == host.raw / folder]
    reading.shape, size = common_shape(files)
    arguments = ["classes=CLASSES", *([f"size={size}"] if size else [])]
    return finish(host, keys, reading, "class_folders", [folder], arguments, table=False)


# -- inputs ------------------------------------------------------------------------------------------------------------


def with_inputs(host: Host, keys: SampleKeys, reading: Reading, separator: str | None = None) -> Reading:
    """Images that the rows name, pixels in columns, or the columns of a table."""
    train, target = host.frame(host.train), reading.target
    targets = [target] if isinstance(target, str) else list(target)
    reading.rows = len(train)
    arguments = [f"target={target!r}"]
    arguments += ["classes=CLASSES"] if reading.classes and isinstance(target, str) else []
    arguments += [f"separator={separator!r}"] if separator else []
    id_column = host.naming_column(host.train, but=targets)
    if id_column and (keys.by == "images" or host.naming_column(host.test)):
        return of_images(host, keys, reading, id_column, arguments)
    pixels = [name for name in train.columns if re.fullmatch(r"pixel_?\d+", name)]
    if len(pixels) > 50 and len(pixels) >= len(train.columns) - len(targets) - 1:
        side = int(len(pixels) ** 0.5)
        if side * side == len(pixels):
            reading.shape = (side, side)
            host.say(f"inputs: images of {side} x {side}, a column for every pixel")
            arguments += [f"first_row={keys.first_row}"] if keys.by == "rows" else [f"id={keys.id_column!r}"]
            return finish_table(host, keys, reading, "pixels_in_csv", arguments)
    return of_table(host, keys, reading, targets, arguments)


def of_images(host: Host, keys: SampleKeys, reading: Reading, id_column: str, arguments: list[str]) -> Reading:
    train = host.frame(host.train)
    folders = require_folders(host, list(train[id_column].unique()), f"{host.train}, column {id_column}")
    row = keys.id_column if keys.by == "table" and host.test and not host.folders_of(keys.ids) else None
    files = [file for folder in folders for file in host.images[folder]]
    reading.shape, size = common_shape(files)
    host.say(
        f"inputs: {len(files)} images in {', '.join(folders)}, named by {id_column}"
        + (f", resized to {size[0]} x {size[1]}" if size else "")
    )
    if row:
        host.say(f"rows: the images of one {row} are one row, and its answer is one")
        arguments += [f"row={row!r}"]
    arguments = [f"id={id_column!r}", *arguments, *([f"size={size}"] if size else [])]
    return finish(host, keys, reading, "images_and_csv", folders, arguments, row=row)


def of_table(host: Host, keys: SampleKeys, reading: Reading, targets: list[str], arguments: list[str]) -> Reading:
    train, test = host.frame(host.train), host.frame(host.test)
    if host.test is None:
        raise UserError("there is no table of the test rows (named test...): what is to be predicted from?")
    id_column = keys.id_column
    drop = [name for name in train.columns if name not in targets and name != id_column and name not in test.columns]
    inputs = [name for name in train.columns if name not in {*targets, *drop, id_column}]
    if drop:
        host.say(f"left out: {shortened(drop)}, which the test table does not have")
    texts = [name for name in inputs if long_text(train[name])]
    reading.text = bool(texts)
    host.say(
        f"inputs: {len(inputs)} columns of {host.train}" + (f", of these text: {shortened(texts)}" if texts else "")
    )
    arguments += [f"id={id_column!r}"] if id_column else [f"first_row={keys.first_row}"] if keys.first_row else []
    arguments += [f"drop={drop!r}"] if drop else []
    return finish_table(host, keys, reading, "csv_table", arguments)


def long_text(cells: pd.Series) -> bool:
    """Sentences rather than kinds: words with spaces between them, different in most rows."""
    filled = cells[cells != ""]
    return bool(len(filled)) and filled.nunique() > len(filled) / 3 and filled.str.count(" ").mean() > 2


def common_shape(files: Sequence[object]) -> tuple[tuple[int, ...], tuple[int, int] | None]:
    """(height, width) of all images, and the size to which they must be resized where they differ."""
    from harness.data.formats.images_on_disk import head

    shapes = [head(file)[0] for file in files[:: max(1, len(files) // 200)]]  # type: ignore[arg-type]
    if len(set(shapes)) == 1:
        return shapes[0], None
    side = int(np.clip(np.median([min(shape) for shape in shapes]), 32, 224)) // 8 * 8
    return (side, side), (side, side)


def shape_of(host: Host, folders: Sequence[str]) -> tuple[int, ...]:
    shape, size = common_shape([file for folder in folders for file in host.images[folder]])
    if size:
        raise UserError(f"the images of {', '.join(folders)} have several sizes; masks need images of one size")
    return shape


# -- the call that reads ----------------------------------------------------------------------------------------------


def finish(
    host: Host,
    keys: SampleKeys,
    reading: Reading,
    reader: str,
    folders: Sequence[str],
    arguments: list[str],
    table: bool = True,
    row: str | None = None,
) -> Reading:
    """The source of a call that reads images, and the official test by the ids of the sample."""
    column, key = keys.column, keys.keys.get(keys.column or "", "{id}")
    reading.keys, reading.columns = keys.keys, tuple(host.frame(host.sample).columns)
    group = group_of(host, row)
    arguments += [f"group={group!r}"] if group else []
    reading.group = group or row
    places = [f"raw / {folder!r}" if folder != "." else "raw" for folder in folders]
    images = places[0] if len(places) == 1 else f"[{', '.join(places)}]"
    if row:
        test_ids = host.naming_column(host.test)
        test = f"rows_named(raw / {host.test!r}, {test_ids!r}, {row!r}, {test_folder(host, list(host.frame(host.test)[test_ids or '']))})"
    else:
        named = f", {key!r}" if key != "{id}" else ""
        test = f"files_named(asked_ids(raw / SAMPLE, {column!r}{named}), {test_folder(host, keys.ids)})"
    source = [images, *([f"raw / {host.train!r}"] if table else []), *arguments, f"test={test}"]
    reading.load = f"{reader}({', '.join(source)})"
    reading.needs = [*folders, *([host.train] if table and host.train else []), host.sample or ""]
    return reading


def finish_table(host: Host, keys: SampleKeys, reading: Reading, reader: str, arguments: list[str]) -> Reading:
    group = group_of(host, None)
    arguments += [f"group={group!r}"] if group else []
    reading.group = group
    reading.keys, reading.columns = keys.keys, tuple(host.frame(host.sample).columns)
    reading.load = f"{reader}(raw / {host.train!r}, {', '.join(arguments)}, test=raw / {host.test!r})"
    reading.needs = [host.train or "", host.test or "", host.sample or ""]
    return reading


def test_folder(host: Host, ids: Sequence[str]) -> str:
    return ", ".join(f"raw / {folder!r}" for folder in require_folders(host, ids, f"{host.sample}"))


def group_of(host: Host, row: str | None) -> str | None:
    """The column that GROUP= names, or one that is called like a patient or a site and repeats."""
    train, given = host.frame(host.train), host.options.group
    if given:
        return require_column(host, given)
    if row:
        return None
    for name in train.columns:
        if PATIENT.fullmatch(name) and 3 <= train[name].nunique() < len(train):
            host.say(f"groups: {name}; rows of one {name} are never in two folds (GROUP= names another column)")
            return name
    host.say("groups: none; say GROUP= where rows belong together (a patient, a place)")
    return None


# -- small ---------------------------------------------------------------------------------------------------------------


def entry(host: Host, task: str) -> names.Entry:
    return names.find(host.options.metric, task)


def fits(host: Host, task: str) -> bool:
    if host.options.task and host.options.task != task:
        return False
    try:
        entry(host, task)
    except UserError:
        return False
    return True


def require_folders(host: Host, ids: Sequence[str], what: str) -> list[str]:
    folders = host.folders_of(ids)
    if not folders:
        everywhere = {name for folder in host.images for name in host.image_names(folder)}
        lost = [name for name in ids if name not in everywhere]
        raise UserError(f"{what} names {len(lost)} images that are not there, the first: {', '.join(lost[:3])}")
    return folders


def require_column(host: Host, name: str) -> str:
    column = host.column(host.train, name)
    if column is None:
        raise UserError(f"{host.train} has no column {name!r}; there are {', '.join(host.frame(host.train).columns)}")
    return column


def the_one_left(host: Host) -> str:
    """The only column that train has and the test has not."""
    train, test = host.frame(host.train), host.frame(host.test)
    images = host.naming_column(host.train)
    left = [name for name in train.columns if name not in test.columns and name != images]
    if len(left) != 1:
        raise UserError(f"what is predicted? Say TARGET= and one of {', '.join(left or train.columns)}")
    return left[0]


def separator_of(cells: pd.Series) -> str | None:
    """What separates the labels in a cell: its parts are few, and each stands alone in some cell or is often repeated."""
    for separator in SEPARATORS:
        split = cells[cells.str.contains(separator, regex=False)]
        parts = {part for cell in cells for part in cell.split(separator)}
        if len(split) and len(parts) < cells.nunique() and all(parts) and len(parts) <= max(10, len(cells) // 2):
            alone = parts & set(cells)
            if len(alone) >= len(parts) / 2 or (
                all(len(cell.split(separator)) > 0 and cell.count(separator) < 10 for cell in split)
                and len(parts) * 4 < len(cells)
            ):
                return separator
    return None


def in_order(text: str) -> tuple[int, float, str]:
    """Numbers by value, then text."""
    try:
        return 0, float(text), text
    except ValueError:
        return 1, 0.0, text


def shortened(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:8]) + (f" and {len(listed) - 8} more" if len(listed) > 8 else "")
