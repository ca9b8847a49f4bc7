"""What is fitted: everything between the members' predictions and a decision, as one value that is JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, NamedTuple, Protocol, Self, cast

import numpy as np

from harness.ensemble.mixing import MIXED
from harness.metrics import Metric
from harness.tasks import Calibrated, ClassSpecialist, Paired, Probabilistic, Task


class Views(Protocol):
    """A model's predictions of some rows, perhaps read from the disk each time: `Member` is one that is in memory."""

    @property
    def plain(self) -> Any: ...
    @property
    def tta(self) -> Any: ...


class Member(NamedTuple):
    """One model's predictions of some rows: the plain view, and the mean over the declared views."""

    plain: Any
    tta: Any


class Mix(NamedTuple):
    """How members become one where that is no weighted mean. way: of `mixing.MIXED`; fitted: its numbers by member,
    those of none under ""."""

    way: str
    fitted: Mapping[str, Sequence[float]]


def part_of(member: Views, tta: bool, rows: np.ndarray) -> Member:
    """Some rows of the view that is asked for, which stands for both."""
    said = (member.tta if tta else member.plain)[rows]
    return Member(said, said)


@dataclass(frozen=True)
class Recipe:
    """weights: the members' shares. override: a specialist's say. offsets: by class, what the decision adds.

    calibration: by member, what the task fitted, applied before the members are combined. mix: how they are combined;
    None is the mean by `weights`.
    """

    weights: Mapping[str, float]
    tta: bool = False
    class_specialist: ClassSpecialist | None = None
    offsets: tuple[float, ...] | None = None
    calibration: Mapping[str, Sequence[float]] | None = None
    mix: Mix | None = None

    @property
    def names(self) -> list[str]:
        """The models it needs."""
        return [*self.weights, *([self.class_specialist.by] if self.class_specialist else [])]

    @property
    def is_mean(self) -> bool:
        """Whether it does nothing but weigh members and decide."""
        return self == Recipe(self.weights, self.tta)

    @property
    def is_shared(self) -> bool:
        """Whether what is computed of it for all rows will be of use: weights are whole parts, and found on other rows
        too; what is decided by grid asks for one blend again and again. Else it was fitted on some rows, for some.
        """
        decided = self.offsets is not None or self.class_specialist is not None
        return decided or (self.mix is None and self.calibration is None)

    def blend(self, task: Task, members: Mapping[str, Views]) -> Any:
        """The prediction before it is decided."""
        chosen = {name: members[name].tta if self.tta else members[name].plain for name in self.names}
        for name, fitted in (self.calibration or {}).items():
            chosen[name] = cast(Calibrated, task).calibrated(chosen[name], fitted)
        mean = self.combined(task, [chosen[name] for name in self.weights])
        if self.class_specialist is None:
            return mean
        by, of, share, _, versus = self.class_specialist
        if versus is None:
            return task.overlay(mean, chosen[by], of, share)
        return cast(Paired, task).divided(mean, chosen[by], (of, versus), share)

    def combined(self, task: Task, predictions: Sequence[Any]) -> Any:
        """Of the members of `weights`, in their order."""
        if self.mix is None:
            return task.average(predictions, list(self.weights.values()))
        fitted = [self.mix.fitted.get(name, ()) for name in self.weights]
        change = partial(
            MIXED[self.mix.way],
            weights=list(self.weights.values()),
            fitted=fitted,
            common=self.mix.fitted.get("", ()),
        )
        return cast(Probabilistic, task).mixed(change, predictions)

    def decide(self, task: Task, members: Mapping[str, Views]) -> Any:
        return self.decided(task, self.blend(task, members))

    def decided(self, task: Task, blended: Any) -> Any:
        """What `blend` gave, decided."""
        heard = self.class_specialist and self.class_specialist.threshold is not None
        return task.decide(blended, self.offsets, self.class_specialist if heard else None)

    def says(self, task: Task, members: Mapping[str, Views], needs: str) -> Any:
        """What a metric that `needs` "decided" rows or "scores" looks at."""
        return self.decide(task, members) if needs == task.output else task.scores(self.blend(task, members))

    def without(self, name: str) -> Self:
        """The same ensemble if this model had not been there: the others keep their proportions."""
        if self.class_specialist and self.class_specialist.by == name:
            return replace(self, class_specialist=None)
        weights = {other: weight for other, weight in self.weights.items() if other != name}
        calibration = {other: fitted for other, fitted in (self.calibration or {}).items() if other != name}
        mix = self.mix and Mix(
            self.mix.way, {other: fitted for other, fitted in self.mix.fitted.items() if other != name}
        )
        return replace(self, weights=weights, calibration=calibration or None, mix=mix)

    def to_json(self) -> dict[str, Any]:
        """What nothing was fitted for is left out, where older recipes did not have it."""
        told = asdict(self) | {"class_specialist": self.class_specialist and self.class_specialist._asdict()}
        if self.class_specialist and self.class_specialist.versus is None:
            del told["class_specialist"]["versus"]
        if self.mix is None:
            del told["mix"]
        else:
            told["mix"] = self.mix._asdict()
        return told

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        saved = dict(told)
        class_specialist, offsets, mix = saved.pop("class_specialist"), saved.pop("offsets"), saved.pop("mix", None)
        return cls(
            **saved,
            class_specialist=class_specialist and ClassSpecialist(**class_specialist),
            offsets=offsets and tuple(offsets),
            mix=mix and Mix(**mix),
        )


def statistics_alone(task: Task, metric: Metric, targets: Any, plain: Any) -> np.ndarray:
    """The metric's statistics of one model's plain predictions."""
    members = {"alone": Member(plain, plain)}
    return metric.statistics(targets, Recipe({"alone": 1.0}).says(task, members, metric.needs))
