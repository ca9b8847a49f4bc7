"""Made raw files for machines without data: shapes, textures and blobs on noise, with a rare class.

A class is a shape, and more or less a colour; the images of one group (site, slide, patient) share light and tint. What
makes it hard is there too: objects that are faint, ragged, turned, cut off or half hidden, blobs that are nothing, and
a ground that is never even.

Every number comes from + - * / and square roots, one operation at a time, and from a seeded generator's integers and
fractions: no sine, matrix product or sum over an axis, whose last bit differs between machines.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.data.images import encode
from harness.files import write_bytes, write_json

Plane = np.ndarray  # (h, w) float64
Range = tuple[float, float]

SEEN, SPECK = 0.4, 12  # the share of an object, and the pixels, that must be visible for it to have a box
SEED = 20_250_301  # of the samples for a new competition
COLOURS = ((200, 70, 60), (70, 120, 200), (90, 170, 80), (210, 180, 70), (150, 90, 170), (80, 180, 180))  # RGB
GRAINS = ((2.0, 2.0), (3.0, 14.0), (7.0, 9.0), (4.0, 4.0))  # of the textures: pixels across and along
TOWNS = {"north": 0, "hill": 40, "river": 75, "old town": 120}

# What an object of every class looks like: below 1 inside. u runs along it and v across, from its middle, in radii.
SHAPES: tuple[Callable[[Plane, Plane], Plane], ...] = (
    lambda u, v: np.sqrt(u * u + v * v),  # a disc
    lambda u, v: np.maximum(np.abs(u), np.abs(v)) / 0.85,  # a square
    lambda u, v: np.abs(u) + np.abs(v),  # a diamond
    lambda u, v: np.maximum(np.minimum(np.abs(u), np.abs(v)) / 0.3, np.maximum(np.abs(u), np.abs(v))),  # a cross
    lambda u, v: np.abs(np.sqrt(u * u + v * v) - 0.75) / 0.25,  # a ring
    lambda u, v: np.maximum(np.abs(u), np.abs(v) / 0.35),  # a bar
    lambda u, v: np.sqrt((np.abs(u) - 0.5) * (np.abs(u) - 0.5) + v * v) / 0.55,  # two lobes
    lambda u, v: np.maximum(2 * v, 1.732 * np.abs(u) - v),  # a triangle
    lambda u, v: np.maximum(np.sqrt(u * u + v * v), 1.4 - np.sqrt((u - 0.7) * (u - 0.7) + v * v)),  # a crescent
)


class Scene(NamedTuple):
    """image: (h, w, 3) uint8, RGB; mask: (h, w) uint8, the textures of the ground from 0, then the shapes; doubtful:
    (h, w) bool, where a person would not label; boxes: (k, 5) float64: shape, x1, y1, x2, y2."""

    image: np.ndarray
    mask: np.ndarray
    doubtful: np.ndarray
    boxes: np.ndarray


@dataclass(frozen=True, kw_only=True)
class SyntheticImages:
    """A recipe for images; image k is a function of the recipe and k alone.

    size: height and width; shapes: how many of SHAPES are classes; weights: how common each is. objects: the fewest
    and the most in an image; radius: in pixels, one range for all shapes or one for each; inside: how far the middle
    stays from the border, in radii. holders: the share of groups that show objects at all. purity: the share of objects
    that are of the label of their image, where it has one. textures: kinds of ground; blobs: the most that are nothing.

    hue: how much the colour tells the class, 0 to 1; clear: how opaque objects are; ragged: how far their outline
    strays, in radii; body: the radius of a pale disc under each, in its radii; hollow: pale inside, with a dark rim.
    noise: grey levels; per_group: images that share light and tint.
    """

    size: tuple[int, int]
    seed: int
    shapes: int
    weights: Sequence[float] = ()
    objects: tuple[int, int] = (1, 1)
    radius: Sequence[Range] = ((8, 14),)
    inside: float = 0.5
    holders: float = 1.0
    purity: float = 1.0
    textures: int = 1
    blobs: int = 0
    ground: tuple[int, int, int] = (120, 120, 120)
    hue: float = 1.0
    clear: Range = (0.6, 1.0)
    ragged: float = 0.0
    body: float = 0.0
    hollow: bool = False
    noise: int = 24
    per_group: int = 1

    def labels(self, count: int) -> np.ndarray:
        """(count,) uint8, as common as `weights` says; the images of a group have one label."""
        rng = np.random.default_rng([self.seed, 2])
        return np.array([self._shape(rng) for _ in range(count)], np.uint8)[self.groups(count)]

    def groups(self, count: int) -> np.ndarray:
        return np.arange(count, dtype=np.int32) // self.per_group

    def scenes(self, count: int, labels: np.ndarray | None = None) -> list[Scene]:
        """Images 0 to count - 1; the objects of an image are of its label where there are labels."""
        return [self.scene(number, None if labels is None else int(labels[number])) for number in range(count)]

    def scene(self, number: int, label: int | None = None) -> Scene:
        group = np.random.default_rng([self.seed, 0, number // self.per_group])
        rng = np.random.default_rng([self.seed, 1, number])
        tint = np.array([between(group, (-14, 14)) for _ in "rgb"])
        light, holds = between(group, (0.8, 1.15)), group.random() < self.holders
        canvas = self._ground(group, rng, tint)
        for _ in range(int(rng.integers(0, self.blobs + 1))):
            self._draw(canvas, rng, tint, self._shape(rng), is_object=False)
        for _ in range(int(rng.integers(self.objects[0], self.objects[1] + 1)) if holds else 0):
            given = rng.random() < self.purity
            self._draw(canvas, rng, tint, label if given and label is not None else self._shape(rng))
        grain = rng.integers(-self.noise, self.noise + 1, canvas.colours.shape)
        image = np.clip(np.rint(canvas.colours * light + grain), 0, 255).astype(np.uint8)
        return Scene(image, canvas.mask, canvas.doubtful, canvas.boxes(first=self.textures))

    def _shape(self, rng: np.random.Generator) -> int:
        ends = np.cumsum(self.weights or (1,) * self.shapes)
        return int((rng.random() * ends[-1] >= ends).argmin())

    def _ground(self, group: np.random.Generator, rng: np.random.Generator, tint: np.ndarray) -> "Canvas":
        """The textures as they are have ragged borders, in the mask they have smooth ones, as drawn by hand."""
        y, x = np.mgrid[: self.size[0], : self.size[1]].astype(np.float64)
        fields = np.stack([noise(rng, x / 48, y / 48) + between(group, (-0.45, 0.45)) for _ in range(self.textures)])
        doubtful = np.zeros(self.size, bool)
        if self.textures > 1:
            ranked = np.sort(fields, axis=0)
            doubtful = ranked[-1] - ranked[-2] < 0.05
            right, down = direction(rng)
            if rng.random() < 0.35:  # nobody labelled what lies beyond this line
                doubtful |= right * (x - self.size[1] / 2) + down * (y - self.size[0] / 2) > between(rng, (0, 40))
        seen = np.stack([field + 0.16 * noise(rng, x / 7, y / 7) for field in fields]).argmax(0)
        relief = np.zeros(self.size)
        for texture, (across, along) in enumerate(GRAINS[: self.textures]):
            (right, down), stretch = direction(group), between(group, (0.8, 1.3))
            u, v = (x * right + y * down) / (along * stretch), (y * right - x * down) / (across * stretch)
            relief = np.where(seen == texture, noise(rng, u, v) - 0.5, relief)
        shade = 1 + between(group, (0.2, 0.45)) * relief + 0.5 * (noise(rng, x / 40, y / 40) - 0.5)
        return Canvas(x, y, (np.array(self.ground) + tint) * shade[..., None], fields.argmax(0), doubtful)

    def _draw(
        self, canvas: "Canvas", rng: np.random.Generator, tint: np.ndarray, label: int, is_object: bool = True
    ) -> None:
        """An object of this label, or a round blob of its colour, which is nothing."""
        radius = between(rng, self.radius[label % len(self.radius)])
        free = self.inside * radius if is_object else 0.0
        x, y = (between(rng, (min(free, side / 2), max(side - free, side / 2))) for side in reversed(self.size))
        right, down = direction(rng)
        dx, dy = (canvas.x - x) / radius, (canvas.y - y) / radius
        u, v = dx * right + dy * down, (dy * right - dx * down) * between(rng, (1, 1.3))
        shape = SHAPES[label % len(SHAPES) if is_object else 0]
        outline = shape(u, v) + (self.ragged + 0.05) * (noise(rng, u * 2 + 32, v * 2 + 32) - 0.5)
        own = np.array(COLOURS[(label + label // len(SHAPES)) % len(COLOURS)])
        colour = 125 + self.hue * (own - 125) + tint + np.array([between(rng, (-28, 28)) for _ in "rgb"])
        speckle = 1 + 0.35 * (noise(rng, canvas.x / 3, canvas.y / 3) - 0.5)
        clear, inside = between(rng, self.clear), outline < 1
        if self.body:
            disc = np.sqrt(dx * dx + dy * dy) / self.body
            inside |= disc < 1
            canvas.paint(disc, radius, np.minimum(colour + 70, 240), 0.7 * clear)
        canvas.paint(outline, radius, colour * speckle[..., None], clear)
        if is_object and self.hollow:
            canvas.paint(outline / 0.62, radius, np.minimum(colour + 90, 240), clear)
        if is_object:
            canvas.place(inside, self.textures + label)


class Canvas:
    """An image in the making. x, y: (h, w) of every pixel; colours: (h, w, 3) float64; the others as in `Scene`."""

    def __init__(self, x: Plane, y: Plane, colours: np.ndarray, mask: np.ndarray, doubtful: np.ndarray):
        self.x, self.y, self.colours, self.mask, self.doubtful = x, y, colours, mask.astype(np.uint8), doubtful
        self.top = np.full(mask.shape, -1)  # which object is seen at every pixel
        self.objects: list[tuple[int, np.ndarray]] = []

    def paint(self, outline: Plane, radius: float, colour: np.ndarray, clear: float) -> None:
        """Mix the colour in where the outline is below 1, with an edge of a pixel."""
        cover = np.clip((1 - outline) * radius + 0.5, 0, 1)
        self.colours += (colour - self.colours) * (clear * cover)[..., None]

    def place(self, inside: np.ndarray, label: int) -> None:
        """What lies inside is an object, and hides those before it."""
        self.top[inside] = len(self.objects)
        self.mask[inside] = label
        self.doubtful &= ~inside
        self.objects.append((label, inside))

    def boxes(self, first: int) -> np.ndarray:
        """(k, 5) of the objects that can be seen; `first` is the label of the first shape."""
        boxes = []
        for number, (label, inside) in enumerate(self.objects):
            seen = int((self.top == number).sum())
            if seen >= SPECK and seen >= SEEN * inside.sum():
                rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
                boxes.append((label - first, columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
        return np.array(boxes, np.float64).reshape(-1, 5)


# -- numbers -----------------------------------------------------------------------------------------------------------


def between(rng: np.random.Generator, ends: Range) -> float:
    """`rng.uniform` with two roundings: compiled code may fuse its product and sum on some machines."""
    return ends[0] + (ends[1] - ends[0]) * float(rng.random())


def direction(rng: np.random.Generator) -> tuple[float, float]:
    """A unit vector; rational, as no two machines need agree on a cosine."""
    half = 2 * float(rng.random()) - 1
    right, down = (1 - half * half) / (1 + half * half), 2 * half / (1 + half * half)
    return (right, down) if rng.integers(2) else (-right, -down)


def noise(rng: np.random.Generator, x: Plane, y: Plane) -> Plane:
    """0 to 1: a bump for every unit of x and y, random at whole numbers and smooth in between (value noise)."""
    lattice = rng.random(64 * 64)
    left, top = np.floor(x), np.floor(y)
    a, b = x - left, y - top
    a, b = a * a * (3 - 2 * a), b * b * (3 - 2 * b)
    i, j = left.astype(np.int32) & 63, top.astype(np.int32) & 63
    i_next, row, row_next = i + 1 & 63, 64 * j, 64 * (j + 1 & 63)
    upper_left, lower_left = lattice.take(row + i), lattice.take(row_next + i)
    upper = upper_left + (lattice.take(row + i_next) - upper_left) * a
    lower = lower_left + (lattice.take(row_next + i_next) - lower_left) * a
    return upper + (lower - upper) * b


# -- files -------------------------------------------------------------------------------------------------------------


def write_coco(folder: Path, scenes: Sequence[Scene], classes: Sequence[str] | None = None) -> None:
    """A part as `formats.coco` reads it, or without classes as `formats.coco_images` does."""
    images, annotations = [], list[dict[str, Any]]()
    for number, scene in enumerate(scenes):
        name, (height, width) = f"{number:04d}.bmp", scene.mask.shape  # a BMP has the same bytes on every machine
        write_bytes(folder / "images" / name, encode(scene.image).tobytes())
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        for shape, x1, y1, x2, y2 in scene.boxes.tolist():
            box = {"image_id": number, "category_id": int(shape), "bbox": [x1, y1, x2 - x1, y2 - y1]}
            annotations.append({"id": len(annotations), **box, "area": (x2 - x1) * (y2 - y1), "iscrowd": 0})
    listed: dict[str, Any] = {"images": images}
    if classes is not None:
        listed |= {
            "categories": [{"id": k, "name": name} for k, name in enumerate(classes)],
            "annotations": annotations,
        }
    write_json(folder / ("images.json" if classes is None else "annotations.json"), listed)


def write_image(file: Path, image: np.ndarray) -> None:
    """(h, w) or (h, w, 3) uint8, RGB, as PNG."""
    import cv2

    write_bytes(file, cv2.imencode(".png", image[..., ::-1] if image.ndim == 3 else image)[1].tobytes())


# -- samples for a new competition -------------------------------------------------------------------------------------


def made_images(folder: Path, classes: Sequence[str], rows: int = 240, unlabelled: int = 40, side: int = 32) -> None:
    """images/*.png with labels.csv (image, label), and test/*.png: one object an image."""
    recipe = SyntheticImages(size=(side, side), seed=SEED, shapes=len(classes), radius=((side / 5, side / 3),))
    labels = recipe.labels(rows + unlabelled)
    for number, scene in enumerate(recipe.scenes(rows + unlabelled, labels)):
        write_image(folder / ("images" if number < rows else "test") / f"{number:03d}.png", scene.image)
    lines = ["image,label", *(f"{number:03d},{classes[labels[number]]}" for number in range(rows))]
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")


def made_masks(folder: Path, classes: Sequence[str], rows: int = 120, unlabelled: int = 20, side: int = 64) -> None:
    """images/*.png with masks/*.png, and test/*.png: two to four objects an image; the first class is the ground."""
    recipe = SyntheticImages(size=(side, side), seed=SEED, shapes=len(classes) - 1, objects=(2, 4), radius=((7, 12),))
    for number, scene in enumerate(recipe.scenes(rows + unlabelled)):
        write_image(folder / ("images" if number < rows else "test") / f"{number:03d}.png", scene.image)
        if number < rows:
            write_image(folder / "masks" / f"{number:03d}.png", scene.mask)


def made_boxes(folder: Path, classes: Sequence[str], rows: int = 80, unlabelled: int = 10, side: int = 64) -> None:
    """train/ with images and boxes, and test/ with images alone, as `formats.coco_parts` reads them."""
    recipe = SyntheticImages(size=(side, side), seed=SEED, shapes=len(classes), objects=(1, 4), radius=((7, 12),))
    scenes = recipe.scenes(rows + unlabelled)
    write_coco(folder / "train", scenes[:rows], classes)
    write_coco(folder / "test", scenes[rows:])


def made_table(folder: Path, rows: int = 400, unlabelled: int = 100) -> None:
    """train.csv and test.csv: houses, with an id, five columns to learn from, some values missing, and the price."""
    lines = ["id,area,rooms,age,distance,town,price"]
    for row in range(rows + unlabelled):
        rng = np.random.default_rng([SEED, row])
        area, rooms, age = int(rng.integers(30, 200)), int(rng.integers(1, 7)), int(rng.integers(0, 90))
        distance, town = int(rng.integers(1, 250)), str(rng.choice(list(TOWNS)))
        price = 60 + 3 * area + 12 * rooms - age - distance // 2 + TOWNS[town] * area // 100
        price += int(rng.integers(-12, 13, 4).sum())
        known = area if rng.integers(20) else ""
        lines.append(f"{row},{known},{rooms},{age},{distance / 10},{town},{price}")
    (folder / "train.csv").write_text("\n".join(lines[: rows + 1]) + "\n")
    unlabelled_lines = [line.rpartition(",")[0] for line in lines[:1] + lines[rows + 1 :]]
    (folder / "test.csv").write_text("\n".join(unlabelled_lines) + "\n")
