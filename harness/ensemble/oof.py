"""The rows on which recipes are fitted and gated, and a memory of what was computed for them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from harness.ensemble.recipe import Member, Recipe, Views, part_of
from harness.metrics import Metric
from harness.tasks import Task

Made = TypeVar("Made")
FEWEST = 50  # rows that are taken at least


@dataclass(frozen=True)
class OOFData:
    """members, targets: of all rows; thinned where that is cheaper.

    pool: members whose weighted means are asked for again and again. statistics_of: recipe -> the metric's statistics
    of these rows. part_of: a problem, and which of its rows these are; rows do not know of each other, so a part takes
    its share of what is computed for all, and the climbs without a fold look at no prediction a second time. fits: what
    was fitted on which rows: the same rows are left out in one order and in the other.
    """

    task: Task
    metric: Metric
    members: Mapping[str, Views]
    targets: Any
    folds: np.ndarray
    groups: np.ndarray
    part_of: "tuple[OOFData, np.ndarray] | None" = None
    pool: tuple[str, ...] = ()
    statistics_of: Callable[[Recipe], np.ndarray] = field(init=False)
    fits: dict[Any, Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "statistics_of", Statistics(self) if self.part_of is None else self._share)
        object.__setattr__(self, "fits", {} if self.part_of is None else self.part_of[0].fits)

    def _share(self, recipe: Recipe) -> np.ndarray:
        assert self.part_of
        whole, rows = self.part_of
        if recipe.is_shared:
            return whole.statistics_of(recipe)[rows]
        return self.once("statistics", recipe, lambda: self.computed(recipe))

    def computed(self, recipe: Recipe) -> np.ndarray:
        """The statistics of these rows alone: nobody asks for this recipe on the others."""
        members = {name: part_of(self.members[name], recipe.tta, self.rows) for name in recipe.names}
        said = recipe.decide(self.task, members)
        return self.metric.statistics(self.targets[self.rows], said)

    def __getitem__(self, rows: np.ndarray) -> "OOFData":
        return replace(self, folds=self.folds[rows], groups=self.groups[rows], part_of=(self, rows))

    @property
    def rows(self) -> np.ndarray:
        """Which rows of `members` and `targets` these are."""
        if self.part_of is None:
            return np.arange(len(self.folds))
        whole, rows = self.part_of
        return whole.rows[rows]

    def subsample(self, pool: Sequence[str] | None = None) -> "OOFData":
        """pool: all members where none are named."""
        subsample = self.task.subsample
        members = {
            name: Member(subsample(member.plain), subsample(member.tta)) for name, member in self.members.items()
        }
        return replace(
            self, members=members, targets=subsample(self.targets), pool=tuple(members if pool is None else pool)
        )

    def said(self, recipe: Recipe, names: Sequence[str], enough: int | None = None) -> tuple[list[Any], Any]:
        """These members' predictions of these rows, in the view of the recipe, and their truth.

        enough: of labels that say enough; of rows that hold more in all, some are taken evenly.
        """
        rows = self.rows
        if enough and len(rows) * np.size(self.targets[0]) > enough:
            rows = rows[np.linspace(0, len(rows) - 1, max(FEWEST, enough // np.size(self.targets[0]))).astype(int)]
        chosen = [self.members[name].tta if recipe.tta else self.members[name].plain for name in names]
        return [each[rows] for each in chosen], self.targets[rows]

    def once(self, what: str, recipe: Recipe, make: Callable[[], Made]) -> Made:
        """What is fitted on these rows from this recipe on, and was perhaps fitted before."""
        key = (what, repr(recipe), self.rows.tobytes())
        if key not in self.fits:
            self.fits[key] = make()
        return self.fits[key]

    def quality(self, recipe: Recipe) -> float:
        """The score of a recipe on these rows, higher is better."""
        return self.quality_of(self.statistics_of(recipe))

    def quality_of(self, statistics: np.ndarray, counts: np.ndarray | None = None) -> float:
        """counts: how often each row was drawn."""
        score = float(np.ravel(self.metric.score(statistics, None if counts is None else counts[None]))[0])
        return score if self.metric.higher_is_better else -score


KEPT_BYTES = 2**28


class Statistics:
    """What `OOFData.statistics_of` computes, with a memory: steps ask for the same recipe again, and for many that
    differ only in how they decide, or only in their weights."""

    def __init__(self, oof: OOFData) -> None:
        self.oof = oof
        self.known: dict[str, np.ndarray] = {}  # the newest, up to KEPT_BYTES
        self.last: dict[str, Any] = {}  # one blend: 21 MB for 2,000 thinned Mars tiles
        self.weighing: dict[bool, Callable[[Sequence[float]], Any]] = {}  # by view, of the pool

    def __call__(self, recipe: Recipe) -> np.ndarray:
        key = repr(recipe)
        if key not in self.known:
            made = self.oof.metric.statistics(self.oof.targets, self.decided(recipe))
            while self.known and (len(self.known) + 1) * made.nbytes > KEPT_BYTES:
                del self.known[next(iter(self.known))]
            self.known[key] = made
        return self.known[key]

    def decided(self, recipe: Recipe) -> Any:
        if recipe.is_mean and len(recipe.weights) > 1 and set(recipe.weights) <= set(self.oof.pool):
            return self.weighed(recipe.tta)([recipe.weights.get(name, 0.0) for name in self.oof.pool])
        return recipe.decided(self.oof.task, self.blended(recipe))

    def weighed(self, tta: bool) -> Callable[[Sequence[float]], Any]:
        if tta not in self.weighing:
            members = [self.oof.members[name] for name in self.oof.pool]
            views = [member.tta if tta else member.plain for member in members]
            self.weighing = {tta: self.oof.task.weighing(views)}
        return self.weighing[tta]

    def blended(self, recipe: Recipe) -> Any:
        key = repr(
            replace(
                recipe,
                offsets=None,
                class_specialist=recipe.class_specialist and recipe.class_specialist._replace(threshold=0),
            )
        )
        if key not in self.last:
            self.last = {key: recipe.blend(self.oof.task, self.oof.members)}
        return self.last[key]
