"""Arrays larger than memory: kept in files without a name, and read, hashed and written a few rows at a time.

The kernel takes the pages of a file back when memory is short, and the file is gone with the last array that needs it,
or with the process, however that ends. Small arrays stay in memory.
"""

import io
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from harness import paths
from harness.files import require_free

IN_MEMORY = 2**27  # bytes of an array from which on it lies on disk
AT_ONCE = 2**24  # bytes that are hashed, written or copied at once


def new_array(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An array of zeros. Raise `UserError` where the disk is too full for a large one."""
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    if not is_large(size):
        return np.zeros(shape, dtype)
    with nameless_file(size) as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)  # else a disk that fills up meanwhile would be a SIGBUS
        else:
            file.truncate(size)
        return np.memmap(file, dtype, "r+", shape=shape)


def is_large(size: int) -> bool:
    """Whether so many bytes belong on disk."""
    return size > IN_MEMORY


def joined(rows: Iterable[np.ndarray], dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    """(m,) rows of one axis one after the other, and (n + 1,) int64: where each begins, and the end."""
    offsets, small = [0], io.BytesIO()
    with ExitStack() as stack:
        file: BinaryIO = small
        for row in rows:
            file.write(np.ascontiguousarray(row, dtype).tobytes())
            offsets.append(offsets[-1] + len(row))
            if file is small and is_large(small.tell()):
                file = stack.enter_context(nameless_file())
                file.write(small.getbuffer())
        file.flush()
        flat = np.frombuffer(small.getvalue(), dtype) if file is small else np.memmap(file, dtype, "r")
        return flat, np.array(offsets)


def nameless_file(size: int = 0) -> BinaryIO:
    """In data/, and not where the system keeps temporary files, which may be memory."""
    folder = paths.root() / "data"
    require_free(folder, size)
    return tempfile.TemporaryFile(dir=folder)


@dataclass(frozen=True)
class Rows:
    """Some rows of a large array, read when they are asked for, where numpy would copy them all into memory.

    array: (m, ...), memory-mapped; rows: (n,) int. An integer gives a row; a slice or an array of rows as many, as
    `chosen` says; `np.asarray` all of them.
    """

    array: np.ndarray
    rows: np.ndarray

    @property
    def dtype(self) -> np.dtype:
        return self.array.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self.rows), *self.array.shape[1:]

    @property
    def ndim(self) -> int:
        return self.array.ndim

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: Any) -> Any:
        if isinstance(rows, int | np.integer):
            return self.array[self.rows[rows]]
        return chosen(self.array, self.rows[rows])

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self.array[row] for row in self.rows)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.array[self.rows], dtype)


def chosen(array: Any, rows: Any) -> Any:
    """array[rows]: `Rows` where these are many rows of a memory-mapped array, which is what numpy would copy."""
    if isinstance(array, np.memmap) and array.ndim > 1 and not isinstance(rows, slice):
        places = np.arange(len(array))[rows]
        if is_large(len(places) * row_bytes(array)):
            return Rows(array, places)
    return array[rows]


def row_bytes(array: Any) -> int:
    return int(np.prod(array.shape[1:], dtype=np.int64)) * array.dtype.itemsize


def pieces(array: Any) -> Iterator[np.ndarray]:
    """The rows of an array or of `Rows` in their order, contiguous, AT_ONCE bytes at a time."""
    step = max(1, AT_ONCE // max(1, row_bytes(array)))
    for first in range(0, len(array), step):
        yield np.ascontiguousarray(array[first : first + step])
