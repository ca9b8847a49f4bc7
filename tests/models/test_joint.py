"""A joint head sees an image and its columns at once: it learns what neither says, and is the same every time."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.data.images import EncodedImages
from harness.data.samples import Joined, Samples, numbered
from harness.errors import UserError
from harness.models import Context
from harness.models.config import canonical, revived
from harness.models.joint import Joint
from harness.models.sklearn import Sklearn
from harness.models.tabular import layer_labels, layer_numbers, linear_labels, trees_labels
from harness.models.timm import Timm
from harness.tasks.classification import Classification
from harness.tasks.regression import Regression
from harness.training.whole_rows import RowLearner
from tests.support.audited import jpeg

TASK = Classification(("no", "yes"))
SMALL = Timm("resnet10t")
JOINT = Joint(layer_labels, network=SMALL)


def pairs(count: int = 300) -> tuple[Samples, np.ndarray, np.ndarray]:
    """The label is whether either the picture is bright or the hours are many, but not both."""
    light, hours = np.random.default_rng(0).random((2, count))
    noise = np.random.default_rng(1).normal(0, 10, (count, 32, 32))
    images = (50 + 150 * light[:, None, None] + noise).clip(0, 255).astype(np.uint8)
    table = np.array(list(zip(hours, "ab" * (count // 2), strict=True)), [("hours", float), ("kind", "U1")])
    label = (light > 0.5) ^ (hours > 0.5)
    return Samples(numbered(count), Joined(images, table), label.astype(np.uint8)), light, hours


def test_a_label_that_is_in_neither_part_alone_is_learned_from_both(tmp_path: Path) -> None:
    samples, _, _ = pairs()
    train, valid = samples[:200], samples[200:]
    learners = {"joint": JOINT, "image": Sklearn(trees_labels, sees="images"), "table": Sklearn(linear_labels)}
    right = {}
    for name, learner in learners.items():
        fitted = RowLearner(learner).fit(train, valid, Context(TASK, tmp_path / name))
        right[name] = (fitted.predict(valid.inputs).argmax(1) == valid.targets).mean()
    assert right["joint"] > 0.75 > 0.65 > max(right["image"], right["table"]), right


def test_a_fit_is_the_same_again_and_after_it_was_loaded(tmp_path: Path) -> None:
    samples = pairs(40)[0]
    first, again = (RowLearner(JOINT).fit(samples, None, Context(TASK, tmp_path / name)) for name in "ab")
    expected = first.predict(samples.inputs)
    np.testing.assert_array_equal(again.predict(samples.inputs), expected)
    learner = revived(canonical(JOINT))
    assert learner == JOINT
    np.testing.assert_array_equal(
        RowLearner(learner).load(Context(TASK, tmp_path / "a")).predict(samples.inputs), expected
    )


def test_numbers_are_learned_from_features_of_images_alone_or_with_columns(tmp_path: Path) -> None:
    samples, light, hours = pairs()
    samples, task = replace(samples, targets=light + hours), Regression("y")
    errors = {}
    for sees in ("both", "images"):
        learner = Joint(layer_numbers, network=SMALL, sees=sees)
        fitted = RowLearner(learner).fit(samples[:200], None, Context(task, tmp_path / sees))
        errors[sees] = np.abs(fitted.predict(samples[200:].inputs) - samples[200:].targets).mean()
    assert errors["both"] < 0.17 < 0.2 < errors["images"], errors  # half of the target's spread is in the table


def test_pretrained_weights_are_declared_and_images_need_one_size(tmp_path: Path) -> None:
    assert Joint(layer_labels, network=replace(SMALL, pretrained=True)).pretrained and not JOINT.pretrained
    images = EncodedImages.of([jpeg(np.zeros((size, 20), np.uint8)) for size in (20, 30)])
    with pytest.raises(UserError, match="one size"):
        JOINT.fit(Samples(numbered(2), images, np.array([0, 1])), None, Context(TASK, tmp_path))
