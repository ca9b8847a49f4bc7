"""Networks for Mars terrain: one builder per idea, the blocks that only they use below them.

Every builder takes floats (n, channels, height, width), height and width multiples of 16, and returns
logits (n, classes, height, width). All of them leave full resolution at once: the labels are coarse
polygons, and a 3x3 convolution at stride 1 costs 16 times the same one at stride 4. `width` alone scales
them from two CPU cores to a GPU.

Inception: Szegedy et al. 2014 (arXiv 1409.4842). Dilation: Yu and Koltun 2015 (1511.07122). Self-attention: Vaswani et
al. 2017 (1706.03762), beside convolutions as in Wang et al. 2017 (1711.07971). Global context: Cao et al. 2019
(1904.11492). Cellular automata: Mordvintsev et al. 2020 (distill.pub/2020/growing-ca), on segmentations Sandler et al.
2020 (2008.04965). The papers of the shared blocks are cited in `harness.models.networks`.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.models.networks import (
    Concatenate,
    FinestScale,
    ResidualPyramid,
    SqueezeExcitation,
    UNet,
    convolve,
    early_stem,
    gated_unet,
)

coarse = ResidualPyramid  # most learned per CPU-minute: it lives at strides 4 to 32 and knows the whole image
enhanced = gated_unet  # all at once


def macro(classes: int, channels: int, width: int) -> nn.Module:
    """Global features: dilated inception blocks that weigh their channels, then every place attends to every other."""
    widths = (width, 2 * width, 4 * width, 8 * width)  # at strides 2, 4, 8, 16
    return UNet(
        stem=convolve(channels, width, kernel=5, stride=2),
        encoder=[nn.Sequential(DilatedInception(i, o), SqueezeExcitation(o)) for i, o in pairwise((width, *widths))],
        bottleneck=SelfAttention(widths[-1]),
        decoder=[Concatenate(fine, deep) for fine, deep in pairwise(widths)],
        head=FinestScale(widths, classes),
    )


def micro(classes: int, channels: int, width: int) -> nn.Module:
    """Fine detail: few but large filters, one global context, and a cellular automaton that tidies the logits."""
    widths = (width, 2 * width, 4 * width)  # at strides 2, 4, 8
    return UNet(
        stem=convolve(channels, width, kernel=7, stride=2),
        encoder=[convolve(i, o, kernel=5) for i, o in pairwise((width, *widths))],
        bottleneck=GlobalContext(widths[-1]),
        decoder=[Concatenate(fine, deep) for fine, deep in pairwise(widths)],
        head=nn.Sequential(FinestScale(widths, classes), CellularAutomaton(classes, hidden=width)),
    )


def specialist(classes: int, channels: int, width: int) -> nn.Module:
    """Small and plain, for one rare class against the rest (classes=1): a few positives cannot feed more."""
    widths = (width, 2 * width, 4 * width)  # at strides 4, 8, 16
    return UNet(
        stem=early_stem(channels, width),
        encoder=[convolve(i, o) for i, o in pairwise((width, *widths))],
        bottleneck=GlobalContext(widths[-1]),
        decoder=[Concatenate(fine, deep) for fine, deep in pairwise(widths)],
        head=FinestScale(widths, classes),
    )


class DilatedInception(nn.Module):
    """Four branches side by side: a point, and 3x3 at dilations 1, 2 and 4, each on a quarter of the channels."""

    def __init__(self, i: int, o: int):
        super().__init__()
        quarter = o // 4
        self.reduce = convolve(i, quarter, kernel=1)
        self.branches = nn.ModuleList(convolve(quarter, quarter, dilation=dilation) for dilation in (1, 2, 4))
        self.point = convolve(i, o - 3 * quarter, kernel=1)

    def forward(self, features: Tensor) -> Tensor:
        reduced = self.reduce(features)
        return torch.cat([self.point(features), *(branch(reduced) for branch in self.branches)], 1)


class SelfAttention(nn.Module):
    """Multi-head attention between all places, added to them; 32 places for a 64x128 image at stride 16."""

    def __init__(self, width: int, heads: int = 4):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        nn.init.zeros_(self.attention.out_proj.weight)  # begins as the identity

    def forward(self, features: Tensor) -> Tensor:
        places = self.norm(features.flatten(2).transpose(1, 2))  # (n, height * width, channels)
        attended, _ = self.attention(places, places, places, need_weights=False)
        return features + attended.transpose(1, 2).reshape(features.shape)


class GlobalContext(nn.Module):
    """One attention map for the whole image; the features it gathers are transformed and added everywhere."""

    def __init__(self, width: int, reduction: int = 4):
        super().__init__()
        small = max(4, width // reduction)
        self.attention = nn.Conv2d(width, 1, 1)
        self.transform = nn.Sequential(nn.Linear(width, small), nn.LayerNorm(small), nn.ReLU(), nn.Linear(small, width))

    def forward(self, features: Tensor) -> Tensor:
        weights = self.attention(features).flatten(1).softmax(1)
        context = torch.einsum("ncp,np->nc", features.flatten(2), weights)
        return features + self.transform(context)[:, :, None, None]


class CellularAutomaton(nn.Module):
    """Logits refined by one small local rule, iterated with shared weights.

    A cell's state is its logits and some hidden channels that begin at zero. Each step perceives the 3x3
    neighbourhood and adds the rule's update to the state.
    """

    def __init__(self, classes: int, hidden: int, steps: int = 4):
        super().__init__()
        self.classes, self.hidden, self.steps = classes, hidden // 4, steps
        state = classes + self.hidden
        self.perceive = nn.Conv2d(state, hidden, 3, padding=1)
        self.update = nn.Conv2d(hidden, state, 1, bias=False)
        nn.init.zeros_(self.update.weight)  # begins by changing nothing

    def forward(self, logits: Tensor) -> Tensor:
        state = F.pad(logits, (0, 0, 0, 0, 0, self.hidden))
        for _ in range(self.steps):
            state = state + self.update(F.relu(self.perceive(state)))
        return state[:, : self.classes]
