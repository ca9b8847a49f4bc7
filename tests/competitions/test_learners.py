"""The learners of the competitions: closed forms, twins on numpy and in PyTorch, and a step of every network."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from competitions.cars.linear import Linear
from competitions.digits.data import SIDE, small_sample
from competitions.digits.numpy_networks import Layers, activations, first_weights, loss_and_gradients
from competitions.digits.weights import drawing
from harness.audit import audit
from harness.competition import find
from harness.data.samples import Dataset, Samples, numbered
from harness.errors import UserError
from harness.models import Context
from harness.tasks.regression import Regression
from tests.support import hub

digits = find("digits")

# -- cars: linear regression on numpy ----------------------------------------------------------------------------------


def line(rows: int = 40) -> Samples:
    """y = 3 a - 2 b + 7 + noise; c says nothing, the name is text, one b is missing."""
    rng = np.random.default_rng(0)
    inputs = np.zeros(rows, [("a", "f8"), ("name", "U5"), ("b", "f8"), ("c", "i4")])
    inputs["a"], inputs["b"], inputs["c"] = rng.normal(50, 9, rows), rng.normal(0, 2, rows), rng.integers(0, 9, rows)
    targets = 3 * inputs["a"] - 2 * inputs["b"] + 7 + rng.normal(0, 0.5, rows)
    inputs["b"][3] = np.nan
    return Samples(numbered(rows), inputs, targets, np.arange(rows))


@pytest.mark.parametrize("columns", [None, 2, 1])
def test_linear_converges_to_the_closed_form_with_what_is_missing_as_the_mean(columns: int | None, tmp_path: Path):
    train = line()
    fitted = Linear(columns=columns).fit(train, None, Context(Regression("horsepower"), tmp_path))
    seen = [
        np.where(np.isnan(train.inputs[name]), np.nanmean(train.inputs[name]), train.inputs[name]) for name in "abc"
    ]
    x = np.column_stack([np.ones(40), *seen[:columns]])  # of one column, that which says most
    closed, *_ = np.linalg.lstsq(x, train.targets)
    np.testing.assert_allclose(fitted.predict(train.inputs), x @ closed, rtol=1e-5)


# -- digits: networks on numpy, and their twins in PyTorch -------------------------------------------------------------


def strokes(rows: int = 30) -> Samples:
    """The digit k is a bright row of pixels at height 2 k."""
    targets = np.arange(rows) % 10
    images = np.random.default_rng(0).integers(0, 60, (rows, SIDE, SIDE), dtype=np.uint8)
    images[np.arange(rows), 2 * targets] = 230
    return Samples(numbered(rows), images, targets.astype(np.uint8), np.arange(rows))


@pytest.mark.parametrize("hidden", [(), (5,), (6, 4)], ids=["softmax", "two layers", "three"])
def test_the_gradients_are_those_of_pytorch(hidden: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    x, labels = rng.normal(size=(8, 7)), rng.integers(0, 3, 8)
    weights = {
        name: array + 0.1 * rng.normal(size=array.shape) for name, array in first_weights((7, *hidden, 3)).items()
    }
    loss, gradients = loss_and_gradients(weights, x, labels)
    tensors = {name: torch.tensor(array, requires_grad=True) for name, array in weights.items()}
    z = torch.tensor(x)
    for k in range(len(hidden) + 1):
        z = (z.relu() if k else z) @ tensors[f"w{k}"] + tensors[f"b{k}"]
    theirs = torch.nn.functional.cross_entropy(z, torch.tensor(labels))
    theirs.backward()
    assert loss == pytest.approx(theirs.item())
    for name, tensor in tensors.items():
        np.testing.assert_allclose(gradients[name], tensor.grad.numpy(), atol=1e-9)
    huge = {name: 1e4 * array for name, array in weights.items()}
    np.testing.assert_allclose(activations(huge, x)[-1].sum(1), 1)


def test_the_twin_in_pytorch_says_the_same_after_training(tmp_path: Path) -> None:
    """From the same start, on the same batches in the same order, at the same rate."""
    train = strokes()
    ours, theirs = (replace(digits.models[name], epochs=3, batch=10) for name in ("two_layer", "two_layer_torch"))
    probs, twin, start = (
        learner.fit(train, None, Context(digits.task, tmp_path / name, fold=1))
        for name, learner in (("ours", ours), ("twin", theirs), ("start", Layers(hidden=(128,), epochs=0)))
    )
    learned = probs.predict(train.inputs)
    np.testing.assert_allclose(twin.probabilities(train.inputs), learned, atol=1e-5)
    assert np.abs(learned - start.predict(train.inputs)).max() > 0.1  # and it did train


@pytest.mark.parametrize("name", ["softmax", "two_layer"])
def test_numpy_networks_learn(name: str, tmp_path: Path) -> None:
    train, learner = strokes(), replace(digits.models[name], batch=10)
    probs = learner.fit(train, None, Context(digits.task, tmp_path)).predict(train.inputs)
    assert (probs.argmax(1) == train.targets).all()


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


# -- a step of every network of images with one label ------------------------------------------------------------------

SHAPES = {"digits": (30, 28, 28), "cytology": (20, 48, 48, 3), "blood": (4, 28, 28, 3)}
# The smallest of the same family; head, schedule and frozen layers stay as they are declared. The declared backbones,
# which take minutes, are trained under tests/slow.
SIBLINGS = {
    "inception": "test_resnet.r160_in1k",
    "efficientnet": "test_efficientnet.r160_in1k",
    "convnext": "test_convnext.r160_in1k",
    "convnext_large": "test_convnext2.r160_in1k",
}


@pytest.mark.parametrize(("name", "model"), [(name, model) for name in SHAPES for model in find(name).models])
def test_every_learner_makes_a_step(name: str, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    declared, cache, rows = find(name), hub.empty(tmp_path, monkeypatch), SHAPES[name][0]
    learner = replace(declared.models[model], epochs=1)
    if model in SIBLINGS:
        learner = replace(learner, backbone=SIBLINGS[model])
        with pytest.raises(UserError, match=f"hf download timm/{SIBLINGS[model]} model.safetensors"):
            learner.network(len(declared.task.classes))
    if learner.pretrained:
        hub.fill(cache, learner.backbone)
    images = np.random.default_rng(0).integers(0, 256, SHAPES[name], dtype=np.uint8)
    train = Samples(numbered(rows), images, np.arange(rows) % len(declared.task.classes), np.arange(rows))
    probs = learner.fit(train, None, Context(declared.task, tmp_path / "fold")).predict(images)
    assert probs.shape == (rows, len(declared.task.classes))
    np.testing.assert_allclose(probs.astype(np.float32).sum(1), 1, atol=5e-3)


def test_the_residual_network_of_cytology_takes_images_of_any_size() -> None:
    network = find("cytology").models["residual"].network(2).eval()
    assert network(torch.zeros(1, 3, 40, 72)).shape == (1, 2)
