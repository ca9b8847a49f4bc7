"""Segmentation: a label under every pixel, or a set of them. Probabilities (n, classes, h, w) float16.

Decided masks are (n, h, w): uint8 labels, or the sets of `harness.data.bit_sets`. Where masks have the sizes of their
images, both are `sized_masks.Masks`, and are combined image by image.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.bit_sets import dtype_of
from harness.data.sized_masks import Masks, image_by_image
from harness.errors import UserError, listed
from harness.metrics import chunks
from harness.tasks import ClassSpecialist, View
from harness.tasks.array_task import CHUNK, ArrayTask
from harness.tasks.layout import Asked, Layout
from harness.tasks.mask_cells import RUNS_BY_CLASS, WIDE, Pixels
from harness.tasks.tta import PIXEL_VIEWS, SQUARE_VIEWS

THIN_PIXELS = 256  # pixels an image keeps for fitting weights: labels are regions, neighbours agree


@dataclass(frozen=True)
class Segmentation(ArrayTask):
    """classes: names, the index is the label; shape: (h, w) of every mask, None where a mask has that of its image.

    void: the label of unlabelled pixels, never predicted. layout: of submissions, as `WIDE`, `RUN_LENGTH` or
    `RUNS_BY_CLASS`, which is the one for several labels a pixel where none is declared.

    multilabel: classes overlap. A pixel may have none, one or several of them, so none is the background; targets and
    decided masks are sets (uint8 for up to 8 classes, uint16 for up to 16). Every class has a probability of its own,
    and offsets are thresholds: a class is given where its odds times exp(offset) exceed 1.
    """

    classes: tuple[str, ...]
    shape: tuple[int, int] | None = None
    void: int | None = None
    layout: Layout = WIDE
    multilabel: bool = False

    dtype = np.float16

    def __post_init__(self) -> None:
        if self.shape is None and isinstance(self.table.cells, Pixels):
            raise UserError(
                "masks of several sizes cannot be written with a column for every pixel; declare layout=RUN_LENGTH, or "
                "the shape=(height, width) of all masks"
            )
        if not self.multilabel:
            return
        dtype_of(len(self.classes))
        if self.void is not None:
            raise UserError(f"void={self.void} with multilabel=True: a pixel without a class is in no set; drop void")
        tells_the_class = "class" in self.table.places or len(self.classes) == 1
        if not tells_the_class or not self.table.cells.labels(self):
            raise UserError(
                "overlapping classes are submitted as run lengths with a line for every class, as in "
                'layout=Layout(Runs("rle"), {"id": "{id}", "class": "{class}"})'
            )

    @property
    def table(self) -> Layout:
        return RUNS_BY_CLASS if self.multilabel and self.layout == WIDE else self.layout

    @property
    def ensemble_steps(self) -> tuple[str, ...]:  # type: ignore[override]
        """Stacking needs probabilities that share one whole."""
        return ("offsets",) if self.multilabel else ("stacking", "offsets")

    @property
    def mask_dtype(self) -> type[np.unsignedinteger]:
        return dtype_of(len(self.classes)) if self.multilabel else np.uint8

    @property
    def views(self) -> Mapping[str, View]:
        """Flips and half a turn; quarter turns and transpositions where masks are square, or networks see tiles."""
        return SQUARE_VIEWS if self.shape is None or self.shape[0] == self.shape[1] else PIXEL_VIEWS

    def row_bytes(self, targets: Any) -> int:
        pixels = np.mean([mask.size for mask in targets]) if self.shape is None else self.shape[0] * self.shape[1]
        return int(2 * len(self.classes) * pixels)

    # -- masks of several sizes ----------------------------------------------------------------------------------------

    def pack(self, prediction: Any) -> dict[str, np.ndarray]:
        if isinstance(prediction, Masks):
            return {"pixels": np.asarray(prediction.pixels, self.stored_dtype), "shapes": prediction.shapes}
        return super().pack(prediction)

    def unpack(self, arrays: Mapping[str, np.ndarray]) -> Any:
        return Masks.of(arrays["pixels"], arrays["shapes"]) if "pixels" in arrays else super().unpack(arrays)

    def join(self, predictions: Sequence[Any]) -> Any:
        return Masks.join(predictions) if isinstance(predictions[0], Masks) else super().join(predictions)

    def average(self, predictions: Sequence[Any], weights: Sequence[float]) -> Any:
        mean = super().average
        return image_by_image(lambda *images: mean(images, weights), *predictions)

    def blend_class(
        self, prediction: Any, specialist: Any, target_class: int, share: float, versus: int | None = None
    ) -> Any:
        blend = super().blend_class
        return image_by_image(lambda one, own: blend(one, own, target_class, share, versus), prediction, specialist)

    # -- labels --------------------------------------------------------------------------------------------------------

    def decide(
        self,
        prediction: Any,
        offsets: Sequence[float] | None = None,
        class_specialist: ClassSpecialist | None = None,
    ) -> Any:
        """The most probable label but void, or every class above its threshold.

        A specialist's class wins where it passes its threshold, and only there.
        """
        if self.multilabel:
            return image_by_image(lambda probs: self.above_thresholds(probs, offsets, class_specialist), prediction)
        return image_by_image(lambda probs: self.most_probable(probs, offsets, class_specialist, np.uint8), prediction)

    def above_thresholds(
        self, prediction: np.ndarray, offsets: Sequence[float] | None, class_specialist: ClassSpecialist | None
    ) -> np.ndarray:
        """(n, h, w) sets."""
        thresholds = 1 / (1 + np.exp(np.zeros(len(self.classes)) if offsets is None else np.asarray(offsets)))
        if class_specialist is not None and class_specialist.threshold is not None:
            thresholds[class_specialist.target_class] = class_specialist.threshold
        sets = np.zeros((len(prediction), *prediction.shape[2:]), self.mask_dtype)
        for rows in chunks(len(sets), CHUNK):
            for label, threshold in enumerate(thresholds):
                sets[rows] |= (prediction[rows, label] > threshold) * self.mask_dtype(1 << label)
        return sets

    def subsample(self, rows: Any) -> np.ndarray:
        """Every k-th pixel both ways, about 256 an image; probabilities as float32.

        Of images of several sizes an even grid of 16 x 16 pixels, so that they are one array.
        """
        if isinstance(rows, Masks):
            thinned = np.stack([on_grid(row) for row in rows])
        else:
            height, width = rows.shape[-2:]
            step = max(1, int((height * width / THIN_PIXELS) ** 0.5))
            thinned = np.ascontiguousarray(rows[..., step // 2 :: step, step // 2 :: step])
        return thinned if thinned.dtype.kind == "u" else thinned.astype(np.float32)

    def sample_submission(self, asked: Asked, file: Path) -> None:
        nothing = 0 if self.multilabel else self.choices[0]
        sizes = (self.shape or asked.size(row) or () for row in range(len(asked)))
        self.write(asked, [np.full(size, nothing, self.mask_dtype) for size in sizes], file)

    def check_targets(self, targets: Any) -> None:
        if self.shape is not None and isinstance(targets, Masks):
            raise UserError(
                f"images have several sizes (mask 0 is {' x '.join(map(str, targets[0].shape))}), but the shape "
                f"{self.shape} is declared; declare none, and crop=(256, 256) in the models, or resize them with size="
            )
        if targets.ndim != 3 or (isinstance(targets, np.ndarray) and self.shape not in (None, targets.shape[1:])):
            declared = ", ".join(map(str, self.shape or ("h", "w")))
            raise UserError(f"masks have shape {(len(targets), *targets[0].shape)}, but (n, {declared}) is declared")
        if targets.dtype != self.mask_dtype:
            kind = f"sets of {len(self.classes)} classes" if self.multilabel else "labels"
            raise UserError(f"masks are {targets.dtype}, but {kind} are stored as {self.mask_dtype.__name__}")
        limit = 2 ** len(self.classes) if self.multilabel else len(self.classes)
        highest = np.array([mask.max(initial=0) for mask in targets], int)
        if highest.max(initial=0) >= limit:
            row = int((highest >= limit).argmax())
            most = int(highest[row])
            raise UserError(
                f"mask {row} holds the class {most.bit_length() - 1 if self.multilabel else most}, but the labels are "
                f"0 to {len(self.classes) - 1} ({listed(self.classes)})"
            )


def on_grid(image: np.ndarray) -> np.ndarray:
    """(..., 16, 16): evenly spaced pixels of (..., h, w); in a smaller image some stand twice."""
    side = int(THIN_PIXELS**0.5)
    rows, columns = ((2 * np.arange(side) + 1) * length // (2 * side) for length in image.shape[-2:])
    return image[..., rows[:, None], columns]
