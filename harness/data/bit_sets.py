"""Masks whose pixels have any number of classes: a pixel is a set of classes, bit c of its number is the class c.

They are arrays (n, h, w) as masks of labels are, so that cutting, turning, warping to the nearest pixel and storing
are the same for both.
"""

import numpy as np

from harness.errors import UserError

MOST = 16  # classes


def dtype_of(classes: int) -> type[np.unsignedinteger]:
    """Of the sets of so many classes; raise `UserError` for more than 16.

    >>> dtype_of(3).__name__, dtype_of(9).__name__
    ('uint8', 'uint16')
    """
    if classes > MOST:
        raise UserError(
            f"masks of {classes} overlapping classes are declared, but a pixel is a set of at most {MOST}; declare two "
            "competitions, each with a part of the classes"
        )
    return np.uint8 if classes <= 8 else np.uint16


def pixels_of(masks: np.ndarray, label: int, multilabel: bool) -> np.ndarray:
    """(...) bool: the pixels that have a class, in masks of sets (multilabel) or of labels.

    >>> pixels_of(np.array([0, 1, 2, 3]), 1, multilabel=True).tolist()
    [False, False, True, True]
    """
    return (masks & (1 << label)) != 0 if multilabel else masks == label


def unpacked(sets: np.ndarray, classes: int) -> np.ndarray:
    """(n, classes, ...) bool of sets (n, ...)."""
    return np.stack([pixels_of(sets, label, multilabel=True) for label in range(classes)], 1)
