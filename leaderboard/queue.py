"""Files that were received: a place in the queue, the day's quota, and leases, all as rows of the database.

A file costs quota from the moment it is accepted; a file that is refused, or that the platform fails on, gives it back.
"""

import os
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Row, func, insert, or_, select, update

from harness import paths
from harness.competition import find
from harness.errors import UserError
from harness.files import sync_folder
from leaderboard import archive
from leaderboard.answers import Prepared
from leaderboard.board import reveal_time
from leaderboard.database import clock, now, reading, writing
from leaderboard.host import read_word
from leaderboard.tables import jobs, on_board, submissions
from leaderboard.versions import behind

LEASE_SECONDS = 15
MOST_ATTEMPTS = 3
OLD_SECONDS = 3600
OPEN = ("waiting", "scoring")
OURS = "the platform failed to score this file, three times; it cost no quota, and the host can see why in the log"


class Refusal(UserError):
    """What the server will not do. status: as HTTP says it."""

    def __init__(self, status: int, sentence: str):
        super().__init__(sentence)
        self.status = status


class Received(NamedTuple):
    """A file that lies on our disk. card: what its run says about itself."""

    path: Path
    sha256: str
    size: int
    name: str
    card: dict[str, Any] | None


class Quota(NamedTuple):
    """Of a team on a UTC day. renews_at: UTC, ISO 8601."""

    used: int
    limit: int
    renews_at: str

    @property
    def left(self) -> int:
        return max(0, self.limit - self.used)


# -- coming in ---------------------------------------------------------------------------------------------------------


def accept(engine: Engine, data: Prepared, team: str, file: Received, limit: int, binding: bool) -> int:
    """Put a file into the queue; the number of its job. The same file of the same team is the same job.

    limit: entries a day; binding: whether the limit and the reveal refuse, as on a team server. When this returns, file
    and row are on the disk. Raise `Refusal` where nothing may be handed in now.
    """
    with writing(engine) as connection:
        at = now()  # one look at the clock: the day that is counted is the one that is written down
        job = connection.execute(select(jobs).where(*_is(data, team, file.sha256))).first()
        if job and job.state not in ("refused", "failed"):
            file.path.unlink()
            return job.id
        judged = connection.scalar(select(submissions.c.id).where(*_is(data, team, file.sha256, submissions)))
        if judged is None:
            _require_open(connection, data, team, limit, binding, at)
        row = {
            "size": file.size,
            "name": file.name,
            "card": file.card,
            "received_at": at,
            "state": "waiting" if judged is None else "scored",
            "attempts": 0,
            "claimed_by": None,
            "claimed_until": None,
            "message": None,
            "submission": judged,
        }
        _put(file, keep=judged is None)
        if job:
            connection.execute(update(jobs).where(jobs.c.id == job.id).values(row))
            return job.id
        key = {"competition": data.competition, "data_hash": data.data_hash, "team": team, "sha256": file.sha256}
        return connection.execute(insert(jobs).values(**key, **row).returning(jobs.c.id)).scalar_one()


def _require_open(connection: Connection, data: Prepared, team: str, limit: int, binding: bool, at: str) -> None:
    word = read_word(connection, data)
    if refusal := word.refusal(at) or behind(connection, find(data.competition), data):
        raise Refusal(409, f"{refusal}; the file was not taken")
    if team in word.disqualified:
        raise Refusal(409, f"{team} is disqualified: {word.disqualified[team].said}; the file was not taken")
    if binding and reveal_time(connection, data):
        raise Refusal(409, "the private scores are revealed; the file was not taken")
    quota = _quota(connection, data, team, limit, at)
    if binding and not quota.left:
        renews = quota.renews_at[:16].replace("T", " ")
        raise Refusal(429, f"{team} has used its {limit} entries of today; the next one is free at {renews} UTC")


def _put(file: Received, keep: bool) -> None:
    """To its place by content; it is on the disk already, and now its name is too."""
    if keep:
        os.replace(file.path, waiting(file.sha256))
        sync_folder(waiting(file.sha256).parent)
    else:
        file.path.unlink()


def waiting(sha256: str) -> Path:
    folder = paths.root() / "boards" / "incoming"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / sha256


def sweep(engine: Engine) -> int:
    """Remove what killed servers left: files that no job waits for, an hour old at least; how many there were."""
    with writing(engine) as connection:
        wanted = set(connection.scalars(select(jobs.c.sha256).where(jobs.c.state.in_(OPEN))))
        left = [
            file
            for file in waiting("").iterdir()
            if file.name not in wanted and file.stat().st_mtime < time.time() - OLD_SECONDS
        ]
        for file in left:
            file.unlink()
    return len(left)


def plain_name(given: str) -> str:
    """A file name of a person, of which nothing can go wrong on a disk or in a header.

    >>> plain_name("../../etc/passwd"), plain_name("my file (2).CSV"), plain_name("")
    ('passwd.csv', 'my_file_2_.csv', 'submission.csv')
    """
    stem, dot, suffix = given.replace("\\", "/").rsplit("/", 1)[-1].rpartition(".")
    stem, suffix = (stem, suffix.lower()) if dot else (suffix, "csv")
    stem = re.sub(r"[^A-Za-z0-9-]+", "_", stem).lstrip("_-")[:60] or "submission"
    return f"{stem}.{suffix if suffix in ('csv', 'json') else 'csv'}"


# -- quota -------------------------------------------------------------------------------------------------------------


def read_quota(engine: Engine, data: Prepared, team: str, limit: int) -> Quota:
    with reading(engine) as connection:
        return _quota(connection, data, team, limit, now())


def _quota(connection: Connection, data: Prepared, team: str, limit: int, at: str) -> Quota:
    """What stands on the board since midnight UTC, and what waits to be scored."""
    day = at[:10]
    shown, queued = (
        select(func.count())
        .where(
            *on_board(table, data.competition, data.data_hash), table.c.team == team, table.c.received_at >= day, *more
        )
        .scalar_subquery()
        for table, more in ((submissions, ()), (jobs, (jobs.c.state.in_(OPEN),)))
    )
    midnight = datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(days=1)
    used = connection.scalar(select(shown + queued))
    assert used is not None, "counts are numbers"
    return Quota(used, limit, midnight.isoformat().replace("+00:00", "Z"))


# -- being worked on ---------------------------------------------------------------------------------------------------


def claim(engine: Engine, worker: str) -> Row[Any] | None:
    """The next file to score, ours for LEASE_SECONDS by the database's clock; None where there is none."""
    free = or_(jobs.c.state == "waiting", (jobs.c.state == "scoring") & (jobs.c.claimed_until < clock()))
    with writing(engine) as connection:
        worn_out = update(jobs).where(free, jobs.c.attempts >= MOST_ATTEMPTS)
        connection.execute(worn_out.values(state="failed", message=OURS, claimed_by=None))
        first = select(jobs.c.id).where(free).order_by(jobs.c.id).limit(1).scalar_subquery()
        taken = update(jobs).where(jobs.c.id == first).values(**_leased(worker), attempts=jobs.c.attempts + 1)
        return connection.execute(taken.returning(*jobs.c)).first()


def renew(engine: Engine, job: int, worker: str) -> bool:
    """Whether the job is still ours; then it is for another LEASE_SECONDS."""
    with writing(engine) as connection:
        return renew_in(connection, job, worker)


def renew_in(connection: Connection, job: int, worker: str) -> bool:
    kept = connection.execute(update(jobs).where(*is_ours(job, worker)).values(_leased(worker)))
    return kept.rowcount == 1


def _leased(worker: str) -> dict[Any, Any]:
    return {"state": "scoring", "claimed_by": worker, "claimed_until": clock() + LEASE_SECONDS}


def is_ours(job: int, worker: str) -> tuple[Any, ...]:
    return jobs.c.id == job, jobs.c.state == "scoring", jobs.c.claimed_by == worker


def finish(connection: Connection, job: Row[Any], worker: str, state: str, **values: Any) -> bool:
    """The last word on a job, unless it is no longer ours. A file that nobody waits for any more is removed."""
    ended = update(jobs).where(*is_ours(job.id, worker)).values(state=state, claimed_by=None, **values)
    if connection.execute(ended).rowcount != 1:
        return False
    if state != "waiting":
        others = select(func.count()).where(jobs.c.sha256 == job.sha256, jobs.c.state.in_(OPEN))
        if not connection.scalar(others):
            waiting(job.sha256).unlink(missing_ok=True)
    return True


# -- looking -----------------------------------------------------------------------------------------------------------


def read_job(engine: Engine, number: int) -> Row[Any] | None:
    with reading(engine) as connection:
        return connection.execute(select(jobs).where(jobs.c.id == number)).first()


def jobs_of(engine: Engine, data: Prepared, team: str) -> list[Row[Any]]:
    """All files of a team, the latest first."""
    query = select(jobs).where(*on_board(jobs, data.competition, data.data_hash), jobs.c.team == team)
    with reading(engine) as connection:
        return list(connection.execute(query.order_by(jobs.c.id.desc())))


def _is(data: Prepared, team: str, sha256: str, table: Any = jobs) -> tuple[Any, ...]:
    return (*on_board(table, data.competition, data.data_hash), table.c.team == team, table.c.sha256 == sha256)


def kept_file(sha256: str) -> Path:
    """Where the file lies now: in the archive when it was scored, else with those that wait."""
    stored = archive.stored(sha256)
    return stored if stored.exists() else waiting(sha256)
