"""What a judge must not lose, in one file: database, ledgers, stored files and answers, with their sha256."""

import hashlib
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from sqlalchemy import Connection, Table, func, insert, select, text

from harness import paths
from harness.errors import UserError
from harness.files import atomic, sha256_of
from leaderboard import decisions, ledger
from leaderboard.database import now, open_database, reading, writing
from leaderboard.tables import metadata, resamples
from leaderboard.verify import verify

MANIFEST, SNAPSHOT = "manifest.json", "leaderboard.db"
ROWS = 500


@dataclass(frozen=True)
class Kept:
    """What a backup holds. path: the file; competitions: those with a ledger."""

    path: str
    files: int
    bytes: int
    competitions: list[str]
    message: str


def backup(to: Path) -> Kept:
    """Write the file, whole or not at all; the board stays open meanwhile. Raise `UserError` where it is there."""
    if to.exists():
        raise UserError(f"{to} exists already; name a new file, or delete it")
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=paths.root()) as desk, atomic(to) as file:
        sources = _snapshot(Path(desk))
        sources |= dict(_files())  # afterwards: every file is stored before the ledger names it
        with tarfile.open(fileobj=file, mode="w") as tar:
            added = {name: _add(tar, name, source) for name, source in sorted(sources.items())}
            hashes = {name: sha256 for name, sha256 in added.items() if sha256}
            listed = Path(desk) / MANIFEST
            listed.write_text(json.dumps({"version": 1, "made_at": now(), "sha256": hashes}, indent=1))
            _add(tar, MANIFEST, listed)
    return _kept(to, len(hashes), "holds")


def restore(source: Path) -> Kept:
    """Fill an empty home from a backup, and verify it. Raise `UserError` where it is not empty, or not as it was."""
    _require_empty()
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=paths.root()) as desk:
        names = _unpacked(source, Path(desk))
        places = {name: paths.root() / name for name in names - {SNAPSHOT}}
        if there := [name for name, place in places.items() if place.exists()]:
            raise UserError(f"{there[0]} is there already; restore into an empty home (HARNESS_HOME names one)")
        for name, place in places.items():
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(Path(desk) / name, place)
        for private in paths.root().glob("data/*/*/private"):
            private.chmod(0o700)
        _fill_database(Path(desk) / SNAPSHOT)
    for competition in _competitions():
        verify(competition)
    return _kept(source, len(names), "is restored and verified:")


# -- what there is -----------------------------------------------------------------------------------------------------


def _files() -> Iterator[tuple[str, Path]]:
    """(name below the root, file): stored and waiting files, and the data that were prepared."""
    root = paths.root()
    found = [*root.glob("boards/??/*"), *root.glob("boards/incoming/*"), *root.glob("data/*/current.json")]
    for part in ("public", "private"):
        found += [file for folder in root.glob(f"data/*/*/{part}") for file in folder.rglob("*")]
    for file in found:
        if file.is_file() and not file.is_symlink() and not file.name.startswith("."):
            yield file.relative_to(root).as_posix(), file


def _snapshot(desk: Path) -> dict[str, Path]:
    """Database and ledgers as they are at one moment, in which nobody writes."""
    snapshot, copies = open_database(f"sqlite:///{desk / SNAPSHOT}"), {SNAPSHOT: desk / SNAPSHOT}
    with writing(open_database()) as connection, writing(snapshot) as target:
        _copy(connection, target)
        for data in ledger.boards():
            name = ledger.file_of(data).relative_to(paths.root()).as_posix()
            copies[name] = desk / f"{len(copies)}.jsonl"
            shutil.copyfile(ledger.file_of(data), copies[name])
    snapshot.dispose()
    return copies


def _copy(source: Connection, target: Connection) -> None:
    for table in _tables():
        query = select(table).order_by(*(table.c[name] for name in ("created_at", "id") if name in table.c))
        for rows in source.execute(query).mappings().partitions(ROWS):
            target.execute(insert(table), [dict(row) for row in rows])


def _tables() -> list[Table]:
    """All but the cache, which is computed again when somebody looks."""
    return [table for table in metadata.sorted_tables if table is not resamples]


def _add(tar: tarfile.TarFile, name: str, source: Path) -> str | None:
    """Its sha256; None where a waiting file has been scored meanwhile and has gone to the archive."""
    try:
        file = source.open("rb")
    except FileNotFoundError:
        return None
    with file:
        info = tarfile.TarInfo(name)
        info.size, info.mtime = os.fstat(file.fileno()).st_size, int(source.stat().st_mtime)
        hashing = _Hashing(file)
        tar.addfile(info, hashing)
    return hashing.digest.hexdigest()


class _Hashing:
    """A file that is hashed while it is read."""

    def __init__(self, file: BinaryIO):
        self.file, self.digest = file, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        block = self.file.read(size)
        self.digest.update(block)
        return block


# -- bringing it back --------------------------------------------------------------------------------------------------


def _require_empty() -> None:
    with reading(open_database()) as connection:
        full = next(
            (table.name for table in _tables() if connection.scalar(select(func.count()).select_from(table))), ""
        )
    if full or any((paths.root() / "boards").glob("*/*")):
        raise UserError(
            f"there is a board already ({full or 'files in boards/'}), and nothing is overwritten; restore into an "
            "empty home (HARNESS_HOME names one) and an empty database"
        )


def _unpacked(source: Path, desk: Path) -> set[str]:
    """The names of the files that lie in `desk` now, each as the manifest has it, and no other."""
    try:
        with tarfile.open(source) as tar:
            tar.extractall(desk, filter="data")
        hashes = json.loads((desk / MANIFEST).read_text())["sha256"]
    except FileNotFoundError as error:
        raise UserError(
            f"{error.filename} does not exist" if not source.exists() else f"{source} is no backup"
        ) from None
    except (tarfile.TarError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{source} is no backup, or a damaged one ({type(error).__name__})") from None
    there = {file.relative_to(desk).as_posix() for file in desk.rglob("*") if not file.is_dir() or file.is_symlink()}
    if there != {*hashes, MANIFEST}:
        odd = min(there ^ {*hashes, MANIFEST})
        raise UserError(f"{source} is not as it was written: {odd} is in the manifest or in the file, and not in both")
    for name in sorted(hashes):
        if name != SNAPSHOT and PurePosixPath(name).parts[0] not in ("boards", "data"):
            raise UserError(f"{source} holds {name}, which belongs to no backup")
        if (desk / name).is_symlink() or sha256_of(desk / name) != hashes[name]:
            raise UserError(f"{source} is not as it was written: {name} has another sha256 than in its manifest")
    return set(hashes)


def _fill_database(snapshot: Path) -> None:
    """The tables, in whichever database is ours; what the ledgers have beyond them is followed."""
    source, engine = open_database(f"sqlite:///{snapshot}"), open_database()
    with reading(source) as connection, writing(engine) as target:
        _copy(connection, target)
        if engine.dialect.name == "postgresql":
            for table in (table for table in _tables() if "id" in table.c):
                sequence = f"pg_get_serial_sequence('{table.name}', 'id')"
                target.execute(text(f"SELECT setval({sequence}, (SELECT max(id) FROM {table.name}))"))  # noqa: S608
        for data in ledger.boards():
            decisions.catch_up(target, data)
    source.dispose()


def _competitions() -> list[str]:
    return sorted({data.competition for data in ledger.boards()})


def _kept(path: Path, files: int, does: str) -> Kept:
    size = path.stat().st_size
    told = f"{path} {does} {files} files, {size / 1e6:.1f} MB, of {', '.join(_competitions()) or 'no competition yet'}"
    return Kept(paths.shown(path), files, size, _competitions(), told)
