"""The raw files of blood: `train.npz` with `test_images.npz`, or `training_set.npz` of the course, without a test."""

from pathlib import Path

import numpy as np

from harness.data.formats.arrays import npz, read_arrays
from harness.data.samples import Dataset, Samples
from harness.errors import UserError
from harness.paths import shown

CLASSES = ("basophil", "eosinophil", "erythroblast", "ig", "lymphocyte", "monocyte", "neutrophil", "platelet")

PICTURES = ("train.npz", "test_images.npz")
COURSE = "training_set.npz"


def load(raw: Path) -> Dataset:
    """Stained cells (n, h, w, 3) uint8 and their classes, and the official part "test" where there is one."""
    train, test = (raw / name for name in PICTURES)
    if train.exists():
        asked = read_arrays(test, ["id", "images"])
        return Dataset(npz(train).labelled, {"test": Samples(asked["id"].astype(str), asked["images"])})
    if (raw / COURSE).exists():
        labelled = npz(raw / COURSE).labelled
        return Dataset(Samples(labelled.ids, labelled.inputs, labelled.targets.astype(np.uint8)))
    raise UserError(f"{shown(raw)} holds neither {PICTURES[0]} (with {PICTURES[1]}) nor {COURSE}")
