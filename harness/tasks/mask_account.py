"""What masks tell beside a score: the confusion of all pixels, and the pictures under their labels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.metrics import chunks
from harness.metrics.confusion import confusion_per_image
from harness.tasks import ClassSpecialist
from harness.tasks.accounts import COLOURS, MISSED, Claims, Colour, Curve, Doubts

if TYPE_CHECKING:
    from harness.tasks.segmentation import Segmentation

AT_ONCE = 256  # images
SUSPECT, MUCH = 0.1, 0.25  # a probability of the truth; the share of the labelled pixels with less


@dataclass(frozen=True)
class MaskAccount:
    task: "Segmentation"

    def facets(self, targets: np.ndarray) -> np.ndarray:
        """The share of every label."""
        return np.stack([(np.asarray(targets) == label).mean((1, 2)) for label in range(len(self.task.classes))], 1)

    def doubts(self, targets: np.ndarray, prediction: np.ndarray) -> Doubts:
        """By the soft minimum over labelled pixels of the truth's probability (Lad and Mueller 2023); doubted where
        much of them is all but impossible: at the edges of regions, some pixels always are.
        """
        parts = [self._doubts(targets[rows], prediction[rows]) for rows in chunks(len(targets), AT_ONCE)]
        return Doubts(*map(np.concatenate, zip(*parts, strict=True)))

    def _doubts(self, targets: np.ndarray, prediction: np.ndarray) -> Doubts:
        from cleanlab.segmentation.rank import get_label_quality_scores

        probs = np.array(prediction, np.float32)
        if self.task.void is not None:
            probs[:, self.task.void] = 1  # a pixel without a label is not doubted
        quality, given = get_label_quality_scores(np.asarray(targets, int), probs, verbose=False)
        impossible = (given <= SUSPECT).sum((1, 2)) / np.maximum(self._labelled(targets).sum((1, 2)), 1)
        return Doubts(quality, impossible >= MUCH)

    def confusion(self, targets: np.ndarray, decided: np.ndarray) -> np.ndarray:
        """Pooled pixels; of unlabelled ones nothing is true, and their row is 0."""
        size = len(self.task.classes)
        counts = sum(
            confusion_per_image(targets[rows], decided[rows], size).sum(0, dtype=np.int64)
            for rows in chunks(len(decided), AT_ONCE)
        )
        counts = np.asarray(counts)
        if self.task.void is not None:
            counts[self.task.void] = 0
        return counts

    def pair(self, targets: np.ndarray, decided: np.ndarray, of: int | None) -> None:
        return None

    def curves(self, targets: np.ndarray, decided: np.ndarray) -> Mapping[str, Curve]:
        return {}

    def amounts(self, targets: np.ndarray, decided: np.ndarray) -> None:
        return None

    def claims(self, targets: np.ndarray, prediction: np.ndarray) -> Claims:
        """Of the most probable label under every labelled pixel."""
        probs = np.asarray(prediction, np.float32)[:, self.task.choices]
        labelled = self._labelled(targets)
        said = np.array(self.task.choices)[probs.argmax(1)]
        return Claims(probs.max(1)[labelled], (said == targets)[labelled])

    def misses(self, targets: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        """1 - the mean probability of the truth under the labelled pixels; 0 where there are none."""
        given = np.take_along_axis(prediction, np.asarray(targets, np.int64)[:, None], 1)[:, 0].astype(np.float64)
        labelled = self._labelled(targets)
        return (labelled * (1 - given)).sum((1, 2)) / np.maximum(labelled.sum((1, 2)), 1)

    def _labelled(self, targets: np.ndarray) -> np.ndarray:
        return np.ones(targets.shape, bool) if self.task.void is None else np.asarray(targets) != self.task.void

    def perfected(self, targets: np.ndarray, prediction: np.ndarray, decided: np.ndarray, of: int) -> np.ndarray:
        """Where the class was said wrongly, the next most probable one stands."""
        others = self.task.decide(prediction, class_specialist=ClassSpecialist("truth", of, 1.0, np.inf))
        return np.where(targets == of, np.uint8(of), np.where(decided == of, others, decided))

    def colours(self) -> Mapping[str, Colour]:
        """Of all but the label 0, which stays bare."""
        return {name: COLOURS[k % len(COLOURS)] for k, name in enumerate(self.task.classes[1:])}

    def shown(self, targets: np.ndarray, decided: np.ndarray) -> tuple[np.ndarray, str]:
        return decided, ""

    def words(self, row: np.ndarray) -> str:
        return ""

    def picture(self, image: np.ndarray, row: np.ndarray) -> np.ndarray:
        return self.task.picture(image, row)

    def difference(self, image: np.ndarray, target: np.ndarray, said: np.ndarray) -> tuple[np.ndarray, str]:
        """Wrong pixels are coloured, right ones grey, unlabelled ones pale."""
        grey = np.repeat(image.mean(2, keepdims=True), 3, axis=2)
        labelled = self._labelled(target[None])[0]
        pale = np.where(labelled[..., None], grey, 0.25 * grey + 0.75 * 235)
        wrong = (labelled & (target != said))[..., None]
        drawn = np.where(wrong, 0.2 * grey + 0.8 * np.array(MISSED), pale)
        key = "vermilion: wrong" if labelled.all() else "vermilion: wrong; pale: unlabelled"
        return np.rint(drawn).astype(np.uint8), key
