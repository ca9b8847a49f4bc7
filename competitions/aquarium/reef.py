"""Made sea creatures for machines without the real pictures: simple shapes in textured water, laid out as those are.

They come in any colour, half faded by the water, turned, cut off by the border and hiding each other.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from competitions.aquarium.data import CLASSES, OFFICIAL
from harness.data.formats.box_annotations import write_coco
from harness.data.formats.painting import Place, Plane, Scene, clouds, painted, place

SEED = 20_251_001
SHAPE = (120, 160)  # height, width
PICTURES, ASKED = 120, 15  # in train, and in each official part

FISH, JELLYFISH, PENGUIN, PUFFIN, SHARK, STARFISH, STINGRAY = range(7)
# Who lives where, by how many of each kind at most: what is rare in the real pictures is rare here.
WATERS = (
    {FISH: 6, SHARK: 1},
    {FISH: 4, STINGRAY: 2},
    {FISH: 3, STARFISH: 2},
    {JELLYFISH: 4},
    {PENGUIN: 4},
    {PUFFIN: 3, FISH: 2},
    {FISH: 7},
    {FISH: 3, SHARK: 2, STINGRAY: 1},
)
SIZES = {FISH: (7, 15), JELLYFISH: (9, 20), PENGUIN: (10, 20), PUFFIN: (8, 14), SHARK: (20, 38), STARFISH: (8, 15)}
ARMS = ((0.0, -1.0), (0.951, -0.309), (0.588, 0.809), (-0.588, 0.809), (-0.951, -0.309))  # of a starfish


def reef_sample(folder: Path) -> None:
    """Write train/, test_a/ and test_b/ as COCO lays them out: 120 pictures with boxes, and 15 without in each test."""
    pictures, boxes = painted(PICTURES + len(OFFICIAL) * ASKED, SEED, under_water)
    write_coco(folder / "train", pictures[:PICTURES], CLASSES, boxes[:PICTURES])
    for k, part in enumerate(OFFICIAL):
        start = PICTURES + k * ASKED
        write_coco(folder / part, pictures[start : start + ASKED], CLASSES)


def under_water(rng: np.random.Generator, number: int) -> tuple[np.ndarray, np.ndarray]:
    """One picture and its boxes."""
    water = np.array([20 + 60 * rng.random(), 90 + 70 * rng.random(), 120 + 80 * rng.random()])
    light = 0.7 + 0.5 * clouds(rng, SHAPE, 40) * (1.2 - np.arange(SHAPE[0])[:, None] / SHAPE[0])
    scene = Scene(water * (light + 0.25 * clouds(rng, SHAPE, 6))[..., None])
    for label, most in WATERS[number % len(WATERS)].items():
        for _ in range(int(rng.integers(1, most + 1))):
            upright = label in (JELLYFISH, PENGUIN, PUFFIN)
            where = place(rng, SHAPE, SIZES.get(label, (12, 22)), upright)
            CREATURES[label](scene, where, rng, 0.5 + 0.45 * rng.random())
    return scene.finished(rng, noise=14)


def bright(rng: np.random.Generator) -> np.ndarray:
    return np.array([60 + 190 * rng.random() for _ in "rgb"])


def grey(rng: np.random.Generator, darkest: float, brightest: float) -> np.ndarray:
    value = darkest + (brightest - darkest) * rng.random()
    return np.array([value, value * 1.03, value * 1.1])


# -- creatures: u runs along the body, v across, both from its middle in sizes ----------------------------------------


def disc(u: Plane, v: Plane, width: float = 1.0, height: float = 1.0) -> np.ndarray:
    return (u / width) * (u / width) + (v / height) * (v / height) <= 1


def fish(scene: Scene, where: Place, rng: np.random.Generator, clear: float) -> None:
    u, v = scene.axes(where)
    body = disc(u, v, 1.0, 0.45 + 0.2 * rng.random())
    tail = (u < -0.7) & (u > -1.45) & (np.abs(v) < -0.75 * (u + 0.6))
    stripes = body & ((u * 3 - np.floor(u * 3)) < 0.4)
    scene.paint(body | tail, bright(rng), clear)
    scene.paint(stripes, bright(rng), clear * rng.integers(2))
    scene.paint(disc(u - 0.65, v + 0.1, 0.12, 0.12), np.zeros(3), clear)
    scene.name(body | tail, FISH)


def shark(scene: Scene, where: Place, rng: np.random.Generator, clear: float) -> None:
    u, v = scene.axes(where)
    body = disc(u, v, 1.0, 0.22)
    fin = (u > -0.15) & (u < 0.25) & (v < 0) & (v > -0.5 + 1.1 * np.abs(u + 0.1))
    tail = (u < -0.85) & (u > -1.3) & (np.abs(v) < -0.9 * (u + 0.75)) & (np.abs(v) > -0.4 * (u + 0.9))
    colour = grey(rng, 70, 150)
    scene.paint(body | fin | tail, colour, clear)
    scene.paint(body & (v > 0.08), colour + 50, clear)
    scene.name(body | fin | tail, SHARK)


def stingray(scene: Scene, where: Place, rng: np.random.Generator, clear: float) -> None:
    u, v = scene.axes(where)
    wings = np.abs(u) * 1.2 + np.abs(v) * 0.85 <= 0.9
    tail = (u < -0.6) & (u > -1.6) & (np.abs(v) < 0.06)
    colour = grey(rng, 60, 130) * np.array([1.15, 1.0, 0.8])
    scene.paint(wings | tail, colour, clear)
    scene.paint(wings & (clouds(rng, SHAPE, 3) > 0.7), colour + 60, clear)
    scene.name(wings | tail, STINGRAY)


def jellyfish(scene: Scene, where: Place, rng: np.random.Generator, clear: float) -> None:
    u, v = scene.axes(where)
    bell = disc(u, v, 0.8, 0.7) & (v < 0.15)
    waves = u * 4 + 0.4 * clouds(rng, SHAPE, 8)
    arms = (v >= 0.15) & (v < 1.1) & (np.abs(u) < 0.65) & ((waves - np.floor(waves)) < 0.4)
    colour = np.array([200.0, 150 + 80 * rng.random(), 150 + 100 * rng.random()])
    scene.paint(bell, colour, clear * 0.75)
    scene.paint(arms, colour, clear * 0.5)
    scene.name(bell | arms, JELLYFISH)


def penguin(scene: Scene, where: Place, rng: np.random.Generator, clear: float) -> None:
    u, v = scene.axes(where)
    body, head = disc(u, v - 0.2, 0.45, 0.8), disc(u, v + 0.7, 0.28, 0.28)
    beak = (v > -0.78) & (v < -0.62) & (u > 0.2) & (u < 0.5)
    scene.paint(body | head, grey(rng, 15, 50), clear)
    scene.paint(disc(u - 0.1, v - 0.3, 0.28, 0.6), grey(rng, 190, 245), clear)
    scene.paint(beak, np.array([240.0, 160, 60]), clear)
    scene.name(body | head | beak, PENGUIN)


def puffin(scene: Scene, where: Place, rng: np.random.Generator, clear: float) -> None:
    u, v = scene.axes(where)
    body, head = disc(u, v - 0.25, 0.75, 0.6), disc(u - 0.35, v + 0.5, 0.42, 0.4)
    beak = (u > 0.65) & (u < 1.15) & (np.abs(v + 0.45) < 0.7 * (1.15 - u))
    scene.paint(body | head, grey(rng, 15, 50), clear)
    scene.paint(disc(u - 0.45, v + 0.5, 0.28, 0.26), grey(rng, 190, 245), clear)
    scene.paint(beak, np.array([250.0, 110, 40]), clear)
    scene.name(body | head | beak, PUFFIN)


def starfish(scene: Scene, where: Place, rng: np.random.Generator, clear: float) -> None:
    u, v = scene.axes(where)
    star = disc(u, v, 0.3, 0.3)
    for right, down in ARMS:
        along, across = u * right + v * down, np.abs(v * right - u * down)
        star |= (along > 0) & (across < 0.3 * (1 - along))
    scene.paint(star, np.array([150 + 100 * rng.random(), 40 + 110 * rng.random(), 30 + 60 * rng.random()]), clear)
    scene.name(star, STARFISH)


CREATURES: dict[int, Callable[[Scene, Place, np.random.Generator, float], None]] = {
    FISH: fish,
    JELLYFISH: jellyfish,
    PENGUIN: penguin,
    PUFFIN: puffin,
    SHARK: shark,
    STARFISH: starfish,
    STINGRAY: stingray,
}
