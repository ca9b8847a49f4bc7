"""Batch norms end with the statistics of the pictures that are predicted, not of those that trained."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from harness.models import Context
from harness.models.torch_loop.fitted import TorchFitted, recalibrate
from harness.models.torch_loop.parameter_groups import NEVER, ParameterGroup
from tests.support.tiny_networks import TASK, learner, tiles


def first_norm(fitted: TorchFitted) -> tuple[np.ndarray, np.ndarray]:
    """What the first batch norm holds, and what the training tiles bring before it."""
    layers = list(fitted.network.children())
    with torch.inference_mode():
        before = layers[0](fitted.machine.images(tiles().inputs))
    return layers[1].running_mean.numpy(), before.mean((0, 2, 3)).numpy()


def test_they_hold_the_mean_of_the_rows_as_they_are(tmp_path: Path) -> None:
    held, true = first_norm(learner.fit(tiles(), None, Context(TASK, tmp_path / "measured")))
    assert np.allclose(held, true, atol=1e-5)
    held, true = first_norm(replace(learner, norm_rows=0).fit(tiles(), None, Context(TASK, tmp_path / "as trained")))
    assert not np.allclose(held, true, atol=1e-2)


def test_a_frozen_part_and_a_single_row_change_nothing() -> None:
    network = nn.Sequential(nn.BatchNorm2d(1), nn.BatchNorm2d(1))
    frozen = ParameterGroup.of(network[0], ["weight", "bias"], opens=NEVER)
    inputs = np.random.default_rng(0).normal(3, 1, (200, 1, 4, 4)).astype(np.float32)
    for rows, last in ((np.arange(1), 0.0), (np.arange(200), inputs.mean())):
        network.train()
        frozen.set(1.0)
        recalibrate(network, lambda part: network(torch.from_numpy(part)), inputs, rows)
        assert float(network[0].running_mean) == 0.0
        assert float(network[1].running_mean) == pytest.approx(last, abs=0.01)
        assert not network.training and network[1].momentum == 0.1
