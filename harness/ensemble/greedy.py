"""Greedy ensemble selection with replacement (Caruana et al. 2004)."""

from collections.abc import Sequence
from dataclasses import replace

from harness.ensemble.oof import OOFData
from harness.ensemble.recipe import Recipe

ROUNDS = 12


def with_blend(oof: OOFData, recipe: Recipe, names: Sequence[str], rounds: int = ROUNDS) -> Recipe:
    """Start from the recipe's members; add the member that helps the metric most, again and again, while one does."""
    bag = tuple(recipe.weights)
    best = oof.quality(weighted(recipe, bag))
    for _ in range(rounds):
        quality = {name: oof.quality(weighted(recipe, (*bag, name))) for name in names}
        added = max(quality, key=lambda name: quality[name])
        if quality[added] <= best:
            break
        bag, best = (*bag, added), quality[added]
    return weighted(recipe, bag)


def weighted(recipe: Recipe, bag: Sequence[str]) -> Recipe:
    """The recipe with the share of the bag that each member has; sorted, so that equal bags are equal recipes."""
    return replace(recipe, weights={name: bag.count(name) / len(bag) for name in sorted(set(bag))})
