"""Regression: one number a row. Predictions and decided rows are (n,) float32."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from harness.errors import UserError
from harness.tasks import ClassSpecialist
from harness.tasks.array_task import ArrayTask
from harness.tasks.submission_tables import number, read_columns, write_columns


@dataclass(frozen=True)
class Regression(ArrayTask):
    """target: the name of the column in a submission."""

    target: str

    classes: ClassVar[tuple[str, ...]] = ()  # type: ignore[misc]
    part = "values"
    stored_dtype = np.float32  # half precision has no number between 2,048 and 2,050

    def expand(self, presence: np.ndarray, target_class: int) -> np.ndarray:
        raise UserError(f"{self.target} is a number and has no class {target_class}: a specialist has nothing to find")

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
        """The prediction as it is: there are no classes to which offsets or a specialist could belong."""
        return np.asarray(prediction, np.float32)

    def write(self, ids: np.ndarray, decided: np.ndarray, file: Path) -> None:
        write_columns(ids, [self.target], ([f"{value:.9g}"] for value in decided.tolist()), file)

    def read(self, file: Path, ids: np.ndarray) -> np.ndarray:
        return read_columns(file, ids, [self.target], number, "a finite number")[:, 0]

    def sample_submission(self, ids: np.ndarray, file: Path) -> None:
        self.write(ids, np.zeros(len(ids)), file)

    def check_targets(self, targets: np.ndarray) -> None:
        if targets.ndim != 1 or targets.dtype.kind not in "iuf":
            raise UserError(f"targets are {targets.dtype} of shape {targets.shape}, but must be one number a row, (n,)")
