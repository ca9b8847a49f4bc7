"""What a competition is made of: rows with an id, an input, a target and a group. numpy only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Samples:
    """Aligned rows. Indexing with an integer or boolean array gives the samples of those rows.

    ids: (n,) str, unique; inputs: (n, ...) array, memory-mapped when large, images as uint8;
    targets: (n, ...) array, None where they are not known; groups: (n,) int, the units that no split may cut.
    """

    ids: np.ndarray
    inputs: Any
    targets: Any = None
    groups: Any = None

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: np.ndarray) -> "Samples":
        pick = [None if column is None else column[rows] for column in (self.inputs, self.targets, self.groups)]
        return Samples(self.ids[rows], *pick)


@dataclass(frozen=True)
class Dataset:
    """What a competition's `load` returns: the labelled samples, and the parts of the official unlabelled test."""

    labelled: Samples
    official: Mapping[str, Samples] = field(default_factory=dict)


def numbered(count: int) -> np.ndarray:
    """The ids of a source without its own: row numbers from 0, as strings."""
    return np.arange(count).astype(str)
