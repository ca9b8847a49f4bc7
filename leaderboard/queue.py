"""Files that a server received: their place in the queue and the day's quota, all as rows of the database.

A file costs quota from the moment it is accepted; one that is refused, or that the platform fails on, gives it back.
One scorer process works on the queue; a new one takes over what a dead one left.
"""

import os
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Row, func, insert, select, update

from harness import paths
from harness.competition import find
from harness.errors import UserError
from harness.files import sync_folder
from leaderboard.answers import JudgedData
from leaderboard.database import jobs, now, on_board, reading, submissions, writing
from leaderboard.entries import outdated
from leaderboard.host import read_host_state
from leaderboard.judge import find_entry
from leaderboard.scoring import stored_file

MAX_ATTEMPTS = 3
OLD_SECONDS = 3600
OPEN = ("waiting", "scoring")
FAILED = "the platform failed to score this file, three times; it cost no quota, and the host can see why in the log"


class Refusal(UserError):
    """A request that the server refuses. status: the HTTP status."""

    def __init__(self, status: int, sentence: str):
        super().__init__(sentence)
        self.status = status


class ReceivedFile(NamedTuple):
    """A file on our disk. name: as its sender calls it; manifest: that of its run, if one came."""

    path: Path
    sha256: str
    size: int
    name: str
    manifest: dict[str, Any] | None


class Quota(NamedTuple):
    """A team's entries on a UTC day. renews_at: UTC, ISO 8601."""

    used: int
    limit: int
    renews_at: str

    @property
    def left(self) -> int:
        return max(0, self.limit - self.used)


# -- accepting files ---------------------------------------------------------------------------------------------------


def accept(engine: Engine, data: JudgedData, team: str, file: ReceivedFile, limit: int, binding: bool) -> int:
    """Put a file into the queue; the number of its job. The same file of the same team is the same job.

    limit: entries a day; binding: whether the limit and the reveal refuse, as on a team server. When this returns, file
    and row are on the disk. Raise `Refusal` if nothing may be submitted now.
    """
    with writing(engine) as connection:
        at = now()  # read once: the quota counts the same day that the row has
        same = (*on_board(jobs, data), jobs.c.team == team, jobs.c.sha256 == file.sha256)
        job = connection.execute(select(jobs).where(*same)).first()
        if job and job.state not in ("refused", "failed"):
            file.path.unlink()
            return job.id
        entry = find_entry(connection, data, team, file.sha256)
        if entry is None:
            _require_open(connection, data, team, limit, binding, at)
            os.replace(file.path, waiting_file(file.sha256))
            sync_folder(waiting_file(file.sha256).parent)
        else:
            file.path.unlink()
        row = {
            "size": file.size,
            "name": file.name,
            "manifest": file.manifest,
            "received_at": at,
            "state": "waiting" if entry is None else "scored",
            "attempts": 0,
            "claimed_by": None,
            "message": None,
            "submission": entry,
        }
        if job:
            connection.execute(update(jobs).where(jobs.c.id == job.id).values(row))
            return job.id
        new = insert(jobs).values(**data.key, team=team, sha256=file.sha256, **row)
        return connection.execute(new.returning(jobs.c.id)).scalar_one()


def _require_open(connection: Connection, data: JudgedData, team: str, limit: int, binding: bool, at: str) -> None:
    host = read_host_state(connection, data)
    if refusal := host.refusal(at) or outdated(connection, find(data.competition), data):
        raise Refusal(409, f"{refusal}; the file was not taken")
    if team in host.disqualified:
        raise Refusal(409, f"{team} is disqualified: {host.disqualified[team].text}; the file was not taken")
    if binding and host.revealed_at:
        raise Refusal(409, "the private scores are revealed; the file was not taken")
    quota = _quota(connection, data, team, limit, at)
    if binding and not quota.left:
        renews = quota.renews_at[:16].replace("T", " ")
        raise Refusal(429, f"{team} has used its {limit} entries of today; the next one is free at {renews} UTC")


def waiting_file(sha256: str) -> Path:
    folder = paths.root() / "boards" / "incoming"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / sha256


def received_file(sha256: str) -> Path:
    """The present path of a file: with the stored ones if it was scored, else with the waiting ones."""
    stored = stored_file(sha256)
    return stored if stored.exists() else waiting_file(sha256)


def sweep(engine: Engine) -> int:
    """Remove what killed servers left: files that no job waits for, an hour old at least; how many there were."""
    with writing(engine) as connection:
        wanted = set(connection.scalars(select(jobs.c.sha256).where(jobs.c.state.in_(OPEN))))
        oldest = time.time() - OLD_SECONDS
        files = waiting_file("").iterdir()
        left = [file for file in files if file.name not in wanted and file.stat().st_mtime < oldest]
        for file in left:
            file.unlink()
    return len(left)


def plain_name(given: str) -> str:
    """A file name that is harmless on a disk and in a header.

    >>> plain_name("../../etc/passwd"), plain_name("my file (2).CSV"), plain_name("")
    ('passwd.csv', 'my_file_2_.csv', 'submission.csv')
    """
    stem, dot, suffix = given.replace("\\", "/").rsplit("/", 1)[-1].rpartition(".")
    stem, suffix = (stem, suffix.lower()) if dot else (suffix, "csv")
    stem = re.sub(r"[^A-Za-z0-9-]+", "_", stem).lstrip("_-")[:60] or "submission"
    return f"{stem}.{suffix if suffix in ('csv', 'json') else 'csv'}"


def read_quota(engine: Engine, data: JudgedData, team: str, limit: int) -> Quota:
    with reading(engine) as connection:
        return _quota(connection, data, team, limit, now())


def _quota(connection: Connection, data: JudgedData, team: str, limit: int, at: str) -> Quota:
    """The entries on the board since midnight UTC, and the files that wait to be scored."""
    day = at[:10]
    scored, queued = (
        select(func.count())
        .where(*on_board(table, data), table.c.team == team, table.c.received_at >= day, *more)
        .scalar_subquery()
        for table, more in ((submissions, ()), (jobs, (jobs.c.state.in_(OPEN),)))
    )
    midnight = datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(days=1)
    used = connection.scalar(select(scored + queued))
    assert used is not None, "counts are numbers"
    return Quota(used, limit, midnight.isoformat().replace("+00:00", "Z"))


# -- working on the queue ----------------------------------------------------------------------------------------------


def take_over(engine: Engine) -> int:
    """Return the files of an earlier scorer to the queue; how many there were."""
    with writing(engine) as connection:
        left = update(jobs).where(jobs.c.state == "scoring")
        return connection.execute(left.values(state="waiting", claimed_by=None)).rowcount


def claim(engine: Engine, worker: str) -> Row[Any] | None:
    """The next file to score; None if none waits. After MAX_ATTEMPTS a file is the platform's failure."""
    waits = jobs.c.state == "waiting"
    with writing(engine) as connection:
        exhausted = update(jobs).where(waits, jobs.c.attempts >= MAX_ATTEMPTS)
        connection.execute(exhausted.values(state="failed", message=FAILED))
        first = select(jobs.c.id).where(waits).order_by(jobs.c.id).limit(1).scalar_subquery()
        claimed = {"state": "scoring", "claimed_by": worker, "attempts": jobs.c.attempts + 1}
        taken = update(jobs).where(jobs.c.id == first).values(claimed)
        return connection.execute(taken.returning(*jobs.c)).first()


def is_claimed(connection: Connection, job: int, worker: str) -> bool:
    """Whether this scorer may still write the result: a new one may have taken the job over."""
    claimed = (jobs.c.id == job, jobs.c.state == "scoring", jobs.c.claimed_by == worker)
    return connection.scalar(select(jobs.c.id).where(*claimed)) is not None


def finish(connection: Connection, job: Row[Any], state: str, **values: Any) -> None:
    """Write the result of a claimed job. A file that no job waits for any more is removed."""
    connection.execute(update(jobs).where(jobs.c.id == job.id).values(state=state, claimed_by=None, **values))
    others = select(func.count()).where(jobs.c.sha256 == job.sha256, jobs.c.state.in_(OPEN))
    if not connection.scalar(others):
        waiting_file(job.sha256).unlink(missing_ok=True)


# -- reading -----------------------------------------------------------------------------------------------------------


def read_job(engine: Engine, number: int) -> Row[Any] | None:
    with reading(engine) as connection:
        return connection.execute(select(jobs).where(jobs.c.id == number)).first()


def jobs_of(engine: Engine, data: JudgedData, team: str) -> list[Row[Any]]:
    """All files of a team, the latest first."""
    query = select(jobs).where(*on_board(jobs, data), jobs.c.team == team)
    with reading(engine) as connection:
        return list(connection.execute(query.order_by(jobs.c.id.desc())))
