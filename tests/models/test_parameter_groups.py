"""Frozen, unfrozen and slower parts of a network: what moves when, and the same bytes after every interruption."""

from dataclasses import dataclass, fields, replace

import pytest
import torch

from harness.models import Context, Interrupted
from harness.models.optim import Muon
from harness.models.smp import Network
from harness.models.torch_loop.parameter_groups import NEVER, ParameterGroup, openings
from harness.models.torch_loop.probe import step_seconds
from harness.models.torch_loop.training_loop import TrainingLoop
from tests.support.tiny_networks import TASK, learner, stop_at, tiles

STEPS = 9  # 3 epochs of 3 batches
CONVOLUTION, NORM, LOGITS = {"0.weight", "0.bias"}, {"1.weight", "1.bias"}, {"4.weight", "4.bias"}


@dataclass(frozen=True, kw_only=True)
class Freezing(Network):
    """The tiny network in three layers: a convolution, a batch norm, and the logits, which always train."""

    opens: tuple[float, float] = (0.0, 0.0)
    scales: tuple[float, float] = (1.0, 1.0)

    def parameter_groups(self, network):
        names = zip((CONVOLUTION, NORM), self.scales, self.opens, strict=True)
        return [ParameterGroup.of(network, sorted(layer), scale, opens) for layer, scale, opens in names]


plain = Freezing(**{field.name: getattr(learner, field.name) for field in fields(learner)})
late = replace(plain, opens=(0.5, 0.25))  # after steps 5 and 3 of 9


def training_of(chosen: Freezing, folder) -> TrainingLoop:
    return TrainingLoop(chosen, tiles(), Context(TASK, folder))


def moved(training: TrainingLoop) -> list[set[str]]:
    """For each step, the names of the parameters and statistics that it changed."""
    seen, network = [], training.state.network
    for epoch in range(3):
        training.state.epoch, training.state.step = epoch, 0
        for batch in training.batches.epoch(epoch):
            network.train()  # as every epoch does
            before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
            training.step(*batch)
            seen.append({name for name, value in network.state_dict().items() if not torch.equal(value, before[name])})
    return seen


def test_a_part_moves_from_its_step_on_and_its_statistics_too(tmp_path):
    assert all(
        names >= {*CONVOLUTION, *NORM, *LOGITS, "1.running_mean"} for names in moved(training_of(plain, tmp_path))
    )
    by_step = moved(training_of(late, tmp_path))
    assert all(names >= LOGITS for names in by_step)
    assert [names >= CONVOLUTION for names in by_step] == [False] * 5 + [True] * 4
    statistics = {"1.weight", "1.running_mean", "1.num_batches_tracked"}
    assert [bool(names & statistics) for names in by_step] == [False] * 3 + [True] * 6


@pytest.mark.parametrize("optimizer", [learner.optimizer, Muon()])
def test_what_never_trains_ends_as_it_began_and_is_unknown_to_the_optimizer(optimizer, tmp_path):
    chosen = replace(plain, opens=(NEVER, 0.0), optimizer=optimizer)
    training = training_of(chosen, tmp_path / "a")
    assert sum(len(group["params"]) for group in training.state.optimizer.param_groups) == 4
    moved(training)
    assert {name for name, p in training.state.network.named_parameters() if p.grad is None} == CONVOLUTION
    after = chosen.fit(tiles(), None, Context(TASK, tmp_path / "b")).network.state_dict()
    before = training_of(chosen, tmp_path / "a").state.network.state_dict()
    assert {name for name in CONVOLUTION | NORM if torch.equal(before[name], after[name])} == CONVOLUTION


def test_layers_learn_at_their_own_rates(tmp_path):
    training = training_of(replace(plain, scales=(0.25, 0.5)), tmp_path)
    training.step(*next(training.batches.epoch(0)))
    rate = learner.lr * learner.schedule.factor(0, [])
    groups = {id(p): group for group in training.state.optimizer.param_groups for p in group["params"]}
    by_name = {name: groups[id(p)] for name, p in training.state.network.named_parameters()}
    expected = dict.fromkeys(CONVOLUTION, 0.25) | dict.fromkeys(NORM, 0.5) | dict.fromkeys(LOGITS, 1.0)
    assert {name: group["lr"] / rate for name, group in by_name.items()} == pytest.approx(expected)
    assert {name for name, group in by_name.items() if group["weight_decay"]} == {"0.weight", "4.weight"}


@pytest.mark.parametrize("optimizer", [learner.optimizer, Muon()])
@pytest.mark.parametrize("step", [3, 5])
def test_a_fit_interrupted_where_a_group_begins_to_train_ends_with_the_same_bytes(step, optimizer, tmp_path):
    chosen = replace(late, scales=(0.3, 0.6), optimizer=optimizer)
    whole = chosen.fit(tiles(), None, Context(TASK, tmp_path / "whole")).predict(tiles().inputs).tobytes()
    with pytest.raises(Interrupted):
        chosen.fit(tiles(), None, Context(TASK, tmp_path / "cut", stop=stop_at(step)))
    torch.manual_seed(99)
    assert chosen.fit(tiles(), None, Context(TASK, tmp_path / "cut")).predict(tiles().inputs).tobytes() == whole


def test_frozen_steps_are_measured_as_frozen_and_open_ones_as_open(tmp_path):
    chosen = replace(plain, epochs=10, opens=(0.5, 0.5))
    training = training_of(chosen, tmp_path)
    for epoch, trains in ((9, True), (0, False)):
        next(step_seconds(training, epoch))
        assert training.state.network[0].weight.requires_grad is trains
    assert chosen.cost(tiles(), Context(TASK, tmp_path / "fold")).epoch > 0


def test_layers_open_from_the_top_down():
    assert openings(3, frozen=0.3, trained=0, gradual=True) == [NEVER] * 3
    assert openings(2, frozen=1.0, trained=9, gradual=False) == [1, 1]
