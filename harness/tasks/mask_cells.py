"""Cells of masks: a column for every pixel, or run lengths."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from harness.tasks.layout import Layout, Line

Size = tuple[int, int] | None
_NUMBERS = re.compile(r"[0-9\s]*")


@dataclass(frozen=True)
class Pixels:
    """The label of every pixel in a column of its own, named 0, 1, ...; row-major."""

    output: ClassVar[str] = "labels"
    each_object: ClassVar[bool] = False

    def columns(self, task: Any) -> Sequence[str]:
        return [str(k) for k in range(task.shape[0] * task.shape[1])]

    def labels(self, task: Any) -> Sequence[int]:
        return ()

    def encode(self, task: Any, row: np.ndarray, label: int | None, size: Size) -> list[list[str]]:
        text = [str(c) for c in range(len(task.classes))]
        return [[text[pixel] for pixel in row.ravel().tolist()]]

    def decode(self, task: Any, lines: Sequence[Line], size: Size) -> np.ndarray:
        (line,), classes = lines, len(task.classes)
        figures = _one_figure_each(line.cells)
        if figures is None or figures.max(initial=0) >= classes:
            label_of = {str(c): c for c in range(classes)}
            for column, cell in enumerate(line.cells):
                if cell not in label_of:
                    raise line.wrong(column, f"{cell!r} is not a class from 0 to {classes - 1}")
            figures = np.array([label_of[cell] for cell in line.cells], np.uint8)
        return figures.reshape(task.shape)

    def collect(self, task: Any, rows: Sequence[np.ndarray]) -> np.ndarray:
        return np.array(rows, np.uint8).reshape(-1, *task.shape)


@dataclass(frozen=True)
class Runs:
    """Run lengths of the pixels of a class: `start length` pairs with spaces between them.

    by_columns: pixels are counted down the columns, else along the rows. first: the number of the first pixel.
    relative: a start is counted from the end of the run before. none: what is written where there is no pixel.
    each_object: a line for every object, a connected part of the mask; else one a sample, or one for every class but
    the background where the key names a class.
    """

    column: str = "rle"
    by_columns: bool = False
    first: int = 1
    relative: bool = False
    none: str = ""
    each_object: bool = False
    output: ClassVar[str] = "labels"

    def columns(self, task: Any) -> Sequence[str]:
        return [self.column]

    def labels(self, task: Any) -> Sequence[int]:
        return range(1, len(task.classes))

    def encode(self, task: Any, row: np.ndarray, label: int | None, size: Size) -> list[list[str]]:
        mask = row == (1 if label is None else label)
        objects = parts(mask) if self.each_object else [mask]
        return [[self.text(each) or self.none] for each in objects or [mask]]

    def decode(self, task: Any, lines: Sequence[Line], size: Size) -> np.ndarray:
        assert size is not None
        mask = np.zeros(size, np.uint8)
        for line in lines:
            pixels = self.mask(line.cells[0], size, line)
            if self.each_object and len(lines) > 1 and not pixels.any():
                raise line.wrong(0, "a line without a pixel beside others of the same image")
            if mask[pixels].any():
                raise line.wrong(0, "a pixel is given to two classes" if line.label else "two objects share a pixel")
            mask[pixels] = line.label or 1
        return mask

    def collect(self, task: Any, rows: Sequence[np.ndarray]) -> np.ndarray:
        return np.array(rows, np.uint8)

    def text(self, mask: np.ndarray) -> str:
        """The runs of the true pixels of a mask (h, w) bool.

        >>> mask = np.array([[0, 1, 1], [1, 0, 1]], bool)
        >>> Runs().text(mask), Runs(by_columns=True, first=0).text(mask), Runs(first=0, relative=True).text(mask)
        ('2 3 6 1', '1 2 4 2', '1 3 1 1')
        """
        pixels = (mask.T if self.by_columns else mask).ravel()
        starts, stops = np.flatnonzero(np.diff(np.concatenate([[0], pixels, [0]]).astype(np.int8))).reshape(-1, 2).T
        lengths = stops - starts
        if self.relative:
            starts = starts - np.concatenate([[0], stops[:-1]])
            if len(starts):
                starts[0] += self.first
        else:
            starts = starts + self.first
        return " ".join(map(str, np.stack([starts, lengths], axis=1).ravel().tolist()))

    def mask(self, text: str, size: tuple[int, int], line: Line) -> np.ndarray:
        """(h, w) bool; raise `InvalidSubmission` unless the runs are positive, ordered, disjoint and inside."""
        pixels = np.zeros(size[0] * size[1] + 1, np.int8)
        if text == self.none:
            return pixels[:-1].reshape(size).astype(bool)
        numbers = text.split()
        if not numbers or len(numbers) % 2 or not _NUMBERS.fullmatch(text) or max(map(len, numbers)) > 9:
            raise line.wrong(0, f"{text[:40]!r} is not made of `start length` pairs")
        given, lengths = np.array(list(map(int, numbers)), np.int64).reshape(-1, 2).T
        starts = given - self.first
        if self.relative:
            starts = np.cumsum(given + np.concatenate([[0], lengths[:-1]])) - self.first
        stops = starts + lengths
        wrong = (starts < np.concatenate([[0], stops[:-1]])) | (lengths < 1) | (stops > size[0] * size[1])
        if wrong.any():
            run = f"{given[wrong.argmax()]} {lengths[wrong.argmax()]}"
            raise line.wrong(0, f"the run {run} overlaps, is out of order or leaves the {size[0] * size[1]} pixels")
        np.add.at(pixels, starts, 1)
        np.add.at(pixels, stops, -1)
        flat = np.cumsum(pixels[:-1], dtype=np.int8).astype(bool)
        return flat.reshape(size[::-1]).T if self.by_columns else flat.reshape(size)


def parts(mask: np.ndarray) -> list[np.ndarray]:
    """The connected parts of a mask (h, w) bool, neighbours at corners too; (h, w) bool each."""
    import cv2

    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    return [labels == k for k in range(1, count)]


def _one_figure_each(cells: list[str]) -> np.ndarray | None:
    """The cells as uint8 where each of them is one figure, as in all but very many classes; else None."""
    text = np.frombuffer(",".join(cells).encode(), np.uint8)
    figures = text[::2] - ord("0")  # below "0" wraps to above 9
    plain = len(text) == 2 * len(cells) - 1 and (text[1::2] == ord(",")).all() and (figures <= 9).all()
    return figures if plain else None


WIDE = Layout(Pixels())  # id,0,1,...
RUN_LENGTH = Layout(Runs())  # id,rle
