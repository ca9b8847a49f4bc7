"""What boxes tell beside a score: precision against recall, what a score was worth, and pictures with the boxes."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.data.samples import Ragged
from harness.metrics.boxes import iou, only, ragged, together
from harness.metrics.matching import matched
from harness.tasks.accounts import COLOURS, FALSE, MISSED, RIGHT, Claims, Colour, Curve, Doubts
from harness.tasks.box_calibration import HIT, right

if TYPE_CHECKING:
    from harness.tasks.detection import Detection

SUSPECT = 0.25  # the quality of a picture's boxes; of 78 real pictures, with cells left out, a tenth
FAINT = 0.5  # scores below it say nothing of a label, by ObjectLab's own thresholds
THICK = 1 / 130  # of the longer side: a line that survives the shrinking of a picture


@dataclass(frozen=True)
class BoxAccount:
    task: "Detection"

    def facets(self, targets: Ragged) -> np.ndarray:
        """How many boxes of every class."""
        counts = np.zeros((len(targets), len(self.task.classes)))
        np.add.at(
            counts, (np.repeat(np.arange(len(targets)), np.diff(targets.offsets)), targets.flat[:, 0].astype(int)), 1
        )
        return counts

    def doubts(self, targets: Ragged, prediction: Ragged) -> Doubts:
        """Overlooked, badly placed and swapped boxes (ObjectLab, Tkachenko et al. 2023)."""
        from cleanlab.object_detection.rank import get_label_quality_scores

        said = only(prediction, prediction.flat[:, 1] >= FAINT)
        labels = [{"bboxes": boxes[:, 1:], "labels": boxes[:, 0].astype(int)} for boxes in targets]
        boxes = [
            [row[row[:, 0] == label][:, [2, 3, 4, 5, 1]] for label in range(len(self.task.classes))] for row in said
        ]
        quality = get_label_quality_scores(
            labels, [np.array([*row, None], object)[:-1] for row in boxes], verbose=False
        )
        return Doubts(quality, quality <= SUSPECT)

    def confusion(self, targets: Ragged, decided: Ragged) -> None:
        return None

    def pair(self, targets: Ragged, decided: Ragged, of: int | None) -> None:
        return None

    def curves(self, targets: Ragged, decided: Ragged) -> Mapping[str, Curve]:
        """At half overlap."""
        boxes, found = matched(targets, decided, len(self.task.classes)), {}
        for label, name in enumerate(self.task.classes):
            true = int((targets.flat[:, 0] == label).sum())
            of_class = np.flatnonzero(boxes.label == label)
            hits = (boxes.found[of_class[np.argsort(-boxes.score[of_class], kind="stable")]] & 1).cumsum()
            if true:
                found[name] = Curve(hits / true, hits / np.arange(1, len(hits) + 1), true)
        return found

    def amounts(self, targets: Ragged, decided: Ragged) -> None:
        return None

    def claims(self, targets: Ragged, prediction: Ragged) -> Claims:
        """Of every box: whether it finds an object of its class, by half, that no better one has found."""
        return Claims(np.clip(prediction.flat[:, 1], 0, 1).astype(np.float64), right(prediction, targets))

    def misses(self, targets: Ragged, prediction: Ragged) -> np.ndarray:
        """1 - the scores of right boxes / (true boxes + the scores of wrong ones); 0 where nothing is true or said."""
        scores, hit = prediction.flat[:, 1].astype(np.float64), right(prediction, targets)
        image = np.repeat(np.arange(len(prediction)), np.diff(prediction.offsets))
        found, false = (np.bincount(image, scores * which, len(prediction)) for which in (hit, ~hit))
        whole = np.diff(targets.offsets) + false
        return np.where(whole > 0, 1 - found / np.maximum(whole, 1e-9), 0.0)

    def perfected(self, targets: Ragged, prediction: Ragged, decided: Ragged, of: int) -> Ragged:
        """The true boxes stand side by side, also those that a fusion would take for one."""
        truth = Ragged(np.insert(targets.flat, 1, 1.0, axis=1), targets.offsets)
        others, perfect = only(decided, decided.flat[:, 0] != of), only(truth, truth.flat[:, 0] == of)
        image, _, rows = together([perfect, others])
        return ragged(image, rows, len(decided))

    def colours(self) -> Mapping[str, Colour]:
        return {name: COLOURS[k % len(COLOURS)] for k, name in enumerate(self.task.classes)}

    def shown(self, targets: Ragged, decided: Ragged) -> tuple[Ragged, str]:
        """Boxes from the score on at which F1 is best, of all classes together."""
        boxes = matched(targets, decided, len(self.task.classes))
        order = np.argsort(-boxes.score, kind="stable")
        hits = (boxes.found[order] & 1).cumsum()
        if not len(order) or not hits[-1]:
            return decided, ""
        f1 = 2 * hits / (np.arange(1, len(hits) + 1) + len(targets.flat))
        least = float(boxes.score[order][f1.argmax()])
        told = f"Boxes are drawn from a score of {least:.2g} on, where F1 is best."
        return only(decided, decided.flat[:, 1] >= least), told

    def words(self, row: np.ndarray) -> str:
        counts = Counter(row[:, 0].astype(int).tolist())
        return ", ".join(f"{count} {self.task.classes[label]}" for label, count in sorted(counts.items())) or "nothing"

    def picture(self, image: np.ndarray, row: np.ndarray) -> np.ndarray:
        return drawn(image, row[:, -4:], [COLOURS[int(label) % len(COLOURS)] for label in row[:, 0]])

    def difference(self, image: np.ndarray, target: np.ndarray, said: np.ndarray) -> tuple[np.ndarray, str]:
        """True boxes that were found or missed, and boxes that find nothing."""
        hit = right(Ragged.of([said]), Ragged.of([target])) if len(said) else np.zeros(0, bool)
        agreement = iou(target[:, 1:], said[hit][:, 2:]) * (target[:, :1] == said[hit][:, 0])
        found = (agreement >= HIT).any(1)
        boxes = np.concatenate([target[found, 1:], said[~hit, 2:], target[~found, 1:]])
        colours = [RIGHT] * int(found.sum()) + [FALSE] * int((~hit).sum()) + [MISSED] * int((~found).sum())
        grey = np.repeat(image.mean(2, keepdims=True), 3, axis=2).astype(np.uint8)
        return drawn(grey, boxes, colours), "green: found; vermilion: missed; blue: nothing there"


def drawn(image: np.ndarray, corners: np.ndarray, colours: list[Colour]) -> np.ndarray:
    """A copy with the outlines of boxes (m, 4), the first on top."""
    import cv2

    canvas = np.ascontiguousarray(image).copy()
    thick = max(1, round(THICK * max(canvas.shape[:2])))
    for box, colour in zip(corners[::-1].tolist(), colours[::-1], strict=True):
        x1, y1, x2, y2 = (round(value) for value in box)
        cv2.rectangle(canvas, (x1, y1), (x2 - 1, y2 - 1), colour, thick)
    return canvas
