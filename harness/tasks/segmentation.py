"""Segmentation: a label under every pixel. Probabilities (n, classes, h, w) float16, decided masks (n, h, w) uint8."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from harness.errors import UserError
from harness.metrics import chunks
from harness.tasks import ClassSpecialist, View
from harness.tasks.mask_files import WIDE, Layout
from harness.tasks.mask_views import ANY_SHAPE, SQUARE
from harness.tasks.mask_weighing import Weighing
from harness.tasks.temperature import sharpened, temperature

CHUNK = 128  # images blended at once: 21 MB of float32 at 5 x 64 x 128
THIN_PIXELS = 256  # pixels an image keeps for fitting weights: labels are regions, neighbours say the same


@dataclass(frozen=True)
class Segmentation:
    """classes: names, the index is the label; void: the label of unlabelled pixels, never predicted;
    shape: (h, w) of every mask; layout: `WIDE` or `RUN_LENGTH`.
    """

    classes: tuple[str, ...]
    shape: tuple[int, int]
    void: int | None = None
    layout: Layout = WIDE

    suffix: ClassVar[str] = ".csv"
    output: ClassVar[str] = "labels"
    tunes: ClassVar[tuple[str, ...]] = ("offsets",)
    combines: ClassVar[tuple[str, ...]] = (
        "bagged", "simplex", "least squares", "temperatures", "rank", "class-wise", "geometric", "stacking",
    )  # fmt: skip

    @property
    def views(self) -> Mapping[str, View]:
        """Flips, half a turn and scales; quarter turns and transpositions where the masks are square."""
        return ANY_SHAPE | SQUARE if self.shape[0] == self.shape[1] else ANY_SHAPE

    @property
    def row_bytes(self) -> int:
        return 2 * len(self.classes) * self.shape[0] * self.shape[1]

    @property
    def choices(self) -> list[int]:
        """The labels that may be predicted."""
        return [c for c in range(len(self.classes)) if c != self.void]

    def average(self, predictions: Sequence[np.ndarray], weights: Sequence[float]) -> np.ndarray:
        if len(predictions) == 1:
            return predictions[0]
        share = np.asarray(weights, np.float32) / np.sum(weights)
        mean = np.empty(predictions[0].shape, np.float16)
        for rows in chunks(len(mean), CHUNK):
            total = np.zeros(mean[rows].shape, np.float32)
            for prediction, weight in zip(predictions, share, strict=True):
                total += weight * prediction[rows].astype(np.float32)
            mean[rows] = total
        return mean

    def weighing(self, predictions: Sequence[np.ndarray]) -> Callable[[Sequence[float]], np.ndarray]:
        return Weighing(self, predictions)

    def evidence(self, predictions: Sequence[np.ndarray], targets: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        """Of every labelled pixel, the probabilities, and 0 and 1, (m, classes) each."""
        labels = np.ravel(targets)
        labelled = np.flatnonzero(labels != self.void) if self.void is not None else np.arange(len(labels))
        flat = [np.moveaxis(probs, 1, -1).reshape(-1, len(self.classes))[labelled] for probs in predictions]
        return [np.asarray(probs, np.float32) for probs in flat], np.eye(len(self.classes), dtype=np.float32)[
            labels[labelled]
        ]

    def mixed(self, change: Callable[[list[np.ndarray]], np.ndarray], predictions: Sequence[np.ndarray]) -> np.ndarray:
        mean = np.empty(predictions[0].shape, np.float16)
        for rows in chunks(len(mean), CHUNK):
            scores = change([probs[rows].astype(np.float32) for probs in predictions])
            if self.void is not None:
                scores[:, self.void] = 0
            mean[rows] = scores / np.maximum(scores.sum(1, keepdims=True), 1e-12)
        return mean

    def calibration(self, prediction: np.ndarray, targets: np.ndarray) -> tuple[float]:
        """1 / the temperature at which the labelled pixels are likeliest."""
        (probs,), truth = self.evidence([prediction], targets)
        return (temperature(probs, truth),)

    def calibrated(self, prediction: np.ndarray, fitted: Sequence[float]) -> np.ndarray:
        return self.mixed(lambda members: sharpened(members[0], fitted[0]), [prediction])

    def overlay(self, prediction: np.ndarray, specialist: np.ndarray, of: int, share: float) -> np.ndarray:
        """The other classes keep their proportions and fill what the class `of` leaves."""
        changed = np.empty(prediction.shape, np.float16)
        for rows in chunks(len(prediction), CHUNK):
            probs = prediction[rows].astype(np.float32)
            blended = (1 - share) * probs[:, of] + share * specialist[rows, of].astype(np.float32)
            rest = probs.sum(1) - probs[:, of]
            probs *= ((1 - blended) / np.maximum(rest, 1e-6))[:, None]
            probs[:, of] = blended
            changed[rows] = probs
        return changed

    def expand(self, presence: np.ndarray, of: int) -> np.ndarray:
        """(n, h, w) probability of one class, as from a binary network, to all classes: the rest is shared evenly."""
        others = [c for c in self.choices if c != of]
        probs = np.zeros((len(presence), len(self.classes), *presence.shape[1:]), np.float16)
        probs[:, others] = ((1 - presence) / len(others))[:, None]
        probs[:, of] = presence
        return probs

    def decide(
        self,
        prediction: np.ndarray,
        offsets: Sequence[float] | None = None,
        class_specialist: ClassSpecialist | None = None,
    ) -> np.ndarray:
        """The most probable label but void; `override` wins where its class passes its threshold, and only there."""
        factors = np.exp(np.zeros(len(self.classes)) if offsets is None else np.asarray(offsets)).astype(np.float32)
        wins = class_specialist is not None and class_specialist.threshold is not None
        choices = [c for c in self.choices if class_specialist is None or not wins or c != class_specialist.of]
        labels = np.empty((len(prediction), *prediction.shape[2:]), np.uint8)
        for rows in chunks(len(labels), CHUNK):
            probs = prediction[rows]
            labels[rows] = _argmax(probs, factors, choices)
            if class_specialist is not None and class_specialist.threshold is not None:
                labels[rows][probs[:, class_specialist.of] > class_specialist.threshold] = class_specialist.of
        return labels

    def scores(self, prediction: np.ndarray) -> np.ndarray:
        return prediction

    def subsample(self, rows: np.ndarray) -> np.ndarray:
        """Every k-th pixel both ways, about 256 an image; probabilities as float32."""
        height, width = rows.shape[-2:]
        step = max(1, int((height * width / THIN_PIXELS) ** 0.5))
        thinned = np.ascontiguousarray(rows[..., step // 2 :: step, step // 2 :: step])
        return thinned if thinned.dtype == np.uint8 else thinned.astype(np.float32)

    def pack(self, prediction: np.ndarray) -> dict[str, np.ndarray]:
        return {"probabilities": np.asarray(prediction, np.float16)}

    def unpack(self, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        return arrays["probabilities"]

    def join(self, predictions: Sequence[np.ndarray]) -> np.ndarray:
        return np.concatenate(predictions)

    def write(self, ids: np.ndarray, decided: np.ndarray, file: Path) -> None:
        self.layout.write(self, ids, decided, file)

    def read(self, file: Path, ids: np.ndarray) -> np.ndarray:
        return self.layout.read(self, file, ids)

    def sample_submission(self, ids: np.ndarray, file: Path) -> None:
        self.write(ids, np.full((len(ids), *self.shape), self.choices[0], np.uint8), file)

    def check_targets(self, targets: np.ndarray) -> None:
        if targets.ndim != 3 or targets.shape[1:] != self.shape:
            raise UserError(f"masks have shape {targets.shape}, but (n, {self.shape[0]}, {self.shape[1]}) is declared")
        if targets.dtype != np.uint8:
            raise UserError(f"masks are {targets.dtype}, but labels are stored as uint8")
        if int(targets.max(initial=0)) >= len(self.classes):
            row = int(np.flatnonzero((targets >= len(self.classes)).any((1, 2)))[0])
            raise UserError(
                f"mask {row} holds the class {int(targets[row].max())}, but the labels are "
                f"0 to {len(self.classes) - 1} ({', '.join(self.classes)})"
            )


def _argmax(probs_nchw: np.ndarray, factors: np.ndarray, choices: list[int]) -> np.ndarray:
    """(n, h, w) uint8. A running maximum over whole planes: numpy's argmax over axis 1 is far slower."""
    best = probs_nchw[:, choices[0]] * factors[choices[0]]
    labels = np.full(best.shape, choices[0], np.uint8)
    for c in choices[1:]:
        value = probs_nchw[:, c] * factors[c]
        np.maximum(labels, (value > best).view(np.uint8) * np.uint8(c), out=labels)  # choices rise: no branch
        np.maximum(best, value, out=best)
    return labels
