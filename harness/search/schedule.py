"""The time of a search: how long a trial may train, when the best trains longer, and what is reserved for the end."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness import paths
from harness.errors import UserError
from harness.files import read_json, write_json
from harness.models import TrainingCost
from harness.options import Request
from harness.prepare import Prepared
from harness.training.budget import ensemble_seconds, measured_work, work_of
from harness.training.cost import Work
from harness.training.workers import Workers

if TYPE_CHECKING:
    import optuna

TRIALS = 6  # complete ones, one after the other, must fit the search: their schedules are shrunk to that
RESERVED = 0.12  # of the search, at most, for the last ensemble and the official test
SAFETY = 1.3


@dataclass
class SearchSchedule:
    """started: seconds since the epoch. epochs: of a trial, by model, before its space changes them.

    pool: how many runs are offered to the ensemble. official, ensemble: seconds that each of them costs for the
    official files and in the last ensemble. slower: than estimated, by name of model or member.
    """

    work: Work
    fast: Mapping[str, Mapping[str, Any]]
    started: float
    hours: float
    epochs: dict[str, int]
    pool: int
    official: float
    ensemble: float
    slower: dict[str, float] = field(default_factory=dict)

    @property
    def ends(self) -> float:
        return self.started + 3600 * self.hours

    def deadline(self, members: int) -> float:
        """When training must end, with so many runs to choose from at the end."""
        count = min(self.pool, max(1, members))
        return self.ends - 10 - SAFETY * count * (self.ensemble + self.official)

    def fold_seconds(self, name: str, model: str, epochs: int) -> float:
        """The estimate of one fold, corrected by how wrong it was for this member, or for its model."""
        return self.work.fold(model, epochs) * self.slower.get(name, self.slower.get(model, 1.0))

    def record_fold(self, name: str, model: str, epochs: int, seconds: float) -> None:
        self.slower[name] = seconds / self.work.fold(model, epochs)
        self.slower[model] = (self.slower.get(model, self.slower[name]) + self.slower[name]) / 2

    def longest(self, name: str, model: str, epochs: int, members: int) -> int:
        """The longest schedule, of at most the declared epochs, whose folds all fit into the time left."""
        left, rounds = 0.95 * (self.deadline(members) - time.time()), math.ceil(self.work.folds / self.work.workers)
        longest = self.work.learners[model].epochs
        while longest > epochs and rounds * self.fold_seconds(name, model, longest) > left:
            longest -= 1
        return longest

    def trial_epochs(self, study: "optuna.Study") -> dict[str, int]:
        """The epochs of a trial by model: those of the study's first search, so that its trials can be compared.

        Raise `UserError` where the time is too short for one fold.
        """
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


def measured_schedule(request: Request, prepared: Prepared, workers: Workers, study: "optuna.Study") -> SearchSchedule:
    """The schedule from costs that are measured once on a machine. Raise `UserError` where the time is too short."""
    assert request.budget
    file = paths.searches(request.competition.name, prepared.data_hash) / "costs.json"

    known = read_json(file) if file.exists() else {}
    if not set(request.learners) <= set(known):
        work, fast = measured_work(request, prepared, workers, True)
        known = {name: {"cost": list(work.costs[name]), "fast": fast[name]} for name in fast}
        write_json(file, known)
    costs = {name: TrainingCost(*known[name]["cost"]) for name in request.learners}
    fast = {name: known[name]["fast"] for name in request.learners}
    work = work_of(request, prepared, workers, True, costs)
    row_bytes, count = request.competition.task.row_bytes(prepared.train.targets), request.fold_count
    ensemble = ensemble_seconds(work.train, row_bytes, 2, count) - ensemble_seconds(work.train, row_bytes, 1, count)
    official = (work.after(list(costs)) - work.fixed) / len(costs)
    pool = max(2, int(RESERVED * request.budget / (SAFETY * (ensemble + official))))
    started = time.time() - request.spent
    schedule = SearchSchedule(work, fast, started, request.budget / 3600, {}, pool, official, ensemble)
    schedule.epochs = schedule.trial_epochs(study)
    return schedule
