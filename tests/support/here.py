"""Workers that run every job in this process, one after the other, and the path of a submission on them."""

from collections.abc import Callable
from typing import Any, NamedTuple

from harness import paths
from harness.ensemble import FittedEnsemble, OOFData
from harness.options import Request
from harness.prepare import Prepared, prepare
from harness.training.budget import Plan
from harness.training.cross_validation import cross_validate
from harness.training.ensembling import ensemble, keep_baseline, write_submission
from harness.training.predictions import ModelRun


class Here:
    """The interface of `harness.training.workers.Workers`. A job that fails fails the test."""

    slots, threads = 1, 1

    def __init__(self) -> None:
        self.done: list[tuple[int, Any]] = []

    @property
    def free(self) -> int:
        return 1 - len(self.done)

    def __enter__(self) -> "Here":
        return self

    def __exit__(self, *error: Any) -> None:
        """Nothing is left running."""

    def submit(self, function: Callable[..., Any], *arguments: Any) -> int:
        self.done.append((0, function(*arguments)))
        return 0

    def finished(self, timeout: float | None = None) -> list[tuple[int, Any]]:
        done, self.done = self.done, []
        return done


class Run(NamedTuple):
    prepared: Prepared
    folds: Any
    model_runs: dict[str, ModelRun]
    fitted_ensemble: FittedEnsemble
    oof: OOFData
    file: Any
    manifest: dict[str, Any]


def run(request: Request) -> Run:
    """From the data to the judge's file, as `pipeline.submit` goes; every model for one epoch."""
    competition, count = request.competition, request.fold_count
    prepared = prepare(request)
    keep_baseline(request, prepared)
    folds = prepared.folds(competition, count)
    file = paths.runs(competition.name, prepared.train_hash(folds)) / "plan.json"
    once = dict.fromkeys(request.learners, 1)
    seconds = dict.fromkeys(once, (0.0, 1.0))
    fast: dict[str, Any] = {name: {} for name in once}
    plan = Plan(once, count, count, Here.slots, Here.threads, fast, {}, seconds, 1.0, 1.0, None, file=file, key="here")
    model_runs = cross_validate(request, prepared, folds, plan, Here())
    fitted_ensemble, oof = ensemble(request, prepared, folds, model_runs, competition.ensemble)
    return Run(
        prepared,
        folds,
        model_runs,
        fitted_ensemble,
        oof,
        *write_submission(request, prepared, folds, model_runs, fitted_ensemble, oof),
    )
