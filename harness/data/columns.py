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
from harness.data.samples import Bags, Joined, Ragged
from harness.data.sized_masks import Masks
from harness.errors import UserError
from harness.files import atomic, short_hash

RAGGED = {".flat": Ragged, ".encoded": EncodedImages}
SECOND = {".flat": ".offsets", ".encoded": ".offsets", ".pixels": ".shapes"}  # first part -> second, as `parts_of`


def parts_of(column: Any) -> dict[str, np.ndarray]:
    """The arrays in which a column of samples is stored, by their suffix in the name of the file."""
    if isinstance(column, Masks):
        return {".pixels": column.pixels, ".shapes": column.shapes}
    if isinstance(column, Joined):
        return {f".images{part}": array for part, array in parts_of(column.images).items()} | {".table": column.table}
    if isinstance(column, Bags):
        return {f".bagged{part}": array for part, array in parts_of(column.flat).items()} | {".bags": column.offsets}
    for part, kind in RAGGED.items():
        if type(column) is kind:
            return {part: column.flat, ".offsets": column.offsets}
    return {"": column}


def column_of(parts: Mapping[str, np.ndarray]) -> Any:
    """The column of which `parts_of` made these arrays; raise KeyError where one is missing."""
    if ".pixels" in parts:
        return Masks.of(parts[".pixels"], parts[".shapes"])
    for part, kind in RAGGED.items():
        if part in parts:
            return kind(parts[part], np.asarray(parts[".offsets"]))
    return parts[""]


def write_column(folder: Path, name: str, column: Any) -> None:
    """Write ids, inputs, targets or groups of samples: an array, or any of the kinds in `Samples`."""
    for part, array in parts_of(column).items():
        write_array(folder / f"{name}{part}.npy", array)


def read_column(folder: Path, name: str, remedy: str) -> Any:
    """Read a column memory-mapped, as `write_column` wrote it."""
    if (file := folder / f"{name}.table.npy").exists():
        return Joined(read_column(folder, f"{name}.images", remedy), read_array(file, remedy))
    if (file := folder / f"{name}.bags.npy").exists():
        return Bags(read_column(folder, f"{name}.bagged", remedy), np.asarray(read_array(file, remedy)))
    first = next((part for part in SECOND if (folder / f"{name}{part}.npy").exists()), "")
    parts = (first, SECOND[first]) if first else (first,)
    return column_of({part: read_array(folder / f"{name}{part}.npy", remedy) for part in parts})


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
