"""Train every planned model on every fold, as far as the time reaches, and describe each run in its run.json."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from harness import paths
from harness.bootstrap import interval
from harness.ensemble import statistics_alone
from harness.files import finite, require_free, sweep_partials, write_json
from harness.metrics import Metric
from harness.models import Learner, OutOfTime
from harness.models.config import canonical, config_hash
from harness.options import Request
from harness.prepare import Prepared
from harness.training.budget import Plan
from harness.training.fold import FoldJob, train_fold
from harness.training.pace import RESERVE, Pace
from harness.training.predictions import ModelRun, run_folder
from harness.training.workers import Workers, run


def cross_validate(
    request: Request, prepared: Prepared, folds: np.ndarray, plan: Plan, workers: Workers
) -> dict[str, ModelRun]:
    """Train every planned model on every fold; return the runs, with the folds that the time allowed."""
    competition, train_hash = request.competition, prepared.train_hash(folds)
    learners = {name: plan.learner(name, request.learners[name]) for name in plan.epochs}
    model_runs = {name: ModelRun(run_folder(competition.name, train_hash, name, learners[name])) for name in learners}
    row_bytes = competition.task.row_bytes(prepared.train.targets)
    stored = 2 * row_bytes * (len(folds) + plan.folds * len(prepared.holdout))  # in two views
    require_free(paths.root(), stored * sum(not model_run.held(plan.folds) for model_run in model_runs.values()))

    for model_run in model_runs.values():
        sweep_partials(model_run.folder)
    parts = range(plan.trained), range(plan.trained, plan.folds)
    planned, spare = (
        [(name, fold) for name in learners for fold in part if fold not in model_runs[name].held(plan.folds)]
        for part in parts
    )
    todo = planned + spare
    deadline, reserve = plan.deadline(request), RESERVE * (plan.budget or 0)
    end = None if deadline is None else deadline - reserve
    pace = Pace([plan.fold_seconds[name] for name, _ in todo], len(planned), workers.slots, end)
    certain = certain_fold(learners, model_runs, todo, plan.folds)

    started = list[int]()

    def jobs() -> Iterator[tuple[FoldJob]]:
        for k, (name, fold) in enumerate(todo):
            shortest = learners[name].fewest_epochs / learners[name].epochs
            if pace.fits(k, shortest):
                place = (competition.name, prepared.data_hash, name, learners[name], fold, plan.folds)
                fixed, epochs = plan.fold_seconds[name]
                when = (None if k == certain else deadline, fixed + shortest * epochs, pace.start(k))
                started.append(k)
                yield (FoldJob(*place, plan.threads, plan.fast[name], *when, request.learners[name].epochs),)

    for index, result in run(workers, train_fold, jobs()):
        pace.finish(started[index])
        if isinstance(result, OutOfTime):
            name, fold = todo[started[index]]
            request.say(f"{name}, fold {fold}: no time left; what was trained is kept")
        elif isinstance(result, BaseException):
            raise result
        plan.save(request)
    for name, model_run in model_runs.items():
        if model_run.held(plan.folds):
            describe(request, prepared, folds, name, learners[name], plan.fast[name], model_run)
    return {name: model_run for name, model_run in model_runs.items() if model_run.held(plan.folds)}


def certain_fold(
    learners: Mapping[str, Learner], model_runs: Mapping[str, ModelRun], todo: Sequence[tuple[str, int]], count: int
) -> int | None:
    """The one of `todo` that has no deadline: without a fold of a model for all classes there is nothing to submit."""
    general = [name for name, learner in learners.items() if learner.target_class is None]
    if any(model_runs[name].held(count) for name in general):
        return None
    return next((k for k, (name, _) in enumerate(todo) if name in general), 0)


def describe(
    request: Request,
    prepared: Prepared,
    folds: np.ndarray,
    name: str,
    learner: Learner,
    fast: Mapping[str, Any],
    model_run: ModelRun,
) -> dict[str, Any]:
    """Write run.json: what the run is, which folds it holds, and its score on their rows by the one scorer."""
    competition, count = request.competition, request.fold_count
    held = model_run.held(count)
    rows = np.isin(folds, held)
    plain = model_run.out_of_fold(competition.task, folds, held).plain
    targets, groups = prepared.train.targets[rows], prepared.train.groups[rows]

    def statistics_of(metric: Metric) -> np.ndarray:
        return statistics_alone(competition.task, metric, targets, plain)

    statistics = statistics_of(competition.metric)
    finished = [model_run.finished(k) for k in held]
    code = sorted({fold["code"] for fold in finished})
    if len(code) > 1:
        request.say(f"{name}: the code changed between its folds; run.json lists both versions")
    manifest = {
        "competition": competition.name,
        "model": name,
        "data_hash": prepared.data_hash,
        "train_hash": prepared.train_hash(folds),
        "config_hash": config_hash(learner),
        "config": canonical(learner),
        "code": code,
        "fast": dict(fast),
        "folds": held,
        "fold_count": count,
        "complete": len(held) == count,
        "score": interval(competition.metric, statistics, groups)._asdict(),
        "by_class": {name: finite(score) for name, score in competition.metric.by_class(statistics).items()},
        "reported": {m.name: interval(m, statistics_of(m), groups)._asdict() for m in competition.reported},
        "seconds": sum(fold["seconds"] for fold in finished),
    }
    write_json(model_run.folder / "run.json", manifest)
    return manifest
