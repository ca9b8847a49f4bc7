"""Diagnostics of boxes: precision and recall, the worth of a score, label issues, and images with the boxes."""

from collections import Counter
from collections.abc import Mapping

import numpy as np

from harness.data.samples import Ragged
from harness.metrics.average_precision import matched
from harness.metrics.boxes import iou, only, ragged, together
from harness.report.diagnostics.defaults import COLOURS, CORRECT, FALSE, MISSED, Colour, Diagnostics, LabelIssues
from harness.tasks.detection import HIT, right

LOW_QUALITY = 0.25  # the quality of an image's boxes; of 78 real images, with cells left out, a tenth
FAINT = 0.5  # lower scores say nothing about a label, by ObjectLab's own thresholds
THICK = 1 / 130  # of the longer side: a line that survives the shrinking of an image


class BoxDiagnostics(Diagnostics):
    def label_issues(self, targets: Ragged, prediction: Ragged) -> LabelIssues:
        """Find overlooked, badly placed and swapped boxes (ObjectLab, Tkachenko et al. 2023)."""
        from cleanlab.object_detection.rank import get_label_quality_scores

        sure, classes = only(prediction, prediction.flat[:, 1] >= FAINT), range(len(self.task.classes))
        labels = [{"bboxes": boxes[:, 1:], "labels": boxes[:, 0].astype(int)} for boxes in targets]
        by_class = [[row[row[:, 0] == label][:, [2, 3, 4, 5, 1]] for label in classes] for row in sure]
        # the trailing None keeps numpy from making one array of boxes that happen to have the same shape
        predictions = [np.array([*boxes, None], object)[:-1] for boxes in by_class]
        quality = get_label_quality_scores(labels, predictions, verbose=False)
        return LabelIssues(quality, quality <= LOW_QUALITY)

    def errors(self, targets: Ragged, prediction: Ragged) -> np.ndarray:
        """1 - the scores of right boxes / (true boxes + the scores of wrong ones); 0 without any box."""
        scores, hit = prediction.flat[:, 1].astype(np.float64), right(prediction, targets)
        image = np.repeat(np.arange(len(prediction)), np.diff(prediction.offsets))
        found, false = (np.bincount(image, scores * which, len(prediction)) for which in (hit, ~hit))
        whole = np.diff(targets.offsets) + false
        return np.where(whole > 0, 1 - found / np.maximum(whole, 1e-9), 0.0)

    def with_perfect_class(self, targets: Ragged, prediction: Ragged, decided: Ragged, label: int) -> Ragged:
        """All true boxes of the class, also those that a fusion would take for one."""
        truth = Ragged(np.insert(targets.flat, 1, 1.0, axis=1), targets.offsets)
        others, perfect = only(decided, decided.flat[:, 0] != label), only(truth, truth.flat[:, 0] == label)
        image, _, rows = together([perfect, others])
        return ragged(image, rows, len(decided))

    def precision_recall(self, targets: Ragged, decided: Ragged) -> Mapping[str, tuple[np.ndarray, np.ndarray]]:
        """At half overlap."""
        boxes, curves = matched(targets, decided, len(self.task.classes)), {}
        for label, name in enumerate(self.task.classes):
            true = int((targets.flat[:, 0] == label).sum())
            of_class = np.flatnonzero(boxes.label == label)
            hits = (boxes.found[of_class[np.argsort(-boxes.score[of_class], kind="stable")]] & 1).cumsum()
            if true:
                curves[name] = (hits / true, hits / np.arange(1, len(hits) + 1))
        return curves

    def confidence(self, targets: Ragged, prediction: Ragged) -> tuple[np.ndarray, np.ndarray]:
        """The score of every box; right where it finds an object of its class that no better box has found."""
        return np.clip(prediction.flat[:, 1], 0, 1).astype(np.float64), right(prediction, targets)

    def colours(self) -> Mapping[str, Colour]:
        return {name: COLOURS[k % len(COLOURS)] for k, name in enumerate(self.task.classes)}

    def drawable(self, targets: Ragged, decided: Ragged) -> tuple[Ragged, str]:
        """Boxes above the score at which F1 is best, over all classes together."""
        boxes = matched(targets, decided, len(self.task.classes))
        order = np.argsort(-boxes.score, kind="stable")
        hits = (boxes.found[order] & 1).cumsum()
        if not len(order) or not hits[-1]:
            return decided, ""
        f1 = 2 * hits / (np.arange(1, len(hits) + 1) + len(targets.flat))
        least = float(boxes.score[order][f1.argmax()])
        note = f"Boxes are drawn from a score of {least:.2g} on, where F1 is best."
        return only(decided, decided.flat[:, 1] >= least), note

    def describe(self, row: np.ndarray) -> str:
        counts = Counter(row[:, 0].astype(int).tolist())
        return ", ".join(f"{count} {self.task.classes[label]}" for label, count in sorted(counts.items())) or "nothing"

    def draw(self, image: np.ndarray, row: np.ndarray) -> np.ndarray:
        return outlined(image, row[:, -4:], [COLOURS[int(label) % len(COLOURS)] for label in row[:, 0]])

    def draw_difference(self, image: np.ndarray, target: np.ndarray, decided: np.ndarray) -> tuple[np.ndarray, str]:
        """True boxes that were found or missed, and boxes that find nothing."""
        hit = right(Ragged.of([decided]), Ragged.of([target])) if len(decided) else np.zeros(0, bool)
        agreement = iou(target[:, 1:], decided[hit][:, 2:]) * (target[:, :1] == decided[hit][:, 0])
        found = (agreement >= HIT).any(1)
        boxes = np.concatenate([target[found, 1:], decided[~hit, 2:], target[~found, 1:]])
        colours = [CORRECT] * int(found.sum()) + [FALSE] * int((~hit).sum()) + [MISSED] * int((~found).sum())
        grey = np.repeat(image.mean(2, keepdims=True), 3, axis=2).astype(np.uint8)
        return outlined(grey, boxes, colours), "green: found; vermilion: missed; blue: nothing there"


def outlined(image: np.ndarray, corners: np.ndarray, colours: list[Colour]) -> np.ndarray:
    """A copy with the outlines of boxes (m, 4), the first on top."""
    import cv2

    canvas = np.ascontiguousarray(image).copy()
    thick = max(1, round(THICK * max(canvas.shape[:2])))
    for box, colour in zip(corners[::-1].tolist(), colours[::-1], strict=True):
        x1, y1, x2, y2 = (round(value) for value in box)
        cv2.rectangle(canvas, (x1, y1), (x2 - 1, y2 - 1), colour, thick)
    return canvas
