"""The ensemble's members: what each weighs, is worth alone and adds, and how alike they err."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from harness.bootstrap import Comparison, Interval
from harness.ensemble import Recipe
from harness.ensemble.leave_one_out import gain_of
from harness.report.run import LastRun

MOST = 12  # in the table of correlations


class Part(NamedTuple):
    """weight: of the blend; gain: of having it, against the same ensemble without it, None where that is none."""

    name: str
    weight: float
    role: str
    alone: Interval
    gain: Comparison | None


def parts(run: LastRun) -> list[Part]:
    """The heaviest first, then those that were left out, the best first."""
    scores = {name: interval_of(score) for name, score in run.card["models"].items() if name in run.oof.members}
    oof, recipe = run.oof, run.recipe
    made = [
        Part(name, recipe.weights.get(name, 0.0), role(recipe, name), alone, gain_of(oof, recipe, name))
        for name, alone in scores.items()
    ]
    return sorted(made, key=lambda part: (-part.weight, not part.role, -run.sign * part.alone.score))


def interval_of(told: Mapping[str, Any]) -> Interval:
    return Interval(told["score"], told["low"], told["high"])


def role(recipe: Recipe, name: str) -> str:
    """ "" for a member of the blend, and for one that was left out."""
    return "specialist" if recipe.class_specialist and recipe.class_specialist.model == name else ""


def correlations(run: LastRun, members: Sequence[Part]) -> tuple[list[str], list[list[float | None]]]:
    """Pearson's, of how far every row is from its truth: 1 means that two members err alike, and add nothing."""
    thinned = run.oof.subsample()
    names = [part.name for part in members][:MOST]
    said = [thinned.members[name].tta if run.recipe.tta else thinned.members[name].plain for name in names]
    misses = [run.competition.task.account.misses(thinned.targets, prediction) for prediction in said]
    return names, [[correlation(a, b) for b in misses] for a in misses]


def correlation(a: np.ndarray, b: np.ndarray) -> float | None:
    """None where one of them does not vary."""
    if a.std() == 0 or b.std() == 0:
        return None
    return float(np.corrcoef(a, b)[0, 1])
