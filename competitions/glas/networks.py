"""Networks for GlaS, from scratch: floats (n, channels, h, w) to logits (n, classes, h, w), sides multiples of 16."""

from itertools import pairwise

from torch import nn

from harness.models.networks import AtrousPyramid, EveryScale, GatedFusion, Residual, ResidualPyramid, UNet, convolve


def pyramid(classes: int, channels: int, width: int) -> nn.Module:
    """The whole image at once: a residual pyramid at strides 4 to 32, summed."""
    return ResidualPyramid(classes, channels, widths=(width, 2 * width, 4 * width, 8 * width), depths=(1, 2, 2, 2))


def gated(classes: int, channels: int, width: int) -> nn.Module:
    """Fine outlines: a residual U-Net at strides 2 to 16 with gated skips, every scale read."""
    widths = (width, 2 * width, 4 * width, 8 * width)
    return UNet(
        stem=convolve(channels, width, stride=2),
        encoder=[Residual(i, o, excite=True) for i, o in pairwise((width, *widths))],
        bottleneck=AtrousPyramid(widths[-1]),
        decoder=[GatedFusion(fine, deep) for fine, deep in pairwise(widths)],
        head=EveryScale(widths, classes),
    )


def plain(classes: int, channels: int, width: int) -> nn.Module:
    """What a first course teaches: pairs of convolutions, two poolings, logits resized to the image."""

    def pair(i: int, o: int) -> list[nn.Module]:
        return [nn.Conv2d(i, o, 3, padding=1), nn.ReLU(), nn.Conv2d(o, o, 3, padding=1), nn.ReLU()]

    return nn.Sequential(
        *pair(channels, width),
        nn.MaxPool2d(2),
        *pair(width, 2 * width),
        nn.MaxPool2d(2),
        *pair(2 * width, 4 * width),
        nn.Dropout2d(0.2),
        nn.Conv2d(4 * width, classes, 1),
        nn.Upsample(scale_factor=4, mode="bilinear"),
    )
