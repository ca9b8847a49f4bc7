"""What a small model may look at: the columns of a table, or simple statistics and low frequencies of a picture."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from harness.audit.looks import COLOURS, STATISTICS, Look
from harness.data.images import EncodedImages

COARSE = 6  # frequencies an axis
SMALL = 256  # values of an input that is no picture and is taken as it is
TREES, LEAST = 25, 5  # trees, and rows in a leaf


class Features(NamedTuple):
    """values: (n, k) float, all finite."""

    names: list[str]
    values: np.ndarray

    def __bool__(self) -> bool:
        return len(self.names) > 0


def features(looks: Sequence[Look]) -> list[Features]:
    """Of several sets of samples alike: a text has the same number in each."""
    if looks[0].low is not None:
        coloured = any(is_coloured(seen) for seen in looks)
        return [of_pictures(seen, coloured) for seen in looks]
    if looks[0].inputs.dtype.names:
        return of_tables([seen.inputs for seen in looks])
    size = int(np.prod(looks[0].inputs.shape[1:]))
    names = [f"value {k}" for k in range(size)] if size <= SMALL else []
    rows = [np.nan_to_num(np.asarray(seen.inputs, float)).reshape(len(seen.inputs), -1) for seen in looks]
    return [Features(names, values[:, : len(names)]) for values in rows]


def of_pictures(seen: Look, coloured: bool) -> Features:
    assert seen.low is not None and seen.statistics is not None and seen.sizes is not None
    told = [k for k, name in enumerate(STATISTICS) if coloured or name not in COLOURS]
    names, columns = [STATISTICS[k] for k in told], [seen.statistics[:, told]]
    if isinstance(seen.inputs, EncodedImages):
        names, columns = [*names, "height", "width"], [*columns, seen.sizes]
    low = seen.low[:, :COARSE, :COARSE].reshape(len(seen.low), -1)[:, 1:]
    names += [f"frequency {k // COARSE}, {k % COARSE}" for k in range(1, COARSE**2)]
    return Features(names, np.concatenate([*columns, low], axis=1, dtype=np.float64))


def is_coloured(seen: Look) -> bool:
    assert seen.statistics is not None
    colours = seen.statistics[:, [STATISTICS.index(name) for name in COLOURS]]
    return not np.allclose(colours, colours[:, :1])


def of_tables(tables: Sequence[Any]) -> list[Features]:
    names = list(tables[0].dtype.names)
    columns = [numbers([table[name] for table in tables]) for name in names]
    return [Features(names, np.stack([column[k] for column in columns], 1)) for k in range(len(tables))]


def numbers(columns: Sequence[np.ndarray]) -> list[np.ndarray]:
    """One column of several tables as floats: texts by their rank."""
    together = np.concatenate(columns)
    if together.dtype.kind in "biuf":
        known = together[np.isfinite(together)].astype(float)
        values = np.where(np.isfinite(together), together, known.min(initial=0) - 1)  # a missing one is a value too
    else:
        values = np.unique(together.astype(str), return_inverse=True)[1].astype(float)
    return np.split(values, np.cumsum([len(column) for column in columns])[:-1])


def out_of_fold(values: np.ndarray, targets: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """(n, k) float: what extremely randomised trees (Geurts et al. 2006), fitted on the other folds, say of targets."""
    from sklearn.ensemble import ExtraTreesRegressor

    said = np.empty(targets.shape)
    for k in np.unique(fold):
        inside = fold == k
        trees = ExtraTreesRegressor(TREES, min_samples_leaf=LEAST, max_features=1.0, random_state=0, n_jobs=1)
        known = targets[~inside].ravel() if targets.shape[1] == 1 else targets[~inside]
        said[inside] = trees.fit(values[~inside], known).predict(values[inside]).reshape(inside.sum(), -1)
    return said


def mean_of_others(targets: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """(n, k) float: what chance says, the mean of the other folds."""
    said = np.empty(targets.shape)
    for k in np.unique(fold):
        said[fold == k] = targets[fold != k].mean(0)
    return said


def whole_groups(groups: np.ndarray, folds: int, seed: int = 0) -> np.ndarray:
    """(n,) int: the fold of every row; groups stay whole."""
    names, group_of_row = np.unique(groups, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    return (order % folds)[group_of_row]
