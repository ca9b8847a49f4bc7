"""How a submission file looks, in words: from the sample submission that lies beside the public data."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from harness import paths
from harness.competition import find
from leaderboard.web.boards import Place

COLUMNS = {
    "id": "the id of a sample, as it stands in the sample submission; every id once, in any order",
    "label": "the number of the class: {classes}",
    "rle": "run lengths: pairs `start length`, the first pixel is 1, row by row; may be empty",
    "class": "the number of the class that the runs belong to: {classes}",
    "PredictionString": "six numbers a box: class, confidence, x, y, width, height in pixels; at most 100 boxes",
}


@dataclass(frozen=True)
class Format:
    """columns: (name, what stands there); lines: the first ones of the sample; ids: how many are asked for."""

    columns: list[tuple[str, str]]
    lines: list[str]
    ids: int
    size: int


def format_of(place: Place) -> Format | None:
    """From the sample submission; None where the public part of the data is not here."""
    file = paths.public(place.name, place.data.data_hash) / "sample_submission.csv"
    if not file.exists():
        return None
    return _format(place.name, str(file), file.stat().st_size)


@lru_cache(maxsize=32)
def _format(name: str, path: str, size: int) -> Format:
    with open(path, encoding="utf-8", newline="") as text:
        header, ids = next(csv.reader([next(text)])), set()
        lines: list[str] = []
        for line in text:
            ids.add(line.split(",", 1)[0])
            if len(lines) < 4:
                lines.append(line.rstrip("\r\n"))
    classes = _numbered(find(name).task.classes)
    if len(header) > 20:
        columns = [
            ("id", COLUMNS["id"]),
            (f"{header[1]} … {header[-1]}", f"one column a pixel, row by row: the number of its class ({classes})"),
        ]
    else:
        columns = [(column, _words(column, classes)) for column in header]
    shown = [line if len(line) < 100 else f"{line[:60]} … {line[-12:]}" for line in [",".join(header), *lines]]
    return Format(columns, shown, len(ids), size)


def _numbered(classes: Sequence[str]) -> str:
    """What the numbers mean.

    >>> _numbered(("cat", "dog")), _numbered(("0", "1", "2"))
    ('0 cat, 1 dog', '0 to 2')
    """
    if all(label == str(k) for k, label in enumerate(classes)):
        return f"0 to {len(classes) - 1}"
    return ", ".join(f"{k} {label}" for k, label in enumerate(classes[:40]))


def _words(column: str, classes: str) -> str:
    return COLUMNS.get(column, "a number with a point: no comma, no NaN, nothing empty").format(classes=classes)
