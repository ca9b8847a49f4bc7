"""Made tissue for machines without the GlaS pictures: glands in stained stroma, laid out as the real files are.

A gland is a closed wall of epithelium, dark with nuclei at its base and pale towards the bright lumen inside. Benign
glands are round, even and apart; malignant ones are ragged, crowded and fused, their lumen is narrow or broken up. What
makes it hard is there too: tears as bright as a lumen, crowds of small round cells as dark as the nuclei of a wall,
glands that the frame cuts, and stains that differ from patient to patient.

Every number comes from + - * / and square roots, one operation at a time, and from a seeded generator's integers and
fractions: nothing whose last bit differs between machines.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from competitions.glas.data import LABELLED, OFFICIAL, SIDE
from harness.files import atomic

SEED = 20_150_917
PATIENTS, OFFICIAL_PATIENT = 16, 1000  # those of the official part count from the second
PICTURES = {"train.npz": 60, "testA.npz": 40}
OFFICIAL_PICTURES = 12
MARGIN = 24  # pixels around the frame in which glands may have their centre

Plane = np.ndarray  # (SIDE, SIDE) float32


def gland_sample(folder: Path) -> None:
    """Write the three files: 60, 40 and 12 pictures, in two seconds."""
    first = 0
    for name in LABELLED:
        made = [picture(number % PATIENTS, number) for number in range(first, first + PICTURES[name])]
        images, masks, grades, patients = (np.array(column) for column in zip(*made, strict=True))
        with atomic(folder / name) as file:
            grade, patient = grades.astype(np.uint8), patients.astype(np.int16)
            np.savez_compressed(file, images=images, masks=masks, grade=grade, patient=patient)
        first += len(made)
    asked = [picture(OFFICIAL_PATIENT + number % 4, first + number)[0] for number in range(OFFICIAL_PICTURES)]
    with atomic(folder / OFFICIAL) as file:
        np.savez_compressed(file, images=np.array(asked))


class Stain(NamedTuple):
    """What one laboratory did to one patient's slide: how much red, green and blue each dye takes away."""

    haematoxylin: np.ndarray  # (3,)
    eosin: np.ndarray  # (3,)
    light: float


class Gland(NamedTuple):
    """In pixels; along: unit vector of its long axis; ragged: how far its wall leaves the ellipse, in radii."""

    x: float
    y: float
    radius: float
    stretch: float
    along: tuple[float, float]
    ragged: float
    wall: float


def picture(patient: int, number: int) -> tuple[np.ndarray, np.ndarray, int, int]:
    """(SIDE, SIDE, 3) uint8, its mask (SIDE, SIDE) uint8 0 or 1, its grade (1: malignant) and its patient."""
    of_patient, rng = np.random.default_rng([SEED, 0, patient]), np.random.default_rng([SEED, 1, number])
    stain, likely = make_stain(of_patient), (0.0, 1.0, 0.5)[patient % 3]
    grade = int(rng.random() < likely)
    noise = Noise(rng)
    deep, wall = depth_of(list(make_glands(rng, bool(grade))), noise)
    lumen = lumen_of(deep, wall, noise, bool(grade))
    image = stained(*dyes(deep, lumen, noise), stain, rng)
    drawn = deep + 2 * (noise(18, 90) - 0.5) > 0  # by a hand that is not exact
    return image, drawn.astype(np.uint8), grade, patient


# -- shapes ------------------------------------------------------------------------------------------------------------


class Noise:
    """Smooth noise in 0..1 with a bump every `size` pixels (value noise); another `salt` is another noise."""

    def __init__(self, rng: np.random.Generator):
        self.lattice = rng.random((64, 64)).astype(np.float32).ravel()
        self.rows, self.columns = np.mgrid[:SIDE, :SIDE].astype(np.float32)

    def __call__(self, size: float, salt: int, along: float = 1.0) -> Plane:
        """along: how many times longer the bumps are in x than in y."""
        x, y = self.columns / np.float32(size * along), self.rows / np.float32(size)
        column, row = np.floor(x), np.floor(y)
        a, b = x - column, y - row
        a, b = a * a * (3 - 2 * a), b * b * (3 - 2 * b)
        left, top = column.astype(np.int32) + 37 * salt, row.astype(np.int32) + 23 * salt
        corner = [self.lattice[(top + i & 63) * 64 + (left + j & 63)] for i in (0, 1) for j in (0, 1)]
        upper, lower = corner[0] + (corner[1] - corner[0]) * a, corner[2] + (corner[3] - corner[2]) * a
        return upper + (lower - upper) * b

    def cells(self, size: float, salt: int, share: float) -> Plane:
        """Round spots in a share of the cells of `size` pixels: 1 in their middle, 0 from their rim on."""
        x, y = self.columns / np.float32(size), self.rows / np.float32(size)
        column, row = np.floor(x), np.floor(y)
        place = (row.astype(np.int32) + 29 * salt & 63) * 64 + (column.astype(np.int32) + 53 * salt & 63)
        chance, right, down = (self.lattice[place * k % 4096] for k in (1, 3, 7))
        a, b = (x - column - 0.35 - 0.3 * right) / 0.42, (y - row - 0.35 - 0.3 * down) / 0.42
        return np.where(chance < share, np.maximum(0, 1 - a * a - b * b), np.float32(0))


def make_glands(rng: np.random.Generator, malignant: bool) -> Iterator[Gland]:
    """Thrown at random, each where it stands far enough from those before it."""
    placed: list[Gland] = []
    apart, ragged = (0.92, 0.45) if malignant else (1.02, 0.14)
    scale = between(rng, 0.8, 1.25)  # of all glands of a picture
    for _ in range(90):
        radius = scale * (between(rng, 9, 24) if malignant else between(rng, 10, 20))
        x, y = between(rng, -MARGIN, SIDE + MARGIN), between(rng, -MARGIN, SIDE + MARGIN)
        stretch = between(rng, 1.0, 1.7 if malignant else 1.5)
        gland = Gland(x, y, radius, stretch, direction(rng), ragged, scale * between(rng, 5, 8))
        near = [other for other in placed if distance(gland, other) < apart * (radius + other.radius)]
        if not near and len(placed) < 14:
            placed.append(gland)
            yield gland


def depth_of(glands: list[Gland], noise: Noise) -> tuple[Plane, Plane]:
    """How deep every pixel lies inside the gland it is deepest in, in pixels (negative: outside), and its wall."""
    deepest = np.full((SIDE, SIDE), -99, np.float32)
    wall = np.full((SIDE, SIDE), 7, np.float32)
    for salt, gland in enumerate(glands):
        right, down = noise.columns - np.float32(gland.x), noise.rows - np.float32(gland.y)
        u = (right * gland.along[0] + down * gland.along[1]) / np.float32(gland.stretch)
        v = down * gland.along[0] - right * gland.along[1]
        wobble = 1 + gland.ragged * (noise(14, 2 * salt) + 0.5 * noise(7, 2 * salt + 1) - 0.75)
        deep = np.float32(gland.radius) * wobble - np.sqrt(u * u + v * v)
        deeper = deep > deepest
        deepest = np.where(deeper, deep, deepest)
        wall = np.where(deeper, np.float32(gland.wall), wall)
    return deepest, wall


def lumen_of(deep: Plane, wall: Plane, noise: Noise, malignant: bool) -> np.ndarray:
    """(SIDE, SIDE) bool: the bright inside; of malignant glands narrow, and broken up by bridges."""
    if not malignant:
        return deep > wall + 2 * noise(6, 40)
    return (deep > wall + 8 * noise(7, 40)) & (noise(9, 41) > 0.4)


# -- colours -----------------------------------------------------------------------------------------------------------


def dyes(deep: Plane, lumen: np.ndarray, noise: Noise) -> tuple[Plane, Plane]:
    """How much haematoxylin (in nuclei) and eosin (in everything else) there is, about 0 to 1."""
    inside, pale = deep > 0, np.clip(5 * noise(22, 73) - 3, 0, 1)  # some glands are full of mucus
    base = np.clip(1.2 - np.abs(deep - 3.4) / 3.4, 0, 1)  # where the nuclei of a wall stand
    nuclei = np.maximum(noise.cells(4.2, 50, 0.97), noise.cells(4.6, 51, 0.9)) * base
    fibres = noise(3, 60, along=3) + 0.7 * noise(9, 61)
    spindles = np.maximum(noise.cells(6.1, 62, 0.15), noise.cells(5.2, 70, 0.1))
    round_cells = np.maximum(
        np.maximum(noise.cells(4.1, 63, 0.5), noise.cells(3.7, 71, 0.5)), noise.cells(4.6, 72, 0.4)
    )
    crowd = round_cells * np.clip(6 * noise(26, 64) - 3.6, 0, 1)
    torn = np.clip(8 * (0.6 * noise(16, 65, along=2) + 0.4 * noise(5, 66)) - 5.4, 0, 1)
    debris = np.clip(4 * noise(5, 67) - 2.6, 0, 1)

    haematoxylin = np.where(inside, 0.2 + 0.85 * nuclei, 0.05 + 0.7 * spindles + 0.85 * crowd)
    eosin = np.where(inside, 0.44 + 0.2 * noise(4, 68) - 0.34 * pale * (deep > 4), 0.32 + 0.32 * fibres)
    haematoxylin = np.where(lumen, 0.02 + 0.25 * debris, haematoxylin)
    eosin = np.where(lumen, 0.04 + 0.3 * debris, eosin)
    whole = np.where(inside, np.float32(1), 1 - 0.92 * torn)
    return haematoxylin * whole, eosin * whole


def make_stain(rng: np.random.Generator) -> Stain:
    purple, pink = (np.array(colour, np.float32) for colour in ((125, 165, 55), (30, 150, 60)))
    vary = [np.array([between(rng, 0.75, 1.2) for _ in range(3)], np.float32) for _ in range(2)]
    strength = [np.float32(between(rng, 0.7, 1.1)) for _ in range(2)]
    return Stain(purple * vary[0] * strength[0], pink * vary[1] * strength[1], between(rng, 228, 250))


def stained(haematoxylin: Plane, eosin: Plane, stain: Stain, rng: np.random.Generator) -> np.ndarray:
    """(SIDE, SIDE, 3) uint8, softened as by a lens, with a little noise of the sensor."""
    taken = haematoxylin[..., None] * stain.haematoxylin + eosin[..., None] * stain.eosin
    padded = np.pad(np.float32(stain.light) - taken, ((1, 1), (1, 1), (0, 0)), mode="edge")
    rows = 0.25 * padded[:-2] + 0.5 * padded[1:-1] + 0.25 * padded[2:]
    soft = 0.25 * rows[:, :-2] + 0.5 * rows[:, 1:-1] + 0.25 * rows[:, 2:]
    grain = rng.random(soft.shape, np.float32) + rng.random(soft.shape, np.float32) - 1
    return np.clip(np.rint(soft + 7 * grain), 0, 255).astype(np.uint8)


def distance(a: Gland, b: Gland) -> float:
    return float(np.sqrt((a.x - b.x) * (a.x - b.x) + (a.y - b.y) * (a.y - b.y)))


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """`rng.uniform` with two roundings: compiled code may fuse its product and sum on some machines."""
    return low + (high - low) * float(rng.random())


def direction(rng: np.random.Generator) -> tuple[float, float]:
    a, b = between(rng, -1, 1), between(rng, 0.2, 1)
    length = float(np.sqrt(a * a + b * b))
    return a / length, b / length
