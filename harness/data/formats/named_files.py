"""The files that ids name, wherever in their folders they lie, and the ids that a host's sample submission asks for."""

import re
from collections.abc import Sequence
from pathlib import Path

from harness.data.csv_files import read_csv
from harness.data.images import SUFFIXES
from harness.errors import UserError, nearest
from harness.paths import shown

ID, CLASS = "{id}", "{class}"


def files_below(*folders: Path) -> list[Path]:
    """Every image in the folders and the folders in them, sorted, without hidden files."""
    files = []
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"{shown(folder)} does not exist; it should be a folder of images")
        files += [file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and not hidden(file, folder)]
    return sorted(files)


def hidden(file: Path, folder: Path) -> bool:
    """Litter of archives and file managers: .DS_Store, ._a.png, __MACOSX/."""
    return any(part.startswith(".") or part == "__MACOSX" for part in file.relative_to(folder).parts)


def files_named(ids: Sequence[str], *folders: Path) -> dict[str, Path]:
    """id -> file: by its name, with or without the suffix, or by its path, also with the folder's own name before it.

    Raise `UserError` for an id that names no file, or two.
    """
    found: dict[str, list[Path]] = {}
    for folder in folders:
        for file in files_below(folder):
            for name in names_of(file, folder):
                found.setdefault(name, []).append(file)
    where = " and ".join(map(shown, folders))
    named = {}
    for each in ids:
        if each not in found:
            raise UserError(f"{each!r} is not an image of {where}{nearest(each, found)}")
        if len(found[each]) > 1:
            raise UserError(f"{each!r} names {shown(found[each][0])} and {shown(found[each][1])}; which one?")
        named[each] = found[each][0]
    return named


def names_of(file: Path, folder: Path) -> set[str]:
    """How an id may name the file."""
    inside, beside = file.relative_to(folder), file.relative_to(folder.parent)
    return {str(path) for full in (Path(file.name), inside, beside) for path in (full, full.with_suffix(""))}


def asked_ids(sample: Path, column: str | None, key: str = ID) -> list[str]:
    """The ids that a sample submission asks for, each once, in its order; its row numbers where no column holds them.

    key: what stands in the column, such as "{id}_{class}".
    """
    rows = read_csv(sample, ",;\t")
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
