"""What pruning saves on variants that were really trained: `python -m tests.benchmarks.replay COMP MODEL`.

make data COMP=blood DATA=../shared/data/bloodcells96
python -m tests.benchmarks.replay blood plain --epochs 12 --variants 24

Trains every fold of the declared model and of random variants of it, alone on one worker; then replays the search in
many orders, with the search's own `Race` and without, from the scores, curves and seconds that were measured. So luck
is that of the order alone.
"""

import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from harness.competition import Competition, find
from harness.prepare import current
from harness.search.pruning import SHARES, Pruner
from harness.search.spaces import ModelTrial, variant
from harness.training.fold import FoldJob, FoldScore, score_fold
from tests.benchmarks.protocol import one_model
from tests.benchmarks.pruning import Variant, trained


class Real(NamedTuple):
    """A variant whose folds were trained. quality: of all rows, higher is better; seconds: of every fold."""

    variant: Variant
    seconds: Sequence[float]


class Replay(NamedTuple):
    """A replay: when the best of the whole variants was there, when the last one was, and how good it is."""

    reached: float
    ended: float
    quality: float


def main() -> None:
    parser = one_model(__doc__)
    parser.set_defaults(folds=None)
    parser.add_argument("--variants", type=int, default=24)
    parser.add_argument("--orders", type=int, default=100)
    asked = parser.parse_args()
    declared, prepared = find(asked.competition), current(asked.competition)
    folds = asked.folds or list(range(declared.split.folds))
    learner = declared.models[asked.model]
    learner = replace(learner, epochs=asked.epochs or learner.epochs)  # type: ignore[type-var]
    job = FoldJob(declared.name, prepared.data_hash, asked.model, learner, 0, declared.split.folds, asked.threads, {})
    reals = train_all(declared, job, folds, asked.variants)
    fold_of_row = prepared.folds(declared, declared.split.folds)
    groups = {k: prepared.train.groups[fold_of_row == fold] for k, fold in enumerate(folds)}
    replays = []
    for seed in range(asked.orders):
        order = [0, *1 + np.random.default_rng(seed).permutation(len(reals) - 1)]
        replays.append([replay(declared, groups, [reals[k] for k in order], pruned) for pruned in (False, True)])
    show(replays)


def train_all(declared: Competition, job: FoldJob, folds: Sequence[int], count: int) -> list[Real]:
    """Of the job's learner first, then of random variants of it."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study, reals, learner = (
        optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)),
        list[Real](),
        job.learner,
    )
    for number in range(count):
        if number:
            learner = variant(declared, ModelTrial(study.ask(), job.model), job.learner, job.learner.epochs)
        named = job._replace(model=f"{job.model}.{number}", learner=learner)
        scored = [score_fold(named._replace(fold=fold), dict.fromkeys(SHARES, -np.inf)) for fold in folds]
        reals.append(real(declared, scored))
        print(f"{number + 1} of {count}: {reals[-1].variant.quality:.4f}, {sum(reals[-1].seconds):.0f} s", flush=True)
    return reals


def real(declared: Competition, folds: Sequence[FoldScore]) -> Real:
    score = float(declared.metric.score(np.concatenate([fold.statistics for fold in folds])))
    quality = score if declared.metric.higher_is_better else -score
    whole = Variant(quality, [fold.statistics for fold in folds], folds[0].curve)
    return Real(whole, [fold.seconds for fold in folds])


def replay(declared: Competition, groups: dict[int, np.ndarray], reals: Sequence[Real], pruned: bool) -> Replay:
    """One worker, one variant after the other; the first is the declared one, which is never pruned."""
    curves = all(each.variant.curve for each in reals)  # what is fitted at once has none
    pruner = Pruner(declared.metric, groups, paired=pruned, curves=pruned and curves)
    now, best = 0.0, Replay(0.0, 0.0, -np.inf)
    for number, (of, seconds) in enumerate(reals):
        folds = trained(pruner, str(number), of, number > 0)
        whole = int(folds)
        now += sum(seconds[:whole]) + (folds - whole) * seconds[min(whole, len(seconds) - 1)]
        if whole == len(seconds) and of.quality > best.quality:
            best = Replay(now, now, of.quality)
    return best._replace(ended=now)


def show(replays: Sequence[Sequence[Replay]]) -> None:
    sooner = [
        without.reached / pruned.reached if pruned.quality == without.quality else 0.0 for without, pruned in replays
    ]
    shorter = [without.ended / pruned.ended for without, pruned in replays]
    lost = np.mean([without.quality - pruned.quality for without, pruned in replays])
    low, high = np.percentile(sooner, [10, 90])
    kept = f"pruning kept the best variant in {np.count_nonzero(sooner)}"
    print(f"{len(replays)} orders; {kept}, and lost {lost:.4f} on average")
    print(f"to the score of the full search: {statistics.median(sooner):.2f} times as fast ({low:.2f} to {high:.2f})")
    print(f"to the end of all variants: {statistics.median(shorter):.2f} times as fast")


if __name__ == "__main__":
    main()
