"""The night's time: how long a trial may be, when the best is trained longer, and what is kept for the end."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness import paths
from harness.errors import UserError
from harness.files import once
from harness.models import TrainingCost
from harness.options import Request
from harness.prepare import Prepared
from harness.training.budget import ensemble_seconds, look, work_of
from harness.training.cost import Work
from harness.training.workers import Engine

TRIALS = 6  # complete ones, one after the other, must fit into the night: their schedules are shrunk to that
KEPT = 0.12  # of the night, at most, for the last ensemble and the official test
EXPLORING = 0.55  # of the night; then the best variants are trained on the declared schedule, where it is longer
WORTH = 1.3  # a schedule is longer if it is so many times as long
SAFETY = 1.3
START = 5.0  # seconds to read the data and the predictions, of the ten that are kept for the end


@dataclass
class Clock:
    """began, ends: seconds since the epoch. epochs: of a trial, by model, before its space changes them.

    pool: how many bundles are offered to the ensemble. official: seconds for its files, a member.
    """

    work: Work
    fast: Mapping[str, Mapping[str, Any]]
    began: float
    hours: float
    epochs: dict[str, int]
    pool: int
    official: float
    deposit: float  # seconds a member of the pool costs in the last ensemble
    slower: dict[str, float] = field(default_factory=dict)  # than its estimate, by name of model or member

    @property
    def ends(self) -> float:
        return self.began + 3600 * self.hours

    def deadline(self, members: int) -> float:
        """Of training, with so many bundles to choose from at the end."""
        count = min(self.pool, max(1, members))
        return self.ends - 10 - SAFETY * count * (self.deposit + self.official)

    def deposited(self, members: int, seconds: float) -> None:
        """What a deposit took; the start of its process is not a member's."""
        self.deposit = max(self.deposit, (seconds - START) / members)

    @property
    def explores_until(self) -> float:
        return self.began + EXPLORING * (self.deadline(self.pool) - self.began)

    def fold_seconds(self, name: str, model: str, epochs: int) -> float:
        """The estimate of one fold, corrected by how it was wrong for this member, or for its model."""
        return self.work.fold(model, epochs) * self.slower.get(name, self.slower.get(model, 1.0))

    def took(self, name: str, model: str, epochs: int, seconds: float) -> None:
        self.slower[name] = seconds / self.work.fold(model, epochs)
        self.slower[model] = (self.slower.get(model, self.slower[name]) + self.slower[name]) / 2

    def longest(self, name: str, model: str, epochs: int, members: int) -> int:
        """The longest schedule, of at most the declared epochs, whose folds all fit into what is left."""
        left, rounds = 0.95 * (self.deadline(members) - time.time()), math.ceil(self.work.folds / self.work.workers)
        longest = self.work.learners[model].epochs
        while longest > epochs and rounds * self.fold_seconds(name, model, longest) > left:
            longest -= 1
        return longest

    @classmethod
    def measured(cls, request: Request, prepared: Prepared, engine: Engine, study: Any) -> "Clock":
        """Raise `UserError` where the time is too short for one fold. Costs are measured once on a machine."""
        assert request.budget
        file = paths.searches(request.competition.name, prepared.data_hash) / "costs.json"

        def measure() -> dict[str, Any]:
            work, fast = look(request, prepared, engine, True)
            return {name: {"cost": list(work.costs[name]), "fast": fast[name]} for name in fast}

        known = once(file, measure)
        if not set(request.learners) <= set(known):
            file.unlink()
            known = once(file, measure)
        costs = {name: TrainingCost(*known[name]["cost"]) for name in request.learners}
        work = work_of(request, prepared, engine, True, costs)
        fast = {name: known[name]["fast"] for name in request.learners}
        row_bytes, count = request.competition.task.row_bytes, request.fold_count
        deposit = ensemble_seconds(work.train, row_bytes, 2, count) - ensemble_seconds(work.train, row_bytes, 1, count)
        official = (work.after(list(costs)) - work.fixed) / len(costs)
        pool = max(2, int(KEPT * request.budget / (SAFETY * (deposit + official))))
        began = time.time() - request.spent
        clock = cls(work, fast, began, request.budget / 3600, {}, pool, official, deposit)
        clock.epochs = clock.schedules(study)
        return clock

    def schedules(self, study: Any) -> dict[str, int]:
        """The epochs of a trial by model: those of the study's first night, so that its trials may be compared."""
        left = self.deadline(2) - time.time()
        for model, learner in self.work.learners.items():
            fewest = self.work.fold(model, learner.fewest_epochs)
            if fewest > left:
                needed = (3600 * self.hours + fewest - left) / 3600
                raise UserError(
                    f"the time is too short for one fold of {model} on this machine, which takes {fewest:.0f} s of the "
                    f"{max(0, left):.0f} s that can be trained; give HOURS={needed * 1.2:.2g} or more"
                )
        if "epochs" not in study.user_attrs:
            each = {model: self.work.shrunk([model], left / TRIALS)[model] for model in self.work.learners}
            study.set_user_attr("epochs", each)
        return dict(study.user_attrs["epochs"])
