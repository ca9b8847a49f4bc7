"""Arrays in an .npz file: images, and what each of them shows."""

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from harness.data.pixels.depth import LEVELS, ValueRange, levels_of, scaled
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
    value_range: ValueRange | None = None,
    channels: int = 3,
) -> Dataset:
    """Samples of the arrays of these names: images (n, h, w) or (n, h, w, channels); labels, numbers or masks.

    id: names the rows; by default the array "id" where there is one, else the numbers of the rows. test: the official
    part "test", an .npz file with images (and ids) under the same names. value_range: the values of images that become
    0 and 65535 (uint16), where they are floats or have more than 8 bits; or 0 and 255 (uint8) where there are no more
    than 256 between.
    """
    named, optional = ([id], []) if id else ([], ["id"])
    arrays = read_arrays(file, [images, labels, *named, *([group] if group else [])], optional)
    known, targets = _images(arrays[images], file, images, channels), _targets(arrays[labels], file, labels)
    groups = np.unique(arrays[group], return_inverse=True)[1] if group else None
    unlabelled = read_arrays(test, [images, *named], optional) if test else {}
    parts = {file: known} | ({test: _images(unlabelled[images], test, images, channels)} if test else {})
    inputs = _in_one_depth(parts, images, value_range)
    reading = {"value_range": value_range, "size": known.shape[1:3], "resized": False, "together": 1}
    labelled = Samples(ids_in(arrays, id or "id"), inputs[file], targets, groups, reading=reading)
    return Dataset(labelled, {"test": Samples(ids_in(unlabelled, id or "id"), inputs[test])} if test else {})


def read_arrays(file: Path, names: Sequence[str], optional: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """The arrays `names`, and those of `optional` that are there; all of as many rows. Nothing is unpickled.

    Raise `UserError` naming the file and the array.
    """
    try:
        with open(file, "rb") as stream:
            if not zipfile.is_zipfile(stream):
                raise UserError(f"{shown(file)} is not a whole .npz file (cut off, or of another kind); get it again")
        with np.load(file, allow_pickle=False) as archive:
            for name in names:
                if name not in archive:
                    hint = nearest(name, archive)
                    raise UserError(f"{shown(file)} has no array {name!r}{hint}; there are {', '.join(archive)}")
            wanted = [*names, *(name for name in optional if name in archive)]
            arrays = {name: np.atleast_1d(archive[name]) for name in wanted}
    except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        why = getattr(error, "strerror", None) or error
        raise UserError(f"{shown(file)} is not readable as an .npz file: {why}") from error
    for name, array in arrays.items():
        if len(array) != len(arrays[names[0]]):
            raise UserError(
                f"{shown(file)}, {name} holds {len(array)} rows, but {names[0]} holds {len(arrays[names[0]])}"
            )
    return arrays


def ids_in(arrays: dict[str, np.ndarray], name: str = "id") -> np.ndarray:
    """(n,) str: the array of this name, or the numbers of the rows where there is none."""
    return arrays[name].astype(str) if name in arrays else numbered(len(next(iter(arrays.values()))))


def as_bytes(array: np.ndarray, where: str, shape: tuple[int, ...] | None = None, remedy: str = "") -> np.ndarray:
    """uint8, of an array that holds whole numbers from 0 to 255, whatever its type. shape: of one row.

    remedy: ends the sentence about an array that holds others.
    """
    if shape is not None and (array.shape[1:] != shape or not len(array)):
        raise UserError(f"{where} has shape {array.shape}, but (n, {', '.join(map(str, shape))}) is needed, n above 0")
    _require_numbers(array, where)
    if array.dtype != np.uint8 and (wrong := (array < 0) | (array > 255) | (array != np.floor(array))).any():
        row = int(np.flatnonzero(wrong.reshape(len(array), -1).any(1))[0])
        value = array[row][wrong[row]].flat[0]
        raise UserError(f"{where}, row {row} holds {value}, but whole numbers from 0 to 255 are needed{remedy}")
    return np.ascontiguousarray(array, np.uint8)


def _images(array: np.ndarray, file: Path, name: str, channels: int) -> np.ndarray:
    """(n, h, w) or (n, h, w, channels); a last axis of one channel is dropped."""
    if array.ndim == 4 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim not in (3, 4) or (array.ndim == 4 and array.shape[-1] != channels) or not len(array):
        raise UserError(
            f"{shown(file)}, {name} has shape {array.shape}, but images are (n, height, width) or "
            "(n, height, width, 3) in the order red, green, blue; channels=n declares another number of them"
        )
    return array


def _in_one_depth(
    parts: Mapping[Path, np.ndarray], name: str, value_range: ValueRange | None
) -> dict[Path, np.ndarray]:
    """uint8 images of every file; uint16 in all where the range of one holds more levels."""
    where = {file: f"{shown(file)}, {name}" for file in parts}
    if value_range is None:
        remedy = "; value_range=(low, high) declares what becomes 0 and the highest number"
        return {file: as_bytes(array, where[file], remedy=remedy) for file, array in parts.items()}
    levels = set[float]()
    for file, array in parts.items():
        _require_numbers(array, where[file])
        for image in array if array.dtype != np.uint8 else ():
            levels |= levels_of(image, value_range) if len(levels) <= LEVELS else set()
    dtype = np.uint16 if len(levels) > LEVELS else np.uint8
    return {file: np.stack([scaled(image, value_range, dtype) for image in array]) for file, array in parts.items()}


def _targets(array: np.ndarray, file: Path, name: str) -> np.ndarray:
    """(n,) labels or numbers, (n, labels) 0/1, or masks (n, h, w) uint8; a last axis of one is dropped."""
    if array.ndim > 1 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim > 1:
        return as_bytes(array, f"{shown(file)}, {name}")
    _require_numbers(array, f"{shown(file)}, {name}")
    return array


def _require_numbers(array: np.ndarray, where: str) -> None:
    if array.dtype.kind not in "uifb":
        raise UserError(f"{where} is of type {array.dtype}, but numbers are needed")
