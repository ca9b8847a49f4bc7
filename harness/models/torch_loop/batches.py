"""The training rows as batches of uint8 images and encoded targets: a function of (seed, fold, epoch, place) only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from harness.data.samples import Samples
from harness.models import Context
from harness.models.torch_loop.outputs import Labels
from harness.models.torch_loop.sampling import batches, repeated, several_classes

if TYPE_CHECKING:
    from harness.models.torch_loop.learner import TorchLearner

ORDER, PASTE, AUGMENT, PRIME, NORMS = range(5)  # one stream of random numbers each


class Batches:
    """inputs may be memory-mapped: only the rows of a batch are read."""

    def __init__(self, learner: TorchLearner, labels: Labels, train: Samples, context: Context):
        self.learner, self.labels, self.train, self.context = learner, labels, train, context
        keep = np.ones(len(train), bool)
        if learner.drop_single_class:
            keep = several_classes(train.targets, context.task.void)
        if learner.versus is not None:
            keep &= (train.targets == learner.target_class) | (train.targets == learner.versus)
        self.rows = np.flatnonzero(keep if keep.any() else ~keep)
        marks = learner.oversample(train.targets) if learner.oversample else np.zeros(len(train), bool)
        self.marked = np.asarray(marks, bool)[self.rows]
        self.donors = learner.paste.donors(train.targets) if learner.paste else self.rows[:0]
        self.few = learner.prime.choose(train, self.rows, self.rng(0, PRIME)) if learner.prime else self.rows[:0]
        self.primed = learner.prime.epochs(learner.epochs) if learner.prime else 0

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return -(-len(self.rows) // self.learner.batch)

    def epoch(self, epoch: int, first: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The batches of an epoch from the `first` on: images (b, h, w[, 3]) uint8, targets (b, ...) int16."""
        learner = self.learner
        order = self.order(epoch)
        ends = np.cumsum([len(rows) for rows in order])
        pastes = learner.paste.draw(self.rng(epoch, PASTE), ends[-1]) if learner.paste else None
        draws = learner.augment.draw(self.rng(epoch, AUGMENT), ends[-1]) if learner.augment else None
        for rows, end in list(zip(order, ends, strict=True))[first:]:
            positions = slice(end - len(rows), end)
            images, targets = self.train.inputs[rows], self.train.targets[rows]
            if learner.paste and pastes is not None:
                learner.paste(images, targets, self.train, self.donors, pastes[positions])
            if learner.augment and draws is not None:
                images, masks = learner.augment(images, targets if targets.ndim > 1 else None, draws[positions])
                targets = targets if masks is None else masks
            yield images, self.labels.encode(targets)

    def order(self, epoch: int) -> list[np.ndarray]:
        """The rows of every batch of an epoch."""
        learner, rng = self.learner, self.rng(epoch, ORDER)
        if epoch < self.primed:
            return np.array_split(repeated(self.few, len(self.rows), rng), self.steps)
        return batches(self.rows, self.marked, learner.share, learner.batch, rng)

    def rng(self, epoch: int, stream: int) -> np.random.Generator:
        return np.random.default_rng([self.context.seed, self.context.fold, epoch, stream])
