"""One file becomes an entry on the board; after a new version of the metric all entries are scored again."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, insert, select

from harness.bootstrap import Interval
from harness.competition import Competition, find
from harness.errors import InvalidSubmission, UserError
from harness.files import sha256_of
from harness.metrics import Metric
from leaderboard import board
from leaderboard.answers import Answers, JudgedData, prepared, read_answers
from leaderboard.cli.text import entry_message
from leaderboard.database import (
    now,
    on_board,
    open_database,
    reading,
    scored_by,
    scores,
    shown,
    statistics,
    submissions,
    versions,
    writing,
)
from leaderboard.entries import (
    MetricVersion,
    ScoredEntry,
    better,
    rank_counting,
    read_entries,
    read_versions,
    require_current,
    with_version,
)
from leaderboard.host import read_host_state, read_selected
from leaderboard.scoring import PartScore, read_manifest, score_file, store_arrays, store_file, stored_file
from leaderboard.teams import team_name


@dataclass(frozen=True)
class EntryResult:
    """The result that a team gets for its file.

    submission: names the entry; entry: its number; rank: the team's, None if it is disqualified.
    public, interval: as the rules let them be shown (`Rules.feedback`); sha256: of the stored file.
    """

    accepted: bool
    competition: str
    data_hash: str
    team: str
    submission: str
    sha256: str
    entry: int
    public: float
    score_low: float
    score_high: float
    interval: dict[str, float]
    rank: int | None
    teams: int
    entries_today: int
    message: str


def judge(name: str, file: Path, team: str, data_hash: str | None = None) -> EntryResult:
    """Score `file` for `team`; raise `UserError` if that cannot be, and then nothing was counted."""
    competition, data = find(name), prepared(name, data_hash)
    try:
        sha256 = sha256_of(file)
    except FileNotFoundError:
        raise UserError(f"{file} does not exist") from None
    except OSError as error:
        raise InvalidSubmission(f"{file} cannot be read: {error.strerror}") from error
    entry: dict[str, Any] = {**data.key, "team": team_name(team), "sha256": sha256, "size": file.stat().st_size}
    entry["manifest"] = read_manifest(file, data)
    engine = open_database()
    with reading(engine) as connection:
        require_current(connection, competition, data)
        known = find_entry(connection, data, entry["team"], sha256) is not None
    if not known:
        scored = score_file(competition, file, read_answers(data))
        store_file(file, sha256)
        with writing(engine) as connection:
            record(connection, competition, entry, scored)
    return result_of(entry, board.read(engine, competition, data), repeated=known)


def find_entry(connection: Connection, data: JudgedData, team: str, sha256: str) -> int | None:
    """The number of the entry; a team's file on a board is one entry, however often it comes."""
    same = (*on_board(submissions, data), submissions.c.sha256 == sha256)
    return connection.scalar(select(submissions.c.id).where(*same, submissions.c.team == team))


def record(
    connection: Connection, competition: Competition, entry: Mapping[str, Any], scored: Mapping[str, PartScore]
) -> int:
    """Add an entry and its scores unless the board has it; its number."""
    data, metric = JudgedData(entry["competition"], entry["data_hash"], None), competition.metric
    require_current(connection, competition, data)
    if (number := find_entry(connection, data, entry["team"], entry["sha256"])) is not None:
        return number
    best = _best_shown(connection, data, entry["team"], metric)
    names = ("competition", "data_hash", "team", "sha256", "size", "manifest")
    row = {name: entry[name] for name in names} | {"received_at": entry.get("received_at") or now()}
    number = connection.execute(insert(submissions).values(row).returning(submissions.c.id)).scalar_one()
    if not read_versions(connection, data):
        _add_version(connection, data, metric, "", row["received_at"])
    values = {part: Interval(*score[:3]) for part, score in scored.items()}
    _add_scores(connection, competition, number, values, best)
    for part, score in scored.items():
        store_arrays(connection, statistics, metric, part, {number: score.statistics})
    return number


def _best_shown(connection: Connection, data: JudgedData, team: str, metric: Metric) -> Interval | None:
    """The best score that the team was shown before."""
    better_first = scores.c.value.desc() if metric.higher_is_better else scores.c.value
    of_team = (*on_board(submissions, data), submissions.c.team == team)
    query = select(scores.c.value, scores.c.low, scores.c.high).join(submissions)
    query = query.where(*of_team, scores.c.part == "shown", *scored_by(scores, metric))
    best = connection.execute(query.order_by(better_first, submissions.c.id).limit(1)).first()
    return Interval(*best) if best else None


def _add_scores(
    connection: Connection, competition: Competition, number: int, scored: Mapping[str, Interval], best: Interval | None
) -> Interval:
    """Add both scores and what is shown, which depends on the best that the team was shown before; that one."""
    metric = competition.metric
    feedback = competition.rules.feedback.shown(scored["public"], best, metric.higher_is_better)
    key = {"submission": number, "metric": metric.name, "version": metric.version}
    for part, (value, low, high) in {**scored, "shown": feedback}.items():
        connection.execute(insert(scores).values(**key, part=part, value=value, low=low, high=high))
    return feedback


def _add_version(connection: Connection, data: JudgedData, metric: Metric, reason: str, since: str) -> MetricVersion:
    version = MetricVersion(metric.name, metric.version, reason, since)
    connection.execute(insert(versions).values(**data.key, **version._asdict()))
    return version


# -- the result for the team -------------------------------------------------------------------------------------------


def result_of(entry: Mapping[str, Any], present: board.Board, repeated: bool) -> EntryResult:
    """The result of `entry`, which is on the board; only its team and sha256 are looked at."""
    scored = next(e for e in present.entries.of_team[entry["team"]] if e.sha256 == entry["sha256"])
    row = present.row_of(scored.team)
    day = now()[:10]
    today = sum(e.received_at.startswith(day) for e in present.entries.of_team[scored.team])
    return EntryResult(
        accepted=True,
        competition=present.competition,
        data_hash=present.data_hash,
        team=scored.team,
        submission=scored.name,
        sha256=scored.sha256,
        entry=scored.id,
        public=scored.public.score,
        score_low=scored.public.low,
        score_high=scored.public.high,
        interval=scored.public._asdict(),
        rank=row.rank if row else None,
        teams=len(present.rows),
        entries_today=today,
        message=entry_message(scored, row, present, today, repeated),
    )


# -- a new version of the metric ---------------------------------------------------------------------------------------


class RankChange(NamedTuple):
    """A team before and after: ranks and scores, by what ranked (the private score after the reveal)."""

    team: str
    old_rank: int
    new_rank: int
    old_score: float
    new_score: float


@dataclass(frozen=True)
class RescoreResult:
    """was, now: the versions of the metric; entries: how many were scored; moved: every team, the first one first."""

    competition: str
    path: str
    data_hash: str
    was: MetricVersion
    now: MetricVersion
    entries: int
    moved: list[RankChange]

    def to_json(self) -> dict[str, Any]:
        moved = [change._asdict() for change in self.moved]
        return asdict(self) | {"was": self.was._asdict(), "now": self.now._asdict(), "moved": moved}


def rescore(name: str, data_hash: str | None = None, reason: str = "") -> RescoreResult:
    """Score all entries by the declared version of the metric, then change the board over in one transaction.

    A kill leaves the board as it was. Raise `UserError` if the board is scored by that version already, or if a
    stored file cannot be scored.
    """
    competition, data, engine = find(name), prepared(name, data_hash), open_database()
    columns = (submissions.c.id, submissions.c.sha256, submissions.c.team)
    query = select(*columns).where(*on_board(submissions, data)).order_by(submissions.c.id)
    scored: dict[int, dict[str, Interval]] = {}
    while True:
        with writing(engine) as connection:
            was = _other_version(connection, competition, data)  # another process may have been faster
            entries = connection.execute(query).all()
            missing = [(number, sha256) for number, sha256, _ in entries if number not in scored]
            if not missing:
                best = dict[str, Interval]()
                for number, _, team in entries:  # in the order of arrival, on which depends what is shown
                    shown_now = _add_scores(connection, competition, number, scored[number], best.get(team))
                    best[team] = better(best.get(team), shown_now, competition.metric.higher_is_better)
                changed = _add_version(connection, data, competition.metric, reason, now())
                break
        scored |= _score_files(competition, missing, read_answers(data))
    moved = rank_changes(engine, competition, data)
    return RescoreResult(name, shown(engine), data.data_hash, was, changed, len(scored), moved)


def _other_version(connection: Connection, competition: Competition, data: JudgedData) -> MetricVersion:
    past, metric = read_versions(connection, data), competition.metric
    if not past:
        raise UserError(f"there is nothing to score again: the board of {data.competition} has no entry")
    if past[-1][:2] == (metric.name, metric.version):
        raise UserError(
            f"the board of {data.competition} is scored by {metric.name}, version {metric.version}, as declared; "
            "raise `version` of the metric if its scores have changed"
        )
    return past[-1]


def _score_files(
    competition: Competition, files: list[tuple[int, str]], answers: Answers
) -> dict[int, dict[str, Interval]]:
    scored = {}
    for number, sha256 in files:
        try:
            parts = score_file(competition, stored_file(sha256), answers)
        except UserError as refusal:
            raise UserError(
                f"{sha256[:12]} cannot be scored by version {competition.metric.version} of "
                f"{competition.metric.name}: {refusal}; the board stays as it was"
            ) from refusal
        scored[number] = {part: Interval(*score[:3]) for part, score in parts.items()}
    return scored


def rank_changes(engine: Engine, competition: Competition, data: JudgedData) -> list[RankChange]:
    """Return the changes of the last rescoring, team by team; [] if there was none. Both scores stay in the database.

    It is about the entries that had come by then; before the reveal by the public scores as they were shown.
    """
    with reading(engine) as connection:
        past = read_versions(connection, data)
        if len(past) < 2:
            return []
        host = read_host_state(connection, data)
        revealed = host.revealed_at is not None
        both = [read_entries(connection, with_version(competition, version), data, revealed) for version in past[-2:]]
        selected = read_selected(connection, data) if revealed else {}
    had = {entry.id for entry in both[0] if entry.team not in host.disqualified}
    part = "private" if revealed else "public"

    def places(entries: list[ScoredEntry]) -> dict[str, tuple[int, float]]:
        counting = [entry for entry in entries if entry.id in had]
        ranked = rank_counting(counting, selected, host.revealed_at, competition.metric.higher_is_better)
        return {entry.team: (place, entry.on(part).score) for place, entry in enumerate(ranked, 1)}

    before, after = map(places, both)
    return [RankChange(team, before[team][0], place, before[team][1], score) for team, (place, score) in after.items()]
