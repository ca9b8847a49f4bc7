"""Row 11: how long cross-fitting an ensemble takes, and greedy selection among twenty members on disk.

`python -m tests.benchmarks.ensembling` times `cross_fit` alone: 4 members of 2,000 rows, of masks and of labels.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from harness.ensemble import Blend, Member, OOFData, Recipe, cross_fit, with_blend
from harness.metrics import Accuracy, MeanIoU
from harness.tasks.classification import Classification
from harness.tasks.segmentation import Segmentation
from tests.benchmarks.protocol import REPOSITORY, Result

CLASSES = ("background", "soil", "bedrock", "sand", "big rock")
SHAPE = (64, 128)
TASK, METRIC = Segmentation(CLASSES, SHAPE), MeanIoU(CLASSES)
DIGITS = tuple("0123456789")

ROWS, FOLDS = 2000, 5  # of the first half
MANY, MEMBERS = 2500, 20  # of the second: 4 GB in float16
BLOCK = 250  # images that are made; the others repeat them
LONGEST, MOST = 120.0, 4e9  # seconds and bytes


def ensembling() -> list[Result]:
    return [fitting(), selection()]


# -- cross-fitting -----------------------------------------------------------------------------------------------------


def fitting() -> Result:
    """Wall, of the whole of `cross_fit`: every step with its gate, once on all rows and once without each fold."""
    seconds = {"masks": cross_fit_seconds(masks_oof(ROWS)), "labels": cross_fit_seconds(labels_oof(ROWS))}
    return Result(
        row="11a",
        goal=f"cross-fitting 4 members of {ROWS} rows, {FOLDS} folds",
        target=LONGEST,
        values=[max(seconds.values())],
        at_most=True,
        unit=" s",
        note=", ".join(f"{name}: {taken:.1f} s" for name, taken in seconds.items()),
        broken="",
    )


def cross_fit_seconds(oof: OOFData) -> float:
    began = time.perf_counter()
    cross_fit(oof, Blend(tuple(oof.members)))
    return time.perf_counter() - began


def masks_oof(rows: int) -> OOFData:
    """Masks of 16 x 16, which are not thinned any further, and four members of 5 classes."""
    rng, task = np.random.default_rng(0), Segmentation(CLASSES, (16, 16))
    truth = rng.integers(0, len(CLASSES), (rows, 4, 4)).repeat(4, 1).repeat(4, 2).astype(np.uint8)
    shown = np.moveaxis(np.eye(len(CLASSES))[truth], 3, 1)
    views = [softmax(1.5 * shown + rng.normal(size=shown.shape)).astype(np.float16) for _ in range(8)]
    return oof_of(task, METRIC, truth, views)


def labels_oof(rows: int) -> OOFData:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, len(DIGITS), rows)
    shown = np.eye(len(DIGITS))[truth]
    views = [softmax(2 * shown + rng.normal(size=shown.shape)).astype(np.float16) for _ in range(8)]
    return oof_of(Classification(DIGITS), Accuracy(DIGITS), truth, views)


def oof_of(task: Any, metric: Any, truth: np.ndarray, views: list[np.ndarray]) -> OOFData:
    members = {name: Member(views[2 * k], views[2 * k + 1]) for k, name in enumerate("abcd")}
    groups = np.arange(len(truth)) // 4
    return OOFData(task, metric, members, truth, groups % FOLDS, groups)


def softmax(logits: np.ndarray) -> np.ndarray:
    raw = np.exp(logits - logits.max(1, keepdims=True))
    return raw / raw.sum(1, keepdims=True)


# -- twenty on disk ----------------------------------------------------------------------------------------------------


def selection() -> Result:
    """Wall, from the files to the weights, in a process of its own whose memory is counted."""
    with tempfile.TemporaryDirectory() as folder:
        truth = next(truths())
        np.save(Path(folder) / "truth.npy", repeated(truth))
        for k, block in enumerate(predictions(truth)):
            np.save(Path(folder) / f"m{k:02d}.npy", repeated(block))
        command = [sys.executable, "-m", "tests.benchmarks.ensembling", folder]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    return Result(
        row="11b",
        goal=f"greedy selection of {MEMBERS} x {MANY} x 5 x 64 x 128 on disk",
        target=LONGEST,
        values=[result["seconds"]],
        at_most=True,
        unit=" s",
        note=f"at most {result['bytes'] / 1e9:.1f} GB resident; {result['members']} members taken",
        broken="" if result["bytes"] < MOST else f"{result['bytes'] / 1e9:.1f} GB of memory",
    )


def truths() -> Iterator[np.ndarray]:
    coarse = np.random.default_rng(0).integers(0, len(CLASSES), (BLOCK, 8, 8))
    yield coarse.repeat(8, 1).repeat(16, 2).astype(np.uint8)


def predictions(truth: np.ndarray) -> Iterator[np.ndarray]:
    shown = np.moveaxis(3.5 * np.eye(len(CLASSES), dtype=np.float32)[truth], 3, 1)
    for seed in range(MEMBERS):
        yield softmax(shown + np.random.default_rng(seed).standard_normal(shown.shape, np.float32)).astype(np.float16)


def repeated(block: np.ndarray) -> np.ndarray:
    return np.concatenate([block] * (MANY // BLOCK))


class OnDisk:
    """A member that is memory-mapped when it is asked for, as an out-of-fold prediction of a run."""

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
    thinned = OOFData(TASK, METRIC, members, truth, groups % FOLDS, groups).subsample()
    chosen = with_blend(thinned, Recipe({next(iter(members)): 1.0}), list(members))
    return {
        "seconds": time.monotonic() - began,
        "bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "members": len(chosen.weights),
    }


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(select(Path(sys.argv[1]))))
    else:
        for name, oof in (("masks", masks_oof(ROWS)), ("labels", labels_oof(ROWS))):
            print(f"{name}: {cross_fit_seconds(oof):.1f} s")
