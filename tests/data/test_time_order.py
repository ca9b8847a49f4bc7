"""A competition in time, from its data to the judge's file: nothing learns from what came later."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.competition import Competition
from harness.data.samples import Dataset, Samples, numbered
from harness.data.sources import MadeSample
from harness.data.splits import time_ordered
from harness.metrics import RMSE
from harness.models import Context
from harness.options import Request
from harness.tasks.regression import Regression
from harness.training import fold
from tests.support.here import run

DAYS = np.random.default_rng(0).permutation(60).astype(float)


@dataclass(frozen=True)
class LastDay:
    """Says for every row the last day that it learned from."""

    epochs: int = 1
    target_class: int | None = None
    pretrained: bool = False
    fewest_epochs: int = 1

    def fit(self, train: Samples, valid: Samples | None, context: Context) -> "Said":
        context.folder.mkdir(parents=True, exist_ok=True)
        (context.folder / "day").write_text(str(day(train).max()))
        return self.load(context)

    def load(self, context: Context) -> "Said":
        return Said(float((context.folder / "day").read_text()))


@dataclass(frozen=True)
class Said:
    day: float

    def predict(self, inputs: Any) -> np.ndarray:
        return np.full(len(inputs), self.day, np.float32)


def day(samples: Samples) -> np.ndarray:
    return samples.inputs["day"]


def no_files(folder: Path) -> None:
    """The rows are in memory."""


def load(raw: Path) -> Dataset:
    return Dataset(Samples(numbered(60), np.array(list(zip(DAYS)), [("day", float)]), DAYS.copy()))


@pytest.mark.parametrize("fast", [False, True])
def test_every_row_is_predicted_from_earlier_rows_and_the_earliest_are_marked(
    fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    competition = Competition(
        name="tomorrow",
        task=Regression("day"),
        metric=RMSE(),
        sources=(MadeSample(no_files),),
        load=load,
        split=time_ordered(by=day, folds=4),
        models={"last_day": LastDay()},
    )
    monkeypatch.setattr(fold, "find", lambda name: competition)
    lines: list[str] = []
    done = run(Request(competition, fast=fast, say=lines.append))
    train, judged = done.prepared.train, done.prepared.holdout
    assert day(judged).min() > day(train).max()
    assert train.targets[done.folds == -1].max() < train.targets[done.folds >= 0].min()
    if fast:  # on 40 of the rows, in two folds
        assert len(train) + len(judged) == 40
        assert set(done.folds) == {-1, 0, 1}
        return
    model_run, days = done.model_runs["last_day"], train.targets[done.folds >= 0]
    said = model_run.out_of_fold(competition.task, done.folds, model_run.held(4)).plain
    assert (said < days).all()
    assert np.unique(said).tolist() == [9, 18, 28, 37]  # each block is told what the day before it was
    assert len(done.oof.targets) == 38
    assert "only 38 of 48 rows have out-of-fold predictions of every member" in lines
