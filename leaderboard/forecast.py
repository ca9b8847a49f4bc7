"""What the end will bring, forecast from the public rows alone: the private ranks, and advice on a team's two finals.

A private score is a team's true score plus the luck of the private rows. The true score lies around the public one: the
luck of the public rows is taken off by shrinking towards the middle of the field (James and Stein 1961; Efron and
Morris 1975), by as much as the bootstrap says that luck makes of the spread. The resamples are the kept ones, so what
moves two entries alike moves them alike here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from sqlalchemy import Engine

from harness.competition import Competition
from leaderboard.answers import Prepared
from leaderboard.entries import Entry
from leaderboard.resampled import count_groups, enough_of, scores_of

MOST_ADVISED = 8  # entries of a team, the best ones: each is scored on 2,000 resamples
QUARTILES = 1.349  # between those of a normal distribution, in standard deviations
FAR = 3  # standard deviations from the middle of the field


class Expected(NamedTuple):
    """Of a team: the public rank, and in the futures 95 % of its ranks, the chance to be first, the mean move."""

    team: str
    rank: int
    low: int
    high: int
    first: float
    change: float


@dataclass(frozen=True)
class Forecast:
    """teams: in the order of the public board. change: the mean move, in ranks; stays: the chance of the first team to
    stay first.
    """

    teams: list[Expected]
    change: float
    stays: float


def forecast(
    engine: Engine, competition: Competition, data: Prepared, ranked: Sequence[Entry], finals: Mapping[str, set[Entry]]
) -> Forecast:
    """ranked: each team's best public entry, the first team first; finals: of the teams that have chosen."""
    counting = [sorted(finals.get(entry.team, ())) or [entry] for entry in ranked]
    scores = futures(engine, competition, data, [entry for chosen in counting for entry in chosen])
    begins = np.cumsum([0, *(len(chosen) for chosen in counting[:-1])])
    best = np.maximum.reduceat(scores, begins, axis=0)
    ranks = ranks_of(best)
    changes = np.abs(ranks - np.arange(1, len(ranks) + 1)[:, None]).mean(1)
    first = (ranks == 1).mean(1)
    sorted_ranks = np.sort(ranks, axis=1)
    low, high = (sorted_ranks[:, round(share * (ranks.shape[1] - 1))] for share in (0.025, 0.975))
    teams = [
        Expected(entry.team, place + 1, int(low[place]), int(high[place]), float(first[place]), float(changes[place]))
        for place, entry in enumerate(ranked)
    ]
    return Forecast(teams, float(changes.mean()), float(first[0]))


def ranks_of(scores: np.ndarray) -> np.ndarray:
    """(teams, futures), from 1; scores as long, higher is better; of equal ones the earlier row wins."""
    order = np.argsort(np.ascontiguousarray(-scores.T), axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(1, len(scores) + 1)[None, :], axis=1)
    return np.ascontiguousarray(ranks.T)


def futures(engine: Engine, competition: Competition, data: Prepared, entries: Sequence[Entry]) -> np.ndarray:
    """(entries, futures) private scores as they may come, higher is better, on a scale of their own."""
    sign = 1 if competition.metric.higher_is_better else -1
    ids, most = [entry.id for entry in entries], 2 * (enough_of(len(entries)) // 2)
    resampled = scores_of(engine, competition, data, "public", ids, most)
    fewer = count_groups(engine, data, "public") / max(1, count_groups(engine, data, "private"))
    return simulated(sign * np.array([entry.public.score for entry in entries]), sign * resampled, fewer)


def simulated(observed: np.ndarray, resampled: np.ndarray, fewer: float) -> np.ndarray:
    """Higher is better. observed (n,); resampled (n, resamples), two for a future; fewer: public groups a private one.

    >>> rows = np.random.default_rng(0).normal(size=(2, 2000))
    >>> close, apart = simulated(np.array([0.1, 0.0]), rows, 1.0), simulated(np.array([9.0, 0.0]), rows, 1.0)
    >>> bool((close[0] > close[1]).mean() < 0.6), bool((apart[0] > apart[1]).mean() > 0.99)
    (True, True)
    """
    noise = np.nan_to_num(resampled - np.nanmean(resampled, 1, keepdims=True, dtype=np.float64))
    noise -= noise.mean(0)  # luck that all share moves nobody
    luck = noise.var(1, keepdims=True)
    middle = np.median(observed)
    width = np.subtract(*np.percentile(observed, [75, 25])) / QUARTILES
    spread = np.clip(observed, middle - FAR * width, middle + FAR * width).var(ddof=1)  # hopeless entries count little
    real = max(0.0, spread - luck.mean())
    kept = np.divide(real, real + luck, out=np.ones_like(luck), where=real + luck > 0)
    halves = np.split(noise, 2, axis=1)  # resamples that know nothing of each other
    of_public, of_private = (half - half.mean(1, keepdims=True) for half in halves)
    true = middle + kept * (observed[:, None] - middle) + np.sqrt(kept) * of_public
    return true + np.sqrt(fewer) * of_private


# -- a team's finals ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Advice:
    """By name. safe: the entry with the best expected private score; different: the one that beside it lifts the
    expected best of both most, None where no other does.
    """

    safe: str
    different: str | None
    sentence: str


def advise(engine: Engine, competition: Competition, data: Prepared, entries: Sequence[Entry]) -> Advice | None:
    """Which of a team's entries to choose as finals; None where nothing is to choose or public scores are protected."""
    advised = candidates(entries, competition.metric.higher_is_better)
    if len(advised) < 2 or not competition.rules.feedback.exact:
        return None
    scores = futures(engine, competition, data, advised)
    safe = int(scores.mean(1).round(9).argmax())  # of equal ones the earlier
    pairs = np.maximum(scores, scores[safe]).mean(1)
    other = int(pairs.argmax())
    gain = float(pairs[other] - scores[safe].mean())
    told = f"{advised[safe].name} has the best expected private score"
    if other == safe or gain <= 0:
        return Advice(advised[safe].name, None, f"{told}, and no other entry of yours adds to it.")
    better = float((scores[other] > scores[safe]).mean())
    return Advice(
        advised[safe].name,
        advised[other].name,
        f"{told}; beside it {advised[other].name} lifts the expected best of the two by {gain:.2g}: "
        f"it ends ahead of it in {better:.0%} of the futures.",
    )


def candidates(entries: Sequence[Entry], higher_is_better: bool) -> list[Entry]:
    """A team's best entries by the public score, of equal ones the earlier first."""
    sign = -1 if higher_is_better else 1
    return sorted(entries, key=lambda entry: (sign * entry.public.score, entry.id))[:MOST_ADVISED]
