"""Pictures as SVG that takes its colours from the page, so that they follow it into the dark and onto paper."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from harness.report.html.axes import LEFT, RIGHT, Scale, across, grid, labels, svg, upwards
from harness.report.html.format import number
from harness.report.search.facts import Night, Variant
from harness.report.search.importance import varied

MOST_DOTS = 1500  # of a picture; more would be a blot, and a page that loads slowly
WORST_SHOWN = 0.2  # the share of the trials that may lie below the picture


# -- the score as time went by -----------------------------------------------------------------------------------------


def progress(night: Night, width: int, height: int) -> str:
    """The best submission as a line of steps with its interval; a dot for every trial that finished; "" for neither."""
    shown = [value for bank in night.banks for value in bank.interval] + usual(night)
    if not shown:
        return ""
    if night.before and night.before.score is not None:
        shown.append(night.before.score)
    x, y = across(width, 0.0, night.hours or 1.0), upwards(height, shown)
    parts = [*grid(x, y, width, height), labels(width, height, "hours of searching", night.metric)]
    if night.banks:
        parts.append(f'<path class="band" d="{band(night, x, y)}"/>')
    if night.before and night.before.score is not None:
        at = y(night.before.score)
        parts.append(f'<path class="declared" d="M{LEFT} {at}H{width - RIGHT}"/>')
    parts += [dot(x(v.hours), y(v.score), v, "finished") for v in thinned(night.finished) if v.score is not None]
    parts += [mark(x(at), y(score), f"refused at {number(score)}") for at, score in night.refused]
    if night.banks:
        parts.append(f'<path class="best" d="{steps(night, x, y)}"/>')
        last = night.banks[-1].interval.score
        parts.append(f'<circle class="best-end" cx="{x(night.hours)}" cy="{y(last)}" r="4"/>')
        above = y(last) - 9 if night.higher else y(last) + 18
        parts.append(f'<text class="value" x="{x(night.hours)}" y="{above}" text-anchor="end">{number(last)}</text>')
    return svg(width, height, parts, f"{night.metric} over {night.hours:.1f} hours of searching")


def usual(night: Night) -> list[float]:
    """The scores of the finished trials, without the worst ones: a few bad starts must not flatten the picture."""
    scores = sorted((v.score for v in night.finished if v.score is not None), reverse=night.higher)
    return scores[: math.ceil((1 - WORST_SHOWN) * len(scores))]


def steps(night: Night, x: Scale, y: Scale) -> str:
    path = f"M{x(night.banks[0].hours)} {y(night.banks[0].interval.score)}"
    return path + "".join(f"H{x(b.hours)}V{y(b.interval.score)}" for b in night.banks[1:]) + f"H{x(night.hours)}"


def band(night: Night, x: Scale, y: Scale) -> str:
    """There along the upper ends, back along the lower."""
    ends = [*(bank.hours for bank in night.banks[1:]), night.hours]
    there = "".join(f"V{y(b.interval.high)}H{x(end)}" for b, end in zip(night.banks, ends, strict=True))
    starts = [bank.hours for bank in night.banks]
    back = "".join(f"V{y(b.interval.low)}H{x(at)}" for b, at in zip(night.banks[::-1], starts[::-1], strict=True))
    return f"M{x(starts[0])} {y(night.banks[0].interval.low)}{there}{back}Z"


# -- slices ------------------------------------------------------------------------------------------------------------


def slice_of(night: Night, model: str, parameter: str, width: int = 320, height: int = 214) -> str:
    """The score of the first fold against one parameter: what finished is filled, what was cut is hollow."""
    variants = [v for v in varied(night, model) if parameter in v.params]
    scores = [v.first for v in variants if v.first is not None]
    bad, good = np.percentile(scores, [10, 100] if night.higher else [90, 0])
    x = Axis.of(width, [v.limits[parameter] for v in variants])
    y = upwards(height, [float(bad), float(good)])
    best = night.best([v for v in variants if v.state == "finished"])
    parts = [*grid(x.scale, y, width, height, x.names), labels(width, height, parameter, f"{night.metric}, first fold")]
    for v in [*(v for v in thinned(variants) if v is not best), *([best] if best else [])]:  # the best on top
        kind = "chosen" if v is best else v.state
        parts.append(dot(x(v.params[parameter], v.number), y(v.first or 0.0), v, kind))
    return svg(width, height, parts, f"{night.metric} of {model} against {parameter}")


@dataclass(frozen=True)
class Axis:
    """Of a parameter: numbers, or names one beside the other."""

    scale: Scale
    names: Sequence[Any] = ()

    @classmethod
    def of(cls, width: int, limits: Sequence[Any]) -> "Axis":
        """limits: of every trial; a later search may have asked for more."""
        names = list(dict.fromkeys(name for one in limits for name in getattr(one, "choices", ())))
        if names:
            return cls(across(width, -0.5, len(names) - 0.5), names)
        log = all(one.log for one in limits)
        return cls(across(width, min(one.low for one in limits), max(one.high for one in limits), log))

    def __call__(self, value: Any, number: int) -> float:
        """Names get a little room from each other's dots, the same for the same trial."""
        if self.names:
            return self.scale(self.names.index(value) + 0.5 * ((number * 0.618) % 1 - 0.5))
        return self.scale(value)


# -- pieces ------------------------------------------------------------------------------------------------------------


def dot(x: float, y: float, variant: Variant, kind: str) -> str:
    radius = 4.5 if kind == "chosen" else 3
    score = variant.first if variant.score is None else variant.score
    told = f"{variant.name}: {number(score or 0.0)}"
    return f'<circle class="{kind}" cx="{x}" cy="{y}" r="{radius}"><title>{escape(told)}</title></circle>'


def mark(x: float, y: float, told: str) -> str:
    return f'<path class="refused" d="M{x - 3} {y - 3}l6 6m0 -6l-6 6"><title>{escape(told)}</title></path>'


def thinned(variants: Sequence[Variant]) -> Sequence[Variant]:
    return variants[:: -(-len(variants) // MOST_DOTS)] if variants else variants
