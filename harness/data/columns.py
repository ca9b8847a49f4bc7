"""Columns of samples on disk: arrays in .npy files, ragged ones in two files, and the hashes of both."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness import paths
from harness.data.images import EncodedImages
from harness.data.large_arrays import Rows, pieces, row_bytes
from harness.data.samples import Ragged
from harness.errors import UserError
from harness.files import atomic, short_hash

RAGGED: Mapping[str, type[Ragged]] = {"flat": Ragged, "encoded": EncodedImages}


def parts_of(column: Any) -> dict[str, np.ndarray]:
    """The arrays in which a column of samples is stored, by their suffix in the name of the file."""
    for part, kind in RAGGED.items():
        if type(column) is kind:
            return {f".{part}": column.flat, ".offsets": column.offsets}
    return {"": column}


def write_column(folder: Path, name: str, column: Any) -> None:
    """Write ids, inputs, targets or groups of samples: an array, `Ragged` or `EncodedImages`."""
    for part, array in parts_of(column).items():
        write_array(folder / f"{name}{part}.npy", array)


def read_column(folder: Path, name: str, remedy: str) -> Any:
    """Read a column memory-mapped, as `write_column` wrote it."""
    for part, kind in RAGGED.items():
        if (file := folder / f"{name}.{part}.npy").exists():
            return kind(read_array(file, remedy), np.asarray(read_array(folder / f"{name}.offsets.npy", remedy)))
    return read_array(folder / f"{name}.npy", remedy)


def read_array(file: Path, remedy: str = "delete its folder and run the same command again") -> np.ndarray:
    """Read a memory-mapped array; nothing is ever unpickled."""
    try:
        return np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{paths.shown(file)} is missing or broken ({error}); {remedy}") from error


def write_array(file: Path, array: np.ndarray | Rows) -> None:
    """An .npy file, written by ourselves: `np.save` hides the reason when the disk is full."""
    if array.dtype.hasobject:
        raise ValueError("Object arrays are never written: they would have to be unpickled")
    header = {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False, "shape": array.shape}
    with atomic(file) as out:
        np.lib.format.write_array_header_1_0(out, header)
        for piece in pieces(array):
            out.write(piece.tobytes())


def arrays_hash(*columns: Any) -> str:
    """Hash dtypes, shapes and bytes. The data hash is that of ids, inputs, targets, groups and the hold-out's ids."""
    arrays, digest = [array for column in columns for array in parts_of(column).values()], hashlib.sha256()
    for array in arrays:  # as `short_hash` of all bytes at once
        kind = f"{array.dtype.descr if array.dtype.names else array.dtype.str}{array.shape}".encode()
        digest.update(len(kind).to_bytes(8, "little") + kind)
        digest.update((len(array) * row_bytes(array)).to_bytes(8, "little"))
        for piece in pieces(array):
            digest.update(piece.tobytes())
    return digest.hexdigest()[:12]


def train_hash(data: str, excluded: list[str], folds: np.ndarray) -> str:
    """Name the runs that may be blended: the data, without the excluded rows, in these folds."""
    return short_hash(data, json.dumps(sorted(excluded)), np.asarray(folds, np.int64).tobytes())
