"""Samples of a CSV table: `csv_table`, of its columns, and `pixels_in_csv`, of images with a column for every pixel."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from harness.data.samples import Dataset, Samples
from harness.data.tables.cell_values import date_parts
from harness.data.tables.table import Group, Table
from harness.data.tables.table_inputs import is_index, structured
from harness.errors import UserError
from harness.paths import shown


def csv_table(
    file: Path,
    target: str | Sequence[str],
    classes: Sequence[str] | None = None,
    id: str | None = None,
    group: Group = None,
    drop: Sequence[str] = (),
    test: Path | None = None,
    separator: str | None = None,
    first_row: int = 0,
    text: Sequence[str] = (),
    missing: Sequence[str] = (),
    test_id: str | None = None,
    answers: Path | None = None,
    details: Sequence[str] = (),
) -> Dataset:
    """Samples of a table: inputs are a structured array of all columns but the target, the id, the group and `drop`.

    A column of numbers is float64 with NaN where a value is missing, any other is text, as `structured` says. target,
    classes, separator: as in `Table.targets`. test: the official part "test", a file with the same columns; rows of
    `file` without a target are another, "unlabelled". first_row: the number of the first row, where no column is the
    id. text: columns of digits that are no numbers, such as zip codes. missing: what stands for a missing value, beside
    the usual markers such as "", NA, null and -. A column without a name that counts the rows is left out.

    test_id: the id of `test`, where it has another name than in `file`, or where `file` has none. answers: the table
    with the target, where it is another, with a row for every id. details: columns by which rows are split, and that
    nothing learns from. An id that is a date is learned from too.
    """
    known, official_table = Table.read(file, missing), Table.read(test, missing) if test else None
    ids = known.ids(id, first_row)
    of_answers = known if answers is None else Table.read(answers, missing).in_order_of(id, ids)
    tables = [table for table in (known, official_table) if table is not None]
    targets = [target] if isinstance(target, str) else list(target)
    for name in targets:
        of_answers.place(name)
    for name in (*drop, *text):
        known.place(name)
    inputs = [name for name in known.columns if name not in {*targets, *drop, *details, id, group}]
    if id and not test_id and date_parts(known.text(id), missing):
        inputs.insert(0, id)
    for name in [name for name in inputs if is_index(name, tables)]:
        known.say(f"column {list(known.columns).index(name) + 1} has no name and only counts the rows; it is left out")
        inputs.remove(name)
    if not inputs:
        raise UserError(f"{shown(file)} has no column left to learn from")
    rows, labelled = structured(inputs, tables, text), of_answers.is_labelled(target, classes)
    targeted = of_answers[labelled].targets(target, classes, separator)
    of_test = None if official_table is None else official_table.ids(test_id or id, first_row)
    dataset = split_off(rows, ids, labelled, targeted, of_test)
    answered = known[labelled]
    beside = structured(details, [answered]) if details else None
    groups = answered.groups(group, dataset.labelled.ids)
    return replace(dataset, labelled=replace(dataset.labelled, groups=groups, details=beside))


def split_off(
    inputs: np.ndarray, ids: np.ndarray, labelled: np.ndarray, targets: np.ndarray, of_test: np.ndarray | None
) -> Dataset:
    """The labelled rows, and the official parts: rows without a target, and those of a test table.

    inputs: of all rows, then of the test's. ids, labelled: (n,) of all rows; targets: of the labelled ones.
    """
    known, official = inputs[: len(ids)], dict[str, Samples]()
    if not labelled.all():
        official["unlabelled"] = Samples(ids[~labelled], known[~labelled])
    if of_test is not None:
        official["test"] = Samples(of_test, inputs[len(ids) :])
    return Dataset(Samples(ids[labelled], known[labelled], targets), official)


def pixels_in_csv(
    file: Path,
    target: str | Sequence[str],
    classes: Sequence[str] | None = None,
    id: str | None = None,
    group: Group = None,
    test: Path | None = None,
    first_row: int = 0,
    test_id: str | None = None,
    pixels: Sequence[str] = (),
) -> Dataset:
    """Square images in a table, along the rows: inputs are (n, side, side) uint8, or (n, side, side, 3).

    pixels: the column that holds all pixels of an image, with spaces between them; two or three columns are the colours
    of it, the third one 0 where there are two. Where none is named, every column is a pixel, and images are grey. Of
    numbers beyond 0 to 255 those from the lowest to the highest of all rows become 0 to 255. The other arguments are
    those of `csv_table`.
    """
    if pixels:
        tables = [Table.read(each) for each in (file, test) if each]
        values = np.concatenate([np.stack([pixels_of(table, name) for name in pixels], -1) for table in tables])
        values = values[..., 0] if len(pixels) == 1 else np.pad(values, ((0, 0),) * 3 + ((0, 3 - len(pixels)),))
        known, ids = tables[0], tables[0].ids(id, first_row)
        labelled = known.is_labelled(target, classes)
        answered = known[labelled]
        of_test = tables[1].ids(test_id or id, first_row) if test else None
        dataset = split_off(within_bytes(values), ids, labelled, answered.targets(target, classes), of_test)
        groups = answered.groups(group, dataset.labelled.ids)
        return replace(dataset, labelled=replace(dataset.labelled, groups=groups))
    table = csv_table(file, target, classes, id, group, test=test, first_row=first_row, test_id=test_id)
    names = table.labelled.inputs.dtype.names
    side = int(len(names) ** 0.5)

    def images_of(samples: Samples) -> Samples:
        pixels = np.stack([samples.inputs[name] for name in names], axis=1)
        if side * side != len(names) or pixels.dtype.kind != "f" or not ((pixels >= 0) & (pixels <= 255)).all():
            raise UserError(f"{shown(file)}: its {len(names)} columns are not the pixels of a square image, 0 to 255")
        return replace(samples, inputs=np.round(pixels).astype(np.uint8).reshape(-1, side, side))

    return Dataset(images_of(table.labelled), {part: images_of(each) for part, each in table.official.items()})


def pixels_of(table: Table, name: str) -> np.ndarray:
    """(n, side, side) float64 of a column of texts; raise `UserError` naming the first that is not a square image."""
    cells = table.text(name)
    side = int(len(cells[0].split()) ** 0.5)
    images = np.zeros((len(cells), side * side))
    for row, cell in enumerate(cells):
        try:
            images[row] = np.array(cell.split(), np.float64)
        except ValueError:
            raise table.wrong(row, name, f"is not {side} x {side} numbers, as the first row has") from None
    if not np.isfinite(images).all():
        row = int(np.flatnonzero(~np.isfinite(images).all(1))[0])
        raise table.wrong(row, name, "holds a pixel that is not a finite number")
    return images.reshape(-1, side, side)


def within_bytes(values: np.ndarray) -> np.ndarray:
    """uint8 as they stand where all are 0 to 255; else scaled from the lowest to the highest."""
    low, high = values.min(), values.max()
    if low >= 0 and high <= 255 and high > 1:
        return np.round(values).astype(np.uint8)
    return np.round((values - low) * (255 / max(high - low, 1e-12))).astype(np.uint8)
