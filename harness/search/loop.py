"""The night's loop: which job is next, what came of one, and what goes into the book (night.jsonl)."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from harness import paths
from harness.bootstrap import interval
from harness.disk import size
from harness.files import append_line
from harness.models import Interrupted, OutOfTime
from harness.options import Request
from harness.prepare import Prepared
from harness.search.disk_space import make_room
from harness.search.incumbent import Deposit, deposit
from harness.search.pruning import Race
from harness.search.retries import full, over_quota, remedy, starved
from harness.search.schedule import WORTH, Clock
from harness.search.study import DRAWN_TWICE, Entry, Study, Unlucky
from harness.submission.writer import now
from harness.training.budget import schedules
from harness.training.cross_validation import finite
from harness.training.fold import HOPEFUL, Cut, Fold, Scored, score_fold
from harness.training.predictions import ModelRun, run_folder
from harness.training.workers import Engine, results, run

SAME = 20  # drawn variants in a row that were there before: the space is exhausted
RARELY = 10  # times as long as a deposit took passes until the next one
LOOK = 30.0  # seconds between two looks at what other searches on the same study left
TICK = 1.0  # seconds between two looks at the clock
FULL = "the disk is full; `make clean` frees what no bundle in use needs"


class Night:
    """Go through it with `work`; all that is known is on the disk, so that a kill costs a fold at most.

    engine: trains; clerk: a worker of its own for the deposits.
    """

    def __init__(
        self,
        request: Request,
        prepared: Prepared,
        folds: np.ndarray,
        engine: Engine,
        clerk: Engine,
        study: Study,
        clock: Clock,
        race: Race,
    ):
        self.request, self.prepared, self.engine, self.clerk = request, prepared, engine, clerk
        self.study, self.clock, self.race = study, clock, race
        self.count, self.train_hash = request.fold_count, prepared.train_hash(folds)
        self.folds = [fold for fold in range(self.count) if (folds == fold).any()]
        self.home = paths.searches(request.competition.name, prepared.data_hash)
        self.active: list[Entry] = []  # the next first
        self.running: dict[int, tuple[Entry, int]] = {}  # ticket -> whose fold
        self.members: dict[str, Entry] = {}  # all complete ones
        self.largest = 0  # bytes of a complete one's bundle
        self.best: dict[str, Any] | None = None  # what was banked last
        self.over = ""  # why nothing new is begun
        self.unbanked, self.refused, self.banked, self.depositing = False, False, False, False
        self.next_deposit = 0.0
        self.next_look = time.time() + LOOK

    # -- the sentence --------------------------------------------------------------------------------------------------

    def work(self) -> None:
        self.open()
        while True:
            while self.engine.free and self.begin_next():
                pass
            self.deposit_if_due()
            self.look_around()
            if not self.running and not self.depositing and not self.deposit_if_due(last=True):
                break
            for ticket, result in self.engine.ended(TICK) if self.running else ():
                self.settle(*self.running.pop(ticket), result)
            for _, result in self.clerk.ended(0 if self.running else TICK) if self.depositing else ():
                self.settle_deposit(result)
            self.show()
        self.note("end", seconds=round(self.request.spent, 1), why=self.over)
        self.request.say(f"the search ends: {self.over}")

    def open(self) -> None:
        """Take up what an earlier search left, and begin with what is declared."""
        self.show()
        earlier = {what: count for what, count in self.study.counts().items() if count}
        self.note("start", hours=self.clock.hours, workers=self.engine.slots, trials=sum(earlier.values()))
        if earlier:
            told = ", ".join(f"{count} {what}" for what, count in earlier.items())
            self.request.say(f"going on with the study of earlier searches: {told}")
        self.recall()
        self.take_up()
        known = {*self.members, *(entry.name for entry in self.active)}
        for name, learner in self.request.learners.items():
            if name not in known:
                scheduled = replace(learner, epochs=self.clock.epochs[name])
                special = Entry(name, name, scheduled, None, raced=False)
                self.active.append(
                    special if learner.target_class is not None else self.study.declared(name, scheduled)
                )
        self.request.say(f"a trial: {schedules(self.clock.epochs)}; {self.count} folds, {self.engine.slots} at once")

    def take_up(self) -> None:
        """The trials that a killed search left; another's declared model may be ours too."""
        for entry in self.study.unfinished(self.request.learners, self.clock.epochs):
            if entry.name in {*self.members, *(other.name for other in self.active)}:
                self.study.cut(entry, DRAWN_TWICE)
            else:
                self.active.append(entry)
                self.request.say(f"taking up {entry.name}")

    def look_around(self) -> None:
        """Where several searches share the study, one may die while this one goes on."""
        if self.study.claims.shared and not self.over and time.time() > self.next_look:
            self.next_look = time.time() + LOOK
            self.take_up()

    def recall(self) -> None:
        """The finished trials of earlier searches, the best first; it is scored again, for the races."""
        done = [entry for entry in self.study.finished() if self.model_run(entry).held(self.count) == self.folds]
        for entry in done:
            self.keep(entry)
        for best in done[:1]:
            jobs: list[tuple[Any, ...]] = [(self.job(best, fold), {}) for fold in self.folds]
            for index, scored in results(run(self.engine, score_fold, jobs)):
                self.race.saw(best.name, self.folds[index], scored.statistics, {})
            self.race.crown(best.name)

    # -- what is next --------------------------------------------------------------------------------------------------

    def begin_next(self) -> bool:
        """Begin one fold; False where there is none to begin now."""
        for entry in self.active:
            for fold in self.wanted(entry):
                if self.fits(entry.name, entry.model, entry.learner.epochs):
                    return self.begin(entry, fold)
        if self.over:
            return False
        made = self.longer() or self.drawn()
        if made is not None:
            self.active.append(made)
        return made is not None

    def wanted(self, entry: Entry) -> list[int]:
        """The folds that may begin now; of a variant that races, the first alone until it is scored."""
        scored = self.race.statistics.get(entry.name, {})
        busy = {fold for of, fold in self.running.values() if of is entry}
        left = [fold for fold in self.folds if fold not in scored and fold not in busy]
        if entry.raced and self.race.racing and not scored:
            return [] if busy else left[:1]
        return left

    def fits(self, name: str, model: str, epochs: int) -> bool:
        seconds = self.clock.fold_seconds(name, model, epochs)
        return time.time() + HOPEFUL * seconds < self.clock.deadline(len(self.members))

    def begin(self, entry: Entry, fold: int) -> bool:
        first = entry.raced and not self.race.statistics.get(entry.name)
        job = self.job(entry, fold)._replace(deadline=self.clock.deadline(len(self.members)))
        if (begun := self.model_run(entry).fold(fold)).exists():
            self.engine.share(begun)
        self.running[self.engine.start(score_fold, job, self.race.limits(fold) if first else {})] = entry, fold
        return True

    def job(self, entry: Entry, fold: int) -> Fold:
        seconds = self.clock.fold_seconds(entry.name, entry.model, entry.learner.epochs)
        place = (self.request.competition.name, self.prepared.data_hash, entry.name, entry.learner, fold, self.count)
        return Fold(*place, self.engine.threads, self.clock.fast[entry.model], None, seconds)

    def longer(self) -> Entry | None:
        """When exploring is over: the best variant that was not yet trained longer, on a schedule that fits."""
        if time.time() < self.clock.explores_until or any(entry.parent is not None for entry in self.active):
            return None
        tried = self.study.lengthened()
        for entry in self.ranked():
            if entry.parent is None and entry.number not in tried:
                epochs = self.clock.longest(entry.name, entry.model, entry.learner.epochs, len(self.members) + 1)
                if epochs < WORTH * entry.learner.epochs:
                    return None
                made = self.study.longer(entry, replace(entry.learner, epochs=epochs))
                self.request.say(f"{made.name}: {entry.name}, the best so far, on {epochs} epochs")
                return made
        return None

    def drawn(self) -> Entry | None:
        """A new variant; None where there is none, or no time or room for it."""
        epochs = self.clock.epochs
        if not any(self.fits(name, name, epochs[name]) for name in self.study.models):
            left = max(0, self.clock.deadline(len(self.members)) - time.time())
            self.over = f"no fold fits into the {left:.0f} s that are left"
            return None
        if not self.has_room():
            self.over = FULL
            return None
        why = "every variant of the search space was tried"
        for _ in range(SAME):
            try:
                entry = self.study.ask(self.request.learners, epochs)
            except Unlucky as error:
                why = str(error)
                self.request.say(f"a trial failed: {why}")
                continue
            if not self.study.drawn_before(entry):
                return entry
            self.study.cut(entry, DRAWN_TWICE)
        self.over = why
        return None

    def has_room(self) -> bool:
        return make_room(self.request.competition, self.prepared, self.count, self.study, self.largest)

    # -- what came of it -----------------------------------------------------------------------------------------------

    def settle(self, entry: Entry, fold: int, result: Any) -> None:
        if entry not in self.active:  # it was ended while this fold ran
            return
        if isinstance(result, Scored):
            self.score(entry, fold, result)
        elif isinstance(result, Cut):
            share, quality, least = result.args
            self.race.saw_curve(fold, {share: quality})
            told = f"fold {fold}: at {share:.0%} of its schedule {abs(quality):.4f}, where others had {abs(least):.4f}"
            self.end(entry, f"hopeless on {told}")
        elif isinstance(result, OutOfTime):
            self.over = self.over or "its time is used; a fold that was begun goes on next time"
        elif not isinstance(result, Interrupted):  # somebody ended its worker: the fold goes on in another
            self.retry_or_fail(entry, result)

    def score(self, entry: Entry, fold: int, scored: Scored) -> None:
        self.race.saw(entry.name, fold, scored.statistics, scored.curve)
        self.clock.took(entry.name, entry.model, entry.learner.epochs, scored.seconds)
        score = self.race.score(entry.name)
        self.study.scored(entry, {"fold": fold, "score": score, "seconds": scored.seconds, "ended": now()}, score)
        self.request.say(f"{entry.name}, fold {fold}: {score:.4f} on {len(entry.folds)} of {len(self.folds)} folds")
        if len(entry.folds) == len(self.folds):
            self.complete(entry)
        elif entry.raced and (lost := self.race.lost(entry.name)):
            self.end(entry, lost)

    def complete(self, entry: Entry) -> None:
        self.active.remove(entry)
        self.keep(entry)
        if entry.trial is None:
            return
        self.race.crown(entry.name)
        metric, statistics = self.request.competition.metric, self.race.all_rows(entry.name)
        whole = interval(metric, statistics, np.concatenate([self.race.groups[fold] for fold in self.folds]))
        self.study.finish(
            entry,
            whole.score,
            interval=whole._asdict(),
            by_class=finite(metric.by_class(statistics)),
            model_run=paths.shown(self.model_run(entry).folder),
        )
        self.request.say(f"{entry.name}: {whole.score:.4f} ({whole.low:.4f} to {whole.high:.4f}), all folds")

    def keep(self, entry: Entry) -> None:
        """Among those that the ensemble is chosen from."""
        self.members[entry.name], self.unbanked = entry, True
        self.largest = max(self.largest, size(self.model_run(entry).folder))

    def end(self, entry: Entry, reason: str) -> None:
        self.active.remove(entry)
        self.study.cut(entry, reason)
        self.request.say(f"{entry.name} is cut: {reason}")

    def retry_or_fail(self, entry: Entry, error: BaseException) -> None:
        """Memory: with half the batch. A crash: again, and closed the third time. A user's error: closed. A full disk
        is no doing of the trial's: where nothing can go, it waits in the study for the next search.
        """
        if full(error):
            if not over_quota(error) and self.has_room():
                self.request.say(f"{entry.name}: the disk was full; again, where trials that were cut lay")
            else:
                self.active.remove(entry)
                self.over = FULL
            return
        again, told = remedy(entry, error)
        self.request.say(f"{entry.name}: {told}")
        if again is None:
            self.active.remove(entry)
            self.study.fail(entry, told)
        elif again is not entry:
            self.active[self.active.index(entry)] = again
            self.race.statistics.pop(entry.name, None)
            self.study.renoted(again)
        else:
            self.study.note(entry, failures=entry.failures)

    # -- the bank ------------------------------------------------------------------------------------------------------

    def deposit_if_due(self, last: bool = False) -> bool:
        """Let the clerk look at what is finished; the first fold of all too, where nothing is in the bank yet.

        last: once more at the end, also at what was refused as no better beyond noise.
        """
        chosen = dict(self.offered())
        soon = not last and (time.time() < self.next_deposit or self.deposit_ends_late(len(chosen)))
        new = self.unbanked or (last and self.refused)
        if not chosen or not new or self.depositing or soon:
            return False
        self.unbanked, self.refused, self.depositing = False, False, True  # the clerk may be free before it is settled
        place = (self.request.competition.name, self.prepared.data_hash, self.count)
        rest = {name: entry for name, entry in self.members.items() if name not in chosen and not self.described(entry)}
        members, others = self.as_told(chosen), self.as_told(rest)
        self.clerk.start(deposit, Deposit(*place, members, self.request.team, self.clock.began, last, others))
        return True

    def as_told(self, entries: Mapping[str, Entry]) -> dict[str, Any]:
        return {name: (entry.learner, self.clock.fast[entry.model]) for name, entry in entries.items()}

    def described(self, entry: Entry) -> bool:
        return (self.model_run(entry).folder / "run.json").exists()

    def deposit_ends_late(self, members: int) -> bool:
        return time.time() + members * self.clock.deposit > self.clock.deadline(len(self.members))

    def ranked(self) -> list[Entry]:
        """The complete variants, the best first."""
        entries = [entry for entry in self.members.values() if entry.value is not None]
        higher = self.request.competition.metric.higher_is_better
        return sorted(entries, key=lambda entry: entry.value or 0.0, reverse=higher)

    def offered(self) -> Iterator[tuple[str, Entry]]:
        """The best complete bundles, as many as there is time for, and the specialists."""
        general = self.ranked()[: self.clock.pool]
        if general:
            yield from ((entry.name, entry) for entry in general)
            yield from ((name, entry) for name, entry in self.members.items() if entry.trial is None)
        elif not self.banked:
            begun = [entry for entry in self.active if entry.trial is not None and entry.folds]
            self.unbanked = self.unbanked or bool(begun)
            yield from ((entry.name, entry) for entry in begun[:1])

    def settle_deposit(self, event: Any) -> None:
        self.depositing = False
        if isinstance(event, BaseException):
            self.deposit_fewer(event)
            return
        self.banked, self.next_deposit = True, time.time() + RARELY * event["seconds"]
        self.refused = event["event"] == "refused" and not event["last"]
        if event["event"] == "bank":
            low, high = event["low"], event["high"]
            self.best = event
            self.request.say(f"in the bank: {event['score']:.4f} ({low:.4f} to {high:.4f}), {event['file']}")
        self.clock.deposited(event["offered"], event["seconds"])

    def deposit_fewer(self, error: BaseException) -> None:
        """For want of memory the ensemble is chosen from half as many."""
        if not starved(error) or self.clock.pool < 2:
            raise error
        self.clock.pool //= 2
        self.unbanked = True
        self.request.say(f"out of memory for the ensemble; again with {self.clock.pool} of the models")

    # -- telling -------------------------------------------------------------------------------------------------------

    def model_run(self, entry: Entry) -> ModelRun:
        return ModelRun(run_folder(self.request.competition.name, self.train_hash, entry.name, entry.learner))

    def note(self, event: str, **content: Any) -> None:
        append_line(self.home / "night.jsonl", {"at": now(), "event": event, **content})

    def show(self) -> None:
        """For the table of a terminal."""
        running = ", ".join(f"{entry.name}/{fold}" for entry, fold in self.running.values())
        left = max(0.0, self.clock.ends - time.time())
        self.request.listen(
            {"search": {"best": self.best, "running": running, **self.study.counts(), "seconds_left": left}}
        )
