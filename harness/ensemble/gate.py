"""The gate: a step passes only if, fitted without each fold, it wins on that fold and hurts no class.

`gain_of`: what a member adds to the ensemble that was fitted.
"""

import numpy as np

from harness.bootstrap import Comparison, compare
from harness.ensemble.oof import OOFData
from harness.ensemble.recipe import Recipe
from harness.ensemble.steps import Step

NAMED = 3  # classes named in a refusal: the worst


def gate(oof: OOFData, before: Recipe, after: Recipe, step: Step) -> tuple[Comparison | None, str]:
    """The gain of a step on held-out folds, and why it is refused: "" where it wins and hurts no class beyond noise.

    The step is fitted without each fold, and compared with `before` on that fold by a paired group bootstrap. The
    intervals of all classes hold at once (Bonferroni): of many classes, one would soon seem hurt by chance.
    """
    if after == before:
        return None, "changes nothing"
    gain = compare(oof.metric, oof.statistics_of(before), held_out(oof, before, step), oof.groups, jointly=True)
    hurt = {name: change.score for name, change in gain.by_class.items() if change.high < 0}
    if hurt:
        worst = sorted(hurt, key=lambda name: hurt[name])[:NAMED]
        more = f" and {len(hurt) - len(worst)} more" if len(hurt) > len(worst) else ""
        return gain, f"hurts {', '.join(worst)}{more}"
    return gain, {"better": "", "worse": "worse"}.get(gain.verdict, "within noise")


def held_out(oof: OOFData, before: Recipe, step: Step) -> np.ndarray:
    """The statistics of every row by the step that was fitted without its fold; where there is a single fold, without
    its half of the groups."""
    parts = oof.folds
    if len(np.unique(parts)) == 1:
        parts = np.unique(oof.groups, return_inverse=True)[1] % 2
    statistics = oof.statistics_of(before).copy()
    for part in np.unique(parts):
        left_out = parts == part
        statistics[left_out] = oof[left_out].statistics_of(step(oof[~left_out], before))
    return statistics


def gain_of(oof: OOFData, recipe: Recipe, name: str) -> Comparison | None:
    """The recipe against the same one without this member, on the rows on which it was fitted; None for one alone."""
    left = recipe.without(name)
    if left == recipe or not left.weights:
        return None
    return compare(oof.metric, oof.statistics_of(left), oof.statistics_of(recipe), oof.groups)
