"""The time plan: measured once, written before the first step, and read again on resume."""

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from harness import paths
from harness.errors import UserError
from harness.files import read_json, short_hash, write_json
from harness.models import Learner, TrainingCost
from harness.models.config import canonical
from harness.options import Request
from harness.prepare import Prepared
from harness.training.cost import Fit, Work, fitted
from harness.training.fold import FoldJob, measure_model
from harness.training.predictions import ModelRun, run_folder
from harness.training.workers import Workers, results, run

FORMAT = 4  # of plan.json; a plan of another format is made again
SAMPLE_BUDGET = 240.0  # seconds, where no BUDGET is given and the data are a made sample


@dataclass(frozen=True)
class Plan:
    """epochs: by model, in the order of training; seconds: the estimate; budget: seconds of the command, or None.

    folds: of the split; trained: how many of them are trained, the first ones. fold_seconds: by model, the estimate of
    one fold: what no shorter schedule saves, its official test included, and its planned epochs. after: seconds
    reserved for the ensemble, the files and the judge. fast: by model, the fast paths that pay. left_out: model -> why.
    spent: seconds used, over all commands that worked on it, when it was last saved. file, key: where it is saved.
    """

    epochs: Mapping[str, int]
    folds: int
    trained: int
    workers: int
    threads: int
    fast: Mapping[str, Mapping[str, Any]]
    left_out: Mapping[str, str]
    fold_seconds: Mapping[str, Sequence[float]]
    after: float
    seconds: float
    budget: float | None
    spent: float = 0.0
    file: Path | None = None
    key: str = ""

    def learner(self, name: str, declared: Learner) -> Learner:
        """The declared learner with the planned epochs."""
        return replace(declared, epochs=self.epochs[name])

    def deadline(self, request: Request) -> float | None:
        """When training must end, in seconds since the epoch; a resumed command has what was left at the last fold."""
        return None if self.budget is None else time.time() - request.spent + self.budget - self.spent - self.after

    def save(self, request: Request) -> None:
        """Write the plan with the seconds spent so far."""
        assert self.file
        others = read_json(self.file) if self.file.exists() else {}
        mine = {name: value for name, value in asdict(self).items() if name not in ("file", "key")}
        write_json(self.file, {**others, self.key: {**mine, "spent": self.spent + request.spent}})


def plan_for(request: Request, prepared: Prepared, folds: np.ndarray, workers: Workers, to_rank: bool = True) -> Plan:
    """The plan of an earlier command with the same options; else measure, plan, and write it before the first step.

    to_rank: whether an ensemble and the official test follow the training.
    """
    competition, budget = request.competition, request.budget
    if budget is None and prepared.source == "sample" and not request.fast:
        request.say("no BUDGET given: on made data it is 4 minutes")
        budget = SAMPLE_BUDGET
    options = {
        "format": FORMAT,
        "models": request.learners,
        "tta": list(competition.tta),
        "budget": budget,
        "fast": request.fast,
        "to_rank": to_rank,
    }
    key = short_hash(json.dumps(canonical(options), sort_keys=True))
    file = paths.runs(competition.name, prepared.train_hash(folds)) / "plan.json"
    known = read_json(file) if file.exists() else {}
    if finished := nothing_to_train(request, prepared, folds, workers):
        request.say("every model is trained already")
        plan = replace(finished, file=file, key=key)
    elif key in known:
        plan = Plan(**known[key], file=file, key=key)
        request.say("resuming the plan of the earlier command")
    else:
        plan = replace(measured(request, prepared, workers, budget, to_rank), file=file, key=key)
        plan.save(request)
    for name, why in plan.left_out.items():
        request.say(f"left out {name}: {why}")
    slots = f"{plan.workers} x {plan.threads} thread{'s' * (plan.threads > 1)}"
    about = f"about {plan.seconds / 60:.1f} min" + (f" of {plan.budget / 60:.0f} min" if plan.budget else "")
    of_folds = f"{plan.trained} of {plan.folds} folds" if plan.trained < plan.folds else f"{plan.folds} folds"
    request.say(f"plan: {schedules(plan.epochs)}; {of_folds} on {slots}; {about}")
    return plan


def nothing_to_train(request: Request, prepared: Prepared, folds: np.ndarray, workers: Workers) -> Plan | None:
    """The plan where every model is there with its declared epochs; None where one is not."""
    competition, train, count = request.competition.name, prepared.train_hash(folds), request.fold_count
    model_runs = {name: ModelRun(run_folder(competition, train, name, of)) for name, of in request.learners.items()}
    if request.fast or not all(len(model_run.held(count)) == count for model_run in model_runs.values()):
        return None
    epochs = {name: learner.epochs for name, learner in request.learners.items()}
    fast = {name: model_run.manifest["fast"] for name, model_run in model_runs.items()}
    machine, no_time = (workers.slots, workers.threads), dict.fromkeys(epochs, (0.0, 0.0))
    return Plan(epochs, count, count, *machine, fast, {}, no_time, 0.0, 0.0, None)


def measured(request: Request, prepared: Prepared, workers: Workers, budget: float | None, to_rank: bool) -> Plan:
    """Time a few steps of every model, all workers busy, and make the schedules fit."""
    learners, count, machine = request.learners, request.fold_count, (workers.slots, workers.threads)
    if request.fast:
        nothing: dict[str, Any] = {name: {} for name in learners}
        quick = dict.fromkeys(learners, (0.0, 5.0))
        return Plan(dict.fromkeys(learners, 1), count, count, *machine, nothing, {}, quick, 0.0, 60.0, None)
    work, fast = measured_work(request, prepared, workers, to_rank)
    if budget is None:
        fit = Fit({name: learner.epochs for name, learner in learners.items()}, {}, count)
    else:
        fit = fitted(work, budget - request.spent)
    epochs, work = fit.epochs, replace(work, trained=fit.folds)
    per_fold = {name: work.parts_of_fold(name, count) for name, count in epochs.items()}
    fast = {name: fast[name] for name in epochs}
    total = request.spent + work.training(epochs) + work.after(list(epochs))
    return Plan(epochs, count, fit.folds, *machine, fast, fit.left_out, per_fold, work.fixed, total, budget)


def measured_work(
    request: Request, prepared: Prepared, workers: Workers, to_rank: bool
) -> tuple[Work, dict[str, Mapping[str, Any]]]:
    """What the models cost here, measured with all workers busy, and the fast paths that pay."""
    learners, count = request.learners, request.fold_count
    request.say(f"measuring {', '.join(learners)} on this machine")
    place = (request.competition.name, prepared.data_hash)
    jobs = [(FoldJob(*place, name, learner, 0, count, workers.threads, {}),) for name, learner in learners.items()]
    answers = dict(results(run(workers, measure_model, jobs)))
    costs, fast = ({name: answers[k][part] for k, name in enumerate(learners)} for part in (0, 1))
    return work_of(request, prepared, workers, to_rank, costs), fast


def work_of(
    request: Request, prepared: Prepared, workers: Workers, to_rank: bool, costs: Mapping[str, TrainingCost]
) -> Work:
    learners, count, competition = request.learners, request.fold_count, request.competition
    rows = (len(prepared.train), len(prepared.holdout), sum(map(len, prepared.official.values())) if to_rank else 0)
    row_bytes = competition.task.row_bytes(prepared.train.targets)
    fixed = ensemble_seconds(rows[0], row_bytes, len(learners), count) if to_rank else 5.0
    return Work(learners, costs, count, workers.slots, 1 + len(competition.tta), *rows, fixed)


def ensemble_seconds(rows: int, row_bytes: int, members: int, folds: int) -> float:
    """Seconds for fitting the ensemble, writing and judging; row_bytes: of one prediction.

    Measured on segmentation, where 2,091 rows x 2 members take 60 s, each subsampled to 2,560 bytes; and on 16,000 rows
    x 4 members of ten probabilities, which take 65 s, nearly all of it for the intervals.
    """
    return 10 + (1.5e-4 + 7.5e-7 * min(row_bytes, 2560)) * rows * members * (folds + 1)


def schedules(epochs: Mapping[str, int]) -> str:
    """
    >>> schedules({"unet": 60, "forest": 1})
    'unet 60 epochs, forest'
    """
    return ", ".join(f"{name} {count} epochs" if count > 1 else name for name, count in epochs.items())


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
        raise UserError(f"BUDGET={text} is not a duration; write 90s, 10m, 1.5h or 1h30m") from None
    if value <= 0:
        raise UserError(f"BUDGET={text} leaves no time")
    return value
