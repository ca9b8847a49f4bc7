"""Whether a lead is more than noise: the paired bootstrap on the stored statistics, computed once for every pair."""

from typing import NamedTuple

import numpy as np
from sqlalchemy import Connection, Engine, insert, select, tuple_

from harness.competition import Competition
from harness.significance import compare
from leaderboard.answers import Prepared, read_answers
from leaderboard.database import reading, writing
from leaderboard.scoring import unpack
from leaderboard.tables import comparisons, scored_by, statistics

Pair = tuple[int, int]  # ids of two submissions, the better one first


class Lead(NamedTuple):
    """By how much the first is better than the second (positive also where lower scores win), with 95 % bounds."""

    difference: float
    low: float
    high: float

    @property
    def is_noise(self) -> bool:
        return self.low <= 0


def leads(engine: Engine, competition: Competition, data: Prepared, part: str, pairs: list[Pair]) -> dict[Pair, Lead]:
    """The lead of every pair on the rows of `part`. Both scores are immutable, so each is computed once and kept."""
    with reading(engine) as connection:
        known = _read(connection, competition, part, pairs)
        missing = [pair for pair in pairs if pair not in known]
        rows = {number: _statistics(connection, competition, part, number) for pair in missing for number in pair}
    if not missing:
        return known
    answers = read_answers(data)
    groups = answers.groups[answers.rows(part)]
    computed = {}
    for better, other in missing:
        gain = compare(competition.metric, rows[other], rows[better], groups)
        computed[better, other] = Lead(gain.difference, gain.low, gain.high)
    with writing(engine) as connection:
        meanwhile = _read(connection, competition, part, missing)
        for (better, other), lead in computed.items():
            if (better, other) not in meanwhile:
                key = {"submission": better, "other": other, "part": part}
                metric = {"metric": competition.metric.name, "version": competition.metric.version}
                connection.execute(insert(comparisons).values(**key, **metric, **lead._asdict()))
    return known | computed


def _read(connection: Connection, competition: Competition, part: str, pairs: list[Pair]) -> dict[Pair, Lead]:
    columns = comparisons.c
    query = select(columns.submission, columns.other, columns.difference, columns.low, columns.high).where(
        tuple_(columns.submission, columns.other).in_(pairs),
        *scored_by(comparisons, competition.metric),
        columns.part == part,
    )
    return {(better, other): Lead(*lead) for better, other, *lead in connection.execute(query)}


def _statistics(connection: Connection, competition: Competition, part: str, submission: int) -> np.ndarray:
    query = select(statistics.c.packed).where(
        statistics.c.submission == submission, statistics.c.part == part, *scored_by(statistics, competition.metric)
    )
    return unpack(connection.execute(query).scalar_one())
