"""The learner of cars: its gradient is the derivative of its loss, and it ends where the closed form says."""

from pathlib import Path

import numpy as np
import pytest

from competitions.cars.data import load
from competitions.cars.linear import Linear, design, loss_and_gradient
from harness.data.samples import Samples, numbered
from harness.models import Context
from harness.tasks.regression import Regression

TASK = Regression("horsepower")


def line(rows: int = 40, noise: float = 0.5) -> Samples:
    """y = 3 a - 2 b + 7 + noise; c is of no use, the name is no number."""
    rng = np.random.default_rng(0)
    inputs = np.zeros(rows, [("a", "f8"), ("name", "U5"), ("b", "f8"), ("c", "i4")])
    inputs["a"], inputs["b"], inputs["c"] = rng.normal(50, 9, rows), rng.normal(0, 2, rows), rng.integers(0, 9, rows)
    inputs["name"] = "honda"
    targets = 3 * inputs["a"] - 2 * inputs["b"] + 7 + rng.normal(0, noise, rows)
    return Samples(numbered(rows), inputs, targets, np.arange(rows))


def test_the_gradient_is_the_derivative_of_the_loss() -> None:
    rng = np.random.default_rng(1)
    x, y, weights = rng.normal(size=(20, 4)), rng.normal(size=20), rng.normal(size=4)
    _, gradient = loss_and_gradient(weights, x, y)
    for k, step in enumerate(1e-6 * np.eye(4)):
        slope = (loss_and_gradient(weights + step, x, y)[0] - loss_and_gradient(weights - step, x, y)[0]) / 2e-6
        assert gradient[k] == pytest.approx(slope, abs=1e-7)


@pytest.mark.parametrize("columns", [None, 2, 1])
def test_it_converges_to_the_closed_form(columns: int | None, tmp_path: Path) -> None:
    train = line()
    fitted = Linear(columns=columns).fit(train, None, Context(TASK, tmp_path))
    names = ["a", "b", "c"][:columns]
    x = np.column_stack([np.ones(40), *(train.inputs[name] for name in names)])
    closed, *_ = np.linalg.lstsq(x, train.targets)
    np.testing.assert_allclose(fitted.predict(train.inputs), x @ closed, rtol=1e-5)


def test_the_loss_falls_at_every_step() -> None:
    train, losses = line(), []
    learner = Linear()
    arrays = learner.begin(train, TASK)
    for _ in range(20):
        arrays, loss = learner.epoch(arrays, train, np.random.default_rng(0))
        losses.append(loss)
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.01 * losses[0]


def test_one_column_is_the_one_that_says_most() -> None:
    assert Linear(columns=1).begin(line(), TASK)["columns"].tolist() == [0]


def test_a_missing_value_counts_as_the_mean() -> None:
    train = line()
    train.inputs["b"][3] = np.nan
    arrays = Linear().begin(train, TASK)
    assert design(arrays, train.inputs)[3, 2] == 0
    assert np.isfinite(design(arrays, train.inputs)).all()


@pytest.mark.real
def test_cars_without_a_horsepower_are_the_official_part() -> None:
    from tests.support.tiny_data import SHARED

    dataset = load(SHARED / "data" / "auto_mpg")
    (asked,) = dataset.official.values()
    assert (len(dataset.labelled), len(asked)) == (392, 6)
    assert asked.ids.tolist() == ["32", "126", "330", "336", "354", "374"]  # rows of the file, from 0
    assert dataset.labelled.targets[:3].tolist() == [130, 165, 150]
    assert "horsepower" not in dataset.labelled.inputs.dtype.names
