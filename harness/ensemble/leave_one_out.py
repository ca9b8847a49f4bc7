"""What every member adds: the ensemble against the same one without it, on the rows on which it was fitted."""

from harness.bootstrap import Comparison, compare
from harness.ensemble.oof import OOFData
from harness.ensemble.recipe import Recipe


def leave_one_out(oof: OOFData, recipe: Recipe) -> dict[str, Comparison | None]:
    """By member of the recipe, the gain of having it; None for one that is alone, without which there is nothing."""
    return {name: gain_of(oof, recipe, name) for name in recipe.names}


def gain_of(oof: OOFData, recipe: Recipe, name: str) -> Comparison | None:
    left = recipe.without(name)
    if left == recipe or not left.weights:
        return None
    return compare(oof.metric, oof.statistics_of(left), oof.statistics_of(recipe), oof.groups)
