"""Masks whose classes overlap, as a network learns them: encoded, lost, oversampled, pasted, turned and predicted."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.data.samples import Samples, numbered
from harness.errors import UserError
from harness.models import Context
from harness.models.augment import Augment
from harness.models.losses import IGNORED, InverseFrequency, binary_cross_entropy, dice, tversky
from harness.models.torch_loop.batches import Batches, Paste, Showing
from harness.models.torch_loop.outputs import TargetEncoding
from harness.tasks.segmentation import Segmentation
from tests.support.tiny_networks import learner

TASK = Segmentation(("low", "high"), (8, 16), multilabel=True)
SEVERAL = TargetEncoding(TASK, several=True)


def squares(count: int = 12) -> Samples:
    """Red where low is, green where high is, both where they overlap; the last image shows nothing."""
    masks = np.zeros((count, *TASK.shape), np.uint8)
    for row in range(count - 1):
        masks[row, 4:, row % 4 : 8 + row % 4] |= 1
        masks[row, : 4 + row % 3, 4:10] |= 2
    images = np.stack([20 + 200 * (masks & 1), 20 + 100 * (masks & 2), np.full_like(masks, 20)], -1).astype(np.uint8)
    return Samples(numbered(count), images, masks, np.arange(count))


def test_sets_are_encoded_as_a_plane_for_every_class() -> None:
    masks = np.array([[[0, 1], [2, 3]]], np.uint8)
    assert SEVERAL.encode(masks).tolist() == [[[[0, 1], [0, 1]], [[0, 0], [1, 1]]]]
    one = TargetEncoding(TASK, target_class=1, several=True)
    assert one.encode(masks).tolist() == [[[[0, 0], [1, 1]]]] and one.outputs == 1
    assert SEVERAL.encode(masks | 4)[0, :, 0, 0].tolist() == [IGNORED, IGNORED]  # a third bit, of no class
    whole = TargetEncoding(Segmentation(tuple("abcdefgh"), (1, 1), multilabel=True), several=True)
    assert whole.encode(np.array([[[255]]], np.uint8)).ravel().tolist() == [1] * 8
    assert SEVERAL.count(masks).tolist() == [2, 2] and SEVERAL.outputs == 2
    presence = np.full((1, 1, 2, 2), 0.75, np.float32)
    assert one.decode(presence)[0, :, 0, 0].tolist() == [0, 0.75]


def example() -> tuple[torch.Tensor, torch.Tensor]:
    """(2, 3, 4, 5) logits and targets, the first row of pixels beyond the image; the last class is nowhere."""
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 4, 5, generator=rng, requires_grad=True)
    targets = torch.randint(0, 2, (2, 3, 4, 5), generator=rng)
    targets[:, 2] = 0
    targets[:, :, 0] = IGNORED
    return logits, targets


@pytest.mark.parametrize("loss", [binary_cross_entropy, dice, tversky, binary_cross_entropy + dice])
def test_pixels_beyond_an_image_change_no_loss_and_teach_nothing(loss) -> None:
    logits, targets = example()
    value = loss(logits, targets)
    value.backward()
    assert logits.grad[:, :, 0].abs().max() == 0 < logits.grad[:, :, 1:].abs().max()
    within = loss(logits.detach()[:, :, 1:], targets[:, :, 1:])
    assert value.item() == pytest.approx(within.item(), abs=1e-6)
    logits.grad = None
    nothing = loss(logits, torch.full_like(targets, IGNORED))
    nothing.backward()
    assert nothing.item() == 0 == logits.grad.abs().max()


def test_losses_of_sets_by_hand() -> None:
    """Two classes at one pixel and the next: probabilities 3/4 and 1/2, 1/4 and 1/4."""
    logits = torch.tensor([[[[math.log(3.0), 0.0]], [[-math.log(3.0), -math.log(3.0)]]]])
    targets = torch.tensor([[[[1, 1]], [[1, 0]]]])
    each = [math.log(4 / 3), math.log(2), math.log(4), math.log(4 / 3)]
    assert binary_cross_entropy(logits, targets).item() == pytest.approx(sum(each) / 4)
    weighted = binary_cross_entropy(logits, targets, torch.tensor([2.0, 0.5])).item()
    assert weighted == pytest.approx((2 * (each[0] + each[1]) + 0.5 * (each[2] + each[3])) / 4)
    # Dice: 2 * 1.25 / (2 + 1.25) and 2 * 0.25 / (1 + 0.5)
    assert dice(logits, targets).item() == pytest.approx(1 - (2 * 1.25 / 3.25 + 0.5 / 1.5) / 2)
    targets[:, 1] = 0  # nobody shows the second class: it has no part in the mean
    assert dice(logits, targets).item() == pytest.approx(1 - 2 * 1.25 / 3.25)


def batches_of(train: Samples, **change) -> Batches:
    declared = replace(learner, channels=3, batch=4, augment=None, loss=binary_cross_entropy, **change)
    return Batches(declared, SEVERAL, train, Context(TASK, Path("nowhere")))


def test_rows_are_chosen_by_any_of_their_classes() -> None:
    masks = np.zeros((4, 8, 16), np.uint8)
    masks[0, 0, 0], masks[1], masks[2, 0, 0] = 3, 3, 1
    train = Samples(numbered(4), np.zeros((4, 8, 16, 3), np.uint8), masks, np.arange(4))
    assert Showing(1, several=True)(masks).tolist() == [True, True, False, False]
    assert batches_of(train, oversample=Showing(0, several=True)).marks.tolist() == [True, True, True, False]
    with pytest.raises(UserError, match=r"several=True"):
        batches_of(train, oversample=Showing(0))
    assert batches_of(train, drop_single_class=True).rows.tolist() == [0, 2]  # of the others all pixels are alike
    assert batches_of(train, paste=Paste(of=(1,))).donors.tolist() == [0, 1]


def test_a_region_is_pasted_with_all_its_classes() -> None:
    """Given away where it is high: low comes along where they overlap, and is left behind elsewhere."""
    train, paste = squares(2), Paste(of=(1,), share=1.0)
    images, masks = np.zeros((4, 8, 16, 3), np.uint8), np.zeros((4, 8, 16), np.uint8)
    paste(images, masks, train, np.array([0]), paste.draw(np.random.default_rng(0), 4), several=True)
    given = train.targets[0][(train.targets[0] & 2) > 0]
    assert {tuple(sorted(mask[mask > 0])) for mask in masks} == {tuple(sorted(given))}
    assert ((images.max(-1) > 0) == (masks > 0)).all()


def test_sets_of_sixteen_classes_are_turned_with_their_images() -> None:
    """The nearest pixel's set, never a mixture of two."""
    masks = np.zeros((3, 32, 32), np.uint16)
    masks[:, 8:24, 8:24], masks[:, 12:20, 4:28] = 2**15, 2**15 + 1
    images = np.repeat((masks > 0)[..., None] * np.uint8(200), 3, axis=3)
    augment = Augment(rotate=40, scale=0.2, hflip=0.5)
    turned, sets = augment(images, masks, augment.draw(np.random.default_rng(0), 3))
    assert sets is not None and sets.dtype == np.uint16 and set(np.unique(sets)) == {0, 2**15, 2**15 + 1}
    assert ((turned[..., 0] > 100) == (sets > 0)).mean() > 0.98


def test_overlapping_classes_are_learned_by_one_sigmoid_each(tmp_path: Path) -> None:
    train = squares()
    declared = replace(
        learner, channels=3, epochs=60, batch=4, lr=0.02, augment=None, loss=binary_cross_entropy + dice,
        class_weights=InverseFrequency(),
    )  # fmt: skip
    probs = declared.fit(train, None, Context(TASK, tmp_path / "all")).predict(train.inputs)
    assert probs.shape == (12, 2, 8, 16) and probs.sum(1).max() > 1.5
    assert (TASK.decide(probs) == train.targets).mean() > 0.9
    special = declared.specialised(of=1, versus=None)
    found = special.fit(train, None, Context(TASK, tmp_path / "high")).predict(train.inputs)
    assert not found[:, 0].any() and ((found[:, 1] > 0.5) == (train.targets & 2 > 0)).mean() > 0.9
