"""The ledger of a board: all that was decided on it, a line each, in a chain of hashes. The database follows it.

boards/ledger/<competition>/<data hash>.jsonl. `hash` chains what players may know and stands on receipts; `seal` chains
that and the line's secret (scores before the reveal), so nothing that is shown depends on a private score.
"""

import errno
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harness import paths
from harness.errors import UserError
from harness.files import sync_folder
from leaderboard.answers import Prepared
from leaderboard.archive import in_words

BLOCK = 1 << 16


class Line(NamedTuple):
    """seq: from 1; at: UTC, ISO 8601; prev: the hash of the line before, or of the board's name."""

    seq: int
    at: str
    kind: str
    body: Mapping[str, Any]
    secret: Mapping[str, Any]
    prev: str
    hash: str
    seal: str


class BrokenLedgerError(UserError):
    """The ledger is not as it was written."""


def file_of(data: Prepared) -> Path:
    return paths.root() / "boards" / "ledger" / data.competition / f"{data.data_hash}.jsonl"


def boards(competition: str = "*") -> list[Prepared]:
    """Those with a ledger."""
    found = sorted((paths.root() / "boards" / "ledger").glob(f"{competition}/*.jsonl"))
    return [Prepared(file.parent.name, file.stem, None) for file in found]


def following(
    data: Prepared, last: Line | None, at: str, kind: str, body: Mapping[str, Any], secret: Mapping[str, Any]
) -> Line:
    """The line after `last`, which nobody has written yet."""
    seq = last.seq + 1 if last else 1
    prev, sealed = (last.hash, last.seal) if last else (_beginning(data),) * 2
    digest = _sha256([seq, at, kind, body, prev])
    return Line(seq, at, kind, body, secret, prev, digest, _sha256([sealed, digest, secret]))


def append(data: Prepared, lines: Sequence[Line]) -> None:
    """On the disk when this returns. Ask inside the transaction that writes: then nobody else appends.

    What a crash left of an unfinished line was promised to nobody, and is cut off.
    """
    path = file_of(data)
    with in_words():
        if is_new := not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w+b" if is_new else "r+b", buffering=0) as file:
            end, written = _end_of_lines(file), b"".join(map(_written, lines))
            file.truncate(end)
            file.seek(end)
            try:
                if file.write(written) != len(written):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(file.fileno())
            except OSError:
                file.truncate(end)
                raise
        if is_new:
            sync_folder(path.parent)


def last_line(data: Prepared) -> Line | None:
    """Of the whole ones; None where there is none. The chain before it is taken as it is: `read` looks at it."""
    path = file_of(data)
    if not path.exists():
        return None
    with path.open("rb") as file:
        end = _end_of_lines(file)
        return _parsed(_before(file, end).split(b"\n")[-2], path) if end else None


def read(data: Prepared, after: int = 0) -> Iterator[Line]:
    """The lines from number `after` + 1 on. Raise `BrokenLedgerError`, naming the first line that is not as written.

    A last line without its end is left out: a crash tore it before anybody was promised anything.
    """
    path, last = file_of(data), None
    for number, raw in enumerate(path.open("rb") if path.exists() else (), 1):
        if not raw.endswith(b"\n"):
            return
        line = _parsed(raw[:-1], path, number)
        if line != following(data, last, *line[1:5]) or _written(line) != raw:
            raise _broken(path, number)
        last = line
        if number > after:
            yield line


def _beginning(data: Prepared) -> str:
    return _sha256([data.competition, data.data_hash])


def _written(line: Line) -> bytes:
    return _canonical(line._asdict()) + b"\n"


def _parsed(raw: bytes, path: Path, number: int | None = None) -> Line:
    try:
        return Line(**json.loads(raw))
    except (ValueError, TypeError, RecursionError):
        raise _broken(path, number) from None


def _broken(path: Path, number: int | None) -> BrokenLedgerError:
    where = f"line {number}" if number else "the last line"
    return BrokenLedgerError(
        f"{where} of {paths.shown(path)} is not as it was written: somebody, or a failing disk, has changed it; "
        "restore the file from a backup"
    )


def _end_of_lines(file: Any) -> int:
    """How many bytes the whole lines have."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - BLOCK)
        file.seek(start)
        newline = file.read(end - start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def _before(file: Any, end: int) -> bytes:
    """The bytes before `end`, as many as hold one whole line."""
    block = BLOCK
    while True:
        start = max(0, end - block)
        file.seek(start)
        piece = file.read(end - start)
        if start == 0 or piece.count(b"\n") > 1:
            return bytes(piece)
        block *= 8


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _sha256(value: Any) -> str:
    return hashlib.sha256(_canonical(value)).hexdigest()
