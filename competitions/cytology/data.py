"""The raw files of cytology: `train.npz` (images, labels, slide) and `test.npz`; by default made.

Malignant cells are angular, benign ones round; every slide shows some of both, and the majority decides.
"""

from pathlib import Path

import numpy as np

from harness.data.formats import npz
from harness.data.samples import Dataset
from harness.data.synthetic import SyntheticImages

CLASSES = ("benign", "malignant")
SIDE = 48


def load(raw: Path) -> Dataset:
    """Images of one slide share its stain and its patient: no split may part them."""
    return npz(raw / "train.npz", group="slide", test=raw / "test.npz")


cells = SyntheticImages(
    size=(SIDE, SIDE), seed=20_250_301, shapes=2, weights=(3, 2), objects=(4, 8), radius=((4, 7),), purity=0.75,
    ground=(225, 195, 215), hue=0.15, body=1.5, ragged=0.3, noise=12, per_group=5,
)  # fmt: skip


def make_sample(folder: Path) -> None:
    """Write 160 slides of five images, two in five of them malignant, and 40 slides for the official test."""
    labels = cells.labels(1000)
    images = np.stack([scene.image for scene in cells.scenes(1000, labels)])
    np.savez_compressed(folder / "train.npz", images=images[:800], labels=labels[:800], slide=cells.groups(800))
    np.savez_compressed(folder / "test.npz", images=images[800:])
