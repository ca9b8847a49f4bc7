"""Row 10: how much of a search's compute racing and cutting save, and what they cost in what is chosen.

Everything here is made up: qualities are a bowl over four parameters, learning curves are exponential, and a row is
right by a normal margin, of which a part is the row's own for all variants. The pruning is the search's own `Pruner`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean
from typing import TYPE_CHECKING

import numpy as np

from harness.metrics import Accuracy
from harness.search.pruning import SHARES, Pruner
from harness.search.study import STARTUP
from tests.benchmarks.protocol import Result

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

SEEDS, GUIDED_SEEDS, VARIANTS, FOLDS = 12, 6, 40, 5
GROUPS, GROUP = 100, 4  # of a fold; rows of a group
BEST, DEPTHS = 0.92, (0.12, 0.06, 0.03, 0.015)  # of the bowl: a parameter off by 1 costs its depth
CHANCE = 0.004  # deviation of one training's quality
GAP, SPEED, SPEEDS = 0.4, 6.0, 0.3  # a curve lacks GAP * exp(-speed * share); log-normal speeds
COMMON, WITHIN = 0.6, 0.3  # share of a row's margin that all variants have in common; of that, its group's
EQUAL = 0.001  # a regret that is larger by no more is equal
METRIC = Accuracy(("no", "yes"))


@dataclass(frozen=True)
class Variant:
    """quality: the true one. statistics: of the rows of every fold. curve: of fold 0, by share of the schedule."""

    quality: float
    statistics: Sequence[np.ndarray]
    curve: Mapping[float, float]


@dataclass(frozen=True)
class Outcome:
    """folds: trained, also in part. regret: how much less the chosen variant is truly worth than the best."""

    folds: float
    regret: float


def pruning() -> list[Result]:
    """No clock: shares of folds that would be trained, for the same variants with and without. Random variants spread
    widely; those of a sampler that learns crowd about the best, where less can be told apart."""
    from optuna.samplers import RandomSampler, TPESampler

    random = [drawn(RandomSampler(seed=seed), seed) for seed in range(SEEDS)]
    guided = [drawn(TPESampler(n_startup_trials=STARTUP, seed=seed), seed) for seed in range(GUIDED_SEEDS)]
    return [saving("10a", "random variants", random), saving("10b", "variants that TPE draws", guided)]


def saving(row: str, which: str, searches: Sequence[Sequence[Variant]]) -> Result:
    both = [(outcome(variants, pruned=False), outcome(variants, pruned=True)) for variants in searches]
    without, pruned = fmean(whole.regret for whole, _ in both), fmean(less.regret for _, less in both)
    return Result(
        row=row,
        goal=f"folds without / with pruning, {which} (simulated)",
        target=2.5,
        values=[whole.folds / less.folds for whole, less in both],
        note=f"{len(searches)} seeds of {VARIANTS} made variants, {FOLDS} folds of {GROUPS * GROUP} rows in {GROUPS} "
        f"groups; mean regret {without:.4f} without and {pruned:.4f} with pruning; nothing was trained",
        broken="" if pruned - without <= EQUAL else f"the regret grows by {pruned - without:.4f}",
    )


def outcome(variants: Sequence[Variant], pruned: bool) -> Outcome:
    """A search with one worker: the first variant is the declared one, which is never pruned."""
    groups = {fold: np.repeat(np.arange(GROUPS) + fold * GROUPS, GROUP) for fold in range(FOLDS)}
    pruner = Pruner(METRIC, groups, paired=pruned, curves=pruned)
    folds = sum(trained(pruner, str(number), variant, number > 0) for number, variant in enumerate(variants))
    assert pruner.best is not None
    return Outcome(folds, max(variant.quality for variant in variants) - variants[int(pruner.best)].quality)


def trained(pruner: Pruner, name: str, variant: Variant, prunable: bool) -> float:
    """The folds of a variant until it is complete or pruned, as `SearchLoop` trains them.

    After the last one there is nothing left to save.
    """
    limits = pruner.limits(0) if prunable else {}
    for share, least in limits.items():
        if variant.curve[share] < least:
            pruner.add_curve(0, {share: variant.curve[share]})
            return share
    for fold, statistics in enumerate(variant.statistics):
        pruner.add(name, fold, statistics, variant.curve if limits and fold == 0 else {})
        if prunable and fold + 1 < len(variant.statistics) and pruner.worse(name):
            return fold + 1
    pruner.complete(name)
    return len(variant.statistics)


def drawn(sampler: "BaseSampler", seed: int) -> list[Variant]:
    """sampler: gets the score of all folds of every variant."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    rng = np.random.default_rng(seed)
    study, variants = optuna.create_study(direction="maximize", sampler=sampler), list[Variant]()
    centre, easy = rng.uniform(-0.5, 0.5, len(DEPTHS)), margins(rng)
    for _ in range(VARIANTS):
        trial = study.ask()
        away = np.array([trial.suggest_float(f"x{k}", -1, 1) for k in range(len(DEPTHS))]) - centre
        variants.append(variant(BEST - float(np.square(away) @ DEPTHS), easy, rng))
        study.tell(trial, float(METRIC.score(np.concatenate(variants[-1].statistics))))
    return variants


def margins(rng: np.random.Generator) -> np.ndarray:
    """(folds, rows) normal: how easy a row is for every variant."""
    of_group = np.repeat(rng.standard_normal((FOLDS, GROUPS)), GROUP, axis=1)
    return math.sqrt(WITHIN) * of_group + math.sqrt(1 - WITHIN) * rng.standard_normal(of_group.shape)


def variant(quality: float, easy: np.ndarray, rng: np.random.Generator) -> Variant:
    own = math.sqrt(COMMON) * easy + math.sqrt(1 - COMMON) * rng.standard_normal(easy.shape)
    of_fold = quality + CHANCE * rng.standard_normal(FOLDS)
    speed = SPEED * math.exp(SPEEDS * rng.standard_normal())
    curve = {share: right(own[0], of_fold[0] - GAP * math.exp(-speed * share)).mean() for share in SHARES}
    statistics = [statistics_of(right(row, level)) for row, level in zip(own, of_fold, strict=True)]
    return Variant(quality, statistics, curve)


def right(margins: np.ndarray, quality: float) -> np.ndarray:
    """Which rows are right, where `quality` of all rows are."""
    return margins > -NormalDist().inv_cdf(min(max(quality, 0.01), 0.99))


def statistics_of(right: np.ndarray) -> np.ndarray:
    truth = np.arange(len(right)) % 2
    return METRIC.statistics(truth, np.where(right, truth, 1 - truth))
