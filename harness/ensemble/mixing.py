"""Ways to make one of several members' probabilities that are no weighted mean: what each does, how it is fitted.

Probabilities are (n, classes, ...); a mix returns scores of that shape, 0 or more, which the task brings to sum 1.
weights: the members' shares. fitted: of each member, what was fitted; common: what was fitted for all of them.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

SMALLEST = 1e-6  # a float16 probability of 0 is only a small one
LEVELS = 33  # of a distribution function
NEVER = -30.0  # the logarithm that a class has which no row shows

Floats = Sequence[Sequence[float]]
Mixed = Callable[..., np.ndarray]


def log(probs: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probs, np.float32(SMALLEST)))


def geometric(
    probs: Sequence[np.ndarray], weights: Sequence[float], fitted: Floats, common: Sequence[float]
) -> np.ndarray:
    """The mean of log-probabilities: a class that one member rules out stays ruled out."""
    total = sum(np.float32(weight) * log(each) for weight, each in zip(weights, probs, strict=True))
    return np.exp(np.asarray(total) / np.float32(sum(weights)))


def ranked(
    probs: Sequence[np.ndarray], weights: Sequence[float], fitted: Floats, common: Sequence[float]
) -> np.ndarray:
    """The mean of ranks: each probability becomes the share of that member's out-of-fold ones that are below it.

    fitted: those at `LEVELS` even shares, so a row's rank does not depend on who is ranked with it.
    """
    total = sum(weight * rank(each, knots) for weight, each, knots in zip(weights, probs, fitted, strict=True))
    return np.asarray(total, np.float32)


def rank(probs: np.ndarray, knots: Sequence[float]) -> np.ndarray:
    """0 to 1; values that fill several levels have the middle one."""
    values, at = np.unique(np.asarray(knots), return_inverse=True)
    level = np.bincount(at, np.linspace(0, 1, len(knots))) / np.bincount(at)
    return np.interp(probs, values, level)


def by_class(
    probs: Sequence[np.ndarray], weights: Sequence[float], fitted: Floats, common: Sequence[float]
) -> np.ndarray:
    """Weighted means, with weights for every class; fitted: (classes,) of a member."""
    return sum(shaped(each, own) * each for each, own in zip(probs, fitted, strict=True))


def stacked(
    probs: Sequence[np.ndarray], weights: Sequence[float], fitted: Floats, common: Sequence[float]
) -> np.ndarray:
    """A multinomial logistic regression on all log-probabilities (stacking, Wolpert 1992).

    fitted: (classes x classes) of a member, from its log-probabilities to the logits; common: (classes,) the constants.
    """
    size = len(common)
    logits = shaped(probs[0], common).astype(np.float32)
    for each, own in zip(probs, fitted, strict=True):
        turned = np.tensordot(np.asarray(own, np.float32).reshape(size, size), told(each), (1, 1))
        logits = logits + np.moveaxis(turned, 0, 1)
    return np.exp(logits - logits.max(1, keepdims=True))


def told(probs: np.ndarray) -> np.ndarray:
    """How far a log-probability is above the smallest: 0 for a class that is never said, which then counts nothing."""
    return log(probs) - np.float32(np.log(SMALLEST))


def shaped(like: np.ndarray, values: Sequence[float]) -> np.ndarray:
    """One value a class, to stand beside (n, classes, ...)."""
    return np.asarray(values, np.float32).reshape(1, -1, *[1] * (like.ndim - 2))


MIXED: Mapping[str, Mixed] = {
    "geometric": geometric,
    "rank": ranked,
    "class-wise": by_class,
    "stacking": stacked,
}


# -- fitted ------------------------------------------------------------------------------------------------------------


def levels(probs: np.ndarray) -> list[float]:
    """For `ranked`: of one member's probabilities."""
    return [round(float(value), 5) for value in np.quantile(probs, np.linspace(0, 1, LEVELS))]


def least_squares(probs: Sequence[np.ndarray], truth: np.ndarray) -> np.ndarray:
    """(members,) shares 0 or more whose weighted sum comes nearest to the truth (Lawson and Hanson 1974).

    probs, truth: of any one shape. Solved on the normal equations, so that it costs one look at the rows; equal shares
    where nothing fits.
    """
    from scipy.optimize import nnls

    flat, count = np.stack([np.ravel(each) for each in probs]).astype(np.float64), len(probs)
    ridge = 1e-9 * max(float((flat**2).sum()), 1e-12) * np.eye(count)
    root = np.linalg.cholesky(flat @ flat.T + ridge).T
    found = nnls(root, np.linalg.solve(root.T, flat @ np.ravel(truth)))[0]
    return found / found.sum() if found.sum() > 0 else np.full(count, 1 / count)


def logistic(
    probs: Sequence[np.ndarray], truth: np.ndarray, strength: float = 0.1
) -> tuple[list[list[float]], list[float]]:
    """For `stacked`: probs (m, classes) of every member, truth (m, classes) of 0 and 1, one 1 a row.

    strength: of the penalty on the coefficients of standardised columns, which need a tenth of the rounds. One thread:
    rounds are so short that others only wait for each other.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    columns = np.concatenate([told(each) for each in probs], 1, dtype=np.float64)
    middle, spread = columns.mean(0), np.maximum(columns.std(0), SMALLEST)
    with threadpool_limits(1):
        found = LogisticRegression(C=1 / strength, max_iter=300).fit((columns - middle) / spread, truth.argmax(1))
    slopes, constants = found.coef_ / spread, found.intercept_ - found.coef_ @ (middle / spread)
    if len(found.classes_) == 2:  # one set of numbers tells the second from the first
        slopes, constants = np.stack([-slopes[0], slopes[0]]) / 2, np.stack([-constants[0], constants[0]]) / 2
    size = truth.shape[1]
    own, common = np.zeros((size, columns.shape[1])), np.full(size, NEVER)
    own[found.classes_], common[found.classes_] = slopes, constants
    parts = np.split(own.round(6), len(probs), axis=1)
    return [part.ravel().tolist() for part in parts], common.round(6).tolist()
