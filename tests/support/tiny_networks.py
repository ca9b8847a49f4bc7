"""Networks, tasks and samples that train in milliseconds, and the signal that stops a fit."""

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from harness.data.samples import Samples, numbered
from harness.models.augment import Augment
from harness.models.losses import cross_entropy, dice
from harness.models.smp import Network
from harness.tasks.segmentation import Segmentation

TASK = Segmentation(("void", "dark", "bright", "rare"), shape=(8, 16), void=0)


def tiny(classes: int, channels: int, width: int):
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Dropout2d(0.2),
        nn.Conv2d(width, classes, 1),
    )


def pooled(classes: int, channels: int, width: int):
    """For classification: one row of logits an image."""
    from torch import nn

    return nn.Sequential(tiny(classes, channels, width), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def has_rare(targets: np.ndarray) -> np.ndarray:
    return (targets == 3).any((1, 2))


def tiles(count: int = 10, seed: int = 0) -> Samples:
    """Dark and bright halves with noise; every fifth tile holds a grey square of the rare class, a corner is void."""
    rng = np.random.default_rng(seed)
    masks = np.ones((count, *TASK.shape), np.uint8)
    masks[:, :, 8:] = 2
    masks[::5, 2:6, 2:6] = 3
    masks[:, :2, 14:] = 0
    images = np.array([0, 40, 200, 120])[masks] + rng.integers(0, 20, masks.shape)
    return Samples(numbered(count), images.astype(np.uint8), masks, np.arange(count))


def stop_at(asked: int) -> Callable[[], bool]:
    """A `Context.stop` that says yes for the first time when it is asked so many times."""
    times = itertools.count(1)
    return lambda: next(times) >= asked


learner = Network(
    build=tiny,
    width=4,
    epochs=3,
    batch=4,
    lr=0.01,
    loss=cross_entropy + dice,
    augment=Augment(rotate=5, brightness=0.1),
)
able = replace(learner, width=8, epochs=60, lr=0.03, oversample=has_rare)
specialist = replace(able, target_class=3, loss=dice)
