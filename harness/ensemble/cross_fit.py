"""The climb: `fit` tries one step after the other on some rows; `cross_fit` does it once more without each fold."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from harness.bootstrap import Comparison
from harness.ensemble.declaration import Blend
from harness.ensemble.gate import gate, held_out, judged
from harness.ensemble.greedy import with_blend
from harness.ensemble.oof import OOFData
from harness.ensemble.recipe import Recipe, Views, part_of
from harness.ensemble.steps import TUNED, Step, best_single, overlaid, with_views
from harness.ensemble.ways import WAYS
from harness.metrics import Metric
from harness.tasks import Task


class StepResult(NamedTuple):
    """What the gate said of one step. gain: on held-out folds; recipe: the one to go on with.

    way: of a blend, the way to combine that was better than greedy selection, if one was, and whether views came with
    it; refused: why the other ways were not taken.
    """

    step: str
    accepted: bool
    reason: str
    gain: Comparison | None
    recipe: Recipe
    way: str = ""
    refused: Mapping[str, str] = {}


class FittedEnsemble(NamedTuple):
    """The result of `cross_fit`. statistics: up to every rung, cross-fitted, at full resolution, rows aligned.

    accepted: in how many of the climbs without a fold the step was taken. in_sample: the score on the fitted rows.
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
    """Fit on all rows for use; and for every fold on the others, to be scored on that fold, for the truth.

    Of a single fold nothing can be left out: it is the best single model, as it is.
    """
    names = [name for name in declared.names if name in oof.members]
    thinned = oof.subsample(pool=names)
    if len(np.unique(oof.folds)) == 1:
        return alone(oof, StepResult("best single model", True, "", None, best_single(thinned, names)))
    step_results = fit(thinned, declared)
    whole = oof.statistics_of(step_results[-1].recipe)
    statistics = [np.empty_like(whole) for _ in step_results]
    accepted, without = [0] * len(step_results), dict[int, Recipe]()
    for fold in np.unique(oof.folds):
        left_out = oof.folds == fold
        rows = oof[left_out]
        for k, step_result in enumerate(fit(thinned[~left_out], declared)):
            statistics[k][left_out] = rows.statistics_of(step_result.recipe)
            accepted[k] += step_result.accepted
            without[int(fold)] = step_result.recipe
    return FittedEnsemble(step_results, statistics, accepted, float(oof.metric.score(whole)), without)


def alone(oof: OOFData, step_result: StepResult) -> FittedEnsemble:
    statistics = oof.statistics_of(step_result.recipe)
    in_sample = float(oof.metric.score(statistics))
    return FittedEnsemble([step_result], [statistics], [1], in_sample, {int(oof.folds[0]): step_result.recipe})


def cross_fitted(oof: OOFData, fitted_ensemble: FittedEnsemble, metric: Metric) -> np.ndarray:
    """The statistics of another metric, of every row as the recipe fitted without its fold predicts it."""
    parts, order = [], []
    for fold, recipe in fitted_ensemble.without.items():
        rows = np.flatnonzero(oof.folds == fold)
        members = {name: part_of(oof.members[name], recipe.tta, rows) for name in recipe.names}
        said = recipe.says(oof.task, members, metric.needs)
        parts.append(metric.statistics(oof.targets[rows], said))
        order.append(rows)
    return np.concatenate(parts)[np.argsort(np.concatenate(order))]


def fit(oof: OOFData, declared: Blend) -> list[StepResult]:
    """Climb the ladder on these rows alone; models that are declared and not among the members are left out."""
    names = [name for name in declared.names if name in oof.members]
    recipe = best_single(oof, names)
    step_results = [StepResult(f"best single model ({next(iter(recipe.weights))})", True, "", None, recipe)]
    for title, step in steps(oof.task, declared, oof.members, names):
        step_result = tried(oof, recipe, title, step)
        step_results.append(
            in_another_way(oof, step_results[-1], step_result, names) if title == BLEND else step_result
        )
        recipe = step_results[-1].recipe
    return step_results


BLEND, WITH_VIEWS = "blend", "with test-time augmentation"


def steps(task: Task, declared: Blend, members: Mapping[str, Views], names: Sequence[str]) -> list[tuple[str, Step]]:
    """The steps above a single model, in the order in which they are tried."""
    fitted_ensemble: list[tuple[str, Step]] = [("test-time augmentation", with_views)] if declared.views else []
    if len(names) > 1:
        fitted_ensemble.append((BLEND, partial(blend_or_both, names, declared.views)))
    found = [each for each in declared.specialist_roles if each.by in members]
    return [
        *fitted_ensemble,
        *((f"specialist ({each.by})", overlaid(each)) for each in found),
        *((name, TUNED[name]) for name in task.tunes),
    ]


def blend_or_both(names: Sequence[str], views: bool, oof: OOFData, recipe: Recipe) -> Recipe:
    """The blend; and where its views were refused before, with them if that is better: two gains within noise may be
    one beyond it."""
    plain = with_blend(oof, recipe, names)
    if recipe.tta or not views:
        return plain
    return max(plain, with_blend(oof, with_views(oof, recipe), names), key=oof.quality)


def tried(oof: OOFData, recipe: Recipe, title: str, step: Step) -> StepResult:
    step = remembered(title, step)
    candidate = step(oof, recipe)
    gain, refusal = gate(oof, recipe, candidate, step)
    if refusal:
        return StepResult(title, False, refusal, gain, recipe)
    both = title == BLEND and candidate.tta and not recipe.tta
    return StepResult(title, True, "", gain, candidate, WITH_VIEWS if both else "")


def in_another_way(oof: OOFData, before: StepResult, blend: StepResult, names: Sequence[str]) -> StepResult:
    """The blend, or, of the other ways to combine that pass the gate against it, the best one on held-out folds.

    A way that only weighs members, and is no better in-sample, is not fitted without each fold; and only a way that is
    then better is compared, the best first: bootstraps cost time.
    """
    recipe, said = blend.recipe, dict[str, str]()
    ways = {way: remembered(way, partial(combined, way, names)) for way in oof.task.combines}
    fitted = {way: step(oof, recipe) for way, step in ways.items()}
    quality, won = oof.quality(recipe), dict[str, np.ndarray]()
    for way, candidate in fitted.items():
        said[way] = "no better, even on the rows it was fitted on"
        if not candidate.is_shared or oof.quality(candidate) > quality:
            won[way], said[way] = held_out(oof, recipe, ways[way]), "no better on held-out folds"
    for way in sorted(won, key=lambda way: -oof.quality_of(won[way])):
        if oof.quality_of(won[way]) <= quality:
            break
        gain, said[way] = judged(oof, recipe, won[way], len(ways))
        if not said[way]:
            del said[way]
            if blend.accepted:
                gain, _ = judged(oof, before.recipe, won[way])  # what the whole step gains
            return StepResult(BLEND, True, "", gain, fitted[way], ", ".join(filter(None, (way, blend.way))), said)
    return blend._replace(refused=said)


def combined(way: str, names: Sequence[str], oof: OOFData, recipe: Recipe) -> Recipe:
    return WAYS[way](oof, recipe, names)


def remembered(title: str, step: Step) -> Step:
    return lambda oof, recipe: oof.once(title, recipe, lambda: step(oof, recipe))
