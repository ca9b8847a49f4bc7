"""Losses and class weights against hand-made values and PyTorch; several labels a row are learned by the loop."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.data.samples import Samples, numbered
from harness.errors import UserError
from harness.models import Context
from harness.models.losses import (
    IGNORED,
    CrossEntropy,
    Focal,
    InverseFrequency,
    binary_cross_entropy,
    cross_entropy,
    dice,
    focal,
    tversky,
)
from harness.models.smp import Network
from harness.tasks.classification import Classification


def example(classes: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(2, classes, 4, 5, generator=rng, requires_grad=True)
    targets = torch.randint(0, max(2, classes), (2, 4, 5), generator=rng)
    targets[:, 0] = IGNORED
    return logits, targets


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("loss", [cross_entropy, CrossEntropy(smoothing=0.1), dice, tversky, focal])
def test_void_pixels_change_no_loss_and_teach_nothing(loss, classes):
    logits, targets = example(classes)
    value = loss(logits, targets)
    value.backward()
    assert logits.grad[:, :, 0].abs().max() == 0
    assert logits.grad[:, :, 1:].abs().max() > 0
    changed = logits.detach().clone()
    changed[:, :, 0] += 7
    assert loss(changed, targets).item() == pytest.approx(value.item(), abs=1e-6)
    logits.grad = None
    value = loss(logits, torch.full_like(targets, IGNORED))  # nothing but void
    value.backward()
    assert value.item() == 0 and logits.grad.abs().max() == 0


def test_cross_entropy_and_focal_by_hand():
    logits = torch.tensor([[[math.log(3.0)], [0.0]]])  # probabilities 3/4 and 1/4
    one = torch.tensor([[1]])
    assert cross_entropy(logits, one).item() == pytest.approx(math.log(4))
    assert focal(logits, one).item() == pytest.approx(0.75**2 * math.log(4))
    assert CrossEntropy(smoothing=0.2)(logits, one).item() == pytest.approx(0.9 * math.log(4) + 0.1 * math.log(4 / 3))
    presence = torch.tensor([[[math.log(3.0)]]])  # one logit: the probability of 1 is 3/4
    assert cross_entropy(presence, torch.tensor([[0]])).item() == pytest.approx(math.log(4))
    two = binary_cross_entropy(torch.tensor([[0.0, 2.0]]), torch.tensor([[1, 0]]))
    assert two.item() == pytest.approx((math.log(2) + math.log1p(math.exp(2))) / 2)


def test_dice_and_tversky_by_hand():
    probs = torch.tensor([[[0.75, 0.5, 0.5], [0.25, 0.5, 0.5]]])
    targets = torch.tensor([[0, 1, IGNORED]])
    # class 0: hits 0.75, predicted 1.25, true 1; class 1: hits 0.5, predicted 0.75, true 1
    expected = 1 - (2 * 0.75 / 2.25 + 2 * 0.5 / 1.75) / 2
    assert dice(probs.log(), targets).item() == pytest.approx(expected)
    expected = 1 - (0.75 / (0.75 + 0.3 * 0.5 + 0.7 * 0.25) + 0.5 / (0.5 + 0.3 * 0.25 + 0.7 * 0.5)) / 2
    assert tversky(probs.log(), targets).item() == pytest.approx(expected)


def test_class_weights_weigh_the_mean_as_pytorch_does():
    logits, targets = example()
    weights = torch.tensor([1.0, 2.0, 4.0])
    theirs = torch.nn.functional.cross_entropy(logits, targets, weights, ignore_index=IGNORED)
    assert cross_entropy(logits, targets, weights).item() == pytest.approx(theirs.item(), rel=1e-5)
    assert Focal(gamma=0)(logits, targets, weights).item() == pytest.approx(theirs.item(), rel=1e-5)
    assert InverseFrequency(power=1)(np.array([10, 30, 0])).tolist() == pytest.approx([1.5, 0.5, 0])


def test_sums_are_flat_and_weighted():
    logits, targets = example()
    parts = cross_entropy(logits, targets) + 0.5 * dice(logits, targets) + 0.5 * focal(logits, targets)
    total = cross_entropy + 0.5 * (dice + focal)
    assert total(logits, targets).item() == pytest.approx(parts.item())
    assert [share for share, _ in total.terms] == [1.0, 0.5, 0.5]


# -- several labels a row ----------------------------------------------------------------------------------------------


def corners(rows: int = 24) -> Samples:
    """Every class has a corner of its own, and an image shows any of them."""
    rng = np.random.default_rng(0)
    marks = rng.integers(0, 2, (rows, 3), dtype=np.uint8)
    images = rng.integers(0, 40, (rows, 8, 8), dtype=np.uint8)
    for k, (y, x) in enumerate(((0, 0), (0, 4), (4, 0))):
        images[:, y : y + 4, x : x + 4] += 180 * marks[:, k, None, None]
    return Samples(numbered(rows), images, marks, np.arange(rows))


def dense(classes: int, channels: int, width: int):
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, classes))


NETWORK = Network(build=dense, epochs=40, batch=8, lr=0.05, loss=binary_cross_entropy, class_weights=InverseFrequency())
TASK = Classification(("cat", "dog", "fox"), multilabel=True)


def test_several_labels_are_learned_by_one_sigmoid_each(tmp_path: Path) -> None:
    train = corners()
    probs = NETWORK.fit(train, None, Context(TASK, tmp_path)).predict(train.inputs)
    assert (TASK.decide(probs) == train.targets).all()
    assert probs.sum(1).max() > 1.5  # they do not share one probability


@pytest.mark.parametrize(
    ("loss", "targets"), [(cross_entropy, corners().targets), (0.5 * binary_cross_entropy, np.arange(24) % 3)]
)
def test_a_loss_that_does_not_go_with_the_targets_is_refused(loss, targets: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="loss=binary_cross_entropy"):
        replace(NETWORK, loss=loss, class_weights=None).fit(
            replace(corners(), targets=targets), None, Context(TASK, tmp_path)
        )
