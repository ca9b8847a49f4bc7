"""A model of your own on numpy: declare how it begins, what an epoch does and how it predicts."""

import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from harness.data.samples import Samples
from harness.errors import UserError
from harness.files import atomic, sweep_partials
from harness.models import Context, FittedModel, Interrupted, Learner, OutOfTime, TrainingCost, search_spaces
from harness.tasks import Task

Arrays = Mapping[str, np.ndarray]

ARRAYS, STATE = "arrays.npz", "state.npz"
SAVE_SECONDS = 30.0  # the most work that a kill costs
REPORT_SECONDS = 0.5
TIMED, ROWS = 3, 256  # epochs, and inputs of a prediction, that are timed


@dataclass(frozen=True, kw_only=True)
class NumpyLearner(Learner):
    """A frozen dataclass of numbers; what is learned is a few named arrays, stored in the fold's folder."""

    epochs: int = 100
    fewest_epochs: int = 3

    def begin(self, train: Samples, task: Task) -> Arrays:
        """The arrays before the first epoch."""
        raise NotImplementedError

    def epoch(self, arrays: Arrays, train: Samples, rng: np.random.Generator) -> tuple[Arrays, float]:
        """The arrays after one more pass over the training rows, and the mean loss during it."""
        raise NotImplementedError

    def fit(self, train: Samples, valid: Samples | None, context: Context) -> FittedModel:
        context.folder.mkdir(parents=True, exist_ok=True)
        sweep_partials(context.folder)
        arrays: Arrays | None = _read(context.folder / ARRAYS, context)
        if arrays is None:
            arrays = self.train(train, context)
            _write(context.folder / ARRAYS, arrays)
            (context.folder / STATE).unlink(missing_ok=True)
        return FittedModel(self, arrays, context.task)

    def train(self, train: Samples, context: Context) -> Arrays:
        """Go on from the last state; what is drawn depends on seed, fold and epoch alone."""
        saved = _read(context.folder / STATE, context)
        done = int(saved.pop("epoch")) if saved else 0
        arrays: Arrays = saved or self.begin(train, context.task)
        written = reported = time.monotonic()
        for epoch in range(done, self.epochs):
            arrays, loss = self.epoch(arrays, train, context.rng(epoch))
            now = time.monotonic()
            late = context.deadline is not None and now > context.deadline and epoch + 1 < self.epochs
            if now - reported > REPORT_SECONDS:
                reported = now
                context.report({"epoch": epoch, "loss": loss, "step": epoch + 1, "steps_total": self.epochs})
            if context.stop() or late or now - written > SAVE_SECONDS:
                written = now
                _write(context.folder / STATE, {**arrays, "epoch": np.array(epoch + 1)})
            if context.stop():
                raise Interrupted(f"stopped after epoch {epoch}; the same command goes on from there")
            if late:
                raise OutOfTime(f"out of time after epoch {epoch}; the same command goes on from there")
        return arrays

    def load(self, context: Context) -> FittedModel:
        """The finished fit in the context's folder; raise `UserError` where there is none."""
        arrays = _read(context.folder / ARRAYS, context)
        if arrays is None:
            raise UserError(f"{context.folder} holds no whole fit; delete it and run the same training command again")
        return FittedModel(self, arrays, context.task)

    def cost(self, train: Samples, context: Context) -> TrainingCost:
        began = time.perf_counter()
        arrays = self.begin(train, context.task)
        started = time.perf_counter()
        for epoch in range(TIMED):
            arrays, _ = self.epoch(arrays, train, context.rng(epoch))
        trained = time.perf_counter()
        inputs = train.inputs[:ROWS]
        self.predict(arrays, inputs, context.task)
        predicted = time.perf_counter()
        return TrainingCost(started - began, (trained - started) / TIMED, (predicted - trained) / len(inputs))

    def search_space(self, trial: Any) -> Self:
        """How long it learns, and its `lr` where it has that field."""
        declared = {field.name: getattr(self, field.name) for field in fields(self)}
        changed: dict[str, Any] = {"epochs": search_spaces.epochs(trial, self)}
        if "lr" in declared:
            changed["lr"] = search_spaces.rate(trial, declared["lr"], tamed=False)
        return replace(self, **changed)


def _write(file: Path, arrays: Mapping[str, Any]) -> None:
    with atomic(file) as out:
        np.savez(out, **arrays)


def _read(file: Path, context: Context) -> dict[str, np.ndarray] | None:
    """The arrays; None where the file is missing, or broken, with a warning."""
    if not file.exists():
        return None
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        context.warn(f"{file} is broken ({error})")
        return None
