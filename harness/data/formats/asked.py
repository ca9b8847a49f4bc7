"""Ids: those that a host's sample submission asks for, their parts, and the images that they name."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.data.formats.image_files import ImageFiles, MatchedFiles, as_list
from harness.data.tables.csv_files import read_csv
from harness.data.tables.table import Table
from harness.errors import UserError, nearest
from harness.paths import shown

ID, CLASS = "{id}", "{class}"


def asked_ids(sample: Path, column: str | None, key: str = ID) -> list[str]:
    """The ids that a sample submission asks for, each once, in its order; its row numbers where no column holds them.

    key: what stands in the column, such as "{id}_{class}".
    """
    rows = read_csv(sample)
    if column is None:
        return [str(row) for row in range(1, len(rows) + 1)]
    names = [name.strip() for name in rows.columns]
    if column not in names:
        raise UserError(f"{shown(sample)} has no column {column!r}{nearest(column, names)}")
    return list(dict.fromkeys(id_in(cell, key) for cell in rows.iloc[:, names.index(column)]))


def id_in(cell: str, key: str) -> str:
    """The id in a key.

    >>> id_in("a_b.jpg_4", "{id}_{class}")
    'a_b.jpg'
    """
    found = pattern_of(key).fullmatch(cell)
    if not found:
        raise UserError(f"{cell!r} is not of the form {key}")
    return found["id"]


def pattern_of(key: str) -> re.Pattern[str]:
    """Matches a key, with the groups `id` and, where it names one, `class`."""
    text = re.escape(key).replace(re.escape(ID), "(?P<id>.+)").replace(re.escape(CLASS), "(?P<class>.+?)")
    return re.compile(text.replace("(?P<id>.+)", "(?P<id>.*)") if CLASS not in key else text, re.DOTALL)


def part_of_id(pattern: str) -> Callable[[Sequence[str]], list[str]]:
    r"""What `group=` takes where the ids say what belongs together: the part in a pattern's parentheses.

    pattern: a regular expression; it may match anywhere in an id. Raise `UserError` for an id without it, and
    where the pattern does not have one pair of parentheses.

    >>> part_of_id(r"C(\d+)_")(["C12_left", "C7_right"])
    ['12', '7']
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UserError(f"{pattern!r} is not a regular expression: {error}") from error
    if compiled.groups != 1:
        raise UserError(f"{pattern!r} has {compiled.groups} pairs of parentheses; put the part that counts into one")

    def parts(ids: Sequence[str]) -> list[str]:
        found = [compiled.search(name) for name in ids]
        if None in found:
            raise UserError(f"the id {ids[found.index(None)]!r} has no part that is {pattern}")
        return [match[1] or "" for match in found if match]

    return parts


# -- the images that ids name ------------------------------------------------------------------------------------------


def rows_named(table: Path, id: str, row: str, *folders: Path) -> dict[str, list[Path]]:
    """row -> its images, for a table that names images in the column `id`, and their row in another."""
    return images_of_rows(Table.read(table), id, row, ImageFiles(*folders))


def images_of_rows(table: Table, id: str, row: str, files: ImageFiles | MatchedFiles) -> dict[str, list[Path]]:
    """As `rows_named`, of a table and files that are known."""
    named = images_in(table, id, files)
    return grouped_images(named, dict(zip(named, table.text(row), strict=True)))


def images_in(table: Table, id: str, files: ImageFiles | MatchedFiles) -> dict[str, Any]:
    """id -> its file, or its files; raise `UserError` naming the line of an id that names none, or two."""
    found = dict[str, Any]()
    for k, name in enumerate(table.ids(id).tolist()):
        try:
            found[name] = files.find(name)
        except UserError as error:
            raise table.wrong(k, id, f"names no image: {error}") from None
    return found


def grouped_images(files: Mapping[str, Any], row_of: Mapping[str, str]) -> dict[str, list[Path]]:
    """row -> its images, of id -> its file, or its files."""
    found = dict[str, list[Path]]()
    for name, file in files.items():
        found.setdefault(row_of[name], []).extend(as_list(file))
    return found
