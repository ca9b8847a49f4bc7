"""What a run will cost in seconds, and the longest schedules that fit a budget."""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.errors import UserError
from harness.models import Learner, TrainingCost

MARGIN = 0.92  # of the time left is planned: a shared machine's speed drifts by that much within an hour


@dataclass(frozen=True)
class Work:
    """The work of a command. costs: by model, on one fold's training rows. views: predictions per row, the plain one
    included. fixed: seconds for the ensemble, the files and the judge. Workers take folds in their order.
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

    def fold(self, name: str, epochs: float) -> float:
        """Seconds of one fold with its predictions."""
        cost = self.costs[name]
        return cost.start + epochs * cost.epoch + (self.train / self.folds + self.holdout) * self.views * cost.predict

    def training(self, epochs: Mapping[str, float]) -> float:
        """Seconds until the last fold of these models ends."""
        free = [0.0] * self.workers
        for name, count in epochs.items():
            for _ in range(self.folds):
                heapq.heappush(free, heapq.heappop(free) + self.fold(name, count))
        return max(free)

    def after(self, names: Sequence[str]) -> float:
        """Seconds from the last fold to the rank: the ensemble, and the official test by all folds of these models."""
        predictions = self.official * self.views * self.folds
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


def fitted(work: Work, budget: float) -> tuple[dict[str, int], dict[str, str]]:
    """(model -> epochs, model left out -> why) for `budget` seconds; the last models are left out first.

    Raise `UserError` where not even one model fits.
    """
    names, left_out = list(work.learners), dict[str, str]()
    while True:
        available = budget * MARGIN - work.after(names)
        epochs = work.shrunk(names, available)
        if work.training(epochs) <= available:
            return epochs, left_out
        if len(names) == 1:
            needed = (work.training(epochs) + work.after(names)) / MARGIN
            raise UserError(
                f"the time is too short for {names[0]} with {work.folds} folds on this machine: {needed / 60:.1f} min "
                f"are needed and {budget / 60:.1f} min left; give a longer BUDGET, or fewer folds (FOLDS=2)"
            )
        last = names.pop()
        fewest = work.learners[last].fewest_epochs
        left_out[last] = f"fewer than {fewest} epochs would fit the budget" if fewest > 1 else "too long for the budget"
