"""The axes of a picture: SVG that takes its colours from the page, and so follows it into the dark and onto paper."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from harness.report.html.format import log_ticks, setting, short, ticks

LEFT, RIGHT, TOP, BOTTOM = 54, 14, 22, 38  # margins


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
        return log_ticks(self.low, self.high) if self.log else ticks(self.low, self.high, self.most)


def across(width: int, low: float, high: float, log: bool = False) -> Scale:
    return Scale(low, high, LEFT, width - RIGHT, log, most=4)


def upwards(height: int, values: Iterable[float]) -> Scale:
    """With a little room at both ends."""
    values = list(values)
    low, high = min(values), max(values)
    room = 0.06 * (high - low) or 0.02 * abs(high) or 1.0
    return Scale(low - room, high + room, height - BOTTOM, TOP)


def grid(x: Scale, y: Scale, width: int, height: int, names: Sequence[Any] = ()) -> list[str]:
    lines = [f'<path class="grid" d="M{LEFT} {y(tick)}H{width - RIGHT}"/>' for tick in y.ticks]
    left = [f'<text x="{LEFT - 7}" y="{y(tick) + 4}" text-anchor="end">{rounded(tick, y)}</text>' for tick in y.ticks]
    marks: Mapping[float, str] = dict(enumerate(map(short, names))) or {tick: setting(tick) for tick in x.ticks}
    below = [
        f'<text x="{x(at)}" y="{height - BOTTOM + 16}" text-anchor="middle">{escape(text)}</text>'
        for at, text in marks.items()
    ]
    return lines + left + below


def rounded(tick: float, scale: Scale) -> str:
    """All ticks with as many places as their step needs."""
    step = min(np.diff(scale.ticks), default=1.0)
    return f"{tick:.{max(0, -math.floor(math.log10(step) + 1e-9))}f}"


def labels(width: int, height: int, below: str, above: str) -> str:
    middle = (LEFT + width - RIGHT) / 2
    return (
        f'<text class="label" x="{middle}" y="{height - 5}" text-anchor="middle">{escape(below)}</text>'
        f'<text class="label" x="4" y="12">{escape(above)}</text>'
    )


def svg(width: int, height: int, parts: Iterable[str], title: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title, quote=True)}" '
        f'style="max-width:{round(1.25 * width)}px">{"".join(parts)}</svg>'
    )
