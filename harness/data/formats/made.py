"""Made raw files in the layouts read here: small, seeded and learnable, so that a new competition runs at once.

Pictures show marks on a noisy ground: a class is a shape and a colour. Only whole numbers are drawn, and nothing but
+ - * / is done with them, so that all machines make the same files.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from harness.data.formats.box_annotations import write_coco

SEED = 20_250_301
COLOURS = ((200, 70, 60), (70, 120, 200), (90, 170, 80), (210, 180, 70), (150, 90, 170), (80, 180, 180))  # RGB
TOWNS = {"north": 0, "hill": 40, "river": 75, "old town": 120}


class Scene(NamedTuple):
    """picture: (h, w, 3) uint8; labels: (h, w) uint8, 0 for the ground, class k as k + 1; boxes: (m, 5) int: class,
    x1, y1, x2, y2."""

    picture: np.ndarray
    labels: np.ndarray
    boxes: np.ndarray


def made_pictures(folder: Path, classes: Sequence[str], rows: int = 240, asked: int = 40, side: int = 32) -> None:
    """images/*.png with labels.csv (image, label): one mark a picture, of the class to be told; and test/*.png."""
    table = [["image", "label"]]
    for row in range(rows + asked):
        rng = _generator(row)
        label = int(rng.integers(len(classes)))
        part = "images" if row < rows else "test"
        _save(folder / part / f"{row:03d}.png", _scene(rng, side, [label]).picture)
        if part == "images":
            table.append([f"{row:03d}", classes[label]])
    _save_table(folder / "labels.csv", table)


def made_masks(folder: Path, classes: Sequence[str], rows: int = 120, asked: int = 20, side: int = 64) -> None:
    """images/*.png with masks/*.png: a label under every pixel, the first class is the ground; and test/*.png."""
    for row in range(rows + asked):
        rng = _generator(row)
        scene = _scene(rng, side, rng.integers(len(classes) - 1, size=rng.integers(2, 5)).tolist())
        part = "images" if row < rows else "test"
        _save(folder / part / f"{row:03d}.png", scene.picture)
        if part == "images":
            _save(folder / "masks" / f"{row:03d}.png", scene.labels)


def made_boxes(folder: Path, classes: Sequence[str], rows: int = 80, asked: int = 10, side: int = 64) -> None:
    """train/ with pictures and boxes, and test/ with pictures alone, as `boxes.coco_parts` reads them."""
    for part, numbers in (("train", range(rows)), ("test", range(rows, rows + asked))):
        scenes = []
        for row in numbers:
            rng = _generator(row)
            scenes.append(_scene(rng, side, rng.integers(len(classes), size=rng.integers(1, 5)).tolist()))
        boxes = [scene.boxes for scene in scenes] if part == "train" else None
        write_coco(folder / part, [scene.picture for scene in scenes], classes, boxes)


def made_table(folder: Path, rows: int = 400, asked: int = 100) -> None:
    """train.csv and test.csv: houses, with an id, five columns to learn from, some values missing, and the price."""
    table = [["id", "area", "rooms", "age", "distance", "town", "price"]]
    for row in range(rows + asked):
        rng = _generator(row)
        area, rooms, age = int(rng.integers(30, 200)), int(rng.integers(1, 7)), int(rng.integers(0, 90))
        distance, town = int(rng.integers(1, 250)), str(rng.choice(list(TOWNS)))
        noise = int(rng.integers(-12, 13, 4).sum())
        price = 60 + 3 * area + 12 * rooms - age - distance // 2 + TOWNS[town] * area // 100 + noise
        known = area if rng.integers(20) else ""
        table.append([str(cell) for cell in (row, known, rooms, age, distance / 10, town, price)])
    _save_table(folder / "train.csv", table[: rows + 1])
    _save_table(folder / "test.csv", [line[:-1] for line in table[:1] + table[rows + 1 :]])


# -- one picture -------------------------------------------------------------------------------------------------------


def _generator(row: int) -> np.random.Generator:
    return np.random.default_rng([SEED, row])


def _scene(rng: np.random.Generator, side: int, marks: Sequence[int]) -> Scene:
    """Marks of these classes anywhere on the ground; a later one may lie on an earlier one, but not hide it."""
    picture = rng.integers(70, 130, 3) + np.zeros((side, side, 3), int)
    labels, boxes = np.zeros((side, side), np.uint8), []
    y, x = np.mgrid[:side, :side]
    for label in marks:
        radius = int(rng.integers(side // 8, side // 5)) if len(marks) > 1 else int(rng.integers(side // 5, side // 3))
        middle_y, middle_x = rng.integers(radius, side - radius, 2).tolist()
        inside = _shape(label, (y - middle_y) / radius, (x - middle_x) / radius)
        if (labels[inside] > 0).mean() > 0.3:
            continue
        picture[inside] = np.array(COLOURS[(label + label // len(SHAPES)) % len(COLOURS)]) + rng.integers(-30, 31, 3)
        labels[inside] = label + 1
        rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        boxes.append((label, columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
    picture += rng.integers(-30, 31, picture.shape)
    return Scene(picture.clip(0, 255).astype(np.uint8), labels, np.array(boxes))


SHAPES = (
    lambda a, b: a * a + b * b <= 1,  # a disc
    lambda a, b: np.maximum(a, b) <= 0.85,  # a square
    lambda a, b: a + b <= 1,  # a diamond
    lambda a, b: (np.minimum(a, b) <= 0.3) & (np.maximum(a, b) <= 1),  # a cross
    lambda a, b: (a * a + b * b <= 1) & (a * a + b * b >= 0.3),  # a ring
    lambda a, b: (b <= 1) & (a <= 0.35),  # a bar
)


def _shape(label: int, down: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(h, w) bool. down, right: from the middle, in radii."""
    return SHAPES[label % len(SHAPES)](np.abs(down), np.abs(right))


def _save(file: Path, picture: np.ndarray) -> None:
    import cv2

    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(cv2.imencode(".png", picture[..., ::-1] if picture.ndim == 3 else picture)[1].tobytes())


def _save_table(file: Path, table: Sequence[Sequence[str]]) -> None:
    with open(file, "w", newline="", encoding="utf-8") as text:
        csv.writer(text, lineterminator="\n").writerows(table)
