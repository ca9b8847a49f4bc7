"""A trained network as something that predicts, and the recalibration of its batch norms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.data.images import EncodedImages
from harness.data.pixels import Size
from harness.data.sized_masks import Masks
from harness.metrics import chunks
from harness.models.torch_loop.crops import by_tiles
from harness.models.torch_loop.outputs import TargetEncoding
from harness.models.torch_loop.state import Machine

if TYPE_CHECKING:
    from torch import nn

AT_ONCE = 64  # images: enough to fill a GPU with small images, 40 MB of logits at 20 x 64 x 128


@dataclass(frozen=True)
class TorchFitted:
    """network: with its final weights, in evaluation mode.

    tile: the size of the images that it sees, where it predicts an image by overlapping tiles, `at_once` of them.
    """

    encoding: TargetEncoding
    network: nn.Module
    machine: Machine
    tile: Size | None = None
    at_once: int = AT_ONCE

    def predict(self, inputs: Any) -> Any:
        """inputs (n, h, w[, c]) uint8 or uint16, memory-mapped or a view, or `EncodedImages` where there are tiles; the
        task's prediction in float16.
        """
        several_sizes = isinstance(inputs, EncodedImages)
        if not len(inputs) and not several_sizes:
            return self.predict(np.zeros((1, *inputs.shape[1:]), inputs.dtype))[:0]
        if self.tile:
            tiled = (by_tiles(self.probabilities, np.asarray(image), self.tile, self.at_once) for image in inputs)
            decoded = [self.encoding.decode(probs[None])[0] for probs in tiled]
            return Masks(decoded) if several_sizes else np.stack(decoded)
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


def recalibrate(network: nn.Module, forward: Callable[[np.ndarray], Any], count: int, at_once: int) -> None:
    """Recalibrate batch norm: set its mean and variance to those of some images, by the final weights.

    forward(places): a forward pass of the images at these places, of 0 to count - 1, of about `at_once` of them.

    Training leaves statistics of augmented and oversampled images, and of weights that have moved on since
    (precise batch norm: Wu and Johnson 2021, arXiv 2105.07576, sections 3 and 5). Frozen layers keep theirs; so do
    all where there are fewer than two images. Leaves the network in evaluation mode.
    """
    import torch
    from torch.nn.modules.batchnorm import _BatchNorm

    norms = [each for each in network.modules() if isinstance(each, _BatchNorm) and each.training]
    momenta = [norm.momentum for norm in norms]
    network.eval()
    if not norms or count < 2:
        return
    for norm in norms:
        norm.reset_running_stats()
        norm.train().momentum = None  # the mean of all batches
    with torch.inference_mode():
        for places in np.array_split(np.arange(count), -(-count // at_once)):
            forward(places)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.eval().momentum = momentum
