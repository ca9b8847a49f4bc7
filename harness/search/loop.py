"""The loop of a search: which fold trains next, and what follows from its result. Events go to search.jsonl."""

import time
from dataclasses import replace
from typing import Any

import numpy as np

from harness import paths
from harness.bootstrap import interval
from harness.disk import size
from harness.files import append_line, finite
from harness.models import Interrupted, OutOfTime
from harness.options import Request
from harness.prepare import Prepared
from harness.search.incumbent import IncumbentSaver, ranked
from harness.search.pruning import Pruner
from harness.search.retries import disk_full, free_disk_space, over_quota, retry
from harness.search.schedule import SearchSchedule
from harness.search.study import DUPLICATE, Study, TrialFailed, TrialRun
from harness.submission.writer import now
from harness.training.budget import schedules
from harness.training.fold import MIN_TIME_LEFT, FoldJob, FoldScore, PrunedFold, score_fold
from harness.training.predictions import ModelRun, run_folder
from harness.training.workers import Workers, results, run

MAX_DUPLICATES = 20  # sampled in a row: the search space is exhausted
EXPLORING = 0.55  # of the search; then the best variants are trained on the declared schedule, where it is longer
LONGER = 1.3  # a schedule is worth another training if it is so many times as long
RESUME_SECONDS = 30.0  # between two checks for trials that other searches on the same study left
TICK = 1.0  # seconds between two checks of the time
FULL = "the disk is full; `make clean` deletes runs that nothing uses"


class SearchLoop:
    """Call `run`. All state is on the disk, so that a kill costs a fold at most.

    workers: they train; background: a worker of its own for the incumbent.
    """

    def __init__(
        self,
        request: Request,
        prepared: Prepared,
        folds: np.ndarray,
        workers: Workers,
        background: Workers,
        study: Study,
        schedule: SearchSchedule,
        pruner: Pruner,
    ):
        self.request, self.prepared, self.workers, self.background = request, prepared, workers, background
        self.study, self.schedule, self.pruner = study, schedule, pruner
        self.count, self.train_hash = request.fold_count, prepared.train_hash(folds)
        self.folds = [fold for fold in range(self.count) if (folds == fold).any()]
        self.incumbent = IncumbentSaver(request, prepared, self.train_hash, background, schedule)
        self.active: list[TrialRun] = []  # the next first
        self.running: dict[int, tuple[TrialRun, int]] = {}  # job id -> (run, fold)
        self.members: dict[str, TrialRun] = {}  # all complete ones
        self.largest = 0  # bytes of the largest complete run
        self.ends_because = ""  # why nothing new starts
        self.next_resume = time.time() + RESUME_SECONDS

    def run(self) -> None:
        self.open()
        while True:
            while self.workers.free and self.start_next():
                pass
            self.incumbent.save_if_due(self.members, self.active)
            if self.study.locks.shared and not self.ends_because and time.time() > self.next_resume:
                self.next_resume = time.time() + RESUME_SECONDS
                self.resume()  # another search on this study may have died while this one went on
            idle = not self.running and not self.incumbent.busy
            if idle and not self.incumbent.save_if_due(self.members, self.active, last=True):
                break
            for job_id, result in self.workers.finished(TICK) if self.running else ():
                self.settle(*self.running.pop(job_id), result)
            for _, event in self.background.finished(0 if self.running else TICK) if self.incumbent.busy else ():
                self.incumbent.settle(event)
            self.show()
        self.log("end", seconds=round(self.request.spent, 1), why=self.ends_because)
        self.request.say(f"the search ends: {self.ends_because}")

    def open(self) -> None:
        """Resume what an earlier search left, and start with what is declared."""
        self.show()
        earlier = {what: count for what, count in self.study.counts().items() if count}
        slots = self.workers.slots
        self.log("start", hours=self.schedule.hours, workers=slots, trials=sum(earlier.values()))
        if earlier:
            listed = ", ".join(f"{count} {what}" for what, count in earlier.items())
            self.request.say(f"resuming the study of earlier searches: {listed}")
        self.recall()
        self.resume()
        known = {*self.members, *(trial.name for trial in self.active)}
        for name, learner in self.request.learners.items():
            if name in known:
                continue
            if learner.target_class is not None:
                scheduled = replace(learner, epochs=self.schedule.epochs[name])
                self.active.append(TrialRun(name, name, scheduled, None, prunable=False))
            else:
                self.study.enqueue_declared(name)
                self.active += [made] if (made := self.sample()) else []
        self.request.say(f"a trial: {schedules(self.schedule.epochs)}; {self.count} folds, {slots} at once")

    def recall(self) -> None:
        """Load the finished trials of earlier searches; the best one's statistics are scored again, for pruning."""
        done = [trial for trial in self.study.finished() if self.model_run(trial).held(self.count) == self.folds]
        for trial in done:
            self.add_member(trial)
        for best in done[:1]:
            jobs: list[tuple[Any, ...]] = [(self.job(best, fold), {}) for fold in self.folds]
            for index, scored in results(run(self.workers, score_fold, jobs)):
                self.pruner.add(best.name, self.folds[index], scored.statistics, {})
            self.pruner.complete(best.name)

    def resume(self) -> None:
        """Take the trials that a killed search left; another's declared model may be ours too."""
        for trial in self.study.unfinished():
            if trial.name in {*self.members, *(other.name for other in self.active)}:
                self.study.prune(trial, DUPLICATE)
            else:
                self.active.append(trial)
                self.request.say(f"resuming {trial.name}")

    # -- what trains next ----------------------------------------------------------------------------------------------

    def start_next(self) -> bool:
        """Start one fold, or find the next trial; False where there is nothing to start now.

        Of a variant that may be pruned, the first fold alone starts until it is scored.
        """
        for trial in self.active:
            scored = self.pruner.statistics.get(trial.name, {})
            busy = {fold for of, fold in self.running.values() if of is trial}
            left = [fold for fold in self.folds if fold not in scored and fold not in busy]
            waits = busy and trial.prunable and self.pruner.paired and not scored
            if left and not waits and self.fits(trial.name, trial.model, trial.learner.epochs):
                job = self.job(trial, left[0])._replace(deadline=self.schedule.deadline(len(self.members)))
                limits = self.pruner.limits(left[0]) if trial.prunable and not scored else {}
                self.running[self.workers.submit(score_fold, job, limits)] = trial, left[0]
                return True
        if self.ends_because:
            return False
        self.enqueue_longer()
        made = self.sample() if self.may_sample() else None
        self.active += [made] if made else []
        return made is not None

    def fits(self, name: str, model: str, epochs: int) -> bool:
        seconds = self.schedule.fold_seconds(name, model, epochs)
        return time.time() + MIN_TIME_LEFT * seconds < self.schedule.deadline(len(self.members))

    def job(self, trial: TrialRun, fold: int) -> FoldJob:
        seconds = self.schedule.fold_seconds(trial.name, trial.model, trial.learner.epochs)
        names = (self.request.competition.name, self.prepared.data_hash, trial.name)
        fast = self.schedule.fast[trial.model]
        return FoldJob(*names, trial.learner, fold, self.count, self.workers.threads, fast, None, seconds)

    def enqueue_longer(self) -> None:
        """When exploring is over: queue the best variant not yet trained longer, on a schedule that fits."""
        started, ends = self.schedule.started, self.schedule.deadline(self.schedule.pool)
        exploring = time.time() < started + EXPLORING * (ends - started)
        if exploring or any(trial.parent is not None for trial in self.active):
            return
        tried, best_first = self.study.lengthened(), ranked(self.members, self.request.competition.metric)
        untried = [trial for trial in best_first if trial.parent is None and trial.number not in tried]
        for trial in untried[:1]:
            learner, members = trial.learner, len(self.members) + 1
            epochs = self.schedule.longest(trial.name, trial.model, learner.epochs, members)
            if epochs >= LONGER * learner.epochs:
                self.study.enqueue_longer(trial, replace(learner, epochs=epochs))
                self.request.say(f"training {trial.name}, the best so far, again on {epochs} epochs")

    def may_sample(self) -> bool:
        """Whether there is time and disk space for one more trial."""
        epochs = self.schedule.epochs
        if not any(self.fits(name, name, epochs[name]) for name in self.study.models):
            left = max(0, self.schedule.deadline(len(self.members)) - time.time())
            self.ends_because = f"no fold fits into the {left:.0f} s that are left"
        elif not self.has_disk_space():
            self.ends_because = FULL
        return not self.ends_because

    def sample(self) -> TrialRun | None:
        """The next trial of the study that is not a duplicate; None where the search space gives none."""
        why = "every variant of the search space was tried"
        for _ in range(MAX_DUPLICATES):
            try:
                trial = self.study.ask(self.request.learners, self.schedule.epochs)
            except TrialFailed as error:
                why = str(error)
                self.request.say(f"a trial failed: {why}")
                continue
            if not self.study.is_duplicate(trial):
                return trial
            self.study.prune(trial, DUPLICATE)
        self.ends_because = why
        return None

    def has_disk_space(self) -> bool:
        return free_disk_space(self.request.competition, self.prepared, self.count, self.study, self.largest)

    # -- what follows from a result ------------------------------------------------------------------------------------

    def settle(self, trial: TrialRun, fold: int, result: Any) -> None:
        if trial not in self.active:  # it ended while this fold ran
            return
        if isinstance(result, FoldScore):
            self.score(trial, fold, result)
        elif isinstance(result, PrunedFold):
            self.pruner.add_curve(fold, {result.share: result.quality})
            at = f"fold {fold} at {result.share:.0%} of its schedule"
            self.prune(trial, f"{at}: {abs(result.quality):.4f}, where others had {abs(result.limit):.4f}")
        elif isinstance(result, OutOfTime):
            self.ends_because = self.ends_because or "its time is used; a started fold resumes next time"
        elif not isinstance(result, Interrupted):  # its worker was ended from outside: the fold runs again
            self.retry_or_fail(trial, result)

    def score(self, trial: TrialRun, fold: int, scored: FoldScore) -> None:
        self.pruner.add(trial.name, fold, scored.statistics, scored.curve)
        self.schedule.record_fold(trial.name, trial.model, trial.learner.epochs, scored.seconds)
        score = self.pruner.score(trial.name)
        self.study.report(trial, {"fold": fold, "score": score, "seconds": scored.seconds, "ended": now()}, score)
        self.request.say(f"{trial.name}, fold {fold}: {score:.4f} on {len(trial.folds)} of {len(self.folds)} folds")
        if len(trial.folds) == len(self.folds):
            self.complete(trial)
        elif trial.prunable and (reason := self.pruner.worse(trial.name)):
            self.prune(trial, reason)

    def complete(self, trial: TrialRun) -> None:
        self.active.remove(trial)
        self.add_member(trial)
        if trial.number is None:
            return
        self.pruner.complete(trial.name)
        metric, statistics = self.request.competition.metric, self.pruner.rows(trial.name)
        whole = interval(metric, statistics, np.concatenate([self.pruner.groups[fold] for fold in self.folds]))
        place = paths.shown(self.model_run(trial).folder)
        by_class = {name: finite(score) for name, score in metric.by_class(statistics).items()}
        self.study.finish(trial, whole.score, interval=whole._asdict(), by_class=by_class, model_run=place)
        self.request.say(f"{trial.name}: {whole.score:.4f} ({whole.low:.4f} to {whole.high:.4f}), all folds")

    def add_member(self, trial: TrialRun) -> None:
        """Add a complete run to those that the ensemble is chosen from."""
        self.members[trial.name], self.incumbent.changed = trial, True
        self.largest = max(self.largest, size(self.model_run(trial).folder))

    def prune(self, trial: TrialRun, reason: str) -> None:
        self.active.remove(trial)
        self.study.prune(trial, reason)
        self.request.say(f"{trial.name} is pruned: {reason}")

    def retry_or_fail(self, trial: TrialRun, error: BaseException) -> None:
        """Retry, with half the batch where memory ran out, or close the trial as failed.

        A full disk is not the trial's fault: where nothing can be deleted, it waits in the study for the next search.
        """
        if disk_full(error):
            if not over_quota(error) and self.has_disk_space():
                self.request.say(f"{trial.name}: the disk was full; trying again without the runs of pruned trials")
            else:
                self.active.remove(trial)
                self.ends_because = FULL
            return
        again, message = retry(trial, error)
        self.request.say(f"{trial.name}: {message}")
        if again is None:
            self.active.remove(trial)
            self.study.fail(trial, message)
        elif again is not trial:
            self.active[self.active.index(trial)] = again
            self.pruner.statistics.pop(trial.name, None)
            self.study.save(again)
        else:
            self.study.note(trial, failures=trial.failures)

    # -- messages ------------------------------------------------------------------------------------------------------

    def model_run(self, trial: TrialRun) -> ModelRun:
        return ModelRun(run_folder(self.request.competition.name, self.train_hash, trial.name, trial.learner))

    def log(self, event: str, **content: Any) -> None:
        file = paths.searches(self.request.competition.name, self.prepared.data_hash) / "search.jsonl"
        append_line(file, {"at": now(), "event": event, **content})

    def show(self) -> None:
        """Send the state of the search to the console's table."""
        running = ", ".join(f"{trial.name}/{fold}" for trial, fold in self.running.values())
        left = max(0.0, self.schedule.ends - time.time())
        state = {"best": self.incumbent.best, "running": running, **self.study.counts(), "seconds_left": left}
        self.request.listen({"search": state})
