"""The two competitions about cancer: real measurements, and pictures that every machine makes alike."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
from competitions.cytology.cells import FIELDS, pictures

from competitions.cancer import competition as cancer
from competitions.cytology import competition as cytology
from harness.data.samples import Samples
from harness.models import Context


def test_malignant_is_the_second_class_of_the_real_table(tmp_path: Path) -> None:
    cancer.wisconsin_sample(tmp_path)
    labelled = cancer.load(tmp_path).labelled
    assert np.bincount(labelled.targets).tolist() == [357, 212]  # benign, malignant, as UCI says
    assert len(labelled.inputs.dtype.names) == 30
    assert labelled.inputs["mean radius"][:2].tolist() == [17.99, 20.57]
    assert labelled.targets[:2].tolist() == [1, 1]


def test_a_missed_case_costs_ten_examinations() -> None:
    for declared in (cancer.competition, cytology.competition):
        _, cost = declared.reported
        assert cost.score(cost.statistics(np.array([1, 0, 1, 0]), np.array([0, 1, 1, 0]))) == 11 / 4


def test_every_machine_makes_the_same_cells() -> None:
    images, labels, slides = pictures(range(4))
    assert sha256(images.tobytes()).hexdigest()[:12] == "ba9304dcf5de"
    assert labels.tolist() == [1] * 2 * FIELDS + [0] * 2 * FIELDS
    assert slides.tolist() == np.repeat(range(4), FIELDS).tolist()


def test_every_network_makes_a_step(tmp_path: Path) -> None:
    images, labels, slides = pictures(range(4))
    declared = cytology.competition
    train = Samples(np.arange(len(images)).astype(str), images, labels, slides)
    for name, learner in declared.models.items():
        fitted = replace(learner, epochs=1).fit(train, None, Context(declared.task, tmp_path / name))
        probs = fitted.predict(images).astype(np.float32)
        assert probs.shape == (len(images), 2)
        np.testing.assert_allclose(probs.sum(1), 1, atol=2e-3)


def test_the_residual_network_takes_pictures_of_any_size() -> None:
    import torch

    network = cytology.competition.models["residual"].network(2).eval()
    assert network(torch.zeros(1, 3, 40, 72)).shape == (1, 2)
