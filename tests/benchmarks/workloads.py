"""What the rows are measured on: made images and masks, and the three networks."""

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.competition import find
from harness.data.samples import Samples, numbered
from harness.models import Context
from harness.models.augment import Augment
from harness.models.smp import Network, Smp
from harness.tasks.segmentation import Segmentation

if TYPE_CHECKING:
    from harness.models.torch_loop.training_loop import TrainingLoop

SHAPE = (64, 128)
MARS = Segmentation(("void", "soil", "bedrock", "sand", "big_rock"), SHAPE, void=0)
KINDS = Segmentation(tuple("abcdefghij"), (96, 96))  # of whole pictures; only the names are asked for
BATCH = 32
ENDLESS = 10_000  # epochs: the schedule never ends while we measure
AUGMENT = Augment(hflip=0.5, rotate=10, scale=0.2, shift=0.05, brightness=0.1, contrast=0.1)


def fields(count: int, seed: int) -> np.ndarray:
    """(count, h, w) float32 in 0..1, smooth as terrain is."""
    import cv2

    coarse = np.random.default_rng(seed).random((count, 8, 16), np.float32)
    return np.stack([cv2.resize(each, SHAPE[::-1], interpolation=cv2.INTER_CUBIC) for each in coarse])


def masks_of(fields: np.ndarray) -> np.ndarray:
    """Labels 0 to 4 in regions, uint8."""
    return (5 * fields).clip(0, 4).astype(np.uint8)


def tiles(count: int) -> Samples:
    """Grey images 64x128 in which every label has its own brightness, with noise."""
    masks = masks_of(fields(count, seed=0))
    noise = np.random.default_rng(1).integers(0, 40, masks.shape, dtype=np.uint8)
    return Samples(numbered(count), 40 * masks + noise, masks, np.arange(count))


def pictures(count: int) -> Samples:
    """Colour images 96x96, each with one of ten labels."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, 96, 96, 3), dtype=np.uint8)
    return Samples(numbered(count), images, rng.integers(0, 10, count, dtype=np.uint8), np.arange(count))


def unet() -> Smp:
    """With augmentation, the average of the weights, clipping and AdamW; the cheapest loss, for all else to compete."""
    return Smp("Unet", encoder="tu-mobilenetv3_small_100", batch=BATCH, epochs=ENDLESS, augment=AUGMENT)


def coarse() -> Any:
    """As mars declares it."""
    return replace(find("mars").models["coarse"], batch=BATCH, epochs=ENDLESS)  # type: ignore[type-var]


def mobilenet() -> Network:
    means = (0.5, 0.5, 0.5)
    return Network(
        build=_mobilenetv3, channels=3, mean=means, std=(0.25,) * 3, batch=BATCH, epochs=ENDLESS, augment=AUGMENT
    )


def _mobilenetv3(classes: int, channels: int, width: int) -> Any:
    import timm

    return timm.create_model("mobilenetv3_large_100", num_classes=classes, in_chans=channels)


def context(folder: str, task: Segmentation = MARS, **fields: Any) -> Context:
    """One thread, as a worker of the harness has."""
    return Context(task, Path(folder), threads=fields.pop("threads", 1), **fields)


def training_of(learner: Any, train: Samples, context: Context) -> "TrainingLoop":
    """A fit that saves only when it is told to: checkpoints are due by the clock, and are measured apart."""
    from harness.models.torch_loop.training_loop import TrainingLoop

    training = TrainingLoop(learner, train, context)
    training.saved = math.inf
    return training


def save(training: "TrainingLoop") -> None:
    training.save()
    training.saved = math.inf


def epoch(training: "TrainingLoop") -> None:
    """As in a fit: data, steps, average, log."""
    training.run_epoch()
    training.close_epoch(None)
