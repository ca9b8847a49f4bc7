"""Between whole rows and a learner: of rows that hold images and a table a learner sees the part that it is for."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from harness.data.samples import Joined, Samples
from harness.models import Context, Learner, TrainingCost


@dataclass(frozen=True)
class RowLearner:
    """A learner as one of whole rows; the methods are those of `Learner`."""

    learner: Learner

    def fit(self, train: Samples, valid: Samples | None, context: Context) -> "RowFitted":
        def look(share: float, predict: Callable[[Any], Any]) -> None:
            context.look(share, self.of_rows(predict).predict)

        fitted = self.learner.fit(
            self.seen(train), None if valid is None else self.seen(valid), replace(context, look=look)
        )
        return self.of_rows(fitted.predict)

    def load(self, context: Context) -> "RowFitted":
        return self.of_rows(self.learner.load(context).predict)

    def cost(self, train: Samples, context: Context) -> TrainingCost:
        return self.learner.cost(self.seen(train), context)

    def fast_paths(self, train: Samples, context: Context) -> dict[str, Any]:
        return self.learner.fast_paths(self.seen(train), context)

    def seen(self, samples: Samples) -> Samples:
        return replace(samples, inputs=part_of(samples.inputs, self.learner))

    def of_rows(self, predict: Callable[[Any], Any]) -> "RowFitted":
        return RowFitted(self.learner, predict)


@dataclass(frozen=True)
class RowFitted:
    """What predicts whole rows. of_part: inputs as the learner sees them -> the task's predictions."""

    learner: Learner
    of_part: Callable[[Any], Any]

    def predict(self, inputs: Any) -> Any:
        return self.of_part(part_of(inputs, self.learner))


def part_of(inputs: Any, learner: Learner) -> Any:
    """What the learner sees of rows that hold images and a table; any other inputs as they are."""
    if not isinstance(inputs, Joined) or learner.sees == "both":
        return inputs
    return inputs.images if learner.sees == "images" else inputs.table
