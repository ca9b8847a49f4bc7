"""The split that these samples will have, before it is made: rows, classes and sizes of every part."""

from typing import Any

import numpy as np

from harness.audit.checks import Check
from harness.audit.looks import Look
from harness.data.samples import Samples
from harness.data.splits import Holdout, Split
from harness.errors import UserError
from harness.tasks import Task

HELD_OUT = -2  # the part of the judge's rows; -1 is a row without a fold, where a model learns from earlier rows alone
NAMES = {HELD_OUT: "hold-out", -1: "no fold"}


def parted(samples: Samples, split: Split, holdout: Holdout) -> np.ndarray:
    """(n,) int: the fold of every row, or HELD_OUT. Raise `UserError` as the split does."""
    judged = split.judged(samples, holdout)
    part = np.full(len(samples), HELD_OUT)
    part[~judged] = split.assign_folds(samples[~judged], split.folds)
    return part


def check_parts(labelled: Samples, seen: Look, task: Task, part: np.ndarray) -> Check:
    """The judge's rows are counted and no more: what they hold is the judge's."""
    facets, table, missing = task.account.facets(labelled.targets), [], []
    learnt = (facets[part != HELD_OUT] != 0).any(0)
    declared = [(label, name) for label, name in enumerate(task.classes) if label != task.void]
    for k in np.unique(part).tolist():
        row = row_of(part == k, NAMES.get(k, f"fold {k}"), seen)
        holds = contents(facets[part == k], task.classes)
        table.append(row if k == HELD_OUT else {**row, "holds": holds})
        if k >= 0:
            lacking = [name for label, name in declared if learnt[label] and not holds[name]]
            missing += [f"{name} is in no row of fold {k}" for name in lacking]
    missing += [f"{name} is in no row to train on" for label, name in declared if not learnt[label]]
    sizes = np.bincount(part[part >= 0])
    evidence = f"{len(sizes)} folds of {sizes.min()} to {sizes.max()} rows, {(part == HELD_OUT).sum()} held out"
    if missing:
        remedy = "use fewer folds (FOLDS=n), get more of these classes, or stratify by what is rare"
        return Check("folds", "warn", f"{evidence}; {'; '.join(missing)}", remedy, table)
    whole = f"; each holds all of {len(declared)} classes" if declared else ""
    return Check("folds", "pass", evidence + whole, details=table)


def row_of(rows: np.ndarray, name: str, seen: Look) -> dict[str, Any]:
    """Of one part: how many rows, and how large."""
    told: dict[str, Any] = {"part": name, "rows": int(rows.sum())}
    if seen.sizes is not None:
        heights, widths = seen.sizes[rows].T.tolist()
        told |= {"height": [min(heights), max(heights)], "width": [min(widths), max(widths)]}
    return told


def contents(facets: np.ndarray, classes: tuple[str, ...]) -> dict[str, Any]:
    """Rows with every class; of numbers, the least, the mean and the largest."""
    if classes:
        return dict(zip(classes, (facets != 0).sum(0).tolist(), strict=True))
    return {"min": float(facets.min()), "mean": float(facets.mean()), "max": float(facets.max())}


def impossible(error: UserError) -> Check:
    return Check("folds", "warn", str(error), "the split will refuse for the same reason")
