"""Row 11: how fast weights are tried, against plain numpy; and greedy selection among twenty members on the disk."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from harness.ensemble import OOFData, Recipe, with_blend
from harness.metrics import MeanIoU
from harness.tasks.segmentation import Segmentation
from tests.benchmarks.protocol import REPOSITORY, Result, in_turn, ratios, timed, typical

CLASSES = ("background", "soil", "bedrock", "sand", "big rock")
SHAPE = (64, 128)
TASK, METRIC = Segmentation(CLASSES, SHAPE), MeanIoU(CLASSES)

IMAGES, MODELS = 500, 4  # of the first half
WEIGHTS, FEW = 100, 4  # that greedy selection asks for, and that plain numpy is timed with
MANY, MEMBERS = 2500, 20  # of the second: 4 GB in float16
BLOCK = 250  # images that are made; the others repeat them
LONGEST, MOST = 120.0, 4e9  # seconds and bytes


def ensembling() -> list[Result]:
    return [evaluation(), selection()]


def evaluation() -> Result:
    """Wall, of the mean IoU of several weightings. Ours looks once at all pixels, and then at those in dispute."""
    truth, members = scenes(IMAGES, MODELS)
    tried = np.random.default_rng(1).dirichlet(np.ones(MODELS), WEIGHTS)

    def plain() -> list[float]:
        return [naive(members, weights, truth) for weights in tried[:FEW]]

    def ours() -> list[float]:
        weighing = TASK.weighing(members)
        return [float(METRIC.score(METRIC.statistics(truth, weighing(weights)))) for weights in tried]

    difference = float(np.abs(np.subtract(plain(), ours()[:FEW])).max())
    arms = {
        "naive": lambda: timed(plain) / FEW,
        "ours": lambda: timed(ours) / WEIGHTS,
        "again": lambda: timed(ours) / WEIGHTS,
    }
    taken = in_turn(arms, rounds=3)
    agreed = 1 - len(TASK.weighing(members).open) / truth.size
    return Result(
        row="11a",
        goal="a weighting of an ensemble / naive numpy, equal mean IoU",
        target=20,
        values=ratios(taken, "naive", "ours"),
        control=ratios(taken, "ours", "again"),
        note=f"{WEIGHTS} weightings of {MODELS} members, {IMAGES} x {len(CLASSES)} x 64 x 128 in float16, all agree on "
        f"{agreed:.0%} of the pixels: {1e3 * typical(taken, 'ours'):.1f} ms each, a share of the first look included",
        broken="" if difference < 1e-6 else f"the scores differ by {difference:.2g}",
    )


def naive(members: list[np.ndarray], weights: np.ndarray, truth: np.ndarray) -> float:
    mean = sum(np.float32(weight) * each.astype(np.float32) for weight, each in zip(weights, members, strict=True))
    said = np.asarray(mean).argmax(1)
    size = len(CLASSES)
    counts = np.bincount(size * truth.ravel().astype(np.int64) + said.ravel(), minlength=size * size)
    table = counts.reshape(size, size)
    return float((table.diagonal() / (table.sum(0) + table.sum(1) - table.diagonal())).mean())


def scenes(images: int, members: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Regions of labels, and members that err together at their borders and alone elsewhere; float16."""
    return next(truths(images)), list(said(images, members))


def truths(images: int) -> Iterator[np.ndarray]:
    coarse = np.random.default_rng(0).integers(0, len(CLASSES), (images, 8, 8))
    yield coarse.repeat(8, 1).repeat(16, 2).astype(np.uint8)


def said(images: int, members: int) -> Iterator[np.ndarray]:
    truth = next(truths(images))
    shown = np.moveaxis(3.5 * np.eye(len(CLASSES), dtype=np.float32)[truth], 3, 1)
    for seed in range(members):
        raw = np.exp(shown + np.random.default_rng(seed).standard_normal(shown.shape, np.float32))
        yield (raw / raw.sum(1, keepdims=True)).astype(np.float16)


# -- twenty on the disk ------------------------------------------------------------------------------------------------


def selection() -> Result:
    """Wall, from the files to the weights, in a process of its own whose memory is counted."""
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "truth.npy", repeated(next(truths(BLOCK))))
        for k, block in enumerate(said(BLOCK, MEMBERS)):
            np.save(Path(folder) / f"m{k:02d}.npy", repeated(block))
        command = [sys.executable, "-m", "tests.benchmarks.ensembling", folder]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    return Result(
        row="11b",
        goal=f"greedy selection of {MEMBERS} x {MANY} x 5 x 64 x 128 on the disk",
        target=LONGEST,
        values=[told["seconds"]],
        at_most=True,
        unit=" s",
        note=f"at most {told['bytes'] / 1e9:.1f} GB resident; {told['members']} members taken, {told['tried']} blends",
        broken="" if told["bytes"] < MOST else f"{told['bytes'] / 1e9:.1f} GB of memory",
    )


def repeated(block: np.ndarray) -> np.ndarray:
    return np.concatenate([block] * (MANY // BLOCK))


class OnDisk:
    """A member that is memory-mapped when it is asked for, as `store.OutOfFold`."""

    def __init__(self, file: Path):
        self.file = file

    @property
    def plain(self) -> Any:
        return np.load(self.file, mmap_mode="r")

    tta = plain


def select(folder: Path) -> dict[str, Any]:
    import resource

    began = time.monotonic()
    members = {file.stem: OnDisk(file) for file in sorted(folder.glob("m*.npy"))}
    truth = np.load(folder / "truth.npy")
    groups = np.arange(len(truth))
    thinned = OOFData(TASK, METRIC, members, truth, groups % 5, groups).subsample()
    chosen = with_blend(thinned, Recipe({next(iter(members)): 1.0}), list(members))
    return {
        "seconds": time.monotonic() - began,
        "bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "members": len(chosen.weights),
        "tried": len(thinned.statistics_of.known),  # type: ignore[attr-defined]
    }


if __name__ == "__main__":
    print(json.dumps(select(Path(sys.argv[1]))))
