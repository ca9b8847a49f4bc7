"""The learners of the competitions: gradients, twins on numpy and in PyTorch, and a step of every network."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import numpy as np
import pytest
import torch

from competitions.blood.competition import competition as blood
from competitions.cars.linear import Linear, design, loss_and_gradient
from competitions.cytology.competition import competition as cytology
from competitions.digits.competition import competition as digits
from competitions.digits.data import SIDE, small_sample
from competitions.digits.numpy_networks import Layers, activations, first_weights, loss_and_gradients
from competitions.digits.weights import drawing
from harness.audit import audit
from harness.data.samples import Dataset, Samples, numbered
from harness.errors import UserError
from harness.models import Context
from harness.tasks.regression import Regression
from tests.support import hub

# -- cars: linear regression on numpy ----------------------------------------------------------------------------------

HORSEPOWER = Regression("horsepower")


def line(rows: int = 40, noise: float = 0.5) -> Samples:
    """y = 3 a - 2 b + 7 + noise; c says nothing, the name is text."""
    rng = np.random.default_rng(0)
    inputs = np.zeros(rows, [("a", "f8"), ("name", "U5"), ("b", "f8"), ("c", "i4")])
    inputs["a"], inputs["b"], inputs["c"] = rng.normal(50, 9, rows), rng.normal(0, 2, rows), rng.integers(0, 9, rows)
    inputs["name"] = "honda"
    targets = 3 * inputs["a"] - 2 * inputs["b"] + 7 + rng.normal(0, noise, rows)
    return Samples(numbered(rows), inputs, targets, np.arange(rows))


def test_the_gradient_of_linear_is_the_derivative_of_its_loss() -> None:
    rng = np.random.default_rng(1)
    x, y, weights = rng.normal(size=(20, 4)), rng.normal(size=20), rng.normal(size=4)
    _, gradient = loss_and_gradient(weights, x, y)
    for k, step in enumerate(1e-6 * np.eye(4)):
        slope = (loss_and_gradient(weights + step, x, y)[0] - loss_and_gradient(weights - step, x, y)[0]) / 2e-6
        assert gradient[k] == pytest.approx(slope, abs=1e-7)


@pytest.mark.parametrize("columns", [None, 2, 1])
def test_linear_converges_to_the_closed_form(columns: int | None, tmp_path: Path) -> None:
    train = line()
    fitted = Linear(columns=columns).fit(train, None, Context(HORSEPOWER, tmp_path))
    names = ["a", "b", "c"][:columns]
    x = np.column_stack([np.ones(40), *(train.inputs[name] for name in names)])
    closed, *_ = np.linalg.lstsq(x, train.targets)
    np.testing.assert_allclose(fitted.predict(train.inputs), x @ closed, rtol=1e-5)


def test_the_loss_of_linear_falls_at_every_step() -> None:
    train, losses = line(), []
    learner = Linear()
    arrays = learner.begin(train, HORSEPOWER)
    for _ in range(20):
        arrays, loss = learner.epoch(arrays, train, np.random.default_rng(0))
        losses.append(loss)
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.01 * losses[0]


def test_one_column_is_the_one_that_says_most() -> None:
    assert Linear(columns=1).begin(line(), HORSEPOWER)["columns"].tolist() == [0]


def test_a_missing_value_counts_as_the_mean() -> None:
    train = line()
    train.inputs["b"][3] = np.nan
    arrays = Linear().begin(train, HORSEPOWER)
    assert design(arrays, train.inputs)[3, 2] == 0
    assert np.isfinite(design(arrays, train.inputs)).all()


# -- digits: networks on numpy, and their twins in PyTorch ------------------------------------------------------------


def strokes(rows: int = 30) -> Samples:
    """The digit k is a bright row of pixels at height 2 k."""
    targets = np.arange(rows) % 10
    images = np.random.default_rng(0).integers(0, 60, (rows, SIDE, SIDE), dtype=np.uint8)
    images[np.arange(rows), 2 * targets] = 230
    return Samples(numbered(rows), images, targets.astype(np.uint8), np.arange(rows))


@pytest.mark.parametrize("hidden", [(), (5,), (6, 4)], ids=["softmax", "two layers", "three"])
def test_the_gradients_are_the_derivatives_of_the_loss(hidden: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    x, labels = rng.normal(size=(8, 7)), rng.integers(0, 3, 8)
    weights = {name: array.astype(np.float64) for name, array in first_weights((7, *hidden, 3)).items()}
    for array in weights.values():
        array += 0.1 * rng.normal(size=array.shape)  # offsets too are no longer zero
    _, gradients = loss_and_gradients(weights, x, labels)
    for name, array in weights.items():
        for place in np.ndindex(array.shape):
            sides = []
            for step in (1e-6, -1e-6):
                moved = array.copy()
                moved[place] += step
                sides.append(loss_and_gradients({**weights, name: moved}, x, labels)[0])
            assert gradients[name][place] == pytest.approx((sides[0] - sides[1]) / 2e-6, abs=1e-7)


def test_probabilities_are_probabilities_even_of_huge_logits() -> None:
    weights = {name: 1e4 * array for name, array in first_weights((7, 3)).items()}
    probs = activations(weights, np.ones((2, 7), np.float32))[-1]
    np.testing.assert_allclose(probs.sum(1), 1)


@pytest.mark.parametrize("name", ["softmax", "two_layer"])
def test_numpy_networks_learn(name: str, tmp_path: Path) -> None:
    train, learner = strokes(), replace(digits.models[name], batch=10)
    fitted = learner.fit(train, None, Context(digits.task, tmp_path))
    probs = fitted.predict(train.inputs)
    assert (probs.argmax(1) == train.targets).all()
    assert (learner.load(Context(digits.task, tmp_path)).predict(train.inputs) == probs).all()


def test_the_twin_in_pytorch_says_the_same_before_and_after_training(tmp_path: Path) -> None:
    """From the same start, on the same batches in the same order, at the same rate."""
    train = strokes()
    for epochs in (0, 3):
        ours = replace(digits.models["two_layer"], epochs=epochs, batch=10)
        theirs = replace(digits.models["two_layer_torch"], epochs=max(epochs, 1), batch=10)
        assert ours.lr == theirs.lr
        if epochs == 0:
            theirs = replace(theirs, lr=0.0)
        context = Context(digits.task, tmp_path / f"numpy{epochs}", fold=1)
        probs = ours.fit(train, None, context).predict(train.inputs)
        twin = theirs.fit(train, None, replace(context, folder=tmp_path / f"torch{epochs}"))
        np.testing.assert_allclose(twin.probabilities(train.inputs), probs, atol=1e-5)
        changed = probs
    start = (
        Layers(hidden=(128,), epochs=0).fit(train, None, Context(digits.task, tmp_path / "start")).predict(train.inputs)
    )
    assert np.abs(changed - start).max() > 0.1  # and it did train


@pytest.mark.parametrize("name", ["cnn", "strided", "residual", "cnn_sgd"])
def test_every_network_of_digits_makes_a_step(name: str, tmp_path: Path) -> None:
    train, learner = strokes(), replace(digits.models[name], epochs=1)
    probs = learner.fit(train, None, Context(digits.task, tmp_path)).predict(train.inputs)
    assert probs.shape == (30, 10)
    np.testing.assert_allclose(probs.astype(np.float32).sum(1), 1, atol=5e-3)


def test_the_weights_are_drawn_one_tile_a_unit() -> None:
    """White where a weight is 0, red where a pixel speaks for the unit, blue where against it."""
    weights = np.zeros((SIDE * SIDE, 3), np.float32)
    weights[0, 0], weights[-1, 1] = 2.0, -1.0
    tiles = drawing(weights, across=2, zoom=1, gap=0)
    assert tiles.shape == (2 * SIDE, 2 * SIDE, 3)
    assert tiles[0, 0].tolist() == [255, 0, 0]
    assert tiles[SIDE - 1, 2 * SIDE - 1].tolist() == [0, 0, 255]  # each unit on its own scale
    assert (tiles[SIDE:, :SIDE] == 255).all()


def test_digits_that_look_alike_are_neither_copies_nor_contamination(tmp_path: Path) -> None:
    """204 pairs of these real digits correlate more than 0.98; a brighter, noisy copy is still found."""
    small_sample(tmp_path)
    dataset = digits.load(tmp_path)
    seen = audit(dataset, digits.task)
    assert {check.name: check.verdict for check in seen.checks}["test duplicates"] == "pass"
    assert (len(np.unique(seen.groups)), seen.exclusions) == (1500, {})
    images, rng = dataset.labelled.inputs[:100].copy(), np.random.default_rng(0)
    images[1] = np.clip(images[0] * 0.9 + 10 + rng.normal(0, 4, images[0].shape), 0, 255)
    hundred = replace(dataset.labelled[np.arange(100)], inputs=images)
    assert len(np.unique(audit(Dataset(hundred), digits.task).groups)) == 99


# -- blood and cytology: every declared network ------------------------------------------------------------------------

# The smallest of the same family; head, schedule and frozen layers stay as they are declared. The declared backbones,
# which take minutes, are trained under tests/slow.
SIBLINGS = {
    "inception": "test_resnet.r160_in1k",
    "efficientnet": "test_efficientnet.r160_in1k",
    "convnext": "test_convnext.r160_in1k",
    "convnext_large": "test_convnext2.r160_in1k",
}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def small(name: str) -> Any:
    learner = blood.models[name]
    return replace(learner, backbone=SIBLINGS[name]) if name in SIBLINGS else learner


@pytest.mark.parametrize("name", blood.models)
def test_every_learner_of_blood_is_trained_on_four_small_images(name: str, cache: Path, tmp_path: Path) -> None:
    learner = small(name)
    if learner.pretrained:
        hub.fill(cache, learner.backbone)
    images = np.random.default_rng(0).integers(0, 256, (4, 28, 28, 3), dtype=np.uint8)
    train = Samples(numbered(4), images, np.arange(4, dtype=np.uint8) * 2, np.arange(4))
    fitted = replace(learner, epochs=1).fit(train, None, Context(blood.task, tmp_path / "fold"))
    np.testing.assert_allclose(fitted.predict(images).astype(np.float32).sum(1), 1, atol=5e-3)


@pytest.mark.usefixtures("cache")
def test_a_pretrained_model_without_weights_names_the_command_that_gets_them() -> None:
    with pytest.raises(UserError, match=f"hf download timm/{SIBLINGS['convnext']} model.safetensors"):
        small("convnext").network(len(blood.task.classes))


def test_every_network_of_cytology_makes_a_step_and_the_residual_one_takes_images_of_any_size(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 48, 48, 3), dtype=np.uint8)
    train = Samples(numbered(20), images, np.arange(20) % 2, np.arange(20))
    for name, learner in cytology.models.items():
        fitted = replace(learner, epochs=1).fit(train, None, Context(cytology.task, tmp_path / name))
        probs = fitted.predict(images).astype(np.float32)
        np.testing.assert_allclose(probs.sum(1), 1, atol=2e-3)
    assert cytology.models["residual"].network(2).eval()(torch.zeros(1, 3, 40, 72)).shape == (1, 2)
