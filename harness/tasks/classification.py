"""Classification: one label a row, or several. Probabilities (n, classes), decided labels (n,) or (n, classes)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from harness.errors import InvalidSubmission, UserError
from harness.tasks import ClassSpecialist, View
from harness.tasks.columns import label, probability, read_columns, write_columns
from harness.tasks.label_views import VIEWS
from harness.tasks.temperature import sharpened, temperature

SUMS = 1e-3  # how far from 1 the probabilities of a row may sum: they are written with six digits


class Layout(NamedTuple):
    """What a submission carries."""

    output: str


LABELS = Layout("labels")  # id,label; with several labels a row id,<class>,... of 0 and 1
PROBABILITIES = Layout("probabilities")  # id,<class>,...


@dataclass(frozen=True)
class Classification:
    """classes: names, the index is the label; layout: `LABELS` or `PROBABILITIES`.

    multilabel: a row may have any number of classes, targets are (n, classes) of 0 and 1, and offsets are thresholds:
    a class is given where its odds times exp(offset) exceed 1.
    """

    classes: tuple[str, ...]
    layout: Layout = LABELS
    multilabel: bool = False

    void: ClassVar[None] = None
    suffix: ClassVar[str] = ".csv"
    tunes: ClassVar[tuple[str, ...]] = ("offsets",)
    views: ClassVar[Mapping[str, View]] = VIEWS

    @property
    def output(self) -> str:
        return self.layout.output

    @property
    def combines(self) -> tuple[str, ...]:
        """Several labels a row are no shares of one whole, which the others speak of."""
        shared = ("bagged", "simplex", "least squares", "temperatures", "rank", "class-wise")
        return shared if self.multilabel else (*shared, "geometric", "stacking")

    @property
    def row_bytes(self) -> int:
        return 2 * len(self.classes)

    def average(self, predictions: Sequence[np.ndarray], weights: Sequence[float]) -> np.ndarray:
        if len(predictions) == 1:
            return predictions[0]
        share = np.asarray(weights, np.float32) / np.float32(np.sum(weights))
        return sum(weight * np.asarray(probs, np.float32) for weight, probs in zip(share, predictions, strict=True))

    def weighing(self, predictions: Sequence[np.ndarray]) -> Callable[[Sequence[float]], np.ndarray]:
        return lambda weights: self.decide(self.average(predictions, weights))

    def evidence(self, predictions: Sequence[np.ndarray], targets: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        """The probabilities, and 0 and 1, (n, classes) each."""
        truth = targets if self.multilabel else np.eye(len(self.classes))[np.asarray(targets, int)]
        return [np.asarray(probs, np.float32) for probs in predictions], np.asarray(truth, np.float32)

    def mixed(self, change: Callable[[list[np.ndarray]], np.ndarray], predictions: Sequence[np.ndarray]) -> np.ndarray:
        scores = change([np.asarray(probs, np.float32) for probs in predictions])
        return scores.clip(0, 1) if self.multilabel else scores / np.maximum(scores.sum(1, keepdims=True), 1e-12)

    def calibration(self, prediction: np.ndarray, targets: np.ndarray) -> tuple[float]:
        """1 / the temperature at which the targets are likeliest."""
        (probs,), truth = self.evidence([prediction], targets)
        return (temperature(probs, truth, self.multilabel),)

    def calibrated(self, prediction: np.ndarray, fitted: Sequence[float]) -> np.ndarray:
        return sharpened(np.asarray(prediction, np.float32), fitted[0], self.multilabel)

    def expand(self, presence: np.ndarray, of: int) -> np.ndarray:
        """(n,) probability of one class, as from a binary model, to all classes: the rest is shared evenly."""
        rest = np.zeros_like(presence) if self.multilabel else (1 - presence) / (len(self.classes) - 1)
        probs = np.repeat(rest[:, None], len(self.classes), axis=1)
        probs[:, of] = presence
        return probs

    def overlay(self, prediction: np.ndarray, specialist: np.ndarray, of: int, share: float) -> np.ndarray:
        """The other classes keep their proportions and fill what the class `of` leaves: of a pair, the other one."""
        probs = np.array(prediction, np.float32)
        blended = (1 - share) * probs[:, of] + share * np.asarray(specialist[:, of], np.float32)
        if not self.multilabel:
            rest = probs.sum(1) - probs[:, of]
            probs *= ((1 - blended) / np.maximum(rest, 1e-6))[:, None]
        probs[:, of] = blended
        return probs

    def divided(
        self, prediction: np.ndarray, specialist: np.ndarray, pair: tuple[int, int], share: float
    ) -> np.ndarray:
        """specialist: the probability of the first, of rows that are one of the two; the other classes stay."""
        probs = np.array(prediction, np.float32)
        first, second = pair
        both = probs[:, first] + probs[:, second]
        probs[:, first] = (1 - share) * probs[:, first] + share * np.asarray(specialist[:, first], np.float32) * both
        probs[:, second] = both - probs[:, first]
        return probs

    def decide(
        self,
        prediction: np.ndarray,
        offsets: Sequence[float] | None = None,
        class_specialist: ClassSpecialist | None = None,
    ) -> np.ndarray:
        """The labels, or what the layout carries; `override` wins where its class passes its threshold, only there."""
        probs = self.shifted(prediction, offsets)
        return probs if self.output == "probabilities" else self.labels(probs, prediction, class_specialist)

    def shifted(self, prediction: np.ndarray, offsets: Sequence[float] | None) -> np.ndarray:
        """The probabilities after `offsets` were added to their logarithms (of several labels: to their log-odds)."""
        probs = np.asarray(prediction, np.float32)
        factors = np.exp(np.zeros(len(self.classes)) if offsets is None else np.asarray(offsets)).astype(np.float32)
        raised = probs * factors
        return raised / (raised + (1 - probs) if self.multilabel else np.maximum(raised.sum(1, keepdims=True), 1e-30))

    def labels(self, probs: np.ndarray, prediction: np.ndarray, class_specialist: ClassSpecialist | None) -> np.ndarray:
        """(n,) int64, or (n, classes) uint8. prediction: before it was shifted, for the threshold."""
        if self.multilabel:
            labels = (probs > 0.5).astype(np.uint8)
            if class_specialist is not None and class_specialist.threshold is not None:
                labels[:, class_specialist.of] = prediction[:, class_specialist.of] > class_specialist.threshold
            return labels
        if class_specialist is None or class_specialist.threshold is None:
            return probs.argmax(1)
        others = np.where(np.arange(len(self.classes)) == class_specialist.of, -1, probs).argmax(1)
        return np.where(prediction[:, class_specialist.of] > class_specialist.threshold, class_specialist.of, others)

    def scores(self, prediction: np.ndarray) -> np.ndarray:
        """Probabilities where submissions carry labels; labels where they carry probabilities."""
        return (
            np.asarray(prediction, np.float32) if self.output == "labels" else self.labels(prediction, prediction, None)
        )

    def subsample(self, rows: np.ndarray) -> np.ndarray:
        return rows

    def pack(self, prediction: np.ndarray) -> dict[str, np.ndarray]:
        return {"probabilities": np.asarray(prediction, np.float16)}

    def unpack(self, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        return arrays["probabilities"]

    def join(self, predictions: Sequence[np.ndarray]) -> np.ndarray:
        return np.concatenate(predictions)

    # -- files ---------------------------------------------------------------------------------------------------------

    def write(self, ids: np.ndarray, decided: np.ndarray, file: Path) -> None:
        text = str if self.output == "labels" else "{:.6g}".format
        rows = np.asarray(decided).reshape(len(ids), -1).tolist()
        write_columns(ids, self.columns, ([text(value) for value in row] for row in rows), file)

    def read(self, file: Path, ids: np.ndarray) -> np.ndarray:
        if self.output == "probabilities":
            probs = read_columns(file, ids, self.columns, probability, "a probability")
            return probs if self.multilabel else summing_to_one(probs, file, ids)
        choices = 2 if self.multilabel else len(self.classes)
        right = f"a label from 0 to {choices - 1}"
        decided = read_columns(file, ids, self.columns, lambda text: label(text, choices), right)
        return decided.astype(np.uint8) if self.multilabel else decided[:, 0].astype(np.int64)

    @property
    def columns(self) -> tuple[str, ...]:
        """Of a submission, beside `id`."""
        return self.classes if self.multilabel or self.output == "probabilities" else ("label",)

    def sample_submission(self, ids: np.ndarray, file: Path) -> None:
        even = 0.5 if self.multilabel else 1 / len(self.classes)
        self.write(ids, self.decide(np.full((len(ids), len(self.classes)), even)), file)

    def check_targets(self, targets: np.ndarray) -> None:
        shape = "(n, classes)" if self.multilabel else "(n,)"
        if targets.ndim != 1 + self.multilabel or targets.shape[1:] not in ((), (len(self.classes),)):
            raise UserError(f"labels have shape {targets.shape}, but {shape} is right for {len(self.classes)} classes")
        if targets.dtype.kind not in "iub":
            raise UserError(f"labels are {targets.dtype}, but whole numbers are needed: the index of the class")
        top = 1 if self.multilabel else len(self.classes) - 1
        wrong = (targets < 0) | (targets > top)
        if wrong.any():
            row = int(np.flatnonzero(wrong.reshape(len(targets), -1).any(1))[0])
            said = "0 or 1" if self.multilabel else f"0 to {top} ({', '.join(self.classes)})"
            raise UserError(f"row {row} has the label {targets[row]}, but the labels are {said}")


def summing_to_one(probs: np.ndarray, file: Path, ids: np.ndarray) -> np.ndarray:
    sums = probs.sum(1)
    if (wrong := np.abs(sums - 1) > SUMS).any():
        row = int(wrong.argmax())
        raise InvalidSubmission(f"{file.name}, id {ids[row]}: the probabilities sum to {sums[row]:.4g}, not to 1")
    return probs
