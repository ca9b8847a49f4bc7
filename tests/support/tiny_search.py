"""A competition whose models learn in milliseconds, a study of it, and a search that runs in this process.

A row's label is the sum of its pixels modulo three. A model with `skill` s is right about a share s of the rows.
"""

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.competition import Competition, find
from harness.models import Learner
from harness.options import Request
from harness.prepare import Prepared, current
from harness.search.loop import SearchLoop
from harness.search.pruning import Pruner
from harness.search.schedule import measured_schedule
from harness.search.study import Study, open_study
from harness.training.ensembling import keep_baseline
from harness.training.workers.process import ErrorText
from tests.support.here import Here
from tests.support.tiny_data import tiny_declaration

NAME = "beads"
DECLARATION = """
from dataclasses import dataclass, replace

import numpy as np

from harness.competition import Competition
from harness.data.samples import Dataset, Samples, numbered
from harness.data.sources import MadeSample
from harness.data.splits import Holdout, stratified_grouped
from harness.ensemble import blend
from harness.metrics import Accuracy
from harness.models import Diverged, FittedModel, Learner, TrainingCost
from harness.tasks.classification import Classification

CLASSES, ROWS = ("ant", "bee", "cat"), 120


def make(folder):
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "beads.npy", np.random.default_rng(0).integers(0, 256, (ROWS, 8, 8), dtype=np.uint8))


def load(raw):
    images = np.load(raw / "beads.npy")
    return Dataset(Samples(numbered(ROWS), images, label(images), np.arange(ROWS)))


def label(images):
    return np.asarray(images).reshape(len(images), -1).sum(1).astype(int) % 3


def targets_themselves(targets):
    return targets


@dataclass(frozen=True, kw_only=True)
class Skilled(Learner):
    skill: float = 0.7
    fault: str = ""
    epochs: int = 4
    batch: int = 8

    def fit(self, train, valid, context):
        if self.fault == "memory" and self.batch > 2:
            raise MemoryError("out of memory")
        if self.fault == "nan":
            raise Diverged("training diverged: the loss is NaN")
        if self.fault == "crash":
            raise ZeroDivisionError("division by zero")
        context.folder.mkdir(parents=True, exist_ok=True)
        fitted = self.load(context)
        for epoch in range(self.epochs):
            context.look((epoch + 1) / self.epochs, fitted.predict)
        return fitted

    def load(self, context):
        return FittedModel(self, None, context.task)

    def predict(self, model, inputs, task):
        images = np.asarray(inputs)
        right = images[:, 0, 0] < 256 * self.skill
        answer = (label(images) + ~right) % 3
        return np.where(answer[:, None] == np.arange(3), 0.7, 0.15).astype(np.float32)

    def cost(self, train, context):
        return TrainingCost(0.01, 0.01, 0.0001)

    def search_space(self, trial):
        return replace(self, skill=0.3 + 0.1 * trial.suggest_int("tenths", 2, 5))


competition = Competition(
    name="beads",
    task=Classification(CLASSES),
    metric=Accuracy(CLASSES),
    sources=(MadeSample(make),),
    load=load,
    holdout=Holdout(fraction=0.25, public=0.5),
    split=stratified_grouped(by=targets_themselves, folds=2),
    models={"net": Skilled(), "weak": Skilled(skill=0.4)},
    ensemble=blend("net", "weak"),
    default=("net",),
)
"""


def declare(root: Path, declaration: str = DECLARATION) -> list[str]:
    """Write the declaration below a home; returns the path that `competitions` needs."""
    folder = root / "competitions" / NAME
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "__init__.py").touch()
    (folder / "competition.py").write_text(declaration)
    return [str(root / "competitions")]


def write_raw(root: Path) -> Path:
    """Make the raw files of the declared competition; returns their folder."""
    importlib.import_module(f"competitions.{NAME}.competition").make(root / "raw")
    return root / "raw"


class InProcess(Here):
    """Runs jobs in this process; a job's error is its result, as a worker sends it.

    before: called before each job; an exception that it returns is the job's result, one that it raises goes through.
    """

    def __init__(self, before: Callable[[], Exception | None] = lambda: None) -> None:
        super().__init__()
        self.before = before

    def submit(self, function: Callable[..., Any], *arguments: Any) -> int:
        result: Any = self.before()
        try:
            result = result or function(*arguments)
        except Exception as error:
            result = ErrorText.of(error).error()
        self.done.append((0, result))
        return 0


@dataclass
class Search:
    """A search in this process, with what it said and what it sent to the console."""

    loop: SearchLoop
    said: list[str]
    events: list[dict[str, Any]]


def make_search(before: Callable[[], Exception | None] = lambda: None, hours: float = 1.0, **changed: Any) -> Search:
    """Open the study of the declared competition and make its loop; changed: fields of the request."""
    said, events = list[str](), list[dict[str, Any]]()
    request = Request(find(NAME), budget=3600 * hours, say=said.append, listen=events.append, team="red", **changed)
    prepared = current(NAME)
    keep_baseline(request, prepared)
    folds = prepared.folds(request.competition, request.fold_count)
    workers = InProcess(before)
    study = open_study(request.competition, prepared, prepared.train_hash(folds), list(request.learners), None)
    schedule = measured_schedule(request, prepared, workers, study.optuna)
    groups = {fold: prepared.train.groups[folds == fold] for fold in range(request.fold_count)}
    pruner = Pruner(request.competition.metric, groups)
    background = InProcess(before)
    return Search(SearchLoop(request, prepared, folds, workers, background, study, schedule, pruner), said, events)


# -- a study alone -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Net(Learner):
    """A learner of numbers only, which nothing trains."""

    lr: float = 0.1
    epochs: int = 20
    batch: int = 8
    fewest_epochs: int = 3

    def search_space(self, trial: Any) -> "Net":
        return replace(self, lr=trial.suggest_float("lr", 0.01, 1.0, log=True))


LEARNERS: dict[str, Any] = {"net": Net()}
EPOCHS = {"net": 5}


def tiny_net(**changed: Any) -> Competition:
    return tiny_declaration(models=dict(LEARNERS), **changed)


def net_study(train_hash: str = "t1", data_hash: str = "d1", storage: str | None = None) -> Study:
    """The study of the competition `tiny` in the home of the test, as one search opens it."""
    return open_study(tiny_net(), Prepared("tiny", data_hash), train_hash, ["net"], storage)


def wait_until(true: Callable[[], Any], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)
