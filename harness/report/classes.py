"""The classes in a report: their scores with intervals, and which is taken for which."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from harness.bootstrap import Interval
from harness.report.html.format import counted, percent
from harness.report.run import LastRun

WIDEST = 16  # classes of a confusion matrix that can still be read
COUNTED = 100_000  # up to which a matrix shows counts, and shares beyond
PAIRS = 3  # that are told


class Place(NamedTuple):
    """A class with its interval, and where its ends and its score lie between those of all, in percent."""

    name: str
    score: Interval
    low: float
    high: float
    at: float


def places(classes: Mapping[str, Interval]) -> list[Place]:
    ends = [end for score in classes.values() for end in (score.low, score.high)]
    low, room = min(ends, default=0.0), (max(ends, default=1.0) - min(ends, default=0.0)) or 1.0

    def at(value: float) -> float:
        return round(100 * (value - low) / room, 1)

    return [Place(name, score, at(score.low), at(score.high), at(score.score)) for name, score in classes.items()]


class Cell(NamedTuple):
    """share: of its row, from 0 to 1; told: in full."""

    text: str
    share: float
    right: bool
    told: str


class Matrix(NamedTuple):
    """rows: (class, cells), the truth in rows; what: is counted; pairs: the most confused, in words."""

    names: list[str]
    rows: list[tuple[str, list[Cell]]]
    what: str
    pairs: list[str]


def matrix(run: LastRun) -> Matrix | None:
    """None where the task has no confusion."""
    counts = run.competition.task.account.confusion(run.oof.targets, run.said.decided)
    if counts is None:
        return None
    names, what = list(run.competition.task.classes), "row" if counts.sum() == len(run.samples) else "pixel"
    there = [k for k in range(len(names)) if counts[k].sum() + counts[:, k].sum()]
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    as_counts = counts.sum() < COUNTED

    def cell(k: int, j: int) -> Cell:
        text = f"{counts[k, j]}" if as_counts else f"{100 * shares[k, j]:.1f}"
        told = f"{names[k]} taken for {names[j]}: {counted(int(counts[k, j]), what)}, {percent(shares[k, j])}"
        return Cell(text if counts[k, j] else "", float(shares[k, j]), k == j, told)

    rows = [(names[k], [cell(k, j) for j in there]) for k in there if counts[k].sum()]
    shown = rows if len(there) <= WIDEST else []
    unit = f"{what}s" if as_counts else "percent of the row"
    return Matrix([names[j] for j in there], shown, unit, pairs(run, counts, what))


def pairs(run: LastRun, counts: np.ndarray, what: str) -> list[str]:
    """The most frequent ones, and the one that takes most of its class."""
    names, wrong = run.competition.task.classes, counts.copy()
    np.fill_diagonal(wrong, 0)
    shares = wrong / np.maximum(counts.sum(1, keepdims=True), 1)
    ranked = [*np.argsort(-wrong, axis=None, kind="stable")[:PAIRS].tolist(), int(shares.argmax())]
    most = [divmod(at, len(names)) for at in dict.fromkeys(ranked)]

    def told(k: int, j: int) -> str:
        part = share(wrong[k, j] / counts[k].sum())
        return f"{names[k]} taken for {names[j]} ({counted(int(wrong[k, j]), what)}, {part} of {names[k]})"

    return [told(k, j) for k, j in most if wrong[k, j]]


def share(part: float) -> str:
    return percent(part) if part >= 0.1 else f"{100 * part:.1f} %"
