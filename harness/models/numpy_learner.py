"""A model of your own on numpy: declare how it begins, what an epoch does and how it predicts."""

import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from harness.data.samples import Samples
from harness.files import atomic
from harness.models import Context, Fitted, Interrupted, Learner, OutOfTime, TrainingCost, search_spaces
from harness.tasks import Task

Arrays = Mapping[str, np.ndarray]

STATE = "state.npz"
SAVE_SECONDS = 30.0  # the most work that a kill costs
REPORT_SECONDS = 0.5
TIMED, ROWS = 3, 256  # epochs, and inputs of a prediction, that are timed


@dataclass(frozen=True, kw_only=True)
class NumpyLearner(Learner):
    """A frozen dataclass of numbers; what is learned is a few named arrays."""

    epochs: int = 100
    fewest_epochs: int = 3

    package: ClassVar[str] = "numpy"

    def begin(self, train: Samples, task: Task) -> Arrays:
        """The arrays before the first epoch."""
        raise NotImplementedError

    def epoch(self, arrays: Arrays, train: Samples, rng: np.random.Generator) -> tuple[Arrays, float]:
        """The arrays after one more pass over the training rows, and the mean loss during it."""
        raise NotImplementedError

    def fit(self, train: Samples, valid: Samples | None, context: Context) -> Fitted:
        fitted = super().fit(train, valid, context)
        (context.folder / STATE).unlink(missing_ok=True)
        return fitted

    def train(self, train: Samples, context: Context) -> Arrays:
        """Go on from the last state; what is drawn depends on seed, fold and epoch alone."""
        saved = self._saved(context)
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
                state: dict[str, Any] = {**arrays, "epoch": epoch + 1}
                with atomic(context.folder / STATE) as file:
                    np.savez(file, **state)
            if context.stop():
                raise Interrupted(f"stopped after epoch {epoch}; the same command goes on from there")
            if late:
                raise OutOfTime(f"out of time after epoch {epoch}; the same command goes on from there")
        return arrays

    def _saved(self, context: Context) -> dict[str, np.ndarray]:
        """The last state; empty where there is none, or a broken one, with a warning."""
        file = context.folder / STATE
        if not file.exists():
            return {}
        try:
            with np.load(file, allow_pickle=False) as arrays:
                return dict(arrays)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            context.warn(f"{file} is broken ({error}); this fold is trained from its start")
            return {}

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
        changed: dict[str, Any] = {"epochs": search_spaces.epochs(trial, self)}
        if hasattr(self, "lr"):
            changed["lr"] = search_spaces.rate(trial, self.lr, tamed=False)
        return replace(self, **changed)
