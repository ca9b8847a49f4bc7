"""The raw files of GlaS: stained slices of the colon, 128x128 pixels in colour, and where in them the glands are."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from harness.data.samples import Dataset, Samples, numbered
from harness.errors import UserError
from harness.paths import shown

CLASSES = ("background", "gland")
SIDE = 128  # pixels, of the square pictures
LABELLED = ("train.npz", "testA.npz")  # the contest's first test came with its labels later
OFFICIAL = "testB_images.npz"


def load(raw: Path) -> Dataset:
    """Both labelled files as one, ids "train-0", "testA-0", ...; the official part "testB" counts from 0.

    groups: the patient, numbered alike in both files. strata: the grade, 0 benign or 1 malignant, which no mask shows.
    Raise `UserError` naming the file and the array that is wrong.
    """
    parts = [labelled(raw / name) for name in LABELLED]
    ids, inputs, targets, groups, strata = (np.concatenate(column) for column in zip(*parts, strict=True))
    (asked,) = read(raw / OFFICIAL, "images")
    return Dataset(Samples(ids, inputs, targets, groups, strata), {"testB": Samples(numbered(len(asked)), asked)})


def labelled(file: Path) -> tuple[np.ndarray, ...]:
    """ids, images, masks, patients and grades of one file."""
    images, masks, patients, grades = read(file, "images", "masks", "patient", "grade")
    for name, array in (("masks", masks), ("grade", grades)):
        if array.max() > 1:
            raise UserError(f"{shown(file)}, {name} holds {array.max()}, but only 0 and 1 are right")
    ids = np.array([f"{file.stem}-{row}" for row in range(len(images))])
    return ids, images, masks, patients.astype(np.int64), grades.astype(np.int64)


SHAPES = {"images": (SIDE, SIDE, 3), "masks": (SIDE, SIDE), "patient": (), "grade": ()}  # of one row


def read(file: Path, *names: str) -> list[np.ndarray]:
    """The arrays of these names, of as many rows as the first; whole numbers, pixels as bytes; nothing is unpickled."""
    try:
        with np.load(file, allow_pickle=False) as archive:
            arrays = [archive[name] for name in names]
    except KeyError as error:
        raise UserError(f"{shown(file)}: {error.args[0]}; it needs the arrays {', '.join(names)}") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{shown(file)} is missing or damaged ({error}); get it again") from error
    for name, array in zip(names, arrays, strict=True):
        right = (len(arrays[0]), *SHAPES[name])
        if array.shape != right or not len(array):
            raise UserError(f"{shown(file)}, {name} has shape {array.shape}, but {right} is right, of at least one row")
        if array.dtype.kind not in "ui" or (len(right) > 1 and array.dtype != np.uint8):
            raise UserError(f"{shown(file)}, {name} is {array.dtype}, but whole numbers are right, for pixels uint8")
    return arrays
