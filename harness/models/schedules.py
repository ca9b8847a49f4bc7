"""How the learning rate moves, and when to stop early: pure functions of progress and of the losses so far.

Nothing here holds state, so a resumed run has none to restore.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol


class Schedule(Protocol):
    """watches: whether it needs the loss on the validation rows after every epoch.

    ends: the shares of all steps behind which the weights are taken; their mean is kept then, and the moving average
    where there are none. fork: the share behind which the weights are taken that training returns to after every one
    of the ends; None: it goes on from there.
    """

    watches: ClassVar[bool]

    @property
    def ends(self) -> tuple[float, ...]: ...

    @property
    def fork(self) -> float | None: ...

    def factor(self, done: float, losses: Sequence[float]) -> float:
        """What the learning rate is multiplied with where a share `done` in [0, 1) of all steps lies behind."""


@dataclass(frozen=True, kw_only=True)
class Constant:
    """warmup: the share of all steps in which the rate climbs to its height, in every schedule here."""

    warmup: float = 0.0
    watches: ClassVar[bool] = False
    ends: ClassVar[tuple[float, ...]] = ()
    fork: ClassVar[float | None] = None

    def factor(self, done: float, losses: Sequence[float]) -> float:
        return climb(done, self.warmup)


@dataclass(frozen=True, kw_only=True)
class WarmupCosine:
    """Half a cosine from the height down to the share `final` of it (Loshchilov and Hutter, arXiv 1608.03983)."""

    warmup: float = 0.05
    final: float = 0.0
    watches: ClassVar[bool] = False
    ends: ClassVar[tuple[float, ...]] = ()
    fork: ClassVar[float | None] = None

    def factor(self, done: float, losses: Sequence[float]) -> float:
        return min(climb(done, self.warmup), fall((done - self.warmup) / (1 - self.warmup), self.final))


@dataclass(frozen=True, kw_only=True)
class CosineRestarts:
    """SGDR, the same paper: `cycles` cosines one after the other, each `longer` times as long as the one before.

    snapshots: keep the mean of the weights at the ends of so many last cycles, in place of the moving average; the
    cycles are those of snapshot ensembles (Huang et al. 2017, arXiv 1704.00109), the mean is of weights and costs one
    prediction (Izmailov et al. 2018, arXiv 1803.05407).

    soup: each of these cycles begins where the first of them began, with a new optimizer, so that the mean is a model
    soup (Wortsman et al. 2022, arXiv 2203.05482): of trainings that differ in the order and the changes of their rows.
    The cycles before bring what they share: a head on a frozen backbone, say, or the first epochs from random weights,
    without which the trainings lie in no common valley, as those of different folds do not.
    """

    cycles: int = 3
    longer: float = 2.0
    warmup: float = 0.05
    final: float = 0.0
    snapshots: int = 0
    soup: bool = False
    watches: ClassVar[bool] = False

    @property
    def lengths(self) -> list[float]:
        return [self.longer**cycle for cycle in range(self.cycles)]

    @property
    def ends(self) -> tuple[float, ...]:
        return tuple(self._behind(cycle + 1) for cycle in range(self._first, self.cycles))

    @property
    def fork(self) -> float | None:
        return self._behind(self._first) if self.soup else None

    @property
    def _first(self) -> int:
        """Of the cycles whose ends are kept."""
        return max(0, self.cycles - self.snapshots)

    def _behind(self, cycles: int) -> float:
        """The share of all steps that so many cycles take, with the warm-up."""
        return self.warmup + (1 - self.warmup) * sum(self.lengths[:cycles]) / sum(self.lengths)

    def factor(self, done: float, losses: Sequence[float]) -> float:
        lengths = self.lengths
        left = max(0.0, done - self.warmup) / (1 - self.warmup) * sum(lengths)
        while len(lengths) > 1 and left >= lengths[0]:
            left -= lengths.pop(0)
        return min(climb(done, self.warmup), fall(left / lengths[0], self.final))


@dataclass(frozen=True, kw_only=True)
class ReduceOnPlateau:
    """Multiply the rate by `by` after every `patience` epochs in a row that bring no loss lower than before."""

    by: float = 0.5
    patience: int = 3
    warmup: float = 0.0
    watches: ClassVar[bool] = True
    ends: ClassVar[tuple[float, ...]] = ()
    fork: ClassVar[float | None] = None

    def factor(self, done: float, losses: Sequence[float]) -> float:
        best, stale, reductions = math.inf, 0, 0
        for loss in losses:
            stale = 0 if loss < best else stale + 1
            best = min(best, loss)
            if stale == self.patience:
                stale, reductions = 0, reductions + 1
        return climb(done, self.warmup) * self.by**reductions


@dataclass(frozen=True, kw_only=True)
class EarlyStopping:
    """Stop after `patience` epochs in a row that are not at least `least` better than the best one.

    The weights at the stop are the model, not those of the best epoch: that would be chosen on the fold reported.
    """

    patience: int = 10
    least: float = 0.0

    def stop(self, losses: Sequence[float]) -> bool:
        best, stale = math.inf, 0
        for loss in losses:
            better = loss < best - self.least
            stale = 0 if better else stale + 1
            best = loss if better else best
        return stale >= self.patience


def climb(done: float, warmup: float) -> float:
    """Linear from near 0 to 1 during the warm-up; never exactly 0, or the first step would be lost."""
    return min(1.0, (done + 1e-3) / (warmup + 1e-3))


def fall(done: float, final: float) -> float:
    """Half a cosine from 1 to `final`."""
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * min(max(done, 0.0), 1.0)))
