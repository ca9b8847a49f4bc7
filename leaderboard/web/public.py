"""The public part of prepared data, as a list of files with their hashes: what players fetch."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from harness import paths
from harness.files import TEMPORARY, sha256_of


def listed(competition: str, data_hash: str) -> list[dict[str, Any]]:
    """[{"path", "size", "sha256"}]: of what was prepared, without what this machine made of it later (folds, locks)."""
    folder = paths.public(competition, data_hash)
    found = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    wanted = [path for path in found if not path.name.startswith((".", "folds-")) and TEMPORARY not in path.name]
    return [
        {
            "path": path.relative_to(folder).as_posix(),
            "size": (stat := path.stat()).st_size,
            "sha256": _hash(str(path), stat.st_size, stat.st_mtime_ns),
        }
        for path in wanted
    ]


@lru_cache(maxsize=4096)
def _hash(path: str, _size: int, _changed: int) -> str:
    return sha256_of(Path(path))
