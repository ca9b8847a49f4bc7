"""Regression: a number a row, or several. Predictions and decided rows are (n,) or (n, targets) float32."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from harness.errors import UserError, listed
from harness.tasks import ClassSpecialist
from harness.tasks.array_task import ArrayTask
from harness.tasks.cells import Numbers
from harness.tasks.layout import Asked, Layout


@dataclass(frozen=True)
class Regression(ArrayTask):
    """target: the name of what is predicted, or several names. layout: `id,<target>,...` where none is declared."""

    target: str | tuple[str, ...]
    layout: Layout | None = None

    classes: ClassVar[tuple[str, ...]] = ()  # type: ignore[misc]
    part = "values"
    stored_dtype = np.float32  # half precision has no number between 2,048 and 2,050

    @property
    def targets(self) -> tuple[str, ...]:
        return (self.target,) if isinstance(self.target, str) else tuple(self.target)

    @property
    def table(self) -> Layout:
        return self.layout or Layout(Numbers(self.targets))

    def expand(self, presence: np.ndarray, target_class: int) -> np.ndarray:
        raise UserError(
            f"{listed(self.targets)} is a number and has no class {target_class}: a specialist has nothing to find"
        )

    def blend_class(
        self, prediction: Any, specialist: Any, target_class: int, share: float, versus: int | None = None
    ) -> np.ndarray:
        return self.expand(specialist, target_class)

    def decide(
        self,
        prediction: np.ndarray,
        offsets: Sequence[float] | None = None,
        class_specialist: ClassSpecialist | None = None,
    ) -> np.ndarray:
        """The nearest numbers that the host takes: there are no classes for offsets or a specialist."""
        values, cells = np.asarray(prediction, np.float32), self.table.cells
        return cells.allowed(values) if isinstance(cells, Numbers) else values

    def sample_submission(self, asked: Asked, file: Path) -> None:
        zeros = np.zeros((len(asked), len(self.targets)), np.float32)
        self.write(asked, self.decide(zeros[:, 0] if len(self.targets) == 1 else zeros), file)

    def check_targets(self, targets: np.ndarray) -> None:
        count = len(self.targets)
        if targets.shape[1:] != ((count,) if count > 1 else ()) or targets.dtype.kind not in "iuf":
            asked = f"{count} numbers a row, (n, {count})" if count > 1 else "one number a row, (n,)"
            raise UserError(f"targets are {targets.dtype} of shape {targets.shape}, but must be {asked}")
