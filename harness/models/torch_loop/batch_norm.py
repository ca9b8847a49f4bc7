"""Batch norms that know the pictures as they will be predicted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.models.torch_loop.fitted import AT_ONCE

if TYPE_CHECKING:
    from torch import nn


def measure(network: nn.Module, forward: Callable[[Any], Any], inputs: Any, rows: np.ndarray) -> None:
    """Give the batch norms that train the mean and variance of these rows of `inputs`, by the weights as they are.

    What training leaves there is of augmented and oversampled pictures, and of weights that have moved on since
    (precise batch norm: Wu and Johnson 2021, arXiv 2105.07576, sections 3 and 5). Those of a frozen part stay; so do
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
