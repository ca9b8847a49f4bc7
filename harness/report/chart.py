"""Charts as SVG: one `Chart` with axes, and every chart of the pages as a function.

Colours come from the page's style sheet, so a chart follows it into dark mode and onto paper. There is no script and no
inline style. Scores and coordinates are numbers; every other text is escaped.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise, zip_longest
from typing import Any, NamedTuple

import numpy as np

from harness.report.format import counted, number, percent, setting, short

LEFT, RIGHT, TOP, BOTTOM = 54, 14, 22, 38  # margins
SIZE = (340, 270)
ENLARGED = 1.25  # at most, on a wide page
MOST_DOTS, MOST_POINTS = 1500, 160  # of a cloud, and of a line: more would be a blot, and a page that loads slowly
BINS, FEW = 10, 20  # of a reliability diagram, and predictions that say little about a bin
SERIES = 7  # colours of the style sheet


@dataclass(frozen=True)
class Scale:
    """Values from low to high, onto pixels from start to stop; values beyond them lie at the end.

    most: ticks, about.
    """

    low: float
    high: float
    start: float
    stop: float
    log: bool = False
    most: int = 5

    def __call__(self, value: float) -> float:
        low, high, value = (math.log(v) if self.log else v for v in (self.low, self.high, max(value, self.low)))
        share = (value - low) / (high - low) if high > low else 0.5
        return round(self.start + (self.stop - self.start) * min(1.0, max(0.0, share)), 1)

    @property
    def ticks(self) -> list[float]:
        """Round values between low and high; on a log scale 1, 2 and 5 times powers of ten, or these alone.

        >>> Scale(0.61, 0.72, 0, 100).ticks
        [0.62, 0.64, 0.66, 0.68, 0.7, 0.72]
        """
        if self.log:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            low, high = self.low * (1 - 1e-9), self.high * (1 + 1e-9)
            fine, coarse = (
                [k * 10.0**power for power in powers for k in kinds if low <= k * 10.0**power <= high]
                for kinds in ((1, 2, 5), (1,))
            )
            return coarse if len(fine) > self.most and len(coarse) >= 2 else fine
        rough = (self.high - self.low) / self.most or 1.0
        power = 10.0 ** math.floor(math.log10(rough))
        step = min((power * k for k in (1, 2, 5, 10)), key=lambda step: abs(math.log(step / rough)))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(k * step, 12) for k in range(first, last + 1)]


class Chart:
    """Axes, and what is drawn on them in the order of the calls.

    x, y: (low, high) of the values. categories: names at 0, 1, ... along x instead of ticks.
    """

    def __init__(
        self,
        x: tuple[float, float],
        y: tuple[float, float],
        labels: tuple[str, str],
        size: tuple[int, int] = SIZE,
        log: bool = False,
        categories: Sequence[Any] = (),
    ):
        self.width, self.height = size
        self.x = Scale(*x, LEFT, self.width - RIGHT, log, most=4)
        self.y = Scale(*y, self.height - BOTTOM, TOP)
        self.parts: list[str] = []
        ticks, foot = self.y.ticks, self.height - BOTTOM + 16
        step = min((b - a for a, b in pairwise(ticks)), default=1.0)
        decimals = max(0, -math.floor(math.log10(step) + 1e-9))
        for tick in ticks:
            at = self.y(tick)
            self.add("path", "grid", d=f"M{LEFT} {at}H{self.width - RIGHT}")
            self.text(LEFT - 7, at + 4, f"{tick:.{decimals}f}", anchor="end")
        marks: Mapping[float, str] = dict(enumerate(map(short, categories))) or {t: setting(t) for t in self.x.ticks}
        for at, name in marks.items():
            self.text(self.x(at), foot, name)
        self.text((LEFT + self.width - RIGHT) / 2, self.height - 5, labels[0], "label")
        self.text(4, 12, labels[1], "label", anchor="start")

    def add(self, tag: str, kind: str, title: str = "", **attributes: Any) -> None:
        """One element of the class `kind`; `title` appears under the mouse."""
        given = "".join(f' {name}="{value}"' for name, value in attributes.items())
        inner = f"<title>{escape(title)}</title>" if title else ""
        self.parts.append(f'<{tag} class="{kind}"{given}>{inner}</{tag}>')

    def text(self, x: float, y: float, text: str, kind: str = "tick", anchor: str = "middle") -> None:
        self.parts.append(f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>')

    def line(self, points: Iterable[tuple[float, float]], kind: str, title: str = "") -> None:
        self.add("path", kind, title, d="M" + "L".join(f"{self.x(a)} {self.y(b)}" for a, b in points))

    def band(self, xs: Sequence[float], low: Sequence[float], high: Sequence[float]) -> None:
        """The area between two lines."""
        outline = [*zip(xs, high, strict=True), *zip(xs[::-1], low[::-1], strict=True)]
        self.add("path", "band", d="M" + "L".join(f"{self.x(a)} {self.y(b)}" for a, b in outline) + "Z")

    def dot(self, x: float, y: float, kind: str, title: str = "", radius: float = 3) -> None:
        self.add("circle", kind, title, cx=self.x(x), cy=self.y(y), r=radius)

    def svg(self, title: str) -> str:
        return (
            f'<svg class="chart" viewBox="0 0 {self.width} {self.height}" width="{round(ENLARGED * self.width)}" '
            f'role="img" aria-label="{escape(title, quote=True)}">{"".join(self.parts)}</svg>'
        )


def around(values: Iterable[float], room: float = 0.06) -> tuple[float, float]:
    """The smallest and the largest value, with a little room at both ends."""
    values = list(values)
    low, high = float(min(values)), float(max(values))
    room = room * (high - low) or 0.02 * abs(high) or 1.0
    return low - room, high + room


def thinned(rows: Sequence[Any]) -> Sequence[Any]:
    """Every so many of them, at most MOST_DOTS."""
    return rows[:: -(-len(rows) // MOST_DOTS)] if len(rows) else rows


# -- of a run ----------------------------------------------------------------------------------------------------------


def learning_curve(model: str, losses: Sequence[Sequence[float]]) -> str:
    """losses: of every fold, by epoch. The line is the mean of the folds that reached an epoch."""
    by_epoch = np.array(list(zip_longest(*losses, fillvalue=np.nan)))
    mean, low, high = (statistic(by_epoch, axis=1).tolist() for statistic in (np.nanmean, np.nanmin, np.nanmax))
    epochs = list(range(1, len(mean) + 1))
    chart = Chart((1, max(2, epochs[-1])), around([*low, *high]), ("epoch", "training loss"), size=(320, 200))
    chart.band(epochs, low, high)
    chart.line(zip(epochs, mean, strict=True), "best")
    chart.dot(epochs[-1], mean[-1], "best-end")
    return chart.svg(f"training loss of {model}")


def precision_recall(curves: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> str:
    """curves: recall and precision of every class. Precision is drawn as the best at this recall or beyond."""
    chart = Chart((0, 1), (0, 1), labels=("recall", "precision"))
    for k, (name, (recall, precision)) in enumerate(curves.items()):
        if len(recall):
            falling = np.maximum.accumulate(precision[::-1])[::-1]
            few = np.unique(np.linspace(0, len(falling) - 1, MOST_POINTS).astype(int))
            points = [(0.0, falling[0]), *((recall[j], falling[j]) for j in few)]
            chart.line(points, f"series series-{k % SERIES}", name)
    return chart.svg("precision against recall, class by class")


class ReliabilityBin(NamedTuple):
    """Predictions of about the same confidence: its mean, the share that is right, and how many there are."""

    confidence: float
    accuracy: float
    size: int


def reliability_bins(confidence: np.ndarray, correct: np.ndarray) -> list[ReliabilityBin]:
    """Ten bins of the same width, without the empty ones."""
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return [
        ReliabilityBin(float(confidence[inside].mean()), float(correct[inside].mean()), int(inside.sum()))
        for inside in (place == k for k in range(BINS))
        if inside.any()
    ]


def expected_calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """The mean distance of confidence from accuracy (Naeini et al. 2015).

    >>> expected_calibration_error([ReliabilityBin(0.5, 0.75, 3), ReliabilityBin(1.0, 1.0, 1)])
    0.1875
    """
    return sum(each.size * abs(each.confidence - each.accuracy) for each in bins) / sum(each.size for each in bins)


def reliability(bins: Sequence[ReliabilityBin]) -> str:
    """Accuracy against confidence; the bars at the foot show how many predictions a bin has."""
    chart = Chart((0, 1), (0, 1), labels=("confidence", "share that is right"))
    chart.line([(0, 0), (1, 1)], "declared")
    most, foot = max(each.size for each in bins), chart.height - BOTTOM
    for each in bins:
        tall = round(0.22 * (foot - TOP) * each.size / most, 1)
        place = min(int(each.confidence * BINS), BINS - 1)
        left, right = chart.x(place / BINS) + 1, chart.x((place + 1) / BINS) - 1
        chart.add("rect", "count", x=left, y=round(foot - tall, 1), width=round(right - left, 1), height=tall)
    if many := [(each.confidence, each.accuracy) for each in bins if each.size >= FEW]:
        chart.line(many, "best")
    for each in bins:
        title = (
            f"{counted(each.size, 'prediction')}: confidence {percent(each.confidence)}, right {percent(each.accuracy)}"
        )
        chart.dot(each.confidence, each.accuracy, "best-end" if each.size >= FEW else "pruned", title, 4)
    return chart.svg("accuracy against confidence")


def predicted_against_true(true: np.ndarray, predicted: np.ndarray, ids: Sequence[str]) -> tuple[str, str]:
    """Two charts: predicted against true, and the residuals against predicted; exact rows lie on the dotted line.

    A slope or a funnel of the residuals is what a model has not learnt.
    """
    ends, across, residuals = around([*true, *predicted], 0.04), around(predicted, 0.04), predicted - true
    both = Chart(ends, ends, labels=("true", "predicted"))
    both.line([(ends[0], ends[0]), (ends[1], ends[1])], "declared")
    apart = Chart(across, around(residuals), labels=("predicted", "predicted minus true"))
    apart.line([(across[0], 0), (across[1], 0)], "declared")
    for chart, x, y in ((both, true, predicted), (apart, predicted, residuals)):
        for row in thinned(range(len(ids))):
            chart.dot(x[row], y[row], "finished", f"{ids[row]}: {number(x[row])}, {number(y[row])}")
    return both.svg("predicted against true"), apart.svg("residuals against predictions")
