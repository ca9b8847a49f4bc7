"""The training rows as batches of images and encoded targets: a function of (seed, fold, epoch, place) only.

Which rows make up a batch (oversampling, priming), and what of one training tile is pasted into another.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.data.bit_sets import pixels_of
from harness.data.images import EncodedImages
from harness.data.samples import Samples
from harness.data.sized_masks import Masks, rows_showing
from harness.data.splits import membership
from harness.errors import UserError
from harness.models import Context
from harness.models.torch_loop.crops import DRAWS, PADDING, Crops, Remembered, Whole, repeated_rows
from harness.models.torch_loop.outputs import TargetEncoding

if TYPE_CHECKING:
    from harness.models.torch_loop.learner import TorchLearner

ORDER, PASTE, AUGMENT, PRIME, RECALIBRATE, CROP, VALIDATE = range(7)  # one stream of random numbers each


class Batches:
    """inputs may be memory-mapped: only the rows of a batch are read."""

    def __init__(self, learner: TorchLearner, encoding: TargetEncoding, train: Samples, context: Context):
        require_crop(learner, train, encoding)
        if learner.crop and isinstance(train.inputs, EncodedImages):
            train = replace(train, inputs=Remembered(train.inputs))
        self.learner, self.encoding, self.train, self.context = learner, encoding, train, context
        if getattr(learner.oversample, "several", encoding.several) != encoding.several:
            raise UserError(
                f"oversample={learner.oversample} does not go with the targets; Showing(class, several=True) is for "
                "several labels a row or a pixel"
            )
        keep = np.ones(len(train), bool)
        if learner.drop_single_class and encoding.several:
            keep = np.array([(mask != mask[0, 0]).any() for mask in train.targets], bool)
        elif learner.drop_single_class:
            present = [rows_showing(train.targets, c) for c in encoding.choices]
            keep = np.sum(present, 0) >= 2
        if learner.versus is not None:
            keep &= (train.targets == learner.target_class) | (train.targets == learner.versus)
        rows = np.flatnonzero(keep if keep.any() else ~keep)
        self.rows = self.repeated(rows, train)
        marks = learner.oversample(train.targets) if learner.oversample else np.zeros(len(train), bool)
        self.marks = np.asarray(marks, bool)
        several = encoding.several
        self.donors = learner.paste.donors(train.targets, several) if learner.paste else rows[:0]
        self.few = learner.prime.choose(train, rows, context.rng(0, PRIME)) if learner.prime else rows[:0]
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
        parts = self.parts(self.train, np.concatenate(order), self.context.rng(epoch, CROP), self.marks)
        pastes = learner.paste.draw(self.context.rng(epoch, PASTE), ends[-1]) if learner.paste else None
        draws = learner.augment.draw(self.context.rng(epoch, AUGMENT), ends[-1]) if learner.augment else None
        for rows, end in list(zip(order, ends, strict=True))[first:]:
            positions = slice(end - len(rows), end)
            images, targets = parts[positions]
            if learner.paste and pastes is not None:
                learner.paste(images, targets, self.train, self.donors, pastes[positions], self.encoding.several)
            if learner.augment and draws is not None:
                images, masks = learner.augment(images, targets if targets.ndim > 2 else None, draws[positions])
                targets = targets if masks is None else masks
            yield images, self.encoding.encode(targets)

    def repeated(self, rows: np.ndarray, samples: Samples) -> np.ndarray:
        """The rows, each as often as an epoch sees it: once, or where there are crops, as many as cover the image."""
        crop = self.learner.crop
        return rows if crop is None else repeated_rows(rows, samples.targets, crop)

    def parts(
        self, samples: Samples, rows: np.ndarray, rng: np.random.Generator, marks: np.ndarray | None = None
    ) -> Whole | Crops:
        """What the network sees of these rows: all of each, or a random crop where the learner declares its size.

        marks: (n,) bool, the rows of which half of the crops show their class in the middle.
        """
        learner = self.learner
        if learner.crop is None:
            return Whole(samples, rows)
        labels = [learner.oversample.label] if isinstance(learner.oversample, Showing) else self.encoding.choices
        marked = np.zeros(len(samples), bool) if marks is None else marks
        draws = rng.random((len(rows), DRAWS))
        return Crops(samples, rows, learner.crop, draws, marked, labels, self.encoding.several)

    def order(self, epoch: int) -> list[np.ndarray]:
        """The rows of every batch of an epoch: as many as there are, in batches of nearly equal size.

        Where some rows are marked and some are not, a share of every batch is marked. Each kind is repeated only after
        all of it was seen; without marks every row is seen once.
        """
        rows, marked, rng = self.rows, self.marks[self.rows], self.context.rng(epoch, ORDER)
        if epoch < self.primed:
            return np.array_split(repeated(self.few, len(rows), rng), self.steps)
        if marked.all() or not marked.any():
            return np.array_split(rng.permutation(rows), self.steps)
        often = round(self.learner.share * len(rows))
        kinds = repeated(rows[marked], often, rng), repeated(rows[~marked], len(rows) - often, rng)
        pairs = zip(*(np.array_split(kind, self.steps) for kind in kinds), strict=True)
        return [np.concatenate(pair) for pair in pairs]


def require_crop(learner: TorchLearner, train: Samples, encoding: TargetEncoding) -> None:
    """Raise `UserError` where images of several sizes would need a crop, or crops are of no use."""
    of_masks, classes = train.targets.ndim > 2, len(encoding.task.classes)
    if learner.crop and of_masks and classes in ((8, 16) if encoding.several else range(PADDING + 1, 1000)):
        raise UserError(
            f"crop= is not for {classes} {'overlapping ' * encoding.several}classes: no number is left to mark what is "
            "beyond a border; declare one class less or more"
        )
    if learner.crop and not of_masks:
        raise UserError(
            "crop= is for masks, which are cropped too; here a whole image has one answer: resize large images with "
            "size= where they are read"
        )
    if isinstance(train.inputs, EncodedImages) and not learner.crop:
        crop = "declare crop=(256, 256) in the model, or " if of_masks else ""
        raise UserError(
            f"the images have several sizes, and a network sees one; {crop}resize them with size= where they are read"
        )


def repeated(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` of the rows in random order, none a second time before all were there."""
    rounds = math.ceil(count / len(rows))
    return np.concatenate([rng.permutation(rows) for _ in range(rounds)] or [rows[:0]])[:count]


@dataclass(frozen=True)
class Showing:
    """targets -> (n,) bool: the rows that show this class, among their pixels, as their label or as one of several."""

    label: int
    several: bool = False

    def __call__(self, targets: Any) -> np.ndarray:
        if self.several and targets.ndim == 2:
            return targets[:, self.label] > 0
        return rows_showing(targets, self.label, self.several)


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
    in their targets (n, ...) or `Masks`.
    """
    if samples.stratify is not None:
        members = list(membership(samples.stratify).T)
    else:
        targets = samples.targets
        labels = np.unique(targets.pixels if isinstance(targets, Masks) else targets)
        members = [rows_showing(targets, label) for label in labels]
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

    def donors(self, targets: Any, several: bool = False) -> np.ndarray:
        """The rows that have something to give. several: the masks hold sets of classes."""
        return np.flatnonzero(np.any([rows_showing(targets, label, several) for label in self.of], axis=0))

    def region(self, masks: np.ndarray, several: bool) -> np.ndarray:
        """(...) bool: the pixels that are given."""
        return np.any([pixels_of(masks, label, several) for label in self.of], axis=0)

    def __call__(
        self,
        images: np.ndarray,
        masks: np.ndarray,
        train: Samples,
        donors: np.ndarray,
        draws: np.ndarray,
        several: bool = False,
    ) -> None:
        """Change images (n, h, w[, 3]) and masks (n, h, w) in place; draws: one row a tile."""
        for tile in np.flatnonzero(draws[:, 0] < self.share) if len(donors) else ():
            _, which, mirrored, down, right = draws[tile]
            donor = donors[int(which * len(donors))]
            step = -1 if mirrored < 0.5 else 1
            image, mask = train.inputs[donor][:, ::step], train.targets[donor][:, ::step]
            region = self.region(mask, several)
            ys, xs = np.flatnonzero(region.any(1)), np.flatnonzero(region.any(0))
            height, width = images.shape[1:3]  # of a large image, as much as fits
            source = slice(ys[0], min(ys[-1] + 1, ys[0] + height)), slice(xs[0], min(xs[-1] + 1, xs[0] + width))
            cut = region[source]
            top, left = int(down * (height - len(cut) + 1)), int(right * (width - cut.shape[1] + 1))
            place = slice(top, top + cut.shape[0]), slice(left, left + cut.shape[1])
            images[tile][place][cut] = image[source][cut]
            masks[tile][place][cut] = mask[source][cut]
