"""Losses and class weights against hand-made values and independent implementations."""

import math

import numpy as np
import pytest
import torch

from harness.models.losses import (
    IGNORED,
    CrossEntropy,
    Dice,
    Focal,
    InverseFrequency,
    Tversky,
    cross_entropy,
    dice,
    focal,
    tversky,
)

ALL = [cross_entropy, CrossEntropy(smoothing=0.1), dice, tversky, focal, cross_entropy + 0.5 * dice]


def example(classes: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(2, classes, 4, 5, generator=rng, requires_grad=True)
    targets = torch.randint(0, max(2, classes), (2, 4, 5), generator=rng)
    targets[:, 0] = IGNORED
    return logits, targets


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("loss", ALL)
def test_ignored_pixels_change_no_loss_and_get_no_gradient(loss, classes):
    logits, targets = example(classes)
    value = loss(logits, targets)
    value.backward()
    assert logits.grad[:, :, 0].abs().max() == 0
    assert logits.grad[:, :, 1:].abs().max() > 0
    changed = logits.detach().clone()
    changed[:, :, 0] += 7
    assert loss(changed, targets).item() == pytest.approx(value.item(), abs=1e-6)


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("loss", ALL)
def test_a_batch_that_is_all_void_costs_nothing_and_teaches_nothing(loss, classes):
    logits, targets = example(classes)
    value = loss(logits, torch.full_like(targets, IGNORED))
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


def test_dice_and_tversky_by_hand():
    probs = torch.tensor([[[0.75, 0.5, 0.5], [0.25, 0.5, 0.5]]])
    targets = torch.tensor([[0, 1, IGNORED]])
    # class 0: hits 0.75, predicted 1.25, true 1; class 1: hits 0.5, predicted 0.75, true 1
    expected = 1 - (2 * 0.75 / 2.25 + 2 * 0.5 / 1.75) / 2
    assert dice(probs.log(), targets).item() == pytest.approx(expected)
    expected = 1 - (0.75 / (0.75 + 0.3 * 0.5 + 0.7 * 0.25) + 0.5 / (0.5 + 0.3 * 0.25 + 0.7 * 0.5)) / 2
    assert tversky(probs.log(), targets).item() == pytest.approx(expected)


def test_dice_and_tversky_are_those_of_segmentation_models_pytorch_where_all_classes_are_present():
    smp = pytest.importorskip("segmentation_models_pytorch").losses
    for classes, mode in ((1, "binary"), (3, "multiclass")):
        logits, targets = example(classes)
        theirs = smp.DiceLoss(mode, ignore_index=IGNORED)(logits, targets)
        assert Dice()(logits, targets).item() == pytest.approx(theirs.item(), abs=1e-6)
        theirs = smp.TverskyLoss(mode, ignore_index=IGNORED, alpha=0.2, beta=0.8)(logits, targets)
        ours = Tversky(false_positives=0.2, false_negatives=0.8)(logits, targets)
        assert ours.item() == pytest.approx(theirs.item(), abs=1e-6)


def test_class_weights_weigh_the_mean():
    logits, targets = example()
    weights = torch.tensor([1.0, 2.0, 4.0])
    theirs = torch.nn.functional.cross_entropy(logits, targets, weights, ignore_index=IGNORED)
    assert cross_entropy(logits, targets, weights).item() == pytest.approx(theirs.item(), rel=1e-5)
    assert Focal(gamma=0)(logits, targets, weights).item() == pytest.approx(theirs.item(), rel=1e-5)


def test_sums_are_flat_and_weighted():
    logits, targets = example()
    parts = cross_entropy(logits, targets) + 0.5 * dice(logits, targets) + 0.5 * focal(logits, targets)
    total = cross_entropy + 0.5 * (dice + focal)
    assert total(logits, targets).item() == pytest.approx(parts.item())
    assert [share for share, _ in total.terms] == [1.0, 0.5, 0.5]
    assert total == cross_entropy + 0.5 * (dice + focal)


def test_inverse_frequency_by_hand():
    assert InverseFrequency(power=1)(np.array([10, 30, 0])).tolist() == pytest.approx([1.5, 0.5, 0])
    assert InverseFrequency(power=0)(np.array([10, 30])).tolist() == [1, 1]
