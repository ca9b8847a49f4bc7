"""Cells of boxes: all boxes of an image in one cell; and COCO results, which are JSON.

Numbers have nine digits: float32 comes back exactly.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from harness.data.samples import Ragged
from harness.errors import InvalidSubmission, UserError
from harness.files import atomic
from harness.metrics.boxes import MOST
from harness.tasks.cells import class_texts
from harness.tasks.layout import Layout, Line

FAR = 1e6  # pixels: no image is larger
Size = tuple[int, int] | None


class Box(NamedTuple):
    """label, score and the corners in pixels."""

    label: int
    score: float
    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True)
class Boxes:
    """All boxes of an image in one cell, the fields of each and the boxes with spaces between them.

    fields: in the file's order, of "class score x y w h" (a corner and the size) or "class score x1 y1 x2 y2" (two
    corners); without "class" where there is one. texts: how each class is written; its index where none are given.
    shares: coordinates are shares of width and height. none: what is written for an image without boxes.
    """

    column: str = "PredictionString"
    fields: str = "class score x y w h"
    texts: tuple[str, ...] = ()
    shares: bool = False
    none: str = ""
    output: ClassVar[str] = "probabilities"
    each_object: ClassVar[bool] = False

    def columns(self, task: Any) -> Sequence[str]:
        return [self.column]

    def labels(self, task: Any) -> Sequence[int]:
        return ()

    def encode(self, task: Any, row: np.ndarray, label: int | None, size: Size) -> list[list[str]]:
        texts = class_texts(self.texts, task)
        scale = (size[1], size[0]) if self.shares and size else (1, 1)
        words = []
        for box in boxes_of(row):
            x1, y1, x2, y2 = box.x1 / scale[0], box.y1 / scale[1], box.x2 / scale[0], box.y2 / scale[1]
            known = {"x": x1, "y": y1, "w": x2 - x1, "h": y2 - y1, "x1": x1, "y1": y1, "x2": x2, "y2": y2}
            known["score"] = box.score
            words += [texts[box.label] if name == "class" else f"{known[name]:.9g}" for name in self.fields.split()]
        return [[" ".join(words) or self.none]]

    def decode(self, task: Any, lines: Sequence[Line], size: Size) -> list[Box]:
        (line,), names = lines, self.fields.split()
        words = [] if line.cells[0] == self.none else line.cells[0].split()
        if len(words) % len(names):
            raise line.wrong(0, f"{len(words)} fields, but every box has {len(names)}: {self.fields}")
        if len(words) > len(names) * MOST:
            raise line.wrong(0, f"more than {MOST} boxes for one image")
        texts = class_texts(self.texts, task)
        found = []
        for at in range(0, len(words), len(names)):
            of_box = dict(zip(names, words[at : at + len(names)], strict=True))
            name = of_box.pop("class", texts[0])
            if name not in texts:
                raise line.wrong(0, f"box {at // len(names) + 1}: class {name} is not one of {', '.join(texts)}")
            values = {
                key: _numbers([word], _of_text, f"{line.where}, column {self.column}")[0]
                for key, word in of_box.items()
            }
            corners = _corners(values, (size[1], size[0]) if self.shares and size else (1, 1))
            found.append(
                _checked(
                    texts.index(name),
                    values["score"],
                    corners,
                    f"{line.where}, column {self.column}, box {at // len(names) + 1}",
                )
            )
        return found

    def collect(self, task: Any, rows: Sequence[list[Box]]) -> Ragged:
        return ranked(rows)


BOXES = Layout(Boxes())  # id,PredictionString


def ranked(rows: Sequence[list[Box]]) -> Ragged:
    """(m, 6) float32 of the boxes of every image, sorted by score."""
    flat = [tuple(box) for boxes in rows for box in sorted(boxes, key=lambda box: -box.score)]
    return Ragged(np.array(flat, np.float32).reshape(-1, 6), np.cumsum([0, *map(len, rows)]))


def boxes_of(rows: np.ndarray) -> Iterator[Box]:
    for label, *values in rows.astype(np.float64).tolist():
        yield Box(int(label), *values)


def _corners(values: Mapping[str, float], scale: tuple[int, int]) -> list[float]:
    """x1, y1, x2, y2 in pixels of whichever fields there are."""
    if "w" in values:
        x1, y1 = values["x"], values["y"]
        x2, y2 = x1 + values["w"], y1 + values["h"]
    else:
        x1, y1, x2, y2 = (values[name] for name in ("x1", "y1", "x2", "y2"))
    return [x1 * scale[0], y1 * scale[1], x2 * scale[0], y2 * scale[1]]


def _checked(label: int, score: float, corners: Sequence[float], where: str) -> Box:
    """Raise `InvalidSubmission` where a value is not valid."""
    if not 0 <= score <= 1:
        raise InvalidSubmission(f"{where}: the score {score:g} is not between 0 and 1")
    if not all(abs(value) < FAR for value in corners):
        raise InvalidSubmission(f"{where}: x1 y1 x2 y2 are {' '.join(f'{value:g}' for value in corners)}: not pixels")
    width, height = corners[2] - corners[0], corners[3] - corners[1]
    if min(width, height) <= 0:
        raise InvalidSubmission(f"{where}: width {width:g} and height {height:g} must be more than 0")
    return Box(label, score, *corners)


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


# -- COCO results: [{"image_id": 1, "category_id": 0, "bbox": [x, y, w, h], "score": 0.5}, ...] ------------------------

KEYS = {"image_id", "category_id", "bbox", "score"}


@dataclass(frozen=True)
class CocoResults:
    """The official file of a detection competition that hands out COCO annotations.

    categories: the category_id of each class in the host's annotation file; its index where none are given. text_ids:
    whether image_id is a text, as it stands, and not a number. `formats.coco` hands over what is not declared.
    """

    categories: tuple[int, ...] = ()
    text_ids: bool = False

    def for_host(self, host: Mapping[str, Any]) -> "CocoResults":
        """With the host's categories and kind of ids; raise `UserError` where other categories are declared."""
        categories = tuple(host.get("categories", self.categories))
        if self.categories not in ((), categories):
            said, seen = (", ".join(map(str, each)) for each in (self.categories, categories))
            raise UserError(f"CocoResults declares the categories {said}, but those of the annotations are {seen}")
        return CocoResults(categories, self.text_ids or bool(host.get("text_ids")))

    def names(self, ids: np.ndarray) -> Sequence[int | str]:
        """image_id of every row; raise `UserError` where numbers are asked for, and an id is none."""
        return ids.tolist() if self.text_ids else whole(ids)

    def write(self, ids: np.ndarray, decided: Ragged, file: Path) -> None:
        """An image without boxes has no entry. Raise `UserError` where an id is not what `text_ids` says."""
        entries = [
            json.dumps(
                {
                    "image_id": number,
                    "category_id": self.categories[box.label] if self.categories else box.label,
                    "bbox": [_short(v) for v in (box.x1, box.y1, box.x2 - box.x1, box.y2 - box.y1)],
                    "score": _short(box.score),
                }
            )
            for number, boxes in zip(self.names(ids), decided, strict=True)
            for box in boxes_of(boxes)
        ]
        with atomic(file) as out:
            out.write(("[" + ",\n".join(entries) + "]\n").encode())

    def read(self, file: Path, ids: np.ndarray, classes: Sequence[str]) -> Ragged:
        rows: list[list[Box]] = [[] for _ in ids]
        row_of: dict[int | str, int] = {name: row for row, name in enumerate(self.names(ids))}
        categories = self.categories or tuple(range(len(classes)))
        for index, entry in enumerate(_entries(file)):
            where = f"{file.name}, entry {index}"
            if not isinstance(entry, dict) or not entry.keys() >= KEYS:
                raise InvalidSubmission(f"{where} must hold {', '.join(sorted(KEYS))}")
            number, corners = entry["image_id"], entry["bbox"]
            if type(number) is not (str if self.text_ids else int) or number not in row_of:
                raise InvalidSubmission(f"{where}: image_id {number!r} is not one of the {len(row_of)} asked for")
            where = f"{where} (image_id {number})"
            if not isinstance(corners, list) or len(corners) != 4:
                raise InvalidSubmission(f"{where}: bbox {corners!r} is not [x, y, w, h]")
            label, score, *xywh = _numbers([entry["category_id"], entry["score"], *corners], _of_json, where)
            if label not in categories:
                raise InvalidSubmission(f"{where}: class {label:g} is not one of {', '.join(map(str, categories))}")
            rows[row_of[number]].append(
                _checked(
                    categories.index(int(label)), score, _corners(dict(zip("xywh", xywh, strict=True)), (1, 1)), where
                )
            )
            if len(rows[row_of[number]]) > MOST:
                raise InvalidSubmission(f"{where}: more than {MOST} boxes for one image")
        return ranked(rows)


def whole(ids: np.ndarray) -> list[int]:
    """Ids as numbers; raise `UserError` where one is none, or two are the same number."""
    row_of: dict[int, str] = {}
    for name in ids.tolist():
        if not re.fullmatch(r"[0-9]+", name):
            raise UserError(
                f"COCO results name images by whole numbers, and the id {name!r} is not one; declare what the host "
                "asks for: Detection(CLASSES, CocoResults(text_ids=True)), or Detection(CLASSES, BOXES) for a table"
            )
        if row_of.setdefault(int(name), name) != name:
            raise UserError(f"COCO results name images by whole numbers, and {name} and {row_of[int(name)]} are one")
    return list(row_of)


def _entries(file: Path) -> list[Any]:
    def refuse(name: str) -> None:
        raise InvalidSubmission(f"{file.name} holds {name}, which is not a number")

    try:
        return json.loads(file.read_text(encoding="utf-8"), parse_constant=refuse)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise InvalidSubmission(f"{file.name} is not readable as JSON: {error}") from error


def _of_json(field: Any) -> float:
    if type(field) not in (int, float):
        raise ValueError
    return float(field)


def _short(value: float) -> float:
    return float(f"{value:.9g}")


COCO_RESULTS = CocoResults()
