"""The judge's own copies: every accepted file by its sha256, on the disk before the database says that it exists."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import paths
from harness.errors import UserError
from harness.files import atomic

BLOCK = 1 << 20


def stored(sha256: str) -> Path:
    return _folder() / sha256[:2] / sha256


def keep(file: Path, sha256: str) -> None:
    """Copy `file` into the archive; raise `UserError` where its content is no longer the one that was scored."""
    if stored(sha256).exists():
        return
    digest = hashlib.sha256()
    with in_words(), file.open("rb") as source, atomic(stored(sha256)) as copy:
        while block := source.read(BLOCK):
            digest.update(block)
            copy.write(block)
        if digest.hexdigest() != sha256:
            raise UserError(f"{file} changed while it was being scored; score it again when it is finished")


def _folder() -> Path:
    return paths.root() / "boards"


@contextmanager
def in_words() -> Iterator[None]:
    """Turn a disk that is full, or not ours, into a sentence."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{paths.shown(_folder())} cannot be written ({error.strerror}), and nothing was counted; "
            "free some space, or make it writable, and run the same command again"
        ) from error
