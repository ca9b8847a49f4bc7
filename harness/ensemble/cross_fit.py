"""The climb: `fit` tries one step after the other on some rows; `cross_fit` does it once more without each fold."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from harness.bootstrap import Comparison
from harness.ensemble.declaration import Blend
from harness.ensemble.gate import gate, held_out, judged
from harness.ensemble.greedy import with_blend
from harness.ensemble.problem import Problem
from harness.ensemble.recipe import Recipe, Views, part_of
from harness.ensemble.steps import TUNED, Step, best_single, overlaid, with_views
from harness.ensemble.ways import WAYS
from harness.metrics import Metric
from harness.tasks import Task


class Rung(NamedTuple):
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


class Ladder(NamedTuple):
    """The result of `cross_fit`. statistics: up to every rung, cross-fitted, at full resolution, rows aligned.

    accepted: in how many of the climbs without a fold the step was taken. in_sample: the score on the fitted rows.
    without: fold -> the recipe that was fitted on the other folds.
    """

    rungs: list[Rung]
    statistics: list[np.ndarray]
    accepted: list[int]
    in_sample: float
    without: dict[int, Recipe]

    @property
    def recipe(self) -> Recipe:
        return self.rungs[-1].recipe


def cross_fit(problem: Problem, declared: Blend) -> Ladder:
    """Fit on all rows for use; and for every fold on the others, to be scored on that fold, for the truth.

    Of a single fold nothing can be left out: it is the best single model, as it is.
    """
    names = [name for name in declared.names if name in problem.members]
    thinned = problem.thin(pool=names)
    if len(np.unique(problem.folds)) == 1:
        return alone(problem, Rung("best single model", True, "", None, best_single(thinned, names)))
    rungs = fit(thinned, declared)
    whole = problem.statistics_of(rungs[-1].recipe)
    statistics = [np.empty_like(whole) for _ in rungs]
    accepted, without = [0] * len(rungs), dict[int, Recipe]()
    for fold in np.unique(problem.folds):
        left_out = problem.folds == fold
        rows = problem[left_out]
        for k, rung in enumerate(fit(thinned[~left_out], declared)):
            statistics[k][left_out] = rows.statistics_of(rung.recipe)
            accepted[k] += rung.accepted
            without[int(fold)] = rung.recipe
    return Ladder(rungs, statistics, accepted, float(problem.metric.score(whole)), without)


def alone(problem: Problem, rung: Rung) -> Ladder:
    statistics = problem.statistics_of(rung.recipe)
    in_sample = float(problem.metric.score(statistics))
    return Ladder([rung], [statistics], [1], in_sample, {int(problem.folds[0]): rung.recipe})


def cross_fitted(problem: Problem, ladder: Ladder, metric: Metric) -> np.ndarray:
    """The statistics of another metric, of every row as the recipe fitted without its fold predicts it."""
    parts, order = [], []
    for fold, recipe in ladder.without.items():
        rows = np.flatnonzero(problem.folds == fold)
        members = {name: part_of(problem.members[name], recipe.tta, rows) for name in recipe.names}
        said = recipe.says(problem.task, members, metric.needs)
        parts.append(metric.statistics(problem.targets[rows], said))
        order.append(rows)
    return np.concatenate(parts)[np.argsort(np.concatenate(order))]


def fit(problem: Problem, declared: Blend) -> list[Rung]:
    """Climb the ladder on these rows alone; models that are declared and not among the members are left out."""
    names = [name for name in declared.names if name in problem.members]
    recipe = best_single(problem, names)
    rungs = [Rung(f"best single model ({next(iter(recipe.weights))})", True, "", None, recipe)]
    for title, step in steps(problem.task, declared, problem.members, names):
        rung = tried(problem, recipe, title, step)
        rungs.append(in_another_way(problem, rungs[-1], rung, names) if title == BLEND else rung)
        recipe = rungs[-1].recipe
    return rungs


BLEND, WITH_VIEWS = "blend", "with test-time augmentation"


def steps(task: Task, declared: Blend, members: Mapping[str, Views], names: Sequence[str]) -> list[tuple[str, Step]]:
    """The steps above a single model, in the order in which they are tried."""
    ladder: list[tuple[str, Step]] = [("test-time augmentation", with_views)] if declared.views else []
    if len(names) > 1:
        ladder.append((BLEND, partial(blend_or_both, names, declared.views)))
    found = [each for each in declared.specialities if each.by in members]
    return [
        *ladder,
        *((f"specialist ({each.by})", overlaid(each)) for each in found),
        *((name, TUNED[name]) for name in task.tunes),
    ]


def blend_or_both(names: Sequence[str], views: bool, problem: Problem, recipe: Recipe) -> Recipe:
    """The blend; and where its views were refused before, with them if that is better: two gains within noise may be
    one beyond it."""
    plain = with_blend(problem, recipe, names)
    if recipe.tta or not views:
        return plain
    return max(plain, with_blend(problem, with_views(problem, recipe), names), key=problem.quality)


def tried(problem: Problem, recipe: Recipe, title: str, step: Step) -> Rung:
    step = remembered(title, step)
    candidate = step(problem, recipe)
    gain, refusal = gate(problem, recipe, candidate, step)
    if refusal:
        return Rung(title, False, refusal, gain, recipe)
    both = title == BLEND and candidate.tta and not recipe.tta
    return Rung(title, True, "", gain, candidate, WITH_VIEWS if both else "")


def in_another_way(problem: Problem, before: Rung, blend: Rung, names: Sequence[str]) -> Rung:
    """The blend, or, of the other ways to combine that pass the gate against it, the best one on held-out folds.

    A way that only weighs members, and is no better in-sample, is not fitted without each fold; and only a way that is
    then better is compared, the best first: bootstraps cost time.
    """
    recipe, said = blend.recipe, dict[str, str]()
    ways = {way: remembered(way, partial(combined, way, names)) for way in problem.task.combines}
    fitted = {way: step(problem, recipe) for way, step in ways.items()}
    quality, won = problem.quality(recipe), dict[str, np.ndarray]()
    for way, candidate in fitted.items():
        said[way] = "no better, even on the rows it was fitted on"
        if not candidate.is_shared or problem.quality(candidate) > quality:
            won[way], said[way] = held_out(problem, recipe, ways[way]), "no better on held-out folds"
    for way in sorted(won, key=lambda way: -problem.quality_of(won[way])):
        if problem.quality_of(won[way]) <= quality:
            break
        gain, said[way] = judged(problem, recipe, won[way], len(ways))
        if not said[way]:
            del said[way]
            if blend.accepted:
                gain, _ = judged(problem, before.recipe, won[way])  # what the whole step gains
            return Rung(BLEND, True, "", gain, fitted[way], ", ".join(filter(None, (way, blend.way))), said)
    return blend._replace(refused=said)


def combined(way: str, names: Sequence[str], problem: Problem, recipe: Recipe) -> Recipe:
    return WAYS[way](problem, recipe, names)


def remembered(title: str, step: Step) -> Step:
    return lambda problem, recipe: problem.once(title, recipe, lambda: step(problem, recipe))
