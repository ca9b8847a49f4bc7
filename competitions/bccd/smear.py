"""Made blood smears for machines without the real pictures: stained cells in heaps, laid out as the real files."""

from pathlib import Path

import numpy as np

from competitions.bccd.data import CLASSES, OFFICIAL
from harness.data.formats.box_annotations import write_coco
from harness.data.formats.painting import Scene, clouds, direction, painted, place

SEED = 20_251_002
SHAPE = (120, 160)  # height, width
PICTURES, ASKED = 100, 20  # in train, and in the official part

RED, WHITE, PLATELET = range(3)
PURPLE = np.array([110.0, 60, 150])


def smear_sample(folder: Path) -> None:
    """Write train/ and test/ as COCO lays them out: 100 pictures with boxes, and 20 without."""
    pictures, boxes = painted(PICTURES + ASKED, SEED, under_the_microscope)
    write_coco(folder / "train", pictures[:PICTURES], CLASSES, boxes[:PICTURES])
    write_coco(folder / OFFICIAL[0], pictures[PICTURES:], CLASSES)


def under_the_microscope(rng: np.random.Generator, number: int) -> tuple[np.ndarray, np.ndarray]:
    """One picture and its boxes: red cells everywhere, in most a white one, in every other a few platelets."""
    plasma = np.array([225.0, 205 + 25 * rng.random(), 200 + 30 * rng.random()])
    scene = Scene(plasma * (0.9 + 0.15 * clouds(rng, SHAPE, 30))[..., None])
    red = np.array([215.0, 140 + 40 * rng.random(), 130 + 40 * rng.random()])
    size = 9 + 4 * rng.random()
    for _ in range(int(rng.integers(4, 14))):
        red_cell(scene, rng, red, size)
    for _ in range(int(rng.integers(1, 4)) if number % 2 else 0):
        platelet(scene, rng)
    if number % 5:
        white_cell(scene, rng, size)
    return scene.finished(rng, noise=12)


def red_cell(scene: Scene, rng: np.random.Generator, colour: np.ndarray, size: float) -> None:
    """A disc that is paler in the middle."""
    where = place(rng, SHAPE, (0.85 * size, 1.15 * size))
    u, v = scene.axes(where)
    from_middle = u * u + v * v * (1 + 0.4 * rng.random())
    tint = 15 * rng.random()
    scene.paint(from_middle <= 1, colour - tint, 0.85)
    scene.paint(from_middle <= 0.2 + 0.15 * rng.random(), colour + 25, 0.7)
    scene.name(from_middle <= 1, RED)


def white_cell(scene: Scene, rng: np.random.Generator, size: float) -> None:
    """Larger, with a dark nucleus of a few lobes."""
    u, v = scene.axes(place(rng, SHAPE, (1.4 * size, 1.9 * size)))
    cell = u * u + v * v <= 1
    nucleus = np.zeros(SHAPE, bool)
    for _ in range(int(rng.integers(1, 5))):
        right, down = direction(rng)
        a, b = u - 0.35 * right, v - 0.35 * down
        nucleus |= a * a + b * b <= 0.16 + 0.1 * rng.random()
    scene.paint(cell, PURPLE + 90, 0.8)
    scene.paint(nucleus & cell, PURPLE + 30 * rng.random(), 0.9)
    scene.name(cell, WHITE)


def platelet(scene: Scene, rng: np.random.Generator) -> None:
    """A speck, some pixels wide."""
    u, v = scene.axes(place(rng, SHAPE, (2.5, 4.5)))
    speck = u * u * (1 + 0.6 * rng.random()) + v * v <= 1
    scene.paint(speck, PURPLE + 40 * rng.random(), 0.8)
    scene.name(speck, PLATELET)
