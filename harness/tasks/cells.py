"""Cells of labels, probabilities and numbers."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from harness.errors import InvalidSubmission, listed
from harness.tasks.layout import Line

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)  # Python's float takes more: 1_0, nan, " 1"
TOLERANCE = 1e-3  # how far from 1 the probabilities of a row may sum: they are written with six digits

Size = tuple[int, int] | None


@dataclass(frozen=True)
class OneLine:
    """What cells with one line a sample, or one a class, share."""

    each_object: ClassVar[bool] = False

    def labels(self, task: Any) -> Sequence[int]:
        return range(len(task.classes))


class Scores(OneLine):
    """What cells of a score for every class share."""

    output: ClassVar[str] = "probabilities"

    def collect(self, task: Any, rows: Sequence[Any]) -> np.ndarray:
        return np.array(rows, np.float64).reshape(len(rows), -1)


@dataclass(frozen=True)
class Label(OneLine):
    """One label. texts: how each class is written; its index where none are given: ("no", "yes"), ("1", "2", "3")."""

    column: str = "label"
    texts: tuple[str, ...] = ()
    output: ClassVar[str] = "labels"

    def columns(self, task: Any) -> Sequence[str]:
        return [self.column]

    def encode(self, task: Any, row: Any, label: int | None, size: Size) -> list[list[str]]:
        return [[class_texts(self.texts, task)[int(row)]]]

    def decode(self, task: Any, lines: Sequence[Line], size: Size) -> int:
        texts = class_texts(self.texts, task)
        if lines[0].cells[0] not in texts:
            asked = listed(texts) if self.texts else f"0 to {len(texts) - 1}"
            raise lines[0].wrong(0, f"{lines[0].cells[0]!r} is not a label ({asked})")
        return texts.index(lines[0].cells[0])

    def collect(self, task: Any, rows: Sequence[Any]) -> np.ndarray:
        return np.array(rows, np.int64)


@dataclass(frozen=True)
class Flags(OneLine):
    """0 or 1 for every class, where a sample may have several labels."""

    names: tuple[str, ...] = ()
    output: ClassVar[str] = "labels"

    def columns(self, task: Any) -> Sequence[str]:
        return self.names or task.classes

    def encode(self, task: Any, row: Any, label: int | None, size: Size) -> list[list[str]]:
        return [[str(int(flag)) for flag in row]]

    def decode(self, task: Any, lines: Sequence[Line], size: Size) -> list[int]:
        for k, cell in enumerate(lines[0].cells):
            if cell not in ("0", "1"):
                raise lines[0].wrong(k, f"{cell!r} is not a label from 0 to 1")
        return [int(cell) for cell in lines[0].cells]

    def collect(self, task: Any, rows: Sequence[Any]) -> np.ndarray:
        return np.array(rows, np.uint8).reshape(len(rows), -1)


@dataclass(frozen=True)
class Labels(OneLine):
    """All labels of a sample in one cell. texts: as in `Label`, the class's name by default.

    none: what is written where there is no label; None if at least one must be named, then the most probable is.
    """

    column: str = "labels"
    separator: str = " "
    none: str | None = None
    texts: tuple[str, ...] = ()
    output: ClassVar[str] = "labels"

    def columns(self, task: Any) -> Sequence[str]:
        return [self.column]

    def encode(self, task: Any, row: Any, label: int | None, size: Size) -> list[list[str]]:
        texts = self.texts or task.classes
        chosen = [name for name, flag in zip(texts, row, strict=True) if flag]
        return [[self.separator.join(chosen) if chosen else self.none or ""]]

    def decode(self, task: Any, lines: Sequence[Line], size: Size) -> np.ndarray:
        texts, (line,) = self.texts or task.classes, lines
        flags = np.zeros(len(texts), np.uint8)
        if line.cells[0] == (self.none or ""):
            if self.none is None:
                raise line.wrong(0, "no label is given, and every row has one at least")
            return flags
        for name in line.cells[0].split(self.separator):
            if name not in texts:
                raise line.wrong(0, f"{name!r} is not a label ({listed(texts)})")
            if flags[texts.index(name)]:
                raise line.wrong(0, f"the label {name!r} is given a second time")
            flags[texts.index(name)] = 1
        return flags

    def collect(self, task: Any, rows: Sequence[Any]) -> np.ndarray:
        return np.array(rows, np.uint8)


@dataclass(frozen=True)
class Probabilities(Scores):
    """A probability for every class. names: the columns, in the order of the task's classes; their names by default."""

    names: tuple[str, ...] = ()

    def columns(self, task: Any) -> Sequence[str]:
        return self.names or task.classes

    def encode(self, task: Any, row: Any, label: int | None, size: Size) -> list[list[str]]:
        return [[f"{value:.6g}" for value in np.asarray(row).tolist()]]

    def decode(self, task: Any, lines: Sequence[Line], size: Size) -> list[float]:
        (line,) = lines
        probs = [probability(line, k) for k in range(len(line.cells))]
        if not task.multilabel and abs(sum(probs) - 1) > TOLERANCE:
            where = line.where.replace(" (", ", ").rstrip(")")
            raise InvalidSubmission(f"{where}: the probabilities sum to {sum(probs):.4g}, not 1")
        return probs


@dataclass(frozen=True)
class Probability(Scores):
    """One probability: of the class `of` where there are two; of the line's own class where the key names one."""

    column: str = "probability"
    of: int = 1

    def columns(self, task: Any) -> Sequence[str]:
        return [self.column]

    def encode(self, task: Any, row: Any, label: int | None, size: Size) -> list[list[str]]:
        return [[f"{float(row[self.of if label is None else label]):.6g}"]]

    def decode(self, task: Any, lines: Sequence[Line], size: Size) -> list[float]:
        if lines[0].label is None:
            value = probability(lines[0], 0)
            return [1 - value, value] if self.of == 1 else [value, 1 - value]
        return [probability(line, 0) for line in sorted(lines, key=lambda line: line.label or 0)]


@dataclass(frozen=True)
class Best(Scores):
    """The k most probable labels in one cell, the best first; texts: as in `Labels`.

    Read back as scores that keep the order: 1 for the first, falling to 1 / k for the k-th, 0 for the others.
    """

    k: int
    column: str = "labels"
    separator: str = " "
    texts: tuple[str, ...] = ()

    def columns(self, task: Any) -> Sequence[str]:
        return [self.column]

    def encode(self, task: Any, row: Any, label: int | None, size: Size) -> list[list[str]]:
        texts = self.texts or task.classes
        return [[self.separator.join(texts[c] for c in np.argsort(-np.asarray(row), kind="stable")[: self.k])]]

    def decode(self, task: Any, lines: Sequence[Line], size: Size) -> np.ndarray:
        texts, (line,) = self.texts or task.classes, lines
        names = line.cells[0].split(self.separator) if line.cells[0] else []
        if not 1 <= len(names) <= self.k or len(set(names)) < len(names):
            raise line.wrong(0, f"{line.cells[0][:60]!r} is not a list of 1 to {self.k} different labels")
        scores = np.zeros(len(texts))
        for rank, name in enumerate(names):
            if name not in texts:
                raise line.wrong(0, f"{name!r} is not a label")
            scores[texts.index(name)] = 1 - rank / self.k
        return scores


@dataclass(frozen=True)
class Numbers(OneLine):
    """Numbers. names: the columns, one a target. least, greatest, whole: what the host takes; predictions are clipped
    and rounded to it before they are scored, so that the score is that of the file."""

    names: tuple[str, ...]
    least: float | None = None
    greatest: float | None = None
    whole: bool = False
    output: ClassVar[str] = "labels"

    def columns(self, task: Any) -> Sequence[str]:
        return self.names

    def allowed(self, values: np.ndarray) -> np.ndarray:
        """The nearest values that the host takes."""
        if self.least is not None or self.greatest is not None:
            values = np.clip(values, self.least, self.greatest)
        return np.round(values) if self.whole else values

    def encode(self, task: Any, row: Any, label: int | None, size: Size) -> list[list[str]]:
        values = np.atleast_1d(row).tolist()
        return [[str(round(value)) if self.whole else f"{value:.9g}" for value in values]]

    def decode(self, task: Any, lines: Sequence[Line], size: Size) -> list[float]:
        return [self._value(lines[0], k) for k in range(len(lines[0].cells))]

    def collect(self, task: Any, rows: Sequence[Any]) -> np.ndarray:
        values = np.array(rows, np.float64).reshape(len(rows), -1)
        return values[:, 0] if len(self.names) == 1 else values

    def _value(self, line: Line, k: int) -> float:
        try:
            value = number(line.cells[k])
        except ValueError:
            raise line.wrong(k, f"{line.cells[k]!r} is not a finite number") from None
        if self.whole and value != round(value):
            raise line.wrong(k, f"{line.cells[k]} is not a whole number")
        low, high = self.least, self.greatest
        if (low is not None and value < low) or (high is not None and value > high):
            raise line.wrong(k, f"{line.cells[k]} is not in the range from {low} to {high}")
        return value


def class_texts(texts: Sequence[str], task: Any) -> Sequence[str]:
    """How each class is written; its index where no texts are given."""
    return texts or [str(c) for c in range(len(task.classes))]


def number(text: str) -> float:
    """A finite decimal number.

    >>> number("-1.5e3")
    -1500.0
    >>> number("nan")
    Traceback (most recent call last):
    ValueError: nan
    """
    if not NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise ValueError(text)
    return float(text)


def probability(line: Line, column: int) -> float:
    """A number from 0 to 1."""
    try:
        value = number(line.cells[column])
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise line.wrong(column, f"{line.cells[column]!r} is not a probability")
    return value
