"""What a search did, read from its study and its events: trials, incumbents and times, for the search report."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.bootstrap import Interval
from harness.competition import Competition
from harness.files import finite
from harness.report.format import interval_of
from harness.search.study import DUPLICATE

if TYPE_CHECKING:
    import optuna

HOUR = 3600.0
STATES = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running"}
START, SAVED, REFUSED, END, SCORED = "start", "incumbent", "refused", "end", "scored"  # kinds of events


@dataclass(frozen=True)
class TrialRow:
    """One trial. score: of all folds, where it finished; first_fold: its score there, which nearly all trials have.

    name: in the ensemble. hours: of searching, from the first start to its end. params, distributions: without the
    model's name.
    """

    number: int
    name: str
    model: str
    state: str
    declared: bool
    score: float | None
    first_fold: float | None
    interval: Interval | None
    by_class: Mapping[str, float | None]
    seconds: float
    hours: float
    reason: str
    params: Mapping[str, Any]
    distributions: Mapping[str, Any]

    @property
    def scored(self) -> Interval:
        """The score with its interval; a trial without one has an interval of no width."""
        assert self.score is not None
        return self.interval or Interval(self.score, self.score, self.score)


class Incumbent(NamedTuple):
    """A submission that replaced the one before. hours: of searching; event: as the search wrote it."""

    hours: float
    interval: Interval
    event: Mapping[str, Any]


@dataclass(frozen=True)
class SearchHistory:
    """All searches on one study, one after the other, as if no time had passed between them.

    refused: hours and score of ensembles that were not saved. final: "public" and "cv" of the last submission.
    """

    competition: str
    study: str
    metric: str
    higher: bool
    trials: Sequence[TrialRow]
    incumbents: Sequence[Incumbent]
    refused: Sequence[tuple[float, float]]
    hours: float
    searches: int
    workers: int
    stopped_by: str
    final: Mapping[str, Any] | None = None

    def in_state(self, state: str) -> list[TrialRow]:
        return [trial for trial in self.trials if trial.state == state]

    @cached_property
    def finished(self) -> list[TrialRow]:
        return [trial for trial in self.in_state("finished") if trial.score is not None]

    @cached_property
    def models(self) -> list[str]:
        return list(dict.fromkeys(trial.model for trial in self.trials))

    @cached_property
    def before(self) -> TrialRow | None:
        """The best of the models as they are declared."""
        return self.best(trial for trial in self.finished if trial.declared)

    @cached_property
    def after(self) -> Interval | None:
        """The best submission now; the best trial where no submission was saved."""
        if self.incumbents:
            return self.incumbents[-1].interval
        best = self.best(self.finished)
        return best.scored if best else None

    @cached_property
    def gain(self) -> float | None:
        """By how much the score is better than before, also where lower scores win."""
        if self.before is None or self.after is None:
            return None
        return self.better_by(self.after.score, self.before.scored.score)

    @cached_property
    def overlap(self) -> bool:
        """Whether the intervals before and after overlap."""
        assert self.before and self.after
        before = self.before.scored
        return before.low <= self.after.high and self.after.low <= before.high

    @cached_property
    def seconds(self) -> float:
        return sum(trial.seconds for trial in self.trials)

    def better_by(self, score: float, than: float) -> float:
        return score - than if self.higher else than - score

    def best(self, trials: Iterable[TrialRow]) -> TrialRow | None:
        """The best trial by the score of all folds."""
        return max(trials, key=lambda trial: self.better_by(trial.score or 0.0, 0.0), default=None)

    def best_sampled(self, model: str) -> TrialRow | None:
        """The best finished trial of a model whose parameters were sampled."""
        return self.best(trial for trial in self.finished if trial.model == model and trial.params)

    def sampled(self, model: str) -> list[TrialRow]:
        """The model's trials with sampled parameters that have the score of at least one fold."""
        scored = (t for t in self.trials if t.model == model and t.params and t.first_fold is not None)
        return [trial for trial in scored if trial.state != "running"]

    def classes(self) -> list[tuple[str, float | None, float]]:
        """(class, score before, score now), the worst now first; empty where there are no classes."""
        now = self.incumbents[-1].event.get("by_class", {}) if self.incumbents else {}
        was = self.before.by_class if self.before else {}
        known = [(name, was.get(name), score) for name, score in now.items() if score is not None]
        return sorted(known, key=lambda row: self.better_by(row[2], 0.0))


# -- reading -----------------------------------------------------------------------------------------------------------


def read_history(competition: Competition, study: "optuna.Study", events: Sequence[Mapping[str, Any]]) -> SearchHistory:
    """study: with the attributes that the search leaves on its trials; events: of its event file, oldest first."""
    every = study.get_trials(deepcopy=False)
    trials = [t for t in every if t.state.name in STATES and t.user_attrs.get("reason") != DUPLICATE]
    timeline = Timeline.of(events, trials)
    starts, ends = ([event for event in events if event["event"] == kind] for kind in (START, END))
    scored = [event for event in events if event["event"] == SCORED and event["public"]]
    return SearchHistory(
        competition=competition.name,
        study=study.study_name,
        metric=competition.metric.name,
        higher=competition.metric.higher_is_better,
        trials=[trial_row(trial, timeline) for trial in trials],
        incumbents=[Incumbent(timeline.at(e), interval_of(e), e) for e in events if e["event"] == SAVED],
        refused=[(timeline.at(event), event["score"]) for event in events if event["event"] == REFUSED],
        hours=timeline.hours(math.inf),
        searches=len(starts),
        workers=max((event.get("workers") or 1 for event in starts), default=1),
        stopped_by=str(ends[-1].get("why", "")) if ends else "",
        final=scored[-1] if scored else None,
    )


def trial_row(trial: "optuna.trial.FrozenTrial", timeline: "Timeline") -> TrialRow:
    stored = trial.user_attrs
    model = trial.params.get("model", "model")
    score = finite(trial.value) if trial.state.name == "COMPLETE" else None

    def own(named: Mapping[str, Any]) -> dict[str, Any]:
        """The model's own parameters, which the study names "<model>.<parameter>"."""
        prefix = f"{model}."
        return {name.removeprefix(prefix): value for name, value in named.items() if name.startswith(prefix)}

    return TrialRow(
        number=trial.number,
        name=stored.get("name") or f"{model}.{trial.number}",
        model=model,
        state=STATES[trial.state.name],
        declared=bool(stored.get("declared")),
        score=score,
        first_fold=finite(min(trial.intermediate_values.items(), default=(0, score))[1]),
        interval=interval_of(stored["interval"]) if stored.get("interval") and score is not None else None,
        by_class=stored.get("by_class") or {},
        seconds=float(sum(fold["seconds"] for fold in stored.get("folds", ()))),
        hours=timeline.hours(ended(trial)),
        reason=stored.get("reason", ""),
        params=own(trial.params),
        distributions=own(trial.distributions),
    )


# -- time --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Timeline:
    """Clock times as hours of searching. starts, stops: of every search, in seconds since 1970."""

    starts: Sequence[float]
    stops: Sequence[float]

    @classmethod
    def of(cls, events: Sequence[Mapping[str, Any]], trials: Sequence["optuna.trial.FrozenTrial"]) -> "Timeline":
        """A search that was killed has no end event: its last event or trial counts instead."""
        signs = [*times(events, START, SAVED, REFUSED, END), *map(ended, trials)]
        begun = [trial.datetime_start.timestamp() for trial in trials if trial.datetime_start]
        starts = times(events, START) or [min([*signs, *begun], default=0.0)]

        def within(search: int, moments: Sequence[float]) -> list[float]:
            return [at for at in moments if bisect_right(starts, at) == search + 1]

        ends = [within(k, times(events, END)) or within(k, signs) for k in range(len(starts))]
        return cls(starts, [max([start, *found]) for start, found in zip(starts, ends, strict=True)])

    def hours(self, moment: float) -> float:
        """Hours of searching before a moment, in seconds since 1970; the time between two searches does not count."""
        search = max(0, bisect_right(self.starts, moment) - 1)
        before = sum(self.stops[k] - self.starts[k] for k in range(search))
        return (before + max(0.0, min(moment, self.stops[search]) - self.starts[search])) / HOUR

    def at(self, event: Mapping[str, Any]) -> float:
        return self.hours(timestamp(event["at"]))


def times(events: Sequence[Mapping[str, Any]], *kinds: str) -> list[float]:
    return sorted(timestamp(event["at"]) for event in events if event["event"] in kinds)


def timestamp(text: str) -> float:
    """Seconds since 1970 of a time in ISO 8601, UTC where it does not say."""
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def ended(trial: "optuna.trial.FrozenTrial") -> float:
    """When the trial's last fold ended, or the trial where no fold did; Optuna's times are local."""
    folds = [timestamp(fold["ended"]) for fold in trial.user_attrs.get("folds", ()) if fold.get("ended")]
    moment = trial.datetime_complete or trial.datetime_start
    return max(folds, default=0.0) or (moment.timestamp() if moment else 0.0)
