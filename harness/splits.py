"""Who is in which part: the judge's hold-out, its public and private rows, and the folds. No part cuts a group."""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.errors import UserError

Strata = Callable[[Any], np.ndarray]  # targets -> (n,) int, the stratum of every row


@dataclass(frozen=True)
class Holdout:
    """The judge's rows: a share of the labelled rows, of which a share is scored publicly."""

    fraction: float = 0.2
    public: float = 0.4
    seed: int = 0


@dataclass(frozen=True)
class Folds:
    """Stratified folds that keep groups whole. Make one with `stratified_grouped`."""

    by: Strata
    folds: int = 5
    seed: int = 0


def stratified_grouped(by: Strata, folds: int = 5, seed: int = 0) -> Folds:
    return Folds(by, folds, seed)


def divide(strata: np.ndarray, groups: np.ndarray, shares: list[float], key: bytes) -> np.ndarray:
    """(n,) int: the part of every row. Parts get their share of every stratum as nearly as whole groups allow.

    Greedy, as scikit-learn's StratifiedGroupKFold, for unequal shares too: groups in the order of their rarest
    content, ties by a keyed hash (so that the draw cannot be guessed without the key), each into the part that
    leaves the fill of all strata most even. Raises `UserError` where a stratum with as many groups as parts
    still misses one part.
    """
    names, group_of_row = np.unique(groups, return_inverse=True)
    _, stratum_of_row = np.unique(strata, return_inverse=True)
    content = np.zeros((len(names), stratum_of_row.max() + 1))
    np.add.at(content, (group_of_row, stratum_of_row), 1)
    rarity = content / content.sum(0)
    ticket = [hmac.new(key, str(name).encode(), hashlib.sha256).digest() for name in names]
    order = sorted(range(len(names)), key=lambda g: (-round(float(rarity[g].max()), 12), ticket[g]))

    target = np.asarray(shares)[:, None]
    filled = np.zeros((len(shares), rarity.shape[1]))
    part_of_group = np.zeros(len(names), int)
    for g in order:
        # sum over strata of the squared distance to the shares, after giving the group to each part in turn
        gain = ((filled + rarity[g]) / target) ** 2 - (filled / target) ** 2
        part_of_group[g] = int((gain * target).sum(1).argmin())
        filled[part_of_group[g]] += rarity[g]
    _require_every_stratum(content, part_of_group, len(shares))
    return part_of_group[group_of_row]


def _require_every_stratum(content: np.ndarray, part_of_group: np.ndarray, parts: int) -> None:
    """A rare class must be in every part."""
    for stratum in range(content.shape[1]):
        holders = part_of_group[content[:, stratum] > 0]
        missing = sorted(set(range(parts)) - set(holders.tolist()))
        if missing:
            raise UserError(
                f"stratum {stratum} (a rare class or kind of sample) is in {len(holders)} groups and cannot be in each "
                f"of {parts} parts; give more data, fewer folds (FOLDS=n), or coarser strata"
            )
