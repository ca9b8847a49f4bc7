"""How members become one prediction: declared as `blend` and `Overlay`, fitted out-of-fold, gated, cross-fitted.

`fit` climbs a ladder of steps: one model, views, a blend by greedy selection, another way to combine if one is better,
a specialist, what the task tunes; each must pass `gate`. `cross_fit` does the whole climb once for every fold left out,
and scores that fold with what the others chose.
"""

from harness.ensemble.cross_fit import FittedEnsemble, StepResult, cross_fit, cross_fitted, fit
from harness.ensemble.declaration import Blend, Overlay, SpecialistRole, blend
from harness.ensemble.gate import gate
from harness.ensemble.greedy import with_bagging, with_blend, with_walk
from harness.ensemble.leave_one_out import leave_one_out
from harness.ensemble.oof import OOFData
from harness.ensemble.recipe import Member, Mix, Recipe, part_of, statistics_alone
from harness.ensemble.steps import best_single, with_calibration, with_offsets, with_specialist, with_views
from harness.ensemble.ways import WAYS

__all__ = [
    "WAYS",
    "Blend",
    "FittedEnsemble",
    "Member",
    "Mix",
    "OOFData",
    "Overlay",
    "Recipe",
    "SpecialistRole",
    "StepResult",
    "best_single",
    "blend",
    "cross_fit",
    "cross_fitted",
    "fit",
    "gate",
    "leave_one_out",
    "part_of",
    "statistics_alone",
    "with_bagging",
    "with_blend",
    "with_calibration",
    "with_offsets",
    "with_specialist",
    "with_views",
    "with_walk",
]  # fmt: skip
