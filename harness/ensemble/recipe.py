"""What is fitted: everything between the members' predictions and a decision, as one value that is JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple, Protocol, Self

import numpy as np

from harness.data.sized_masks import image_by_image
from harness.ensemble.stacking import Stack, stacked
from harness.metrics import Metric
from harness.tasks import ClassSpecialist, Task


class Views(Protocol):
    """A model's predictions of some rows, perhaps read from disk each time: `Member` is one that is in memory."""

    @property
    def plain(self) -> Any: ...
    @property
    def tta(self) -> Any: ...


class Member(NamedTuple):
    """One model's predictions of some rows: the plain view, and the mean over the declared views."""

    plain: Any
    tta: Any


def part_of(member: Views, tta: bool, rows: np.ndarray) -> Member:
    """Some rows of one view, which stands for both."""
    prediction = (member.tta if tta else member.plain)[rows]
    return Member(prediction, prediction)


@dataclass(frozen=True)
class Recipe:
    """An ensemble as numbers.

    weights: the members' shares. tta: whether the mean over views is used. stack: coefficients that replace the
    weighted mean. calibration: by member, what the task fitted, applied before members are combined. class_specialist:
    a model that may change one class. offsets: by class, added to the log-probabilities when the labels are
    decided, or to the log-odds of objects, which are kept above 0.
    """

    weights: Mapping[str, float]
    tta: bool = False
    class_specialist: ClassSpecialist | None = None
    offsets: tuple[float, ...] | None = None
    calibration: Mapping[str, Sequence[float]] | None = None
    stack: Stack | None = None

    @property
    def names(self) -> list[str]:
        """The models it needs."""
        return [*self.weights, *([self.class_specialist.model] if self.class_specialist else [])]

    @property
    def is_weighted_mean(self) -> bool:
        """Whether it only weighs members, and so was not fitted in any other way."""
        return self == Recipe(self.weights, self.tta)

    def blend(self, task: Task, members: Mapping[str, Views]) -> Any:
        """The prediction before labels are decided."""
        chosen = {name: members[name].tta if self.tta else members[name].plain for name in self.names}
        for name, fitted in (self.calibration or {}).items():
            chosen[name] = task.calibrated(chosen[name], fitted)
        predictions = [chosen[name] for name in self.weights]
        if self.stack is None:
            combined = task.average(predictions, list(self.weights.values()))
        else:
            stack, names = self.stack, list(self.weights)
            combined = image_by_image(lambda *images: stacked(images, stack, names, task.void), *predictions)
        if self.class_specialist is None:
            return combined
        model, target_class, share, _, versus = self.class_specialist
        return task.blend_class(combined, chosen[model], target_class, share, versus)

    def decide(self, task: Task, members: Mapping[str, Views]) -> Any:
        """What a submission says."""
        return self.decided(task, self.blend(task, members))

    def decided(self, task: Task, blended: Any) -> Any:
        """What `blend` gave, decided."""
        return task.decide(blended, self.offsets, self.class_specialist)

    def predict(self, task: Task, members: Mapping[str, Views], needs: str) -> Any:
        """What a metric that `needs` "labels" or "probabilities" looks at."""
        return self.decide(task, members) if needs == task.output else task.scores(self.blend(task, members))

    def without(self, name: str) -> Self:
        """The same ensemble as if this model had not been there: the others keep their proportions."""
        if self.class_specialist and self.class_specialist.model == name:
            return replace(self, class_specialist=None)
        weights = {other: weight for other, weight in self.weights.items() if other != name}
        calibration = {other: fitted for other, fitted in (self.calibration or {}).items() if other != name}
        return replace(self, weights=weights, calibration=calibration or None)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {
            "class_specialist": self.class_specialist and self.class_specialist._asdict(),
            "stack": self.stack and self.stack._asdict(),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        fields = dict(stored)
        specialist, offsets, stack = (fields.pop(name) for name in ("class_specialist", "offsets", "stack"))
        return cls(
            **fields,
            class_specialist=specialist and ClassSpecialist(**specialist),
            offsets=offsets and tuple(offsets),
            stack=stack and Stack(**stack),
        )


def statistics_alone(task: Task, metric: Metric, targets: Any, plain: Any) -> np.ndarray:
    """The metric's statistics of one model's plain predictions."""
    members = {"alone": Member(plain, plain)}
    return metric.statistics(targets, Recipe({"alone": 1.0}).predict(task, members, metric.needs))
