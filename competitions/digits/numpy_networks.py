"""Softmax regression, and a network of two layers, by gradient descent written on numpy: the course project."""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Self

import numpy as np

from harness.data.samples import Samples
from harness.models import search_spaces
from harness.models.numpy_learner import Arrays, NumpyLearner
from harness.tasks import Task


@dataclass(frozen=True, kw_only=True)
class Layers(NumpyLearner):
    """Dense layers with ReLU between them and a softmax at the end. hidden: their widths, () for softmax regression."""

    epochs: int = 20
    hidden: tuple[int, ...] = ()
    batch: int = 100
    lr: float = 0.1

    def search_space(self, trial: Any) -> Self:
        """Also the width of its layers, all in proportion."""
        varied = super().search_space(trial)
        if not self.hidden:
            return varied
        first = search_spaces.width(trial, self.hidden[0])
        return replace(varied, hidden=tuple(width * first // self.hidden[0] for width in self.hidden))

    def begin(self, train: Samples, task: Task) -> Arrays:
        return first_weights((train.inputs[0].size, *self.hidden, len(task.classes)))

    def epoch(self, arrays: Arrays, train: Samples, rng: np.random.Generator) -> tuple[Arrays, float]:
        losses = []
        for rows in np.array_split(rng.permutation(np.arange(len(train))), -(-len(train) // self.batch)):
            loss, gradients = loss_and_gradients(arrays, pixels(train.inputs[rows]), train.targets[rows])
            arrays = {name: array - np.float32(self.lr) * gradients[name] for name, array in arrays.items()}
            losses.append(loss)
        return arrays, float(np.mean(losses))

    def predict(self, model: Arrays, inputs: Any, task: Task) -> np.ndarray:
        return activations(model, pixels(inputs))[-1]


def first_weights(sizes: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Layer k has the weights w_k (inputs, outputs), normal with variance 2 / inputs, and the offsets b_k (outputs,).

    The same for every fold and for the twin in PyTorch.
    """
    rng, weights = np.random.default_rng(0), {}
    for k, (inputs, outputs) in enumerate(pairwise(sizes)):
        weights[f"w{k}"] = (rng.standard_normal((inputs, outputs)) * np.sqrt(2 / inputs)).astype(np.float32)
        weights[f"b{k}"] = np.zeros(outputs, np.float32)
    return weights


def activations(weights: Arrays, x: np.ndarray) -> list[np.ndarray]:
    """The input and what every layer makes of it; the last are the probabilities (n, classes)."""
    layers, last = [x], len(weights) // 2 - 1
    for k in range(last + 1):
        z = layers[-1] @ weights[f"w{k}"] + weights[f"b{k}"]
        layers.append(np.maximum(z, 0) if k < last else np.exp(z - z.max(1, keepdims=True)))
    layers[-1] = layers[-1] / layers[-1].sum(1, keepdims=True)  # softmax
    return layers


def loss_and_gradients(weights: Arrays, x: np.ndarray, labels: np.ndarray) -> tuple[float, dict[str, np.ndarray]]:
    """The mean cross-entropy, and its derivative by every weight (backpropagation)."""
    layers, rows = activations(weights, x), np.arange(len(x))
    loss = -np.log(np.maximum(layers[-1][rows, labels], 1e-12)).mean()
    error, gradients = layers[-1].copy(), dict[str, np.ndarray]()
    error[rows, labels] -= 1
    error /= len(x)
    for k in reversed(range(len(layers) - 1)):
        gradients |= {f"w{k}": layers[k].T @ error, f"b{k}": error.sum(0)}
        if k:
            error = error @ weights[f"w{k}"].T * (layers[k] > 0)
    return float(loss), gradients


def pixels(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1).astype(np.float32) / np.float32(255)
