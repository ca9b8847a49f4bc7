"""Samples of a CSV table: `csv_table`, of its columns, and `pixels_in_csv`, of images with a column for every pixel."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from harness.data.samples import Dataset, Samples
from harness.data.tables.table import Table
from harness.data.tables.table_inputs import is_index, structured
from harness.errors import UserError
from harness.paths import shown


def csv_table(
    file: Path,
    target: str | Sequence[str],
    classes: Sequence[str] | None = None,
    id: str | None = None,
    group: str | None = None,
    drop: Sequence[str] = (),
    test: Path | None = None,
    separator: str | None = None,
    first_row: int = 0,
    text: Sequence[str] = (),
    missing: Sequence[str] = (),
) -> Dataset:
    """Samples of a table: inputs are a structured array of all columns but the target, the id, the group and `drop`.

    A column of numbers is float64 with NaN where a value is missing, any other is text, as `structured` says. target,
    classes, separator: as in `Table.targets`. test: the official part "test", a file with the same columns; rows of
    `file` without a target are another, "unlabelled". first_row: the number of the first row, where no column is the
    id. text: columns of digits that are no numbers, such as zip codes. missing: what stands for a missing value, beside
    the usual markers such as "", NA, null and -. A column without a name that counts the rows is left out.
    """
    known, official_table = Table.read(file, missing), Table.read(test, missing) if test else None
    tables = [table for table in (known, official_table) if table is not None]
    targets = [target] if isinstance(target, str) else list(target)
    for name in (*targets, *drop, *text):
        known.place(name)
    inputs = [name for name in known.columns if name not in {*targets, *drop, id, group}]
    for name in [name for name in inputs if is_index(name, tables)]:
        known.say(f"column {list(known.columns).index(name) + 1} has no name and only counts the rows; it is left out")
        inputs.remove(name)
    if not inputs:
        raise UserError(f"{shown(file)} has no column left to learn from")
    rows = structured(inputs, tables, text)
    ids, labelled = known.ids(id, first_row), known.is_labelled(target, classes)
    official = {}
    if not labelled.all():
        official["unlabelled"] = Samples(ids[~labelled], rows[: len(known)][~labelled])
    if official_table is not None:
        official["test"] = Samples(official_table.ids(id, first_row), rows[len(known) :])
    answered = known[labelled]
    columns = rows[: len(known)][labelled], answered.targets(target, classes, separator), answered.groups(group)
    return Dataset(Samples(ids[labelled], *columns), official)


def pixels_in_csv(
    file: Path,
    target: str,
    classes: Sequence[str] | None = None,
    id: str | None = None,
    group: str | None = None,
    test: Path | None = None,
    first_row: int = 0,
) -> Dataset:
    """Grey square images in a table, a column for every pixel, along the rows: inputs are (n, side, side) uint8.

    The other arguments are those of `csv_table`.
    """
    table = csv_table(file, target, classes, id, group, test=test, first_row=first_row)
    names = table.labelled.inputs.dtype.names
    side = int(len(names) ** 0.5)

    def images(samples: Samples) -> Samples:
        pixels = np.stack([samples.inputs[name] for name in names], axis=1)
        if side * side != len(names) or pixels.dtype.kind != "f" or not ((pixels >= 0) & (pixels <= 255)).all():
            raise UserError(f"{shown(file)}: its {len(names)} columns are not the pixels of a square image, 0 to 255")
        return replace(samples, inputs=np.round(pixels).astype(np.uint8).reshape(-1, side, side))

    return Dataset(images(table.labelled), {part: images(samples) for part, samples in table.official.items()})
