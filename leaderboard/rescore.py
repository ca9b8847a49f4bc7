"""All entries scored by a new version of the metric, beside the old scores; then the board changes over at once."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, and_, select

from harness.competition import Competition, find
from harness.errors import UserError
from leaderboard import archive, decisions
from leaderboard.answers import Answers, Prepared, prepared, read_answers
from leaderboard.board import public_score, rank, rank_finals, read_selected, reveal_time
from leaderboard.database import open_database, reading, shown, writing
from leaderboard.decisions import Decision
from leaderboard.entries import Entry, read_entries
from leaderboard.host import read_word
from leaderboard.judge import is_scored, score_of
from leaderboard.rows import keep_statistics
from leaderboard.scoring import Scored, score_file
from leaderboard.tables import on_board, scored_by, scores, submissions
from leaderboard.versions import Version, as_of, read_versions

CHUNK = 50  # entries in a transaction: others wait for it, and a kill loses no more


class Waiting(NamedTuple):
    """An entry without a score by the metric as it is declared."""

    number: int
    team: str
    sha256: str


class Moved(NamedTuple):
    """A team before and after: ranks and scores, by what ranked (the private score after the reveal)."""

    team: str
    old_rank: int
    new_rank: int
    old_score: float
    new_score: float


@dataclass(frozen=True)
class Rescored:
    """was, now: the versions of the metric; entries: how many were scored; moved: every team, the first one first."""

    competition: str
    path: str
    data_hash: str
    was: Version
    now: Version
    entries: int
    moved: list[Moved]

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {
            "was": self.was._asdict(),
            "now": self.now._asdict(),
            "moved": [moved._asdict() for moved in self.moved],
        }


def rescore(name: str, data_hash: str | None = None, reason: str = "") -> Rescored:
    """Score what has no score by the declared metric yet, and change over. After a kill the same command goes on.

    Raise `UserError` where the board stands by that version already, or where a stored file cannot be scored.
    """
    competition, data, engine = find(name), prepared(name, data_hash), open_database()
    with writing(engine) as connection:
        decisions.catch_up(connection, data)
    with reading(engine) as connection:
        was = _stands_by_another(connection, competition, data)
    entries = 0
    while waiting := _score_or_change_over(engine, competition, data, reason):
        entries += len(waiting)
        _score_all(engine, competition, data, waiting)
    with reading(engine) as connection:
        changed = read_versions(connection, data)[-1]
    return Rescored(name, shown(engine), data.data_hash, was, changed, entries, differences(engine, competition, data))


def _score_or_change_over(engine: Engine, competition: Competition, data: Prepared, reason: str) -> list[Waiting]:
    """The next entries to score; where there are none, the board changes over in the very same transaction."""
    metric = competition.metric
    with writing(engine) as connection:
        waiting = _unscored(connection, competition, data)
        stands = read_versions(connection, data)[-1]
        if not waiting and stands[:2] != (metric.name, metric.version):  # else another process was faster
            words = {"metric": metric.name, "version": metric.version, "reason": reason}
            decisions.decide(connection, data, [Decision("metric", words)])
    return waiting


def differences(engine: Engine, competition: Competition, data: Prepared) -> list[Moved]:
    """What the last re-scoring changed, team by team; [] where there was none. Both scores are kept for good.

    Of the entries that had come by then; before the reveal by the public scores as they were shown.
    """
    with reading(engine) as connection:
        stood = read_versions(connection, data)
        if len(stood) < 2:
            return []
        revealed_at = reveal_time(connection, data)
        revealed = revealed_at is not None
        both = [read_entries(connection, as_of(competition, version), data, revealed) for version in stood[-2:]]
        selected = read_selected(connection, data) if revealed_at else {}
        disqualified = read_word(connection, data).disqualified
    had = {entry.id for entry in both[0] if entry.team not in disqualified}
    higher = competition.metric.higher_is_better

    def places(entries: Sequence[Entry]) -> dict[str, tuple[int, float]]:
        counting = [entry for entry in entries if entry.id in had]
        if revealed_at:
            ranked, part = rank_finals(counting, selected, revealed_at, higher), "private"
        else:
            ranked, part = rank(counting, public_score, higher), "public"
        return {entry.team: (place, entry.on(part).score) for place, entry in enumerate(ranked, 1)}

    before, after = map(places, both)
    return [Moved(team, before[team][0], place, before[team][1], score) for team, (place, score) in after.items()]


def _stands_by_another(connection: Connection, competition: Competition, data: Prepared) -> Version:
    stands, metric = read_versions(connection, data), competition.metric
    if not stands:
        raise UserError(f"there is nothing to score again: the board of {data.competition} has no entry")
    if stands[-1][:2] == (metric.name, metric.version):
        raise UserError(
            f"the board of {data.competition} stands by {metric.name}, version {metric.version}, as declared; "
            "raise `version` of the metric where its scores have changed"
        )
    return stands[-1]


def _unscored(connection: Connection, competition: Competition, data: Prepared) -> list[Waiting]:
    """In the order of arrival, as what a team is shown depends on what it was shown before."""
    ours = and_(scores.c.submission == submissions.c.id, *scored_by(scores, competition.metric))
    query = select(submissions.c.id, submissions.c.team, submissions.c.sha256).outerjoin(scores, ours)
    query = query.where(*on_board(submissions, *data[:2]), scores.c.part.is_(None))
    return [Waiting(*row) for row in connection.execute(query.order_by(submissions.c.id).limit(CHUNK))]


def _score_all(engine: Engine, competition: Competition, data: Prepared, waiting: list[Waiting]) -> None:
    answers = read_answers(data)
    scored = [(one, _scored(competition, one.sha256, answers)) for one in waiting]
    with writing(engine) as connection:
        for (number, team, sha256), found in scored:
            entry = {"competition": data.competition, "data_hash": data.data_hash, "team": team, "sha256": sha256}
            if not is_scored(connection, entry, competition.metric):
                decisions.decide(connection, data, [score_of(connection, competition, data, entry, found)])
                keep_statistics(connection, competition.metric, number, found)


def _scored(competition: Competition, sha256: str, answers: Answers) -> dict[str, Scored]:
    try:
        return score_file(competition, archive.stored(sha256), answers)
    except UserError as refusal:
        raise UserError(
            f"{sha256[:12]} cannot be scored by version {competition.metric.version} of {competition.metric.name}: "
            f"{refusal}; the board stays as it was"
        ) from refusal
