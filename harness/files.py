"""Files are the state: atomic writes, hashes and locks."""

import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from harness.errors import UserError
from harness.paths import shown

TEMPORARY = ".partial"


@contextmanager
def atomic(path: Path) -> Iterator[BinaryIO]:
    """Yield a binary file that becomes `path` when the block ends without an error, and leaves no trace otherwise.

    The content is on the disk before the name is: fsync the file, `os.replace`, fsync the folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    try:
        with open(partial, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a full disk does not say which file it was
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Path, content: bytes) -> None:
    with atomic(path) as file:
        file.write(content)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON; NaN and infinities are refused (ValueError)."""
    write_bytes(path, (json.dumps(value, indent=2, allow_nan=False) + "\n").encode())


def finite(value: Any) -> float | None:
    """The value as JSON may hold it: a finite number (Python's or numpy's, also an array of one), or None."""
    is_number = isinstance(value, int | float) or hasattr(value, "dtype")
    return float(value) if is_number and math.isfinite(value) else None


def append_line(path: Path, value: Any) -> None:
    """One JSON value a line; the next line starts fresh after one that a kill cut short."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab+") as file:
        cut_short = file.tell() and (file.seek(-1, os.SEEK_END), file.read(1))[1] != b"\n"
        file.write((b"\n" if cut_short else b"") + json.dumps(value, allow_nan=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read_lines(path: Path) -> list[Any]:
    """The values that `append_line` wrote, without those a kill cut short; [] where there is no file."""
    values = []
    for line in path.read_bytes().splitlines() if path.exists() else []:
        with suppress(ValueError):  # cut short by a kill
            values.append(json.loads(line))
    return values


def read_json(path: Path) -> Any:
    """Raise `UserError` where the file is not JSON: our own files are replaced whole, so a person edited it."""
    try:
        return json.loads(path.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{shown(path)} is not valid JSON ({error}); restore it, or delete it and run again") from error


def sha256_of(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def short_hash(*parts: bytes | str) -> str:
    """Twelve hexadecimal digits of the sha256 of the parts, each preceded by its length."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(8, "little") + raw)
    return digest.hexdigest()[:12]


def sweep_partials(folder: Path) -> None:
    """Remove what killed writers left below `folder`; call it only while holding the folder's lock."""
    for partial in folder.rglob(f".*{TEMPORARY}"):
        partial.unlink(missing_ok=True)


def require_free(folder: Path, needed: int) -> None:
    """Raise `UserError` where less than `needed` bytes are free under `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(
            f"{shown(folder)} has {free / 1e9:.1f} GB free, and this run needs about {needed / 1e9:.1f} GB; "
            "free some space (`make clean COMP=<name>` removes unused runs) and run the same command again"
        )


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder` alone; a second process learns who holds it. The lock ends with its process, however it ends.

    Raise `UserError` where another process holds it.
    """
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    holder = folder / ".lock.pid"
    lock = FileLock(folder / ".lock", blocking=False)
    try:
        lock.acquire()
    except Timeout:
        pid = holder.read_text() if holder.exists() else "unknown"
        raise UserError(f"{shown(folder)} is in use by process {pid}; wait for it to end, or stop it") from None
    with lock:
        holder.write_text(str(os.getpid()))
        yield


def once(file: Path, make: Callable[[], Any]) -> Any:
    """The JSON value in `file`, made and written first where it is not there: files are the state."""
    if not file.exists():
        write_json(file, make())
    return read_json(file)
