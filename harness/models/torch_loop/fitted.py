"""A trained network as something that predicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.metrics import chunks
from harness.models.torch_loop.outputs import Labels
from harness.models.torch_loop.state import Machine

if TYPE_CHECKING:
    from torch import nn

AT_ONCE = 64  # images: enough to fill a GPU with small images, 40 MB of logits at 20 x 64 x 128


@dataclass(frozen=True)
class TorchFitted:
    """network: with its final weights, in evaluation mode."""

    labels: Labels
    network: nn.Module
    machine: Machine

    def predict(self, inputs: Any) -> Any:
        """inputs (n, h, w[, 3]) uint8, memory-mapped or a view; the task's prediction in float16."""
        if not len(inputs):
            return self.predict(np.zeros((1, *inputs.shape[1:]), np.uint8))[:0]
        prediction: Any = None
        for rows in chunks(len(inputs), AT_ONCE):
            part = self.labels.decode(self.probabilities(inputs[rows]))
            if prediction is None:
                prediction = np.empty((len(inputs), *part.shape[1:]), np.float16)
            prediction[rows] = part
        return prediction

    def probabilities(self, inputs: np.ndarray) -> np.ndarray:
        """(n, outputs, ...) float32."""
        import torch

        with torch.inference_mode(), self.machine.autocast():
            logits = self.network(self.machine.images(np.array(inputs, order="C"))).float()
        return (logits.sigmoid() if self.labels.independent else logits.softmax(1)).cpu().numpy()
