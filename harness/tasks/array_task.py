"""What classification, segmentation and regression share: their predictions are arrays with one row a sample."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness.metrics import chunks
from harness.tasks import ClassSpecialist, Task

CHUNK = 128  # rows at once: 21 MB of float32 at 5 x 64 x 128


class ArrayTask(Task):
    """Predictions (n, classes, ...) of probabilities, classes on axis 1; or (n,) numbers, where there are no classes.

    part: the name of the stored array. dtype: of predictions in memory; stored_dtype: on disk.
    """

    part: str = "probabilities"
    dtype: type[np.floating] = np.float32
    stored_dtype: type[np.floating] = np.float16

    def row_bytes(self, targets: Any) -> int:
        return np.dtype(self.stored_dtype).itemsize * max(1, len(self.classes))

    @property
    def choices(self) -> list[int]:
        """The labels that may be predicted."""
        return [c for c in range(len(self.classes)) if c != self.void]

    # -- stored --------------------------------------------------------------------------------------------------------

    def pack(self, prediction: np.ndarray) -> dict[str, np.ndarray]:
        return {self.part: np.asarray(prediction, self.stored_dtype)}

    def unpack(self, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        return arrays[self.part]

    def join(self, predictions: Sequence[np.ndarray]) -> np.ndarray:
        return np.concatenate(predictions)

    # -- combined ------------------------------------------------------------------------------------------------------

    def average(self, predictions: Sequence[np.ndarray], weights: Sequence[float]) -> np.ndarray:
        """Summed in float32, a few rows at a time, so that members on disk are never in memory as a whole."""
        if len(predictions) == 1:
            return predictions[0]
        shares = np.asarray(weights, np.float32) / np.float32(np.sum(weights))
        mean = np.empty(predictions[0].shape, self.dtype)
        for rows in chunks(len(mean), CHUNK):
            total = np.zeros(mean[rows].shape, np.float32)
            for prediction, share in zip(predictions, shares, strict=True):
                total += share * np.asarray(prediction[rows], np.float32)
            mean[rows] = total
        return mean

    def expand(self, presence: np.ndarray, target_class: int) -> np.ndarray:
        """(n, ...) probability of one class, as a binary network gives it, to all classes.

        The other classes share the rest evenly; with several labels a row they have 0.
        """
        others = [c for c in self.choices if c != target_class]
        probs = np.zeros((len(presence), len(self.classes), *presence.shape[1:]), self.dtype)
        probs[:, others] = 0 if self.multilabel else ((1 - presence) / len(others))[:, None]
        probs[:, target_class] = presence
        return probs

    def blend_class(
        self, prediction: Any, specialist: Any, target_class: int, share: float, versus: int | None = None
    ) -> np.ndarray:
        """p'_c = (1 - share) p_c + share s_c for one class c; the other classes keep their proportions in the rest.

        versus: the specialist separates the two classes only. They keep the sum that they have, and it is what s_c
        is a share of; the other classes stay as they are. With several labels a row the others stay, too.
        """
        changed = np.empty(prediction.shape, self.dtype)
        for rows in chunks(len(changed), CHUNK):
            probs, own = np.array(prediction[rows], np.float32), np.asarray(specialist[rows, target_class], np.float32)
            before = probs[:, target_class].copy()
            if versus is not None:
                both = before + probs[:, versus]
                after = (1 - share) * before + share * own * both
                probs[:, versus] = both - after
            else:
                after = (1 - share) * before + share * own
                if not self.multilabel:
                    probs *= ((1 - after) / np.maximum(probs.sum(1) - before, 1e-6))[:, None]
            probs[:, target_class] = after
            changed[rows] = probs
        return changed

    # -- decided -------------------------------------------------------------------------------------------------------

    def most_probable(
        self,
        prediction: np.ndarray,
        offsets: Sequence[float] | None,
        specialist: ClassSpecialist | None,
        dtype: type[np.integer],
    ) -> np.ndarray:
        """(n, ...) labels: the largest of log-probability plus offset, never void.

        A specialist with a threshold decides its class alone: it wins where its probability, without offset, is above.
        """
        decides = specialist is not None and specialist.threshold is not None
        choices = [c for c in self.choices if specialist is None or not decides or c != specialist.target_class]
        factors = np.exp(np.zeros(len(self.classes)) if offsets is None else np.asarray(offsets)).astype(np.float32)
        labels = np.empty((len(prediction), *prediction.shape[2:]), dtype)
        for rows in chunks(len(labels), CHUNK):
            probs = prediction[rows]
            best = probs[:, choices[0]] * factors[choices[0]]
            chosen = np.full(best.shape, choices[0], dtype)
            for c in choices[1:]:  # planes in turn: numpy's argmax over axis 1 is far slower
                value = probs[:, c] * factors[c]
                np.maximum(chosen, (value > best).view(np.uint8) * dtype(c), out=chosen)  # choices rise: no branch
                np.maximum(best, value, out=best)
            if specialist is not None and specialist.threshold is not None:
                chosen[probs[:, specialist.target_class] > specialist.threshold] = specialist.target_class
            labels[rows] = chosen
        return labels
