"""Temperature scaling (Guo et al. 2017): probabilities as sure as they are right, the classes in the same order."""

import numpy as np

ENOUGH = 20_000  # rows or pixels that say enough
SMALLEST = 1e-6
LIMITS = (-1.6, 1.6)  # of the logarithm: a fifth to five times as sure


def temperature(probs: np.ndarray, truth: np.ndarray, independent: bool = False) -> float:
    """1 / T of the likeliest T, to two digits. probs, truth: (m, classes); independent: classes do not share one 1."""
    from scipy.optimize import minimize_scalar

    some = np.linspace(0, len(probs) - 1, min(len(probs), ENOUGH)).astype(int)
    probs, truth = probs[some].astype(np.float64), truth[some]

    def loss(power: float) -> float:
        said = np.clip(sharpened(probs, float(np.exp(power)), independent), SMALLEST, 1 - SMALLEST)
        misses = truth * np.log(said) + ((1 - truth) * np.log(1 - said) if independent else 0)
        return -float(misses.mean())

    return round(float(np.exp(minimize_scalar(loss, bounds=LIMITS, method="bounded").x)), 2)


def sharpened(probs: np.ndarray, power: float, independent: bool = False) -> np.ndarray:
    """Probabilities (n, classes, ...) to this power, brought to sum 1 again; independent: each against its own rest."""
    raised = np.clip(probs, SMALLEST, 1 - SMALLEST) ** power
    rest = (1 - np.clip(probs, SMALLEST, 1 - SMALLEST)) ** power if independent else 0
    return raised / (raised + rest if independent else raised.sum(1, keepdims=True))
