"""Regression: one number a row. Predictions and decided rows are (n,) float32."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from harness.errors import UserError
from harness.tasks import ClassSpecialist, View
from harness.tasks.columns import number, read_columns, write_columns


@dataclass(frozen=True)
class Regression:
    """target: the name of the column in a submission."""

    target: str

    classes: ClassVar[tuple[str, ...]] = ()
    void: ClassVar[None] = None
    suffix: ClassVar[str] = ".csv"
    output: ClassVar[str] = "labels"
    tunes: ClassVar[tuple[str, ...]] = ()
    combines: ClassVar[tuple[str, ...]] = ("bagged", "simplex", "least squares")
    views: ClassVar[Mapping[str, View]] = {}
    row_bytes: ClassVar[int] = 4

    def average(self, predictions: Sequence[np.ndarray], weights: Sequence[float]) -> np.ndarray:
        if len(predictions) == 1:
            return predictions[0]
        return np.average(np.asarray(predictions, np.float64), axis=0, weights=weights).astype(np.float32)

    def weighing(self, predictions: Sequence[np.ndarray]) -> Callable[[Sequence[float]], np.ndarray]:
        return lambda weights: self.decide(self.average(predictions, weights))

    def evidence(self, predictions: Sequence[np.ndarray], targets: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        """The numbers as columns, (n, 1) each."""
        return [np.asarray(said, np.float32)[:, None] for said in predictions], np.asarray(targets, np.float32)[:, None]

    def mixed(self, change: Callable[[list[np.ndarray]], np.ndarray], predictions: Sequence[np.ndarray]) -> np.ndarray:
        return change([np.asarray(said, np.float32)[:, None] for said in predictions])[:, 0]

    def expand(self, presence: np.ndarray, of: int) -> np.ndarray:
        raise UserError(
            f"{self.target} is a number and has no class {of}; a specialist (focus=) has nothing to look for"
        )

    def overlay(self, prediction: np.ndarray, specialist: np.ndarray, of: int, share: float) -> np.ndarray:
        return self.expand(specialist, of)

    def decide(
        self,
        prediction: np.ndarray,
        offsets: Sequence[float] | None = None,
        class_specialist: ClassSpecialist | None = None,
    ) -> np.ndarray:
        """The prediction as it is: there are no classes to which offsets or an override could belong."""
        return np.asarray(prediction, np.float32)

    def scores(self, prediction: np.ndarray) -> np.ndarray:
        return prediction

    def subsample(self, rows: np.ndarray) -> np.ndarray:
        return rows

    def pack(self, prediction: np.ndarray) -> dict[str, np.ndarray]:
        """float32: half precision has no number between 2,048 and 2,050."""
        return {"values": np.asarray(prediction, np.float32)}

    def unpack(self, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        return arrays["values"]

    def join(self, predictions: Sequence[np.ndarray]) -> np.ndarray:
        return np.concatenate(predictions)

    def write(self, ids: np.ndarray, decided: np.ndarray, file: Path) -> None:
        write_columns(ids, [self.target], ([f"{value:.9g}"] for value in decided.tolist()), file)

    def read(self, file: Path, ids: np.ndarray) -> np.ndarray:
        return read_columns(file, ids, [self.target], number, "a finite number")[:, 0]

    def sample_submission(self, ids: np.ndarray, file: Path) -> None:
        self.write(ids, np.zeros(len(ids)), file)

    def check_targets(self, targets: np.ndarray) -> None:
        if targets.ndim != 1 or targets.dtype.kind not in "iuf":
            raise UserError(
                f"targets are {targets.dtype} of shape {targets.shape}, but one number a row, (n,), is right"
            )
