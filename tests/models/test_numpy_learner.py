"""A model of one's own on numpy: kept, resumed to the same bytes, stopped by a signal or the clock, timed."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.data.samples import Samples, numbered
from harness.errors import UserError
from harness.models import MODEL, Context, Interrupted, OutOfTime
from harness.models.numpy_learner import STATE, NumpyLearner
from harness.tasks.regression import Regression
from tests.support.tiny_networks import stop_at

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


def walked(folder: Path, **change: Any) -> bytes:
    return Walk().fit(TRAIN, None, Context(TASK, folder, **change)).predict(TRAIN.inputs).tobytes()


def test_an_interrupted_fit_goes_on_to_the_same_bytes_and_a_finished_one_is_loaded(tmp_path: Path) -> None:
    whole, cut = walked(tmp_path / "whole"), tmp_path / "cut"
    with pytest.raises(UserError, match="no finished fit"):
        Walk().load(Context(TASK, cut))
    with pytest.raises(OutOfTime):
        walked(cut, deadline=time.monotonic())
    with pytest.raises(Interrupted):
        walked(cut, stop=stop_at(4))
    assert (cut / STATE).exists() and not (cut / MODEL).exists()
    assert walked(cut) == whole
    assert not (cut / STATE).exists()
    assert Walk().load(Context(TASK, cut)).predict(TRAIN.inputs).tobytes() == whole
    assert walked(tmp_path / "seed", seed=1) != whole != walked(tmp_path / "fold", fold=1)


def test_a_fit_at_its_last_epoch_is_not_out_of_time(tmp_path: Path) -> None:
    Walk(epochs=1).fit(TRAIN, None, Context(TASK, tmp_path, deadline=time.monotonic()))
    assert (tmp_path / MODEL).exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off"])
def test_a_broken_state_is_reported_and_the_fold_fitted_from_its_start(content: bytes, tmp_path: Path) -> None:
    events: list[dict] = []
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / STATE).write_bytes(content)
    assert walked(folder, report=events.append) == walked(tmp_path / "whole")
    assert str(folder / STATE) in events[0]["warning"]


def test_the_cost_leaves_nothing_on_the_disk(tmp_path: Path) -> None:
    cost = Walk().cost(TRAIN, Context(TASK, tmp_path / "probe"))
    assert min(cost) >= 0 and cost.epoch > 0
    assert not (tmp_path / "probe").exists()
