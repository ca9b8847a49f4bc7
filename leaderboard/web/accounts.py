"""What an entry gets right on the public rows: which class is taken for which, precision and recall."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from markupsafe import Markup

from harness.competition import find
from harness.report.diagnostics import diagnostics
from leaderboard import archive
from leaderboard.answers import Prepared, read_answers
from leaderboard.web import charts

MOST_BYTES = 32 << 20  # of a file that a page reads again; larger ones take seconds
WIDEST = 16  # classes of a matrix that can still be read
SHADES = 5  # of the style sheet
FAINT = 0.1  # of a shade: up to 2 % of a row has none
COUNTED = 100_000  # up to which a matrix shows counts, and percent of its row beyond


@dataclass(frozen=True)
class Cell:
    """shade: from 0 for nothing to SHADES for the whole row; told: in full."""

    text: str
    shade: int
    right: bool
    told: str


@dataclass(frozen=True)
class Account:
    """names: of the columns; rows: (true class, cells), none where the task has no confusion; curves: "" without."""

    names: list[str]
    rows: list[tuple[str, list[Cell]]]
    unit: str
    curves: Markup


@lru_cache(maxsize=64)
def account_of(data: Prepared, sha256: str) -> Account | None:
    """Of the stored file, which was checked when it was scored; None where it is too large for a page."""
    file, task = archive.stored(sha256), find(data.competition).task
    if not file.exists() or file.stat().st_size > MOST_BYTES:
        return None
    answers = read_answers(data)
    rows = np.flatnonzero(answers.rows("public"))
    targets, decided = answers.targets[rows], task.read(file, answers.ids)[rows]
    counts = diagnostics(task).confusion(targets, decided)
    curves = charts.precision_recall(diagnostics(task).precision_recall(targets, decided))
    if counts is None:
        return Account([], [], "", curves)
    return matrix(tuple(task.classes), np.asarray(counts), curves)


def matrix(classes: tuple[str, ...], counts: np.ndarray, curves: Markup) -> Account:
    """counts: (classes, classes), the truth in rows. Without rows where there are too many classes to be read."""
    there = [k for k in range(len(classes)) if counts[k].sum() + counts[:, k].sum()]
    as_counts, totals = counts.sum() < COUNTED, np.maximum(counts.sum(1), 1)

    def cell(k: int, j: int) -> Cell:
        share = counts[k, j] / totals[k]
        text = f"{counts[k, j]}" if as_counts else f"{100 * share:.1f}"
        told = f"{classes[k]} taken for {classes[j]}: {counts[k, j]}, {share:.1%}"
        return Cell(text if counts[k, j] else "", math.ceil(share * SHADES - FAINT), k == j, told)

    rows = [(classes[k], [cell(k, j) for j in there]) for k in there if counts[k].sum()]
    unit = "counts" if as_counts else "percent of the true class"
    return Account([classes[j] for j in there], rows if len(there) <= WIDEST else [], unit, curves)
