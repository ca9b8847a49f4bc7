"""Between whole rows and a learner, which sees one thing at a time.

Of rows that hold images and a table it sees the part that it is for. Of rows of several images it sees every image
alone, with the row's target; the prediction of a row is the mean of those of its images.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.data.samples import Joined, Samples, bags_of
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
        seen = self.seen(train)
        cost = self.learner.cost(seen, context)
        return cost._replace(predict=cost.predict * len(seen) / len(train))

    def fast_paths(self, train: Samples, context: Context) -> dict[str, Any]:
        return self.learner.fast_paths(self.seen(train), context)

    def seen(self, samples: Samples) -> Samples:
        inputs = part_of(samples.inputs, self.learner)
        if (bags := bags_of(inputs)) is not None:
            samples = replace(samples, inputs=np.arange(len(samples)))[bags.rows]
        return replace(samples, inputs=one_by_one(inputs))

    def of_rows(self, predict: Callable[[Any], Any]) -> "RowFitted":
        return RowFitted(self.learner, predict)


@dataclass(frozen=True)
class RowFitted:
    """What predicts whole rows. of_part: inputs as the learner sees them -> the task's predictions."""

    learner: Learner
    of_part: Callable[[Any], Any]

    def predict(self, inputs: Any) -> Any:
        inputs = part_of(inputs, self.learner)
        predicted, bags = self.of_part(one_by_one(inputs)), bags_of(inputs)
        return predicted if bags is None else bags.means(predicted)


def part_of(inputs: Any, learner: Learner) -> Any:
    """What the learner sees of rows that hold images and a table; any other inputs as they are."""
    if not isinstance(inputs, Joined) or learner.sees == "both":
        return inputs
    return inputs.images if learner.sees == "images" else inputs.table


def one_by_one(inputs: Any) -> Any:
    """Every image of every bag, with its row's columns where there are any; inputs without bags as they are."""
    if (bags := bags_of(inputs)) is None:
        return inputs
    return Joined(bags.flat, inputs.table[bags.rows]) if isinstance(inputs, Joined) else bags.flat
