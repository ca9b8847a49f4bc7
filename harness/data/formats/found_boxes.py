"""Boxes as annotations give them, brought into the pixels of their images.

Annotations are often about another frame than the image, or four numbers mean something else than was declared. Both
show in where the boxes lie: `FoundBoxes.in_images` compares, scales, warns with what it looks like, or refuses.
"""

import logging
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.data.samples import Ragged
from harness.errors import UserError

FIELDS = ("x y w h", "x1 y1 x2 y2", "cx cy w h")  # a corner and the size, two corners, the middle and the size
PIXELS, SHARES = "pixels", "shares of width and height"
NEARLY_NONE = 0.2  # of all boxes: where no more are left, the annotations are not what was declared
DOUBTED, CLEAR = 0.95, 0.98  # shares of boxes that lie in their images: of a doubtful reading, and of a better one
PIXEL = 1 - 1e-6  # the least width and height of a box that can be learned
SLACK = 0.02  # of width and height by which a box may reach beyond its image unsaid, and at least a pixel
SOME, HALF = 20, 0.55  # so many boxes that all lie in so small a part of the images are of smaller ones
SHAPE = "which is another shape, so boxes cannot be scaled; get the images that were annotated"
TURNED = (
    "the other way round; if the boxes are of the image before its EXIF orientation turned it, remove that tag from it"
)


@dataclass
class FoundBoxes:
    """Boxes in the order in which they were read, filled by `add`.

    source: what messages begin with. fields: the order of the four numbers, one of FIELDS. unit: PIXELS or SHARES.
    where: what stands in a message for a place that was added. remedy: what would be right where there is no box.
    """

    source: str
    fields: str = "x y w h"
    unit: str = PIXELS
    where: Callable[[Any], str] = str
    remedy: str = "a detector learns from boxes"
    image: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    numbers: list[Sequence[float]] = field(default_factory=list)
    places: list[Any] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        if self.fields not in FIELDS:
            raise UserError(f"the fields of a box are {self.fields!r}, but must be one of {', '.join(FIELDS)}")

    def add(self, image: int, label: int, numbers: Sequence[float], place: Any) -> None:
        """image: the row; numbers: four, finite."""
        self.image.append(image)
        self.labels.append(label)
        self.numbers.append(numbers)
        self.places.append(place)

    def in_images(self, sizes: np.ndarray, frames: np.ndarray | None = None, names: Sequence[Any] = ()) -> Ragged:
        """Rows label, x1, y1, x2, y2 in pixels, float64, of every image: clipped, and those without area left out.

        sizes: (n, 2) height and width. frames: the same as annotated, NaN where that is not known. names: (n,) of the
        images, for messages. Raise `UserError` where no box is left, or nearly none, or a frame has another shape.
        """
        if not self.numbers:
            raise UserError(f"{self.source} holds no box{self._why()}; {self.remedy}")
        image, numbers = np.array(self.image), np.array(self.numbers, np.float64)
        sides = sizes[:, ::-1].astype(np.float64)
        scale = np.ones_like(sides) if frames is None else self._scale(frames[:, ::-1], sides, names)
        corners = corners_of(numbers, self.fields)
        corners *= np.tile(sides[image] if self.unit == SHARES else scale[image], 2)
        clipped = np.clip(corners, 0, np.tile(sides[image], 2))
        kept = (clipped[:, 2:] > clipped[:, :2]).all(1)
        hint = self._looks_like(corners, sides[image], scale[image])
        larger = self._are_of_larger(corners, sides[image])
        self._require_some((clipped[:, 2:] - clipped[:, :2] >= PIXEL).all(1), hint, larger)
        self._say_lost(kept, hint or larger)
        self._say_beyond(corners, sides[image], kept, hint or larger)
        counts = np.bincount(image[kept], minlength=len(sizes))
        if (empty := int((counts == 0).sum())) > len(sizes) / 2:
            logging.getLogger(__name__).warning("%s: %d of %d images have no box", self.source, empty, len(sizes))
        reach = (clipped[:, 2:] / sides[image]).max(0)
        if len(kept) >= SOME and (reach < HALF).all():
            said = "no box reaches beyond {:.0%} of the width and {:.0%} of the height; are they of smaller images?"
            logging.getLogger(__name__).warning("%s: %s", self.source, said.format(*reach))
        order = np.argsort(image[kept], kind="stable")
        rows = np.column_stack([self.labels, clipped])[kept][order]
        return Ragged(rows, np.concatenate([[0], np.cumsum(counts)]))

    def _looks_like(self, corners: np.ndarray, sides: np.ndarray, scale: np.ndarray) -> str:
        """What the boxes (m, 4) look like, where many do not lie in their images, in another reading."""
        if lies_inside(corners, sides).mean() >= DOUBTED:
            return ""
        factor = {PIXELS: scale, SHARES: sides}
        fields = sorted(FIELDS, key=lambda each: each != self.fields)  # the declared one first
        for unit in sorted(factor, key=lambda each: each != self.unit):
            for each in fields:
                other = corners_of(np.array(self.numbers, np.float64), each) * np.tile(factor[unit], 2)
                if lies_inside(other, sides).mean() >= CLEAR:
                    return f"; they look like {each} in {unit}, but are read as {self.fields} in {self.unit}"
        return ""

    def _are_of_larger(self, corners: np.ndarray, sides: np.ndarray) -> str:
        """The doubt where many boxes (m, 4) begin in their images and end beyond them."""
        beyond = (corners[:, 2:] > (1 + SLACK) * sides + 1).any(1) & (corners[:, :2] >= -1).all(1)
        if self.unit == SHARES or beyond.mean() <= 1 - DOUBTED:
            return ""
        width, height = corners[:, 2:].max(0)
        return f"; they reach as far as {width:g} x {height:g}: are they of larger images?"

    def _require_some(self, usable: np.ndarray, hint: str, larger: str) -> None:
        """Raise `UserError` where no box is left, or nearly none; usable: (m,) bool, at least a pixel in its image."""
        total, left = len(usable), int(usable.sum())
        if left <= NEARLY_NONE * total or (hint and left < total / 2):
            corners = corners_of(np.array(self.numbers, np.float64), self.fields)
            turned = int((corners[:, 2:] < corners[:, :2]).any(1).sum())
            why = f"; {turned} end left of or above where they begin: the left upper corner is asked for first"
            raise UserError(
                f"{self.source}: {total - left} of {total} boxes are outside their images, or smaller than a pixel, as "
                f"{self._shown(int(usable.argmin()))}{hint or larger or (why if turned else '')}"
            )

    def _say_lost(self, kept: np.ndarray, hint: str) -> None:
        lost = int((~kept).sum())
        if lost:
            self.left_out[f"without area in their images, the first {self._shown(int(kept.argmin()))}"] = lost
        if count := sum(self.left_out.values()):
            logging.getLogger(__name__).warning(
                "%s: %d boxes are left out%s%s", self.source, count, self._why(), hint if lost else ""
            )

    def _say_beyond(self, corners: np.ndarray, sides: np.ndarray, kept: np.ndarray, hint: str) -> None:
        beyond = np.maximum(-corners[:, :2], corners[:, 2:] - sides)
        outside = np.flatnonzero((beyond > np.maximum(1, SLACK * sides)).any(1) & kept)
        if len(outside):
            said = f"{len(outside)} of {len(kept)} boxes reach beyond their images and are cut"
            logging.getLogger(__name__).warning(
                "%s: %s, the first %s%s", self.source, said, self._shown(int(outside[0])), hint
            )

    def _why(self) -> str:
        reasons = ", ".join(f"{count} {reason}" for reason, count in self.left_out.items())
        return f" ({reasons})" if reasons else ""

    def _shown(self, box: int) -> str:
        return f"{self.where(self.places[box])}: {' '.join(f'{number:g}' for number in self.numbers[box])}"

    def _scale(self, frames: np.ndarray, sides: np.ndarray, names: Sequence[Any]) -> np.ndarray:
        """(n, 2) factors of x and y from the frame of the annotation to the image, each (n, 2) width and height.

        Frames are compared where an image has boxes. Where the boxes lie in the image and not in the frame, the frame
        is wrong, and not the boxes.
        """
        image, log = np.array(self.image), logging.getLogger(__name__)
        known = np.isfinite(frames).all(1) & (frames > 0).all(1)
        other = np.intersect1d(np.flatnonzero(known & (frames != sides).any(1)), image)
        scale = np.ones_like(sides)
        if not len(other):
            return scale
        inside = np.isin(image, other)
        corners = corners_of(np.array(self.numbers, np.float64)[inside], self.fields)
        as_said, as_seen = (lies_inside(corners, of[image[inside]]).mean() for of in (frames, sides))
        if as_said < DOUBTED and as_seen >= CLEAR:
            said = f"{self.source}: {_compared(other[0], names, frames, sides)}; boxes of {len(other)} such images"
            log.warning("%s lie in the images and not in those frames, and are taken as they are", said)
            return scale
        scale[other] = sides[other] / frames[other]
        alike = (np.abs(frames * scale[:, ::-1] - sides) <= 1).any(1)
        if (wrong := other[~alike[other]]).size:
            turned = (frames[wrong[0]] == sides[wrong[0]][::-1]).all()
            raise UserError(
                f"{self.source}: {_compared(wrong[0], names, frames, sides)}, {TURNED if turned else SHAPE}"
            )
        said = f"{self.source}: {_compared(other[0], names, frames, sides)}"
        log.warning("%s; the boxes of %d such images are scaled", said, len(other))
        return scale


def _compared(image: int, names: Sequence[Any], frames: np.ndarray, sides: np.ndarray) -> str:
    said, seen = (f"{of[image][0]:g} x {of[image][1]:g}" for of in (frames, sides))
    return f"{names[image]} is {seen} (width x height), annotated as {said}"


def corners_of(numbers: np.ndarray, fields: str) -> np.ndarray:
    """(m, 4) x1, y1, x2, y2 of (m, 4) numbers in the order of `fields`, one of FIELDS."""
    first, second = numbers[:, :2], numbers[:, 2:]
    if fields == "x1 y1 x2 y2":
        return numbers.copy()
    corner = first - second / 2 if fields == "cx cy w h" else first
    return np.hstack([corner, corner + second])


def lies_inside(corners: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """(m,) bool: boxes of at least a pixel, in their images but for SLACK; sides: (m, 2) width and height."""
    slack = np.maximum(1, SLACK * sides)
    inside = (corners[:, :2] >= -slack).all(1) & (corners[:, 2:] <= sides + slack).all(1)
    return inside & (corners[:, 2:] - corners[:, :2] >= PIXEL).all(1)


# -- fields of annotations ---------------------------------------------------------------------------------------------


def numbers_of(fields: Sequence[Any], count: int, where: str) -> list[float]:
    """Convert text or JSON values to so many finite numbers; raise `UserError` where they are not."""
    try:
        values = [float(each) for each in fields]
    except (TypeError, ValueError):
        values = []
    if len(values) != count or not all(map(math.isfinite, values)):
        raise UserError(f"{where}: {' '.join(map(str, fields))} are not {count} numbers")
    return values


def is_set(value: Any, where: str) -> bool:
    """A flag as files write it: 0, 1, "0", "1", true, false, or not there; raise `UserError` at anything else."""
    text = str(value or 0).strip().lower()
    if text not in ("0", "0.0", "1", "1.0", "true", "false"):
        raise UserError(f"{where} is {value!r}, but should be 0 or 1")
    return text in ("1", "1.0", "true")


def frame_of(width: Any, height: Any) -> tuple[float, float]:
    """(height, width) as annotated; NaN where the annotation does not know it."""
    try:
        return float(height), float(width)
    except (TypeError, ValueError):
        return math.nan, math.nan
