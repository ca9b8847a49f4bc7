"""The incumbent: from the first fold on a valid submission lies in best/, replaced only by a better one.

A background worker fits the ensemble of all finished runs, cross-fitted and gated as ever, and writes its submission
where it beats the incumbent by more than noise. The search goes on meanwhile.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness import paths
from harness.bootstrap import compare, interval
from harness.competition import find
from harness.ensemble import FittedEnsemble, OOFData
from harness.files import append_line, atomic, finite, read_json
from harness.metrics import Metric
from harness.models import Learner
from harness.options import Request
from harness.prepare import Prepared
from harness.search.retries import out_of_memory
from harness.search.schedule import SearchSchedule
from harness.search.study import TrialRun
from harness.submission.writer import now
from harness.training import search_result
from harness.training.cross_validation import describe
from harness.training.ensembling import blend_of, ensemble, write_submission
from harness.training.predictions import ModelRun, run_folder
from harness.training.workers import Workers

PAUSE = 10  # times as long as the last ensemble took passes until the next one
START = 5.0  # seconds to read the data and the predictions, of the ten that are reserved for the end
Members = Mapping[str, tuple[Learner, Mapping[str, Any]]]  # name -> (learner, fast paths)


class IncumbentJob(NamedTuple):
    """members: the runs that the ensemble is chosen from. others: complete runs that only get their run.json.

    started: of the search, in seconds since the epoch. last: at the end of the search the better score counts, though
    it may be noise.
    """

    competition: str
    data_hash: str
    folds: int
    members: Members
    others: Members
    team: str | None
    started: float
    last: bool = False

    @property
    def home(self) -> Path:
        return paths.searches(self.competition, self.data_hash)


# -- in the background worker ------------------------------------------------------------------------------------------


def save_incumbent(job: IncumbentJob) -> dict[str, Any]:
    """Write the ensemble's submission if it is better. Returns the event that it logged, "incumbent" or "refused"."""
    competition, prepared = find(job.competition), Prepared(job.competition, job.data_hash)
    started = time.monotonic()
    request = Request(competition, team=job.team, folds=job.folds, started=started - (time.time() - job.started))
    folds = prepared.folds(competition, job.folds)
    model_runs = described(request, prepared, folds, job.members)
    described(request, prepared, folds, job.others)
    fitted, oof = ensemble(request, prepared, folds, model_runs, blend_of(competition, model_runs))
    rows = np.flatnonzero(np.isin(folds, np.unique(oof.folds)))  # of the training data, in the folds that were used
    better = is_better(competition.metric, job, fitted, oof, rows)
    if better:  # an earlier search's submission may be better, too
        file, manifest = write_submission(request, prepared, folds, model_runs, fitted, oof)
        better = read_json(file.parent / "best" / "submission.json")["file"] == paths.shown(file)
    if better:
        search_result.save(job.competition, job.data_hash, manifest)
        content = {
            **manifest["cv"],
            "by_class": {name: finite(s) for name, s in competition.metric.by_class(fitted.statistics[-1]).items()},
            "weights": manifest["recipe"]["weights"],
            "models": {name: manifest["models"][name] for name in fitted.recipe.names},
            "folds": len(np.unique(oof.folds)),
            "file": paths.shown(file),
        }
    else:
        content = interval(oof.metric, fitted.statistics[-1], oof.groups)._asdict()
    kind = "incumbent" if better else "refused"
    event = {"at": now(), "event": kind, "spent": round(request.spent, 1), **content}
    append_line(job.home / "search.jsonl", event)
    if better:
        with atomic(job.home / "incumbent.npz") as out:  # last: after a kill before this, all of it is done again
            np.savez(out, name=np.array(paths.shown(file)), rows=rows, statistics=fitted.statistics[-1])
    return {**event, "seconds": time.monotonic() - started, "offered": len(job.members), "last": job.last}


def described(request: Request, prepared: Prepared, folds: np.ndarray, members: Members) -> dict[str, ModelRun]:
    """The runs, each with a run.json about the folds that it has."""
    model_runs = {}
    for name, (learner, fast) in members.items():
        run = ModelRun(run_folder(request.competition.name, prepared.train_hash(folds), name, learner))
        known = (run.folder / "run.json").exists() and run.manifest["folds"]
        if known != run.held(request.fold_count):
            describe(request, prepared, folds, name, learner, fast, run)
        model_runs[name] = run
    return model_runs


def is_better(metric: Metric, job: IncumbentJob, fitted: FittedEnsemble, oof: OOFData, rows: np.ndarray) -> bool:
    """Better than this search's incumbent beyond noise, or at all at the end; or no worse, on more rows.

    Anything is better than what no search put into best/.
    """
    if not (job.home / "incumbent.npz").exists():
        return True
    with np.load(job.home / "incumbent.npz", allow_pickle=False) as saved:
        before = dict(saved)
    best = read_json(paths.submissions(job.competition, job.data_hash) / "best" / "submission.json")
    total = len(Prepared(job.competition, job.data_hash).train)
    if best["file"] != str(before["name"]) or before["rows"].max() >= total:
        return True
    shared, ours, theirs = np.intersect1d(rows, before["rows"], return_indices=True)
    gain = compare(metric, before["statistics"][theirs], fitted.statistics[-1][ours], oof.groups[ours])
    better = gain.difference > 0 if job.last else gain.low > 0
    return better or (len(rows) > len(shared) and gain.high >= 0)


# -- in the search -----------------------------------------------------------------------------------------------------


class IncumbentSaver:
    """Decides when the background worker looks for a better ensemble, and from which runs.

    changed: whether there are runs that no ensemble has seen. best: the event of the incumbent.
    """

    def __init__(
        self, request: Request, prepared: Prepared, train_hash: str, worker: Workers, schedule: SearchSchedule
    ):
        self.request, self.prepared, self.train_hash = request, prepared, train_hash
        self.worker, self.schedule = worker, schedule
        self.changed, self.refused, self.saved, self.busy = False, False, False, False
        self.best: dict[str, Any] | None = None
        self.next_time = 0.0

    def save_if_due(self, members: Mapping[str, TrialRun], active: Sequence[TrialRun], last: bool = False) -> bool:
        """Start the background worker; with the first fold of all where nothing complete is saved yet.

        last: once more at the end, also for what was refused as no better beyond noise.
        """
        chosen = self.candidates(members, active)
        if not chosen or self.busy or not (self.changed or (last and self.refused)):
            return False
        late = time.time() + len(chosen) * self.schedule.ensemble > self.schedule.deadline(len(members))
        if not last and (late or time.time() < self.next_time):
            return False
        self.changed, self.refused, self.busy = False, False, True
        competition = self.request.competition.name
        folders = {name: run_folder(competition, self.train_hash, name, run.learner) for name, run in members.items()}
        unchosen = [name for name in members if name not in chosen and not (folders[name] / "run.json").exists()]
        offered, others = (
            {name: (run.learner, self.schedule.fast[run.model]) for name, run in runs.items()}
            for runs in (chosen, {name: members[name] for name in unchosen})
        )
        ids = (competition, self.prepared.data_hash, self.request.fold_count)
        job = IncumbentJob(*ids, offered, others, self.request.team, self.schedule.started, last)
        self.worker.submit(save_incumbent, job)
        return True

    def candidates(self, members: Mapping[str, TrialRun], active: Sequence[TrialRun]) -> dict[str, TrialRun]:
        """The best complete runs, as many as there is time for, and the specialists; else one with its first folds."""
        general = ranked(members, self.request.competition.metric)[: self.schedule.pool]
        if general:
            specialists = {name: run for name, run in members.items() if run.number is None}
            return {run.name: run for run in general} | specialists
        started = [run for run in active if run.number is not None and run.folds][:1]
        if self.saved or not started:
            return {}
        self.changed = True
        return {started[0].name: started[0]}

    def settle(self, event: Any) -> None:
        """Take the background worker's event; raise its error, unless fewer models may fit the memory."""
        self.busy = False
        if isinstance(event, BaseException):
            if not out_of_memory(event) or self.schedule.pool < 2:
                raise event
            self.schedule.pool //= 2
            self.changed = True
            self.request.say(f"out of memory for the ensemble; trying {self.schedule.pool} of the models")
            return
        self.saved, self.next_time = True, time.time() + PAUSE * event["seconds"]
        self.refused = event["event"] == "refused" and not event["last"]
        if event["event"] == "incumbent":
            low, high = event["low"], event["high"]
            self.best = event
            self.request.say(f"new best submission: {event['score']:.4f} ({low:.4f} to {high:.4f}), {event['file']}")
        seconds = event["seconds"] - START  # the start of its process is not the time of a member
        self.schedule.ensemble = max(self.schedule.ensemble, seconds / event["offered"])


def ranked(members: Mapping[str, TrialRun], metric: Metric) -> list[TrialRun]:
    """The complete variants, the best first."""
    complete = [run for run in members.values() if run.value is not None]
    return sorted(complete, key=lambda run: run.value or 0.0, reverse=metric.higher_is_better)
