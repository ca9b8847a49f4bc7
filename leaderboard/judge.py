"""One file becomes an entry on the board: checked, scored, kept, written down, ranked."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, select

from harness.bootstrap import Interval
from harness.competition import Competition, find
from harness.errors import InvalidSubmission, UserError
from harness.files import sha256_of
from harness.metrics import Metric
from leaderboard import archive, board, decisions, words
from leaderboard.answers import Prepared, prepared, read_answers
from leaderboard.cards import read_card
from leaderboard.database import now, open_database, reading, writing
from leaderboard.decisions import Decision
from leaderboard.rows import keep_statistics
from leaderboard.scoring import Scored, score_file
from leaderboard.tables import ledger, on_board, scored_by, scores, shown, submissions
from leaderboard.versions import require_current


@dataclass(frozen=True)
class Receipt:
    """What the submitter can hold against us: the line of the ledger with the entry, and the head of its chain then."""

    sha256: str
    sequence: int
    metric_version: int
    head: str


@dataclass(frozen=True)
class Verdict:
    """What a team learns about its file. submission: names the entry (see `finals`); rank: the team's, None if none.

    public: as the rules let it be shown (`Rules.feedback`); ledger: the receipt.
    """

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
    ledger: Receipt | None


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
        require_current(connection, competition, data)
        known = is_scored(connection, entry, competition.metric)
    if not known:
        scored = score_file(competition, file, read_answers(data))
        archive.keep(file, entry["sha256"])
        with writing(engine) as connection:
            record(connection, competition, entry, scored)
    return verdict_of(engine, entry, board.read(engine, competition, data), competition, repeated=known)


def is_scored(connection: Connection, entry: Mapping[str, Any], metric: Metric) -> bool:
    """Whether the board has this file of this team, with a score of the metric as it is now."""
    same = (*on_board(submissions, entry["competition"], entry["data_hash"]), submissions.c.sha256 == entry["sha256"])
    found = select(submissions.c.id).join(scores).where(*same, *scored_by(scores, metric))
    return connection.execute(found.where(submissions.c.team == entry["team"]).limit(1)).first() is not None


def record(
    connection: Connection, competition: Competition, entry: Mapping[str, Any], scored: Mapping[str, Scored]
) -> int:
    """Write an entry and its scores, whichever the database lacks; its number."""
    data = Prepared(entry["competition"], entry["data_hash"], None)
    decisions.catch_up(connection, data)
    require_current(connection, competition, data)
    number = decisions.number_of(connection, data, entry["team"], entry["sha256"])
    if not is_scored(connection, entry, competition.metric):
        decision = score_of(connection, competition, data, entry, scored)
        if number is None:
            number = decisions.next_number(connection)
            arrived = {"id": number, "received_at": entry.get("received_at") or now()}
            of_file = {name: entry[name] for name in ("size", "card")}
            decision = Decision("entry", {**decision.body, **of_file, **arrived}, decision.secret)
        decisions.decide(connection, data, [decision])
    assert number is not None, "it was entered just now, or before"
    keep_statistics(connection, competition.metric, number, scored)
    return number


def score_of(
    connection: Connection,
    competition: Competition,
    data: Prepared,
    entry: Mapping[str, Any],
    scored: Mapping[str, Scored],
) -> Decision:
    """The score of an entry, with what is shown of it: that depends on what its team was shown before."""
    metric = competition.metric
    best = best_shown(connection, data, entry["team"], metric)
    told = competition.rules.feedback.shown(Interval(*scored["public"][:3]), best, metric.higher_is_better)
    body = {"team": entry["team"], "sha256": entry["sha256"], "metric": metric.name, "version": metric.version}
    secret = {part: list(score[:3]) for part, score in scored.items()}
    return Decision("score", body | {"shown": list(told)}, secret)


def best_shown(connection: Connection, data: Prepared, team: str, metric: Metric) -> Interval | None:
    better_first = shown.c.value.desc() if metric.higher_is_better else shown.c.value
    mine = (*on_board(submissions, data.competition, data.data_hash), submissions.c.team == team)
    query = select(shown.c.value, shown.c.low, shown.c.high).join(submissions).where(*mine, *scored_by(shown, metric))
    best = connection.execute(query.order_by(better_first, submissions.c.id).limit(1)).first()
    return Interval(*best) if best else None


def read_receipt(engine: Engine, number: int, metric: Metric) -> Receipt | None:
    """None for an entry from before there were ledgers."""
    lines = select(ledger.c.seq, ledger.c.hash, submissions.c.sha256).join(submissions)
    with reading(engine) as connection:
        last = connection.execute(lines.where(ledger.c.submission == number).order_by(ledger.c.seq.desc())).first()
    return Receipt(last.sha256, last.seq, metric.version, last.hash) if last else None


def _digest(file: Path) -> str:
    try:
        return sha256_of(file)
    except FileNotFoundError:
        raise UserError(f"{file} does not exist") from None
    except OSError as error:
        raise InvalidSubmission(f"{file} cannot be read: {error.strerror}") from error


def verdict_of(
    engine: Engine, entry: Mapping[str, Any], now_on: board.Board, competition: Competition, repeated: bool
) -> Verdict:
    """What the team learns about `entry`, which is on the board; only its team and sha256 are looked at."""
    this = next(e for e in now_on.book.of_team[entry["team"]] if e.sha256 == entry["sha256"])
    row = now_on.row_of(this.team)
    today = now_on.entries_on(this.team, now()[:10])
    told = words.verdict(this, row, now_on, today, competition.rules.submissions_per_day, repeated)
    if now_on.protected:
        told += f"; {competition.rules.feedback.words}"
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
        message=told,
        ledger=read_receipt(engine, this.id, now_on.declared.metric),
    )
