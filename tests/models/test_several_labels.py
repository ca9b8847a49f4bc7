"""Several labels a row are learned by the torch loop with one sigmoid each."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.data.samples import Samples, numbered
from harness.errors import UserError
from harness.models import Context
from harness.models.losses import InverseFrequency, binary_cross_entropy, cross_entropy
from harness.models.smp import Network
from harness.tasks.classification import Classification

CLASSES = ("cat", "dog", "fox")
SINGLE, SEVERAL = Classification(CLASSES), Classification(CLASSES, multilabel=True)


def squares(rows: int = 24) -> Samples:
    """Every class has a corner of its own, and a picture shows any of them."""
    rng = np.random.default_rng(0)
    marks = rng.integers(0, 2, (rows, 3), dtype=np.uint8)
    images = rng.integers(0, 40, (rows, 8, 8), dtype=np.uint8)
    for k, (y, x) in enumerate(((0, 0), (0, 4), (4, 0))):
        images[:, y : y + 4, x : x + 4] += 180 * marks[:, k, None, None]
    return Samples(numbered(rows), images, marks, np.arange(rows))


def dense(classes: int, channels: int, width: int):
    from torch import nn

    return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))


NETWORK = Network(build=dense, epochs=40, batch=8, lr=0.05, loss=binary_cross_entropy)


def test_several_labels_are_learned_by_one_sigmoid_each(tmp_path: Path) -> None:
    train = squares()
    learner = replace(NETWORK, class_weights=InverseFrequency())
    probs = learner.fit(train, None, Context(SEVERAL, tmp_path)).predict(train.inputs)
    assert (SEVERAL.decide(probs) == train.targets).all()
    assert probs.sum(1).max() > 1.5  # they do not share one probability


@pytest.mark.parametrize(
    ("loss", "targets"), [(cross_entropy, squares().targets), (binary_cross_entropy, np.arange(24) % 3)]
)
def test_a_loss_that_does_not_go_with_the_targets_is_refused(loss, targets: np.ndarray, tmp_path: Path) -> None:
    train = replace(squares(), targets=targets)
    with pytest.raises(UserError, match=r"do not go with this loss: .* loss=binary_cross_entropy"):
        replace(NETWORK, loss=loss).fit(train, None, Context(SINGLE, tmp_path))


def test_the_loss_of_several_labels_by_hand() -> None:
    import torch

    logits, targets = torch.tensor([[0.0, 2.0]]), torch.tensor([[1, 0]])
    expected = (np.log(2) + np.log1p(np.exp(2.0))) / 2
    assert binary_cross_entropy(logits, targets).item() == pytest.approx(expected)
    assert (cross_entropy.several, (0.5 * binary_cross_entropy + binary_cross_entropy).several) == (False, True)
