"""Blood: both layouts of its files, the made smears, and every declared learner, one step each."""

import hashlib
from dataclasses import replace
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pytest
import torch

from competitions.blood import smears
from competitions.blood.competition import backbones, competition
from competitions.blood.data import CLASSES, load
from harness.data.samples import Samples, numbered
from harness.errors import UserError
from harness.models import Context
from harness.models.torch_loop.training_loop import TrainingLoop
from tests.support import hub

# The smallest of the same family, for what would take seconds and gigabytes; head, schedule and freezing stay as they
# are declared. `test_every_backbone_trains_one_step_at_its_own_size` (soak) takes the declared ones.
SIBLINGS = {
    "inception": "test_resnet.r160_in1k",
    "efficientnet": "test_efficientnet.r160_in1k",
    "convnext": "test_convnext.r160_in1k",
    "convnext_large": "test_convnext2.r160_in1k",
}


def pictures(count: int = 4, side: int = 28) -> Samples:
    images = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    return Samples(numbered(count), images, np.arange(count, dtype=np.uint8) * 2, np.arange(count))


# -- files -------------------------------------------------------------------------------------------------------------


def test_the_usual_layout_is_a_labelled_part_and_a_test(tmp_path: Path) -> None:
    made = pictures()
    np.savez(tmp_path / "train.npz", images=made.inputs, labels=made.targets)
    np.savez(tmp_path / "test_images.npz", id=np.array([7, 3]), images=made.inputs[:2])
    dataset = load(tmp_path)
    assert (dataset.labelled.inputs == made.inputs).all()
    assert dataset.labelled.targets.tolist() == [0, 2, 4, 6]
    assert dataset.official["test"].ids.tolist() == ["7", "3"]


def test_the_file_of_the_course_has_a_column_of_labels_and_no_test(tmp_path: Path) -> None:
    made = pictures(side=96)
    np.savez(tmp_path / "training_set.npz", images=made.inputs, labels=made.targets[:, None])
    dataset = load(tmp_path)
    assert dataset.labelled.targets.tolist() == [0, 2, 4, 6]
    assert dataset.official == {}
    competition.task.check_targets(dataset.labelled.targets)


def test_a_folder_without_them_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds neither train.npz \(with test_images.npz\) nor training_set.npz"):
        load(tmp_path)
    np.savez(tmp_path / "train.npz", pictures=pictures().inputs, labels=pictures().targets)
    np.savez(tmp_path / "test_images.npz", id=np.arange(4), images=pictures().inputs)
    with pytest.raises(UserError, match="'images'"):
        load(tmp_path)


# -- made smears -------------------------------------------------------------------------------------------------------


def test_made_smears_are_read_like_the_real_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smears, "TRAIN", 24)
    monkeypatch.setattr(smears, "TEST", 6)
    smears.smear_sample(tmp_path)
    dataset = load(tmp_path)
    assert dataset.labelled.inputs.shape == (24, 32, 32, 3)
    assert len(dataset.official["test"]) == 6
    assert len(np.unique(dataset.labelled.targets)) >= 4


def test_made_smears_are_the_same_on_every_machine() -> None:
    cells = np.stack([smears.smear(np.random.default_rng([1, label]), label) for label in range(len(CLASSES))])
    assert hashlib.sha256(cells.tobytes()).hexdigest()[:16] == "5bb2cc989b53b88b"


def test_every_class_is_among_the_made_smears_as_often_as_among_the_real_ones() -> None:
    assert len(smears.KINDS) == len(smears.COMMON) == len(CLASSES)
    assert sum(smears.COMMON) == 100


# -- models ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def take_a_step(learner, folder: Path) -> None:
    """It changes the weights, and the loss is a number."""
    train = pictures(side=28)
    training = TrainingLoop(replace(learner, epochs=2), train, Context(competition.task, folder))
    before = [tensor.clone() for tensor in training.state.tracked]
    training.state.network.train()
    training.step(*next(training.batches.epoch(0)))
    assert np.isfinite(training.state.loss.item())
    assert any(not torch.equal(old, new) for old, new in zip(before, training.state.tracked, strict=True))


@pytest.mark.parametrize("name", competition.models)
def test_every_declared_learner_trains_one_step_on_four_small_pictures(name: str, cache: Path, tmp_path: Path) -> None:
    learner = competition.models[name]
    if name in SIBLINGS:
        learner = replace(learner, backbone=SIBLINGS[name])
    if learner.pretrained:
        hub.fill(cache, learner.backbone)
    take_a_step(learner, tmp_path / "fold")


@pytest.mark.soak
@pytest.mark.parametrize("name", SIBLINGS)
def test_every_backbone_trains_one_step_at_its_own_size(name: str, cache: Path, tmp_path: Path) -> None:
    hub.fill(cache, competition.models[name].backbone)
    take_a_step(competition.models[name], tmp_path / "fold")


@pytest.mark.parametrize("name", backbones)
def test_a_pretrained_model_without_weights_is_one_sentence(name: str, cache: Path) -> None:
    learner = competition.models[name]
    learner = replace(learner, backbone=SIBLINGS[name]) if name in SIBLINGS else learner
    with pytest.raises(UserError, match=f"run `.venv/bin/hf download timm/{learner.backbone} model.safetensors`"):
        learner.network(len(CLASSES))


def test_what_needs_weights_is_not_trained_by_default() -> None:
    assert not [name for name in competition.default if competition.models[name].pretrained]
    readme = (Path(__file__).resolve().parents[2] / "competitions" / "blood" / "README.md").read_text()
    for name, learner in backbones.items():
        assert f"hf download timm/{learner.backbone} model.safetensors" in readme, name
