"""The training rows as batches of images and encoded targets: a function of (seed, fold, epoch, place) only.

Which rows make up a batch (oversampling, priming), and what of one training tile is pasted into another.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np

from harness.data.samples import Samples
from harness.data.splits import membership
from harness.models import Context
from harness.models.torch_loop.outputs import TargetEncoding

if TYPE_CHECKING:
    from harness.models.torch_loop.learner import TorchLearner

ORDER, PASTE, AUGMENT, PRIME, RECALIBRATE = range(5)  # one stream of random numbers each


class Batches:
    """inputs may be memory-mapped: only the rows of a batch are read."""

    def __init__(self, learner: TorchLearner, encoding: TargetEncoding, train: Samples, context: Context):
        self.learner, self.encoding, self.train, self.context = learner, encoding, train, context
        keep = np.ones(len(train), bool)
        if learner.drop_single_class:
            present = [(train.targets == c).any((1, 2)) for c in encoding.choices]
            keep = np.sum(present, 0) >= 2
        if learner.versus is not None:
            keep &= (train.targets == learner.target_class) | (train.targets == learner.versus)
        self.rows = np.flatnonzero(keep if keep.any() else ~keep)
        marks = learner.oversample(train.targets) if learner.oversample else np.zeros(len(train), bool)
        self.marked = np.asarray(marks, bool)[self.rows]
        self.donors = learner.paste.donors(train.targets) if learner.paste else self.rows[:0]
        self.few = learner.prime.choose(train, self.rows, context.rng(0, PRIME)) if learner.prime else self.rows[:0]
        self.primed = round(learner.prime.share * learner.epochs) if learner.prime else 0  # epochs

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return -(-len(self.rows) // self.learner.batch)

    def epoch(self, epoch: int, first: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The batches of an epoch from the `first` on: images (b, h, w[, c]) as they are stored, targets int16."""
        learner = self.learner
        order = self.order(epoch)
        ends = np.cumsum([len(rows) for rows in order])
        pastes = learner.paste.draw(self.context.rng(epoch, PASTE), ends[-1]) if learner.paste else None
        draws = learner.augment.draw(self.context.rng(epoch, AUGMENT), ends[-1]) if learner.augment else None
        for rows, end in list(zip(order, ends, strict=True))[first:]:
            positions = slice(end - len(rows), end)
            images, targets = self.train.inputs[rows], self.train.targets[rows]
            if learner.paste and pastes is not None:
                learner.paste(images, targets, self.train, self.donors, pastes[positions])
            if learner.augment and draws is not None:
                images, masks = learner.augment(images, targets if targets.ndim > 2 else None, draws[positions])
                targets = targets if masks is None else masks
            yield images, self.encoding.encode(targets)

    def order(self, epoch: int) -> list[np.ndarray]:
        """The rows of every batch of an epoch: as many as there are, in batches of nearly equal size.

        Where some rows are marked and some are not, a share of every batch is marked. Each kind is repeated only after
        all of it was seen; without marks every row is seen once.
        """
        rows, marked, rng = self.rows, self.marked, self.context.rng(epoch, ORDER)
        if epoch < self.primed:
            return np.array_split(repeated(self.few, len(rows), rng), self.steps)
        if marked.all() or not marked.any():
            return np.array_split(rng.permutation(rows), self.steps)
        often = round(self.learner.share * len(rows))
        kinds = repeated(rows[marked], often, rng), repeated(rows[~marked], len(rows) - often, rng)
        pairs = zip(*(np.array_split(kind, self.steps) for kind in kinds), strict=True)
        return [np.concatenate(pair) for pair in pairs]


def repeated(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` of the rows in random order, none a second time before all were there."""
    rounds = math.ceil(count / len(rows))
    return np.concatenate([rng.permutation(rows) for _ in range(rounds)] or [rows[:0]])[:count]


@dataclass(frozen=True)
class Showing:
    """targets -> (n,) bool: the rows that show this class, among their pixels, as their label or as one of several."""

    label: int
    several: bool = False

    def __call__(self, targets: np.ndarray) -> np.ndarray:
        shown = targets[:, self.label] > 0 if self.several else targets == self.label
        return np.asarray(np.reshape(shown, (len(targets), -1)).any(1))


@dataclass(frozen=True, kw_only=True)
class Prime:
    """Few images first, then all: in the first `share` of the epochs every batch holds the same `images`, again and
    again, so that the network finds what makes the classes before it has to find it everywhere.
    """

    images: int = 8
    share: float = 0.2

    def choose(self, train: Samples, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The few of these rows: every kind of sample in turn as long as it lasts, the rarest first."""
        order, chosen = rng.permutation(rows).tolist(), list[int]()
        for kind in cycle(rarest_first(train)):
            if len(chosen) == min(self.images, len(rows)):
                break
            left = [row for row in order if row not in chosen]
            chosen.append(next((row for row in left if kind[row]), left[0]))
        return np.array(chosen)


def rarest_first(samples: Samples) -> Sequence[np.ndarray]:
    """(n,) bool for each kind of sample: the rows of a stratum where the samples bring strata, else those with a label
    in their targets (n, ...).
    """
    if samples.stratify is not None:
        members = list(membership(samples.stratify).T)
    else:
        targets = samples.targets
        members = [(targets == label).reshape(len(targets), -1).any(1) for label in np.unique(targets)]
    return sorted(members, key=np.count_nonzero)


@dataclass(frozen=True, kw_only=True)
class Paste:
    """Copy-paste (Ghiasi et al., arXiv 2012.07177) of regions: all pixels of the classes `of` in a random training
    tile, mirrored half of the time, at a random place in a share of the tiles, with their labels.
    """

    of: tuple[int, ...]
    share: float = 0.3

    def draw(self, rng: np.random.Generator, count: int) -> np.ndarray:
        return rng.random((count, 5))

    def donors(self, targets: np.ndarray) -> np.ndarray:
        """The rows that have something to give."""
        return np.flatnonzero(np.isin(targets, self.of).any((1, 2)))

    def __call__(
        self, images: np.ndarray, masks: np.ndarray, train: Samples, donors: np.ndarray, draws: np.ndarray
    ) -> None:
        """Change images (n, h, w[, 3]) and masks (n, h, w) in place; draws: one row a tile."""
        for tile in np.flatnonzero(draws[:, 0] < self.share) if len(donors) else ():
            _, which, mirrored, down, right = draws[tile]
            donor = donors[int(which * len(donors))]
            step = -1 if mirrored < 0.5 else 1
            image, mask = train.inputs[donor][:, ::step], train.targets[donor][:, ::step]
            region = np.isin(mask, self.of)
            ys, xs = np.flatnonzero(region.any(1)), np.flatnonzero(region.any(0))
            source = slice(ys[0], ys[-1] + 1), slice(xs[0], xs[-1] + 1)
            cut = region[source]
            top, left = int(down * (len(mask) - len(cut) + 1)), int(right * (mask.shape[1] - cut.shape[1] + 1))
            place = slice(top, top + cut.shape[0]), slice(left, left + cut.shape[1])
            images[tile][place][cut] = image[source][cut]
            masks[tile][place][cut] = mask[source][cut]
