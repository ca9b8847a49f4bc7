"""Splits: the judge's hold-out, its public and private rows, and the folds. A group is always in one part."""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from harness.data.samples import Ragged, Samples, table_of
from harness.data.sized_masks import rows_showing
from harness.data.tables.cell_values import date_parts
from harness.errors import UserError, listed, nearest

StratifyBy = Callable[[Any], np.ndarray]  # targets -> (n,) int, a stratum for every row; or (n, labels) 0/1
OfRows = str | Callable[[Samples], np.ndarray]  # a column of the samples' own, or a function of them: (n,)


@dataclass(frozen=True)
class Holdout:
    """The judge's rows: a share of the labelled rows, of which a share is scored publicly."""

    fraction: float = 0.2
    public: float = 0.4
    seed: int = 0


class Split(Protocol):
    """How the labelled rows are split. samples: with the groups that stay in one part."""

    @property
    def folds(self) -> int: ...

    def stratify(self, samples: Samples) -> np.ndarray:
        """The strata whose shares every part keeps: (n,) int, or (n, labels) 0/1."""

    def held_out(self, samples: Samples, holdout: Holdout) -> np.ndarray:
        """(n,) bool: the rows of the hold-out."""

    def assign_folds(self, samples: Samples, count: int) -> np.ndarray:
        """(n,) int: the fold of every row, 0 to count - 1 or less; -1 for rows that are never predicted."""

    def training_rows(self, samples: Samples, fold_of_row: np.ndarray, fold: int) -> np.ndarray:
        """(n,) bool: the rows that the model of this fold learns from."""


@dataclass(frozen=True)
class Folds:
    """Stratified folds that keep groups whole: `stratified_grouped` in a declaration.

    by: None where the samples bring `stratify`, because the targets do not show the strata.
    """

    by: StratifyBy | None = None
    folds: int = 5
    seed: int = 0

    def stratify(self, samples: Samples) -> np.ndarray:
        if self.by is not None:
            return self.by(samples.targets)
        if samples.stratify is None:
            raise UserError("the split has nothing to stratify by: declare by=, or load samples with stratify=")
        return np.asarray(samples.stratify)

    def held_out(self, samples: Samples, holdout: Holdout) -> np.ndarray:
        shares, key = [holdout.fraction, 1 - holdout.fraction], f"hold-out {holdout.seed}".encode()
        return divide(self.stratify(samples), samples.groups, shares, key) == 0

    def assign_folds(self, samples: Samples, count: int) -> np.ndarray:
        """As many folds as groups where those are fewer, but two at least."""
        count = min(count, max(2, len(np.unique(samples.groups))))
        return divide(self.stratify(samples), samples.groups, [1 / count] * count, f"folds {self.seed}".encode())

    def training_rows(self, samples: Samples, fold_of_row: np.ndarray, fold: int) -> np.ndarray:
        return fold_of_row != fold


@dataclass(frozen=True)
class HostFolds:
    """The folds that the host gave: `given_folds` in a declaration.

    fold: of every row, numbers or text. The last ones, with about `fraction` of the rows, are the judge's; where more
    than `folds` are left, neighbours become one. Groups are not looked at, since the host's folds keep them whole.
    """

    fold: OfRows
    folds: int = 5
    by: StratifyBy | None = None

    def stratify(self, samples: Samples) -> np.ndarray:
        return np.zeros(len(samples), int) if self.by is None else self.by(samples.targets)

    def held_out(self, samples: Samples, holdout: Holdout) -> np.ndarray:
        names, fold = np.unique(of_rows(self.fold, samples), return_inverse=True)
        if len(names) < 3:
            raise UserError(f"the host gave {len(names)} folds, but one is the judge's and two are needed to train")
        share_from = np.cumsum(np.bincount(fold)[::-1])[::-1] / len(samples)  # of this fold and those after it
        return fold >= max(int(np.abs(share_from - holdout.fraction).argmin()), 2)

    def assign_folds(self, samples: Samples, count: int) -> np.ndarray:
        names, fold = np.unique(of_rows(self.fold, samples), return_inverse=True)
        return fold * min(count, len(names)) // len(names)

    def training_rows(self, samples: Samples, fold_of_row: np.ndarray, fold: int) -> np.ndarray:
        return fold_of_row != fold


@dataclass(frozen=True)
class Blocks:
    """Folds are blocks in time, and a model learns from earlier blocks alone: `time_ordered` in a declaration.

    by: numbers, dates, or text that sorts as the times do. gap: of this time before a block nothing is learned, days
    where times are dates: as far ahead as the host asks. The hold-out is the latest part. What comes before the first
    fold is only learned from: it has no prediction.
    """

    by: OfRows
    folds: int = 5
    gap: float = 0

    def stratify(self, samples: Samples) -> np.ndarray:
        return np.zeros(len(samples), int)

    def held_out(self, samples: Samples, holdout: Holdout) -> np.ndarray:
        return in_time(times_of(self.by, samples), samples.groups, [1 - holdout.fraction, holdout.fraction]) == 1

    def assign_folds(self, samples: Samples, count: int) -> np.ndarray:
        return in_time(times_of(self.by, samples), samples.groups, [1 / (count + 1)] * (count + 1)) - 1

    def training_rows(self, samples: Samples, fold_of_row: np.ndarray, fold: int) -> np.ndarray:
        earlier = fold_of_row < fold
        if not self.gap:
            return earlier
        times = times_of(self.by, samples)
        if times.dtype.kind not in "iuf":
            raise UserError(f"gap={self.gap:g} needs times that are numbers or dates, not such as {str(times[0])!r}")
        if not (learned := earlier & (times < times[fold_of_row == fold].min() - self.gap)).any():
            raise UserError(
                f"gap={self.gap:g} leaves no row to learn from before fold {fold}; give fewer folds or less"
            )
        return learned


stratified_grouped, time_ordered, given_folds = Folds, Blocks, HostFolds


# -- columns that rows are split by ------------------------------------------------------------------------------------


def of_rows(by: OfRows, samples: Samples) -> np.ndarray:
    """(n,) of a function of the samples, or of a column: of those kept for the split (`details=`), or of the inputs."""
    if callable(by):
        return np.asarray(by(samples))
    tables = [rows for rows in (samples.details, table_of(samples.inputs)) if rows is not None]
    rows_with = {name: rows for rows in tables for name in rows.dtype.names or ()}
    if by in rows_with:
        return np.asarray(rows_with[by][by])
    raise UserError(
        f"the split is by the column {by!r}{nearest(by, rows_with)}, but rows have {listed(rows_with) or 'no columns'}"
    )


def times_of(by: OfRows, samples: Samples) -> np.ndarray:
    """(n,) float64 days since 1970 of dates; numbers and other text as they are."""
    return in_days(of_rows(by, samples))


def in_days(times: np.ndarray) -> np.ndarray:
    """As `times_of`, of the times of every row."""
    if times.dtype.kind in "UO" and (parts := date_parts(times)):
        try:
            times = times.astype("datetime64[s]")  # 2015-01-31 13:05:00, to the second
        except ValueError:
            dates = zip(parts["year"], parts["month"], parts["day"], strict=True)
            days = ["NaT" if y != y else f"{y:04.0f}-{m:02.0f}-{d:02.0f}" for y, m, d in dates]
            hours = np.nan_to_num(parts.get("hour", np.zeros(len(days))))
            times = np.array(days, "datetime64[s]") + hours.astype("timedelta64[h]")
    if times.dtype.kind == "M":
        return (times - np.datetime64(0, "s")) / np.timedelta64(1, "D")  # NaN where there is none
    return times


# -- what to stratify by -----------------------------------------------------------------------------------------------


def labels(targets: np.ndarray) -> np.ndarray:
    """Stratify by the label of every row, or by all of them where a row has several."""
    return targets


def quantile_bins(targets: np.ndarray) -> np.ndarray:
    """(n,) int 0 to 3: the quarter of a number, from low to high."""
    return np.searchsorted(np.quantile(targets, (0.25, 0.5, 0.75)), targets)


def labels_in_masks(targets: Any) -> np.ndarray:
    """(n, labels) bool: the labels that occur in every mask; targets: (n, h, w) or `Masks`."""
    highest = max(int(mask.max()) for mask in targets)
    return np.stack([rows_showing(targets, label) for label in range(highest + 1)], axis=1)


def sets_in_masks(targets: Any) -> np.ndarray:
    """(n, classes) bool: the classes that occur in every mask of sets, (n, h, w) or `Masks`, where classes overlap."""
    count = max(int(mask.max()) for mask in targets).bit_length()
    return np.stack([rows_showing(targets, label, several=True) for label in range(count)], axis=1)


def labels_of_boxes(targets: Ragged) -> np.ndarray:
    """(n, labels) bool: the labels of the boxes of every image."""
    present = np.zeros((len(targets), int(targets.flat[:, 0].max(initial=0)) + 1), bool)
    present[np.repeat(np.arange(len(targets)), np.diff(targets.offsets)), targets.flat[:, 0].astype(int)] = True
    return present


# -- drawing parts -----------------------------------------------------------------------------------------------------


def divide(stratify: np.ndarray, groups: np.ndarray, shares: list[float], key: bytes) -> np.ndarray:
    """(n,) int: the part of every row. Parts get their share of every stratum as nearly as whole groups allow.

    stratify: (n,) int, a stratum for every row; or (n, labels) 0/1, any number of labels for every row.

    Greedy, as scikit-learn's StratifiedGroupKFold, for unequal shares too: groups in the order of their rarest
    content, ties by a keyed hash (so that the draw cannot be guessed without the key), each into the part that
    leaves the fill of all strata most even; of several such parts the one with the fewest rows for its share, as the
    odd rows of a hundred small classes would else all be in the first. Strata in fewer groups than there are parts are
    merged into one. It is spread as far as it goes, as a label in so few groups is; `check_folds` of the audit names
    the classes that a part lacks. Raises `UserError` where there are fewer groups than parts.
    """
    names, group_of_row = np.unique(groups, return_inverse=True)
    if len(names) < len(shares):
        raise UserError(
            f"{len(stratify)} rows in {len(names)} groups cannot make {len(shares)} parts, since a group stays whole; "
            "give more data, or finer groups"
        )
    content = contents(membership(stratify), group_of_row)
    if stratify.ndim == 1:
        content = merged(content, len(shares))
    rarity = content / content.sum(0)
    ticket = [hmac.new(key, str(name).encode(), hashlib.sha256).digest() for name in names]
    order = sorted(range(len(names)), key=lambda g: (-round(float(rarity[g].max()), 12), ticket[g]))

    target = np.asarray(shares)[:, None]
    filled, rows_of_group = np.zeros((len(shares), rarity.shape[1])), np.bincount(group_of_row)
    rows = np.zeros(len(shares))
    part_of_group = np.zeros(len(names), int)
    empty = set(range(len(shares)))
    for left, g in zip(range(len(names), 0, -1), order, strict=True):
        # sum over strata of the squared distance to the shares, after giving the group to each part in turn
        gain = (((filled + rarity[g]) / target) ** 2 - (filled / target) ** 2) * target
        open_parts = np.array(sorted(empty) if left <= len(empty) else range(len(shares)))
        room = rows[open_parts] / np.asarray(shares)[open_parts]
        part = int(open_parts[np.lexsort((-open_parts, room, gain.sum(1)[open_parts].round(12)))[0]])
        part_of_group[g] = part
        filled[part] += rarity[g]
        rows[part] += rows_of_group[g]
        empty.discard(part)
    return part_of_group[group_of_row]


def contents(member: np.ndarray, group_of_row: np.ndarray) -> np.ndarray:
    """(groups, strata) float64: how many rows of every stratum each group holds."""
    content = np.zeros((group_of_row.max() + 1, member.shape[1]))
    np.add.at(content, group_of_row, member)
    return content


def merged(content: np.ndarray, parts: int) -> np.ndarray:
    """(groups, strata) with the strata in one column that are in fewer groups than there are parts.

    >>> merged(np.array([[1.0, 0, 2], [0, 1, 2], [0, 0, 2]]), 2).tolist()
    [[2.0, 1.0], [2.0, 1.0], [2.0, 0.0]]
    """
    thin = (content > 0).sum(0) < parts
    if not thin.any():
        return content
    return np.concatenate([content[:, ~thin], content[:, thin].sum(1, keepdims=True)], axis=1)


def membership(stratify: np.ndarray) -> np.ndarray:
    """(n, k) bool, one column a stratum; for labels, a column of ones and a column for every label that occurs.

    >>> membership(np.array([7, 3])).astype(int).tolist(), membership(np.array([[0, 1], [0, 0]])).astype(int).tolist()
    ([[0, 1], [1, 0]], [[1, 1], [1, 0]])
    """
    if stratify.ndim == 1:
        return stratify[:, None] == np.unique(stratify)
    return np.concatenate([np.ones((len(stratify), 1), bool), stratify[:, stratify.any(0)] != 0], axis=1)


def in_time(times: np.ndarray, groups: np.ndarray, shares: list[float]) -> np.ndarray:
    """(n,) int: consecutive parts with about these shares of the rows.

    Rows of one moment stay together, and a group counts at its last one: whatever is in an earlier part was over before
    any group of a later part was. Raises `UserError` where a time is missing, or where there are too few moments.
    """
    if (unknown := np.flatnonzero(np.isin(times.astype(str), ("", "nan", "NaT")))).size:
        raise UserError(f"row {unknown[0]} has no time, by which the rows are to be ordered; fill it, or drop the row")
    moments, moment = np.unique(times, return_inverse=True)
    _, group = np.unique(groups, return_inverse=True)
    last = np.zeros(group.max() + 1, int)
    np.maximum.at(last, group, moment)
    rows_at = np.bincount(last[group], minlength=len(moments))
    middle = (np.cumsum(rows_at) - rows_at / 2) / len(times)
    parts = np.searchsorted(np.cumsum(shares)[:-1], middle, side="right")[last[group]]
    if len(np.unique(parts)) < len(shares):
        raise UserError(
            f"the rows have {len(np.unique(last[group]))} different times and cannot make {len(shares)} parts in time; "
            "give fewer folds (FOLDS=n), or finer times"
        )
    return parts
