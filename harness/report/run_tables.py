"""The tables of the run report: members, classes, confusion and cost. A row is a dict that the template reads."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.disk import size
from harness.ensemble import gain_of
from harness.files import read_lines
from harness.report.format import counted, interval_of, percent
from harness.report.last_run import LastRun
from harness.training.predictions import ModelRun

MOST_MEMBERS = 12  # in the table of correlations
MOST_CLASSES = 16  # of a confusion matrix that can still be read
MOST_COUNTED = 100_000  # up to which a confusion matrix shows counts, and shares beyond
PAIRS = 3  # confused pairs that are named


def member_rows(run: LastRun) -> list[dict[str, Any]]:
    """The heaviest first, then those that were left out, the best first.

    gain: against the same ensemble without the member, None where that is empty.
    """
    recipe = run.recipe
    specialist = recipe.class_specialist.model if recipe.class_specialist else None
    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "weight": recipe.weights.get(name, 0.0),
            "is_specialist": name == specialist,
            "alone": interval_of(score),
            "gain": gain_of(run.oof, recipe, name),
        }
        for name, score in run.manifest["models"].items()
        if name in run.oof.members
    ]
    return sorted(rows, key=lambda row: (-row["weight"], not row["is_specialist"], -run.sign * row["alone"].score))


def error_correlations(run: LastRun, names: Sequence[str]) -> list[list[float | None]]:
    """Pearson's correlation of the members' errors; None where one of them does not vary.

    Two members near 1 err alike, and add nothing to each other.
    """
    oof = run.oof.subsample()
    predictions = [oof.members[name].tta if run.recipe.tta else oof.members[name].plain for name in names]
    errors = np.array([run.diagnostics.errors(oof.targets, prediction) for prediction in predictions])
    with np.errstate(invalid="ignore", divide="ignore"):
        matrix = np.atleast_2d(np.corrcoef(errors))
    return [[value if np.isfinite(value) else None for value in row] for row in matrix.tolist()]


def class_rows(run: LastRun) -> list[dict[str, Any]]:
    """The worst class first. left, width, at: of its interval and its score between the ends of all, in percent."""
    low = min((score.low for score in run.classes.values()), default=0.0)
    room = max((score.high - low for score in run.classes.values()), default=1.0) or 1.0
    return [
        {
            "name": name,
            "score": score,
            "left": round(100 * (score.low - low) / room, 1),
            "width": round(100 * (score.high - score.low) / room, 1),
            "at": round(100 * (score.score - low) / room, 1),
        }
        for name, score in run.classes.items()
    ]


def confusion_table(run: LastRun) -> dict[str, Any] | None:
    """None where predictions of this kind are not confused; no rows where there are too many classes to read.

    unit: what the cells count; a cell's share is of its row; pairs: the most confused classes, in words.
    """
    counts = run.diagnostics.confusion(run.oof.targets, run.predictions.decided)
    if counts is None:
        return None
    names = run.competition.task.classes
    thing = "row" if counts.sum() == len(run.samples) else "pixel"
    present = [k for k in range(len(names)) if counts[k].sum() + counts[:, k].sum()]
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    as_counts = counts.sum() < MOST_COUNTED

    def cell(k: int, j: int) -> dict[str, Any]:
        text = f"{counts[k, j]}" if as_counts else f"{100 * shares[k, j]:.1f}"
        title = f"{names[k]} predicted as {names[j]}: {counted(int(counts[k, j]), thing)}, {percent(shares[k, j])}"
        share = float(shares[k, j])
        return {"text": text if counts[k, j] else "", "share": share, "correct": k == j, "title": title}

    readable = [k for k in present if counts[k].sum()] if len(present) <= MOST_CLASSES else []
    return {
        "names": [names[j] for j in present],
        "rows": [(names[k], [cell(k, j) for j in present]) for k in readable],
        "unit": f"{thing}s" if as_counts else "percent of the true class",
        "pairs": confused_pairs(names, counts, thing),
    }


def confused_pairs(names: Sequence[str], counts: np.ndarray, thing: str) -> list[str]:
    """The most frequent ones, and the one that takes the largest share of its class. thing: what is counted."""
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    shares = wrong / np.maximum(counts.sum(1, keepdims=True), 1)
    ranked = [*np.argsort(-wrong, axis=None, kind="stable")[:PAIRS].tolist(), int(shares.argmax())]
    return [
        f"{names[k]} predicted as {names[j]} ({counted(int(wrong[k, j]), thing)}, {100 * shares[k, j]:.2g} % of it)"
        for k, j in (divmod(place, len(names)) for place in dict.fromkeys(ranked))
        if wrong[k, j]
    ]


def logged_epochs(model_run: ModelRun) -> list[list[dict[str, Any]]]:
    """The epochs of every fold that has any: a library may train without epochs."""
    logs = [read_lines(model_run.fold(k) / "log.jsonl") for k in model_run.manifest["folds"]]
    epochs = [[entry for entry in log if "loss" in entry] for log in logs]
    return [fold for fold in epochs if fold]


def cost_row(name: str, model_run: ModelRun) -> dict[str, Any]:
    """seconds: of every fold; rate: images per second, the median of all epochs, None where none was logged."""
    epochs = logged_epochs(model_run)
    rates = [entry["images_per_second"] for fold in epochs for entry in fold if "images_per_second" in entry]
    seconds = [model_run.finished(k)["seconds"] for k in model_run.manifest["folds"]]
    return {
        "name": name,
        "seconds": seconds,
        "total": sum(seconds),
        "epochs": max(map(len, epochs), default=None),
        "rate": float(np.median(rates)) if rates else None,
        "bytes": size(model_run.folder),
    }
