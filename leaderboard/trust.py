"""Trust CV or the board? How alike they rank the entries, and whether they differ by more than the rows explain."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.text import Text
from sqlalchemy import Engine, select

from harness.bootstrap import Interval, compare, interval
from leaderboard.board import Board, is_late, private_score, public_score
from leaderboard.cards import finite
from leaderboard.database import reading
from leaderboard.entries import Entry
from leaderboard.tables import submissions
from leaderboard.words import decimals_for

FEWEST = 5  # entries; of fewer, ranks say nothing
MOST = 500  # the latest ones: every pair of entries is looked at
DISAGREE = 0.5  # a rank correlation that is certainly below


class Agreement(NamedTuple):
    """Rank correlations over the entries, 1 where both rank alike, with 95 % bounds (bootstrap over entries)."""

    spearman: Interval
    kendall: Interval


class Gap(NamedTuple):
    """CV minus public score, the mean over the entries. noise: what the sampling of rows explains, at 95 %.

    All entries are scored on the same rows, so more entries do not make the noise smaller.
    """

    mean: float
    noise: float

    @property
    def is_shift(self) -> bool:
        return abs(self.mean) > self.noise


@dataclass(frozen=True)
class Trust:
    """None: there are too few entries, or the reveal has not been. entries: those with a CV score; gap: over those
    whose card has the interval of it.

    private: of CV with the private score; board: of the public score with the private one.
    """

    entries: int
    public: Agreement | None
    private: Agreement | None
    board: Agreement | None
    gap: Gap | None
    advice: str

    def to_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {"entries": self.entries}
        for name in ("public", "private", "board"):
            agreement: Agreement | None = getattr(self, name)
            told[name] = agreement and {kind: value._asdict() for kind, value in agreement._asdict().items()}
        gap = self.gap and self.gap._asdict() | {"is_shift": self.gap.is_shift}
        return told | {"gap": gap, "advice": self.advice}


def read_trust(engine: Engine, board: Board) -> Trust:
    """Of every entry with a CV score, the same file once; private scores only as far as the board shows them."""
    counted = [
        entry for entry in board.book.entries if entry.cv is not None and entry.team not in board.word.disqualified
    ]
    entries = list({entry.sha256: entry for entry in reversed(counted)}.values())[:MOST]
    cv, public = scores_of(entries, claimed_score, public_score).T
    on_time = [entry for entry in entries if entry.private and not is_late(entry, board.revealed_at)]
    at_end = scores_of(on_time, claimed_score, public_score, private_score)
    gap, agreed = gap_of(entries, half_widths(engine, entries)), agreement(cv, public)
    told = (ranks_told(agreed, len(entries), gap), end_told(at_end), gap_told(gap, board.higher_is_better))
    private, of_board = agreement(*at_end.T[[0, 2]]), agreement(*at_end.T[[1, 2]])
    return Trust(len(entries), agreed, private, of_board, gap, " ".join(filter(None, told)))


def claimed_score(entry: Entry) -> float:
    assert entry.cv is not None, "only entries with a CV score are looked at"
    return entry.cv


def scores_of(entries: Sequence[Entry], *kinds: Callable[[Entry], float]) -> np.ndarray:
    return np.array([[kind(entry) for kind in kinds] for entry in entries]).reshape(-1, len(kinds))


# -- rank correlation --------------------------------------------------------------------------------------------------


class Spearman:
    """Spearman's rho of pairs (n, 2), ties at their middle rank; a metric, so that it can be bootstrapped as one."""

    name, version, higher_is_better, needs = "Spearman", 1, True, "labels"

    def statistics(self, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        return np.column_stack([truth, predicted])

    def by_class(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> dict[str, Any]:
        return {}

    def score(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> Any:
        weights = np.ones((1, len(statistics))) if counts is None else counts.astype(float)
        x, y = (weights @ ((v[:, None] < v) + (v[:, None] == v) / 2) for v in statistics.T)
        x, y = (v - (weights * v).sum(-1, keepdims=True) / weights.sum(-1, keepdims=True) for v in (x, y))
        found = correlation((weights * x * y).sum(-1), (weights * x * x).sum(-1), (weights * y * y).sum(-1))
        return float(found[0]) if counts is None else found


class Kendall(Spearman):
    """Kendall's tau-b: of all pairs of entries, how many more are ordered alike than not."""

    name = "Kendall"

    def score(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> Any:
        weights = np.ones((1, len(statistics))) if counts is None else counts.astype(float)
        x, y = (np.sign(v[:, None] - v) for v in statistics.T)
        found = correlation(*(((weights @ pairs) * weights).sum(-1) for pairs in (x * y, x * x, y * y)))
        return float(found[0]) if counts is None else found


def correlation(both: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """NaN where one of them does not vary."""
    spread = np.sqrt(x * y)
    return np.where(spread > 0, both / np.where(spread > 0, spread, 1), np.nan)


def agreement(a: np.ndarray, b: np.ndarray) -> Agreement | None:
    """None of too few entries, and where one side does not vary."""
    if len(a) < FEWEST or not (np.ptp(a) and np.ptp(b)):
        return None
    pairs = Spearman().statistics(a, b)
    return Agreement(interval(Spearman(), pairs, None), interval(Kendall(), pairs, None))


# -- the gap -----------------------------------------------------------------------------------------------------------


def half_widths(engine: Engine, entries: Sequence[Entry]) -> dict[int, float]:
    """Entry -> half of the 95 % interval that its card claims for its CV score, where it claims one."""
    numbers = [entry.id for entry in entries]
    query = select(submissions.c.id, submissions.c.card["cv"]).where(submissions.c.id.in_(numbers))
    with reading(engine) as connection:
        claimed = {number: half_width(cv) for number, cv in connection.execute(query)}
    return {number: half for number, half in claimed.items() if half is not None}


def half_width(cv: Mapping[str, Any]) -> float | None:
    low, high = finite(cv.get("low")), finite(cv.get("high"))
    return None if low is None or high is None or low > high else (high - low) / 2


def gap_of(entries: Sequence[Entry], halves: Mapping[int, float]) -> Gap | None:
    known = [
        (claimed_score(entry) - public_score(entry), math.hypot(halves[entry.id], width(entry.public) / 2))
        for entry in entries
        if entry.id in halves
    ]
    return Gap(*map(float, np.mean(known, axis=0))) if known else None


def width(bounds: Interval) -> float:
    return bounds.high - bounds.low


# -- in words ----------------------------------------------------------------------------------------------------------


def ranks_told(agreed: Agreement | None, entries: int, gap: Gap | None) -> str:
    unknown = "Cannot tell whether CV ranks as the board does"
    if entries < FEWEST:
        return f"{unknown}: {FEWEST} different files with a CV score are needed, and there are {entries}."
    if agreed is None:
        return f"{unknown}: all entries have the same score."
    rho, low, high = agreed.spearman
    found = f"rank correlation {rho:.2f}, 95 %: {low:.2f} to {high:.2f}"
    if low > 0:
        return f"CV and the board rank alike ({found}): choose by CV, which the board confirms."
    if high < DISAGREE:
        guide = "the board, for the hold-out is not like the training rows" if gap and gap.is_shift else "CV"
        return f"CV and the board do not rank alike ({found}): trust {guide}."
    return f"{unknown} ({found})."


def end_told(at_end: np.ndarray) -> str:
    """After the reveal: which of the two was the better guide."""
    if len(at_end) < FEWEST or not np.ptp(at_end, axis=0).all():
        return ""
    gain = compare(Spearman(), at_end[:, 1:], at_end[:, [0, 2]], None)
    if gain.verdict == "cannot tell":
        return "Which of the two was the better guide to the private score cannot be told."
    return f"In the end {'CV' if gain.verdict == 'better' else 'the board'} was the better guide to the private score."


def gap_told(gap: Gap | None, higher_is_better: bool) -> str:
    if gap is None:
        return ""
    size, noise = (f"{value:.{decimals_for([abs(gap.mean), gap.noise])}f}" for value in (abs(gap.mean), gap.noise))
    if not gap.is_shift:
        return f"CV and public score differ by {size} on average; the sampling of rows explains {noise}."
    if (gap.mean > 0) == higher_is_better:
        return (
            f"CV promises {size} more than the board gives, and the sampling of rows explains {noise}: the hold-out "
            "is not like the training rows, or the folds leak. Expect the board's level in the end, not CV's."
        )
    return (
        f"The board gives {size} more than CV promises, and the sampling of rows explains {noise}: the hold-out is "
        "predicted by the networks of all folds together, the rows of CV by one; or it is easier than the training "
        "rows, or its answers leak."
    )


def show(trust: Mapping[str, Any], console: Console | None = None) -> None:
    """Print the correlations and the advice on standard output; trust: as `Trust.to_json` tells it."""
    console = console or Console(highlight=False)
    for name, key in (("CV and public", "public"), ("CV and private", "private"), ("public and private", "board")):
        if found := trust[key]:
            numbers = ", ".join(
                f"{kind.capitalize()} {rho['score']:.2f} ({rho['low']:.2f} to {rho['high']:.2f})"
                for kind, rho in found.items()
            )
            console.print(Text(f"{name}, of {trust['entries']} entries: {numbers}"))
    console.print(Text(trust["advice"]))
