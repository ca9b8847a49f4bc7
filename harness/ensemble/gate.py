"""The gate: a step passes only if, fitted anew without each fold, it wins on that fold and hurts no class."""

import numpy as np

from harness.bootstrap import LEVEL, Comparison, compare
from harness.ensemble.oof import OOFData
from harness.ensemble.recipe import Recipe
from harness.ensemble.steps import Step


def gate(oof: OOFData, before: Recipe, after: Recipe, step: Step) -> tuple[Comparison | None, str]:
    """The gain of a step on held-out folds, and why it is refused: "" where it wins and hurts no class beyond noise.

    The step is fitted anew without each fold, and compared with `before` on that fold (paired group bootstrap).
    """
    if after == before:
        return None, "changes nothing"
    return judged(oof, before, held_out(oof, before, step))


def held_out(oof: OOFData, before: Recipe, step: Step) -> np.ndarray:
    """The statistics of every row by the step that was fitted without its fold; of a single fold, without its half of
    the groups."""
    parts = oof.folds
    if len(np.unique(parts)) == 1:
        parts = np.unique(oof.groups, return_inverse=True)[1] % 2
    statistics = oof.statistics_of(before).copy()
    for part in np.unique(parts):
        left_out = parts == part
        statistics[left_out] = oof[left_out].statistics_of(step(oof[~left_out], before))
    return statistics


def judged(oof: OOFData, before: Recipe, statistics: np.ndarray, tries: int = 1) -> tuple[Comparison, str]:
    """tries: of how many steps this one was the best; p must be that much smaller (Bonferroni).

    The classes are looked at together: of many, one would soon seem hurt by chance.
    """
    gain = compare(oof.metric, oof.statistics_of(before), statistics, oof.groups, jointly=True)
    hurt = sorted(
        (name for name, change in gain.by_class.items() if change.high < 0), key=lambda n: gain.by_class[n].score
    )
    if hurt:
        return gain, f"hurts {', '.join(hurt)}"
    if gain.verdict == "worse":
        return gain, "worse"
    return gain, "" if gain.verdict == "better" and gain.p <= LEVEL / tries else "within noise"
