"""Weights that are searched with the metric itself: greedy selection, the same in bags, and a walk on the simplex.

All weights are whole multiples of a small share, so that the climbs without a fold ask for the same blends again.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from harness.bootstrap import resamples
from harness.ensemble.oof import OOFData
from harness.ensemble.recipe import Recipe

Bag = tuple[str, ...]

ROUNDS = 12
BAGS = 10
MOST = 8  # members that bags and walks choose among: those that greedy selection took, then the best alone
STEPS = (4, 2, 1)  # of a walk, in twentieths
PARTS = 20


def with_blend(oof: OOFData, recipe: Recipe, names: Sequence[str], rounds: int = ROUNDS) -> Recipe:
    """Greedy selection with replacement (Caruana et al. 2004), from the recipe's own member, while it helps."""
    return blended(recipe, climbed(tuple(recipe.weights), names, quality_of_bags(oof, recipe), rounds))


def climbed(bag: Bag, names: Sequence[str], quality: Callable[[Bag], float], rounds: int = ROUNDS) -> Bag:
    """The bag with one more member, the best one, again and again, while that helps."""
    for _ in range(rounds):
        best = max((tuple(sorted((*bag, name))) for name in names), key=quality)
        if quality(best) <= quality(bag):
            break
        bag = best
    return bag


def blended(recipe: Recipe, bag: Bag) -> Recipe:
    return replace(recipe, weights={name: bag.count(name) / len(bag) for name in sorted(set(bag))})


def quality_of_bags(oof: OOFData, recipe: Recipe, counts: np.ndarray | None = None) -> Callable[[Bag], float]:
    """counts: how often each row was drawn."""
    return cache(lambda bag: oof.quality_of(oof.statistics_of(blended(recipe, bag)), counts))


def with_bagging(oof: OOFData, recipe: Recipe, names: Sequence[str]) -> Recipe:
    """Greedy selection on `BAGS` resamples of the groups, and the mean of its weights: what one lucky row chose weighs
    little (Caruana et al. 2006 draw models instead, which leaves nothing of two).
    """
    chosen, weights = likely(oof, recipe, names), dict[str, float]()
    for counts in next(resamples(oof.groups, len(oof.folds)))[:BAGS]:
        quality = quality_of_bags(oof, recipe, counts)
        bag = climbed((max(chosen, key=lambda name: quality((name,))),), chosen, quality)
        for name in bag:
            weights[name] = weights.get(name, 0.0) + 1 / len(bag) / BAGS
    return replace(recipe, weights=in_parts(weights))


def with_walk(oof: OOFData, recipe: Recipe, names: Sequence[str]) -> Recipe:
    """From equal weights, a twentieth or more from one member to another, the best such move, while that helps."""
    chosen = likely(oof, recipe, names)

    @cache
    def quality(parts: tuple[int, ...]) -> float:
        return oof.quality(recipe_of(parts))

    def recipe_of(parts: tuple[int, ...]) -> Recipe:
        return replace(recipe, weights={name: n / PARTS for name, n in zip(chosen, parts, strict=True) if n})

    here = tuple(PARTS // len(chosen) + (k < PARTS % len(chosen)) for k in range(len(chosen)))
    for step in STEPS:
        while (best := max(moves(here, step), key=quality, default=here)) != here and quality(best) > quality(here):
            here = best
    return recipe_of(here)


def moves(parts: tuple[int, ...], step: int) -> list[tuple[int, ...]]:
    count = range(len(parts))
    return [
        tuple(n + step * ((k == to) - (k == giver)) for k, n in enumerate(parts))
        for giver in count
        for to in count
        if giver != to and parts[giver] >= step
    ]


def likely(oof: OOFData, recipe: Recipe, names: Sequence[str]) -> list[str]:
    """At most `MOST` of these names, in their order: those that the recipe has, the heaviest first, then the best."""
    alone = {name: oof.quality(replace(recipe, weights={name: 1.0})) for name in names}
    best = sorted(names, key=lambda name: (-recipe.weights.get(name, 0.0), -alone[name]))[:MOST]
    return [name for name in names if name in best]


def in_parts(weights: dict[str, float]) -> dict[str, float]:
    """The nearest twentieths, those that are none left out."""
    rounded = {name: round(weight * PARTS) / PARTS for name, weight in weights.items()}
    kept = {name: weight for name, weight in sorted(rounded.items()) if weight}
    return {name: weight / sum(kept.values()) for name, weight in kept.items()}
