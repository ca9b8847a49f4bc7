"""Images beside a CSV table that holds their masks as run lengths, or their boxes."""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from harness.data.bit_sets import dtype_of, pixels_of
from harness.data.formats.asked import ID, pattern_of
from harness.data.formats.found_boxes import FIELDS, PIXELS, SHARES, FoundBoxes, frame_of
from harness.data.formats.image_files import ImageFiles, MatchedFiles, as_list
from harness.data.formats.images_on_disk import Folders, Test, dataset_of, files_of_test
from harness.data.formats.mask_files import apart_from
from harness.data.pixels.picture_file import head
from harness.data.run_lengths import ALONG_ROWS, RunLengths
from harness.data.samples import Dataset, Ragged
from harness.data.sized_masks import empty_masks
from harness.data.tables.csv_files import line_of_row
from harness.data.tables.table import Group, Table
from harness.errors import UserError
from harness.paths import shown

NO_NUMBER = ("", "nan", "none", "null", "na", "n/a")  # what a cell without a box holds
FRAME = ("width", "height")  # columns that hold the size of the annotated image, where they are no part of the box


def images_and_runs(
    images: Folders | Mapping[str, Path],
    table: Path,
    id: str,
    runs: str,
    classes: Sequence[str],
    coding: RunLengths = ALONG_ROWS,
    key: str = ID,
    label: str | None = None,
    group: Group = None,
    test: Test | None = None,
    multilabel: bool = False,
    apart: bool = False,
    channels: int | None = None,
) -> Dataset:
    """Read images and a table of run lengths, one row or several an image: a label under every pixel.

    classes: the first is the background. key: what stands in the column `id`, such as "{id}_{class}"; label: the column
    of the class, where there is one; with neither, all runs are of the second class. An image that the table does not
    name has no such pixel. test: id -> file, the official part "test"; it is not learned from. multilabel: classes
    overlap, and none is the background; the masks hold sets of classes (`harness.data.bit_sets`). apart: a row is an
    object, and one that touches another of its class loses its border there (`mask_files.apart_from`). channels: as in
    `images_on_disk`.
    """
    rows, first = Table.read(table), 0 if multilabel else 1
    empty = np.isin(rows.filled(runs).astype(str), ("", coding.none))
    of_row = _keys(rows, id, key, label, classes[first:], empty)
    named = _named([name for name, _ in of_row], images, test)
    dtype = dtype_of(len(classes)) if multilabel else np.uint8
    masks, shared = empty_masks([head(file, channels).size for file in named.values()], dtype), 0
    place = {name: k for k, name in enumerate(named)}
    for row, ((name, c), text) in enumerate(zip(of_row, rows.filled(runs), strict=True)):
        mask = masks[place[name]]
        try:
            pixels = np.zeros(mask.shape, bool) if not text else coding.decode(text, mask.shape)
        except ValueError as error:
            raise rows.wrong(row, runs, f"cannot be read: {error}") from None
        if apart:
            pixels = apart_from(pixels, pixels_of(mask, c + first, multilabel))
        if multilabel:
            mask[pixels] |= 1 << c
            continue
        shared += int((mask[pixels] > 0).any() and mask[pixels].max() != c + 1)
        mask[pixels] = c + 1
    if shared:
        logging.getLogger(__name__).warning(
            "%s: in %d rows a pixel has two classes; the later row counts, where multilabel=True keeps both",
            shown(table), shared,
        )  # fmt: skip
    return dataset_of(named, masks, _groups(rows, group, of_row, named), test=test, channels=channels)


def images_and_boxes(
    images: Folders | Mapping[str, Path],
    table: Path,
    id: str,
    box: str | Sequence[str],
    classes: Sequence[str],
    fields: str = "x y w h",
    label: str | None = None,
    shares: bool = False,
    frame: Sequence[str] | None = None,
    group: Group = None,
    test: Test | None = None,
) -> Dataset:
    """Read images and a table with a row for every box.

    box: the column that holds all four numbers, as "[1, 2, 30, 40]", or four columns. fields: what they are, in any
    order: "x y w h" (a corner and the size), "x1 y1 x2 y2", or "cx cy w h" (the middle and the size). label: the column
    of the class; None where there is one. shares: they are shares of width and height. frame: the columns of the width
    and height of the annotated image, those named "width" and "height" where none are given; where the image has
    another size, its boxes are scaled. An image without a row, or with an empty one, shows nothing.
    """
    rows = Table.read(table)
    order, column = _order(fields), box if isinstance(box, str) else box[0]
    empty = _empty_boxes(rows, box)
    of_row = _keys(rows, id, ID, label, classes, empty)
    named = _named([name for name, _ in of_row], images, test)
    sizes, place = np.array([head(file)[0] for file in named.values()]), {name: k for k, name in enumerate(named)}
    if unnamed := len(named) - len({name for name, _ in of_row}):
        logging.getLogger(__name__).warning("%s: %d images have no row, and show nothing", shown(table), unnamed)
    boxes = FoundBoxes(
        shown(table),
        " ".join(fields.split()[k] for k in order),
        SHARES if shares else PIXELS,
        where=lambda row: f"line {line_of_row(table, int(rows.rows[row]))}, column {column}",
        remedy=f"column {column} is empty in all {len(rows)} rows",
    )
    for row in np.flatnonzero(~empty).tolist():
        name, c = of_row[row]
        values = _box(rows, row, box)
        boxes.add(place[name], c, [values[k] for k in order], row)
    frames = np.full((len(named), 2), np.nan)
    for row, size in enumerate(_frames(rows, frame, box)):
        frames[place[of_row[row][0]]] = size
    targets = boxes.in_images(sizes, frames, [shown(file) for file in named.values()])
    targets = Ragged(targets.flat.astype(np.float32), targets.offsets)
    return dataset_of(named, targets, _groups(rows, group, of_row, named), test=test, encoded=True)


def _order(fields: str) -> list[int]:
    """Where the four numbers of one of `FIELDS` stand in these fields; raise `UserError` where they are none."""
    names = fields.split()
    for known in FIELDS:
        if sorted(names) == sorted(known.split()):
            return [names.index(name) for name in known.split()]
    raise UserError(f"the fields of a box are {fields!r}, but must be one of {', '.join(FIELDS)}, in any order")


def _frames(rows: Table, frame: Sequence[str] | None, box: str | Sequence[str]) -> Iterator[tuple[float, float]]:
    """(height, width) of the annotated image of every row, where the table has them."""
    used = [box] if isinstance(box, str) else box
    columns = FRAME if frame is None else frame
    if frame is None and not all(name in rows.columns and name not in used for name in FRAME):
        return
    for width, height in zip(*(rows.text(name) for name in columns), strict=True):
        yield frame_of(width, height)


def _keys(
    rows: Table, id: str, key: str, label: str | None, classes: Sequence[str], empty: np.ndarray | None = None
) -> list[tuple[str, int]]:
    """(id, class) of every row. empty: (n,) bool, rows without an object, whose class is not looked at."""
    labels = np.zeros(len(rows), np.int64)
    if label:
        shows = np.ones(len(rows), bool) if empty is None else ~empty
        labels[shows] = rows[shows].labels(label, classes)
    found = []
    for row, cell in enumerate(rows.text(id)):
        match = pattern_of(key).fullmatch(cell)
        if not match:
            raise rows.wrong(row, id, f"is not of the form {key}")
        c = match.groupdict().get("class")
        if c is not None and c not in classes:
            raise rows.wrong(row, id, f"ends in no class; there are {', '.join(classes)}")
        found.append((match["id"], int(labels[row]) if c is None else list(classes).index(c)))
    return found


def _named(ids: Sequence[str], images: Folders | Mapping[str, Path], test: Test | None) -> dict[str, Path]:
    """id -> file of every labelled image: those of the table, and the others beside them, which show nothing."""
    if isinstance(images, Mapping):
        matched = MatchedFiles(images)
        tested = set(files_of_test(test))
        rest = {name: file for name, file in images.items() if file not in tested}
        return dict(sorted(({name: matched.find(name) for name in dict.fromkeys(ids)} | rest).items()))
    files = ImageFiles(*as_list(images))
    named = {name: files.find(name) for name in dict.fromkeys(ids)}
    known = {*named.values(), *files_of_test(test)}
    with_suffix = any(name == file.name for name, file in named.items())
    beside = {file.parent for file in named.values()}  # a folder with masks holds none
    for file in files.files:
        if file not in known and file.parent in beside:
            named[file.name if with_suffix else file.stem] = file
    return dict(sorted(named.items()))


def _groups(
    rows: Table, group: Group, of_row: Sequence[tuple[str, int]], named: Mapping[str, Path]
) -> np.ndarray | None:
    """(n,) int: the group of every image; one that the table does not name is a group of its own."""
    if group is None or callable(group):
        return rows.groups(group, list(named))
    cell_of: dict[str, str] = {}
    for row, ((name, _), cell) in enumerate(zip(of_row, rows.text(group), strict=True)):
        if cell_of.setdefault(name, cell) != cell:
            raise rows.wrong(row, group, f"is another group than {cell_of[name]!r} above, of the same image {name}")
    cells = [cell_of.get(name, f"\0{name}") for name in named]
    return np.unique(np.array(cells), return_inverse=True)[1]


def _empty_boxes(rows: Table, box: str | Sequence[str]) -> np.ndarray:
    """(n,) bool: the rows without any of the four numbers."""
    columns = [rows.text(name) for name in ([box] if isinstance(box, str) else box)]
    return np.all([[cell.strip("[]() ").lower() in NO_NUMBER for cell in column] for column in columns], axis=0)


def _box(rows: Table, row: int, box: str | Sequence[str]) -> list[float]:
    """The four numbers of a row, as they stand; raise `UserError` where they are not."""
    if isinstance(box, str):
        column, cells = box, re.findall(r"[^\s,;\[\]()]+", rows.text(box)[row])
    else:
        column, cells = box[0], [rows.text(name)[row] for name in box]
    try:
        values = list(map(float, cells))
    except ValueError:
        values = []
    if len(values) != 4 or not np.isfinite(values).all():
        raise rows.wrong(row, column, "is not a box of four numbers")
    return values
