"""Run lengths: the pixels of a mask as `start length` pairs, in the forms in which hosts write them."""

import re
from dataclasses import dataclass

import numpy as np

_NUMBERS = re.compile(r"[0-9\s]*")


@dataclass(frozen=True)
class RunLengths:
    """by_columns: pixels are counted down the columns, else along the rows. first: the number of the first pixel.
    relative: a start is counted from the end of the run before. none: what is written where there is no pixel.

    >>> mask = np.array([[0, 1, 1], [1, 0, 1]], bool)
    >>> RunLengths().encode(mask), RunLengths(by_columns=True, first=0).encode(mask)
    ('2 3 6 1', '1 2 4 2')
    >>> RunLengths(relative=True).encode(mask)
    '2 3 1 1'
    >>> RunLengths(by_columns=True).decode("2 2 5 2", (2, 3)).astype(int).tolist()
    [[0, 1, 1], [1, 0, 1]]
    """

    by_columns: bool = False
    first: int = 1
    relative: bool = False
    none: str = ""

    def encode(self, mask: np.ndarray) -> str:
        """The runs of the true pixels of (h, w) bool."""
        pixels = (mask.T if self.by_columns else mask).ravel()
        starts, stops = np.flatnonzero(np.diff(np.concatenate([[0], pixels, [0]]).astype(np.int8))).reshape(-1, 2).T
        given = starts + self.first
        if self.relative and len(starts):
            given[1:] = starts[1:] - stops[:-1]
        return " ".join(map(str, np.stack([given, stops - starts], axis=1).ravel().tolist())) or self.none

    def spans(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        """The first pixel of every run, counted from 0, and the one after its last; ValueError where it has no runs."""
        numbers = text.split()
        if not numbers or len(numbers) % 2 or not _NUMBERS.fullmatch(text) or max(map(len, numbers)) > 9:
            raise ValueError(f"{text[:40]!r} is not made of `start length` pairs")
        given, lengths = np.array(list(map(int, numbers)), np.int64).reshape(-1, 2).T
        before = np.concatenate([[0], lengths[:-1]]) if self.relative else 0
        starts = (np.cumsum(given + before) if self.relative else given) - self.first
        return starts, starts + lengths

    def decode(self, text: str, size: tuple[int, int]) -> np.ndarray:
        """(h, w) bool; raise ValueError unless the runs are positive, ordered, disjoint and inside."""
        pixels = size[0] * size[1]
        steps = np.zeros(pixels + 1, np.int8)
        if text != self.none:
            starts, stops = self.spans(text)
            wrong = (starts < np.concatenate([[0], stops[:-1]])) | (stops <= starts) | (stops > pixels)
            if wrong.any():
                run = " ".join(text.split()[2 * wrong.argmax() :][:2])
                raise ValueError(f"the run {run} overlaps, is out of order or leaves the {pixels} pixels")
            np.add.at(steps, starts, 1)
            np.add.at(steps, stops, -1)
        flat = np.cumsum(steps[:-1], dtype=np.int8).astype(bool)
        return flat.reshape(size[::-1]).T if self.by_columns else flat.reshape(size)


ALONG_ROWS = RunLengths()
