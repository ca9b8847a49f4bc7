"""The judge's own copies: every accepted file by its sha256, and a receipt of every entry.

Both are on the disk before the database says that an entry exists, so the board can be rebuilt from them.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness import folders
from harness.errors import UserError
from harness.files import atomic, read_json, short_hash, write_json

BLOCK = 1 << 20


def stored(sha256: str) -> Path:
    return _folder() / sha256[:2] / sha256


def keep(file: Path, sha256: str) -> None:
    """Copy `file` into the archive; raise `UserError` where its content is no longer the one that was scored."""
    if stored(sha256).exists():
        return
    digest = hashlib.sha256()
    with _in_words(), file.open("rb") as source, atomic(stored(sha256)) as copy:
        while block := source.read(BLOCK):
            digest.update(block)
            copy.write(block)
        if digest.hexdigest() != sha256:
            raise UserError(f"{file} changed while it was being scored; score it again when it is finished")


def keep_receipt(entry: dict[str, Any]) -> None:
    """Write what the database will say about an entry. Its name is the entry's identity: team and content."""
    folder = _receipts(entry["competition"]) / entry["data_hash"]
    with _in_words():
        write_json(folder / f"{short_hash(entry['team'], entry['sha256'])}.json", entry)


def receipts(competition: str) -> Iterator[dict[str, Any]]:
    """The entries of a competition, in the order of their arrival."""
    found = (read_json(file) for file in _receipts(competition).glob("*/*.json"))
    return iter(sorted(found, key=lambda entry: entry["received_at"]))


def count_receipts(competition: str, data_hash: str) -> int:
    return sum(1 for _ in (_receipts(competition) / data_hash).glob("*.json"))


def _receipts(competition: str) -> Path:
    return _folder() / "receipts" / competition


def _folder() -> Path:
    return folders.root() / "boards"


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{folders.shown(_folder())} cannot be written ({error.strerror}), and nothing was counted; "
            "free some space, or make it writable, and run the same command again"
        ) from error
