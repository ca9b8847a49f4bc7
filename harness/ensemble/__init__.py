"""How members become one prediction: declared as `blend`, fitted out-of-fold, gated and cross-fitted.

`fit` goes through the steps: best single model, the least score of an object where the metric counts every one,
test-time augmentation, greedy blend, stacking, class specialist, and what the task tunes last. Each must pass `gate`.
`cross_fit` does all of it once more for every fold left out, and scores that fold with what was chosen on the others.
"""

from harness.ensemble.cross_fitting import FittedEnsemble, StepResult, cross_fit, cross_fitted, fit
from harness.ensemble.declaration import Blend, SpecialistRole, blend
from harness.ensemble.gate import gain_of, gate
from harness.ensemble.oof import OOFData
from harness.ensemble.recipe import Member, Recipe, part_of, statistics_alone
from harness.ensemble.steps import (
    best_single,
    with_blend,
    with_calibration,
    with_cut,
    with_offsets,
    with_specialist,
    with_stacking,
    with_views,
)

__all__ = [
    "Blend",
    "FittedEnsemble",
    "Member",
    "OOFData",
    "Recipe",
    "SpecialistRole",
    "StepResult",
    "best_single",
    "blend",
    "cross_fit",
    "cross_fitted",
    "fit",
    "gain_of",
    "gate",
    "part_of",
    "statistics_alone",
    "with_blend",
    "with_calibration",
    "with_cut",
    "with_offsets",
    "with_specialist",
    "with_stacking",
    "with_views",
]
