"""Networks from scratch that learn much per CPU-minute, and their blocks; it imports torch, so import it in functions.

Every network takes floats (n, channels, height, width), height and width multiples of 16, and returns logits
(n, classes, height, width). They leave full resolution at once: a 3x3 convolution at stride 1 costs 16 times the same
one at stride 4.

U-Net: Ronneberger et al. 2015 (arXiv 1505.04597). Residual block: He et al. 2015 (1512.03385); pooled shortcut: He T.
et al. 2018 (1812.01187). Squeeze-and-excitation: Hu et al. 2017 (1709.01507). Attention gate: Oktay et al. 2018
(1804.03999). Atrous pyramid: Chen et al. 2017 (1706.05587). Weighted fusion: Tan et al. 2019 (1911.09070). Feature
pyramid: Lin et al. 2016 (1612.03144), summed to one stride as in Kirillov et al. 2019 (1901.02446).
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ResidualPyramid(nn.Module):
    """Residual stages at strides 4, 8, 16, 32; their projections and the image's mean are summed at stride 4.

    Dropout takes whole channels of the sum (Tompson et al. 2014, arXiv 1411.4280).
    """

    def __init__(self, classes: int, channels: int, width: int):
        super().__init__()
        shared, widths = 32, (width, 2 * width, 4 * width, 8 * width)
        self.contrast = LocalContrast()
        self.stem = early_stem(2 * channels, width)
        self.stages = nn.ModuleList([nn.Sequential(Residual(width, width))])
        for before, after in pairwise(widths):
            self.stages.append(nn.Sequential(Residual(before, after, stride=2), Residual(after, after)))
        self.laterals = nn.ModuleList(nn.Conv2d(width, shared, 1, bias=False) for width in widths)
        self.whole = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(widths[-1], shared, 1), nn.ReLU())
        self.head = nn.Sequential(
            nn.BatchNorm2d(shared),
            nn.ReLU(),
            convolve(shared, shared),
            nn.Dropout2d(0.1),
            nn.Conv2d(shared, classes, 1),
        )

    def forward(self, images: Tensor) -> Tensor:
        scales = [self.stem(self.contrast(images))]
        for stage in self.stages:
            scales.append(stage(scales[-1]))
        summed = self.whole(scales[-1])
        for lateral, features in zip(reversed(self.laterals), reversed(scales), strict=False):  # not the stem's
            summed = lateral(features) + resize(summed, features)
        return resize(self.head(summed), images)


class UNet(nn.Module):
    """Encoder, halved by max pooling between its blocks; bottleneck; a decoder that joins each skip again.

    The head reads the decoder's outputs, finest first; its logits are resized to the images.
    """

    def __init__(
        self,
        stem: nn.Module,
        encoder: list[nn.Module],
        bottleneck: nn.Module,
        decoder: list[nn.Module],
        head: nn.Module,
    ):
        super().__init__()
        self.stem, self.bottleneck, self.head = stem, bottleneck, head
        self.encoder, self.decoder = nn.ModuleList(encoder), nn.ModuleList(decoder)  # both finest first

    def forward(self, images: Tensor) -> Tensor:
        features, skips = self.stem(images), []
        for depth, block in enumerate(self.encoder):
            features = block(F.max_pool2d(features, 2) if depth else features)
            skips.append(features)
        scales = [self.bottleneck(skips.pop())]
        for join in reversed(self.decoder):
            scales.insert(0, join(skips.pop(), scales[0]))
        return resize(self.head(scales), images)


def gated_unet(classes: int, channels: int, width: int) -> nn.Module:
    """Residual squeeze-and-excitation at strides 2 to 16, an atrous pyramid, gated and weighed skips, every scale read.

    Fine outlines, and the whole image; 32, 64, 128 and 256 channels at width 32.
    """
    widths = (width, 2 * width, 4 * width, 8 * width)
    return UNet(
        stem=convolve(channels, width, stride=2),
        encoder=[Residual(i, o, excite=True) for i, o in pairwise((width, *widths))],
        bottleneck=AtrousPyramid(widths[-1]),
        decoder=[GatedFusion(fine, deep) for fine, deep in pairwise(widths)],
        head=EveryScale(widths, classes),
    )


def convolve(i: int, o: int, kernel: int = 3, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU; the size is kept, or divided by the stride and rounded up."""
    padding = dilation * (kernel // 2)
    convolution = nn.Conv2d(i, o, kernel, stride, padding, dilation, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(o), nn.ReLU(inplace=True))


def early_stem(channels: int, width: int) -> nn.Sequential:
    """To stride 4 in two small steps."""
    return nn.Sequential(convolve(channels, width // 2, stride=2), convolve(width // 2, width, stride=2))


def resize(features: Tensor, like: Tensor) -> Tensor:
    """Bilinear, to the height and width of `like`."""
    return F.interpolate(features, size=like.shape[2:], mode="bilinear", align_corners=False)


class LocalContrast(nn.Module):
    """Each channel twice: as it is, and with the mean and deviation of its 8x8 neighbourhood taken out.

    Bedrock in shadow and in the sun is one texture at very different brightness. The statistics are taken on an
    8x8 grid and resized: a sliding window costs twenty times as much on a CPU (90 ms for 32 images). The images
    should come with a deviation near one, of which 0.1 counts as flat.
    """

    def forward(self, images: Tensor) -> Tensor:
        mean = F.avg_pool2d(images, 8)
        deviation = (F.avg_pool2d(images.square(), 8) - mean.square()).clamp_min(0).sqrt()
        local = (images - resize(mean, images)) / (resize(deviation, images) + 0.1)
        return torch.cat([images, local], 1)


class Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut that is pooled and projected where the shape changes."""

    def __init__(self, i: int, o: int, stride: int = 1, excite: bool = False):
        super().__init__()
        last = nn.BatchNorm2d(o)
        nn.init.zeros_(last.weight)  # every block begins as its shortcut
        self.body = nn.Sequential(convolve(i, o, stride=stride), nn.Conv2d(o, o, 3, padding=1, bias=False), last)
        self.excite = SqueezeExcitation(o) if excite else nn.Identity()
        pool = nn.AvgPool2d(stride, ceil_mode=True) if stride > 1 else nn.Identity()
        projection = nn.Sequential(pool, nn.Conv2d(i, o, 1, bias=False), nn.BatchNorm2d(o))
        self.shortcut = projection if stride > 1 or i != o else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        return F.relu(self.excite(self.body(features)) + self.shortcut(features))


class SqueezeExcitation(nn.Module):
    """Channels scaled by a function of their means over the image."""

    def __init__(self, width: int, reduction: int = 4):
        super().__init__()
        small = max(4, width // reduction)
        self.scale = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(width, small, 1), nn.ReLU(), nn.Conv2d(small, width, 1), nn.Sigmoid()
        )

    def forward(self, features: Tensor) -> Tensor:
        return features * self.scale(features)


class AtrousPyramid(nn.Module):
    """A point, 3x3 at three dilations, and the image's mean, side by side, then projected.

    Dilations 1, 2, 3: the bottleneck is only 4x8 places large.
    """

    def __init__(self, width: int):
        super().__init__()
        branch = width // 4
        self.point = convolve(width, branch, kernel=1)
        self.dilated = nn.ModuleList(convolve(width, branch, dilation=dilation) for dilation in (1, 2, 3))
        # no batch norm on the mean: at one place a channel is a batch of few numbers
        self.mean = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(width, branch, 1), nn.ReLU())
        self.project = convolve(5 * branch, width, kernel=1)

    def forward(self, features: Tensor) -> Tensor:
        mean = self.mean(features).expand(-1, -1, *features.shape[2:])
        branches = [self.point(features), *(dilated(features) for dilated in self.dilated), mean]
        return self.project(torch.cat(branches, 1))


class Concatenate(nn.Module):
    """The plain U-Net's join: the deep features resized beside the fine ones, then one 3x3 convolution."""

    def __init__(self, fine: int, deep: int):
        super().__init__()
        self.block = convolve(fine + deep, fine)

    def forward(self, fine: Tensor, deep: Tensor) -> Tensor:
        return self.block(torch.cat([fine, resize(deep, fine)], 1))


class GatedFusion(nn.Module):
    """The fine features pass a gate that the deep ones open, are added in learned proportion, and refined."""

    def __init__(self, fine: int, deep: int):
        super().__init__()
        self.project = convolve(deep, fine, kernel=1)
        self.gate = AttentionGate(fine)
        self.proportions = nn.Parameter(torch.ones(2))
        self.block = Residual(fine, fine)

    def forward(self, fine: Tensor, deep: Tensor) -> Tensor:
        deep = resize(self.project(deep), fine)
        fine_share, deep_share = self.proportions.softmax(0)
        return self.block(fine_share * self.gate(fine, deep) + deep_share * deep)


class AttentionGate(nn.Module):
    """Additive attention: at each place, how much of the skip the signal from below lets through."""

    def __init__(self, width: int):
        super().__init__()
        small = max(4, width // 2)
        self.skip = nn.Conv2d(width, small, 1, bias=False)
        self.signal = nn.Conv2d(width, small, 1)
        self.open = nn.Conv2d(small, 1, 1)

    def forward(self, skip: Tensor, signal: Tensor) -> Tensor:
        return skip * self.open(F.relu(self.skip(skip) + self.signal(signal))).sigmoid()


class FinestScale(nn.Module):
    """Logits from the finest decoder output."""

    def __init__(self, widths: tuple[int, ...], classes: int):
        super().__init__()
        self.logits = nn.Conv2d(widths[0], classes, 1)

    def forward(self, scales: list[Tensor]) -> Tensor:
        return self.logits(scales[0])


class EveryScale(nn.Module):
    """Logits from each decoder output and the bottleneck, resized to the finest and summed."""

    def __init__(self, widths: tuple[int, ...], classes: int):
        super().__init__()
        self.logits = nn.ModuleList(nn.Conv2d(width, classes, 1) for width in widths)

    def forward(self, scales: list[Tensor]) -> Tensor:
        maps = [resize(logits(scale), scales[0]) for logits, scale in zip(self.logits, scales, strict=True)]
        return torch.stack(maps).sum(0)
