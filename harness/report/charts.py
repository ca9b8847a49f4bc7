"""The pictures of the report: learning curves, precision and recall, what a probability was worth, numbers."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import NamedTuple

import numpy as np

from harness.report.html.axes import BOTTOM, LEFT, RIGHT, TOP, Scale, across, grid, labels, svg, upwards
from harness.report.html.format import counted, number, percent
from harness.tasks.accounts import Claims, Colour, Curve

MOST_DOTS, MOST_POINTS = 1500, 160  # of a cloud, and of a line
BINS, FEW = 10, 20  # of calibration, and decisions that say little of a bin


class Epochs(NamedTuple):
    """The loss of every epoch: the mean of the folds that got there, the lowest and the highest."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    folds: int


def learning(model: str, epochs: Epochs, width: int = 320, height: int = 200) -> str:
    x, y = across(width, 1, max(2, len(epochs.mean))), upwards(height, [*epochs.low, *epochs.high])
    at = [x(epoch) for epoch in range(1, len(epochs.mean) + 1)]
    there = [f"{a} {y(value)}" for a, value in zip(at, epochs.high, strict=True)]
    back = [f"{a} {y(value)}" for a, value in zip(at[::-1], epochs.low[::-1], strict=True)]
    parts = [*grid(x, y, width, height), labels(width, height, "epoch", "training loss")]
    parts.append(f'<path class="band" d="M{"L".join(there + back)}Z"/>')
    parts.append(line(zip(at, map(y, epochs.mean), strict=True), "best"))
    parts.append(f'<circle class="best-end" cx="{at[-1]}" cy="{y(epochs.mean[-1])}" r="3"/>')
    return svg(width, height, parts, f"training loss of {model}")


def precision_recall(
    curves: Mapping[str, Curve], colours: Mapping[str, Colour], width: int = 340, height: int = 270
) -> str:
    x, y = unit_axes(width, height)
    parts = [*grid(x, y, width, height), labels(width, height, "recall", "precision")]
    for name, curve in curves.items():
        falling = np.maximum.accumulate(curve.precision[::-1])[::-1]
        if len(falling):
            few = np.unique(np.linspace(0, len(falling) - 1, MOST_POINTS).astype(int))
            points = [(x(0.0), y(falling[0])), *((x(curve.recall[k]), y(falling[k])) for k in few)]
            parts.append(line(points, "series", f"stroke:{hexed(colours[name])}", name))
    return svg(width, height, parts, "precision against recall, class by class")


class Bin(NamedTuple):
    """Decisions of about the same certainty: how sure, how often right, how many."""

    sure: float
    right: float
    decisions: int


def bins(claims: Claims) -> list[Bin]:
    """Ten of the same width; empty ones are left out."""
    place = np.minimum((claims.sure * BINS).astype(int), BINS - 1)
    return [
        Bin(float(claims.sure[here].mean()), float(claims.right[here].mean()), int(here.sum()))
        for here in (place == k for k in range(BINS))
        if here.any()
    ]


def expected_error(found: Sequence[Bin]) -> float:
    """The expected calibration error (Naeini et al. 2015): the mean distance of certainty from truth.

    >>> expected_error([Bin(0.5, 0.75, 3), Bin(1.0, 1.0, 1)])
    0.1875
    """
    return sum(each.decisions * abs(each.sure - each.right) for each in found) / sum(each.decisions for each in found)


def reliability(found: Sequence[Bin], what: str, width: int = 340, height: int = 270) -> str:
    """How often decisions of a certainty were right; the bars at the foot show how many there are."""
    x, y = unit_axes(width, height)
    parts = [*grid(x, y, width, height), labels(width, height, "how sure", f"share of {what} that is right")]
    parts.append(f'<path class="declared" d="M{x(0)} {y(0)}L{x(1)} {y(1)}"/>')
    most, foot = max(each.decisions for each in found), height - BOTTOM
    for each in found:
        tall = round(0.22 * (foot - TOP) * each.decisions / most, 1)
        place = min(int(each.sure * BINS), BINS - 1)
        left, wide = x(place / BINS) + 1, x(1 / BINS) - x(0) - 2
        parts.append(f'<rect class="count" x="{left}" y="{round(foot - tall, 1)}" width="{wide:.1f}" height="{tall}"/>')
    many = [(x(each.sure), y(each.right)) for each in found if each.decisions >= FEW]
    parts += [line(many, "best")] if many else []
    for each in found:
        kind = "best-end" if each.decisions >= FEW else "cut"
        told = f"{counted(each.decisions, what[:-1])}: sure {percent(each.sure)}, right {percent(each.right)}"
        parts.append(dot(x(each.sure), y(each.right), kind, told, 4))
    return svg(width, height, parts, "how often what was sure was right")


def against(true: np.ndarray, said: np.ndarray, ids: Sequence[str], width: int = 340, height: int = 270) -> str:
    """Predicted against true; on the line they are the same."""
    x = across(width, *ends(np.concatenate([true, said])))
    y = Scale(x.low, x.high, height - BOTTOM, TOP)
    parts = [*grid(x, y, width, height), labels(width, height, "true", "predicted")]
    parts.append(f'<path class="declared" d="M{x(x.low)} {y(x.low)}L{x(x.high)} {y(x.high)}"/>')
    parts += cloud(x, y, true, said, ids)
    return svg(width, height, parts, "predicted against true")


def residuals(true: np.ndarray, said: np.ndarray, ids: Sequence[str], width: int = 340, height: int = 270) -> str:
    """Predicted minus true, against predicted: a slope or a funnel is what a model has not learnt."""
    x, y = across(width, *ends(said)), upwards(height, said - true)
    parts = [*grid(x, y, width, height), labels(width, height, "predicted", "predicted minus true")]
    parts.append(f'<path class="declared" d="M{LEFT} {y(0)}H{width - RIGHT}"/>')
    parts += cloud(x, y, said, said - true, ids)
    return svg(width, height, parts, "residuals against predictions")


# -- pieces ------------------------------------------------------------------------------------------------------------


def unit_axes(width: int, height: int) -> tuple[Scale, Scale]:
    return across(width, 0, 1), Scale(0, 1, height - BOTTOM, TOP)


def ends(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    room = 0.04 * (high - low) or 1.0
    return low - room, high + room


def cloud(x: Scale, y: Scale, across_: np.ndarray, up: np.ndarray, ids: Sequence[str]) -> list[str]:
    some = range(0, len(ids), -(-len(ids) // MOST_DOTS))
    return [
        dot(x(across_[row]), y(up[row]), "finished", f"{ids[row]}: {number(across_[row])}, {number(up[row])}")
        for row in some
    ]


def dot(x: float, y: float, kind: str, told: str, radius: float = 3) -> str:
    return f'<circle class="{kind}" cx="{x}" cy="{y}" r="{radius}"><title>{escape(told)}</title></circle>'


def line(points: Iterable[tuple[float, float]], kind: str, style: str = "", told: str = "") -> str:
    path = "L".join(f"{a} {b}" for a, b in points)
    title = f"<title>{escape(told)}</title>" if told else ""
    return f'<path class="{kind}" style="{style}" d="M{path}">{title}</path>'


def hexed(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
