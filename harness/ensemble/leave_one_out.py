"""What every member adds: the same ensemble without it, on the rows on which the weights were fitted."""

from harness.bootstrap import Comparison, compare
from harness.ensemble.problem import Problem
from harness.ensemble.recipe import Recipe


def leave_one_out(problem: Problem, recipe: Recipe) -> dict[str, Comparison | None]:
    """By member of the recipe, the gain of having it; None for one that is alone, without which there is nothing."""
    return {name: gain_of(problem, recipe, name) for name in recipe.names}


def gain_of(problem: Problem, recipe: Recipe, name: str) -> Comparison | None:
    left = recipe.without(name)
    if left == recipe or not left.weights:
        return None
    return compare(problem.metric, problem.statistics_of(left), problem.statistics_of(recipe), problem.groups)
