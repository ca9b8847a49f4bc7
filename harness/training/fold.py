"""What a worker process does: measure a model, train a fold, refit it on all labels, predict a chunk of rows.

Every job is told names and hashes, and reads the rest from the files they name.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness import paths
from harness.competition import Competition, find
from harness.data.samples import Samples
from harness.ensemble import Member, Recipe, statistics_alone
from harness.errors import UserError
from harness.files import write_json
from harness.models import Context, Fitted, Learner, OutOfTime, TrainingCost
from harness.prepare import Prepared
from harness.training.predictions import ModelRun, code_hash, load_prediction, run_folder, save_prediction
from harness.training.workers.process import report, stopping

Look = Callable[[float, Callable[[Any], Any]], None]

HOPEFUL = 0.9  # of its estimate must be left for a fold to begin


def unwatched(done: float, predict: Callable[[Any], Any]) -> None:
    """Nobody looks on."""


class Fold(NamedTuple):
    """One fold of one model. learner: the declared one with the planned epochs, or a variant of it.

    fast: fields of `Context` that won their probe; deadline: seconds since the epoch, which every machine counts alike.

    seconds: what the fold should take from its beginning.
    """

    competition: str
    data_hash: str
    model: str
    learner: Learner
    fold: int
    folds: int
    threads: int
    fast: Mapping[str, Any]
    deadline: float | None = None
    seconds: float = 0.0


class Fits(NamedTuple):
    """The finished fits of one learner, whose mean is a member."""

    learner: Learner
    fast: Mapping[str, Any]
    folders: Sequence[Path]


def measure_model(job: Fold) -> tuple[TrainingCost, dict[str, Any]]:
    """The cost of a fold on this machine, and the fast paths that pay."""
    declared, prepared = find(job.competition), Prepared(job.competition, job.data_hash)
    last = job.folds - 1  # in time, the fold that learns from the most rows
    train = prepared.train[declared.split.training_rows(prepared.folds(declared, job.folds), last)]
    learner = job.learner
    context = Context(declared.task, paths.runs(job.competition, "probe"), threads=job.threads)
    fast = {name: value for name, value in learner.fast_paths(train, context).items() if name != "probe"}
    return learner.cost(train, replace(context, **fast)), fast


class Scored(NamedTuple):
    """statistics: of the fold's rows, in their order, plain view; curve: share of the schedule -> quality then."""

    statistics: np.ndarray
    curve: Mapping[float, float]
    seconds: float


class Cut(Exception):
    """A learning curve without hope; `args` are the share of the schedule, the quality, and what would have done."""


def score_fold(job: Fold, limits: Mapping[float, float]) -> Scored:
    """Fit one fold, unless that is done, and score it. limits: share of the schedule -> the least quality (higher is
    better) that is let through; raise `Cut` below.
    """
    declared, prepared = find(job.competition), Prepared(job.competition, job.data_hash)
    fold_of_row = prepared.folds(declared, job.folds)
    model_run = ModelRun(run_folder(job.competition, prepared.train_hash(fold_of_row), job.model, job.learner))
    valid, curve = prepared.train[fold_of_row == job.fold], dict[float, float]()
    if job.fold not in model_run.held(job.folds):
        train_fold(job, _watch(declared, valid, limits, curve))
    predicted = load_prediction(model_run.fold(job.fold), "oof-plain", declared.task)
    return Scored(
        statistics_alone(declared.task, declared.metric, valid.targets, predicted),
        curve,
        model_run.finished(job.fold)["seconds"],
    )


LOOK_ROWS = 400


def _watch(declared: Competition, valid: Samples, limits: Mapping[float, float], curve: dict[float, float]) -> Look:
    """Looks at some rows of the fold when a share of the schedule is done."""
    some = valid[np.linspace(0, len(valid) - 1, min(len(valid), LOOK_ROWS)).astype(int)]

    def look(done: float, predict: Callable[[Any], Any]) -> None:
        due = [share for share in limits if share not in curve and done >= share]
        if due:
            sign = 1 if declared.metric.higher_is_better else -1
            metric, predicted = declared.metric, predict(some.inputs)
            quality = sign * float(metric.score(statistics_alone(declared.task, metric, some.targets, predicted)))
            curve.update(dict.fromkeys(due, quality))
            if quality < max(limits[share] for share in due):
                raise Cut(max(due), quality, limits[max(due)])

    return look


def train_fold(job: Fold, look: Look = unwatched) -> None:
    """Fit one fold; leave its predictions of its own rows and of the hold-out, then `fold.json`.

    Raise `OutOfTime` where a fold that is not begun could not end before its deadline.
    """
    started = time.monotonic()
    declared, prepared = find(job.competition), Prepared(job.competition, job.data_hash)
    fold_of_row, train = prepared.folds(declared, job.folds), prepared.train
    folder = ModelRun(run_folder(job.competition, prepared.train_hash(fold_of_row), job.model, job.learner)).fold(
        job.fold
    )
    if job.deadline and not folder.exists() and time.time() + job.seconds * HOPEFUL > job.deadline:
        raise OutOfTime
    valid = train[fold_of_row == job.fold]
    learned = train[declared.split.training_rows(fold_of_row, job.fold)]
    fitted = job.learner.fit(learned, valid, _context(declared, job, folder, look))
    for part, inputs in (("oof", valid.inputs), ("holdout", prepared.holdout.inputs)):
        for view, prediction in predict_views(declared, fitted, inputs)._asdict().items():
            save_prediction(folder, f"{part}-{view}", prediction, declared.task)
    seconds = time.monotonic() - started
    write_json(folder / "fold.json", {"fold": job.fold, "seconds": seconds, "code": code_hash(job.competition)})


def train_final(job: Fold, raw: Path, folder: Path) -> None:
    """Fit a fold's training rows and the whole hold-out, with its labels from the raw files."""
    declared, prepared = find(job.competition), Prepared(job.competition, job.data_hash)
    labelled = declared.load(raw).labelled
    kept = prepared.train.ids[declared.split.training_rows(prepared.folds(declared, job.folds), job.fold)]
    wanted = np.concatenate([kept, prepared.holdout.ids])
    if not np.isin(wanted, labelled.ids).all():
        raise UserError(f"{raw} does not hold the samples that were prepared; name their folder with DATA=")
    job.learner.fit(labelled[np.isin(labelled.ids, wanted)], None, _context(declared, job, folder))


def predict_chunk(competition: str, inputs: Any, fits: Mapping[str, Fits], recipe: Recipe, threads: int) -> Any:
    """Decided rows: every member is the mean of its fits, then the recipe decides."""
    declared = find(competition)
    members = {}
    for name, of_member in fits.items():
        views = [predict_views(declared, fitted, inputs) for fitted in _loaded(declared, of_member, threads)]
        equal = [1.0] * len(views)
        members[name] = Member(*(declared.task.average(list(of_view), equal) for of_view in zip(*views, strict=True)))
    return recipe.decide(declared.task, members)


def predict_views(competition: Competition, fitted: Fitted, inputs: Any) -> Member:
    """The plain prediction, and its mean with the declared views, each undone by the task."""
    task = competition.task
    plain = fitted.predict(inputs)
    views = [task.views[name] for name in competition.tta]
    undone = [view.undo(fitted.predict(view.apply(inputs)), inputs) for view in views]
    return Member(plain, task.average([plain, *undone], [1.0] * (1 + len(undone))))


def _context(declared: Competition, job: Fold, folder: Path, look: Look = unwatched) -> Context:
    return Context(
        declared.task,
        folder,
        fold=job.fold,
        threads=job.threads,
        deadline=job.deadline and time.monotonic() + job.deadline - time.time(),
        stop=stopping,
        look=look,
        report=lambda event: report({"model": job.model, "fold": job.fold, **event}),
        **job.fast,
    )


_kept: dict[Path, Fitted] = {}  # the next chunk needs the same networks


def _loaded(declared: Competition, fits: Fits, threads: int) -> list[Fitted]:
    for folder in fits.folders:
        if folder not in _kept:
            _kept[folder] = fits.learner.load(Context(declared.task, folder, threads=threads, **fits.fast))
    return [_kept[folder] for folder in fits.folders]
