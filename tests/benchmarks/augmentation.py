"""What augmentation costs: the own OpenCV warp and albumentations, as shares of a training step. One thread.

python -m tests.benchmarks.augmentation
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from harness.competition import find
from harness.data.samples import Samples, numbered
from harness.models.augment import Augment
from tests.benchmarks.protocol import in_turn, timed, typical
from tests.benchmarks.workloads import context, training_of

WORKLOADS = [
    ("mars", "coarse", (64, 128), 32),
    ("blood", "residual", (28, 28, 3), 64),
    ("blood", "residual", (96, 96, 3), 64),
    ("digits", "cnn", (28, 28), 64),
]
ROUNDS, STEPS = 7, 2


def main() -> None:
    for workload in WORKLOADS:
        print(measured(*workload), flush=True)


def measured(competition: str, model: str, shape: tuple[int, ...], batch: int) -> str:
    declared = find(competition)
    learner: Any = replace(declared.models[model], epochs=1000)
    own: Augment = learner.augment
    usual = Augment(hflip=0.0, transforms=lambda: as_albumentations(own))
    train = noise(shape, STEPS * batch, declared.task)
    images, masks = train.inputs[:batch], train.targets[:batch] if train.targets.ndim > 1 else None
    draws = own.draw(np.random.default_rng(0), batch)
    with TemporaryDirectory() as folder:
        loop = training_of(replace(learner, augment=None, batch=batch), train, context(folder, declared.task))
        loop.state.network.train()
        batches = list(loop.batches.epoch(0))
        arms: dict[str, Callable[[], float]] = {
            "step": lambda: timed(lambda: [loop.step(*each) for each in batches], time.process_time) / STEPS,
            "own": lambda: timed(lambda: own(images, masks, draws), time.process_time),
            "albumentations": lambda: timed(lambda: usual(images, masks, draws), time.process_time),
        }
        taken = in_turn(arms, ROUNDS)
    step = typical(taken, "step")
    costs = {arm: typical(taken, arm) for arm in ("own", "albumentations")}
    told = ", ".join(f"{arm} {1e3 * cost:.1f} ms, {cost / (step + cost):.1%}" for arm, cost in costs.items())
    return f"{competition} {model}, {batch} x {shape}: a step {1e3 * step:.0f} ms; {told}"


def noise(shape: Sequence[int], count: int, task: Any) -> Samples:
    rng = np.random.default_rng(0)
    of_pixels = hasattr(task, "shape")
    targets = rng.integers(1, len(task.classes), (count, *shape[:2]) if of_pixels else count).astype(np.uint8)
    return Samples(numbered(count), rng.integers(0, 256, (count, *shape), dtype=np.uint8), targets, np.arange(count))


def as_albumentations(a: Augment) -> list[Any]:
    """The same family, as one writes it with albumentations."""
    import albumentations as A
    import cv2

    return [
        A.HorizontalFlip(p=a.hflip),
        A.VerticalFlip(p=a.vflip),
        A.Affine(
            rotate=(-a.rotate, a.rotate),
            scale=(1 / (1 + a.scale), 1 + a.scale),
            translate_percent=(-a.shift, a.shift),
            keep_ratio=True,
            border_mode=cv2.BORDER_REFLECT_101,
            p=1,
        ),
        A.RandomBrightnessContrast(a.brightness, a.contrast, p=1),
    ]


if __name__ == "__main__":
    main()
