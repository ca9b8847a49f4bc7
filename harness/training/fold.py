"""What a worker process does: measure a model, train a fold, refit it on all labels, predict a chunk of rows.

A job holds names and hashes, and reads the rest from the files they name.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness import paths
from harness.competition import Competition, find
from harness.data.large_arrays import Rows
from harness.data.samples import Samples
from harness.ensemble import Member, Recipe, statistics_alone
from harness.errors import UserError
from harness.files import write_json
from harness.metrics import chunks
from harness.models import Context, Fitted, Learner, OutOfTime, TrainingCost
from harness.prepare import Prepared
from harness.training.predictions import ModelRun, code_hash, load_prediction, run_folder, save_prediction
from harness.training.whole_rows import RowLearner
from harness.training.workers.process import report, stopping

Look = Callable[[float, Callable[[Any], Any]], None]  # (share of the schedule, predict) after every epoch

MIN_TIME_LEFT = 0.9  # share of a fold's estimated seconds that must be left for it to start
AT_ONCE = 256  # rows of more than memory holds that are predicted together
CURVE_ROWS = 400  # rows of the fold that a learning curve is scored on


class FoldJob(NamedTuple):
    """One fold of one model. learner: the declared one with the planned epochs, or a variant of it.

    fast: fields of `Context` that sped up the measured steps. deadline: seconds since the epoch, so that every machine
    counts alike. seconds: the least that the whole fold takes. until: when its epochs should end, likewise; their
    number is lowered to that, or raised to `most_epochs` at most.
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
    until: float | None = None
    most_epochs: int = 0


class FoldModels(NamedTuple):
    """The trained folds of one learner; the mean of their predictions is a member of the ensemble."""

    learner: Learner
    fast: Mapping[str, Any]
    folders: Sequence[Path]


class FoldScore(NamedTuple):
    """statistics: of the fold's rows, in their order, plain view; curve: share of the schedule -> quality then."""

    statistics: np.ndarray
    curve: Mapping[float, float]
    seconds: float


class PrunedFold(NamedTuple):
    """A fold that was stopped: at `share` of its schedule its quality was below the `limit`."""

    share: float
    quality: float
    limit: float


class _Pruned(Exception):
    """Carries a `PrunedFold` out of the learner's loop."""


def measure_model(job: FoldJob) -> tuple[TrainingCost, dict[str, Any]]:
    """The cost of a fold on this machine, and the fast paths that pay."""
    declared, prepared = find(job.competition), Prepared(job.competition, job.data_hash)
    last = job.folds - 1  # where folds follow time, the one that trains on the most rows
    train = prepared.train[declared.split.training_rows(prepared.train, prepared.folds(declared, job.folds), last)]
    learner = RowLearner(job.learner)
    context = Context(declared.task, paths.runs(job.competition, "probe"), threads=job.threads)
    fast = {name: value for name, value in learner.fast_paths(train, context).items() if name != "probe"}
    return learner.cost(train, replace(context, **fast)), fast


def score_fold(job: FoldJob, limits: Mapping[float, float]) -> FoldScore | PrunedFold:
    """Train one fold, unless that is done, and score it.

    limits: share of the schedule -> the least quality (higher is better) with which training goes on.
    """
    declared, prepared = find(job.competition), Prepared(job.competition, job.data_hash)
    fold_of_row = prepared.folds(declared, job.folds)
    model_run = ModelRun(run_folder(job.competition, prepared.train_hash(fold_of_row), job.model, job.learner))
    valid, curve = prepared.train[fold_of_row == job.fold], dict[float, float]()
    if job.fold not in model_run.held(job.folds):
        try:
            train_fold(job, _pruning(declared, valid, limits, curve))
        except _Pruned as pruned:
            return pruned.args[0]
    predicted = load_prediction(model_run.fold(job.fold), "oof-plain", declared.task)
    statistics = statistics_alone(declared.task, declared.metric, valid.targets, predicted)
    return FoldScore(statistics, curve, model_run.finished(job.fold)["seconds"])


def _pruning(declared: Competition, valid: Samples, limits: Mapping[float, float], curve: dict[float, float]) -> Look:
    """Score some rows of the fold at each share in `limits`, note it in `curve`, and prune below the limit."""
    some = valid[np.linspace(0, len(valid) - 1, min(len(valid), CURVE_ROWS)).astype(int)]

    def look(done: float, predict: Callable[[Any], Any]) -> None:
        due = [share for share in limits if share not in curve and done >= share]
        if due:
            sign = 1 if declared.metric.higher_is_better else -1
            metric, predicted = declared.metric, predict(some.inputs)
            quality = sign * float(metric.score(statistics_alone(declared.task, metric, some.targets, predicted)))
            curve.update(dict.fromkeys(due, quality))
            if quality < max(limits[share] for share in due):
                raise _Pruned(PrunedFold(max(due), quality, limits[max(due)]))

    return look


def train_fold(job: FoldJob, look: Look = lambda done, predict: None) -> None:
    """Fit one fold; leave its predictions of its own rows and of the hold-out, then `fold.json`.

    Raise `OutOfTime` where a fold that has not started could not end before its deadline.
    """
    started = time.monotonic()
    declared, prepared = find(job.competition), Prepared(job.competition, job.data_hash)
    fold_of_row, train = prepared.folds(declared, job.folds), prepared.train
    run = ModelRun(run_folder(job.competition, prepared.train_hash(fold_of_row), job.model, job.learner))
    folder = run.fold(job.fold)
    if job.deadline and not folder.exists() and time.time() + job.seconds * MIN_TIME_LEFT > job.deadline:
        raise OutOfTime
    valid = train[fold_of_row == job.fold]
    learned = train[declared.split.training_rows(train, fold_of_row, job.fold)]
    fitted = RowLearner(job.learner).fit(learned, valid, _context(declared, job, folder, look))
    for part, inputs in (("oof", valid.inputs), ("holdout", prepared.holdout.inputs)):
        for view, prediction in predict_views(declared, fitted, inputs)._asdict().items():
            save_prediction(folder, f"{part}-{view}", prediction, declared.task)
    seconds = time.monotonic() - started
    write_json(folder / "fold.json", {"fold": job.fold, "seconds": seconds, "code": code_hash(job.competition)})


def train_final(job: FoldJob, raw: Path, folder: Path) -> None:
    """Fit a fold's training rows and the whole hold-out, with its labels from the raw files."""
    declared, prepared = find(job.competition), Prepared(job.competition, job.data_hash)
    labelled = declared.read(raw).labelled
    folds = prepared.folds(declared, job.folds)
    training = prepared.train.ids[declared.split.training_rows(prepared.train, folds, job.fold)]
    wanted = np.concatenate([training, prepared.holdout.ids])
    if not np.isin(wanted, labelled.ids).all():
        raise UserError(f"{raw} does not hold the samples that were prepared; name their folder with DATA=")
    RowLearner(job.learner).fit(labelled[np.isin(labelled.ids, wanted)], None, _context(declared, job, folder))


def predict_chunk(competition: str, inputs: Any, models: Mapping[str, FoldModels], recipe: Recipe, threads: int) -> Any:
    """Decided rows: every member is the mean of its folds, then the recipe decides."""
    declared = find(competition)
    members = {}
    for name, of_member in models.items():
        views = [predict_views(declared, fitted, inputs) for fitted in _loaded(declared, of_member, threads)]
        equal = [1.0] * len(views)
        members[name] = Member(*(declared.task.average(list(of_view), equal) for of_view in zip(*views, strict=True)))
    return recipe.decide(declared.task, members)


def predict_views(competition: Competition, fitted: Fitted, inputs: Any) -> Member:
    """The plain prediction, and its mean with the declared views, each undone by the task."""
    task = competition.task
    if isinstance(inputs, Rows):  # a view of them all would be in memory
        some = [predict_views(competition, fitted, np.asarray(inputs[rows])) for rows in chunks(len(inputs), AT_ONCE)]
        return Member(*(task.join(list(of_view)) for of_view in zip(*some, strict=True)))
    plain = fitted.predict(inputs)
    views = [task.views[name] for name in competition.tta]
    undone = [view.undo(fitted.predict(view.apply(inputs)), inputs) for view in views]
    return Member(plain, task.average([plain, *undone], [1.0] * (1 + len(undone))))


def _context(declared: Competition, job: FoldJob, folder: Path, look: Look = lambda done, predict: None) -> Context:
    since_epoch = time.time() - time.monotonic()
    return Context(
        declared.task,
        folder,
        fold=job.fold,
        threads=job.threads,
        deadline=job.deadline and job.deadline - since_epoch,
        until=job.until and job.until - since_epoch,
        most_epochs=job.most_epochs,
        stop=stopping,
        look=look,
        report=lambda event: report({"model": job.model, "fold": job.fold, **event}),
        **job.fast,
    )


_in_memory: dict[Path, Fitted] = {}  # the next chunk needs the same networks


def _loaded(declared: Competition, models: FoldModels, threads: int) -> list[Fitted]:
    for folder in models.folders:
        if folder not in _in_memory:
            context = Context(declared.task, folder, threads=threads, **models.fast)
            _in_memory[folder] = RowLearner(models.learner).load(context)
    return [_in_memory[folder] for folder in models.folders]
