"""Detection: labelled boxes in every image.

Predictions and decided rows are `Ragged` (m, 6) float32: label, score, x1, y1, x2, y2 in pixels of that image, sorted
by score; targets (m, 5): label, x1, y1, x2, y2. Inputs are `EncodedImages`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from harness.data.samples import Ragged
from harness.errors import UserError
from harness.metrics.boxes import MOST, iou, only, ragged, together, weighted_box_fusion
from harness.tasks import ClassSpecialist, Task
from harness.tasks.box_cells import BOXES, COCO_RESULTS, CocoResults
from harness.tasks.layout import Asked, Layout
from harness.tasks.tta import BOX_VIEWS

FEW, FAINT = 50, 0.01  # boxes an image, and the least score, that weights and calibrations are fitted on
HIT = 0.5  # intersection over union from which a box is right
PRIOR = 1.0  # how many boxes the prior of no calibration weighs


@dataclass(frozen=True)
class Detection(Task):
    """classes: names, the index is the label. layout: of the submission; COCO results for the official test, and a
    table with a PredictionString for the judge, where none is declared.

    Members, views and folds become one by `boxes.weighted_box_fusion`.

    Two networks may mean different things by the same score, which mAP of one alone never shows and a fusion suffers
    from. So each member's scores are calibrated on out-of-fold rows (Platt 1999): the probability that a box is right,
    as a logistic function of its score's log-odds. It is a step of the ensemble, taken where it helps.
    """

    classes: tuple[str, ...]
    layout: Layout | CocoResults = COCO_RESULTS

    ensemble_steps = ("calibration", "least score")
    views = BOX_VIEWS

    @property
    def table(self) -> Layout:
        return BOXES if isinstance(self.layout, CocoResults) else self.layout

    @property
    def official_suffix(self) -> str:
        return ".json" if isinstance(self.layout, CocoResults) else ".csv"

    def row_bytes(self, targets: Ragged) -> int:
        return MOST * 6 * 4

    def for_official(self, ids: np.ndarray, host: Mapping[str, Any]) -> Self:
        """With the host's numbers of the categories, and its ids as text or as numbers, in COCO results."""
        if not isinstance(self.layout, CocoResults):
            return self
        layout = self.layout.for_host(host)
        layout.names(ids)
        return replace(self, layout=layout)

    def pack(self, prediction: Ragged) -> dict[str, np.ndarray]:
        return {"boxes": np.asarray(prediction.flat, np.float32), "offsets": np.asarray(prediction.offsets, np.int64)}

    def unpack(self, arrays: Mapping[str, np.ndarray]) -> Ragged:
        return Ragged(arrays["boxes"], np.asarray(arrays["offsets"]))

    def join(self, predictions: Sequence[Ragged]) -> Ragged:
        return Ragged.join(predictions)

    def subsample(self, rows: Ragged) -> Ragged:
        """The best 50 predicted boxes of every image from a score of 0.01 on; targets as they are."""
        if rows.flat.shape[1] == 5:
            return rows
        image, _, boxes = together([only(rows, rows.flat[:, 1] >= FAINT)])
        return ragged(image, boxes, len(rows), FEW)

    def average(self, predictions: Sequence[Ragged], weights: Sequence[float]) -> Ragged:
        return predictions[0] if len(predictions) == 1 else weighted_box_fusion(predictions, weights)

    def expand(self, presence: Ragged, target_class: int) -> Ragged:
        """Boxes of a network that knows one class, as boxes of `target_class`."""
        flat = presence.flat.copy()
        flat[:, 0] = target_class
        return Ragged(flat, presence.offsets)

    def blend_class(
        self, prediction: Ragged, specialist: Ragged, target_class: int, share: float, versus: int | None = None
    ) -> Ragged:
        """Fuse the boxes of one class, the specialist's with weight `share`; the others stay. versus: has no meaning
        for boxes, which are not shares of one whole."""
        general = prediction.flat[:, 0] == target_class
        both = [only(prediction, general), only(specialist, specialist.flat[:, 0] == target_class)]
        fused = weighted_box_fusion(both, [1 - share, share])
        image, _, rows = together([only(prediction, ~general), fused])
        return ragged(image, rows, len(prediction))

    def decide(
        self,
        prediction: Ragged,
        offsets: Sequence[float] | None = None,
        class_specialist: ClassSpecialist | None = None,
    ) -> Ragged:
        """At most 100 boxes an image, the best, and with offsets those whose log-odds and offset are more than 0.

        A specialist's threshold has no meaning where scores rank.
        """
        if offsets is not None:
            of_class = np.asarray(offsets)[prediction.flat[:, 0].astype(np.int64)]
            prediction = only(prediction, log_odds(prediction.flat[:, 1]) + of_class > 0)
        image, _, rows = together([prediction])
        return ragged(image, rows, len(prediction))

    def scores(self, prediction: Ragged) -> Ragged:
        return self.decide(prediction)

    def calibration(self, prediction: Ragged, targets: Ragged) -> tuple[float, float]:
        """(slope, shift) of the log-odds; (1, 0) changes nothing."""
        return logistic(log_odds(prediction.flat[:, 1]), right(prediction, targets))

    def calibrated(self, prediction: Ragged, fitted: Sequence[float]) -> Ragged:
        slope, shift = fitted
        flat = prediction.flat.copy()
        flat[:, 1] = sigmoid(slope * log_odds(flat[:, 1]) + shift)
        return Ragged(flat, prediction.offsets)

    def write(self, asked: Asked, decided: Ragged, file: Path) -> None:
        """The official file may be COCO results, where its name ends in .json."""
        if file.suffix == ".json" and isinstance(self.layout, CocoResults):
            return self.layout.write(asked.ids, decided, file)
        return super().write(asked, decided, file)

    def read(self, file: Path, asked: Asked) -> Ragged:
        """The first character tells a table from COCO results: the judge stores files by their hash, without suffix."""
        try:
            with open(file, "rb") as content:
                is_json = content.read(64).lstrip().startswith(b"[")
        except FileNotFoundError:
            raise UserError(f"{file} does not exist") from None
        if is_json and isinstance(self.layout, CocoResults):
            return self.layout.read(file, asked.ids, self.classes)
        return super().read(file, asked)

    def sample_submission(self, asked: Asked, file: Path) -> None:
        self.write(asked, Ragged(np.zeros((0, 6), np.float32), np.zeros(len(asked) + 1, np.int64)), file)

    def check_targets(self, targets: Ragged) -> None:
        if not isinstance(targets, Ragged) or targets.flat.ndim != 2 or targets.flat.shape[1] != 5:
            raise UserError("targets are not rows of boxes (Ragged of label, x1, y1, x2, y2)")
        label, corners = targets.flat[:, 0], targets.flat[:, 1:]
        top = len(self.classes) - 1
        sized = (corners[:, 2:] > corners[:, :2]).all(1)
        for wrong, why in (
            (~np.isfinite(targets.flat).all(1), "holds NaN or an infinity"),
            ((label < 0) | (label > top) | (label % 1 != 0), f"has a label that is not one from 0 to {top}"),
            (~sized, "has no area: x2 must be more than x1, and y2 more than y1"),
        ):
            if wrong.any():
                box = int(wrong.argmax())
                image = int(np.searchsorted(targets.offsets, box, side="right")) - 1
                raise UserError(f"image {image}: the box {targets.flat[box].tolist()} {why}")


# -- calibration: which boxes are right, and the logistic curve from scores to that share (Platt 1999) -----------------


def right(prediction: Ragged, targets: Ragged) -> np.ndarray:
    """(m,) bool: the boxes that find an object of their class (at half overlap) which no better box has found."""
    hits = np.zeros(len(prediction.flat), bool)
    for row in range(len(prediction)):
        boxes, truth = prediction[row], targets[row]
        agreement = iou(boxes[:, 2:], truth[:, 1:]) * (boxes[:, :1] == truth[None, :, 0])
        for k in np.flatnonzero((agreement >= HIT).any(1)):  # best score first
            if agreement[k].max() >= HIT:
                hits[prediction.offsets[row] + k] = True
                agreement[:, agreement[k].argmax()] = 0
    return hits


def log_odds(scores: np.ndarray) -> np.ndarray:
    clipped = np.clip(scores.astype(np.float64), 1e-6, 1 - 1e-6)
    return np.log(clipped / (1 - clipped))


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -30, 30)))


def logistic(x: np.ndarray, y: np.ndarray, rounds: int = 30) -> tuple[float, float]:
    """(slope, shift) of the likeliest logistic curve through y (m,) bool over x (m,), by damped Newton steps.

    A weak prior keeps it finite, at (1, 0) where there are no boxes. A falling curve would turn the ranking over and is
    refused as (1, 0).
    """
    design, plain = np.stack([x, np.ones_like(x)], axis=1), np.array([1.0, 0.0])
    fitted = plain.copy()
    for _ in range(rounds):
        p = sigmoid(design @ fitted)
        slope = design.T @ (y - p) - PRIOR * (fitted - plain)
        curvature = (design * (p * (1 - p))[:, None]).T @ design + PRIOR * np.eye(2)
        step = np.linalg.solve(curvature, slope)
        fitted += step / max(1.0, np.abs(step).max())
    return (float(fitted[0]), float(fitted[1])) if fitted[0] > 0 else (1.0, 0.0)
