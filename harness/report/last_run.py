"""The last run as a report needs it: its submission manifest, its model runs, its ensemble refitted, its predictions.

Every row is a training row, decided by the recipe that was fitted without the row's fold.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from harness import paths
from harness.bootstrap import Interval, class_intervals
from harness.competition import Competition
from harness.data.samples import Samples
from harness.ensemble import FittedEnsemble, OOFData, Recipe, part_of
from harness.errors import UserError
from harness.files import read_json
from harness.prepare import Prepared
from harness.report.diagnostics import Diagnostics, diagnostics
from harness.training.ensembling import refitted
from harness.training.predict import runs_of
from harness.training.predictions import ModelRun

ALIKE = 9  # decimal places after which gains differ by rounding alone


class Predictions(NamedTuple):
    """The ensemble's out-of-fold predictions, in the order of the samples.

    subsampled, targets: by `Task.subsample`. statistics_if_perfect: by class, of the metric, if that class were
    perfect.
    """

    decided: Any
    subsampled: Any
    targets: Any
    statistics_if_perfect: Mapping[str, np.ndarray]


class PerfectClass(NamedTuple):
    """The metric if one class were perfect. gain: positive where it is better, also where lower scores win."""

    name: str
    score: float
    gain: float


@dataclass(frozen=True)
class LastRun:
    """samples: the rows with out-of-fold predictions of every member, aligned with `oof`; share: of all rows.

    manifest: of the submission.
    """

    competition: Competition
    prepared: Prepared
    manifest: Mapping[str, Any]
    model_runs: Mapping[str, ModelRun]
    samples: Samples
    oof: OOFData
    fitted_ensemble: FittedEnsemble
    share: float

    @property
    def recipe(self) -> Recipe:
        return self.fitted_ensemble.recipe

    @property
    def sign(self) -> int:
        return 1 if self.competition.metric.higher_is_better else -1

    @property
    def statistics(self) -> np.ndarray:
        """The metric's statistics, cross-fitted."""
        return self.fitted_ensemble.statistics[-1]

    @cached_property
    def diagnostics(self) -> Diagnostics:
        return diagnostics(self.competition.task)

    @cached_property
    def score(self) -> float:
        return float(self.competition.metric.score(self.statistics))

    @cached_property
    def classes(self) -> dict[str, Interval]:
        """The score of every class, the worst first."""
        found = class_intervals(self.competition.metric, self.statistics, self.oof.groups)
        return dict(sorted(found.items(), key=lambda item: self.sign * item[1].score))

    @cached_property
    def predictions(self) -> Predictions:
        return cross_fitted(self)

    @cached_property
    def headroom(self) -> list[PerfectClass]:
        """Every class that can be predicted, the largest gain first; at the same gain, the weaker class first."""
        perfect = self.predictions.statistics_if_perfect
        scores = {name: float(self.competition.metric.score(rows)) for name, rows in perfect.items()}
        rows = [PerfectClass(name, score, self.sign * (score - self.score)) for name, score in scores.items()]
        weakest = {name: place for place, name in enumerate(self.classes)}  # a metric may leave classes out
        return sorted(rows, key=lambda row: (-round(row.gain, ALIKE), weakest.get(row.name, len(weakest))))


def last_run(competition: Competition) -> LastRun:
    """The run of the best submission on the data prepared last; where there is none, the newest of any data."""
    manifest = last_manifest(competition.name)
    prepared, model_runs = Prepared(competition.name, manifest["data_hash"]), runs_of(manifest)
    folds, fitted_ensemble, oof = refitted(competition, prepared, manifest)
    samples = prepared.train[np.isin(folds, np.unique(oof.folds))]
    share = len(samples) / int((folds >= 0).sum())
    return LastRun(competition, prepared, manifest, model_runs, samples, oof, fitted_ensemble, share)


def last_manifest(competition: str) -> dict[str, Any]:
    """Raise `UserError` where nothing was trained, or there is only a baseline."""
    current = paths.data(competition) / "current.json"
    if current.exists():
        data_hash = read_json(current)["data_hash"]
        best = paths.submissions(competition, data_hash) / "best" / "submission.json"
        manifest = read_json(best) if best.exists() else {}
        if manifest.get("recipe"):
            return {**manifest, "data_hash": data_hash}
    manifests = [read_json(file) for file in paths.submissions(competition, "*").parent.glob("*/*.json")]
    made = [manifest for manifest in manifests if manifest.get("recipe")]
    if not made:
        raise UserError(f"{competition} has no trained ensemble yet; run `make submit COMP={competition}` first")
    return max(made, key=lambda manifest: manifest["created_at"])


def cross_fitted(run: LastRun) -> Predictions:
    task, metric, oof = run.competition.task, run.competition.metric, run.oof
    choices = [(label, name) for label, name in enumerate(task.classes) if label != task.void]
    decided, subsampled, order = [], [], []
    perfect: dict[str, list[np.ndarray]] = {name: [] for _, name in choices}
    for fold, recipe in run.fitted_ensemble.without.items():
        rows = np.flatnonzero(oof.folds == fold)
        members = {name: part_of(oof.members[name], recipe.tta, rows) for name in recipe.names}
        prediction, targets = recipe.blend(task, members), oof.targets[rows]
        decided.append(recipe.decided(task, prediction))
        subsampled.append(task.subsample(prediction))
        order.append(rows)
        for label, name in choices:
            replaced = run.diagnostics.with_perfect_class(targets, prediction, decided[-1], label)
            perfect[name].append(metric.statistics(targets, replaced))
    back = np.argsort(np.concatenate(order))
    return Predictions(
        task.join(decided)[back],
        task.join(subsampled)[back],
        task.subsample(oof.targets),
        {name: np.concatenate(parts)[back] for name, parts in perfect.items()},
    )
