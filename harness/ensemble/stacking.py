"""Stacking (Wolpert 1992): a multinomial logistic regression on the log-probabilities of all members."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from harness.metrics import chunks

SMALLEST = 1e-6  # a float16 probability of 0 is only a small one
ENOUGH = 5_000  # labels or pixels that the regression is fitted on
PENALTY = 0.1  # of the squared coefficients of standardised columns
NEVER = -30.0  # the logit of a class that no row shows
CHUNK = 128  # rows combined at once: 21 MB of float32 at 5 x 64 x 128


class Stack(NamedTuple):
    """coefficients: of each member (classes x classes), flat, from its log-probabilities to the logits; constants:
    (classes,)."""

    coefficients: Mapping[str, Sequence[float]]
    constants: Sequence[float]


def stacked(predictions: Sequence[np.ndarray], stack: Stack, names: Sequence[str], void: int | None) -> np.ndarray:
    """(n, classes, ...) probabilities of these members, the void class 0. A member without coefficients is left out."""
    size, shape = len(stack.constants), [1, -1, *[1] * (predictions[0].ndim - 2)]
    combined = np.empty(predictions[0].shape, predictions[0].dtype)
    for rows in chunks(len(combined), CHUNK):
        logits = np.asarray(stack.constants, np.float32).reshape(shape)
        for name, each in zip(names, predictions, strict=True):
            own = np.asarray(stack.coefficients[name], np.float32).reshape(size, size)
            logits = logits + np.moveaxis(np.tensordot(own, evidence(each[rows]), (1, 1)), 0, 1)
        probs = np.exp(logits - logits.max(1, keepdims=True))
        if void is not None:
            probs[:, void] = 0
        combined[rows] = probs / probs.sum(1, keepdims=True)
    return combined


def evidence(probs: np.ndarray) -> np.ndarray:
    """How far a log-probability is above the smallest one: 0 for a class that a member never predicts."""
    return np.log(np.maximum(np.asarray(probs, np.float32), np.float32(SMALLEST))) - np.float32(np.log(SMALLEST))


def fit_stack(members: Mapping[str, np.ndarray], targets: np.ndarray, void: int | None) -> Stack | None:
    """members: (n, classes, ...) probabilities; targets: (n, ...) labels. None where only one class is there.

    Of many labels, `ENOUGH` are taken evenly.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    size = next(iter(members.values())).shape[1]
    labelled = np.arange(targets.size) if void is None else np.flatnonzero(np.ravel(targets) != void)
    some = labelled[np.linspace(0, len(labelled) - 1, min(len(labelled), ENOUGH)).astype(int)]
    row, *pixel = np.unravel_index(some, targets.shape)
    truth = targets[(row, *pixel)]
    if len(np.unique(truth)) < 2:
        return None
    known = [evidence(probs[(row, slice(None), *pixel)]) for probs in members.values()]
    columns = np.concatenate(known, 1, dtype=np.float64)
    middle, spread = columns.mean(0), np.maximum(columns.std(0), SMALLEST)
    with threadpool_limits(1):  # rounds are so short that threads only wait for each other
        fitted = LogisticRegression(C=1 / PENALTY, max_iter=300).fit((columns - middle) / spread, truth)
    slopes, constants = fitted.coef_ / spread, fitted.intercept_ - fitted.coef_ @ (middle / spread)
    if len(fitted.classes_) == 2:  # one set of coefficients tells the second class from the first
        slopes, constants = np.stack([-slopes[0], slopes[0]]) / 2, np.stack([-constants[0], constants[0]]) / 2
    own, common = np.zeros((size, columns.shape[1])), np.full(size, NEVER)
    own[fitted.classes_], common[fitted.classes_] = slopes, constants
    parts = np.split(own.round(6), len(members), axis=1)
    coefficients = {name: part.ravel().tolist() for name, part in zip(members, parts, strict=True)}
    return Stack(coefficients, common.round(6).tolist())
