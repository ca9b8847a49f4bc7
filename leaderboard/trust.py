"""Trust CV or the board? How alike they rank the entries, and whether they differ by more than the rows explain."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from harness.bootstrap import Interval, compare, interval
from harness.metrics import Metric
from leaderboard.board import Board
from leaderboard.cli.text import decimals_for
from leaderboard.entries import ScoredEntry, is_late

MIN_ENTRIES = 5  # the ranks of fewer mean nothing
MAX_ENTRIES = 500  # the latest ones: Kendall compares every pair
DISAGREE = 0.5  # a rank correlation below which CV and the board certainly differ


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
    """The agreement of CV and board; a part is None without enough entries or before the reveal.

    entries: how many have a CV score. public, private: agreement of CV with that score; board: of the public score
    with the private one. gap: over the entries whose manifest has an interval of the CV score.
    """

    entries: int
    public: Agreement | None
    private: Agreement | None
    board: Agreement | None
    gap: Gap | None
    advice: str

    def to_json(self) -> dict[str, Any]:
        fields: dict[str, Any] = {"entries": self.entries}
        for name in ("public", "private", "board"):
            agreement: Agreement | None = getattr(self, name)
            fields[name] = agreement and {kind: value._asdict() for kind, value in agreement._asdict().items()}
        gap = self.gap and self.gap._asdict() | {"is_shift": self.gap.is_shift}
        return fields | {"gap": gap, "advice": self.advice}


def read_trust(board: Board) -> Trust:
    """Compare the scores of all entries with a CV score, the same file once; private ones only after the reveal."""
    counted = [
        entry for entry in board.entries.all if entry.cv is not None and entry.team not in board.host.disqualified
    ]
    entries = list({entry.sha256: entry for entry in reversed(counted)}.values())[:MAX_ENTRIES]
    on_time = [entry for entry in entries if entry.private and not is_late(entry, board.revealed_at)]
    pairs = np.array([(entry.cv, entry.public.score) for entry in entries], float).reshape(-1, 2)
    final = np.array([(entry.cv, entry.public.score, entry.on("private").score) for entry in on_time], float)
    final = final.reshape(-1, 3)
    gap, agreed = mean_gap(entries), agreement(pairs)
    advice = (rank_advice(agreed, len(entries), gap), _final_advice(final), gap_advice(gap, board.higher_is_better))
    private, of_board = agreement(final[:, [0, 2]]), agreement(final[:, [1, 2]])
    return Trust(len(entries), agreed, private, of_board, gap, " ".join(filter(None, advice)))


def mean_gap(entries: Sequence[ScoredEntry]) -> Gap | None:
    """Over the entries whose CV score has an interval; None if there are none."""
    known = [
        (entry.cv - entry.public.score, math.hypot(entry.cv_noise, (entry.public.high - entry.public.low) / 2))
        for entry in entries
        if entry.cv is not None and entry.cv_noise is not None
    ]
    return Gap(*map(float, np.mean(known, axis=0))) if known else None


# -- rank correlation --------------------------------------------------------------------------------------------------


class Spearman(Metric):
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
        rho = _correlation((weights * x * y).sum(-1), (weights * x * x).sum(-1), (weights * y * y).sum(-1))
        return float(rho[0]) if counts is None else rho


class Kendall(Spearman):
    """Kendall's tau-b: of all pairs of entries, how many more are ordered alike than not."""

    name = "Kendall"

    def score(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> Any:
        weights = np.ones((1, len(statistics))) if counts is None else counts.astype(float)
        x, y = (np.sign(v[:, None] - v) for v in statistics.T)
        tau = _correlation(*(((weights @ pairs) * weights).sum(-1) for pairs in (x * y, x * x, y * y)))
        return float(tau[0]) if counts is None else tau


def _correlation(both: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """NaN if one of them does not vary."""
    spread = np.sqrt(x * y)
    return np.where(spread > 0, both / np.where(spread > 0, spread, 1), np.nan)


def agreement(pairs: np.ndarray) -> Agreement | None:
    """Return the rank correlations of pairs (n, 2); None for too few entries, or if one side is constant."""
    if len(pairs) < MIN_ENTRIES or not np.ptp(pairs, axis=0).all():
        return None
    return Agreement(interval(Spearman(), pairs, None), interval(Kendall(), pairs, None))


# -- sentences ---------------------------------------------------------------------------------------------------------


def rank_advice(agreed: Agreement | None, entries: int, gap: Gap | None) -> str:
    unknown = "Cannot tell whether CV ranks as the board does"
    if entries < MIN_ENTRIES:
        return f"{unknown}: {MIN_ENTRIES} different files with a CV score are needed, and there are {entries}."
    if agreed is None:
        return f"{unknown}: all entries have the same score."
    rho, low, high = agreed.spearman
    range_of_rho = f"rank correlation {rho:.2f}, 95 %: {low:.2f} to {high:.2f}"
    if low > 0:
        return f"CV and the board rank alike ({range_of_rho}): choose by CV, which the board confirms."
    if high < DISAGREE:
        guide = "the board, for the hold-out is not like the training rows" if gap and gap.is_shift else "CV"
        return f"CV and the board do not rank alike ({range_of_rho}): trust {guide}."
    return f"{unknown} ({range_of_rho})."


def _final_advice(final: np.ndarray) -> str:
    """After the reveal: which of the two was the better guide."""
    if len(final) < MIN_ENTRIES or not np.ptp(final, axis=0).all():
        return ""
    gain = compare(Spearman(), final[:, 1:], final[:, [0, 2]], None)
    if gain.verdict == "cannot tell":
        return "Which of the two was the better guide to the private score cannot be told."
    return f"In the end {'CV' if gain.verdict == 'better' else 'the board'} was the better guide to the private score."


def gap_advice(gap: Gap | None, higher_is_better: bool) -> str:
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
