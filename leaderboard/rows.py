"""The metric's statistics of entries, row by row: kept in the database, and made again from the stored files."""

from collections.abc import Mapping, Sequence

import numpy as np
from sqlalchemy import Connection, Engine, insert, select

from harness.competition import Competition
from harness.errors import UserError
from harness.metrics import Metric
from leaderboard import archive
from leaderboard.answers import Prepared, read_answers
from leaderboard.database import reading, writing
from leaderboard.scoring import Scored, pack, score_file, unpack
from leaderboard.tables import scored_by, scores, statistics, submissions


def read_statistics(
    engine: Engine, competition: Competition, data: Prepared, part: str, numbers: Sequence[int]
) -> dict[int, np.ndarray]:
    """Of every one of these entries, the rows of `part`."""
    known = _kept(engine, competition, part, numbers)
    if bare := [number for number in numbers if number not in known]:
        for number in bare:
            _restore(engine, competition, data, number)
        known |= _kept(engine, competition, part, bare)
    return known


def _kept(engine: Engine, competition: Competition, part: str, numbers: Sequence[int]) -> dict[int, np.ndarray]:
    mine = (statistics.c.submission.in_(numbers), statistics.c.part == part, *scored_by(statistics, competition.metric))
    with reading(engine) as connection:
        found = connection.execute(select(statistics.c.submission, statistics.c.packed).where(*mine))
        return {number: unpack(packed) for number, packed in found}


def keep_statistics(connection: Connection, metric: Metric, number: int, scored: Mapping[str, Scored]) -> None:
    """Those that the database lacks. They are no decision: the stored file gives them again."""
    mine = (statistics.c.submission == number, *scored_by(statistics, metric))
    there = set(connection.scalars(select(statistics.c.part).where(*mine)))
    key = {"submission": number, "metric": metric.name, "version": metric.version}
    for part, score in scored.items():
        if part not in there:
            connection.execute(insert(statistics).values(**key, part=part, packed=pack(score.statistics)))


def _restore(engine: Engine, competition: Competition, data: Prepared, number: int) -> None:
    """Raise `UserError` where the stored file does not score as it did: the answers, or the code, are others."""
    ours = (scores.c.submission == number, scores.c.part == "public", *scored_by(scores, competition.metric))
    with reading(engine) as connection:
        sha256, public = connection.execute(
            select(submissions.c.sha256, scores.c.value).join(scores).where(*ours)
        ).one()
    if not archive.stored(sha256).exists():
        raise UserError(f"the stored file {sha256[:12]} is missing; restore it from a backup")
    scored = score_file(competition, archive.stored(sha256), read_answers(data))
    if abs(scored["public"].value - public) > 1e-9 * max(1.0, abs(public)):
        raise UserError(f"{sha256[:12]} scores otherwise than the ledger says: the answers, or the code, are others")
    with writing(engine) as connection:
        keep_statistics(connection, competition.metric, number, scored)
