"""Arrays in an .npz file: pictures, and what each of them shows."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from harness.data.samples import Dataset, Samples, numbered
from harness.errors import UserError, nearest
from harness.paths import shown


def npz(
    file: Path,
    images: str = "images",
    labels: str = "labels",
    id: str | None = None,
    group: str | None = None,
    test: Path | None = None,
) -> Dataset:
    """Samples of the arrays of these names: pictures (n, h, w) or (n, h, w, 3) uint8; labels, numbers or masks.

    test: the official part "test", an .npz file with pictures (and ids) under the same names.
    """
    arrays = read_arrays(file, [name for name in (images, labels, id, group) if name])
    pictures, targets = _pictures(arrays[images], file, images), _targets(arrays[labels], file, labels)
    for name in arrays:
        if len(arrays[name]) != len(pictures):
            raise UserError(
                f"{shown(file)}, {name} holds {len(arrays[name])} rows, but there are {len(pictures)} pictures"
            )
    groups = np.unique(arrays[group], return_inverse=True)[1] if group else None
    official = {}
    if test:
        asked = read_arrays(test, [name for name in (images, id) if name])
        unknown = _pictures(asked[images], test, images)
        official["test"] = Samples(asked[id].astype(str) if id else numbered(len(unknown)), unknown)
    ids = arrays[id].astype(str) if id else numbered(len(pictures))
    return Dataset(Samples(ids, pictures, targets, groups), official)


def read_arrays(file: Path, names: list[str]) -> dict[str, np.ndarray]:
    """The arrays of these names; nothing is unpickled. Raise `UserError` naming the file and the array."""
    try:
        with open(file, "rb") as stream:
            if not zipfile.is_zipfile(stream):
                raise UserError(f"{shown(file)} is no complete .npz file (cut off, or of another kind); get it again")
        with np.load(file, allow_pickle=False) as archive:
            for name in names:
                if name not in archive:
                    hint = nearest(name, archive)
                    raise UserError(f"{shown(file)} has no array {name!r}{hint}; there are {', '.join(archive)}")
            return {name: np.atleast_1d(archive[name]) for name in names}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        why = getattr(error, "strerror", None) or error
        raise UserError(f"{shown(file)} is not readable as an .npz file: {why}") from error


def _pictures(array: np.ndarray, file: Path, name: str) -> np.ndarray:
    """(n, h, w) or (n, h, w, 3) uint8; one channel is none."""
    if array.ndim == 4 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim not in (3, 4) or (array.ndim == 4 and array.shape[-1] != 3) or not len(array):
        raise UserError(
            f"{shown(file)}, {name} has shape {array.shape}, but pictures are (n, height, width) or "
            "(n, height, width, 3) in the order red, green, blue"
        )
    return _bytes(array, file, name)


def _targets(array: np.ndarray, file: Path, name: str) -> np.ndarray:
    """(n,) labels or numbers, (n, labels) 0/1, or masks (n, h, w) uint8; a last axis of one is none."""
    if array.ndim > 1 and array.shape[-1] == 1:
        array = array[..., 0]
    return _bytes(array, file, name) if array.ndim > 1 else _numbers(array, file, name)


def _numbers(array: np.ndarray, file: Path, name: str) -> np.ndarray:
    if array.dtype.kind not in "uifb":
        raise UserError(f"{shown(file)}, {name} is of type {array.dtype}, but numbers are needed")
    return array


def _bytes(array: np.ndarray, file: Path, name: str) -> np.ndarray:
    """uint8 of an array that holds whole numbers from 0 to 255, whatever its type."""
    array = _numbers(array, file, name)
    wrong = (array < 0) | (array > 255) | (array != np.floor(array)) if array.dtype != np.uint8 else np.zeros(1, bool)
    if wrong.any():
        row = int(np.flatnonzero(wrong.reshape(len(array), -1).any(1))[0])
        raise UserError(
            f"{shown(file)}, {name}, row {row} holds {array[row][wrong[row]][0]}, "
            "but whole numbers from 0 to 255 are needed"
        )
    return array.astype(np.uint8, copy=False)
