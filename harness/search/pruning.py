"""Who goes on: a variant that a paired test tells from the best, or a curve far below the others', ends early."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from harness.bootstrap import compare
from harness.metrics import Metric

SHARES = (1 / 3, 2 / 3)  # of the schedule, at which a learning curve is looked at
HOPELESS = 25.0  # percentile of the curves that were seen, below which one is cut
CURVES = 4  # so many must have been seen


@dataclass
class Race:
    """racing: test finished folds against the best variant's; cutting: learning curves inside a fold.

    statistics: variant -> fold -> statistics of the fold's rows; groups: of the rows, by fold.
    """

    metric: Metric
    groups: Mapping[int, np.ndarray]
    racing: bool = True
    cutting: bool = True
    best: str | None = None
    statistics: dict[str, dict[int, np.ndarray]] = field(default_factory=dict)
    curves: dict[int, list[Mapping[float, float]]] = field(default_factory=dict)

    def saw(self, name: str, fold: int, statistics: np.ndarray, curve: Mapping[float, float]) -> None:
        self.statistics.setdefault(name, {})[fold] = statistics
        self.saw_curve(fold, curve)

    def saw_curve(self, fold: int, curve: Mapping[float, float]) -> None:
        """Also of those that are cut: a quarter of the survivors alone would be more every time."""
        self.curves.setdefault(fold, []).append(curve)

    def score(self, name: str) -> float:
        """Of all rows so far."""
        return float(self.metric.score(self.all_rows(name)))

    def all_rows(self, name: str) -> np.ndarray:
        """The statistics of its folds, one after the other."""
        return self._rows(name, sorted(self.statistics[name]))

    def _rows(self, name: str, folds: Sequence[int]) -> np.ndarray:
        return np.concatenate([self.statistics[name][fold] for fold in folds])

    def quality(self, name: str) -> float:
        return self.score(name) if self.metric.higher_is_better else -self.score(name)

    def crown(self, name: str) -> None:
        """A complete variant: is it the best now?"""
        if self.best is None or self.quality(name) > self.quality(self.best):
            self.best = name

    def lost(self, name: str) -> str:
        """Why a variant need not go on: on the rows of its folds it is worse than the best, by more than noise."""
        if not self.racing or self.best is None or name == self.best:
            return ""
        shared = sorted(set(self.statistics[name]) & set(self.statistics[self.best]))
        groups = np.concatenate([self.groups[fold] for fold in shared])
        gain = compare(self.metric, self._rows(self.best, shared), self._rows(name, shared), groups)
        if gain.verdict != "worse":
            return ""
        of = f"fold {shared[0]}" if len(shared) == 1 else f"{len(shared)} folds"
        return f"worse than {self.best} on {of}: {gain.difference:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})"

    def limits(self, fold: int) -> dict[float, float]:
        """Share of the schedule -> the least quality that is let through."""
        if not self.cutting:
            return {}
        seen = self.curves.get(fold, [])
        return {share: _percentile([curve[share] for curve in seen if share in curve]) for share in SHARES}


def _percentile(values: Sequence[float]) -> float:
    return float(np.percentile(values, HOPELESS)) if len(values) >= CURVES else -np.inf
