"""Networks for colour images of cells (n, 3, 48, 48).

Residual block: He et al. 2015 (arXiv 1512.03385); pooled shortcut: He T. et al. 2018 (1812.01187). Fully convolutional:
Long et al. 2014 (1411.4038). Dropout of whole channels: Tompson et al. 2014 (1411.4280).
"""

from itertools import pairwise

from torch import Tensor, nn

from competitions.cytology.data import SIDE


def simple(classes: int, channels: int, width: int) -> nn.Module:
    """The textbook's: three times a convolution and a maximum over 2x2, then two dense layers."""
    widths = (channels, width, 2 * width, 4 * width)
    halved = [
        layer for i, o in pairwise(widths) for layer in (nn.Conv2d(i, o, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
    ]
    flat = widths[-1] * (SIDE // 8) ** 2
    return nn.Sequential(
        *halved, nn.Flatten(), nn.Linear(flat, 4 * width), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4 * width, classes)
    )


def residual(classes: int, channels: int, width: int) -> nn.Module:
    """No dense layer: a map of logits, one for every place of 8x8 pixels, and their mean. For images of any size."""
    widths = (width, 2 * width, 4 * width)  # at strides 2, 4, 8
    return nn.Sequential(
        nn.Conv2d(channels, width, 5, stride=2, padding=2, bias=False),
        Residual(width, width, stride=1),
        *(Residual(i, o, stride=2) for i, o in pairwise(widths)),
        nn.BatchNorm2d(widths[-1]),
        nn.ReLU(),
        nn.Dropout2d(0.2),
        nn.Conv2d(widths[-1], classes, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


class Residual(nn.Module):
    """Norm, ReLU, convolution, twice, with dropout between, added to the input; pre-activation (1603.05027)."""

    def __init__(self, before: int, after: int, stride: int):
        super().__init__()
        self.learned = nn.Sequential(
            nn.BatchNorm2d(before),
            nn.ReLU(),
            nn.Conv2d(before, after, 3, stride, 1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Dropout2d(0.1),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
        )
        pool: list[nn.Module] = [nn.AvgPool2d(stride)] if stride > 1 else []
        self.shortcut = nn.Sequential(
            *pool, nn.Conv2d(before, after, 1, bias=False) if before != after else nn.Identity()
        )

    def forward(self, features: Tensor) -> Tensor:
        return self.learned(features) + self.shortcut(features)
