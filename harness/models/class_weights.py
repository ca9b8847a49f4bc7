"""Class weights from how often each class occurs; the classes that occur weigh 1 on average, the others nothing."""

from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import numpy as np


class ClassWeights(Protocol):
    def __call__(self, counts: np.ndarray) -> np.ndarray:
        """Counts (classes,) of pixels or samples to weights (classes,) float32."""

    def vary(self, trial: Any) -> Self:
        """A variant for the search."""


@dataclass(frozen=True, kw_only=True)
class InverseFrequency:
    """power: 1 makes all classes weigh the same in sum, 0 leaves them as they are, 0.5 is a common middle."""

    power: float = 0.5

    def __call__(self, counts: np.ndarray) -> np.ndarray:
        return averaging_one(1 / np.maximum(counts, 1) ** self.power, counts)

    def vary(self, trial: Any) -> Self:
        return replace(self, power=trial.suggest_float("class_power", 0.0, 1.0))


@dataclass(frozen=True, kw_only=True)
class EffectiveNumber:
    """(1 - beta) / (1 - beta^count) (Cui et al., arXiv 1901.05555); a class of more than 1 / (1 - beta) is common."""

    beta: float = 0.999999

    def __call__(self, counts: np.ndarray) -> np.ndarray:
        effective = -np.expm1(np.maximum(counts, 1) * np.log(self.beta)) / (1 - self.beta)
        return averaging_one(1 / effective, counts)

    def vary(self, trial: Any) -> Self:
        return replace(self, beta=1 - trial.suggest_float("class_rarity", 1e-7, 1e-3, log=True))


def averaging_one(weights: np.ndarray, counts: np.ndarray) -> np.ndarray:
    weights = weights * (counts > 0)
    return (weights * (counts > 0).sum() / weights.sum()).astype(np.float32)
