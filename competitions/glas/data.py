"""The raw files of GlaS: stained slices of the colon, 128x128 pixels in colour, and where in them the glands are.

Without them glands are made: ragged rings around a pale lumen, between stained blobs that have none.
"""

from pathlib import Path

import numpy as np

from harness.data.formats.arrays import as_bytes, read_arrays
from harness.data.samples import Dataset, Samples, numbered
from harness.data.synthetic import SyntheticImages
from harness.errors import UserError
from harness.paths import shown

CLASSES = ("background", "gland")
SIDE = 128  # pixels, of the square images
LABELLED = ("train.npz", "testA.npz")  # the contest's first test came with its labels later
OFFICIAL = "testB_images.npz"


def load(raw: Path) -> Dataset:
    """Both labelled files as one, ids "train-0", "testA-0", ...; the official part "testB" counts from 0.

    groups: the patient, numbered alike in both files. stratify: the grade, 0 benign or 1 malignant, which no mask
    shows. Raise `UserError` naming the file and the array that is wrong.
    """
    parts = [labelled(raw / name) for name in LABELLED]
    ids, inputs, targets, groups, stratify = (np.concatenate(column) for column in zip(*parts, strict=True))
    official = as_bytes(read_arrays(raw / OFFICIAL, ["images"])["images"], f"{shown(raw / OFFICIAL)}, images", IMAGE)
    test = {"testB": Samples(numbered(len(official)), official)}
    return Dataset(Samples(ids, inputs, targets, groups, stratify), test)


IMAGE = (SIDE, SIDE, 3)


def labelled(file: Path) -> tuple[np.ndarray, ...]:
    """ids, images, masks, patients and grades of one file."""
    arrays = read_arrays(file, ["images", "masks", "patient", "grade"])
    images = as_bytes(arrays["images"], f"{shown(file)}, images", IMAGE)
    masks = as_bytes(arrays["masks"], f"{shown(file)}, masks", (SIDE, SIDE))
    patients, grades = (as_bytes(arrays[name], f"{shown(file)}, {name}", ()) for name in ("patient", "grade"))
    if grades.max() > 1:
        raise UserError(f"{shown(file)}, grade holds {grades.max()}, but only 0 and 1 are grades")
    ids = np.array([f"{file.stem}-{row}" for row in range(len(images))])
    return ids, images, masks, patients.astype(np.int64), grades.astype(np.int64)


glands = SyntheticImages(
    size=(SIDE, SIDE), seed=20_150_917, shapes=1, objects=(3, 9), radius=((12, 26),), inside=-0.4, blobs=12,
    ground=(215, 150, 190), hue=0.3, ragged=0.5, hollow=True, noise=10, per_group=5,
)  # fmt: skip


def make_sample(folder: Path) -> None:
    """Write 60, 40 and 12 images of 23 patients; a third of them has one grade, a third the other, a third both."""
    scenes, patients = glands.scenes(112), glands.groups(112)
    images, masks = (np.stack(column) for column in list(zip(*scenes, strict=True))[:2])
    grade = np.where(patients % 3 < 2, patients % 3, np.arange(112) % 2)
    for name, rows in zip(LABELLED, (slice(0, 60), slice(60, 100)), strict=True):
        np.savez_compressed(
            folder / name, images=images[rows], masks=masks[rows], grade=grade[rows], patient=patients[rows]
        )
    np.savez_compressed(folder / OFFICIAL, images=images[100:])
