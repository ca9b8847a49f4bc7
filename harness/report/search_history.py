"""What a search did, read from its study and its events: trials, incumbents and times, for the search report."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from harness.bootstrap import Interval
from harness.competition import Competition
from harness.report.format import interval_of, without_numbers
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
    score: Interval | None
    first_fold: float | None
    by_class: Mapping[str, float | None]
    seconds: float
    hours: float
    reason: str
    params: Mapping[str, Any]
    distributions: Mapping[str, Any]


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
        return [trial for trial in self.trials if trial.score]

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
        best = self.best(self.finished)
        return self.incumbents[-1].interval if self.incumbents else best.score if best else None

    @cached_property
    def gain(self) -> float | None:
        """By how much the score is better than before, also where lower scores win."""
        before = self.before.score if self.before else None
        return self.better_by(self.after.score, before.score) if self.after and before else None

    @cached_property
    def overlap(self) -> bool:
        """Whether the intervals before and after overlap."""
        assert self.before and self.before.score and self.after
        return self.before.score.low <= self.after.high and self.after.low <= self.before.score.high

    @cached_property
    def seconds(self) -> float:
        return sum(trial.seconds for trial in self.trials)

    def better_by(self, score: float, than: float) -> float:
        return score - than if self.higher else than - score

    def best(self, trials: Iterable[TrialRow]) -> TrialRow | None:
        """The best of the trials that have the score of all folds."""
        scored = (trial for trial in trials if trial.score)
        return max(scored, key=lambda trial: self.better_by(trial.score.score if trial.score else 0, 0), default=None)

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


def unfinished_rows(history: SearchHistory) -> list[dict[str, Any]]:
    """Failed and pruned trials; those whose reasons differ only in their numbers share a row."""
    kinds: dict[tuple[str, str], list[TrialRow]] = {}
    for trial in [*history.in_state("failed"), *history.in_state("pruned")]:
        kinds.setdefault((trial.state, without_numbers(trial.reason)), []).append(trial)
    rows = [
        {
            "state": state,
            "count": len(trials),
            "models": ", ".join(f"{model} {count}" for model, count in Counter(t.model for t in trials).most_common()),
            "reason": trials[0].reason or "no reason was stored",
            "several": len({trial.reason for trial in trials}) > 1,
            "seconds": sum(trial.seconds for trial in trials),
        }
        for (state, _), trials in kinds.items()
    ]
    return sorted(rows, key=lambda row: (row["state"] != "failed", -row["count"]))


# -- reading -----------------------------------------------------------------------------------------------------------


def read_history(competition: Competition, study: "optuna.Study", events: Sequence[Mapping[str, Any]]) -> SearchHistory:
    """study: with the attributes that the search leaves on its trials; events: of its event file, oldest first."""
    every = study.get_trials(deepcopy=False)
    trials = [t for t in every if t.state.name in STATES and t.user_attrs.get("reason") != DUPLICATE]
    hours = clock(events, trials)
    starts, ends = ([event for event in events if event["event"] == kind] for kind in (START, END))
    scored = [event for event in events if event["event"] == SCORED and event["public"]]
    saved = [event for event in events if event["event"] == SAVED]
    refused = [event for event in events if event["event"] == REFUSED]
    return SearchHistory(
        competition=competition.name,
        study=study.study_name,
        metric=competition.metric.name,
        higher=competition.metric.higher_is_better,
        trials=[trial_row(trial, hours(ended(trial))) for trial in trials],
        incumbents=[Incumbent(hours(timestamp(event["at"])), interval_of(event), event) for event in saved],
        refused=[(hours(timestamp(event["at"])), event["score"]) for event in refused],
        hours=hours(math.inf),
        searches=len(starts),
        workers=max((event.get("workers") or 1 for event in starts), default=1),
        stopped_by=str(ends[-1].get("why", "")) if ends else "",
        final=scored[-1] if scored else None,
    )


def trial_row(trial: "optuna.trial.FrozenTrial", hours: float) -> TrialRow:
    stored, model, value = trial.user_attrs, trial.params.get("model", "model"), trial.value
    score = None
    if trial.state.name == "COMPLETE" and value is not None and math.isfinite(value):
        score = interval_of(stored.get("interval") or {"score": value, "low": value, "high": value})
    _, first = min(trial.intermediate_values.items(), default=(0, score.score if score else math.nan))
    own = [name for name in trial.params if name.startswith(f"{model}.")]  # the study names them "<model>.<parameter>"
    return TrialRow(
        number=trial.number,
        name=stored.get("name") or f"{model}.{trial.number}",
        model=model,
        state=STATES[trial.state.name],
        declared=bool(stored.get("declared")),
        score=score,
        first_fold=first if math.isfinite(first) else None,
        by_class=stored.get("by_class") or {},
        seconds=float(sum(fold["seconds"] for fold in stored.get("folds", ()))),
        hours=hours,
        reason=stored.get("reason", ""),
        params={name.removeprefix(f"{model}."): trial.params[name] for name in own},
        distributions={name.removeprefix(f"{model}."): trial.distributions[name] for name in own},
    )


def clock(
    events: Sequence[Mapping[str, Any]], trials: Sequence["optuna.trial.FrozenTrial"]
) -> Callable[[float], float]:
    """Seconds since 1970 -> hours of searching before it; the time between two searches does not count.

    A search that was killed has no end event: its last event or trial counts instead.
    """
    times = [(timestamp(event["at"]), event["event"]) for event in events if event["event"] != SCORED]
    signs = [*(at for at, _ in times), *map(ended, trials)]
    begun = [trial.datetime_start.timestamp() for trial in trials if trial.datetime_start]
    starts = sorted(at for at, kind in times if kind == START) or [min([*signs, *begun], default=0.0)]
    moments, searched = list[float](), list[float]()
    for start, following in pairwise([*starts, math.inf]):
        ends = [at for at, kind in times if kind == END and start <= at < following]
        stop = max([start, *(ends or [at for at in signs if start <= at < following])])
        before = searched[-1] if searched else 0.0
        moments += [start, stop]
        searched += [before, before + stop - start]
    return lambda moment: float(np.interp(moment, moments, searched)) / HOUR


def timestamp(text: str) -> float:
    """Seconds since 1970 of a time in ISO 8601, UTC where it does not say."""
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def ended(trial: "optuna.trial.FrozenTrial") -> float:
    """When the trial's last fold ended, or the trial where no fold did; Optuna's times are local."""
    folds = [timestamp(fold["ended"]) for fold in trial.user_attrs.get("folds", ()) if fold.get("ended")]
    moment = trial.datetime_complete or trial.datetime_start
    return max(folds, default=0.0) or (moment.timestamp() if moment else 0.0)
