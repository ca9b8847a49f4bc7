"""Networks for single cells, from scratch: floats (n, channels, h, w), 28 to 96 pixels a side, to logits (n, classes).

The stem brings images of every size to 28 to 48 pixels, so `width` alone sets the cost of a network.

Residual block: He et al. 2015 (arXiv 1512.03385). Squeeze-and-excitation: Hu et al. 2017 (1709.01507). Few layers for
short schedules: Jordan 2024 (2404.00498).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.models.networks import SqueezeExcitation, convolve


def residual(classes: int, channels: int, width: int) -> nn.Module:
    """Residual blocks that weigh their channels, at three scales."""
    return nn.Sequential(
        Stem(channels, width),
        Residual(width, 2 * width, stride=2),
        Residual(2 * width, 2 * width),
        Residual(2 * width, 4 * width, stride=2),
        Residual(4 * width, 4 * width),
        Residual(4 * width, 8 * width, stride=2),
        *head(8 * width, classes),
    )


def plain(classes: int, channels: int, width: int) -> nn.Module:
    """Nothing but convolutions and the maximum of neighbours."""
    return nn.Sequential(
        Stem(channels, width),
        nn.MaxPool2d(2),
        convolve(width, 3 * width),
        convolve(3 * width, 3 * width),
        nn.MaxPool2d(2, ceil_mode=True),
        convolve(3 * width, 6 * width),
        convolve(6 * width, 6 * width),
        nn.MaxPool2d(2, ceil_mode=True),
        convolve(6 * width, 10 * width),
        convolve(10 * width, 10 * width),
        *head(10 * width, classes),
    )


class Stem(nn.Module):
    """One convolution of 5x5, at the stride that leaves at least 28 pixels of a side."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.convolution = nn.Conv2d(channels, width, 5, padding=2, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, images: Tensor) -> Tensor:
        stride = max(1, min(images.shape[-2:]) // 28)
        return F.relu(self.norm(F.conv2d(images, self.convolution.weight, stride=stride, padding=2)))


class Residual(nn.Module):
    """Two convolutions, whose sum with the input is weighed channel by channel."""

    def __init__(self, before: int, after: int, stride: int = 1):
        super().__init__()
        self.learned = nn.Sequential(
            convolve(before, after, stride=stride),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
        )
        self.excite = SqueezeExcitation(after)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or before != after:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride, ceil_mode=True), nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after)
            )

    def forward(self, features: Tensor) -> Tensor:
        return F.relu(self.excite(self.learned(features)) + self.shortcut(features))


class Pool(nn.Module):
    """Mean and maximum of every channel: how much there is, and whether there is any."""

    def forward(self, features: Tensor) -> Tensor:
        return torch.cat((features.mean((2, 3)), features.amax((2, 3))), 1)


def head(width: int, classes: int) -> list[nn.Module]:
    return [Pool(), nn.BatchNorm1d(2 * width), nn.Dropout(0.2), nn.Linear(2 * width, classes)]
