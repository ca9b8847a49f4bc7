"""Made blood smears for machines without the real pictures: one stained cell in the middle, red cells around it.

The eight classes differ as they do under a microscope, and overlap as they do there: by the number, shape and depth of
the nucleus, the colour of the plasma, and by what granules there are. Every picture has its own stain, light, focus
and scale.

Every number comes from + - * / and square roots, one operation at a time, and from a seeded generator's integers and
fractions: no sine, matrix product or sum over an axis, whose last bit differs between machines.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from competitions.blood.data import PICTURES
from harness.files import atomic

SEED = 20_241_102
TRAIN, TEST = 640, 160
SIDE = 32  # pixels
FRAME = 48.0  # what they show, in the length that all others are given in
COMMON = (7, 18, 9, 17, 7, 8, 20, 14)  # of 100 cells, by class, as in the real data

Plane = np.ndarray  # (SIDE, SIDE) float64
Colour = tuple[float, float, float]

GLASS, RED_CELL = (244.0, 236.0, 228.0), (224.0, 178.0, 172.0)
PURPLE, DARK, LILAC = (112.0, 66.0, 150.0), (84.0, 48.0, 122.0), (132.0, 94.0, 168.0)


class Kind(NamedTuple):
    """What a class looks like. Pairs are the ends of an even range; lengths in the nucleus are shares of the radius."""

    radius: tuple[float, float]  # of the cell
    plasma: Colour
    nucleus: tuple[float, float]  # radius of a lobe; (0, 0): there is none
    chromatin: Colour
    lobes: tuple[int, int]
    apart: tuple[float, float]  # how far the lobes lie from the middle
    dent: tuple[float, float]  # how much plasma is cut out of the nucleus from one side
    granules: tuple[int, int]
    grain: tuple[float, float]  # radius of a granule
    dye: Colour
    above: float  # share of the granules that lie over the nucleus


KINDS = (
    Kind((12, 16), (206, 184, 216), (0.38, 0.5), PURPLE, (2, 3), (0.2, 0.4), (0, 0.1), (8, 40), (0.9, 1.8), DARK, 0.5),
    Kind(
        (12.5, 17.5), (230, 198, 194), (0.34, 0.46), PURPLE, (2, 3), (0.3, 0.48), (0, 0.15),
        (6, 45), (0.8, 1.5), (220, 142, 124), 0.08,
    ),
    Kind((9, 14), (196, 178, 202), (0.5, 0.74), DARK, (1, 1), (0, 0.15), (0, 0.1), (0, 3), (0.7, 1.1), LILAC, 0.0),
    Kind(
        (12.5, 19), (202, 190, 220), (0.56, 0.76), LILAC, (1, 2), (0.1, 0.25), (0.0, 0.4),
        (0, 24), (0.6, 1.1), PURPLE, 0.25,
    ),
    Kind(
        (10, 16.5), (188, 194, 226), (0.62, 0.82), (118, 74, 156), (1, 1), (0, 0.15), (0, 0.25),
        (0, 6), (0.7, 1.1), (170, 90, 130), 0.05,
    ),
    Kind(
        (12.5, 19), (192, 192, 216), (0.54, 0.74), (128, 92, 166), (1, 1), (0.1, 0.25), (0.15, 0.55),
        (0, 12), (0.8, 1.6), (222, 220, 232), 0.1,
    ),
    Kind(
        (12.5, 17), (230, 206, 210), (0.28, 0.42), PURPLE, (2, 5), (0.34, 0.52), (0, 0.15),
        (4, 30), (0.6, 1.1), (210, 154, 164), 0.1,
    ),
    Kind((4, 9), (196, 168, 206), (0, 0), PURPLE, (0, 0), (0, 0), (0, 0), (5, 16), (0.6, 1.4), PURPLE, 1.0),
)  # fmt: skip


def smear_sample(folder: Path) -> None:
    """Write `train.npz` and `test_images.npz`: 640 and 160 pictures, in a few seconds."""
    labels = np.array([label for label, share in enumerate(COMMON) for _ in range(share)], np.uint8)
    drawn = np.resize(np.random.default_rng(SEED).permutation(labels), TRAIN + TEST)
    images = np.stack([smear(np.random.default_rng([SEED, k]), int(label)) for k, label in enumerate(drawn)])
    with atomic(folder / PICTURES[0]) as file:
        np.savez_compressed(file, images=images[:TRAIN], labels=drawn[:TRAIN])
    with atomic(folder / PICTURES[1]) as file:
        np.savez_compressed(file, id=np.arange(TEST, dtype=np.int32), images=images[TRAIN:])


def smear(rng: np.random.Generator, label: int) -> np.ndarray:
    """(SIDE, SIDE, 3) uint8: one cell of this class."""
    kind = KINDS[label]
    sight = Sight(rng)
    for _ in range(int(rng.integers(2, 8))):
        red_cell(sight, rng)
    centre = (within(rng, -2.5, 2.5), within(rng, -2.5, 2.5))
    radius = within(rng, *kind.radius)
    body = disc(sight, centre, radius, wobble=0.16)
    sight.paint(body, shaded(kind.plasma, rng, 20), 0.85)
    count = int(rng.integers(kind.granules[0], kind.granules[1] + 1))
    over = rng.random(count) < kind.above
    granules(sight, rng, kind, centre, radius, int((~over).sum()))
    if kind.lobes[1]:
        sight.paint(nucleus(sight, rng, kind, centre, radius) * body, shaded(kind.chromatin, rng, 24), 0.9)
    granules(sight, rng, kind, centre, radius, int(over.sum()))
    if rng.random() < 0.4:
        red_cell(sight, rng)  # which lies over its edge
    return sight.taken(rng)


class Sight:
    """What lies under the lens, and the colours so far."""

    def __init__(self, rng: np.random.Generator):
        pixel = FRAME / SIDE
        self.y, self.x = ((axis - (SIDE - 1) / 2) * pixel for axis in np.mgrid[:SIDE, :SIDE].astype(np.float64))
        self.bumps, self.grit = rng.random((16, 16)), rng.random((64, 64))
        self.soft = within(rng, 1.5, 3.5)  # over which an edge fades: the focus
        glass = shaded(GLASS, rng, 8)
        self.layers = [np.full((SIDE, SIDE), level) for level in glass]

    def paint(self, cover: Plane, colour: Colour, depth: float = 1.0) -> None:
        """cover: 0 to 1. Stain is uneven: the depth follows a noise."""
        stained = cover * (depth * (0.8 + 0.4 * noise(self.grit, self.x / 2.2 + 20, self.y / 2.2 + 20)))
        stained = np.minimum(stained, 1.0)
        self.layers = [layer + (level - layer) * stained for layer, level in zip(self.layers, colour, strict=True)]

    def taken(self, rng: np.random.Generator) -> np.ndarray:
        """The photograph: the light of the day, and the sensor's noise."""
        light, tint = within(rng, 0.84, 1.08), [within(rng, 0.92, 1.08) for _ in range(3)]
        grain = [rng.random((SIDE, SIDE)) + rng.random((SIDE, SIDE)) - 1 for _ in range(3)]
        levels = [
            layer * (light * colour) + 14 * speckle
            for layer, colour, speckle in zip(self.layers, tint, grain, strict=True)
        ]
        return np.stack([np.clip(np.rint(level), 0, 255) for level in levels], 2).astype(np.uint8)


# -- what is drawn -----------------------------------------------------------------------------------------------------


def red_cell(sight: Sight, rng: np.random.Generator) -> None:
    """A disc that is paler in the middle, somewhere around the cell."""
    u, v = direction(rng)
    far, radius = within(rng, 17, 30), within(rng, 6.5, 9)
    cover = disc(sight, (u * far, v * far), radius, wobble=0.05)
    pale = disc(sight, (u * far, v * far), radius * within(rng, 0.3, 0.55), wobble=0.1)
    sight.paint(cover * (1 - 0.6 * pale), shaded(RED_CELL, rng, 10), 0.8)


def nucleus(sight: Sight, rng: np.random.Generator, kind: Kind, centre: tuple[float, float], radius: float) -> Plane:
    """Lobes around the middle, joined by threads, with a dent from one side."""
    count = int(rng.integers(kind.lobes[0], kind.lobes[1] + 1))
    cover, before = np.zeros((SIDE, SIDE)), None
    u, v = direction(rng)
    for _ in range(count):
        far = radius * within(rng, *kind.apart)
        place = (centre[0] + u * far, centre[1] + v * far)
        size = radius * within(rng, *kind.nucleus)
        cover = np.maximum(cover, disc(sight, place, size, wobble=0.22, squeezed=within(rng, 0.75, 1.0)))
        if before is not None:
            middle = ((place[0] + before[0]) / 2, (place[1] + before[1]) / 2)
            cover = np.maximum(cover, disc(sight, middle, size * 0.45))
        before, (u, v) = place, turned(u, v, rng, count)
    u, v = direction(rng)
    bite = radius * within(rng, *kind.dent)
    edge = radius * 0.75
    return cover * (1 - disc(sight, (centre[0] + u * edge, centre[1] + v * edge), bite * 1.1, wobble=0.15))


def granules(
    sight: Sight, rng: np.random.Generator, kind: Kind, centre: tuple[float, float], radius: float, count: int
) -> None:
    cover = np.zeros((SIDE, SIDE))
    for _ in range(count):
        u, v = direction(rng)
        far = radius * 0.85 * np.sqrt(rng.random())
        cover = np.maximum(cover, disc(sight, (centre[0] + u * far, centre[1] + v * far), within(rng, *kind.grain)))
    sight.paint(cover, shaded(kind.dye, rng, 22), within(rng, 0.4, 0.85))


def disc(sight: Sight, centre: tuple[float, float], radius: float, wobble: float = 0.0, squeezed: float = 1.0) -> Plane:
    """0 to 1: a disc with a soft and, where asked, uneven edge."""
    dx, dy = sight.x - centre[0], (sight.y - centre[1]) / squeezed
    reach: Any = radius
    if wobble:
        reach = radius * (1 + wobble * (2 * noise(sight.bumps, sight.x / 7 + 5, sight.y / 7 + 5) - 1))
    return np.clip((reach - np.sqrt(dx * dx + dy * dy)) / sight.soft + 0.5, 0.0, 1.0)


# -- numbers -----------------------------------------------------------------------------------------------------------


def within(rng: np.random.Generator, low: float, high: float) -> float:
    return low + (high - low) * float(rng.random())


def shaded(colour: Colour, rng: np.random.Generator, by: float) -> Colour:
    common = within(rng, -by, by)
    red, green, blue = (level + common + within(rng, -by / 2, by / 2) for level in colour)
    return red, green, blue


def direction(rng: np.random.Generator) -> tuple[float, float]:
    """A unit vector; evenly enough distributed."""
    u, v = within(rng, -1, 1), within(rng, -1, 1)
    length = float(np.sqrt(u * u + v * v)) + 1e-9
    return u / length, v / length


def turned(u: float, v: float, rng: np.random.Generator, count: int) -> tuple[float, float]:
    """The vector turned by about a `count`-th of a full turn: towards its right-hand side, further for fewer."""
    share = {2: -1.0, 3: -0.5, 4: 0.0, 5: 0.31}.get(count, 0.0) + within(rng, -0.2, 0.2)  # the cosine
    share = min(1.0, max(-1.0, share))
    side = float(np.sqrt(1 - share * share))
    return u * share - v * side, v * share + u * side


def noise(lattice: np.ndarray, x: Plane, y: Plane) -> Plane:
    """0 to 1: a lattice of random numbers, smoothly interpolated; it repeats at its ends."""
    left, top = np.floor(x), np.floor(y)
    a, b = x - left, y - top
    a, b = a * a * (3 - 2 * a), b * b * (3 - 2 * b)
    i, j, size = left.astype(int), top.astype(int), len(lattice)
    upper = lattice[j % size, i % size] * (1 - a) + lattice[j % size, (i + 1) % size] * a
    lower = lattice[(j + 1) % size, i % size] * (1 - a) + lattice[(j + 1) % size, (i + 1) % size] * a
    return upper * (1 - b) + lower * b
