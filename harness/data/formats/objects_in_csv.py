"""Images beside a CSV table that holds their masks as run lengths, or their boxes."""

import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from harness.data.formats.asked import ID, pattern_of
from harness.data.formats.image_files import files_below, files_named, head
from harness.data.formats.images_on_disk import dataset_of
from harness.data.formats.tables import Table
from harness.data.run_lengths import ALONG_ROWS, RunLengths
from harness.data.samples import Dataset, Ragged
from harness.errors import UserError
from harness.paths import shown

Folders = Path | Sequence[Path]
Test = Mapping[str, Path]  # id -> file of the official test


def images_and_runs(
    images: Folders,
    table: Path,
    id: str,
    runs: str,
    classes: Sequence[str],
    coding: RunLengths = ALONG_ROWS,
    key: str = ID,
    label: str | None = None,
    group: str | None = None,
    test: Test | None = None,
) -> Dataset:
    """Read images and a table of run lengths, one row or several an image: a label under every pixel.

    classes: the first is the background. key: what stands in the column `id`, such as "{id}_{class}"; label: the column
    of the class, where there is one; with neither, all runs are of the second class. An image that the table does not
    name has no such pixel. test: id -> file, the official part "test"; it is not learned from.
    """
    rows = Table.read(table)
    of_row = _keys(rows, id, key, label, classes[1:])
    named = _named([name for name, _ in of_row], images, test)
    shapes = {head(file)[0] for file in named.values()}
    if len(shapes) > 1:
        raise UserError(f"the images beside {shown(table)} have {len(shapes)} sizes; masks need images of one size")
    (size,) = shapes
    place, masks, shared = {name: k for k, name in enumerate(named)}, np.zeros((len(named), *size), np.uint8), 0
    for row, ((name, c), text) in enumerate(zip(of_row, rows.filled(runs), strict=True)):
        try:
            mask = np.zeros(size, bool) if not text else coding.decode(text, size)
        except ValueError as error:
            raise rows.wrong(row, runs, f"cannot be read: {error}") from None
        shared += int((masks[place[name]][mask] > 0).any() and masks[place[name]][mask].max() != c + 1)
        masks[place[name]][mask] = c + 1
    if shared:
        logging.getLogger(__name__).warning(
            "%s: in %d rows a pixel has two classes; the later row counts", shown(table), shared
        )
    return dataset_of(named, masks, _groups(rows, group, of_row, named), test=test)


def images_and_boxes(
    images: Folders,
    table: Path,
    id: str,
    box: str | Sequence[str],
    classes: Sequence[str],
    fields: str = "x y w h",
    label: str | None = None,
    shares: bool = False,
    group: str | None = None,
    test: Test | None = None,
) -> Dataset:
    """Read images and a table with a row for every box.

    box: the column that holds all four numbers, as "[1, 2, 30, 40]", or four columns. fields: what they are, "x y w h"
    (a corner and the size) or "x1 y1 x2 y2" in any order. label: the column of the class; None where there is one.
    shares: they are shares of width and height. An image without a row, or with an empty one, shows nothing.
    """
    rows = Table.read(table)
    of_row = [(name, c) for name, c in _keys(rows, id, ID, label, classes)]
    named = _named([name for name, _ in of_row], images, test)
    sizes, place = [head(file)[0] for file in named.values()], {name: k for k, name in enumerate(named)}
    found: list[list[tuple[float, ...]]] = [[] for _ in named]
    for row, (name, c) in enumerate(of_row):
        values = _box(rows, row, box)
        if values is None:
            continue
        at = place[name]
        known = dict(zip(fields.split(), values, strict=True))
        scale = (float(sizes[at][1]), float(sizes[at][0])) if shares else (1.0, 1.0)
        x1, y1 = (known.get(f"{axis}1", known.get(axis, 0.0)) * s for axis, s in zip("xy", scale, strict=True))
        x2 = known["x2"] * scale[0] if "x2" in known else x1 + known["w"] * scale[0]
        y2 = known["y2"] * scale[1] if "y2" in known else y1 + known["h"] * scale[1]
        height, width = sizes[at]
        corners = (max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height)))
        if corners[2] <= corners[0] or corners[3] <= corners[1]:
            column = box if isinstance(box, str) else box[0]
            raise rows.wrong(row, column, f"is a box without area in its image of {width} x {height} pixels")
        found[at].append((c, *corners))
    flat = np.array([each for of_image in found for each in of_image], np.float32).reshape(-1, 5)
    if not len(flat):
        raise UserError(f"{shown(table)} holds no box")
    boxes = Ragged(flat, np.cumsum([0, *map(len, found)]))
    return dataset_of(named, boxes, _groups(rows, group, of_row, named), test=test, encoded=True)


def _keys(rows: Table, id: str, key: str, label: str | None, classes: Sequence[str]) -> list[tuple[str, int]]:
    """(id, class) of every row."""
    labels = rows.labels(label, classes).tolist() if label else [0] * len(rows)
    found = []
    for row, cell in enumerate(rows.text(id)):
        match = pattern_of(key).fullmatch(cell)
        if not match:
            raise rows.wrong(row, id, f"is not of the form {key}")
        c = match.groupdict().get("class")
        if c is not None and c not in classes:
            raise rows.wrong(row, id, f"ends in no class; there are {', '.join(classes)}")
        found.append((match["id"], labels[row] if c is None else list(classes).index(c)))
    return found


def _named(ids: Sequence[str], images: Folders, test: Test | None) -> dict[str, Path]:
    """id -> file of every labelled image: those of the table, and the others in the folders, which show nothing."""
    folders = [images] if isinstance(images, Path) else list(images)
    named = files_named(list(dict.fromkeys(ids)), *folders)
    known = {*named.values(), *(test or {}).values()}
    with_suffix = any(name == file.name for name, file in named.items())
    for folder in folders:
        for file in files_below(folder):
            if file not in known:
                named[file.name if with_suffix else file.stem] = file
    return dict(sorted(named.items()))


def _groups(
    rows: Table, group: str | None, of_row: Sequence[tuple[str, int]], named: Mapping[str, Path]
) -> np.ndarray | None:
    """(n,) int: the group of every image; one that the table does not name is a group of its own."""
    if group is None:
        return None
    cell_of: dict[str, str] = {}
    for row, ((name, _), cell) in enumerate(zip(of_row, rows.text(group), strict=True)):
        if cell_of.setdefault(name, cell) != cell:
            raise rows.wrong(row, group, f"is another group than {cell_of[name]!r} above, of the same image {name}")
    cells = [cell_of.get(name, f"\0{name}") for name in named]
    return np.unique(np.array(cells), return_inverse=True)[1]


def _box(rows: Table, row: int, box: str | Sequence[str]) -> list[float] | None:
    cells = (
        re.findall(r"[^\s,\[\]()]+", rows.filled(box)[row])
        if isinstance(box, str)
        else [rows.filled(c)[row] for c in box]
    )
    if not any(cells):
        return None
    column = box if isinstance(box, str) else box[0]
    try:
        values = list(map(float, cells))
    except ValueError:
        values = []
    if len(values) != 4 or not np.isfinite(values).all():
        raise rows.wrong(row, column, "is not a box of four numbers")
    return values
