"""Networks for GlaS, from scratch: floats (n, channels, h, w) to logits (n, classes, h, w), sides multiples of 16."""

from torch import nn

from harness.models.networks import ResidualPyramid, gated_unet

pyramid, gated = ResidualPyramid, gated_unet  # the whole image at once, and fine outlines


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
