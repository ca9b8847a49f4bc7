"""Optimizers, learning-rate schedules and early stopping for the torch loop, declared as values.

Schedules are pure functions of progress and of the losses so far: they hold no state, so a resumed run restores none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


MOMENTUM, REACH = 0.95, 7.0  # of Muon; how far a convolution moves for the same learning rate, as a multiple


class Optimizer(Protocol):
    def build(self, network: nn.Module, weight_decay: float) -> torch.optim.Optimizer:
        """Over all trainable parameters; the schedule sets the `lr` of every group. Norms and biases do not decay."""


# -- optimizers --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AdamW:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2017, arXiv 1711.05101), fused.

    timm's `create_optimizer_v2` makes the same one, but its import takes 2 s of CPU in every worker.
    """

    def build(self, network: nn.Module, weight_decay: float) -> torch.optim.Optimizer:
        import torch

        return torch.optim.AdamW(_groups(network.parameters(), weight_decay), fused=True)


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent, with Nesterov's momentum where there is any."""

    momentum: float = 0.9

    def build(self, network: nn.Module, weight_decay: float) -> torch.optim.Optimizer:
        import torch

        groups = _groups(network.parameters(), weight_decay)
        return torch.optim.SGD(groups, momentum=self.momentum, nesterov=self.momentum > 0)


@dataclass(frozen=True)
class Muon:
    """Convolutions move along their orthogonalised momentum (Jordan et al. 2024, kellerjordan.github.io/posts/muon).

    The first layers, the logits, norms and biases are left to AdamW.
    """

    def build(self, network: nn.Module, weight_decay: float) -> torch.optim.Optimizer:
        hidden: list[Tensor] = []
        rest: list[Tensor] = []
        for p in network.parameters():
            inner = p.requires_grad and p.ndim == 4 and len(p) > 8 and p[0].numel() >= 32
            (hidden if inner else rest).append(p)
        orthogonal = {"params": hidden, "orthogonal": True, "weight_decay": weight_decay}
        return _muon_class()([*_groups(rest, weight_decay), orthogonal], betas=(0.9, 0.99), fused=True)


def _groups(parameters: Iterable[Tensor], weight_decay: float) -> list[dict[str, Any]]:
    """Those that train; norms and biases do not decay."""
    trainable = [p for p in parameters if p.requires_grad]
    decayed = {"params": [p for p in trainable if p.ndim > 1], "weight_decay": weight_decay}
    plain = {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0}
    return [group for group in (decayed, plain) if group["params"]]


@cache
def _muon_class() -> type[torch.optim.AdamW]:
    """Made when first needed, as torch is."""
    import torch

    class MuonAdamW(torch.optim.AdamW):
        """AdamW, but for the groups that are `orthogonal`: those it moves itself, and hides from AdamW."""

        _step_supports_amp_scaling = False  # a gradient scaler must skip the whole step, not AdamW's part

        @torch.no_grad()
        def step(self, closure: Any = None) -> Any:
            for group in self.param_groups:
                for weight in group["params"] if "orthogonal" in group else ():
                    if weight.grad is not None:
                        self._move(weight, group)
                        weight.grad = None
            return super().step(closure)

        def _move(self, weight: Tensor, group: dict[str, Any]) -> None:
            if not self.state[weight]:
                # AdamW looks for a step count in every state that it loads
                self.state[weight].update(step=torch.zeros(()), buffer=torch.zeros_like(weight))
            buffer = self.state[weight]["buffer"]
            buffer.mul_(MOMENTUM).add_(weight.grad)
            matrix = (weight.grad + MOMENTUM * buffer).flatten(1)  # Nesterov
            rows, columns = matrix.shape
            update = orthogonal(matrix.T).T if rows > columns else orthogonal(matrix)
            far = group["lr"] * REACH
            weight.mul_(1 - far * group["weight_decay"])
            weight.add_(update.reshape(weight.shape), alpha=-far * max(1.0, rows / columns) ** 0.5)

    return MuonAdamW


def orthogonal(matrix: Tensor, steps: int = 5) -> Tensor:
    """Nearly U V' of a wide matrix U S V' (singular values 0.7 to 1.2), by Newton-Schulz.

    Iterated on the small Gram matrix: the same numbers to 4 digits, in a third of the time on a CPU.
    """
    import torch

    a, b, c = 3.4445, -4.7750, 2.0315
    gram = matrix @ matrix.T
    scale = gram.trace() + 1e-14
    gram = gram / scale
    eye = torch.eye(len(gram), device=gram.device, dtype=gram.dtype)
    product = eye
    for step in range(steps):
        polynomial = torch.addmm(a * eye + b * gram, gram, gram, alpha=c)
        product = polynomial @ product if step else polynomial
        gram = polynomial @ gram @ polynomial
    return product @ matrix / scale.sqrt()


# -- schedules ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """warmup: the share of all steps in which the rate rises to its height.

    watches: whether it needs the loss on the validation rows after every epoch.
    """

    warmup: float = 0.0
    watches: ClassVar[bool] = False

    def factor(self, done: float, losses: Sequence[float]) -> float:
        """What the learning rate is multiplied with where a share `done` in [0, 1) of all steps lies behind."""
        return warm_up(done, self.warmup)


class Constant(Schedule):
    """At its height after the warm-up."""


@dataclass(frozen=True, kw_only=True)
class WarmupCosine(Schedule):
    """Half a cosine from the height down to 0 (Loshchilov and Hutter, arXiv 1608.03983)."""

    warmup: float = 0.05

    def factor(self, done: float, losses: Sequence[float]) -> float:
        return min(warm_up(done, self.warmup), half_cosine((done - self.warmup) / (1 - self.warmup)))


@dataclass(frozen=True, kw_only=True)
class CosineRestarts(WarmupCosine):
    """SGDR, the same paper: `cycles` cosines one after the other, each `longer` times as long as the one before."""

    cycles: int = 3
    longer: float = 2.0

    def factor(self, done: float, losses: Sequence[float]) -> float:
        lengths = [self.longer**cycle for cycle in range(self.cycles)]
        left = max(0.0, done - self.warmup) / (1 - self.warmup) * sum(lengths)
        while len(lengths) > 1 and left >= lengths[0]:
            left -= lengths.pop(0)
        return min(warm_up(done, self.warmup), half_cosine(left / lengths[0]))


@dataclass(frozen=True, kw_only=True)
class ReduceOnPlateau(Schedule):
    """Multiply the rate by `by` after every `patience` epochs in a row that bring no loss lower than before."""

    by: float = 0.5
    patience: int = 3
    watches: ClassVar[bool] = True

    def factor(self, done: float, losses: Sequence[float]) -> float:
        best, stale, reductions = math.inf, 0, 0
        for loss in losses:
            stale = 0 if loss < best else stale + 1
            best = min(best, loss)
            if stale == self.patience:
                stale, reductions = 0, reductions + 1
        return warm_up(done, self.warmup) * self.by**reductions


@dataclass(frozen=True, kw_only=True)
class EarlyStopping:
    """Stop after `patience` epochs in a row that bring no loss lower than before.

    The weights at the stop are the model, not those of the best epoch: that would be chosen on the fold reported.
    """

    patience: int = 10

    def stop(self, losses: Sequence[float]) -> bool:
        return min(losses[-self.patience :], default=0.0) >= min(losses[: -self.patience], default=math.inf)


def warm_up(done: float, warmup: float) -> float:
    """Linear from near 0 to 1 during the warm-up; never exactly 0, or the first step would be lost."""
    return min(1.0, (done + 1e-3) / (warmup + 1e-3))


def half_cosine(done: float) -> float:
    """Half a cosine from 1 to 0."""
    return 0.5 * (1 + math.cos(math.pi * min(max(done, 0.0), 1.0)))
