"""Rows 3 and 6: how fast batches are made, and how fast masks are scored, against the usual libraries."""

import math
import os
from collections.abc import Callable, Iterable
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from harness.data.samples import Samples
from harness.metrics import MeanIoU
from tests.benchmarks.protocol import Result, cpu_seconds, in_turn, ratios, timed, typical
from tests.benchmarks.workloads import AUGMENT, BATCH, MARS, context, fields, masks_of, tiles, training_of, unet


def feed_rate() -> list[Result]:
    """Row 3, in CPU seconds: an epoch of batches ready for the network, ours and albumentations in a DataLoader."""
    import torch

    torch.set_num_threads(1)
    train = tiles(60 * BATCH)
    with TemporaryDirectory() as folder:
        training = training_of(unet(), train, context(folder))

        def ours() -> Iterable[tuple[Any, Any]]:
            for images, targets in training.batches.epoch(0):
                yield training.machine.images(images), training.machine.send(targets).long()

        loader = usual_loader(train, training)
        wrong = difference(look(ours()), look(loader))
        arms: dict[str, Callable[[], float]] = {
            "usual": lambda: timed(lambda: drain(loader), cpu_seconds),
            "ours": lambda: timed(lambda: drain(ours()), cpu_seconds),
            "again": lambda: timed(lambda: drain(ours()), cpu_seconds),
        }
        taken = in_turn(arms, rounds=7)
    return [
        Result(
            row="3",
            goal="feed rate / DataLoader with albumentations, CPU",
            target=3,
            values=ratios(taken, "usual", "ours"),
            control=ratios(taken, "ours", "again"),
            note=f"{len(train) / typical(taken, 'ours'):.0f} images/s, one thread; mean, deviation, labels alike",
            broken=wrong,
        )
    ]


def drain(batches: Iterable[Any]) -> None:
    for _ in batches:
        pass


def usual_loader(train: Samples, training: Any) -> Any:
    """The family of `AUGMENT` as one writes it with albumentations, one sample after the other."""
    import albumentations
    import cv2
    import torch

    learner, codes = training.learner, training.encoding.codes
    a, size = AUGMENT, 1 + AUGMENT.scale
    compose = albumentations.Compose(
        [
            albumentations.HorizontalFlip(p=a.hflip),
            albumentations.Affine(
                rotate=(-a.rotate, a.rotate),
                scale=(1 / size, size),
                translate_percent=(-a.shift, a.shift),
                keep_ratio=True,
                border_mode=cv2.BORDER_REFLECT_101,
                p=1,
            ),
            albumentations.RandomBrightnessContrast(a.brightness, a.contrast, p=1),
            albumentations.Normalize(mean=learner.mean, std=learner.std),
        ],
        seed=0,
    )

    class Tiles(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return len(train)

        def __getitem__(self, row: int) -> tuple[torch.Tensor, torch.Tensor]:
            changed = compose(image=train.inputs[row][:, :, None], mask=train.targets[row])
            image = torch.from_numpy(changed["image"]).permute(2, 0, 1)
            return image, torch.from_numpy(codes[changed["mask"]]).long()

    return torch.utils.data.DataLoader(Tiles(), BATCH, shuffle=True, num_workers=0)


class Look(NamedTuple):
    """Of all pixels that were fed: shape and type of a batch, mean, standard deviation, share of each label."""

    kind: str
    mean: float
    deviation: float
    shares: dict[int, float]


def look(batches: Iterable[tuple[Any, Any]]) -> Look:
    pairs = [(images.numpy(), targets.numpy()) for images, targets in batches]
    images, targets = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    kind = f"{images.shape} {images.dtype}, {targets.shape} {targets.dtype}"
    shares = {int(code): float((targets == code).mean()) for code in np.unique(targets)}
    return Look(kind, float(images.mean()), float(images.std()), shares)


def difference(ours: Look, usual: Look) -> str:
    """What is not alike, or nothing."""
    if ours.kind != usual.kind:
        return f"batches are {ours.kind}, not {usual.kind}"
    if abs(ours.mean - usual.mean) > 0.03 * usual.deviation:
        return f"mean {ours.mean:.3f}, not {usual.mean:.3f}"
    if not math.isclose(ours.deviation, usual.deviation, rel_tol=0.03):
        return f"deviation {ours.deviation:.3f}, not {usual.deviation:.3f}"
    if any(abs(ours.shares.get(code, 0) - usual.shares.get(code, 0)) > 0.01 for code in {*ours.shares, *usual.shares}):
        return f"labels {ours.shares}, not {usual.shares}"
    return ""


def mean_iou() -> list[Result]:
    """Row 6, wall: the statistics of 10,000 masks, against torchmetrics on 1,000 of them and all cores, times ten."""
    import torch
    from torchmetrics.functional.classification import multiclass_confusion_matrix

    count, few = 10_000, 1_000
    terrain = fields(count, seed=0)
    truth, predicted = masks_of(terrain), masks_of(0.85 * terrain + 0.15 * fields(count, seed=1))
    metric = MeanIoU(MARS.classes)
    tensors = torch.from_numpy(predicted[:few]), torch.from_numpy(truth[:few])
    torch.set_num_threads(os.cpu_count() or 1)

    def usual(checked: bool = True) -> Any:
        return multiclass_confusion_matrix(*tensors, num_classes=len(MARS.classes), validate_args=checked)

    def ours() -> np.ndarray:
        return metric.statistics(truth, predicted)

    equal = np.array_equal(ours()[:few].sum(0), usual().numpy())
    arms = {
        "usual": lambda: timed(usual) * count / few,
        "unchecked": lambda: timed(lambda: usual(checked=False)) * count / few,
        "ours": lambda: timed(ours),
        "again": lambda: timed(ours),
    }
    taken = in_turn(arms, rounds=7)
    unchecked = Result(row="", goal="", target=0, values=ratios(taken, "unchecked", "ours"))
    return [
        Result(
            row="6",
            goal="mean IoU of masks / torchmetrics, equal integers",
            target=50,
            values=ratios(taken, "usual", "ours"),
            control=ratios(taken, "ours", "again"),
            note=f"{truth.size / typical(taken, 'ours') / 1e6:.0f} Mpixel/s; {unchecked.measured} times torchmetrics "
            "without its check of the arguments",
            broken="" if equal else "the counts differ",
        )
    ]
