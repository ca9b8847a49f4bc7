"""Pruning: a variant that a paired test finds worse than the best, or whose learning curve is low, stops early.

Optuna's pruners compare one number per step. On few rows a paired test on the same rows tells variants apart sooner.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from harness.bootstrap import compare
from harness.metrics import Metric

SHARES = (1 / 3, 2 / 3)  # of the schedule, at which a learning curve is scored
PERCENTILE = 25.0  # of the curves so far, below which a fold is pruned
MIN_CURVES = 4  # as many curves are needed first


@dataclass
class Pruner:
    """paired: compare finished folds with the best variant's. curves: compare learning curves inside a fold.

    groups: fold -> (rows,) the group of each row. statistics: variant -> fold -> the rows' statistics. best: the name
    of the best complete variant.
    """

    metric: Metric
    groups: Mapping[int, np.ndarray]
    paired: bool = True
    curves: bool = True
    best: str | None = None
    statistics: dict[str, dict[int, np.ndarray]] = field(default_factory=dict)
    seen: dict[int, list[Mapping[float, float]]] = field(default_factory=dict)  # fold -> curves: share -> quality

    def add(self, name: str, fold: int, statistics: np.ndarray, curve: Mapping[float, float]) -> None:
        self.statistics.setdefault(name, {})[fold] = statistics
        self.add_curve(fold, curve)

    def add_curve(self, fold: int, curve: Mapping[float, float]) -> None:
        """Also of pruned folds: the percentile of the survivors alone would rise every time."""
        self.seen.setdefault(fold, []).append(curve)

    def rows(self, name: str, folds: Sequence[int] | None = None) -> np.ndarray:
        """The statistics of these folds, or of all so far, one after the other."""
        wanted = sorted(self.statistics[name]) if folds is None else folds
        return np.concatenate([self.statistics[name][fold] for fold in wanted])

    def score(self, name: str) -> float:
        """The score of all rows so far."""
        return float(self.metric.score(self.rows(name)))

    def complete(self, name: str) -> None:
        """Make a complete variant the best one where it scores better."""
        sign = 1 if self.metric.higher_is_better else -1
        if self.best is None or sign * self.score(name) > sign * self.score(self.best):
            self.best = name

    def worse(self, name: str) -> str:
        """The reason to prune: on the rows of its folds the variant is worse than the best beyond noise; else ""."""
        if not self.paired or self.best is None or name == self.best:
            return ""
        shared = sorted(set(self.statistics[name]) & set(self.statistics[self.best]))
        groups = np.concatenate([self.groups[fold] for fold in shared])
        gain = compare(self.metric, self.rows(self.best, shared), self.rows(name, shared), groups)
        if gain.verdict != "worse":
            return ""
        of = f"fold {shared[0]}" if len(shared) == 1 else f"{len(shared)} folds"
        return f"worse than {self.best} on {of}: {gain.difference:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})"

    def limits(self, fold: int) -> dict[float, float]:
        """Share of the schedule -> the least quality with which a fold goes on; -inf while there are few curves."""
        if not self.curves:
            return {}
        values = {share: [curve[share] for curve in self.seen.get(fold, []) if share in curve] for share in SHARES}
        return {
            share: float(np.percentile(found, PERCENTILE)) if len(found) >= MIN_CURVES else -np.inf
            for share, found in values.items()
        }
