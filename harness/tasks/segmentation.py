"""Segmentation: a label under every pixel. Probabilities (n, classes, h, w) float16, decided masks (n, h, w) uint8."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.errors import UserError, listed
from harness.tasks import ClassSpecialist, View
from harness.tasks.array_task import ArrayTask
from harness.tasks.layout import Asked, Layout
from harness.tasks.mask_cells import WIDE
from harness.tasks.tta import PIXEL_VIEWS, SQUARE_VIEWS

THIN_PIXELS = 256  # pixels an image keeps for fitting weights: labels are regions, neighbours agree


@dataclass(frozen=True)
class Segmentation(ArrayTask):
    """classes: names, the index is the label; shape: (h, w) of every mask.

    void: the label of unlabelled pixels, never predicted. layout: of submissions, as `WIDE` or
    `RUN_LENGTH`.
    """

    classes: tuple[str, ...]
    shape: tuple[int, int]
    void: int | None = None
    layout: Layout = WIDE

    ensemble_steps = ("stacking", "offsets")
    dtype = np.float16

    @property
    def table(self) -> Layout:
        return self.layout

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
        """The most probable label but void; a specialist's class wins where it passes its threshold, and only there."""
        return self.most_probable(prediction, offsets, class_specialist, np.uint8)

    def subsample(self, rows: np.ndarray) -> np.ndarray:
        """Every k-th pixel both ways, about 256 an image; probabilities as float32."""
        height, width = rows.shape[-2:]
        step = max(1, int((height * width / THIN_PIXELS) ** 0.5))
        thinned = np.ascontiguousarray(rows[..., step // 2 :: step, step // 2 :: step])
        return thinned if thinned.dtype == np.uint8 else thinned.astype(np.float32)

    def sample_submission(self, asked: Asked, file: Path) -> None:
        self.write(asked, np.full((len(asked), *self.shape), self.choices[0], np.uint8), file)

    def check_targets(self, targets: np.ndarray) -> None:
        if targets.ndim != 3 or targets.shape[1:] != self.shape:
            raise UserError(f"masks have shape {targets.shape}, but (n, {self.shape[0]}, {self.shape[1]}) is declared")
        if targets.dtype != np.uint8:
            raise UserError(f"masks are {targets.dtype}, but labels are stored as uint8")
        if int(targets.max(initial=0)) >= len(self.classes):
            row = int(np.flatnonzero((targets >= len(self.classes)).any((1, 2)))[0])
            raise UserError(
                f"mask {row} holds the class {int(targets[row].max())}, but the labels are "
                f"0 to {len(self.classes) - 1} ({listed(self.classes)})"
            )
