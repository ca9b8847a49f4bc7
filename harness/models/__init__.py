"""What can be fitted: the base of all learners, and what a fit is given. One module per library stands beside this."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, Self

import numpy as np

from harness.data.samples import Samples
from harness.errors import UserError
from harness.files import atomic, read_json, sha256_of, sweep_partials, write_json
from harness.tasks import Task

MODEL, FINISHED = "model.joblib", "finished.json"
FEW, MORE, ENOUGH = 1000, 4, 1.0  # the first look at the cost: rows, times as many rows, seconds that suffice


class TrainingCost(NamedTuple):
    """Measured on this machine with the threads of the context, in seconds."""

    start: float  # building the model, warming up and what ends a fit, once a fold
    epoch: float  # one pass over the training samples
    predict: float  # one input, one view


@dataclass(frozen=True)
class Context:
    """What a fit is given besides its data.

    folder: where checkpoints and `log.jsonl` go; a fit into a folder that holds a finished one loads it.
    deadline: on the clock `time.monotonic()`, or None. until: when the epochs should end, on the same clock, or None; a
    learner that can lowers their number to that, or raises it to `most_epochs` at most. report: called with a dict per
    epoch, and now and then with the progress inside one. stop: asked after every step (a signal came). look: called
    after every epoch with the share of the schedule that is done and a function inputs -> predictions, by learners with
    epochs; it may raise (pruning).
    channels_last: the memory format of images and weights, as `fast_paths` measured it on this machine.
    """

    task: Task
    folder: Path
    seed: int = 0
    fold: int = 0
    threads: int = 1
    deadline: float | None = None
    until: float | None = None
    most_epochs: int = 0
    report: Callable[[dict[str, Any]], None] = lambda event: None
    stop: Callable[[], bool] = lambda: False
    look: Callable[[float, Callable[[Any], Any]], None] = lambda share, predict: None
    channels_last: bool = True

    def warn(self, sentence: str) -> None:
        """Log it (standard error) and report it."""
        logging.getLogger("harness.models").warning(sentence)
        self.report({"warning": sentence})

    def rng(self, epoch: int, stream: int = 0) -> np.random.Generator:
        """Random numbers of an epoch; stream 0 orders its rows, so learners of any kind see the same batches."""
        return np.random.default_rng([self.seed, self.fold, epoch, stream])


class OutOfTime(Exception):
    """The deadline passed in the middle of a fit; everything is saved, and the same call goes on from there."""


class Interrupted(Exception):
    """`Context.stop` returned true; everything is saved, and the same call goes on from there."""


class Diverged(UserError):
    """The loss is NaN or infinite; the last good state stays on the disk."""


class Fitted(Protocol):
    def predict(self, inputs: Any) -> Any:
        """Predictions of the task, aligned with `inputs`, rows first."""


@dataclass(frozen=True, kw_only=True)
class Learner:
    """A frozen dataclass; a variant is `dataclasses.replace(...)`.

    A subclass defines how to `train` a model and how to `predict` with it. The model is trained whole and stored with
    joblib. A learner that resumes inside a fit has a `fit`, a `load` and a `cost` of its own.

    epochs: the length of its schedule. fewest_epochs: a shorter schedule is not worth its place in the ensemble.
    target_class: the one class that a specialist looks for, or None. versus: the one class to tell it from, None:
    all others. pretrained: whether it starts from weights trained on other data (a rule may forbid it). sees: what it
    is given of rows that hold images and a table (`samples.Joined`).
    """

    epochs: int = 1
    fewest_epochs: int = 1
    target_class: int | None = None
    versus: int | None = None
    pretrained: bool = False
    sees: Literal["images", "table", "both"] = "images"

    package: ClassVar[str] = "scikit-learn"  # a model stored by another version of this package is not used
    slow_import: ClassVar[str] = ""  # what a worker may import while the data are read

    def train(self, train: Samples, context: Context) -> Any:
        """The model: anything that joblib can store. The same every time; touches no file."""
        raise NotImplementedError

    def predict(self, model: Any, inputs: Any, task: Task) -> Any:
        """The task's predictions, rows first."""
        raise NotImplementedError

    def fit(self, train: Samples, valid: Samples | None, context: Context) -> Fitted:
        """Train, or load what is finished in the context's folder."""
        import joblib

        folder = context.folder
        folder.mkdir(parents=True, exist_ok=True)
        sweep_partials(folder)
        trouble = self._unusable(folder)
        if not trouble:
            return self.load(context)
        if (folder / FINISHED).exists():
            context.warn(f"{folder}: {trouble}; this fold is fitted again")
        began = time.monotonic()
        model = self.train(train, context)
        facts = {"seconds": round(time.monotonic() - began, 3), "version": version(self.package)}
        with atomic(folder / MODEL) as file:
            joblib.dump(model, file)
        write_json(folder / FINISHED, {**facts, "sha256": sha256_of(folder / MODEL)})  # the last file: it means done
        return FittedModel(self, model, context.task)

    def load(self, context: Context) -> Fitted:
        """The finished fit in the context's folder; raise `UserError` where there is none."""
        import joblib

        trouble = self._unusable(context.folder)
        if trouble:
            raise UserError(f"{context.folder}: {trouble}; delete it and run the same training command again")
        return FittedModel(self, joblib.load(context.folder / MODEL), context.task)

    def _unusable(self, folder: Path) -> str:
        """What keeps the fit in the folder from being used: "" where nothing does."""
        if not (folder / FINISHED).exists() or not (folder / MODEL).exists():
            return "there is no finished fit"
        facts, installed = read_json(folder / FINISHED), version(self.package)
        if facts["version"] != installed:
            return f"fitted by {self.package} {facts['version']}, and this is {installed}"
        return "" if sha256_of(folder / MODEL) == facts["sha256"] else f"{MODEL} is damaged"

    def cost(self, train: Samples, context: Context) -> TrainingCost:
        """Time a fit and leave nothing on the disk: more and more rows, evenly drawn, until that takes long enough."""
        by_target, count = np.lexsort(np.atleast_2d(train.targets.T)), FEW
        while True:
            some = train[np.sort(by_target[:: max(1, len(train) // count)])]
            began = time.perf_counter()
            model = self.train(some, context)
            trained = time.perf_counter()
            if len(some) == len(train) or trained - began > ENOUGH:
                break
            count *= MORE
        self.predict(model, some.inputs, context.task)
        predicted = time.perf_counter() - trained
        return TrainingCost((trained - began) * len(train) / len(some), 0.0, predicted / len(some))

    def fast_paths(self, train: Samples, context: Context) -> dict[str, Any]:
        """The fields of `Context` that make it faster on this machine, by a probe that leaves nothing on the disk."""
        return {}

    def specialised(self, of: int, versus: int | None) -> Self | None:
        """The same as a specialist for the class `of` against all others or one; None if it cannot be."""
        return None

    def search_space(self, trial: Any) -> Self:
        """A variant for the search, or itself where nothing can vary.

        trial: Optuna's, or anything with its suggest_float, suggest_int and suggest_categorical. No network is built,
        and torch not imported: the search that asks trains nothing itself.
        """
        return self


@dataclass(frozen=True)
class FittedModel:
    """What a learner trained, and how it predicts."""

    learner: Learner
    model: Any
    task: Task

    def predict(self, inputs: Any) -> Any:
        return self.learner.predict(self.model, inputs, self.task)
