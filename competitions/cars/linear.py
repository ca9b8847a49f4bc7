"""Linear regression by gradient descent, written on numpy: the course project, with one column of the table or all."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from harness.data.samples import Samples
from harness.models import search_spaces
from harness.models.numpy_learner import Arrays, NumpyLearner
from harness.tasks import Task


@dataclass(frozen=True, kw_only=True)
class Linear(NumpyLearner):
    """y = x w, where x holds a 1 and the standardised columns; every epoch is one step down the whole gradient.

    columns: how many it sees, those that correlate most with the target; None for all. lr: divided by the number of
    columns: their correlation matrix has no larger eigenvalue, so no step goes too far.
    """

    epochs: int = 1000
    columns: int | None = None
    lr: float = 1.0

    def search_space(self, trial: Any) -> Self:
        """A rate of more than 1 may go too far."""
        return replace(
            self, epochs=search_spaces.epochs(trial, self), lr=search_spaces.near(trial, "lr", self.lr, above=1.0)
        )

    def begin(self, train: Samples, task: Task) -> Arrays:
        values = numbers(train.inputs)
        mean, std = np.nanmean(values, 0), np.maximum(np.nanstd(values, 0), 1e-9)
        every = {"columns": np.arange(values.shape[1]), "mean": mean, "std": std}
        correlations = np.abs(design(every, train.inputs)[:, 1:].T @ (train.targets - train.targets.mean()))
        chosen = np.sort(np.argsort(-correlations, kind="stable")[: self.columns])
        start = np.concatenate([[train.targets.mean()], np.zeros(len(chosen))])
        return {"columns": chosen, "mean": mean[chosen], "std": std[chosen], "weights": start}

    def epoch(self, arrays: Arrays, train: Samples, rng: np.random.Generator) -> tuple[Arrays, float]:
        loss, gradient = loss_and_gradient(arrays["weights"], design(arrays, train.inputs), train.targets)
        step = self.lr / len(arrays["columns"])
        return {**arrays, "weights": arrays["weights"] - step * gradient}, loss

    def predict(self, model: Arrays, inputs: Any, task: Task) -> np.ndarray:
        return (design(model, inputs) @ model["weights"]).astype(np.float32)


def loss_and_gradient(weights: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Half the mean squared error of x w, and its derivative by w."""
    error = x @ weights - y
    return float(error @ error) / (2 * len(y)), x.T @ error / len(y)


def design(arrays: Arrays, table: Any) -> np.ndarray:
    """(n, 1 + columns): a one, and every column less its mean, over its deviation; a missing value is the mean."""
    standardised = (numbers(table)[:, arrays["columns"]] - arrays["mean"]) / arrays["std"]
    return np.column_stack([np.ones(len(table)), np.nan_to_num(standardised)])


def numbers(table: Any) -> np.ndarray:
    """(n, columns) float64 of a structured array: its columns of numbers."""
    return np.column_stack([table[name] for name in table.dtype.names if table.dtype[name].kind in "iuf"])
