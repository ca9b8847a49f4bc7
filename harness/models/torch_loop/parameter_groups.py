"""Parameter groups of a network that train later than the rest, slower, or never."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

NEVER = math.inf


@dataclass(frozen=True, eq=False)
class ParameterGroup:
    """Some parameters of a network, and the modules that own them.

    scale: what the schedule's learning rate is multiplied with. opens: the share of all steps after which the group
    trains, or `NEVER`. Until then no gradient is computed for it, and its batch norms keep their statistics.
    """

    parameters: Sequence[Tensor]
    modules: Sequence[nn.Module]
    scale: float = 1.0
    opens: float = 0.0

    @classmethod
    def of(cls, network: nn.Module, names: Sequence[str], scale: float = 1.0, opens: float = 0.0) -> ParameterGroup:
        """The parameters of these names, at least one."""
        owners = sorted({name.rpartition(".")[0] for name in names})
        parameters = [network.get_parameter(name) for name in names]
        return cls(parameters, [network.get_submodule(owner) for owner in owners], scale, opens)

    def set(self, done: float) -> None:
        """Open or closed, as it is where a share `done` of all steps lies behind.

        Asked at every step: nothing is remembered, so a resumed run has nothing to restore, and `network.train()`,
        which opens all batch norms, may come in between.
        """
        opened = done >= self.opens
        if self.parameters[0].requires_grad == self.modules[0].training == opened:
            return
        for parameter in self.parameters:
            parameter.requires_grad_(opened)
        for module in self.modules:
            module.training = opened  # not `train(opened)`, which goes on to the modules inside


def set_scales(optimizer: torch.optim.Optimizer, groups: Iterable[ParameterGroup]) -> None:
    """Split the groups of a new optimizer by the scale of their parameters, and note it in each as "scale"."""
    scale_of = {id(parameter): group.scale for group in groups for parameter in group.parameters}
    split = []
    for group in optimizer.param_groups:
        members = defaultdict(list)
        for parameter in group["params"]:
            members[scale_of.get(id(parameter), 1.0)].append(parameter)
        split += [{**group, "params": members[scale], "scale": scale} for scale in members]
    optimizer.param_groups = split


def openings(layers: int, frozen: float, trained: int | None, gradual: bool) -> list[float]:
    """When each of the layers opens, from the top down.

    frozen: share of all steps in which all are closed; then all open together or, if gradual, one after the other in
    equal shares of what is left (Howard and Ruder 2018, arXiv 1801.06146). trained: how many ever do, None for all.

    >>> openings(4, frozen=0.4, trained=3, gradual=True)
    [0.4, 0.6, 0.8, inf]
    >>> openings(3, frozen=0.5, trained=None, gradual=False)
    [0.5, 0.5, 0.5]
    """
    count = layers if trained is None else min(trained, layers)
    steps = [round(frozen + (1 - frozen) * layer / count * gradual, 12) for layer in range(count)]
    return steps + [NEVER] * (layers - count)
