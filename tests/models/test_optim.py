"""Optimizers, schedules and early stopping as values."""

import numpy as np
import pytest
import torch

from harness.models.optim import (
    SGD,
    AdamW,
    Constant,
    CosineRestarts,
    EarlyStopping,
    Muon,
    ReduceOnPlateau,
    WarmupCosine,
    orthogonal,
)


def small_network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 16, 3), torch.nn.BatchNorm2d(16), torch.nn.Conv2d(16, 16, 3), torch.nn.Conv2d(16, 4, 1)
    )


def train(optimizer, network, steps):
    for k in steps:
        network(torch.from_numpy(np.random.default_rng(k).random((2, 1, 8, 8), np.float32))).square().mean().backward()
        for group in optimizer.param_groups:
            group["lr"] = 1e-3
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def test_orthogonalising_a_wide_matrix_brings_its_singular_values_near_one():
    matrix = torch.from_numpy(np.random.default_rng(0).normal(size=(12, 40)).astype(np.float32))
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    along = left.T @ orthogonal(matrix) @ right.T  # nearly the identity
    assert along.diag().min() > 0.6 and along.diag().max() < 1.3
    assert (along - torch.diag(along.diag())).abs().max() < 1e-3


def test_muon_moves_inner_convolutions_leaves_the_rest_to_adamw_and_resumes_to_the_same_steps():
    whole, half = small_network(), small_network()
    through, first, second = (Muon().build(network, weight_decay=0.1) for network in (whole, half, half))
    (hidden,) = [group for group in through.param_groups if "orthogonal" in group]
    assert [tuple(p.shape) for p in hidden["params"]] == [(16, 16, 3, 3)]
    assert sum(len(group["params"]) for group in through.param_groups) == len(list(whole.parameters()))
    train(through, whole, range(6))
    train(first, half, range(3))
    second.load_state_dict(first.state_dict())
    train(second, half, range(3, 6))
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), half.parameters(), strict=True))


@pytest.mark.parametrize("optimizer", [AdamW(), SGD(), Muon()])
def test_norms_and_biases_do_not_decay(optimizer):
    groups = optimizer.build(small_network(), weight_decay=0.1).param_groups
    assert {p.ndim for group in groups if group["weight_decay"] == 0 for p in group["params"]} == {1}


@pytest.mark.parametrize(("momentum", "expected"), [(0.0, [0.8, -1.6]), (0.5, [0.7, -1.4])])  # Nesterov: 1.5 as far
def test_a_first_step_goes_down_the_gradient(momentum, expected):
    layer = torch.nn.Module()
    layer.weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    optimizer = SGD(momentum).build(layer, weight_decay=0.0)
    optimizer.param_groups[0]["lr"] = 0.1
    layer.weight.grad = 2 * layer.weight.detach()
    optimizer.step()
    assert layer.weight.tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        (WarmupCosine(warmup=0.1), {0: 0.01, 0.1: 1, 0.55: 0.5, 1: 0}),
        (
            CosineRestarts(cycles=2, longer=2, warmup=0),
            {0: 1, 1 / 3 - 1e-6: 0, 1 / 3 + 1e-6: 1, 2 / 3: 0.5, 1: 0},
        ),
        (Constant(), {0: 1, 0.5: 1, 1: 1}),
    ],
)
def test_a_schedule_climbs_peaks_and_falls(schedule, factors):
    assert [schedule.factor(done, []) for done in factors] == pytest.approx(list(factors.values()), abs=1e-3)
    assert schedule.factor(0, []) > 0


def test_a_plateau_halves_the_rate_each_time_patience_ends():
    schedule = ReduceOnPlateau(by=0.5, patience=2)
    histories = [3, 2], [3, 2, 2], [3, 2, 2, 2], [3, 2, 2, 2, 2, 2], [3, 2, 2, 2, 1]
    assert [schedule.factor(0.5, losses) for losses in histories] == [1, 1, 0.5, 0.25, 0.5]


def test_early_stopping_waits_for_its_patience():
    histories = [], [1.0], [1.0, 0.8, 0.9], [1.0, 0.8, 0.9, 0.8], [1.0, 0.8, 0.9, 0.7], [0.8, 0.9, 0.9, 0.7, 0.7, 0.9]
    assert [EarlyStopping(patience=2).stop(losses) for losses in histories] == [False] * 3 + [True, False, True]
