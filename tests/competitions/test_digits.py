"""The learners of digits: gradients by finite differences, and twins on numpy and in PyTorch that stay alike."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from competitions.digits.competition import competition
from competitions.digits.data import SIDE, load, small_sample
from competitions.digits.numpy_networks import Layers, activations, first_weights, loss_and_gradients
from competitions.digits.weights import drawing
from harness.audit import audit
from harness.data.samples import Dataset, Samples, numbered
from harness.models import Context

TASK = competition.task


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
def test_they_learn(name: str, tmp_path: Path) -> None:
    train, learner = strokes(), replace(competition.models[name], batch=10)
    fitted = learner.fit(train, None, Context(TASK, tmp_path))
    probs = fitted.predict(train.inputs)
    assert (probs.argmax(1) == train.targets).all()
    assert (learner.load(Context(TASK, tmp_path)).predict(train.inputs) == probs).all()


def test_the_twin_in_pytorch_says_the_same_before_and_after_training(tmp_path: Path) -> None:
    """From the same start, on the same batches in the same order, at the same rate."""
    train = strokes()
    for epochs in (0, 3):
        ours = replace(competition.models["two_layer"], epochs=epochs, batch=10)
        theirs = replace(competition.models["two_layer_torch"], epochs=max(epochs, 1), batch=10)
        assert ours.lr == theirs.lr
        if epochs == 0:
            theirs = replace(theirs, lr=0.0)
        context = Context(TASK, tmp_path / f"numpy{epochs}", fold=1)
        probs = ours.fit(train, None, context).predict(train.inputs)
        twin = theirs.fit(train, None, replace(context, folder=tmp_path / f"torch{epochs}"))
        np.testing.assert_allclose(twin.probabilities(train.inputs), probs, atol=1e-5)
        changed = probs
    start = Layers(hidden=(128,), epochs=0).fit(train, None, Context(TASK, tmp_path / "start")).predict(train.inputs)
    assert np.abs(changed - start).max() > 0.1  # and it did train


@pytest.mark.parametrize("name", ["cnn", "strided", "residual", "cnn_wide", "two_layer_torch", "cnn_adamw", "cnn_sgd"])
def test_every_network_makes_a_step(name: str, tmp_path: Path) -> None:
    train, learner = strokes(), replace(competition.models[name], epochs=1)
    probs = learner.fit(train, None, Context(TASK, tmp_path)).predict(train.inputs)
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


def test_strokes_that_coincide_are_no_copies_and_digits_that_look_alike_no_contamination(tmp_path: Path) -> None:
    """204 pairs of these real digits correlate more than 0.98; a brighter, noisy copy is still found."""
    small_sample(tmp_path)
    dataset = load(tmp_path)
    seen = audit(dataset, TASK)
    assert {check.name: check.verdict for check in seen.checks}["test duplicates"] == "pass"
    assert (len(np.unique(seen.groups)), seen.exclusions) == (1500, {})
    images, rng = dataset.labelled.inputs[:100].copy(), np.random.default_rng(0)
    images[1] = np.clip(images[0] * 0.9 + 10 + rng.normal(0, 4, images[0].shape), 0, 255)
    hundred = replace(dataset.labelled[np.arange(100)], inputs=images)
    assert len(np.unique(audit(Dataset(hundred), TASK).groups)) == 99


@pytest.mark.real
def test_only_the_pictures_of_the_official_part_are_looked_at() -> None:
    from tests.support.tiny_data import SHARED

    dataset = competition.load(SHARED / "data" / "mnist")
    assert dataset.labelled.inputs.shape == (20000, SIDE, SIDE)
    assert len(dataset.official["test"]) == 5000
    assert dataset.official["test"].targets is None
