"""One file becomes an entry on the board: checked, scored, kept, written down, ranked."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, and_, insert, select

from harness.competition import Competition, find
from harness.errors import InvalidSubmission, UserError
from harness.files import sha256_of
from harness.metrics import Metric
from leaderboard import archive, board, words
from leaderboard.answers import prepared, read_answers
from leaderboard.cards import read_card
from leaderboard.database import now, open_database, reading, writing
from leaderboard.scoring import Scored, pack, score_file
from leaderboard.tables import scored_by, scores, statistics, submissions


@dataclass(frozen=True)
class Verdict:
    """What a team learns about its file. submission: names the entry (see `finals`); rank: the team's, None if none."""

    accepted: bool
    competition: str
    data_hash: str
    team: str
    submission: str
    public: float
    score_low: float
    score_high: float
    interval: dict[str, float]
    rank: int | None
    teams: int
    entries_today: int
    message: str


def judge(name: str, file: Path, team: str, data_hash: str | None = None) -> Verdict:
    """Score `file` for `team`; raise `UserError` where that cannot be, and then nothing was counted."""
    competition, data = find(name), prepared(name, data_hash)
    entry: dict[str, Any] = {
        "competition": name,
        "data_hash": data.data_hash,
        "team": words.team_name(team),
        "sha256": _digest(file),
        "size": file.stat().st_size,
        "card": read_card(file, data),
    }
    engine = open_database()
    with reading(engine) as connection:
        known = is_scored(connection, entry, competition.metric)
    if not known:
        scored = score_file(competition, file, read_answers(data))
        archive.keep(file, entry["sha256"])
        with writing(engine) as connection:
            record(connection, entry, competition.metric, scored)
    return verdict_of(entry, board.read(engine, competition, data), competition, repeated=known)


def is_scored(connection: Connection, entry: Mapping[str, Any], metric: Metric) -> bool:
    """Whether the board has this file of this team, with a score of the metric as it is now."""
    found = select(submissions.c.id).join(scores).where(_is(entry), *scored_by(scores, metric))
    return connection.execute(found.limit(1)).first() is not None


def record(connection: Connection, entry: Mapping[str, Any], metric: Metric, scored: Mapping[str, Scored]) -> int:
    """Write an entry and its scores, whichever the database lacks; its number.

    The receipt is on the disk before the commit.
    """
    number = connection.scalar(select(submissions.c.id).where(_is(entry)))
    if number is None:
        received = {"received_at": now(), **entry}  # a rebuilt entry brings its own time
        archive.keep_receipt(received)
        number = connection.execute(insert(submissions).values(received).returning(submissions.c.id)).scalar_one()
    if is_scored(connection, entry, metric):
        return number
    for part, (value, low, high, rows) in scored.items():
        key = {"submission": number, "metric": metric.name, "version": metric.version, "part": part}
        connection.execute(insert(scores).values(**key, value=value, low=low, high=high))
        connection.execute(insert(statistics).values(**key, packed=pack(rows)))
    return number


def _is(entry: Mapping[str, Any]) -> Any:
    """An entry is a team's file on a board: handed in twice, it is the same entry."""
    return and_(*(submissions.c[name] == entry[name] for name in ("competition", "data_hash", "team", "sha256")))


def _digest(file: Path) -> str:
    try:
        return sha256_of(file)
    except FileNotFoundError:
        raise UserError(f"{file} does not exist") from None
    except OSError as error:
        raise InvalidSubmission(f"{file} cannot be read: {error.strerror}") from error


def verdict_of(entry: Mapping[str, Any], now_on: board.Board, competition: Competition, repeated: bool) -> Verdict:
    """What the team learns about `entry`, which is on the board; only its team and sha256 are looked at."""
    this = next(e for e in now_on.entries if (e.team, e.sha256) == (entry["team"], entry["sha256"]))
    row = next((row for row in now_on.rows if row.team == this.team), None)
    today = now_on.entries_on(this.team, now()[:10])
    return Verdict(
        accepted=True,
        competition=now_on.competition,
        data_hash=now_on.data_hash,
        team=this.team,
        submission=this.name,
        public=this.public.score,
        score_low=this.public.low,
        score_high=this.public.high,
        interval=this.public._asdict(),
        rank=row.rank if row else None,
        teams=len(now_on.rows),
        entries_today=today,
        message=words.verdict(this, row, now_on, today, competition.rules.submissions_per_day, repeated),
    )
