"""Made pictures of stained cells, five to a slide: the sicker the cells, the larger, rougher and odder their nuclei.

Every number comes from + - * / and square roots, one operation at a time, and from a seeded generator's integers and
fractions, so that all machines make the same pictures.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from competitions.cytology.data import SIDE
from harness.files import atomic

SEED = 20_250_301
SLIDES, TEST_SLIDES, FIELDS = 160, 40, 5  # pictures to a slide
BENIGN, MALIGNANT = (0.0, 0.5), (0.45, 1.0)  # how sick the cells of a picture may be: some of both look the same
Plane = np.ndarray  # (SIDE, SIDE) float32
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE].astype(np.float32)


@dataclass(frozen=True)
class Stain:
    """The colours of a slide, (3,) float32 in 0..255: red, green, blue."""

    ground: np.ndarray
    body: np.ndarray
    nucleus: np.ndarray


def cell_sample(folder: Path) -> None:
    """Write `train.npz` and `test.npz`: 800 and 200 pictures of different slides, two in five malignant."""
    images, labels, slides = pictures(range(SLIDES))
    with atomic(folder / "train.npz") as file:
        np.savez_compressed(file, images=images, labels=labels, slide=slides)
    with atomic(folder / "test.npz") as file:
        np.savez_compressed(file, images=pictures(range(SLIDES, SLIDES + TEST_SLIDES))[0])


def pictures(slides: Iterable[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(n, SIDE, SIDE, 3) uint8, their labels and their slides; all pictures of a slide have one label."""
    images, labels, numbers = [], [], []
    for slide in slides:
        rng = np.random.default_rng([SEED, slide])
        malignant, stain = slide % 5 < 2, make_stain(rng)
        low, high = MALIGNANT if malignant else BENIGN
        for _ in range(FIELDS):
            images.append(picture(stain, between(rng, low, high), rng))
            labels.append(malignant)
            numbers.append(slide)
    return np.stack(images), np.array(labels, np.uint8), np.array(numbers)


def make_stain(rng: np.random.Generator) -> Stain:
    """Pink ground, paler bodies, purple nuclei; slides differ in all three."""
    light = between(rng, 0.85, 1.05)
    colours = [(235, 205, 222), (222, 165, 200), (112, 72, 150)]
    return Stain(
        *(np.array([light * part + between(rng, -14, 14) for part in colour], np.float32) for colour in colours)
    )


def picture(stain: Stain, sickness: float, rng: np.random.Generator) -> np.ndarray:
    """(SIDE, SIDE, 3) uint8: four to eight cells on an uneven ground, a little out of focus, with grain."""
    light = stain.ground * (0.94 + 0.12 * bumps(rng, 3))[..., None]
    for _ in range(int(rng.integers(4, 8)) + int(2 * sickness)):
        light = with_cell(light, stain, sickness, rng)
    grain = rng.random((SIDE, SIDE, 3), np.float32) + rng.random((SIDE, SIDE, 3), np.float32) - 1
    return np.clip(np.rint(light + 9 * grain), 0, 255).astype(np.uint8)


def with_cell(light: np.ndarray, stain: Stain, sickness: float, rng: np.random.Generator) -> np.ndarray:
    """A body around a nucleus. Sick nuclei are larger, fill more of the body, vary, are ragged, clumped and spotted."""
    x, y = between(rng, 2, SIDE - 2), between(rng, 2, SIDE - 2)
    radius = 3.2 + sickness * between(rng, -0.6, 3.0) + between(rng, -0.5, 0.5)
    stretch = 1 + between(rng, 0.0, 0.25) + 0.35 * sickness * between(rng, 0, 1)
    a, b = between(rng, -1, 1), between(rng, 0.1, 1)
    length = float(np.sqrt(a * a + b * b))
    along = ((COLUMNS - x) * a + (ROWS - y) * b) / (length * radius * stretch)
    across = ((ROWS - y) * a - (COLUMNS - x) * b) / (length * radius)
    distance = np.sqrt(along * along + across * across) + (0.1 + 0.9 * sickness) * (bumps(rng, 8) - 0.5)

    light = mixed(light, stain.body, 0.7 * inside(distance, between(rng, 1.9, 2.3) - 0.5 * sickness, radius))
    clumps = 1 + (0.1 + 0.9 * sickness) * (bumps(rng, 16) - 0.5)
    light = mixed(light, stain.nucleus * clumps[..., None], 0.9 * inside(distance, 1.0, radius))
    if rng.random() < 0.05 + 0.7 * sickness:  # a nucleolus
        spot = np.sqrt((along - 0.25) * (along - 0.25) + (across + 0.2) * (across + 0.2))
        light = mixed(light, 0.55 * stain.nucleus, 0.8 * inside(spot, 0.3, radius))
    return light


def inside(distance: Plane, border: float, radius: float) -> Plane:
    """0 outside the border, 1 inside, soft over about two pixels; distances in radii."""
    return np.clip((border - distance) * np.float32(0.6 * radius) + np.float32(0.5), 0, 1)


def mixed(light: np.ndarray, colour: np.ndarray, share: Plane) -> np.ndarray:
    return light * (1 - share[..., None]) + colour * share[..., None]


def bumps(rng: np.random.Generator, count: int) -> Plane:
    """Smooth noise in 0..1 with about `count` bumps along each side: random corners, linear in between."""
    corners = rng.random((count + 2, count + 2), np.float32)
    place = np.arange(SIDE, dtype=np.float32) * np.float32(count / SIDE)
    first = place.astype(np.int64)
    rest = place - first
    rows = corners[first] * (1 - rest)[:, None] + corners[first + 1] * rest[:, None]
    return rows[:, first] * (1 - rest) + rows[:, first + 1] * rest


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """`rng.uniform` with two roundings: compiled code may fuse its product and sum on some machines."""
    return low + (high - low) * float(rng.random())
