"""One network kept in three ways: one cosine with its moving average and without, and cosine restarts.

make data COMP=blood DATA=../shared/data/bloodcells28
python -m tests.benchmarks.averages blood residual --rows 1500 --epochs 12 --folds 0,1,2

All for the same epochs, on the same rows of a fold, and scored on rows that they never saw.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from harness.bootstrap import compare, interval
from harness.competition import find
from harness.ensemble import statistics_alone
from harness.models import Context
from harness.models.optim import CosineRestarts, WarmupCosine
from harness.prepare import current
from tests.benchmarks.protocol import one_model

RESTARTS = CosineRestarts(cycles=4, longer=1.0)
ARMS: dict[str, dict[str, Any]] = {
    "one cosine": {"schedule": WarmupCosine()},
    "without the moving average": {"schedule": WarmupCosine(), "ema": 0.0},
    "four restarts": {"schedule": RESTARTS},
}


def main() -> None:
    asked = options()
    declared, prepared = find(asked.competition), current(asked.competition)
    learner = declared.models[asked.model]
    learner = replace(learner, epochs=asked.epochs or learner.epochs)
    fold_of_row, task, metric = prepared.folds(declared, declared.split.folds), declared.task, declared.metric
    scored: dict[str, list[np.ndarray]] = {arm: [] for arm in ARMS}
    for fold in asked.folds:
        train = prepared.train[declared.split.training_rows(fold_of_row, fold)]
        drawn = np.random.default_rng(fold).permutation(len(train))
        train = train[np.sort(drawn[: asked.rows or None])]
        valid = prepared.train[fold_of_row == fold]
        for arm, kept in ARMS.items():
            with TemporaryDirectory() as folder:
                context = Context(task, Path(folder), fold=fold, threads=asked.threads)
                predicted = replace(learner, **kept).fit(train, None, context).predict(valid.inputs)
            scored[arm].append(statistics_alone(task, metric, valid.targets, predicted))
            print(f"fold {fold}, {arm}: {metric.score(scored[arm][-1]):.4f}", flush=True)
    groups = np.concatenate([prepared.train.groups[fold_of_row == fold] for fold in asked.folds])
    first, *others = (np.concatenate(rows) for rows in scored.values())
    print("one cosine: {:.4f} ({:.4f} to {:.4f})".format(*interval(metric, first, groups)))
    for arm, rows in zip(list(ARMS)[1:], others, strict=True):
        gain = compare(metric, first, rows, groups)
        print(f"{arm}: {gain.difference:+.4f} ({gain.low:+.4f} to {gain.high:+.4f}), p {gain.p:.4f}")


def options() -> argparse.Namespace:
    parser = one_model(__doc__)
    parser.add_argument("--rows", type=int, default=0, help="of a fold's training rows; 0: all")
    return parser.parse_args()


if __name__ == "__main__":
    main()
