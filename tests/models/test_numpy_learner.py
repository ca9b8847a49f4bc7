"""A model of one's own on numpy: kept, resumed to the same bytes, stopped by a signal or the clock, timed."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.data.samples import Samples, numbered
from harness.errors import UserError
from harness.models import Context, Interrupted, OutOfTime
from harness.models.numpy_learner import ARRAYS, STATE, NumpyLearner
from harness.tasks.regression import Regression

TASK = Regression("weight")
TRAIN = Samples(numbered(10), np.arange(10.0), np.arange(10.0), np.arange(10))


@dataclass(frozen=True, kw_only=True)
class Walk(NumpyLearner):
    """A random walk: wherever it ends depends on every step."""

    epochs: int = 6

    def begin(self, train: Samples, task: Any) -> dict[str, np.ndarray]:
        return {"place": np.zeros(2)}

    def epoch(self, arrays: Any, train: Samples, rng: np.random.Generator) -> tuple[dict[str, np.ndarray], float]:
        assert set(arrays) == {"place"}
        return {"place": 0.9 * arrays["place"] + rng.normal(size=2)}, 1.0

    def predict(self, model: Any, inputs: Any, task: Any) -> np.ndarray:
        return inputs + model["place"].sum()


def after(asked: int) -> Any:
    """A signal that comes when it was asked for so many times."""
    left = iter([False] * asked)
    return lambda: next(left, True)


@pytest.fixture
def whole(tmp_path: Path) -> bytes:
    return Walk().fit(TRAIN, None, Context(TASK, tmp_path / "whole")).predict(TRAIN.inputs).tobytes()


def test_an_interrupted_fit_goes_on_to_the_same_bytes(whole: bytes, tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match="stopped after epoch 2; the same command goes on from there"):
        Walk().fit(TRAIN, None, Context(TASK, tmp_path, stop=after(4)))
    assert (tmp_path / STATE).exists() and not (tmp_path / ARRAYS).exists()
    assert Walk().fit(TRAIN, None, Context(TASK, tmp_path)).predict(TRAIN.inputs).tobytes() == whole
    assert not (tmp_path / STATE).exists()


def test_a_deadline_saves_and_the_same_call_goes_on(whole: bytes, tmp_path: Path) -> None:
    with pytest.raises(OutOfTime, match="after epoch 0"):
        Walk().fit(TRAIN, None, Context(TASK, tmp_path, deadline=time.monotonic()))
    assert Walk().fit(TRAIN, None, Context(TASK, tmp_path)).predict(TRAIN.inputs).tobytes() == whole


def test_a_fit_at_its_last_epoch_is_not_out_of_time(tmp_path: Path) -> None:
    Walk(epochs=1).fit(TRAIN, None, Context(TASK, tmp_path, deadline=time.monotonic()))
    assert (tmp_path / ARRAYS).exists()


def test_a_finished_fit_is_loaded(whole: bytes, tmp_path: Path) -> None:
    assert Walk().load(Context(TASK, tmp_path / "whole")).predict(TRAIN.inputs).tobytes() == whole
    with pytest.raises(UserError, match="holds no whole fit"):
        Walk().load(Context(TASK, tmp_path / "elsewhere"))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"no archive at all"])
def test_a_broken_file_is_reported_and_the_fold_fitted_again(content: bytes, whole: bytes, tmp_path: Path) -> None:
    said: list[dict] = []
    (tmp_path / ARRAYS).write_bytes(content)
    fitted = Walk().fit(TRAIN, None, Context(TASK, tmp_path, report=said.append))
    assert fitted.predict(TRAIN.inputs).tobytes() == whole
    assert ["is broken" in event.get("warning", "") for event in said] == [True]


def test_another_fold_or_seed_is_another_walk(whole: bytes, tmp_path: Path) -> None:
    for name, change in (("seed", {"seed": 1}), ("fold", {"fold": 1})):
        fitted = Walk().fit(TRAIN, None, Context(TASK, tmp_path / name, **change))
        assert fitted.predict(TRAIN.inputs).tobytes() != whole


def test_the_cost_leaves_nothing_on_the_disk(tmp_path: Path) -> None:
    cost = Walk().cost(TRAIN, Context(TASK, tmp_path / "probe"))
    assert min(cost) >= 0 and cost.epoch > 0
    assert not (tmp_path / "probe").exists()
