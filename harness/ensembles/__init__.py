"""How members become one prediction: declared as `blend` and `Overlay`, fitted out-of-fold, gated, cross-fitted.

`fit` climbs a ladder of steps: one model, views, a blend by greedy selection, another way to combine if one is better,
a specialist, what the task tunes; each must pass `gate`. `cross_fit` does the whole climb once for every fold left out,
and scores that fold with what the others chose.
"""

from harness.ensembles.declared import Blend, Overlay, Speciality, blend
from harness.ensembles.gate import gate
from harness.ensembles.greedy import with_bagging, with_blend, with_walk
from harness.ensembles.ladder import Ladder, Rung, cross_fit, cross_fitted, fit
from harness.ensembles.parts import leave_one_out
from harness.ensembles.problem import Problem
from harness.ensembles.recipe import Member, Mix, Recipe, part_of, statistics_alone
from harness.ensembles.steps import best_single, with_calibration, with_offsets, with_specialist, with_views
from harness.ensembles.ways import WAYS

__all__ = [
    "WAYS", "Blend", "Ladder", "Member", "Mix", "Overlay", "Problem", "Recipe", "Rung", "Speciality", "best_single",
    "blend", "cross_fit", "cross_fitted", "fit", "gate", "leave_one_out", "part_of", "statistics_alone", "with_bagging",
    "with_blend", "with_calibration", "with_offsets", "with_specialist", "with_views", "with_walk",
]  # fmt: skip
