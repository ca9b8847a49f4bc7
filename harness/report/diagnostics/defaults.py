"""The interface of diagnostics, with the defaults of a kind of prediction that lacks one."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

Colour = tuple[int, int, int]

# red-green-blue, told apart by the colour-blind (Okabe and Ito, 2008); `.series-0` and so on in the style sheet
COLOURS: tuple[Colour, ...] = (
    (0, 158, 115),
    (230, 159, 0),
    (86, 180, 233),
    (213, 94, 0),
    (240, 228, 66),
    (0, 114, 178),
    (204, 121, 167),
)
CORRECT, MISSED, FALSE = COLOURS[0], COLOURS[3], COLOURS[2]  # in an image of the difference


class LabelIssues(NamedTuple):
    """quality: (n,) from 0 to 1, how well every label agrees with the prediction; is_issue: (n,) bool."""

    quality: np.ndarray
    is_issue: np.ndarray


class Diagnostics:
    """The defaults: what a kind of prediction does not have is None, empty or "".

    Targets, predictions and decided rows have the shapes of the task. Every prediction is out-of-fold.
    """

    def __init__(self, task: Any):
        self.task = task

    def label_issues(self, targets: Any, prediction: Any) -> LabelIssues:
        """Find the labels that look wrong (cleanlab)."""
        raise NotImplementedError("this kind of task has no label issues; register its diagnostics")

    def errors(self, targets: Any, prediction: Any) -> np.ndarray:
        """(n,): how far every row is from its truth, 0 where it is exact; signed for numbers."""
        raise NotImplementedError("this kind of task has no errors; register its diagnostics")

    def with_perfect_class(self, targets: Any, prediction: Any, decided: Any, label: int) -> Any:
        """The decided rows if one class were perfect: its truth replaces its predictions, the others stay."""
        raise ValueError(f"this kind of task has no class {label}")

    def confusion(self, targets: Any, decided: Any) -> np.ndarray | None:
        """(classes, classes) counts of rows or pixels, the truth in rows."""
        return None

    def confused_pair(self, targets: Any, decided: Any, label: int | None) -> tuple[int, int] | None:
        """The two classes that are most often confused, or `label` and the one it is most often confused with.

        None where nothing is confused, and where a specialist is better trained for one class alone.
        """
        return None

    def precision_recall(self, targets: Any, decided: Any) -> Mapping[str, tuple[np.ndarray, np.ndarray]]:
        """(recall, precision) of every class that occurs in the truth, from the best score down, each (m,)."""
        return {}

    def numbers(self, targets: Any, decided: Any) -> tuple[np.ndarray, np.ndarray] | None:
        """True and predicted numbers, each (n,)."""
        return None

    def confidence(self, targets: Any, prediction: Any) -> tuple[np.ndarray, np.ndarray] | None:
        """How sure every prediction was, from 0 to 1, and whether it was right; each (m,)."""
        return None

    def colours(self) -> Mapping[str, Colour]:
        """The colour of every class that is drawn."""
        return {}

    def drawable(self, targets: Any, decided: Any) -> tuple[Any, str]:
        """The decided rows as they are drawn, and a sentence on what was left out."""
        return decided, ""

    def describe(self, row: Any) -> str:
        """A true or decided row in words; "" where the image shows it."""
        return ""

    def draw(self, image: np.ndarray, row: Any) -> np.ndarray:
        """(h, w, 3) uint8: a true or decided row, drawn on its red-green-blue image."""
        return image

    def draw_difference(self, image: np.ndarray, target: Any, decided: Any) -> tuple[np.ndarray, str] | None:
        """(h, w, 3) uint8: where a row is right and where it is wrong, and the key to the colours."""
        return None


def outline_of(pixels: np.ndarray) -> np.ndarray:
    """(h, w) bool: where a label or a mask (h, w) differs from the pixel above or on the left."""
    outline = np.zeros(pixels.shape, bool)
    outline[1:] |= pixels[1:] != pixels[:-1]
    outline[:, 1:] |= pixels[:, 1:] != pixels[:, :-1]
    return outline
