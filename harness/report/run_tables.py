"""The tables of the run report: members, classes, confusion and cost."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from harness.bootstrap import Comparison, Interval
from harness.disk import size
from harness.ensemble import gain_of
from harness.files import read_lines
from harness.report.chart import LossCurve
from harness.report.format import counted, interval_of, percent
from harness.report.last_run import LastRun
from harness.training.predictions import ModelRun

MOST_MEMBERS = 12  # in the table of correlations
MOST_CLASSES = 16  # of a confusion matrix that can still be read
MOST_COUNTED = 100_000  # up to which a confusion matrix shows counts, and shares beyond
PAIRS = 3  # confused pairs that are named


# -- members -----------------------------------------------------------------------------------------------------------


class MemberRow(NamedTuple):
    """weight: in the blend; gain: against the same ensemble without the member, None where that is empty."""

    name: str
    weight: float
    is_specialist: bool
    alone: Interval
    gain: Comparison | None


def member_rows(run: LastRun) -> list[MemberRow]:
    """The heaviest first, then those that were left out, the best first."""
    oof, recipe = run.oof, run.recipe
    specialist = recipe.class_specialist.model if recipe.class_specialist else None
    rows = [
        MemberRow(
            name, recipe.weights.get(name, 0.0), name == specialist, interval_of(score), gain_of(oof, recipe, name)
        )
        for name, score in run.manifest["models"].items()
        if name in oof.members
    ]
    return sorted(rows, key=lambda row: (-row.weight, not row.is_specialist, -run.sign * row.alone.score))


def error_correlations(run: LastRun, members: Sequence[MemberRow]) -> tuple[list[str], list[list[float | None]]]:
    """Pearson's correlation of the members' errors: two members near 1 err alike, and add nothing to each other."""
    oof = run.oof.subsample()
    names = [row.name for row in members][:MOST_MEMBERS]
    predictions = [oof.members[name].tta if run.recipe.tta else oof.members[name].plain for name in names]
    errors = [run.diagnostics.errors(oof.targets, prediction) for prediction in predictions]
    return names, [[correlation(a, b) for b in errors] for a in errors]


def correlation(a: np.ndarray, b: np.ndarray) -> float | None:
    """None where one of them does not vary."""
    return None if a.std() == 0 or b.std() == 0 else float(np.corrcoef(a, b)[0, 1])


# -- classes -----------------------------------------------------------------------------------------------------------


class ClassRange(NamedTuple):
    """left, width, at: where the interval and the score lie between the ends of all classes, in percent."""

    name: str
    score: Interval
    left: float
    width: float
    at: float


def class_ranges(classes: Mapping[str, Interval]) -> list[ClassRange]:
    ends = [end for score in classes.values() for end in (score.low, score.high)]
    low, room = min(ends, default=0.0), (max(ends, default=1.0) - min(ends, default=0.0)) or 1.0

    def share(length: float) -> float:
        return round(100 * length / room, 1)

    return [
        ClassRange(name, score, share(score.low - low), share(score.high - score.low), share(score.score - low))
        for name, score in classes.items()
    ]


class ConfusionCell(NamedTuple):
    """share: of its row, from 0 to 1; title: the same in full."""

    text: str
    share: float
    correct: bool
    title: str


class ConfusionTable(NamedTuple):
    """rows: (true class, cells); unit: what the cells count; pairs: the most confused, in words."""

    names: list[str]
    rows: list[tuple[str, list[ConfusionCell]]]
    unit: str
    pairs: list[str]


def confusion_table(run: LastRun) -> ConfusionTable | None:
    """None where predictions of this kind are not confused; without rows where there are too many to read."""
    counts = run.diagnostics.confusion(run.oof.targets, run.predictions.decided)
    if counts is None:
        return None
    names = run.competition.task.classes
    thing = "row" if counts.sum() == len(run.samples) else "pixel"
    present = [k for k in range(len(names)) if counts[k].sum() + counts[:, k].sum()]
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    as_counts = counts.sum() < MOST_COUNTED

    def cell(k: int, j: int) -> ConfusionCell:
        text = f"{counts[k, j]}" if as_counts else f"{100 * shares[k, j]:.1f}"
        title = f"{names[k]} predicted as {names[j]}: {counted(int(counts[k, j]), thing)}, {percent(shares[k, j])}"
        return ConfusionCell(text if counts[k, j] else "", float(shares[k, j]), k == j, title)

    rows = [(names[k], [cell(k, j) for j in present]) for k in present if counts[k].sum()]
    unit = f"{thing}s" if as_counts else "percent of the true class"
    return ConfusionTable(
        [names[j] for j in present],
        rows if len(present) <= MOST_CLASSES else [],
        unit,
        confused_pairs(names, counts, thing),
    )


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


# -- cost --------------------------------------------------------------------------------------------------------------


class RunCost(NamedTuple):
    """seconds: of every fold; rate: images per second, the median of all epochs, None where none was logged."""

    name: str
    seconds: list[float]
    total: float
    epochs: int | None
    rate: float | None
    bytes: int


def run_cost(name: str, model_run: ModelRun) -> RunCost:
    epochs = logged_epochs(model_run)
    rates = [entry["images_per_second"] for fold in epochs for entry in fold if "images_per_second" in entry]
    seconds = [model_run.finished(k)["seconds"] for k in model_run.manifest["folds"]]
    longest = max(map(len, epochs), default=0) or None
    rate = float(np.median(rates)) if rates else None
    return RunCost(name, seconds, sum(seconds), longest, rate, size(model_run.folder))


def logged_epochs(model_run: ModelRun) -> list[list[dict[str, Any]]]:
    """The epochs of every fold; none where a library trains without epochs."""
    logs = [read_lines(model_run.fold(k) / "log.jsonl") for k in model_run.manifest["folds"]]
    return [[entry for entry in log if "loss" in entry] for log in logs]


def loss_curve(model_run: ModelRun) -> LossCurve | None:
    """The training loss of all folds; None where there are not two epochs."""
    losses = [[entry["loss"] for entry in fold] for fold in logged_epochs(model_run) if fold]
    longest = max(map(len, losses), default=0)
    if longest < 2:
        return None
    by_epoch = [[fold[epoch] for fold in losses if len(fold) > epoch] for epoch in range(longest)]
    mean, low, high = (np.array([statistic(epoch) for epoch in by_epoch]) for statistic in (np.mean, np.min, np.max))
    return LossCurve(mean, low, high, len(losses))
