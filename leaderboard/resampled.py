"""The scores of every bootstrap resample, kept: from them come ties, rank intervals and the forecast of the end."""

from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from sqlalchemy import Engine, insert, select

from harness.bootstrap import RESAMPLES
from harness.bootstrap import resamples as draw
from harness.competition import Competition
from leaderboard.answers import Prepared, read_answers
from leaderboard.database import reading, writing
from leaderboard.rows import read_statistics
from leaderboard.scoring import pack, unpack
from leaderboard.tables import resamples, scored_by

MOST_REMEMBERED = 6000  # rows of 8 kB
MOST_RANKS, FEWEST = 1_000_000, 400  # of a board: of 2,000 teams 500 resamples are looked at
AT_ONCE = 500  # submissions in a question to the database


def scores_of(
    engine: Engine, competition: Competition, data: Prepared, part: str, ids: Sequence[int], most: int = RESAMPLES
) -> np.ndarray:
    """(submissions, resamples) float32, in the order of `ids`. Computed once for each submission, and kept.

    most: how many of the resamples are wanted; the first ones.
    """
    metric = competition.metric
    remembered = _remembered(engine, data, metric.name, metric.version, part)
    known = {number: remembered[number] for number in ids if number in remembered}
    if missing := [number for number in ids if number not in known]:
        kept = _kept(engine, competition, part, missing)
        new = [number for number in missing if number not in kept]
        for some in (new[k : k + AT_ONCE] for k in range(0, len(new), AT_ONCE)):
            kept |= _compute(engine, competition, data, part, some)
        known |= kept
        remembered.update(kept)
        while len(remembered) > max(MOST_REMEMBERED, 2 * len(ids)):
            remembered.popitem(last=False)
    for number in ids:
        remembered.move_to_end(number)
    return np.stack([known[number][:most] for number in ids])


@lru_cache(maxsize=32)
def _remembered(engine: Engine, data: Prepared, metric: str, version: int, part: str) -> OrderedDict[int, np.ndarray]:
    return OrderedDict()


def enough_of(teams: int) -> int:
    """How many resamples a board of so many teams is looked at by: fewer where millions of ranks would be counted."""
    return max(FEWEST, min(RESAMPLES, MOST_RANKS // max(1, teams)))


@lru_cache(maxsize=32)
def count_groups(engine: Engine, data: Prepared, part: str) -> int:
    """How many groups are resampled."""
    answers = read_answers(data)
    return len(np.unique(answers.groups[answers.rows(part)]))


def rank_intervals(scores: np.ndarray, higher_is_better: bool) -> list[tuple[int, int]]:
    """Of every row: the ranks between which it lies in 95 % of the resamples. scores: (teams, resamples).

    >>> rank_intervals(np.array([[0.9, 0.9, 0.9], [0.5, 0.6, 0.4], [0.4, 0.5, 0.6]]), True)
    [(1, 1), (2, 3), (2, 3)]
    """
    return intervals_among(ordered(scores, higher_is_better), scores, higher_is_better)


def ordered(scores: np.ndarray, higher_is_better: bool) -> np.ndarray:
    """(resamples, teams), the best first, as `intervals_among` looks up ranks."""
    return np.sort(np.ascontiguousarray(_worse_is_more(scores, higher_is_better).T), 1)


def intervals_among(all_of_them: np.ndarray, scores: np.ndarray, higher_is_better: bool) -> list[tuple[int, int]]:
    """The same of some rows, among the `ordered` ones."""
    asked = np.ascontiguousarray(_worse_is_more(scores, higher_is_better).T)
    pairs = zip(all_of_them, asked, strict=True)
    ranks = np.array([1 + np.searchsorted(best_first, mine) for best_first, mine in pairs])  # strictly better, and one
    ranks.sort(axis=0)
    low, high = (ranks[round(share * (len(ranks) - 1))].tolist() for share in (0.025, 0.975))
    return list(zip(low, high, strict=True))


def _worse_is_more(scores: np.ndarray, higher_is_better: bool) -> np.ndarray:
    signed = -scores if higher_is_better else scores
    return np.where(np.isnan(signed), np.inf, signed).astype(scores.dtype)


def _kept(engine: Engine, competition: Competition, part: str, ids: Sequence[int]) -> dict[int, np.ndarray]:
    query = select(resamples.c.submission, resamples.c.packed).where(
        resamples.c.part == part, *scored_by(resamples, competition.metric)
    )
    with reading(engine) as connection:
        asked = (ids[k : k + AT_ONCE] for k in range(0, len(ids), AT_ONCE))
        found = (row for some in asked for row in connection.execute(query.where(resamples.c.submission.in_(some))))
        return {number: unpack(packed) for number, packed in found}


def _compute(
    engine: Engine, competition: Competition, data: Prepared, part: str, ids: Sequence[int]
) -> dict[int, np.ndarray]:
    answers, metric = read_answers(data), competition.metric
    groups = answers.groups[answers.rows(part)]
    rows = read_statistics(engine, competition, data, part, ids)
    computed: dict[int, list[np.ndarray]] = {number: [] for number in rows}
    for counts in draw(groups, len(groups)):
        for number, of_submission in rows.items():
            computed[number].append(np.asarray(metric.score(of_submission, counts)))
    found = {number: np.concatenate(parts).astype(np.float32) for number, parts in computed.items()}
    with writing(engine) as connection:
        mine = (resamples.c.part == part, resamples.c.submission.in_(ids), *scored_by(resamples, metric))
        there = set(connection.scalars(select(resamples.c.submission).where(*mine)))
        for number, scores in found.items():
            if number not in there:
                key = {"submission": number, "metric": metric.name, "version": metric.version, "part": part}
                connection.execute(insert(resamples).values(**key, packed=pack(scores)))
    return found
