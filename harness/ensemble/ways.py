"""Ways to combine the members beside greedy selection: each a step, offered by `Task.combines`, judged by the gate."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import cast

import numpy as np

from harness.ensemble.greedy import in_parts, likely, with_bagging, with_walk
from harness.ensemble.mixing import least_squares, levels, logistic
from harness.ensemble.oof import OOFData
from harness.ensemble.recipe import Mix, Recipe
from harness.ensemble.steps import calibrations
from harness.tasks import Probabilistic

Way = Callable[[OOFData, Recipe, Sequence[str]], Recipe]

ENOUGH, FEW = 100_000, 5_000  # labels that shares and ranks are fitted on, and that a regression is


def with_least_squares(oof: OOFData, recipe: Recipe, names: Sequence[str]) -> Recipe:
    """The shares, none negative, of the mean that comes nearest to the truth."""
    chosen = heard(oof, recipe, names)
    said, truth = evidence(oof, recipe, chosen)
    shares = least_squares(said, truth)
    return replace(recipe, weights=in_parts(dict(zip(chosen, shares.tolist(), strict=True))))


def with_temperatures(oof: OOFData, recipe: Recipe, names: Sequence[str]) -> Recipe:
    """Each member as sure as it is right (Guo et al. 2017), then weighed as before; alike, where only one was."""
    even = equal(oof, recipe, names)
    return replace(even, calibration=calibrations(oof, recipe, list(even.weights), ENOUGH))


def with_geometric_mean(oof: OOFData, recipe: Recipe, names: Sequence[str]) -> Recipe:
    return replace(equal(oof, recipe, names), mix=Mix("geometric", {}))


def with_ranks(oof: OOFData, recipe: Recipe, names: Sequence[str]) -> Recipe:
    even = equal(oof, recipe, names)
    said, _ = evidence(oof, recipe, list(even.weights))
    return replace(even, mix=Mix("rank", {name: levels(each) for name, each in zip(even.weights, said, strict=True)}))


def with_class_weights(oof: OOFData, recipe: Recipe, names: Sequence[str]) -> Recipe:
    """For every class the shares that come nearest to its truth."""
    chosen = heard(oof, recipe, names)
    said, truth = evidence(oof, recipe, chosen)
    shares = [least_squares([each[:, c] for each in said], truth[:, c]) for c in range(truth.shape[1])]
    of = {name: np.round(own, 2).tolist() for name, own in zip(chosen, np.transpose(shares), strict=True)}
    kept = {name: own for name, own in of.items() if any(own)}
    weights = {name: float(np.mean(own)) for name, own in kept.items()}
    return replace(recipe, weights=weights, mix=Mix("class-wise", kept))


def with_stacking(oof: OOFData, recipe: Recipe, names: Sequence[str]) -> Recipe:
    """A logistic regression; the weights that are shown are the sizes of its coefficients."""
    chosen = heard(oof, recipe, names)
    said, truth = evidence(oof, recipe, chosen)
    some = np.linspace(0, len(truth) - 1, min(len(truth), FEW)).astype(int)
    if truth[some].any(0).sum() < 2:
        return recipe  # one class alone has nothing to be told from
    own, common = logistic([each[some] for each in said], truth[some])
    size = [float(np.abs(each).sum()) for each in own]
    if not any(size):
        return recipe  # nobody says of one row what it does not say of the others
    weights = {name: part / sum(size) for name, part in zip(chosen, size, strict=True)}
    return replace(recipe, weights=weights, mix=Mix("stacking", dict(zip(chosen, own, strict=True)) | {"": common}))


WAYS: Mapping[str, Way] = {
    "bagged": with_bagging,
    "simplex": with_walk,
    "least squares": with_least_squares,
    "temperatures": with_temperatures,
    "geometric": with_geometric_mean,
    "rank": with_ranks,
    "class-wise": with_class_weights,
    "stacking": with_stacking,
}


def heard(oof: OOFData, recipe: Recipe, names: Sequence[str]) -> list[str]:
    """The members that greedy selection took; where it took one alone, the best of all."""
    return list(recipe.weights) if len(recipe.weights) > 1 else likely(oof, recipe, names)


def equal(oof: OOFData, recipe: Recipe, names: Sequence[str]) -> Recipe:
    """The recipe, with equal weights where it has only one member."""
    chosen = heard(oof, recipe, names)
    return recipe if len(recipe.weights) > 1 else replace(recipe, weights=dict.fromkeys(chosen, 1 / len(chosen)))


def evidence(oof: OOFData, recipe: Recipe, names: Sequence[str]) -> tuple[list[np.ndarray], np.ndarray]:
    """What these members say of these rows as (m, columns) each, and the truth (m, columns)."""
    return cast(Probabilistic, oof.task).evidence(*oof.said(recipe, names, ENOUGH))
