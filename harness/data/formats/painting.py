"""Made pictures with things in them: a ground, and shapes painted on it that know their boxes.

Every number comes from + - * / and a seeded generator's integers and fractions, so that all machines paint the same.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

SEEN = 0.4  # share of a thing that must be visible for it to have a box
SPECK = 12  # pixels: what shows fewer has none

Plane = np.ndarray  # (h, w) float64


class Place(NamedTuple):
    """Where a thing stands: pixels from the top left corner; its size in pixels; the unit vector it looks along."""

    x: float
    y: float
    size: float
    right: float = 1.0
    down: float = 0.0


class Scene:
    """A picture in the making. ground: (h, w, 3) float, 0 to 255."""

    def __init__(self, ground: np.ndarray):
        self.picture = ground.copy()
        self.top = np.full(ground.shape[:2], -1)  # the thing that is seen at every pixel
        self.things: list[tuple[int, np.ndarray]] = []

    def axes(self, place: Place) -> tuple[Plane, Plane]:
        """Along the thing and across it, from its middle, in sizes."""
        y, x = np.mgrid[: self.picture.shape[0], : self.picture.shape[1]]
        dx, dy = (x - place.x) / place.size, (y - place.y) / place.size
        return dx * place.right + dy * place.down, dy * place.right - dx * place.down

    def paint(self, inside: np.ndarray, colour: np.ndarray, opaque: float = 1.0) -> None:
        """inside: (h, w) bool; colour: (3,) or (h, w, 3)."""
        colour = np.broadcast_to(colour, self.picture.shape)[inside]
        self.picture[inside] = (1 - opaque) * self.picture[inside] + opaque * colour

    def name(self, inside: np.ndarray, label: int) -> None:
        """What lies inside is a thing of this label, and covers the things before it."""
        self.top[inside] = len(self.things)
        self.things.append((label, inside))

    def finished(self, rng: np.random.Generator, noise: int) -> tuple[np.ndarray, np.ndarray]:
        """(h, w, 3) uint8 with noise of so many grey levels, and the boxes (k, 5): label, x1, y1, x2, y2."""
        grain = rng.integers(-noise, noise + 1, self.picture.shape)
        picture = np.clip(self.picture + grain, 0, 255).astype(np.uint8)
        boxes = [
            (label, *_box(inside))
            for number, (label, inside) in enumerate(self.things)
            if (seen := (self.top == number).sum()) >= SPECK and seen >= SEEN * inside.sum()
        ]
        return picture, np.array(boxes, np.float64).reshape(-1, 5)


def _box(inside: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def place(rng: np.random.Generator, shape: tuple[int, int], sizes: tuple[float, float], upright: bool = False) -> Place:
    """Anywhere in a picture of this shape, of a size between these two, turned at random or upright."""
    size = sizes[0] + (sizes[1] - sizes[0]) * rng.random()
    y, x = shape[0] * rng.random(), shape[1] * rng.random()
    return Place(x, y, size) if upright else Place(x, y, size, *direction(rng))


def direction(rng: np.random.Generator) -> tuple[float, float]:
    """A unit vector; rational, as no two machines need agree on a cosine."""
    half = 2 * rng.random() - 1
    right, down = (1 - half * half) / (1 + half * half), 2 * half / (1 + half * half)
    return (right, down) if rng.integers(2) else (-right, -down)


def clouds(rng: np.random.Generator, shape: tuple[int, int], cell: int) -> Plane:
    """0 to 1: fractions on a lattice of so many pixels, and straight lines between them."""
    height, width = shape
    lattice = rng.random((height // cell + 2, width // cell + 2))
    y, x = np.arange(height) / cell, np.arange(width) / cell
    top, left = y.astype(int), x.astype(int)
    v, u = (y - top)[:, None], (x - left)[None]
    upper = lattice[top][:, left] * (1 - u) + lattice[top][:, left + 1] * u
    lower = lattice[top + 1][:, left] * (1 - u) + lattice[top + 1][:, left + 1] * u
    return upper * (1 - v) + lower * v


def painted(
    count: int, seed: int, make: Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """`count` pictures and their boxes; each has a generator of its own, and is told its number."""
    made = [make(np.random.default_rng([seed, number]), number) for number in range(count)]
    return [picture for picture, _ in made], [boxes for _, boxes in made]
