"""Networks for small grey images (n, 1, 28, 28): the course's two layers, and convolutions for the ensemble.

Batch normalisation: Ioffe and Szegedy 2015 (arXiv 1502.03167). Residual block: He et al. 2015 (1512.03385). Dropout:
Hinton et al. 2012 (1207.0580).
"""

import torch
from torch import Tensor, nn

from competitions.digits.data import SIDE
from competitions.digits.numpy_networks import first_weights
from harness.models.networks import convolve


def two_layer(classes: int, channels: int, width: int) -> nn.Module:
    """The twin of `numpy_networks.Layers(hidden=(width,))`: the same weights at the start."""
    network = nn.Sequential(
        nn.Flatten(), nn.Linear(channels * SIDE * SIDE, width), nn.ReLU(), nn.Linear(width, classes)
    )
    start = first_weights((channels * SIDE * SIDE, width, classes))
    dense = [layer for layer in network if isinstance(layer, nn.Linear)]
    with torch.no_grad():
        for k, layer in enumerate(dense):
            layer.weight.copy_(torch.from_numpy(start[f"w{k}"].T))
            layer.bias.copy_(torch.from_numpy(start[f"b{k}"]))
    return network


def cnn(classes: int, channels: int, width: int, dropout: float = 0.0) -> nn.Module:
    """Three convolutions at 14x14 and 7x7 pixels, then a dense layer on all 3x3 places."""
    return nn.Sequential(
        convolve(channels, width, kernel=5, stride=2),
        convolve(width, 2 * width),
        nn.MaxPool2d(2),
        convolve(2 * width, 4 * width),
        nn.MaxPool2d(2),
        *head(3 * 3 * 4 * width, classes, dropout),
    )


def strided(classes: int, channels: int, width: int, dropout: float = 0.0) -> nn.Module:
    """No pooling: convolutions that step over every second pixel (Springenberg et al. 2014, arXiv 1412.6806)."""
    return nn.Sequential(
        convolve(channels, width, kernel=5, stride=2),
        convolve(width, 2 * width, stride=2),
        convolve(2 * width, 2 * width),
        convolve(2 * width, 4 * width, stride=2),
        *head(4 * 4 * 4 * width, classes, dropout),
    )


def residual(classes: int, channels: int, width: int, dropout: float = 0.0) -> nn.Module:
    """Two residual blocks at 14x14 and 7x7 pixels."""
    return nn.Sequential(
        convolve(channels, width, kernel=5, stride=2),
        Residual(width, 2 * width),
        nn.MaxPool2d(2),
        Residual(2 * width, 4 * width),
        nn.MaxPool2d(2),
        *head(3 * 3 * 4 * width, classes, dropout),
    )


class Residual(nn.Module):
    """Two convolutions that learn what to add to a projection of their input."""

    def __init__(self, before: int, after: int):
        super().__init__()
        self.learned = nn.Sequential(
            convolve(before, after), nn.Conv2d(after, after, 3, padding=1, bias=False), nn.BatchNorm2d(after)
        )
        self.shortcut = nn.Conv2d(before, after, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        return (self.learned(features) + self.shortcut(features)).relu()


def head(features: int, classes: int, dropout: float) -> list[nn.Module]:
    return [nn.Flatten(), nn.Dropout(dropout), nn.Linear(features, classes)]
