"""How a task's labels become a network's outputs, and its probabilities a prediction of the task.

The void class has no output, so nothing can predict it and no loss sees it; a specialist's network has one.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from harness.data.bit_sets import pixels_of, unpacked
from harness.data.sized_masks import in_batches
from harness.errors import UserError
from harness.models.losses import IGNORED
from harness.models.torch_loop.crops import PADDING
from harness.tasks import Task


@dataclass(frozen=True)
class TargetEncoding:
    """target_class: the one class to tell from the rest, or None.

    several: whether targets are (n, classes) of 0 and 1, or masks of sets, (n, h, w).

    versus: the one other class to tell `target_class` from; all further ones are ignored.
    """

    task: Task
    target_class: int | None = None
    several: bool = False
    versus: int | None = None

    @cached_property
    def choices(self) -> list[int]:
        """The labels that may be predicted."""
        return [c for c in range(len(self.task.classes)) if c != self.task.void]

    @property
    def outputs(self) -> int:
        """The number of logits of the network."""
        return len(self.choices) if self.target_class is None else 1

    @cached_property
    def codes(self) -> np.ndarray:
        """What each label is to the losses; `PADDING` is ignored. int16: a look-up of int64 takes 10 times as long."""
        codes = np.full(max(len(self.task.classes), PADDING + 1), IGNORED, np.int16)
        codes[self.choices] = (
            [c == self.target_class for c in self.choices] if self.target_class is not None else range(self.outputs)
        )
        if self.versus is not None:
            codes[[c for c in self.choices if c not in (self.target_class, self.versus)]] = IGNORED
        return codes

    @property
    def independent(self) -> bool:
        """Whether every output has a probability of its own (sigmoid), or all share one (softmax)."""
        return self.several or self.target_class is not None

    def encode(self, targets: np.ndarray) -> np.ndarray:
        """(n, ...) int16 codes, or (n, outputs, ...) of 0 and 1 where there are several labels.

        A pixel whose set holds a bit of no class is beyond a border: it is ignored.
        """
        if self.several != (self.task.multilabel and targets.ndim > 1):
            raise UserError(
                f"targets of shape {targets.shape} do not go with this loss: several labels a row or a pixel need "
                "loss=binary_cross_entropy, alone or with an overlap loss, and all others another"
            )
        if not self.several:
            return self.codes.take(targets)
        chosen = slice(None) if self.target_class is None else [self.target_class]
        if targets.ndim == 2:
            return targets[:, chosen].astype(np.int16)
        classes = len(self.task.classes)
        beyond = (targets >> classes != 0)[:, None]
        return np.where(beyond, np.int16(IGNORED), unpacked(targets, classes)[:, chosen])

    def decode(self, probs: np.ndarray) -> Any:
        """(n, outputs, ...) probabilities to (n, classes, ...) float16, void exactly 0."""
        if self.target_class is not None:
            return self.task.expand(probs[:, 0], self.target_class)
        if self.task.void is None:
            return probs.astype(np.float16)
        prediction = np.zeros((len(probs), len(self.task.classes), *probs.shape[2:]), np.float16)
        prediction[:, self.choices] = probs
        return prediction

    def count(self, targets: Any) -> np.ndarray:
        """How many targets each loss class has, without void: (outputs,), or (2,) for a specialist."""
        if self.several and targets.ndim == 2:
            return targets.sum(0, dtype=np.int64)
        if self.several:
            shown = [[np.count_nonzero(pixels_of(mask, label, True)) for label in self.choices] for mask in targets]
            return np.array(shown, np.int64).sum(0)
        codes = self.codes
        counts = np.zeros(len(codes), np.int64)
        for (some,) in in_batches(256, targets):
            counts += np.bincount(some.ravel(), minlength=len(counts))
        return np.bincount(codes[codes >= 0], counts[codes >= 0], max(2, self.outputs)).astype(np.int64)
