"""Classification: one label a row, or several. Probabilities (n, classes), decided labels (n,) or (n, classes)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.errors import UserError, listed
from harness.tasks import ClassSpecialist, View
from harness.tasks.array_task import ArrayTask
from harness.tasks.cells import Flags, Label, Labels, Probabilities
from harness.tasks.layout import Asked, Layout
from harness.tasks.tta import IMAGE_VIEWS

PROBABILITIES = Layout(Probabilities())  # id,<class>,...


@dataclass(frozen=True)
class Classification(ArrayTask):
    """classes: names, the index is the label. layout: of submissions; `id,label`, or with several labels a row
    `id,<class>,...` of 0 and 1, where none is declared.

    multilabel: a row may have any number of classes, targets are (n, classes) of 0 and 1, and offsets are thresholds:
    a class is given where its odds times exp(offset) exceed 1.
    """

    classes: tuple[str, ...]
    layout: Layout | None = None
    multilabel: bool = False

    @property
    def table(self) -> Layout:
        return self.layout or Layout(Flags() if self.multilabel else Label())

    @property
    def ensemble_steps(self) -> tuple[str, ...]:  # type: ignore[override]
        """Stacking needs probabilities that share one whole."""
        return ("offsets",) if self.multilabel else ("stacking", "offsets")

    @property
    def views(self) -> Mapping[str, View]:
        return IMAGE_VIEWS

    def decide(
        self,
        prediction: np.ndarray,
        offsets: Sequence[float] | None = None,
        class_specialist: ClassSpecialist | None = None,
    ) -> np.ndarray:
        """Labels (n,) int64, with several a row (n, classes) uint8; or (n, classes) float32 where the layout asks.

        A specialist's class wins where its probability passes the threshold, and only there.
        """
        if self.output == "probabilities":
            return self._shifted(prediction, offsets)
        return self._labels(prediction, offsets, class_specialist)

    def scores(self, prediction: np.ndarray) -> np.ndarray:
        """Probabilities where submissions carry labels; labels where they carry probabilities."""
        if self.output == "labels":
            return np.asarray(prediction, np.float32)
        return self._labels(prediction, None, None)

    def _shifted(self, prediction: np.ndarray, offsets: Sequence[float] | None) -> np.ndarray:
        """The probabilities after `offsets` were added to their logarithms (of several labels: to their log-odds)."""
        probs = np.asarray(prediction, np.float32)
        factors = np.exp(np.zeros(len(self.classes)) if offsets is None else np.asarray(offsets)).astype(np.float32)
        raised = probs * factors
        return raised / (raised + (1 - probs) if self.multilabel else np.maximum(raised.sum(1, keepdims=True), 1e-30))

    def _labels(
        self, prediction: np.ndarray, offsets: Sequence[float] | None, class_specialist: ClassSpecialist | None
    ) -> np.ndarray:
        if not self.multilabel:
            return self.most_probable(np.asarray(prediction, np.float32), offsets, class_specialist, np.int64)
        shifted = self._shifted(prediction, offsets)
        labels = (shifted > 0.5).astype(np.uint8)
        if isinstance(self.table.cells, Labels) and self.table.cells.none is None:
            labels[np.arange(len(labels)), shifted.argmax(1)] = 1  # one label at least
        if class_specialist is not None and class_specialist.threshold is not None:
            c = class_specialist.target_class
            labels[:, c] = prediction[:, c] > class_specialist.threshold
        return labels

    def sample_submission(self, asked: Asked, file: Path) -> None:
        even = 0.5 if self.multilabel else 1 / len(self.classes)
        self.write(asked, self.decide(np.full((len(asked), len(self.classes)), even)), file)

    def check_targets(self, targets: np.ndarray) -> None:
        shape = "(n, classes)" if self.multilabel else "(n,)"
        if targets.ndim != 1 + self.multilabel or targets.shape[1:] not in ((), (len(self.classes),)):
            raise UserError(f"labels have shape {targets.shape}, but must be {shape} for {len(self.classes)} classes")
        if targets.dtype.kind not in "iub":
            raise UserError(f"labels are {targets.dtype}, but must be whole numbers: the index of the class")
        top = 1 if self.multilabel else len(self.classes) - 1
        wrong = (targets < 0) | (targets > top)
        if wrong.any():
            row = int(np.flatnonzero(wrong.reshape(len(targets), -1).any(1))[0])
            allowed = "0 or 1" if self.multilabel else f"0 to {top} ({listed(self.classes)})"
            raise UserError(f"row {row} has the label {targets[row]}, but labels are {allowed}")
