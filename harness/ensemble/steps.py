"""The steps from one model to the ensemble, in the order in which they are tried."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from harness.ensemble.declaration import Blend, SpecialistRole
from harness.ensemble.oof import OOFData
from harness.ensemble.recipe import Recipe
from harness.ensemble.stacking import fit_stack
from harness.tasks import ClassSpecialist

Step = Callable[[OOFData, Recipe], Recipe]

BLEND = "blend"
ROUNDS = 12  # of greedy selection
STACKED = 8  # members that stacking uses: those of the blend, then the best alone
SHARES = (0.25, 0.5, 0.75, 1.0)  # of a class specialist, likewise below
THRESHOLDS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8)
CUTS = np.arange(-3, 7.5, 0.5)  # log-odds, of scores from 0.95 down to 0.001
FINER = (-0.375, -0.25, -0.125, 0.125, 0.25, 0.375)
ALL_KEPT = 99.0  # an offset that no log-odds outweigh
OFFSETS = (-1.0, -0.6, -0.4, -0.2, -0.1, 0.1, 0.2, 0.4, 0.6, 1.0)


def steps(oof: OOFData, declared: Blend, names: Sequence[str]) -> list[tuple[str, Step]]:
    """What is tried after the best single model. names: the members that may be blended."""
    task, tried = oof.task, list[tuple[str, Step]]()
    if declared.views:
        tried.append(("test-time augmentation", with_views))
    if len(names) > 1:
        tried.append((BLEND, partial(blend_or_both, names, declared.views)))
        if "stacking" in task.ensemble_steps:
            tried.append(("stacking", partial(with_stacking, names)))
    roles = [role for role in declared.specialist_roles if role.model in oof.members]
    tried += [(f"specialist ({role.model})", partial(with_specialist, role)) for role in roles]
    tried += [(name, step) for name, step in LAST.items() if name in task.ensemble_steps]
    if not needs_cut(oof):
        return tried
    return [("least score", with_cut), *((title, partial(cut_again, step)) for title, step in tried)]


def best_single(oof: OOFData, names: Sequence[str]) -> Recipe:
    """The model that scores best alone; where the least score of a box counts, each with its own."""

    def quality(recipe: Recipe) -> float:
        return oof.quality(with_cut(oof, recipe) if needs_cut(oof) else recipe)

    return max((Recipe({name: 1.0}) for name in names), key=quality)


def with_views(oof: OOFData, recipe: Recipe) -> Recipe:
    return replace(recipe, tta=True)


def blend_or_both(names: Sequence[str], views: bool, oof: OOFData, recipe: Recipe) -> Recipe:
    """The blend. Where test-time augmentation was refused before, the blend with it if that is better: two gains
    within noise may be one beyond it."""
    plain = with_blend(oof, recipe, names)
    if recipe.tta or not views:
        return plain
    return max(plain, with_blend(oof, with_views(oof, recipe), names), key=oof.quality)


def with_blend(oof: OOFData, recipe: Recipe, names: Sequence[str], rounds: int = ROUNDS) -> Recipe:
    """Greedy ensemble selection with replacement (Caruana et al. 2004).

    Start from the recipe's members; add the member that helps the metric most, again and again, while one does.
    """

    def weighted(bag: Sequence[str]) -> Recipe:  # sorted, so that equal bags are equal recipes
        return replace(recipe, weights={name: bag.count(name) / len(bag) for name in sorted(set(bag))})

    bag = tuple(recipe.weights)
    best = oof.quality(weighted(bag))
    for _ in range(rounds):
        quality = {name: oof.quality(weighted((*bag, name))) for name in names}
        added = max(quality, key=lambda name: quality[name])
        if quality[added] <= best:
            break
        bag, best = (*bag, added), quality[added]
    return weighted(bag)


def with_stacking(names: Sequence[str], oof: OOFData, recipe: Recipe) -> Recipe:
    """A regression on the members' log-probabilities; the weights that are shown are the sizes of its coefficients."""
    alone = {name: oof.quality(Recipe({name: 1.0}, recipe.tta)) for name in names}
    chosen = sorted(names, key=lambda name: (-recipe.weights.get(name, 0.0), -alone[name]))
    chosen = sorted(recipe.weights) if len(recipe.weights) > 1 else sorted(chosen[:STACKED])
    stack = fit_stack(oof.predictions(chosen, recipe.tta), oof.targets[oof.rows], oof.task.void)
    if stack is None:
        return recipe
    sizes = {name: float(np.abs(stack.coefficients[name]).sum()) for name in chosen}
    if not any(sizes.values()):
        return recipe  # the members predict the same for every row
    weights = {name: size / sum(sizes.values()) for name, size in sizes.items()}
    return replace(recipe, weights=weights, stack=stack)


def with_specialist(role: SpecialistRole, oof: OOFData, recipe: Recipe) -> Recipe:
    """The best share and threshold of a class specialist by grid, or the recipe as it was where none is better.

    p'_c = (1 - share) p_c + share s_c, renormalised; class c wins where p'_c exceeds the threshold. There is none for a
    pair, whose two classes only divide what they have together, nor where probabilities are submitted.
    """
    decides = role.versus is None and oof.task.output == "labels"
    thresholds: Sequence[float | None] = THRESHOLDS if decides else (None,)
    best, quality = recipe, oof.quality(recipe)
    for share in SHARES:
        specialist = ClassSpecialist(role.model, role.target_class, share, None, role.versus)
        blended = oof.blend(replace(recipe, class_specialist=specialist))
        for threshold in thresholds:
            candidate = replace(recipe, class_specialist=specialist._replace(threshold=threshold))
            found = oof.quality_of(oof.statistics(candidate.decided(oof.task, blended)))
            if found > quality:
                best, quality = candidate, found
    return best


def with_calibration(oof: OOFData, recipe: Recipe) -> Recipe:
    """Calibrate every member's scores on these rows; the order of a single member's scores would stay as it is."""
    if len(recipe.weights) == 1:
        return recipe
    task, targets = oof.task, oof.targets[oof.rows]
    predictions = oof.predictions(list(recipe.weights), recipe.tta)
    return replace(recipe, calibration={name: task.calibration(each, targets) for name, each in predictions.items()})


def with_offsets(oof: OOFData, recipe: Recipe, passes: int = 2) -> Recipe:
    """Offsets to the log-probabilities, one class after the other, for the metric instead of the likelihood."""
    blended, offsets = oof.blend(recipe), (0.0,) * len(oof.task.classes)

    def quality(offsets: tuple[float, ...]) -> float:
        return oof.quality_of(oof.statistics(oof.task.decide(blended, offsets, recipe.class_specialist)))

    best = quality(offsets)
    for _ in range(passes):
        for c in (c for c in range(len(offsets)) if c != oof.task.void):
            moved = [(*offsets[:c], offsets[c] + change, *offsets[c + 1 :]) for change in OFFSETS]
            scores = [quality(each) for each in moved]
            if max(scores) > best:
                best, offsets = max(scores), moved[int(np.argmax(scores))]
    return replace(recipe, offsets=offsets) if any(offsets) else recipe


def needs_cut(oof: OOFData) -> bool:
    return oof.metric.every_object_counts and "least score" in oof.task.ensemble_steps


def with_cut(oof: OOFData, recipe: Recipe) -> Recipe:
    """The least score that is kept, class by class, as offsets to the log-odds: an object is kept above 0.

    CUTS are tried, then FINER ones around the best. They are the same for all rows, so that statistics which are kept
    serve every fold. A class of which all is kept has the offset ALL_KEPT.
    """
    offsets = (ALL_KEPT,) * len(oof.task.classes)
    blended = None if oof.is_kept(recipe) else oof.blend(recipe)

    def quality(offsets: tuple[float, ...]) -> float:
        candidate = replace(recipe, offsets=offsets)
        if blended is None:
            return oof.quality(candidate)
        return oof.quality_of(oof.statistics(candidate.decided(oof.task, blended)))

    best = quality(offsets)
    for finer in (False, True):
        for c in range(len(offsets)):
            tried = [offsets[c] + change for change in FINER] if finer and offsets[c] != ALL_KEPT else CUTS
            moved = [(*offsets[:c], float(each), *offsets[c + 1 :]) for each in tried]
            scores = [quality(each) for each in moved]
            if max(scores) > best:
                best, offsets = max(scores), moved[int(np.argmax(scores))]
    return replace(recipe, offsets=offsets if any(each != ALL_KEPT for each in offsets) else None)


def cut_again(step: Step, oof: OOFData, recipe: Recipe) -> Recipe:
    """A step, and the least scores that its new scores need, where some were cut before it."""
    changed = step(oof, recipe)
    return changed if changed == recipe or recipe.offsets is None else with_cut(oof, changed)


LAST: Mapping[str, Step] = {"calibration": with_calibration, "offsets": with_offsets}
