"""Made terrain for machines without the real tiles: rover pictures of a procedural ground, laid out as the real files.

A *site* is the ground around one rover position: which class lies where, textures, sun, a few big rocks. A *view* is
one frame taken there, and a tile is cut out of it, as the real ones are. Pictures show the true ground in perspective;
labels follow a coarse version of it, as a crowd draws them: polygons, nothing at borders, far away or where in doubt,
and now and then the wrong class. Classes overlap in brightness and differ in texture and shape.

Every number comes from + - * / and square roots, one operation at a time, and from a seeded generator's integers and
fractions: no sine, matrix product or sum over an axis, whose last bit differs between machines.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from competitions.mars.data import BIG_ROCK, TILE, TILES, VOID
from harness.files import atomic

SEED = 20_241_101
TRAIN_TILES, TEST_TILES = 400, 100
TEST_SITES = 1000  # the first site of the official test; those of the training tiles count from 0
SOIL, BEDROCK, SAND = 1, 2, 3
FRAME = 256  # pixels on a side: 4 x 2 tiles
FOCAL = 256.0  # pixels
HEIGHT = 2.0  # of the camera, in metres like all lengths on the ground
LABELLED = 0.25  # share of a tile, at least: the real tiles were chosen so
SQUARE = 32  # pixels between the corners of the labels' polygons

Plane = np.ndarray  # (h, w) float32
Line = tuple[float, float, float]  # what is beyond it: a u + b v > c, from the centre of the frame


def terrain_sample(folder: Path) -> None:
    """Write `train.npz` and `test_images.npz`: 400 and 100 tiles from different sites, in a few seconds."""
    images, masks, places = _tiles(TRAIN_TILES, first_site=0)
    site, frame, tile = places.T
    with atomic(folder / TILES[0]) as file:
        np.savez_compressed(file, images=images, masks=masks, frame=frame, group=site, tile=tile.astype(np.uint8))
    asked = _tiles(TEST_TILES, TEST_SITES)[0]
    with atomic(folder / TILES[1]) as file:
        np.savez_compressed(file, id=np.arange(TEST_TILES, dtype=np.int32), images=asked)


def _tiles(count: int, first_site: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`count` images, masks, and places (site, frame, tile); two frames to a site, a few tiles of each."""
    rows: list[tuple[np.ndarray, np.ndarray, tuple[int, int, int]]] = []
    number = first_site
    while len(rows) < count:
        rng = np.random.default_rng([SEED, number])
        site, views = make_site(rng), (make_view(rng), make_view(rng))
        for place in sorted(rng.permutation(16)[: rng.integers(2, 8)].tolist()):
            frame, tile = divmod(place, 8)
            u, v = pixels(*divmod(tile, 2))
            mask = crowd_labels(site, views[frame], u, v)
            if (mask != VOID).mean() >= LABELLED:
                rows.append((picture(site, views[frame], u, v, rng), mask, (number, 2 * number + frame, tile)))
        number += 1
    images, masks, places = zip(*rows[:count], strict=True)
    return np.stack(images), np.stack(masks), np.array(places, np.int32)


# -- the ground and the camera -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Site:
    """What both frames of one position share."""

    lattice: np.ndarray  # (257 * 257,) in 0..1, of which all noise is made; the last row and column repeat the first
    bias: dict[int, float]  # how common each class is
    albedo: np.ndarray  # (5,) grey value of each class in even light
    sun: tuple[float, float]  # unit vector from where the light comes
    strike: tuple[float, float]  # unit vector along the layers of the bedrock and the crests of the sand
    relief: float  # contrast of all textures
    stones: float  # share of the cells that hold one
    plate: float  # size of a plate of bedrock
    broken: float  # how wide the cracks between plates are, in plates
    ripple: float  # from crest to crest
    rocks: list["Rock"]


class Rock(NamedTuple):
    """A big rock stands at (x, y) on the ground."""

    x: float
    y: float
    radius: float
    flatness: float  # its height over its width
    lean: float  # sideways, over its height


@dataclass(frozen=True)
class View:
    """One frame, and how its labels were drawn."""

    horizon: float  # its row, often above the frame
    pan: float  # sideways
    exposure: float
    shadow: Line | None  # the rover's own
    unlabelled: Line | None  # where the crowd stopped
    reach: float  # metres that are labelled
    doubt: float  # how near two classes must be for a pixel to be left out
    mistaken: bool  # soil and bedrock labelled as each other
    edge: int  # pixels left out along the frame

    def ground(self, u: Plane, v: Plane) -> tuple[Plane, Plane]:
        """(x, y) under the pixels of column u and row v; y is the distance, 100 at the most."""
        y = HEIGHT * FOCAL / np.maximum(v - self.horizon, 5)
        return (u - FRAME / 2) * y / FOCAL + self.pan, y


def make_site(rng: np.random.Generator) -> Site:
    lattice = rng.random((256, 256)).astype(np.float32)
    first, second, third = rng.choice([(2, 1, 3), (1, 2, 3), (1, 3, 2), (3, 1, 2)], p=[0.5, 0.26, 0.14, 0.1])
    light = between(rng, 36, 84)
    shades = [between(rng, 0.85, 1.15) for _ in range(4)]
    return Site(
        lattice=np.pad(lattice, (0, 1), mode="wrap").ravel(),
        bias={first: between(rng, 0.1, 0.5), second: 0.0, third: between(rng, -0.6, -0.15)},
        albedo=np.array([light, *(light * shade for shade in shades)], np.float32),
        sun=direction(rng),
        strike=direction(rng),
        relief=between(rng, 0.8, 1.9),
        stones=between(rng, 0.15, 0.8),
        plate=between(rng, 0.2, 0.9),
        broken=between(rng, 0.02, 0.14),
        ripple=between(rng, 0.1, 0.3),
        rocks=[make_rock(rng) for _ in range(rng.integers(1, 4))] if rng.random() < 0.26 else [],
    )


def make_rock(rng: np.random.Generator) -> Rock:
    """Somewhere in view, 9 to 30 pixels in radius."""
    y = between(rng, 1.3, 5)
    x, radius = y * between(rng, -0.45, 0.45), y * between(rng, 0.035, 0.118)
    return Rock(x, y, radius, flatness=between(rng, 0.5, 0.9), lean=between(rng, -0.5, 0.5))


def make_view(rng: np.random.Generator) -> View:
    return View(
        horizon=between(rng, -190, 60),
        pan=between(rng, -0.5, 0.5),
        exposure=between(rng, 0.8, 1.2),
        shadow=(*direction(rng), between(rng, 20, 110)) if rng.random() < 0.12 else None,
        unlabelled=(*direction(rng), between(rng, 0, 90)) if rng.random() < 0.35 else None,
        reach=between(rng, 3.5, 9),
        doubt=between(rng, 0.02, 0.16),
        mistaken=bool(rng.random() < 0.04),
        edge=int(rng.integers(1, 4)),
    )


def pixels(row: int, column: int) -> tuple[Plane, Plane]:
    """(u, v) of one tile's pixels in its frame."""
    v, u = np.mgrid[: TILE[0], : TILE[1]].astype(np.float32)
    return u + column * TILE[1], v + row * TILE[0]


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """`rng.uniform` with two roundings: compiled code may fuse its product and sum on some machines."""
    return low + (high - low) * float(rng.random())


def direction(rng: np.random.Generator) -> tuple[float, float]:
    a, b = between(rng, -1, 1), between(rng, 0.2, 1)
    length = float(np.sqrt(a * a + b * b))
    return a / length, b / length


# -- the picture -------------------------------------------------------------------------------------------------------


def picture(site: Site, view: View, u: Plane, v: Plane, rng: np.random.Generator) -> np.ndarray:
    """(64, 128) uint8: ground, rocks, haze, sky, the rover's shadow, the lens."""
    x, y = view.ground(u, v)
    classes = rugged_classes(site, x, y)
    surfaces: dict[int, Callable[[Site, Plane, Plane], Plane]] = {SOIL: soil, BEDROCK: bedrock, SAND: sand}
    light = site.albedo[classes]
    for label, surface in surfaces.items():
        where = classes == label
        light[where] *= 1 + site.relief * surface(site, x[where], y[where])
    light *= 0.8 + 0.4 * noise(site, x * 0.8, y * 0.8, 4)
    light = with_rocks(site, view, u, v, light)
    haze = np.clip(y / 40, 0, 0.7)
    light = light * (1 - haze) + 1.1 * site.albedo[VOID] * haze
    light = np.where(v < skyline(site, view, u), 1.3 * site.albedo[VOID] + 0.05 * v, light)
    light = np.where(beyond(view.shadow, u, v), 0.3 * light, light)
    return exposed(view, u, v, light, rng)


def exposed(view: View, u: Plane, v: Plane, light: Plane, rng: np.random.Generator) -> np.ndarray:
    """Darker corners of the lens, and a little noise of the sensor."""
    a, b = u / (FRAME / 2) - 1, v / (FRAME / 2) - 1
    grain = rng.random(u.shape, np.float32) + rng.random(u.shape, np.float32) - 1
    grey = light * view.exposure * (1.04 - 0.12 * (a * a + b * b)) + 3.5 * grain
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def soil(site: Site, x: Plane, y: Plane) -> Plane:
    """Rough ground with stones of three sizes."""
    texture = 0.3 * slope(site, x, y, 0.3, 10)
    texture += 0.4 * slope(site, x, y, 0.06, 11) * resolved(y, 0.06)
    texture += 0.55 * slope(site, x, y, 0.018, 12) * resolved(y, 0.018)
    for salt, size in ((13, 0.05), (14, 0.1), (15, 0.24)):
        texture += stones(site, x, y, size, salt) * resolved(y, size)
    return texture


def bedrock(site: Site, x: Plane, y: Plane) -> Plane:
    """Tilted plates of layered rock, dark cracks between them, dust in hollows."""
    x = x + 0.25 * noise(site, x * 3, y * 3, 20)
    along, across = x * site.strike[0] + y * site.strike[1], y * site.strike[0] - x * site.strike[1]
    nearest, second, tilt = plates(site, x, y)
    texture = 0.4 * (tilt - 0.5) + 0.3 * slope(site, x, y, 0.22, 21)
    texture += 0.45 * slope(site, along * 0.3, across, 0.07, 22) * resolved(y, 0.07)
    texture += 0.5 * slope(site, along * 0.4, across, 0.025, 23) * resolved(y, 0.025)
    texture += 0.5 * slope(site, x, y, 0.014, 25) * resolved(y, 0.014)
    texture -= 0.55 * np.clip(1 - (second - nearest) / site.broken, 0, 1) * resolved(y, 0.1)
    dust = np.clip(6 * noise(site, x * 2.5, y * 2.5, 24) - 3.6, 0, 1)
    return texture * (1 - 0.9 * dust)


def sand(site: Site, x: Plane, y: Plane) -> Plane:
    """Ripples that wander, come and go; fine grain, few stones."""
    across = y * site.strike[0] - x * site.strike[1]
    phase = across / site.ripple + 1.8 * noise(site, x * 1.5, y * 1.5, 30)
    rise = phase - np.floor(phase)
    crest = np.where(rise < 0.7, rise / 0.7, (1 - rise) / 0.3)
    strength = np.clip(2.4 * noise(site, x * 1.1, y * 1.1, 31) - 0.7, 0, 1)
    texture = 0.2 * (crest - 0.5) * strength * resolved(y, site.ripple)
    texture += 0.14 * slope(site, x, y, 0.35, 32) + 0.15 * slope(site, x, y, 0.025, 33) * resolved(y, 0.025)
    return texture + 0.7 * stones(site, x, y, 0.2, 34) * resolved(y, 0.2)


def with_rocks(site: Site, view: View, u: Plane, v: Plane, light: Plane) -> Plane:
    """Angular blocks that stand up from the ground: three tones of faces, and a shadow away from the sun."""
    for salt, rock in enumerate(site.rocks, start=40):
        a, b = on_rock(view, rock, u, v)
        rough = 0.7 * noise(site, 1.6 * a, 1.6 * b, salt) - 0.35
        light = np.where(octagon(a + 0.5 * site.sun[0], 1.8 * b - 1) + rough < 0.9, 0.45 * light, light)
        facing = 0.7 * a * site.sun[0] - 0.8 * b + 1.6 * noise(site, 1.3 * a, 1.3 * b, salt + 10) - 0.8
        face = 1 + 0.3 * np.clip(np.rint(2.2 * facing), -2, 2) + 0.6 * (noise(site, 7 * a, 7 * b, salt + 20) - 0.5)
        light = np.where(octagon(a, b) + rough < 0.95, site.albedo[BIG_ROCK] * np.maximum(face, 0.2), light)
    return light


def on_rock(view: View, rock: Rock, u: Plane, v: Plane) -> tuple[Plane, Plane]:
    """Pixels in units of the rock's half width and height, from its middle."""
    scale = FOCAL / rock.y
    half_width, half_height = rock.radius * scale, rock.radius * rock.flatness * scale
    centre, foot = (rock.x - view.pan) * scale + FRAME / 2, view.horizon + HEIGHT * scale
    b = (v - foot + 0.6 * half_height) / half_height
    return (u - centre) / half_width + rock.lean * b, b


def octagon(a: Plane, b: Plane) -> Plane:
    """The norm whose circles are octagons."""
    a, b = np.abs(a), np.abs(b)
    return np.maximum(np.maximum(a, b), (a + b) / 1.4)


def skyline(site: Site, view: View, u: Plane) -> Plane:
    """The row at which hills end and the sky begins."""
    return view.horizon + 4 - 22 * noise(site, u / 90, u, 5)


def beyond(line: Line | None, u: Plane, v: Plane) -> np.ndarray:
    """(h, w) bool."""
    if line is None:
        return np.zeros(u.shape, bool)
    a, b, c = line
    return a * (u - FRAME / 2) + b * (v - FRAME / 2) > c


# -- the labels --------------------------------------------------------------------------------------------------------


def crowd_labels(site: Site, view: View, u: Plane, v: Plane) -> np.ndarray:
    """(64, 128) uint8."""
    corners = np.mgrid[v[0, 0] : v[-1, 0] + 2 : SQUARE, u[0, 0] : u[0, -1] + 2 : SQUARE].astype(np.float32)
    a, b, c = (linear(field) for field in class_fields(site, *view.ground(corners[1], corners[0])))
    first, last = np.maximum(np.maximum(a, b), c), np.minimum(np.minimum(a, b), c)
    labels = np.where(a == first, SOIL, np.where(b == first, BEDROCK, SAND)).astype(np.uint8)
    labels[2 * first + last - (a + b + c) < view.doubt] = VOID  # first - second
    if view.mistaken:
        labels = np.array([VOID, BEDROCK, SOIL, SAND], np.uint8)[labels]
    for salt, rock in enumerate(site.rocks, start=40):
        a, b = on_rock(view, rock, u, v)
        distance = octagon(a, b) + 0.6 * noise(site, a, b, salt) - 0.3
        labels[distance < 1.15] = VOID
        labels[distance < 0.95] = BIG_ROCK
    labels[np.minimum(np.minimum(u, FRAME - 1 - u), np.minimum(v, FRAME - 1 - v)) < view.edge] = VOID
    labels[(view.ground(u, v)[1] > view.reach) | beyond(view.shadow, u, v) | beyond(view.unlabelled, u, v)] = VOID
    return labels


def linear(corners: Plane) -> Plane:
    """Values at the corners of squares of pixels, to the pixels, linear in between: their contours are polygons."""
    step = ((np.arange(SQUARE) + 0.5) / SQUARE).astype(np.float32)
    columns = (corners[:, :-1, None] * (1 - step) + corners[:, 1:, None] * step).reshape(len(corners), -1)
    rows = columns[:-1, None] * (1 - step[:, None]) + columns[1:, None] * step[:, None]
    return rows.reshape(-1, rows.shape[-1])


# -- what the ground is made of ----------------------------------------------------------------------------------------


def class_fields(site: Site, x: Plane, y: Plane) -> np.ndarray:
    """(3, ...) soil, bedrock, sand: the largest says what lies there."""
    return np.stack([noise(site, x * 0.9, y * 0.7, label) + site.bias[label] for label in (SOIL, BEDROCK, SAND)])


def rugged_classes(site: Site, x: Plane, y: Plane) -> np.ndarray:
    """(...) the class under each pixel, with ragged borders."""
    soil_field, bedrock_field, sand_field = class_fields(site, x, y)
    bedrock_field = bedrock_field + 0.3 * (noise(site, x * 7, y * 7, 6) - 0.5)
    soft = np.where(soil_field >= sand_field, SOIL, SAND)
    return np.where(bedrock_field > np.maximum(soil_field, sand_field), BEDROCK, soft)


def noise(site: Site, x: Plane, y: Plane, salt: int) -> Plane:
    """Smooth noise in 0..1 with one bump to a unit (value noise); another `salt` is another noise."""
    column, row = np.floor(x), np.floor(y)
    a, b = x - column, y - row
    a, b = a * a * (3 - 2 * a), b * b * (3 - 2 * b)
    corner = (row.astype(np.int32) + 101 * salt & 255) * 257 + (column.astype(np.int32) + 37 * salt & 255)
    upper_left, upper_right, lower_left, lower_right = (site.lattice.take(corner + k) for k in (0, 1, 257, 258))
    upper = upper_left + (upper_right - upper_left) * a
    lower = lower_left + (lower_right - lower_left) * a
    return upper + (lower - upper) * b


def slope(site: Site, x: Plane, y: Plane, size: float, salt: int) -> Plane:
    """-1..1: how far a surface with bumps of `size` metres faces the sun."""
    x, y, a, b = x / size, y / size, 0.4 * site.sun[0], 0.4 * site.sun[1]
    return noise(site, x + a, y + b, salt) - noise(site, x - a, y - b, salt)


def resolved(y: Plane, size: float) -> Plane:
    """0..1: how much of a structure of `size` metres is seen at distance y, a pixel there being y^2 / (h f) deep."""
    return np.clip(size * HEIGHT * FOCAL / (y * y) - 0.5, 0, 1)


def stones(site: Site, x: Plane, y: Plane, size: float, salt: int) -> Plane:
    """A round stone in some of the cells of `size` metres: lit on one side, dark on the other."""
    x, y = x / size, y / size
    column, row = np.floor(x), np.floor(y)
    cell = (row.astype(np.int32) + 29 * salt & 255) * 257 + (column.astype(np.int32) + 53 * salt & 255)
    chance, shift, width = (site.lattice.take(cell * k % 65536) for k in (1, 3, 7))
    radius = 0.12 + 0.2 * width
    a = (x - column - 0.35 - 0.3 * shift) / radius
    b = (y - row - 0.35 - 0.3 * width) / radius
    inside = (a * a + b * b < 1) & (chance < site.stones)
    return np.where(inside, 0.1 + 0.5 * (a * site.sun[0] + b * site.sun[1]), np.float32(0))


def plates(site: Site, x: Plane, y: Plane) -> tuple[Plane, Plane, Plane]:
    """Distances to the nearest and the second centre of a plate, and the tilt of the nearest in 0..1 (Worley noise)."""
    x, y = x / site.plate, y / (0.7 * site.plate)
    column, row = np.floor(x), np.floor(y)
    nearest, second, tilt = np.full_like(x, 9), np.full_like(x, 9), np.zeros_like(x)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            i, j = column + right, row + down
            cell = (j.astype(np.int32) & 255) * 257 + (i.astype(np.int32) & 255)
            a = i + site.lattice.take(cell) - x
            b = j + site.lattice.take(cell * 3 % 65536) - y
            distance = a * a + b * b
            closer = distance < nearest
            second = np.where(closer, nearest, np.minimum(second, distance))
            tilt = np.where(closer, site.lattice.take(cell * 7 % 65536), tilt)
            nearest = np.where(closer, distance, nearest)
    return np.sqrt(nearest), np.sqrt(second), tilt
