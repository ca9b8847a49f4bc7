"""The raw files of blood: `train.npz` with `test_images.npz`, or `training_set.npz` of the course, without a test.

Without them cells are made: the shape of the dark nucleus and, less, its colour show the class.
"""

from pathlib import Path

import numpy as np

from harness.data.formats import npz
from harness.data.samples import Dataset, Samples
from harness.data.synthetic import SyntheticImages
from harness.errors import UserError
from harness.paths import shown

CLASSES = ("basophil", "eosinophil", "erythroblast", "ig", "lymphocyte", "monocyte", "neutrophil", "platelet")

FILES = ("train.npz", "test_images.npz")
COURSE = "training_set.npz"


def load(raw: Path) -> Dataset:
    """Stained cells (n, h, w, 3) uint8 and their classes, and the official part "test" where there is one."""
    train, test = (raw / name for name in FILES)
    if train.exists():
        return npz(train, test=test)
    if (raw / COURSE).exists():
        labelled = npz(raw / COURSE).labelled
        return Dataset(Samples(labelled.ids, labelled.inputs, labelled.targets.astype(np.uint8)))
    raise UserError(f"{shown(raw)} holds neither {FILES[0]} (with {FILES[1]}) nor {COURSE}")


cells = SyntheticImages(
    size=(32, 32), seed=20_241_102, shapes=8, weights=(7, 18, 9, 17, 7, 8, 20, 14), radius=((5, 9),), inside=1.0,
    blobs=3, ground=(235, 215, 210), hue=0.35, clear=(0.4, 0.9), body=1.5, ragged=0.3, noise=18,
)  # fmt: skip


def make_sample(folder: Path) -> None:
    """Write 640 cells, as common as the real ones, and 160 for the official test."""
    labels = cells.labels(800)
    images = np.stack([scene.image for scene in cells.scenes(800, labels)])
    np.savez_compressed(folder / FILES[0], images=images[:640], labels=labels[:640])
    np.savez_compressed(folder / FILES[1], images=images[640:], id=np.arange(160))
