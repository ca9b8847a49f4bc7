"""What is learned from in a table: a structured array with a field for every column, of the kind that its cells have.

Whatever is not plain is said in a line: codes that stay text, dates, columns with some words among numbers, long texts.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from harness.data.samples import Dataset, Joined, Samples
from harness.data.tables.cell_values import CODE, NumberColumn, date_parts
from harness.data.tables.table import UNNAMED, Table
from harness.errors import UserError
from harness.paths import shown

MOST_TEXT = 2**30  # bytes that a column of text may take: every cell is stored as long as the longest
SHORT, OFTEN = 1000, 0.99  # a cell of more characters than this, and than ten times what 99 % of cells have, is cut
NEARLY = 0.5  # share of numbers from which on a column is said to be text for the sake of the other cells


def structured(names: Sequence[str], tables: Sequence[Table], text: Sequence[str] = ()) -> np.ndarray:
    """(n,) the rows of all tables, with a field for every column: float64 (NaN where missing) or text.

    A column that is text in one table is text in all. text: columns that are text though their cells are numbers. A
    column of dates is text, and numbers beside it: <name>.year, <name>.month, <name>.day, <name>.weekday.
    """
    columns = dict[str, np.ndarray]()
    for name in names:
        values = None if name in text else numbers_of(name, tables)
        if values is not None:
            columns[name] = values
            continue
        cells = np.concatenate([table.text(name) for table in tables])
        columns[name] = stored(name, tables, cells)
        parts = None if name in text else date_parts(cells, tables[0].missing)
        columns |= {f"{name}.{part}": values for part, values in (parts or {}).items() if f"{name}.{part}" not in names}
    rows = np.empty(sum(map(len, tables)), [(name, column.dtype) for name, column in columns.items()])
    for name, column in columns.items():
        rows[name] = column
    return rows


def shared_columns(
    wanted: Sequence[str] | bool, table: Table, test: Table | None, besides: Collection[str | None]
) -> list[str]:
    """The columns that were asked for; of True, all that the test table has too, but for `besides` and an index.

    Raise `UserError` where a column is not there, or none is left; what is left out is said.
    """
    tables = [table] if test is None else [table, test]
    if not isinstance(wanted, bool):
        for name in wanted:
            for each in tables:
                each.place(name)
        return list(wanted)
    names = [name for name in table.columns if name not in besides and not is_index(name, tables)]
    if left_out := [name for name in names if any(name not in each.columns for each in tables)]:
        table.say(f"left out: {', '.join(left_out)}, which {shown(tables[-1].file)} does not have")
    names = [name for name in names if name not in left_out]
    if not names:
        raise UserError(f"{shown(table.file)} has no column left to learn from; leave columns= out")
    return names


def beside_images(
    dataset: Dataset, names: Sequence[str], key: str, table: Table, test: Table | None, text: Sequence[str] = ()
) -> Dataset:
    """The samples with these columns beside their images: of the line whose cell in the column `key` is their id.

    test: the table of the official part "test", where that is another one.
    """
    values = structured(names, [table] if test is None else [table, test], text)

    def joined(samples: Samples, known: Table, rows: np.ndarray) -> Samples:
        line, ids = lines_of_ids(known, key, names), samples.ids.tolist()
        for name in ids:
            if name not in line:
                raise UserError(f"{shown(known.file)}, column {key}, has no row of {name!r}, whose images are there")
        return replace(samples, inputs=Joined(samples.inputs, rows[[line[name] for name in ids]]))

    of_test = (table, values) if test is None else (test, values[len(table) :])
    official = {
        part: joined(samples, *(of_test if part == "test" else (table, values)))
        for part, samples in dataset.official.items()
    }
    return Dataset(joined(dataset.labelled, table, values), official)


def lines_of_ids(table: Table, key: str, names: Sequence[str]) -> dict[str, int]:
    """id -> its first row; raise `UserError` where another row of the id says something else in a column."""
    ids, first = table.text(key), dict[str, int]()
    for row, name in enumerate(ids):
        first.setdefault(name, row)
    for name in names:
        cells = table.text(name)
        for row, (cell, of_row) in enumerate(zip(cells, ids, strict=True)):
            if cell != cells[first[of_row]]:
                raise table.wrong(row, name, f"is {cells[first[of_row]]!r} for another image of {of_row}; leave it out")
    return first


def structured_like(table: Table, like: np.ndarray) -> np.ndarray:
    """(n,) new rows in the fields of `like`, rows as models were trained on; other columns are left out.

    Dates are read together with theirs, which tell whether the day or the month comes first. Raise
    `UserError` where a column is missing, or where a cell is not of the kind that the training's were.
    """
    columns = dict[str, np.ndarray]()
    names = like.dtype.names or ()
    for field in names:
        name, _, part = field.rpartition(".")
        if field not in table.columns and f"{name}.year" in names:
            parts = date_parts(np.concatenate([like[name].astype(object), table.text(name)]))
            if parts is None:
                raise UserError(
                    f"{shown(table.file)}, column {name}: some cells are not dates, as those trained on are"
                )
            columns[field] = parts[part][len(like) :] if part in parts else np.full(len(table), np.nan)
        elif like.dtype[field].kind == "f":
            columns[field] = table.numbers(field)
        else:
            columns[field] = table.text(field).astype(f"U{max(1, *map(len, table.text(field)))}")
    rows = np.empty(len(table), [(name, column.dtype) for name, column in columns.items()])
    for field, column in columns.items():
        rows[field] = column
    return rows


def numbers_of(name: str, tables: Sequence[Table]) -> np.ndarray | None:
    """(n,) float64 of the rows of all tables; None where the column is to be text, and why that is said.

    Raise `UserError` naming the first infinity.
    """
    read = [table.read_numbers(name) for table in tables]
    wrong, values = np.concatenate([each.wrong for each in read]), np.concatenate([each.values for each in read])
    if wrong.any():
        say_what_is_text(name, tables, read)
        return None
    for table, numbers in zip(tables, read, strict=True):
        if is_code(name, table, numbers.values):
            return None
    if not np.isfinite(values[~np.isnan(values)]).all():
        for table in tables:
            table.numbers(name)  # raises
    for table, numbers in zip(tables, read, strict=True):
        if numbers.commas:
            table.numbers(name)  # says it
    return values


def is_code(name: str, table: Table, values: np.ndarray) -> bool:
    """Whether whole numbers begin with 0, as zip codes do, or are too long for float64; it is said."""
    known = values[~np.isnan(values)]
    if (known != np.floor(known)).any():
        return False
    remedy = f"the column stays text; declare text=({name!r},), and this line is gone"
    if rounded := table.rounded(name, values):
        table.say(
            f"column {name}: {table.where(rounded[0], name)} is beyond 2**53, where numbers are rounded; {remedy}"
        )
        return True
    codes = [row for row, cell in enumerate(table.text(name)) if CODE.fullmatch(cell)] if table.source.has_codes else []
    if codes:
        table.say(f"column {name}: {table.where(codes[0], name)} begins with 0, as a code does; {remedy}")
    return bool(codes)


def say_what_is_text(name: str, tables: Sequence[Table], read: Sequence[NumberColumn]) -> None:
    """Where most cells are numbers, say which is not."""
    wrong = [(table, int(row)) for table, each in zip(tables, read, strict=True) for row in np.flatnonzero(each.wrong)]
    count = sum(int((~np.isnan(each.values)).sum()) for each in read)
    share = count / (count + len(wrong))
    if share >= NEARLY:
        table, row = wrong[0]
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        table.say(
            f"column {name}: {100 * share:.3g} % numbers, except {table.where(row, name)}{more}; it is read as text. "
            f"missing=({table.text(name)[row][:60]!r},) takes such a cell for a missing number, text=({name!r},) "
            "leaves this line out"
        )


def stored(name: str, tables: Sequence[Table], cells: np.ndarray) -> np.ndarray:
    """(n,) str of one length. A cell that is far longer than the others is cut, and that is said.

    Raise `UserError` where a column of long cells would take more than `MOST_TEXT`.
    """
    lengths = np.array([len(cell) for cell in cells])
    longest, most = int(lengths.max()), max(SHORT, 10 * int(np.quantile(lengths, OFTEN, method="lower")))
    if longest > most:
        begin = 0
        for table in tables:
            long = np.flatnonzero(lengths[begin : begin + len(table)] > most)
            begin += len(table)
            if len(long):
                table.say(
                    f"column {name}: {len(long)} cells are far longer than the others, the first in line "
                    f"{table.line(int(long[0]))} with {len(table.text(name)[long[0]])} characters; of each the first "
                    f"{most} are kept"
                )
        cells, longest = np.array([cell[:most] for cell in cells], object), most
    if 4 * longest * len(cells) > MOST_TEXT:
        raise UserError(
            f"{shown(tables[0].file)}, column {name}: cells have up to {longest} characters, too many for {len(cells)} "
            "rows; shorten them, or leave the column out with drop="
        )
    return cells.astype(f"U{max(longest, 1)}")


def is_index(name: str, tables: Sequence[Table]) -> bool:
    """Whether a column without a name is the numbers of the rows, as pandas writes them, or empty."""
    having = [table for table in tables if name in table.columns]
    return name.startswith(UNNAMED) and all(counts_rows(table.read_numbers(name).values) for table in having)


def counts_rows(values: np.ndarray) -> bool:
    """Whether they are whole numbers, each once, or all missing."""
    return bool(
        np.isnan(values).all() or ((values == np.floor(values)).all() and len(np.unique(values)) == len(values))
    )
