"""How the time is spent: measured once, written before the first step, read again on resume (DESIGN, section 7)."""

import heapq
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness import folders
from harness.backends import Cost, Learner
from harness.engine import Local
from harness.errors import UserError
from harness.files import read_json, short_hash, write_json
from harness.jobs import Fold, measure_model
from harness.prepared import Prepared
from harness.request import Request
from harness.store import canonical

FORMAT = 1  # of plan.json; a plan of another format is made anew
SAMPLE_BUDGET = 240.0  # seconds, where nothing is asked for and the data are made up

MARGIN = 0.92  # of the time left is planned: a shared machine's speed drifts by that much within an hour
FEWEST_EPOCHS = 3  # a shorter schedule teaches a network less than leaving the model out teaches the ensemble


class Rows(NamedTuple):
    """How many rows there are to train on, to hold out, and in the official test."""

    train: int
    holdout: int
    official: int


@dataclass(frozen=True)
class Plan:
    """epochs: by model, in the order of training; seconds: the estimate; budget: seconds of the command, or None.

    fast: by model, the fast paths that won their probe. left_out: model -> why. spent: seconds used, over all the
    commands that worked on it, when it was last kept. file, key: where it is kept.
    """

    epochs: Mapping[str, int]
    folds: int
    workers: int
    threads: int
    fast: Mapping[str, Mapping[str, Any]]
    left_out: Mapping[str, str]
    seconds: float
    budget: float | None
    spent: float = 0.0
    file: Path | None = None
    key: str = ""

    def learner(self, name: str, declared: Learner) -> Learner:
        """The declared learner with the planned epochs."""
        return replace(declared, epochs=self.epochs[name])  # type: ignore[type-var]

    def deadline(self, request: Request) -> float | None:
        """On the clock `time.monotonic()`: a resumed command has what was left when the plan was last kept."""
        return None if self.budget is None else request.started + self.budget - self.spent

    def keep(self, request: Request) -> None:
        """Write the plan with the seconds spent so far."""
        assert self.file
        others = read_json(self.file) if self.file.exists() else {}
        mine = {name: value for name, value in asdict(self).items() if name not in ("file", "key")}
        write_json(self.file, {**others, self.key: {**mine, "spent": self.spent + request.spent}})


def plan_for(request: Request, prepared: Prepared, folds: np.ndarray, engine: Local) -> Plan:
    """The plan of an earlier command that asked the same; else measure, plan, and write it before the first step."""
    competition = request.competition
    file = folders.runs(competition.name, prepared.train_hash(folds)) / "plan.json"
    budget = allowed(request, prepared)
    asked = {
        "format": FORMAT,
        "models": request.learners,
        "tta": list(competition.tta),
        "budget": budget,
        "fast": request.fast,
    }
    key = short_hash(json.dumps(canonical(asked), sort_keys=True))
    known = read_json(file) if file.exists() else {}
    if key in known:
        plan = Plan(**known[key], file=file, key=key)
        request.say("going on with the plan of the earlier command")
    else:
        plan = replace(measured(request, prepared, engine, budget), file=file, key=key)
        plan.keep(request)
    for line in described(plan):
        request.say(line)
    return plan


def allowed(request: Request, prepared: Prepared) -> float | None:
    if request.budget is None and prepared.source == "sample" and not request.fast:
        request.say("no BUDGET given: on made data it is 4 minutes")
        return SAMPLE_BUDGET
    return request.budget


def measured(request: Request, prepared: Prepared, engine: Local, budget: float | None) -> Plan:
    """Time a few steps of every model, all workers busy, and make the schedules fit."""
    learners, count = request.learners, request.fold_count
    if request.fast:
        nothing: dict[str, dict[str, Any]] = {name: {} for name in learners}
        return Plan(dict.fromkeys(learners, 1), count, engine.workers, engine.threads, nothing, {}, 60.0, None)
    request.say(f"measuring {', '.join(learners)} on this machine")
    place = (request.competition.name, prepared.data_hash)
    jobs = [(Fold(*place, name, 1, 0, count, engine.threads, {}),) for name in learners]
    answers = dict(engine.run(measure_model, jobs))
    for failed in (answer for answer in answers.values() if isinstance(answer, BaseException)):
        raise failed
    costs = {name: answers[k][0] for k, name in enumerate(learners)}
    fast = {name: answers[k][1] for k, name in enumerate(learners)}
    rows = Rows(len(prepared.train), len(prepared.holdout), sum(map(len, prepared.official.values())))
    views, after = 1 + len(request.competition.tta), ensemble_seconds(rows, len(learners), count)
    machine = (count, engine.workers, engine.threads)
    return make(learners, costs, fast, rows, views, *machine, budget, request.spent, after)


def ensemble_seconds(rows: Rows, members: int, folds: int) -> float:
    """Reserved for the ensemble, the files and the judge. Measured on Mars (LOG.md)."""
    return 15 + 0.003 * rows.train * members * (folds + 1) + 0.002 * rows.official


def described(plan: Plan) -> list[str]:
    lines = [f"left out {name}: {why}" for name, why in plan.left_out.items()]
    members = ", ".join(f"{name} {count} epochs" for name, count in plan.epochs.items())
    limit = f" of {plan.budget / 60:.0f} min" if plan.budget else ""
    workers = f"{plan.workers} x {plan.threads} thread{'s' * (plan.threads > 1)}"
    return [*lines, f"plan: {members}; {plan.folds} folds on {workers}; about {plan.seconds / 60:.1f} min{limit}"]


def make(
    learners: Mapping[str, Learner],
    costs: Mapping[str, Cost],
    fast: Mapping[str, Mapping[str, Any]],
    rows: Rows,
    views: int,
    folds: int,
    workers: int,
    threads: int,
    budget: float | None,
    spent: float,
    after: float,
) -> Plan:
    """Shrink every schedule by one factor until the budget holds; leave out the last models where that is too short.

    costs: for one fold's training rows. views: predictions of every row, the plain one included. after: seconds
    reserved for the ensemble and for writing. Raise `UserError` where not even one model fits.
    """
    left_out: dict[str, str] = {}
    official = {name: rows.official * views * folds * costs[name].predict / workers for name in learners}
    chosen = list(learners)
    while True:
        epochs = {name: learners[name].epochs for name in chosen}
        if budget is None:
            break
        available = (budget - spent) * MARGIN - after - sum(official[name] for name in chosen)
        share = _largest_share(chosen, learners, costs, rows, views, folds, workers, available)
        epochs = {name: max(FEWEST_EPOCHS, int(learners[name].epochs * share)) for name in chosen}
        if _training(epochs, costs, rows, views, folds, workers) <= available:
            break
        if len(chosen) == 1:
            shortest = (
                spent + (after + official[chosen[0]] + _training(epochs, costs, rows, views, folds, workers)) / MARGIN
            )
            raise UserError(
                f"BUDGET={budget / 60:.1f}m is too short for {chosen[0]} with {folds} folds on this machine; "
                f"it needs about {shortest / 60:.1f}m (or fewer folds: FOLDS=2)"
            )
        left_out[chosen.pop()] = f"fewer than {FEWEST_EPOCHS} epochs would fit the budget"
    seconds = (
        spent + _training(epochs, costs, rows, views, folds, workers) + sum(official[name] for name in chosen) + after
    )
    return Plan(epochs, folds, workers, threads, {name: fast[name] for name in chosen}, left_out, seconds, budget)


def _largest_share(
    chosen: Sequence[str],
    learners: Mapping[str, Learner],
    costs: Mapping[str, Cost],
    rows: Rows,
    views: int,
    folds: int,
    workers: int,
    available: float,
) -> float:
    """The largest factor on the declared epochs, at most 1, whose training fits; by bisection."""
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        epochs = {name: learners[name].epochs * middle for name in chosen}
        low, high = (
            (middle, high) if _training(epochs, costs, rows, views, folds, workers) <= available else (low, middle)
        )
    return high if high == 1.0 else low


def _training(
    epochs: Mapping[str, float], costs: Mapping[str, Cost], rows: Rows, views: int, folds: int, workers: int
) -> float:
    """Seconds until the last fold ends, when workers take folds in their order."""
    predicted = (rows.train / folds + rows.holdout) * views
    free = [0.0] * workers
    for name, count in epochs.items():
        for _ in range(folds):
            start = heapq.heappop(free)
            heapq.heappush(
                free, start + costs[name].start + count * costs[name].epoch + predicted * costs[name].predict
            )
    return max(free)


def seconds(text: str) -> float:
    """A duration as people write it.

    >>> seconds("90s"), seconds("10m"), seconds("1.5h"), seconds("1h30m")
    (90.0, 600.0, 5400.0, 5400.0)
    """
    parts = re.fullmatch(r"(?:([\d.]+)h)?(?:([\d.]+)m)?(?:([\d.]+)s)?", text.strip().lower())
    try:
        if not parts or not any(parts.groups()):
            raise ValueError
        value = sum(float(part) * unit for part, unit in zip(parts.groups(), (3600, 60, 1), strict=True) if part)
    except ValueError:
        raise UserError(f"BUDGET={text} is no duration; write 90s, 10m, 1.5h or 1h30m") from None
    if value <= 0:
        raise UserError(f"BUDGET={text} leaves no time")
    return value
