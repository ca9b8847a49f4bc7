"""Segmentation: a label under every pixel, or a set of them. Probabilities (n, classes, h, w) float16.

Decided masks are (n, h, w): uint8 labels, or the sets of `harness.data.bit_sets`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.data.bit_sets import dtype_of
from harness.errors import UserError, listed
from harness.metrics import chunks
from harness.tasks import ClassSpecialist, View
from harness.tasks.array_task import CHUNK, ArrayTask
from harness.tasks.layout import Asked, Layout
from harness.tasks.mask_cells import RUNS_BY_CLASS, WIDE
from harness.tasks.tta import PIXEL_VIEWS, SQUARE_VIEWS

THIN_PIXELS = 256  # pixels an image keeps for fitting weights: labels are regions, neighbours agree


@dataclass(frozen=True)
class Segmentation(ArrayTask):
    """classes: names, the index is the label; shape: (h, w) of every mask.

    void: the label of unlabelled pixels, never predicted. layout: of submissions, as `WIDE`, `RUN_LENGTH` or
    `RUNS_BY_CLASS`, which is the one for several labels a pixel where none is declared.

    multilabel: classes overlap. A pixel may have none, one or several of them, so none is the background; targets and
    decided masks are sets (uint8 for up to 8 classes, uint16 for up to 16). Every class has a probability of its own,
    and offsets are thresholds: a class is given where its odds times exp(offset) exceed 1.
    """

    classes: tuple[str, ...]
    shape: tuple[int, int]
    void: int | None = None
    layout: Layout = WIDE
    multilabel: bool = False

    dtype = np.float16

    def __post_init__(self) -> None:
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
        """Flips and half a turn; quarter turns and transpositions where the masks are square."""
        return SQUARE_VIEWS if self.shape[0] == self.shape[1] else PIXEL_VIEWS

    @property
    def row_bytes(self) -> int:
        return 2 * len(self.classes) * self.shape[0] * self.shape[1]

    def decide(
        self,
        prediction: np.ndarray,
        offsets: Sequence[float] | None = None,
        class_specialist: ClassSpecialist | None = None,
    ) -> np.ndarray:
        """The most probable label but void, or every class above its threshold.

        A specialist's class wins where it passes its threshold, and only there.
        """
        if not self.multilabel:
            return self.most_probable(prediction, offsets, class_specialist, np.uint8)
        thresholds = 1 / (1 + np.exp(np.zeros(len(self.classes)) if offsets is None else np.asarray(offsets)))
        if class_specialist is not None and class_specialist.threshold is not None:
            thresholds[class_specialist.target_class] = class_specialist.threshold
        sets = np.zeros((len(prediction), *prediction.shape[2:]), self.mask_dtype)
        for rows in chunks(len(sets), CHUNK):
            for label, threshold in enumerate(thresholds):
                sets[rows] |= (prediction[rows, label] > threshold) * self.mask_dtype(1 << label)
        return sets

    def subsample(self, rows: np.ndarray) -> np.ndarray:
        """Every k-th pixel both ways, about 256 an image; probabilities as float32."""
        height, width = rows.shape[-2:]
        step = max(1, int((height * width / THIN_PIXELS) ** 0.5))
        thinned = np.ascontiguousarray(rows[..., step // 2 :: step, step // 2 :: step])
        return thinned if thinned.dtype.kind == "u" else thinned.astype(np.float32)

    def sample_submission(self, asked: Asked, file: Path) -> None:
        nothing = 0 if self.multilabel else self.choices[0]
        self.write(asked, np.full((len(asked), *self.shape), nothing, self.mask_dtype), file)

    def check_targets(self, targets: np.ndarray) -> None:
        if targets.ndim != 3 or targets.shape[1:] != self.shape:
            raise UserError(f"masks have shape {targets.shape}, but (n, {self.shape[0]}, {self.shape[1]}) is declared")
        if targets.dtype != self.mask_dtype:
            kind = f"sets of {len(self.classes)} classes" if self.multilabel else "labels"
            raise UserError(f"masks are {targets.dtype}, but {kind} are stored as {self.mask_dtype.__name__}")
        limit = 2 ** len(self.classes) if self.multilabel else len(self.classes)
        if int(targets.max(initial=0)) >= limit:
            row = int(np.flatnonzero((targets >= limit).any((1, 2)))[0])
            most = int(targets[row].max())
            raise UserError(
                f"mask {row} holds the class {most.bit_length() - 1 if self.multilabel else most}, but the labels are "
                f"0 to {len(self.classes) - 1} ({listed(self.classes)})"
            )
