"""What a kind of task tells of its predictions beside a score: for pages, not for boards.

Targets, predictions and decided rows are as the task has them (harness.tasks); what a kind has nothing of is None.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

Colour = tuple[int, int, int]

# told apart by the colour-blind (Okabe and Ito, 2008), red-green-blue
COLOURS: tuple[Colour, ...] = (
    (0, 158, 115),
    (230, 159, 0),
    (86, 180, 233),
    (213, 94, 0),
    (240, 228, 66),
    (0, 114, 178),
    (204, 121, 167),
)
RIGHT, MISSED, FALSE = COLOURS[0], COLOURS[3], COLOURS[2]  # of a difference


class Curve(NamedTuple):
    """Recall and precision from the best score down, each (m,), and how many are true."""

    recall: np.ndarray
    precision: np.ndarray
    true: int


class Claims(NamedTuple):
    """How sure every decision was, from 0 to 1, and whether it was right, each (m,)."""

    sure: np.ndarray
    right: np.ndarray


class Doubts(NamedTuple):
    """quality: (n,) from 0 to 1, how well every row's label agrees with what was said; doubted: (n,) bool."""

    quality: np.ndarray
    doubted: np.ndarray


class Account(Protocol):
    """Of a task."""

    def facets(self, targets: Any) -> np.ndarray:
        """(n, k) float: the targets as plain numbers, one column a class (how much of it) where there are classes."""

    def doubts(self, targets: Any, prediction: Any) -> Doubts:
        """Which labels are suspect, by predictions of models that never saw the row (cleanlab)."""

    def confusion(self, targets: Any, decided: Any) -> np.ndarray | None:
        """(classes, classes) counts of rows or pixels, the truth in rows."""

    def pair(self, targets: Any, decided: Any, of: int | None) -> tuple[int, int] | None:
        """The two classes that are most taken for each other, or `of` and the one; None where a specialist is better
        trained for a class alone, or where nothing was confused."""

    def curves(self, targets: Any, decided: Any) -> Mapping[str, Curve]:
        """Of every class that is true somewhere, where scores rank."""

    def amounts(self, targets: Any, decided: Any) -> tuple[np.ndarray, np.ndarray] | None:
        """True and predicted numbers, each (n,)."""

    def claims(self, targets: Any, prediction: Any) -> Claims | None: ...

    def misses(self, targets: Any, prediction: Any) -> np.ndarray:
        """(n,) how far every row is from its truth, 0 where it is there; signed for numbers."""

    def perfected(self, targets: Any, prediction: Any, decided: Any, of: int) -> Any:
        """The decided rows if the class `of` were perfect: the truth in place of what was said of it, no more."""

    def colours(self) -> Mapping[str, Colour]:
        """Of the classes, where they are drawn."""

    def shown(self, targets: Any, decided: Any) -> tuple[Any, str]:
        """The decided rows as they are drawn, and what was left out, in words."""

    def words(self, row: Any) -> str:
        """What one row says, of the truth or decided; "" where the picture says it."""

    def picture(self, image: np.ndarray, row: Any) -> np.ndarray:
        """(h, w, 3) uint8: what one row says, drawn on its red-green-blue picture of that shape."""

    def difference(self, image: np.ndarray, target: Any, said: Any) -> tuple[np.ndarray, str] | None:
        """(h, w, 3) uint8: where a row is right and where it is not, and the key in words."""
