"""The raw files of cytology: `train.npz` (images, labels, slide) and `test.npz`; by default made (cells.py)."""

from pathlib import Path

from harness.data.formats.arrays import npz
from harness.data.samples import Dataset

CLASSES = ("benign", "malignant")
SIDE = 48


def load(raw: Path) -> Dataset:
    """Pictures of one slide share its stain and its patient: no split may part them."""
    return npz(raw / "train.npz", group="slide", test=raw / "test.npz")
