"""Everything that a training step changes, and therefore everything that a checkpoint holds."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.data.pixels.depth import full
from harness.models import Context
from harness.models.torch_loop.parameter_groups import set_scales
from harness.models.torch_loop.progress import Progress

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from harness.models.torch_loop.learner import TorchLearner

FOLLOW_STEPS = 4  # of an average that reaches back 32 and more; all weights are read and written each time


@dataclass(frozen=True)
class Machine:
    """Where tensors live, and how pixels become numbers there."""

    device: torch.device
    half: torch.dtype | None  # what forward passes compute in, None for float32
    layout: torch.memory_format
    channels: int  # of the network
    scale: Tensor  # x * scale + offset is (x / 255 - mean) / std
    offset: Tensor

    @classmethod
    def best(cls, learner: TorchLearner, context: Context) -> Machine:
        """A GPU where there is one. Mixed precision on CUDA only: bfloat16 on this CPU costs 16 times as much."""
        import torch

        cuda = torch.cuda.is_available()
        device = torch.device("cuda" if cuda else "mps" if torch.backends.mps.is_available() else "cpu")
        layout = torch.channels_last if context.channels_last else torch.contiguous_format
        mean, std = (torch.tensor(each, device=device).view(-1, 1, 1) for each in (learner.mean, learner.std))
        half = None
        if cuda and learner.mixed_precision:
            half = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
        return cls(device, half, layout, learner.channels, 1 / (255 * std), -mean / std)

    def autocast(self) -> torch.autocast:
        import torch

        return torch.autocast(self.device.type, dtype=self.half or torch.bfloat16, enabled=self.half is not None)

    def place(self, network: nn.Module) -> nn.Module:
        return network.to(self.device).to(memory_format=self.layout)

    def send(self, array: np.ndarray) -> Tensor:
        """An array of our own, in contiguous memory."""
        import torch

        tensor = torch.from_numpy(array)
        if self.device.type == "cuda":
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor.to(self.device)

    def images(self, images: np.ndarray) -> Tensor:
        """(n, h, w) or (n, h, w, c), uint8 or uint16, to (n, channels, h, w) float, normalised: 255 or 65535 is 1."""
        import torch

        scale = self.scale if images.dtype == np.uint8 else self.scale * (255 / full(images.dtype))
        if images.dtype == np.uint16 and self.device.type != "cpu":
            images = images.astype(np.int32)  # of uint16, torch promises little elsewhere
        pixels = self.send(images)
        pixels = pixels.unsqueeze(1) if pixels.ndim == 3 else pixels.permute(0, 3, 1, 2)
        pixels = pixels.expand(-1, self.channels, -1, -1)  # grey images for a network that sees colour
        return pixels.to(torch.float32, memory_format=self.layout).mul_(scale).add_(self.offset)


class State:
    """The network, its moving average, optimizer, scaler, position, log, and every random number generator."""

    def __init__(self, learner: TorchLearner, network: nn.Module, machine: Machine, steps: int):
        import torch

        self.network = machine.place(network)
        tensors = [*self.network.parameters(), *self.network.buffers()]
        self.tracked = [tensor.detach() for tensor in tensors if tensor.is_floating_point()]  # same memory
        self.average = [tensor.clone() for tensor in self.tracked]
        self.groups = learner.parameter_groups(self.network)
        self.open(1.0)  # the optimizer holds only what trains at some time
        self.parameters = [p for p in self.network.parameters() if p.requires_grad]
        self.optimizer = learner.optimizer.build(self.network, learner.weight_decay)
        set_scales(self.optimizer, self.groups)
        self.scaler = torch.amp.GradScaler(machine.device.type, enabled=machine.half == torch.float16)
        self.ema = learner.ema
        self.schedule(Progress(steps))
        self.epoch, self.step = 0, 0  # of the epoch
        self.loss = torch.zeros((), device=machine.device)  # summed over the steps of the epoch
        self.seconds = 0.0  # spent in the epoch
        self.log: list[dict[str, Any]] = []

    def schedule(self, progress: Progress) -> None:
        """Go on by this schedule; the average reaches back by a share of all its steps."""
        self.progress = progress
        self.reach = max(1.0, self.ema * progress.total)
        self.stride = max(1, min(FOLLOW_STEPS, int(self.reach / 8)))

    def open(self, done: float) -> None:
        """Let train what trains where a share `done` of all steps lies behind, and nothing else."""
        for group in self.groups:
            group.set(done)

    def follow(self, step: int) -> None:
        """Move the average after the network, some steps at once; far at first, so that it forgets where it started."""
        import torch

        if step % self.stride == 0 or step == self.progress.total:
            decay = 1 - 1 / min(self.reach, 1 + step / 10)
            torch._foreach_lerp_(self.average, self.tracked, 1 - decay**self.stride)

    @contextmanager
    def averaged(self) -> Iterator[nn.Module]:
        """The network with the averaged weights, in evaluation mode, for the length of the block."""
        import torch

        saved = [tensor.clone() for tensor in self.tracked]
        torch._foreach_copy_(self.tracked, self.average)
        training = self.network.training
        self.network.eval()
        try:
            yield self.network
        finally:
            torch._foreach_copy_(self.tracked, saved)
            self.network.train(training)

    def is_finite(self) -> bool:
        import torch

        norms = torch._foreach_norm([self.loss.view(1), *self.tracked, *self.average])
        return bool(torch.isfinite(torch.stack(norms)).all())

    def dump(self) -> dict[str, Any]:
        return {
            "network": self.network.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "position": [self.epoch, self.step],
            "progress": list(astuple(self.progress)),
            "loss": self.loss,
            "seconds": self.seconds,
            "log": self.log,
            "random": random_states(),
        }

    def restore(self, saved: dict[str, Any]) -> None:
        import torch

        self.network.load_state_dict(saved["network"])
        torch._foreach_copy_(self.average, [tensor.to(self.loss.device) for tensor in saved["average"]])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.scaler.load_state_dict(saved["scaler"])
        self.epoch, self.step = saved["position"]
        self.schedule(Progress(*saved["progress"]))
        self.loss = saved["loss"].to(self.loss.device)
        self.seconds, self.log = saved["seconds"], saved["log"]
        restore_random_states(saved["random"])


def seed_everything(seed: int, fold: int) -> None:
    """For the network's first weights and dropout; everything about data has its own generator."""
    import torch

    number = int(np.random.SeedSequence([seed, fold]).generate_state(1)[0])
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)


def random_states() -> dict[str, Any]:
    import torch

    name, keys, *rest = np.random.get_state()
    return {
        "python": random.getstate(),
        "numpy": [name, torch.from_numpy(np.asarray(keys).astype(np.int64)), *rest],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_random_states(states: dict[str, Any]) -> None:
    import torch

    random.setstate(states["python"])
    name, keys, *rest = states["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(states["torch"])
    if states["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(states["cuda"])
