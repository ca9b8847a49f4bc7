"""Calibration of box scores: which boxes are right, and the logistic curve from scores to that share (Platt 1999)."""

import numpy as np

from harness.data.samples import Ragged
from harness.metrics.boxes import iou

HIT = 0.5  # intersection over union from which a box is right
PRIOR = 1.0  # how many boxes the prior of no calibration weighs


def right(prediction: Ragged, targets: Ragged) -> np.ndarray:
    """(m,) bool: the boxes that find an object of their class (at half overlap) which no better box has found."""
    hits = np.zeros(len(prediction.flat), bool)
    for row in range(len(prediction)):
        boxes, truth = prediction[row], targets[row]
        agreement = iou(boxes[:, 2:], truth[:, 1:]) * (boxes[:, :1] == truth[None, :, 0])
        for k in np.flatnonzero((agreement >= HIT).any(1)):  # best score first
            if agreement[k].max() >= HIT:
                hits[prediction.offsets[row] + k] = True
                agreement[:, agreement[k].argmax()] = 0
    return hits


def log_odds(scores: np.ndarray) -> np.ndarray:
    clipped = np.clip(scores.astype(np.float64), 1e-6, 1 - 1e-6)
    return np.log(clipped / (1 - clipped))


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -30, 30)))


def logistic(x: np.ndarray, y: np.ndarray, rounds: int = 30) -> tuple[float, float]:
    """(slope, shift) of the likeliest logistic curve through y (m,) bool over x (m,), by damped Newton steps.

    A weak prior keeps it finite, at (1, 0) where there are no boxes. A falling curve would turn the ranking over and is
    refused as (1, 0).
    """
    design, plain = np.stack([x, np.ones_like(x)], axis=1), np.array([1.0, 0.0])
    fitted = plain.copy()
    for _ in range(rounds):
        p = sigmoid(design @ fitted)
        slope = design.T @ (y - p) - PRIOR * (fitted - plain)
        curvature = (design * (p * (1 - p))[:, None]).T @ design + PRIOR * np.eye(2)
        step = np.linalg.solve(curvature, slope)
        fitted += step / max(1.0, np.abs(step).max())
    return (float(fitted[0]), float(fitted[1])) if fitted[0] > 0 else (1.0, 0.0)
