"""Cells of masks: a column for every pixel, or run lengths."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from harness.data.bit_sets import pixels_of
from harness.data.run_lengths import ALONG_ROWS, RunLengths
from harness.data.sized_masks import Masks
from harness.tasks.layout import Layout, Line

Size = tuple[int, int] | None


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
    """Run lengths of the pixels of a class.

    each_object: a line for every object, a connected part of the mask; else one a sample, or one for every class but
    the background where the key names a class. Where pixels have several labels, no class is the background.
    """

    column: str = "rle"
    runs: RunLengths = ALONG_ROWS
    each_object: bool = False
    output: ClassVar[str] = "labels"

    def columns(self, task: Any) -> Sequence[str]:
        return [self.column]

    def labels(self, task: Any) -> Sequence[int]:
        return range(0 if task.multilabel else 1, len(task.classes))

    def encode(self, task: Any, row: np.ndarray, label: int | None, size: Size) -> list[list[str]]:
        mask = pixels_of(row, self.labels(task)[0] if label is None else label, task.multilabel)
        objects = parts(mask) if self.each_object else [mask]
        return [[self.runs.encode(each)] for each in objects or [mask]]

    def decode(self, task: Any, lines: Sequence[Line], size: Size) -> np.ndarray:
        size = size or task.shape
        mask = np.zeros(size, task.mask_dtype)
        lines_of = Counter(line.label for line in lines)
        for line in lines:
            try:
                pixels = self.runs.decode(line.cells[0], size)
            except ValueError as error:
                raise line.wrong(0, str(error)) from None
            if self.each_object and lines_of[line.label] > 1 and not pixels.any():
                raise line.wrong(0, "a line without a pixel beside others of the same image")
            label = self.labels(task)[0] if line.label is None else line.label
            given = pixels_of(mask, label, True) if task.multilabel else mask > 0
            if given[pixels].any():
                two_classes = not task.multilabel and line.label is not None
                raise line.wrong(0, "a pixel is given to two classes" if two_classes else "two objects share a pixel")
            mask[pixels] |= 1 << label if task.multilabel else label
        return mask

    def collect(self, task: Any, rows: Sequence[np.ndarray]) -> Any:
        return Masks(rows) if task.shape is None else np.array(rows, task.mask_dtype)


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
RUNS_BY_CLASS = Layout(Runs(), {"id": "{id}", "class": "{class}"})  # id,class,rle
