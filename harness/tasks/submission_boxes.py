"""The two layouts of boxes in a submission file: a table with a PredictionString, or COCO results as JSON.

Both write the corner and the size of a box (x, y, w, h in pixels) with nine digits: float32 comes back exactly.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.data.samples import Ragged
from harness.errors import InvalidSubmission, UserError
from harness.files import atomic
from harness.metrics.boxes import MOST
from harness.tasks.submission_tables import RequiredIds, read_table

HEADER = ("id", "PredictionString")
FAR = 1e6  # pixels: no image is larger
KEYS = {"image_id", "category_id", "bbox", "score"}


class Box(NamedTuple):
    """One box as files have it."""

    label: int
    score: float
    x: float
    y: float
    w: float
    h: float


def read(file: Path, ids: np.ndarray, classes: Sequence[str]) -> Ragged:
    """Read rows in the order of `ids`, each sorted by score; (m, 6) float32.

    The first character tells the layout: the judge stores files by their hash, so the suffix is not available.
    """
    try:
        with open(file, "rb") as content:
            is_json = content.read(64).lstrip().startswith(b"[")
    except FileNotFoundError:
        raise UserError(f"{file} does not exist") from None
    rows = (read_json if is_json else read_csv)(file, ids, classes)
    ranked = [sorted(boxes, key=lambda box: -box.score) for boxes in rows]
    flat = [(box.label, box.score, box.x, box.y, box.x + box.w, box.y + box.h) for boxes in ranked for box in boxes]
    return Ragged(np.array(flat, np.float32).reshape(-1, 6), np.cumsum([0, *map(len, rows)]))


# -- id,PredictionString: class conf x y w h for every box -------------------------------------------------------------


def write_csv(ids: np.ndarray, decided: Ragged, file: Path) -> None:
    with atomic(file) as out:
        out.write((",".join(HEADER) + "\n").encode())
        for name, boxes in zip(ids, decided, strict=True):
            texts = (" ".join([str(box.label), *(f"{value:.9g}" for value in box[1:])]) for box in _boxes(boxes))
            out.write((f"{name}," + " ".join(texts) + "\n").encode())


def read_csv(file: Path, ids: np.ndarray, classes: Sequence[str]) -> list[list[Box]]:
    rows: list[list[Box]] = [[] for _ in ids]
    required = RequiredIds(file, ids)
    for line, (name, text) in read_table(file, HEADER):
        row = required.row(name, line)
        where = f"{file.name}, line {line} (id {name}), column PredictionString"
        values = _numbers(text.split(), _of_text, where)
        if len(values) % 6:
            raise InvalidSubmission(f"{where}: {len(values)} numbers, but every box has six: class conf x y w h")
        _require_few(len(values) // 6, where)
        for at in range(0, len(values), 6):
            rows[row].append(_checked(values[at : at + 6], classes, f"{where}, box {at // 6 + 1}"))
    required.require_all()
    return rows


# -- COCO results: [{"image_id": 1, "category_id": 0, "bbox": [x, y, w, h], "score": 0.5}, ...] ------------------------


def write_json(ids: np.ndarray, decided: Ragged, file: Path) -> None:
    """An image without boxes has no entry. Raise `UserError` where the ids are not whole numbers, as COCO's are."""
    entries = [
        json.dumps(
            {"image_id": number, "category_id": box.label, "bbox": _short(box[2:]), "score": _short(box[1:2])[0]}
        )
        for number, boxes in zip(_whole(ids), decided, strict=True)
        for box in _boxes(boxes)
    ]
    with atomic(file) as out:
        out.write(("[" + ",\n".join(entries) + "]\n").encode())


def read_json(file: Path, ids: np.ndarray, classes: Sequence[str]) -> list[list[Box]]:
    rows: list[list[Box]] = [[] for _ in ids]
    row_of = {number: row for row, number in enumerate(_whole(ids))}
    for index, entry in enumerate(_entries(file)):
        where = f"{file.name}, entry {index}"
        if not isinstance(entry, dict) or not entry.keys() >= KEYS:
            raise InvalidSubmission(f"{where} must hold {', '.join(sorted(KEYS))}")
        number, corners = entry["image_id"], entry["bbox"]
        if type(number) is not int or number not in row_of:
            raise InvalidSubmission(f"{where}: image_id {number!r} is not one of the {len(row_of)} asked for")
        where = f"{where} (image_id {number})"
        if not isinstance(corners, list) or len(corners) != 4:
            raise InvalidSubmission(f"{where}: bbox {corners!r} is not [x, y, w, h]")
        values = _numbers([entry["category_id"], entry["score"], *corners], _of_json, where)
        row = rows[row_of[number]]
        row.append(_checked(values, classes, where))
        _require_few(len(row), where)
    return rows


def _whole(ids: np.ndarray) -> list[int]:
    try:
        return [int(name) for name in ids.tolist()]
    except ValueError as error:
        raise UserError(f"COCO results name images by whole numbers, and an id is not one: {error}") from None


def _entries(file: Path) -> list[Any]:
    def refuse(name: str) -> None:
        raise InvalidSubmission(f"{file.name} holds {name}, which is not a number")

    try:
        return json.loads(file.read_text(encoding="utf-8"), parse_constant=refuse)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise InvalidSubmission(f"{file.name} is not readable as JSON: {error}") from error


# -- one box -----------------------------------------------------------------------------------------------------------


def _checked(values: Sequence[float], classes: Sequence[str], where: str) -> Box:
    """class conf x y w h; raise `InvalidSubmission` where a value is not valid."""
    label, score, *pixels = values
    if not (0 <= label < len(classes) and label == int(label)):
        raise InvalidSubmission(f"{where}: class {label:g} is not one from 0 to {len(classes) - 1}")
    if not 0 <= score <= 1:
        raise InvalidSubmission(f"{where}: the score {score:g} is not between 0 and 1")
    if not all(abs(value) < FAR for value in pixels):
        raise InvalidSubmission(f"{where}: x y w h are {' '.join(f'{value:g}' for value in pixels)}: not pixels")
    if min(pixels[2:]) <= 0:
        raise InvalidSubmission(f"{where}: width {pixels[2]:g} and height {pixels[3]:g} must be more than 0")
    return Box(int(label), score, *pixels)


def _numbers(fields: Sequence[Any], value_of: Callable[[Any], float], where: str) -> list[float]:
    values = []
    for field in fields:
        try:
            values.append(value_of(field))
        except (ValueError, OverflowError):
            raise InvalidSubmission(f"{where}: {str(field)[:20]!r} is not a number") from None
    return values


def _of_text(field: str) -> float:
    if "_" in field or not field.isascii():  # which Python takes for a number too
        raise ValueError
    return float(field)


def _of_json(field: Any) -> float:
    if type(field) not in (int, float):
        raise ValueError
    return float(field)


def _require_few(count: int, where: str) -> None:
    if count > MOST:
        raise InvalidSubmission(f"{where}: more than {MOST} boxes for one image")


def _boxes(rows: np.ndarray) -> Iterator[Box]:
    for label, score, x1, y1, x2, y2 in rows.astype(np.float64).tolist():
        yield Box(int(label), score, x1, y1, x2 - x1, y2 - y1)


def _short(values: Sequence[float]) -> list[float]:
    return [float(f"{value:.9g}") for value in values]
