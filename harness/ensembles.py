"""How members become one prediction: declared as `blend` and `Overlay`, fitted out-of-fold, gated, cross-fitted.

`fit` climbs a ladder of steps (one model, views, blend, specialist, what the task tunes); each must pass `gate`.
`cross_fit` does the whole climb once for every fold left out, and scores that fold with what the others chose.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import Any, NamedTuple, cast

import numpy as np

from harness.metrics import Metric
from harness.significance import Comparison, compare
from harness.tasks import Calibrated, Override, Task

# -- what a competition declares ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Blend:
    """Greedy selection among these models. views: whether the competition declares any for test-time augmentation."""

    names: tuple[str, ...]
    specialist: str | None = None
    of: int | None = None
    views: bool = True

    @property
    def members(self) -> tuple[str, ...]:
        """Every model that may take part."""
        return (*self.names, *([self.specialist] if self.specialist else []))


def blend(*names: str) -> Blend:
    return Blend(names)


def Overlay(base: Blend, specialist: str, of: int) -> Blend:  # noqa: N802 - reads as a value in a declaration
    """A blend in which a specialist may speak for the class `of`."""
    return replace(base, specialist=specialist, of=of)


# -- what is fitted ----------------------------------------------------------------------------------------------------


class Member(NamedTuple):
    """One model's predictions of some rows: the plain view, and the mean over the declared views."""

    plain: Any
    tta: Any


@dataclass(frozen=True)
class Recipe:
    """Everything between the members' predictions and a decision; JSON by `asdict`.

    calibration: by member, what the task fitted, applied before the members are averaged.
    """

    weights: Mapping[str, float]
    tta: bool = False
    override: Override | None = None
    offsets: tuple[float, ...] | None = None
    calibration: Mapping[str, Sequence[float]] | None = None

    @property
    def names(self) -> list[str]:
        """The models it needs."""
        return [*self.weights, *([self.override.by] if self.override else [])]

    def blend(self, task: Task, members: Mapping[str, Member]) -> Any:
        """The prediction before it is decided."""
        chosen = {name: members[name].tta if self.tta else members[name].plain for name in self.names}
        for name, fitted in (self.calibration or {}).items():
            chosen[name] = cast(Calibrated, task).calibrated(chosen[name], fitted)
        mean = task.average([chosen[name] for name in self.weights], list(self.weights.values()))
        if self.override is None:
            return mean
        return task.overlay(mean, chosen[self.override.by], self.override.of, self.override.share)

    def decide(self, task: Task, members: Mapping[str, Member]) -> Any:
        return task.decide(self.blend(task, members), self.offsets, self.override)

    def says(self, task: Task, members: Mapping[str, Member], needs: str) -> Any:
        """What a metric that `needs` "decided" rows or "scores" looks at."""
        return self.decide(task, members) if needs == task.gives else task.scores(self.blend(task, members))

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "override": self.override and self.override._asdict()}


def statistics_alone(task: Task, metric: Metric, targets: Any, plain: Any) -> np.ndarray:
    """The metric's statistics of one model's plain predictions."""
    members = {"alone": Member(plain, plain)}
    return metric.statistics(targets, Recipe({"alone": 1.0}).says(task, members, metric.needs))


@dataclass(frozen=True)
class Problem:
    """Rows on which recipes are fitted and gated. members, targets: of all rows; thinned where that is cheaper.

    statistics_of: recipe -> the metric's statistics of these rows. part_of: a problem, and which of its rows these are;
    rows do not know of each other, so a part takes its share of what is computed for all, and the climbs without a
    fold look at no prediction a second time.
    """

    task: Task
    metric: Metric
    members: Mapping[str, Member]
    targets: Any
    folds: np.ndarray
    groups: np.ndarray
    part_of: "tuple[Problem, np.ndarray] | None" = None
    statistics_of: Callable[[Recipe], np.ndarray] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "statistics_of", Statistics(self) if self.part_of is None else self._share)

    def _share(self, recipe: Recipe) -> np.ndarray:
        assert self.part_of
        whole, rows = self.part_of
        return whole.statistics_of(recipe)[rows]

    def __getitem__(self, rows: np.ndarray) -> "Problem":
        return replace(self, folds=self.folds[rows], groups=self.groups[rows], part_of=(self, rows))

    @property
    def rows(self) -> np.ndarray:
        """Which rows of `members` and `targets` these are."""
        if self.part_of is None:
            return np.arange(len(self.folds))
        whole, rows = self.part_of
        return whole.rows[rows]

    def thin(self) -> "Problem":
        thin = self.task.thin
        members = {name: Member(thin(member.plain), thin(member.tta)) for name, member in self.members.items()}
        return replace(self, members=members, targets=thin(self.targets))

    def quality(self, recipe: Recipe) -> float:
        """The score of a recipe on these rows, higher is better."""
        return self.quality_of(self.statistics_of(recipe))

    def quality_of(self, statistics: np.ndarray) -> float:
        score = float(self.metric.score(statistics))
        return score if self.metric.higher_is_better else -score


KEPT_BYTES = 2**28


class Statistics:
    """What `Problem.statistics_of` computes, with a memory: steps ask for the same recipe again, and for many that
    differ only in how they decide."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.known: dict[str, np.ndarray] = {}  # the newest, up to KEPT_BYTES
        self.last: dict[str, Any] = {}  # one blend: 21 MB for 2,000 thinned Mars tiles

    def __call__(self, recipe: Recipe) -> np.ndarray:
        task, metric = self.problem.task, self.problem.metric
        key = repr(recipe)
        if key not in self.known:
            decided = task.decide(self.blended(recipe), recipe.offsets, recipe.override)
            made = metric.statistics(self.problem.targets, decided)
            while self.known and (len(self.known) + 1) * made.nbytes > KEPT_BYTES:
                del self.known[next(iter(self.known))]
            self.known[key] = made
        return self.known[key]

    def blended(self, recipe: Recipe) -> Any:
        key = repr(replace(recipe, offsets=None, override=recipe.override and recipe.override._replace(threshold=0)))
        if key not in self.last:
            self.last = {key: recipe.blend(self.problem.task, self.problem.members)}
        return self.last[key]


Step = Callable[[Problem, Recipe], Recipe]


class Rung(NamedTuple):
    """What the gate said of one step. gain: on held-out folds; recipe: the one to go on with."""

    step: str
    accepted: bool
    reason: str
    gain: Comparison | None
    recipe: Recipe


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
    thinned = problem.thin()
    if len(np.unique(problem.folds)) == 1:
        best = best_single(thinned, [name for name in declared.names if name in problem.members])
        return alone(problem, Rung("best single model", True, "", None, best))
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
        members = {name: Member(member.plain[rows], member.tta[rows]) for name, member in problem.members.items()}
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
        candidate = step(problem, recipe)
        gain, refusal = gate(problem, recipe, candidate, step)
        recipe = recipe if refusal else candidate
        rungs.append(Rung(title, not refusal, refusal, gain, recipe))
    return rungs


def steps(task: Task, declared: Blend, members: Mapping[str, Member], names: Sequence[str]) -> list[tuple[str, Step]]:
    """The steps above a single model, in the order in which they are tried."""
    ladder: list[tuple[str, Step]] = [("test-time augmentation", with_views)] if declared.views else []
    if len(names) > 1:
        ladder.append(("blend", lambda problem, recipe: with_blend(problem, recipe, names)))
    by, of = declared.specialist, declared.of
    if by is not None and of is not None and by in members:
        ladder.append((f"specialist ({by})", lambda problem, recipe: with_specialist(problem, recipe, by, of)))
    return [*ladder, *((name, TUNED[name]) for name in task.tunes)]


def gate(problem: Problem, before: Recipe, after: Recipe, step: Step) -> tuple[Comparison | None, str]:
    """The gain of a step on held-out folds, and why it is refused: "" where it wins and hurts no class beyond noise.

    The step is fitted anew without each fold, and compared with `before` on that fold (paired group bootstrap).
    Of a single fold, halves of its groups are held out.
    """
    if after == before:
        return None, "changes nothing"
    parts = problem.folds
    if len(np.unique(parts)) == 1:
        parts = np.unique(problem.groups, return_inverse=True)[1] % 2
    held_out = problem.statistics_of(before).copy()
    for part in np.unique(parts):
        left_out = parts == part
        held_out[left_out] = problem[left_out].statistics_of(step(problem[~left_out], before))
    gain = compare(problem.metric, problem.statistics_of(before), held_out, problem.groups)
    hurt = [name for name, change in gain.by_class.items() if change.high < 0]
    refusal = f"hurts {', '.join(hurt)}" if hurt else "within noise" if gain.low <= 0 else ""
    return gain, refusal


# -- the steps ---------------------------------------------------------------------------------------------------------


def best_single(problem: Problem, names: Sequence[str]) -> Recipe:
    return max((Recipe({name: 1.0}) for name in names), key=problem.quality)


def with_views(problem: Problem, recipe: Recipe) -> Recipe:
    return replace(recipe, tta=True)


def with_blend(problem: Problem, recipe: Recipe, names: Sequence[str], rounds: int = 12) -> Recipe:
    """Greedy selection with replacement (Caruana et al. 2004), from the recipe's own member, while it helps."""

    @cache
    def blended(bag: tuple[str, ...]) -> Recipe:
        weights = {name: bag.count(name) / len(bag) for name in names if name in bag}
        return replace(recipe, weights=weights)

    bag: tuple[str, ...] = tuple(recipe.weights)
    for _ in range(rounds):
        longer = [tuple(sorted((*bag, name))) for name in names]
        best = max(longer, key=lambda candidate: problem.quality(blended(candidate)))
        if problem.quality(blended(best)) <= problem.quality(blended(bag)):
            break
        bag = best
    return blended(bag)


SHARES = (0.25, 0.5, 0.75, 1.0)
THRESHOLDS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8)


def with_specialist(problem: Problem, recipe: Recipe, by: str, of: int) -> Recipe:
    """The share and the threshold of the specialist, by grid; the recipe itself where nothing beats it."""
    candidates = [
        replace(recipe, override=Override(by, of, share, threshold)) for share in SHARES for threshold in THRESHOLDS
    ]
    return max([recipe, *candidates], key=problem.quality)


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
    task, rows = cast(Calibrated, problem.task), problem.rows
    chosen = {name: problem.members[name].tta if recipe.tta else problem.members[name].plain for name in recipe.weights}
    fitted = {name: task.calibration(chosen[name][rows], problem.targets[rows]) for name in recipe.weights}
    return replace(recipe, calibration=fitted)


TUNED: Mapping[str, Step] = {"calibration": with_calibration, "offsets": with_offsets}
