"""Snapshots and soups: the mean of the weights at the ends of cycles is what is kept, also after an interruption."""

from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
import torch

from harness.models import Context, Interrupted
from harness.models.schedules import CosineRestarts, WarmupCosine
from harness.models.torch_loop.learner import TorchLearner, Training
from tests.support.tiny_networks import TASK, learner, tiles

THREE = CosineRestarts(cycles=3, longer=1.0, warmup=0.0, snapshots=2)
snapping = replace(learner, schedule=THREE)  # 3 epochs of 3 batches, a cycle each
cooking = replace(learner, schedule=replace(THREE, soup=True))


def test_a_cycle_ends_where_the_rate_is_lowest() -> None:
    assert THREE.ends == pytest.approx((2 / 3, 1.0))
    assert CosineRestarts(cycles=2, longer=3.0, warmup=0.2, snapshots=5).ends == pytest.approx((0.4, 1.0))
    assert CosineRestarts(cycles=3).ends == WarmupCosine().ends == ()
    before, after = (THREE.factor(2 / 3 + shift, []) for shift in (-1e-6, 1e-6))
    assert before < 1e-6 < 0.99 < after


def test_the_mean_of_the_last_two_ends_is_kept(tmp_path: Path) -> None:
    training = Training(replace(snapping, norm_rows=0), tiles(), Context(TASK, tmp_path))
    state, ends = training.state, []
    for epoch in range(3):
        training.run_epoch()
        ends.append([tensor.clone() for tensor in state.tracked])
        training.close_epoch(None)
        assert state.epoch == epoch + 1
    training.finish()
    for kept, second, third in zip(state.tracked, *ends[1:], strict=True):
        torch.testing.assert_close(kept, (second + third) / 2)
    assert any((second != third).any() for second, third in zip(*ends[1:], strict=True))


def test_the_trainings_of_a_soup_begin_at_the_same_weights_with_a_new_optimizer(tmp_path: Path) -> None:
    training = Training(replace(cooking, norm_rows=0), tiles(), Context(TASK, tmp_path))
    state, ends, starts = training.state, [], []
    taken = state.follow

    def follow(step: int) -> None:
        ends.append([tensor.clone() for tensor in state.tracked])  # before anything is put back
        taken(step)
        starts.append([tensor.clone() for tensor in state.tracked])

    state.follow = follow  # type: ignore[method-assign]
    for epoch in range(3):
        training.run_epoch()
        assert bool(state.optimizer.state) == (epoch != 1)  # of the second training, which has not begun
        training.close_epoch(None)
    training.finish()
    for kept, shared, second, again, third in zip(state.tracked, ends[2], ends[5], starts[5], ends[8], strict=True):
        assert torch.equal(again, shared)
        torch.testing.assert_close(kept, (second + third) / 2)
    assert any((second != third).any() for second, third in zip(ends[5], ends[8], strict=True))


def test_without_cycles_before_it_a_soup_begins_behind_the_warm_up() -> None:
    assert CosineRestarts(cycles=2, warmup=0.1, snapshots=2, soup=True).fork == pytest.approx(0.1)
    assert CosineRestarts(cycles=4, longer=1.0, warmup=0.2, snapshots=3, soup=True).fork == pytest.approx(0.4)
    assert CosineRestarts(snapshots=2).fork is WarmupCosine().fork is None


@pytest.mark.parametrize("snapping", [snapping, cooking], ids=["snapshots", "soup"])
@pytest.mark.parametrize("step", [5, 6, 8])
def test_after_an_interruption_it_is_the_same_mean(step: int, snapping: TorchLearner, tmp_path: Path) -> None:
    whole = snapping.fit(tiles(), None, Context(TASK, tmp_path / "whole")).predict(tiles().inputs)
    asked = count(1)
    with pytest.raises(Interrupted):
        snapping.fit(tiles(), None, Context(TASK, tmp_path / "cut", stop=lambda: next(asked) == step))
    again = snapping.fit(tiles(), None, Context(TASK, tmp_path / "cut")).predict(tiles().inputs)
    assert again.tobytes() == whole.tobytes()
