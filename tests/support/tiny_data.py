"""Tiny data and a declaration for tests, and where the real data sets are.

96 images of 4x8 pixels, three classes (0 void, 1 plain, 2 rare), in groups of three.
"""

import os
from pathlib import Path

import numpy as np

from harness.competition import Competition
from harness.data.samples import Dataset, Samples
from harness.data.splits import Holdout, stratified_grouped
from harness.ensemble import Blend
from harness.metrics import MeanIoU
from harness.tasks.segmentation import Segmentation

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED = REPOSITORY / os.environ.get("SHARED", "../shared")
REAL_SETS = [
    ("mars", "mars"),
    ("blood", "bloodcells28"),
    ("blood", "bloodcells96"),
    ("digits", "mnist"),
    ("aquarium", "aquarium"),
    ("bccd", "bccd"),
    ("glas", "glas"),
    ("cars", "auto_mpg"),
]  # (competition, folder of SHARED/data)


CLASSES = ("void", "plain", "rare")


def has_rare(targets: np.ndarray) -> np.ndarray:
    return (targets == 2).any((1, 2)).astype(int)


def tiny_dataset(groups: int = 32, seed: int = 0) -> Dataset:
    """Every fourth group shows the rare class, in one bright pixel of each of its three pictures."""
    rng = np.random.default_rng(seed)
    rows = 3 * groups
    images = rng.integers(0, 200, (rows, 4, 8), dtype=np.uint8)
    masks = rng.integers(0, 2, (rows, 4, 8), dtype=np.uint8)
    masks[:, 0, 0] = 1
    group = np.repeat(np.arange(groups), 3)
    masks[group % 4 == 0, 1, 1] = 2
    images[masks == 2] = 255
    ids = np.array([f"t{row}" for row in range(rows)])
    official = Samples(np.array(["u0", "u1"]), images[:2] // 2)
    return Dataset(Samples(ids, images, masks, group), {"test": official})


def tiny_declaration(**changed: object) -> Competition:
    declared = {
        "name": "tiny",
        "task": Segmentation(CLASSES, (4, 8), void=0),
        "metric": MeanIoU(CLASSES, void=0),
        "sources": (),
        "load": lambda raw: tiny_dataset(),
        "holdout": Holdout(fraction=0.25, public=0.5),
        "split": stratified_grouped(by=has_rare, folds=3),
        "models": {},
        "ensemble": Blend(()),
        "default": (),
    }
    return Competition(**(declared | changed))
