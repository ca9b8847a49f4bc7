"""The steps of the ladder that are no blend: one model, views, a specialist, and what the task tunes at the end."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import cast

from harness.ensemble.declaration import SpecialistRole
from harness.ensemble.oof import OOFData
from harness.ensemble.recipe import Recipe
from harness.tasks import Calibrated, ClassSpecialist

Step = Callable[[OOFData, Recipe], Recipe]


def best_single(oof: OOFData, names: Sequence[str]) -> Recipe:
    return max((Recipe({name: 1.0}) for name in names), key=oof.quality)


def with_views(oof: OOFData, recipe: Recipe) -> Recipe:
    return replace(recipe, tta=True)


SHARES = (0.25, 0.5, 0.75, 1.0)
THRESHOLDS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8)


def with_specialist(oof: OOFData, recipe: Recipe, by: str, of: int, versus: int | None = None) -> Recipe:
    """The share and the threshold of the specialist, by grid; the recipe itself where nothing beats it.

    A pair is only divided anew, and where scores are judged there is nothing to decide: no threshold then.
    """
    decides = versus is None and oof.task.output == "labels"
    thresholds: Sequence[float | None] = THRESHOLDS if decides else (None,)
    candidates = [
        replace(recipe, class_specialist=ClassSpecialist(by, of, share, threshold, versus))
        for share in SHARES
        for threshold in thresholds
    ]
    return max([recipe, *candidates], key=oof.quality)


def overlaid(speciality: SpecialistRole) -> Step:
    return lambda oof, recipe: with_specialist(oof, recipe, *speciality)


OFFSETS = (-1.0, -0.6, -0.4, -0.2, -0.1, 0.1, 0.2, 0.4, 0.6, 1.0)


def with_offsets(oof: OOFData, recipe: Recipe, passes: int = 2) -> Recipe:
    """Log-probability offsets, one class after the other, for the metric instead of the likelihood."""
    offsets = (0.0,) * len(oof.task.classes)
    for _ in range(passes):
        for c in (c for c in range(len(offsets)) if c != oof.task.void):
            moved = [(*offsets[:c], offsets[c] + change, *offsets[c + 1 :]) for change in OFFSETS]
            offsets = max([offsets, *moved], key=lambda tried: oof.quality(replace(recipe, offsets=tried)))
    return replace(recipe, offsets=offsets) if any(offsets) else recipe


def with_calibration(oof: OOFData, recipe: Recipe) -> Recipe:
    """Every member's scores, as the task fits them on these rows; a single member's order would stay as it is."""
    if len(recipe.weights) == 1:
        return recipe
    return replace(recipe, calibration=calibrations(oof, recipe, list(recipe.weights)))


def calibrations(
    oof: OOFData, recipe: Recipe, names: Sequence[str], enough: int | None = None
) -> dict[str, Sequence[float]]:
    said, targets = oof.said(recipe, names, enough)
    task = cast(Calibrated, oof.task)
    return {name: task.calibration(each, targets) for name, each in zip(names, said, strict=True)}


TUNED: Mapping[str, Step] = {"calibration": with_calibration, "offsets": with_offsets}
