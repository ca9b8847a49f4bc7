"""Verify that a competition's boards are as they were written; back up and restore everything in one file."""

import hashlib
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sqlalchemy import Engine, Row, func, insert, select, text

from harness import paths
from harness.bootstrap import Interval
from harness.competition import Competition, find
from harness.errors import UserError
from harness.files import atomic, sha256_of, write_json
from leaderboard.answers import Answers, JudgedData, read_answers
from leaderboard.database import (
    DAMAGED,
    metadata,
    now,
    on_board,
    open_database,
    reading,
    resamples,
    schema_version,
    scored_by,
    scores,
    shown,
    submissions,
    writing,
)
from leaderboard.entries import better, outdated
from leaderboard.scoring import is_close, score_file, stored_file

MANIFEST, SNAPSHOT = "manifest.json", "leaderboard.db"
ROWS_AT_ONCE = 500
COPIED = [table for table in metadata.sorted_tables if table not in (resamples, schema_version)]


# -- verify ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class VerifyResult:
    """entries, files: how many were checked; rescored: entries whose file was scored again."""

    competition: str
    path: str
    entries: int
    files: int
    rescored: int
    message: str


def verify(name: str) -> VerifyResult:
    """Check the database, and score the stored files again; raise `UserError`, naming the first thing that differs."""
    engine, competition = open_database(), find(name)
    if engine.dialect.name == "sqlite":  # PostgreSQL checks itself
        with reading(engine) as connection:
            is_sound = connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
            if not is_sound or connection.exec_driver_sql("PRAGMA foreign_key_check").first():
                raise UserError(f"{shown(engine)} {DAMAGED}")
    boards = _boards(engine, name)
    if not boards:
        raise UserError(f"{name} has no entry yet, and nothing to verify")
    entries, files, rescored, differing = 0, set[str](), 0, 0
    for data in boards:
        with reading(engine) as connection:
            query = select(submissions).where(*on_board(submissions, data)).order_by(submissions.c.id)
            rows = connection.execute(query).all()
            is_current = outdated(connection, competition, data) is None
            bounds = (scores.c.value, scores.c.low, scores.c.high)
            query = select(scores.c.submission, scores.c.part, *bounds).where(*scored_by(scores, competition.metric))
            of_board = query.join(submissions).where(*on_board(submissions, data))
            stored = {(number, part): Interval(*score) for number, part, *score in connection.execute(of_board)}
        for row in rows:
            file = stored_file(row.sha256)
            if not file.exists() or sha256_of(file) != row.sha256 or file.stat().st_size != row.size:
                what = "does not have its sha256 any more" if file.exists() else "is missing"
                raise UserError(f"the stored file of {_named(row)}, {what}; restore it from a backup")
        if is_current:  # an older version of the metric is not declared any more
            differing += _check_scores(rows, stored, competition, read_answers(data))
            rescored += len(rows)
        entries += len(rows)
        files |= {row.sha256 for row in rows}
    message = f"{name}: {entries} entries and {len(files)} files are as they were written"
    if rescored:
        message += f", and {rescored} were scored again with the same result"
    if differing:
        message += f"; {differing} are shown otherwise than the rules of today would show them"
    return VerifyResult(name, shown(engine), entries, len(files), rescored, message)


def _check_scores(
    rows: Sequence[Row[Any]], stored: Mapping[tuple[int, str], Interval], competition: Competition, answers: Answers
) -> int:
    """How many entries are shown otherwise than today's rules would show them, which may have changed meanwhile.

    rows: submissions in the order of arrival, on which the shown scores depend. stored: (id, part) -> score.
    """
    differing, best, higher = 0, dict[str, Interval](), competition.metric.higher_is_better
    for row in rows:
        for part, score in score_file(competition, stored_file(row.sha256), answers).items():
            known = stored.get((row.id, part))
            if known is None or (row.id, "shown") not in stored or not all(map(is_close, known, score[:3])):
                raise UserError(
                    f"{_named(row)}, has another {part} score in the database than its file gets: the answers, the "
                    "code or the database have changed; restore a backup"
                )
        there = stored[row.id, "shown"]
        expected = competition.rules.feedback.shown(stored[row.id, "public"], best.get(row.team), higher)
        differing += not all(map(is_close, there, expected))
        best[row.team] = better(best.get(row.team), there, higher)
    return differing


def _named(row: Row[Any]) -> str:
    return f"entry {row.id}, {row.sha256[:12]} of {row.team}"


def _boards(engine: Engine, competition: str | None = None) -> list[JudgedData]:
    query = select(submissions.c.competition, submissions.c.data_hash).distinct().order_by(*submissions.c[1:3])
    if competition is not None:
        query = query.where(submissions.c.competition == competition)
    with reading(engine) as connection:
        return [JudgedData(*row, None) for row in connection.execute(query)]


# -- backup ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BackupResult:
    """What a backup holds. path: the file; competitions: those with an entry."""

    path: str
    files: int
    bytes: int
    competitions: list[str]
    message: str


def backup(to: Path) -> BackupResult:
    """Write the file, whole or not at all; the board stays open meanwhile. Raise `UserError` if it is there already."""
    if to.exists():
        raise UserError(f"{to} exists already; name a new file, or delete it")
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=paths.root()) as folder, atomic(to) as target:
        database, manifest = Path(folder) / SNAPSHOT, Path(folder) / MANIFEST
        _copy_rows(open_database(), open_database(f"sqlite:///{database}"))
        # The files come afterwards: every file is stored before the database names it.
        sources, hashes = {SNAPSHOT: database, **dict(_files())}, dict[str, str]()
        with tarfile.open(fileobj=target, mode="w", dereference=True) as tar:
            for name, source in sorted(sources.items()):
                with suppress(FileNotFoundError), source.open("rb") as file:  # a waiting file moves when it is scored
                    hashes[name] = hashlib.file_digest(file, "sha256").hexdigest()
                    file.seek(0)
                    tar.addfile(tar.gettarinfo(arcname=name, fileobj=file), file)
            write_json(manifest, {"version": 1, "made_at": now(), "sha256": hashes})
            tar.add(manifest, MANIFEST)
    return _result(to, len(hashes), "holds")


def _files() -> Iterator[tuple[str, Path]]:
    """(name below the root, file): stored and waiting files, and the prepared data."""
    root = paths.root()
    files = [*root.glob("boards/??/*"), *root.glob("boards/incoming/*"), *root.glob("data/*/current.json")]
    for part in ("public", "private"):
        files += [file for folder in root.glob(f"data/*/*/{part}") for file in folder.rglob("*")]
    for file in files:
        if file.is_file() and not file.is_symlink() and not file.name.startswith("."):
            yield file.relative_to(root).as_posix(), file


def _copy_rows(source: Engine, target: Engine) -> None:
    """Copy the database, as it is at one moment, into an empty one, SQLite or PostgreSQL."""
    with reading(source) as connection, writing(target) as copy:
        for table in COPIED:
            query = select(table).order_by(*(table.c[name] for name in ("created_at", "id") if name in table.c))
            for rows in connection.execute(query).mappings().partitions(ROWS_AT_ONCE):
                copy.execute(insert(table), [dict(row) for row in rows])
            if target.dialect.name == "postgresql" and "id" in table.c:
                sequence = f"pg_get_serial_sequence('{table.name}', 'id')"
                copy.execute(text(f"SELECT setval({sequence}, (SELECT max(id) FROM {table.name}))"))  # noqa: S608
    for engine in (source, target):
        engine.dispose()


def _result(path: Path, files: int, does: str) -> BackupResult:
    size, competitions = path.stat().st_size, sorted({data.competition for data in _boards(open_database())})
    message = f"{path} {does} {files} files, {size / 1e6:.1f} MB, of {', '.join(competitions) or 'no competition yet'}"
    return BackupResult(paths.shown(path), files, size, competitions, message)


# -- restore -----------------------------------------------------------------------------------------------------------


def restore(source: Path) -> BackupResult:
    """Fill an empty home from a backup, and verify it; raise `UserError` if home or file is unfit."""
    with reading(open_database()) as connection:
        counts = {table.name: connection.scalar(select(func.count()).select_from(table)) for table in COPIED}
    full = next((name for name, count in counts.items() if count), "")
    if full or any((paths.root() / "boards").glob("*/*")):
        raise UserError(
            f"there is a board already ({full or 'files in boards/'}), and nothing is overwritten; restore into an "
            "empty home (HARNESS_HOME names one) and an empty database"
        )
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=paths.root()) as folder:
        names = _unpack(source, Path(folder))
        places = {name: paths.root() / name for name in names - {SNAPSHOT}}
        if existing := [name for name, place in places.items() if place.exists()]:
            raise UserError(f"{existing[0]} is there already; restore into an empty home (HARNESS_HOME names one)")
        for name, place in places.items():
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(Path(folder) / name, place)
        for private in paths.root().glob("data/*/*/private"):
            private.chmod(0o700)
        _copy_rows(open_database(f"sqlite:///{Path(folder) / SNAPSHOT}"), open_database())
    for competition in {data.competition for data in _boards(open_database())}:
        verify(competition)
    return _result(source, len(names), "is restored and verified:")


def _unpack(source: Path, folder: Path) -> set[str]:
    """The names of the files that lie in `folder` now, each as the manifest has it, and no other."""
    try:
        with tarfile.open(source) as tar:
            tar.extractall(folder, filter="data")
        hashes = dict(json.loads((folder / MANIFEST).read_text())["sha256"])
    except FileNotFoundError as error:
        raise UserError(
            f"{source} is not a backup" if source.exists() else f"{error.filename} does not exist"
        ) from None
    except (tarfile.TarError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{source} is not a backup, or a damaged one ({type(error).__name__})") from None
    there = [file for file in folder.rglob("*") if file.is_symlink() or not file.is_dir()]
    found = {file.relative_to(folder).as_posix(): "" if file.is_symlink() else sha256_of(file) for file in there}
    del found[MANIFEST]
    for name in sorted({*hashes, *found}):
        if hashes.get(name) != found.get(name):
            raise UserError(f"{source} is not as it was written: {name} is not what its manifest says")
        if name != SNAPSHOT and PurePosixPath(name).parts[0] not in ("boards", "data"):
            raise UserError(f"{source} holds {name}, which belongs to no backup")
    return set(found)
