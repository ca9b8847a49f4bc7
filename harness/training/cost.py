"""What a run will cost in seconds, and the longest schedules that fit a budget."""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from harness.errors import UserError
from harness.models import Learner, TrainingCost

MARGIN = 0.92  # of the time left is planned: a shared machine's speed drifts by that much within an hour


@dataclass(frozen=True)
class Work:
    """The work of a command. costs: by model, on one fold's training rows. views: predictions per row, the plain one
    included. fixed: seconds for the ensemble, the files and the judge. trained: how many of the folds are trained, the
    first ones; 0: all. Workers take folds in their order.
    """

    learners: Mapping[str, Learner]
    costs: Mapping[str, TrainingCost]
    folds: int
    workers: int
    views: int
    train: int  # rows, likewise below
    holdout: int
    official: int
    fixed: float
    trained: int = 0

    def fold(self, name: str, epochs: float) -> float:
        """Seconds of one fold with its predictions."""
        cost = self.costs[name]
        return cost.start + epochs * cost.epoch + (self.train / self.folds + self.holdout) * self.views * cost.predict

    def parts_of_fold(self, name: str, epochs: float) -> list[float]:
        """Seconds of one fold that no shorter schedule saves, its official test included, and of its epochs."""
        fixed = self.fold(name, 0)
        return [fixed + self.official * self.views * self.costs[name].predict, self.fold(name, epochs) - fixed]

    def training(self, epochs: Mapping[str, float]) -> float:
        """Seconds until the last fold of these models ends."""
        free = [0.0] * self.workers
        for name, count in epochs.items():
            for _ in range(self.trained or self.folds):
                heapq.heappush(free, heapq.heappop(free) + self.fold(name, count))
        return max(free)

    def after(self, names: Sequence[str]) -> float:
        """Seconds from the last fold to the rank: the ensemble, and the official test by all folds of these models."""
        predictions = self.official * self.views * (self.trained or self.folds)
        return self.fixed + sum(predictions * self.costs[name].predict / self.workers for name in names)

    def shrunk(self, names: Sequence[str], seconds: float) -> dict[str, int]:
        """The declared epochs times the largest factor, at most 1, whose training takes at most `seconds`.

        Never fewer than a learner's `fewest_epochs`, so the caller must check whether they fit.
        """

        def fits(share: float) -> bool:
            return self.training({name: self.learners[name].epochs * share for name in names}) <= seconds

        low, high = (1.0, 1.0) if fits(1.0) else (0.0, 1.0)
        while high - low > 1e-4:
            middle = (low + high) / 2
            low, high = (middle, high) if fits(middle) else (low, middle)
        declared = {name: self.learners[name] for name in names}
        return {name: min(of.epochs, max(of.fewest_epochs, int(of.epochs * low))) for name, of in declared.items()}


class Fit(NamedTuple):
    """epochs: by model. left_out: model -> why. folds: how many of them are trained, the first ones."""

    epochs: dict[str, int]
    left_out: dict[str, str]
    folds: int


def fitted(work: Work, budget: float) -> Fit:
    """What fits `budget` seconds: all models, else without the last ones, else one model, else fewer folds of it.

    Raise `UserError` where not one fold of the cheapest model fits.
    """
    for names, folds in fewer_and_fewer(work):
        part = replace(work, trained=folds)
        available = budget * MARGIN - part.after(names)
        epochs = part.shrunk(names, available)
        if part.training(epochs) <= available:
            return Fit(
                epochs, {name: too_long(work.learners[name]) for name in work.learners if name not in names}, folds
            )
    needed = (part.training(epochs) + part.after(names)) / MARGIN
    raise UserError(
        f"the time is too short for one fold of {names[0]} on this machine: {needed / 60:.1f} min are needed and "
        f"{budget / 60:.1f} min left; give a longer BUDGET"
    )


def fewer_and_fewer(work: Work) -> Iterator[tuple[list[str], int]]:
    """(models, folds) in the order in which they are wanted; always with a model for all classes."""
    names = list(work.learners)
    general = [name for name in names if work.learners[name].target_class is None]
    by_cost = sorted(general, key=lambda name: work.fold(name, work.learners[name].fewest_epochs))
    for count in range(len(names), 0, -1):
        if set(names[:count]) & set(general):
            yield names[:count], work.folds
    for name in by_cost:
        yield [name], work.folds
    for folds in range(work.folds - 1, 0, -1):
        yield by_cost[:1], folds


def too_long(learner: Learner) -> str:
    fewest = learner.fewest_epochs
    return f"fewer than {fewest} epochs would fit the budget" if fewest > 1 else "too long for the budget"
