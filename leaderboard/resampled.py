"""The scores of every bootstrap resample, kept: from them come rank intervals, of all teams on the same resamples."""

import numpy as np
from sqlalchemy import Engine, insert, select

from harness.competition import Competition
from harness.significance import resamples as draw
from leaderboard.answers import Prepared, read_answers
from leaderboard.database import reading, writing
from leaderboard.scoring import pack, unpack
from leaderboard.tables import resamples, scored_by, statistics


def scores_of(engine: Engine, competition: Competition, data: Prepared, part: str, ids: list[int]) -> np.ndarray:
    """(submissions, resamples) float32, in the order of `ids`. Computed once for each submission, and kept."""
    kept = _kept(engine, competition, part, ids)
    if missing := [number for number in ids if number not in kept]:
        kept |= _compute(engine, competition, data, part, missing)
    return np.stack([kept[number] for number in ids])


def rank_intervals(scores: np.ndarray, higher_is_better: bool) -> list[tuple[int, int]]:
    """Of every row: the ranks between which it lies in 95 % of the resamples. scores: (teams, resamples).

    >>> rank_intervals(np.array([[0.9, 0.9, 0.9], [0.5, 0.6, 0.4], [0.4, 0.5, 0.6]]), True)
    [(1, 1), (2, 3), (2, 3)]
    """
    worse_is_more = np.nan_to_num(-scores if higher_is_better else scores, nan=np.inf)
    ordered = np.sort(worse_is_more, 0)
    ranks = np.empty(scores.shape, np.int32)
    for k in range(scores.shape[1]):
        ranks[:, k] = 1 + np.searchsorted(ordered[:, k], worse_is_more[:, k])  # how many are strictly better, and one
    low, high = np.percentile(ranks, [2.5, 97.5], axis=1, method="nearest")
    return [(int(a), int(b)) for a, b in zip(low, high, strict=True)]


def _kept(engine: Engine, competition: Competition, part: str, ids: list[int]) -> dict[int, np.ndarray]:
    query = select(resamples.c.submission, resamples.c.packed).where(
        resamples.c.submission.in_(ids), resamples.c.part == part, *scored_by(resamples, competition.metric)
    )
    with reading(engine) as connection:
        return {number: unpack(packed) for number, packed in connection.execute(query)}


def _compute(
    engine: Engine, competition: Competition, data: Prepared, part: str, ids: list[int]
) -> dict[int, np.ndarray]:
    answers, metric = read_answers(data), competition.metric
    groups = answers.groups[answers.rows(part)]
    query = select(statistics.c.submission, statistics.c.packed).where(
        statistics.c.submission.in_(ids), statistics.c.part == part, *scored_by(statistics, metric)
    )
    with reading(engine) as connection:
        rows = {number: unpack(packed) for number, packed in connection.execute(query)}
    computed: dict[int, list[np.ndarray]] = {number: [] for number in rows}
    for counts in draw(groups, len(groups)):
        for number, of_submission in rows.items():
            computed[number].append(np.asarray(metric.score(of_submission, counts)))
    found = {number: np.concatenate(parts).astype(np.float32) for number, parts in computed.items()}
    with writing(engine) as connection:
        mine = (resamples.c.part == part, *scored_by(resamples, metric))
        there = set(connection.scalars(select(resamples.c.submission).where(*mine)))
        for number, scores in found.items():
            if number not in there:
                key = {"submission": number, "metric": metric.name, "version": metric.version, "part": part}
                connection.execute(insert(resamples).values(**key, packed=pack(scores)))
    return found
