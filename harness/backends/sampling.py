"""Which rows make up a batch, and what of one training tile is pasted into another. All of it drawn by a given rng."""

import math
from dataclasses import dataclass

import numpy as np

from harness.samples import Samples


def batches(
    rows: np.ndarray, marked: np.ndarray, share: float, batch: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """One epoch: as many rows as there are, in batches of nearly equal size, at most `batch`.

    marked: (n,) bool; where some rows are marked and some are not, a share of every batch is marked. Each kind is
    repeated only after all of it was seen; without marks every row is seen once.
    """
    steps = math.ceil(len(rows) / batch)
    if marked.all() or not marked.any():
        return np.array_split(rng.permutation(rows), steps)
    often = round(share * len(rows))
    kinds = repeated(rows[marked], often, rng), repeated(rows[~marked], len(rows) - often, rng)
    return [np.concatenate(pair) for pair in zip(*(np.array_split(kind, steps) for kind in kinds), strict=True)]


def repeated(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` of the rows in random order, none a second time before all were there."""
    rounds = math.ceil(count / len(rows))
    return np.concatenate([rng.permutation(rows) for _ in range(rounds)] or [rows[:0]])[:count]


def several_classes(targets: np.ndarray, void: int | None) -> np.ndarray:
    """(n,) bool: masks (n, h, w) with at least two classes besides void."""
    present = [(targets == c).any((1, 2)) for c in range(int(targets.max(initial=0)) + 1) if c != void]
    return np.sum(present, 0) >= 2


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
