"""A class specialist: a model that may change one class, with a share and a threshold that are searched by grid.

p'_c = (1 - share) p_c + share s_c, renormalised; class c wins where p'_c exceeds the threshold.
"""

from collections.abc import Sequence
from dataclasses import replace

from harness.ensemble.declaration import SpecialistRole
from harness.ensemble.oof import OOFData
from harness.ensemble.recipe import Recipe
from harness.tasks import ClassSpecialist

SHARES = (0.25, 0.5, 0.75, 1.0)
THRESHOLDS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8)


def with_specialist(role: SpecialistRole, oof: OOFData, recipe: Recipe) -> Recipe:
    """The recipe with the best share and threshold, or as it was (a share of 0) where no specialist is better.

    There is no threshold for a pair, whose two classes only divide what they have together, and none where
    probabilities are submitted.
    """
    decides = role.versus is None and oof.task.output == "labels"
    thresholds: Sequence[float | None] = THRESHOLDS if decides else (None,)
    best, quality = recipe, oof.quality(recipe)
    for share in SHARES:
        blended = oof.blend(specialised(recipe, role, share, None))
        for threshold in thresholds:
            candidate = specialised(recipe, role, share, threshold)
            found = oof.quality_of(oof.statistics(candidate.decided(oof.task, blended)))
            if found > quality:
                best, quality = candidate, found
    return best


def specialised(recipe: Recipe, role: SpecialistRole, share: float, threshold: float | None) -> Recipe:
    specialist = ClassSpecialist(role.model, role.target_class, share, threshold, role.versus)
    return replace(recipe, class_specialist=specialist)
