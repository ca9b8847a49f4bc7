"""What a search left behind, read from its study and its events: the facts that the page and the lines tell."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.bootstrap import Interval
from harness.competition import Competition
from harness.report.search.timeline import Clock, ended, moment
from harness.search.study import DUPLICATE

if TYPE_CHECKING:
    import optuna

STATES = {"COMPLETE": "finished", "PRUNED": "cut", "FAIL": "failed", "RUNNING": "running"}


@dataclass(frozen=True)
class Variant:
    """One trial. score: of all folds, where it finished; first: of the first fold, which nearly all have.

    name: what the ensemble calls it.

    hours: of searching, from the beginning of the first night to its end. params, limits: without the model's name.
    """

    number: int
    name: str
    model: str
    state: str
    declared: bool
    score: float | None
    first: float | None
    interval: Interval | None
    by_class: Mapping[str, float | None]
    seconds: float
    hours: float
    reason: str
    params: Mapping[str, Any]
    limits: Mapping[str, Any]


@dataclass(frozen=True)
class Bank:
    """A submission that took the place of the one before. spent: seconds of compute up to then."""

    hours: float
    interval: Interval
    in_sample: float
    by_class: Mapping[str, float | None]
    weights: Mapping[str, float]
    models: Mapping[str, Mapping[str, float]]
    folds: int
    spent: float


@dataclass(frozen=True)
class Night:
    """All searches on one study, one after the other, as if no time had passed between them.

    refused: hours and score of ensembles that were not handed in. judged: "public" and "cv" of the last file.
    """

    competition: str
    study: str
    metric: str
    higher: bool
    variants: Sequence[Variant]
    banks: Sequence[Bank]
    refused: Sequence[tuple[float, float]]
    hours: float
    searches: int
    workers: int
    why: str
    judged: Mapping[str, Any] | None = None

    def state(self, name: str) -> list[Variant]:
        return [variant for variant in self.variants if variant.state == name]

    @cached_property
    def finished(self) -> list[Variant]:
        return [variant for variant in self.state("finished") if variant.score is not None]

    @cached_property
    def models(self) -> list[str]:
        return list(dict.fromkeys(variant.model for variant in self.variants))

    @cached_property
    def before(self) -> Variant | None:
        """The best of the models as they are declared."""
        return self.best([variant for variant in self.finished if variant.declared])

    @cached_property
    def after(self) -> Interval | None:
        """What is in best/ now; of the best trial where no submission was banked."""
        if self.banks:
            return self.banks[-1].interval
        best = self.best(self.finished)
        return score_of(best) if best else None

    @cached_property
    def gain(self) -> float | None:
        """By how much it is better than before, also where lower scores win."""
        if self.before is None or self.after is None or self.before.score is None:
            return None
        return self.better_by(self.after.score, self.before.score)

    @cached_property
    def overlap(self) -> bool:
        """Whether the intervals before and after have a common part."""
        assert self.before and self.after
        before = score_of(self.before)
        return before.low <= self.after.high and self.after.low <= before.high

    @cached_property
    def seconds(self) -> float:
        return sum(variant.seconds for variant in self.variants)

    def better_by(self, score: float, than: float) -> float:
        return score - than if self.higher else than - score

    def best(self, variants: Iterable[Variant]) -> Variant | None:
        """By the score of all folds."""
        return max(variants, key=lambda variant: self.better_by(variant.score or 0.0, 0.0), default=None)

    def classes(self) -> list[tuple[str, float | None, float]]:
        """(class, score before, score now), the worst now first; empty where there are no classes."""
        now = self.banks[-1].by_class if self.banks else {}
        was = self.before.by_class if self.before else {}
        known = [(name, was.get(name), score) for name, score in now.items() if score is not None]
        return sorted(known, key=lambda row: self.better_by(row[2], 0.0))


def score_of(variant: Variant) -> Interval:
    assert variant.score is not None
    return variant.interval or Interval(variant.score, variant.score, variant.score)


# -- reading -----------------------------------------------------------------------------------------------------------


def read_night(competition: Competition, study: "optuna.Study", events: Sequence[Mapping[str, Any]]) -> Night:
    every = study.get_trials(deepcopy=False)
    trials = [t for t in every if t.state.name in STATES and t.user_attrs.get("reason") != DUPLICATE]
    clock = Clock.of(events, trials)
    variants = [variant_of(trial, clock) for trial in trials]
    starts = [event for event in events if event["event"] == "start"]
    ends = [event for event in events if event["event"] == "end"]
    return Night(
        competition=competition.name,
        study=study.study_name,
        metric=competition.metric.name,
        higher=competition.metric.higher_is_better,
        variants=variants,
        banks=[bank_of(event, clock) for event in events if event["event"] == "incumbent"],
        refused=[(clock.hours(moment(event["at"])), event["score"]) for event in events if event["event"] == "refused"],
        hours=clock.total,
        searches=len(starts),
        workers=max((event.get("workers") or 1 for event in starts), default=1),
        why=str(ends[-1].get("why", "")) if ends else "",
        judged=next((event for event in reversed(events) if event["event"] == "judged" and event["public"]), None),
    )


def variant_of(trial: "optuna.trial.FrozenTrial", clock: "Clock") -> Variant:
    told = trial.user_attrs
    model = trial.params.get("model", "model")
    score = finite(trial.value) if trial.state.name == "COMPLETE" else None
    return Variant(
        number=trial.number,
        name=told.get("name") or f"{model}.{trial.number}",
        model=model,
        state=STATES[trial.state.name],
        declared=bool(told.get("declared")),
        score=score,
        first=finite(min(trial.intermediate_values.items(), default=(0, score))[1]),
        interval=interval_of(told["interval"]) if told.get("interval") and score is not None else None,
        by_class=told.get("by_class") or {},
        seconds=float(sum(fold["seconds"] for fold in told.get("folds", ()))),
        hours=clock.hours(ended(trial)),
        reason=told.get("reason", ""),
        params=without(model, trial.params),
        limits=without(model, trial.distributions),
    )


def bank_of(event: Mapping[str, Any], clock: "Clock") -> Bank:
    return Bank(
        hours=clock.hours(moment(event["at"])),
        interval=interval_of(event),
        in_sample=event["in_sample"],
        by_class=event.get("by_class") or {},
        weights=event.get("weights") or {},
        models=event.get("models") or {},
        folds=event.get("folds") or 0,
        spent=event.get("spent") or 0.0,
    )


def interval_of(told: Mapping[str, Any]) -> Interval:
    return Interval(told["score"], told["low"], told["high"])


def without(model: str, named: Mapping[str, Any]) -> dict[str, Any]:
    """The model's own parameters, which are named "<model>.<parameter>" in the study."""
    return {name.removeprefix(f"{model}."): value for name, value in named.items() if name.startswith(f"{model}.")}


def finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
