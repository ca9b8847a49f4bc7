"""A trained network as something that predicts, and the recalibration of its batch norms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.metrics import chunks
from harness.models.torch_loop.outputs import TargetEncoding
from harness.models.torch_loop.state import Machine

if TYPE_CHECKING:
    from torch import nn

AT_ONCE = 64  # images: enough to fill a GPU with small images, 40 MB of logits at 20 x 64 x 128


@dataclass(frozen=True)
class TorchFitted:
    """network: with its final weights, in evaluation mode."""

    encoding: TargetEncoding
    network: nn.Module
    machine: Machine

    def predict(self, inputs: Any) -> Any:
        """inputs (n, h, w[, c]) uint8 or uint16, memory-mapped or a view; the task's prediction in float16."""
        if not len(inputs):
            return self.predict(np.zeros((1, *inputs.shape[1:]), inputs.dtype))[:0]
        prediction: Any = None
        for rows in chunks(len(inputs), AT_ONCE):
            part = self.encoding.decode(self.probabilities(inputs[rows]))
            if prediction is None:
                prediction = np.empty((len(inputs), *part.shape[1:]), np.float16)
            prediction[rows] = part
        return prediction

    def probabilities(self, inputs: np.ndarray) -> np.ndarray:
        """(n, outputs, ...) float32."""
        import torch

        with torch.inference_mode(), self.machine.autocast():
            logits = self.network(self.machine.images(np.array(inputs, order="C"))).float()
        return (logits.sigmoid() if self.encoding.independent else logits.softmax(1)).cpu().numpy()


def recalibrate(network: nn.Module, forward: Callable[[Any], Any], inputs: Any, rows: np.ndarray) -> None:
    """Recalibrate batch norm: set its mean and variance to those of these rows of `inputs`, by the final weights.

    Training leaves statistics of augmented and oversampled images, and of weights that have moved on since
    (precise batch norm: Wu and Johnson 2021, arXiv 2105.07576, sections 3 and 5). Frozen layers keep theirs; so do
    all where there are fewer than two rows. Leaves the network in evaluation mode.
    """
    import torch
    from torch.nn.modules.batchnorm import _BatchNorm

    norms = [each for each in network.modules() if isinstance(each, _BatchNorm) and each.training]
    momenta = [norm.momentum for norm in norms]
    network.eval()
    if not norms or len(rows) < 2:
        return
    for norm in norms:
        norm.reset_running_stats()
        norm.train().momentum = None  # the mean of all batches
    with torch.inference_mode():
        for part in np.array_split(rows, -(-len(rows) // AT_ONCE)):
            forward(inputs[part])
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.eval().momentum = momentum
