"""`fit` tries one step after the other on some rows; `cross_fit` does it once more without each fold."""

from typing import NamedTuple

import numpy as np

from harness.bootstrap import Comparison
from harness.ensemble.declaration import Blend
from harness.ensemble.gate import gate
from harness.ensemble.oof import OOFData
from harness.ensemble.recipe import Recipe
from harness.ensemble.steps import BLEND, best_single, steps
from harness.metrics import Metric


class StepResult(NamedTuple):
    """The result of one step. gain: on held-out folds; recipe: the one to go on with.

    variant: "with test-time augmentation" where a blend brought the views that were refused before it, else "".
    """

    step: str
    accepted: bool
    reason: str
    gain: Comparison | None
    recipe: Recipe
    variant: str = ""


class FittedEnsemble(NamedTuple):
    """The result of `cross_fit`. statistics: after every step, cross-fitted, at full resolution, rows aligned.

    accepted: in how many of the fits without a fold the step was taken. in_sample: the score on the fitted rows.
    without: fold -> the recipe that was fitted on the other folds.
    """

    step_results: list[StepResult]
    statistics: list[np.ndarray]
    accepted: list[int]
    in_sample: float
    without: dict[int, Recipe]

    @property
    def recipe(self) -> Recipe:
        return self.step_results[-1].recipe


def cross_fit(oof: OOFData, declared: Blend) -> FittedEnsemble:
    """Fit on all rows for use; and for every fold on the other folds, to be scored on that fold.

    With a single fold nothing can be left out: the result is the best single model, as it is.
    """
    thinned, folds = oof.subsample(), np.unique(oof.folds)
    step_results = fit(thinned, declared) if len(folds) > 1 else [single(thinned, declared)]
    whole = oof.statistics_of(step_results[-1].recipe)
    in_sample = float(oof.metric.score(whole))
    if len(folds) == 1:
        return FittedEnsemble(step_results, [whole], [1], in_sample, {int(folds[0]): step_results[0].recipe})
    statistics = [np.empty_like(whole) for _ in step_results]
    accepted, without = [0] * len(step_results), dict[int, Recipe]()
    for fold in folds:
        left_out = oof.folds == fold
        rows = oof[left_out]
        for k, step_result in enumerate(fit(thinned[~left_out], declared)):
            statistics[k][left_out] = rows.statistics_of(step_result.recipe)
            accepted[k] += step_result.accepted
            without[int(fold)] = step_result.recipe
    return FittedEnsemble(step_results, statistics, accepted, in_sample, without)


def fit(oof: OOFData, declared: Blend) -> list[StepResult]:
    """Try every step on these rows alone; models that are declared and not among the members are left out."""
    names = [name for name in declared.names if name in oof.members]
    step_results = [single(oof, declared)]
    for title, step in steps(oof, declared, names):
        before = step_results[-1].recipe
        candidate = step(oof, before)
        gain, refusal = gate(oof, before, candidate, step)
        brings_views = title == BLEND and not refusal and candidate.tta and not before.tta
        variant = "with test-time augmentation" if brings_views else ""
        chosen = before if refusal else candidate
        step_results.append(StepResult(title, not refusal, refusal, gain, chosen, variant))
    return step_results


def single(oof: OOFData, declared: Blend) -> StepResult:
    recipe = best_single(oof, [name for name in declared.names if name in oof.members])
    return StepResult(f"best single model ({next(iter(recipe.weights))})", True, "", None, recipe)


def cross_fitted(oof: OOFData, fitted_ensemble: FittedEnsemble, metric: Metric) -> np.ndarray:
    """The statistics of another metric, of every row as the recipe fitted without its fold predicts it."""
    statistics: np.ndarray | None = None
    for fold, recipe in fitted_ensemble.without.items():
        left_out = oof.folds == fold
        rows = oof[left_out]
        blended = rows.blend(recipe)
        predicted = recipe.decided(oof.task, blended) if metric.needs == oof.task.output else oof.task.scores(blended)
        made = metric.statistics(oof.targets[left_out], predicted)
        statistics = np.empty((len(oof.folds), *made.shape[1:]), made.dtype) if statistics is None else statistics
        statistics[left_out] = made
    assert statistics is not None
    return statistics
