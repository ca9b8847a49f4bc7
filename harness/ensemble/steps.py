"""The steps of the ladder that are no blend: one model, views, a specialist, and what the task tunes at the end."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import cast

from harness.ensemble.declaration import Speciality
from harness.ensemble.problem import Problem
from harness.ensemble.recipe import Recipe
from harness.tasks import Calibrated, Override

Step = Callable[[Problem, Recipe], Recipe]


def best_single(problem: Problem, names: Sequence[str]) -> Recipe:
    return max((Recipe({name: 1.0}) for name in names), key=problem.quality)


def with_views(problem: Problem, recipe: Recipe) -> Recipe:
    return replace(recipe, tta=True)


SHARES = (0.25, 0.5, 0.75, 1.0)
THRESHOLDS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8)


def with_specialist(problem: Problem, recipe: Recipe, by: str, of: int, against: int | None = None) -> Recipe:
    """The share and the threshold of the specialist, by grid; the recipe itself where nothing beats it.

    A pair is only divided anew, and where scores are judged there is nothing to decide: no threshold then.
    """
    decides = against is None and problem.task.gives == "decided"
    thresholds: Sequence[float | None] = THRESHOLDS if decides else (None,)
    candidates = [
        replace(recipe, override=Override(by, of, share, threshold, against))
        for share in SHARES
        for threshold in thresholds
    ]
    return max([recipe, *candidates], key=problem.quality)


def overlaid(speciality: Speciality) -> Step:
    return lambda problem, recipe: with_specialist(problem, recipe, *speciality)


OFFSETS = (-1.0, -0.6, -0.4, -0.2, -0.1, 0.1, 0.2, 0.4, 0.6, 1.0)


def with_offsets(problem: Problem, recipe: Recipe, passes: int = 2) -> Recipe:
    """Log-probability offsets, one class after the other, for the metric instead of the likelihood."""
    offsets = (0.0,) * len(problem.task.classes)
    for _ in range(passes):
        for c in (c for c in range(len(offsets)) if c != problem.task.void):
            moved = [(*offsets[:c], offsets[c] + change, *offsets[c + 1 :]) for change in OFFSETS]
            offsets = max([offsets, *moved], key=lambda tried: problem.quality(replace(recipe, offsets=tried)))
    return replace(recipe, offsets=offsets) if any(offsets) else recipe


def with_calibration(problem: Problem, recipe: Recipe) -> Recipe:
    """Every member's scores, as the task fits them on these rows; a single member's order would stay as it is."""
    if len(recipe.weights) == 1:
        return recipe
    return replace(recipe, calibration=calibrations(problem, recipe, list(recipe.weights)))


def calibrations(
    problem: Problem, recipe: Recipe, names: Sequence[str], enough: int | None = None
) -> dict[str, Sequence[float]]:
    said, targets = problem.said(recipe, names, enough)
    task = cast(Calibrated, problem.task)
    return {name: task.calibration(each, targets) for name, each in zip(names, said, strict=True)}


TUNED: Mapping[str, Step] = {"calibration": with_calibration, "offsets": with_offsets}
