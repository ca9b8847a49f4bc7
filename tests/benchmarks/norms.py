"""The same networks with batch norms as training left them, and recalibrated (`norm_rows`), on rows they never saw.

make data COMP=mars DATA=../shared/data/mars
python -m tests.benchmarks.norms mars coarse --epochs 12 --folds 0,1
"""

import argparse
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from harness.bootstrap import compare
from harness.competition import find
from harness.ensemble import statistics_alone
from harness.models import Context
from harness.models.torch_loop.fitted import TorchFitted
from harness.models.torch_loop.training_loop import TrainingLoop
from harness.prepare import current
from harness.training.fold import predict_views
from tests.benchmarks.protocol import one_model


def main() -> None:
    asked = options()
    declared, prepared = find(asked.competition), current(asked.competition)
    learner = replace(declared.models[asked.model], norm_rows=0)
    learner = replace(learner, epochs=asked.epochs or learner.epochs)
    fold_of_row, task, metric = prepared.folds(declared, declared.split.folds), declared.task, declared.metric
    scored: dict[tuple[str, str], list[np.ndarray]] = {}
    for fold in asked.folds:
        train = prepared.train[declared.split.training_rows(prepared.train, fold_of_row, fold)]
        valid = prepared.train[fold_of_row == fold]
        with TemporaryDirectory() as folder:
            context = Context(task, Path(folder), fold=fold, threads=asked.threads)
            trained = learner.fit(train, None, context)
            measured = TrainingLoop(replace(learner, norm_rows=asked.rows), train, context)
            measured.state.network.load_state_dict(trained.network.state_dict())
            measured.recalibrate_batch_norm()
            recalibrated = TorchFitted(measured.encoding, measured.state.network, measured.machine)
        for norms, fitted in (("as trained", trained), ("measured", recalibrated)):
            for view, predicted in predict_views(declared, fitted, valid.inputs)._asdict().items():
                rows = statistics_alone(task, metric, valid.targets, predicted)
                scored.setdefault((norms, view), []).append(rows)
                print(f"fold {fold}, {norms}, {view}: {metric.score(rows):.4f}", flush=True)
    groups = np.concatenate([prepared.train.groups[fold_of_row == fold] for fold in asked.folds])
    for view in ("plain", "tta"):
        gain = compare(metric, *(np.concatenate(scored[norms, view]) for norms in ("as trained", "measured")), groups)
        print(f"{view}: {gain.difference:+.4f} ({gain.low:+.4f} to {gain.high:+.4f}), p {gain.p:.4f}")


def options() -> argparse.Namespace:
    parser = one_model(__doc__)
    parser.add_argument("--rows", type=int, default=1024)
    return parser.parse_args()


if __name__ == "__main__":
    main()
