"""Money in the bank: from the first fold on a valid submission lies in best/, swapped only for a better one.

A job of its own, so that the search goes on meanwhile: the ensemble of all finished bundles is fitted, cross-fitted and
gated as ever, and handed in where it beats what is there by more than noise.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness import paths
from harness.bootstrap import compare, interval
from harness.competition import find
from harness.ensemble import FittedEnsemble, OOFData
from harness.files import append_line, atomic, read_json
from harness.metrics import Metric
from harness.models import Learner
from harness.options import Request
from harness.prepare import Prepared
from harness.submission.writer import now
from harness.training import search_result
from harness.training.cross_validation import describe, finite
from harness.training.ensembling import blend_of, ensemble, write_submission
from harness.training.predictions import ModelRun, run_folder


class Deposit(NamedTuple):
    """members: name -> (learner, fast paths). began: seconds since the epoch, when the search did.

    last: at the end of the night, where the better score counts, though it may be noise. others: complete bundles that
    are described and not offered.
    """

    competition: str
    data_hash: str
    folds: int
    members: Mapping[str, tuple[Learner, Mapping[str, Any]]]
    team: str | None
    began: float
    last: bool = False
    others: Mapping[str, tuple[Learner, Mapping[str, Any]]] = {}


def deposit(job: Deposit) -> dict[str, Any]:
    """The event that it wrote into the night's book: "bank", with the file's name, or "refused"."""
    competition, prepared = find(job.competition), Prepared(job.competition, job.data_hash)
    started = time.monotonic()
    request = Request(competition, team=job.team, folds=job.folds, started=started - (time.time() - job.began))
    folds = prepared.folds(competition, job.folds)
    model_runs = {name: described(request, prepared, folds, name, *member) for name, member in job.members.items()}
    for name, other in job.others.items():
        described(request, prepared, folds, name, *other)
    fitted_ensemble, oof = ensemble(request, prepared, folds, model_runs, blend_of(competition, model_runs))
    if not outdoes(competition.metric, job, fitted_ensemble, oof):
        return refused(request, job, fitted_ensemble, oof, started)
    file, card = write_submission(request, prepared, folds, model_runs, fitted_ensemble, oof)
    if read_json(file.parent / "best" / "submission.json")["file"] != paths.shown(file):
        return refused(request, job, fitted_ensemble, oof, started)  # a better one was there before this search
    search_result.keep(job.competition, job.data_hash, card)
    banked = {
        **card["cv"],
        "by_class": finite(competition.metric.by_class(fitted_ensemble.statistics[-1])),
        "weights": card["recipe"]["weights"],
        "models": {name: card["models"][name] for name in fitted_ensemble.recipe.names},
        "folds": len(np.unique(oof.folds)),
        "file": paths.shown(file),
    }
    event = noted(request, job, "bank", started, banked)
    remember(job, file, fitted_ensemble, oof)  # last: what a kill breaks off before is all done again
    return event


def refused(
    request: Request, job: Deposit, fitted_ensemble: FittedEnsemble, oof: OOFData, started: float
) -> dict[str, Any]:
    cv = interval(oof.metric, fitted_ensemble.statistics[-1], oof.groups)._asdict()
    return noted(request, job, "refused", started, cv)


def noted(request: Request, job: Deposit, kind: str, started: float, content: Mapping[str, Any]) -> dict[str, Any]:
    """The event, written into the night's book."""
    event = {"at": now(), "event": kind, "spent": round(request.spent, 1), **content}
    append_line(place(job).with_name("night.jsonl"), event)
    return {**event, "seconds": time.monotonic() - started, "offered": len(job.members), "last": job.last}


def described(
    request: Request, prepared: Prepared, folds: np.ndarray, name: str, learner: Learner, fast: Mapping[str, Any]
) -> ModelRun:
    """The bundle, with a bundle.json that speaks of the folds it has."""
    train = prepared.train_hash(folds)
    model_run = ModelRun(run_folder(request.competition.name, train, name, learner))
    known = (model_run.folder / "run.json").exists() and model_run.manifest["folds"]
    if known != model_run.held(request.fold_count):
        describe(request, prepared, folds, name, learner, fast, model_run)
    return model_run


def outdoes(metric: Metric, job: Deposit, fitted_ensemble: FittedEnsemble, oof: OOFData) -> bool:
    """Better than what this search banked last, beyond noise, or at the end at all; or no worse, on more rows."""
    last = banked(job)
    if last is None:
        return True
    rows = row_numbers(job, oof)
    shared, ours, theirs = np.intersect1d(rows, last["rows"], return_indices=True)
    before, after = last["statistics"][theirs], fitted_ensemble.statistics[-1][ours]
    gain = compare(metric, before, after, oof.groups[ours])
    better = gain.difference > 0 if job.last else gain.low > 0
    return better or (len(rows) > len(shared) and gain.high >= 0)


def row_numbers(job: Deposit, oof: OOFData) -> np.ndarray:
    """Which rows of the training data a problem is about: those of its folds."""
    folds = Prepared(job.competition, job.data_hash).folds(find(job.competition), job.folds)
    return np.flatnonzero(np.isin(folds, np.unique(oof.folds)))


def remember(job: Deposit, file: Path, fitted_ensemble: FittedEnsemble, oof: OOFData) -> None:
    with atomic(place(job)) as out:
        rows, name = row_numbers(job, oof), paths.shown(file)
        np.savez(out, name=np.array(name), rows=rows, statistics=fitted_ensemble.statistics[-1])


def banked(job: Deposit) -> Mapping[str, np.ndarray] | None:
    """The statistics of what lies in best/; None where a search did not put it there."""
    if not place(job).exists():
        return None
    with np.load(place(job), allow_pickle=False) as saved:
        last = dict(saved)
    best = read_json(paths.submissions(job.competition, job.data_hash) / "best" / "submission.json")
    return last if best["file"] == str(last["name"]) and last["rows"].max() < train_rows(job) else None


def train_rows(job: Deposit) -> int:
    return len(Prepared(job.competition, job.data_hash).train)


def place(job: Deposit) -> Path:
    return paths.searches(job.competition, job.data_hash) / "banked.npz"
