"""The board's charts as inline SVG, coloured by the page's style sheet: no script, no inline style."""

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
from markupsafe import Markup, escape

from leaderboard.board import Board, Row

LEFT, RIGHT, TOP, BOTTOM = 52, 16, 24, 36  # margins
DAY = 86400.0
MAX_DOTS = 300  # of a chart: 12 bytes each, and more would be a blot
MAX_NAMED = 80  # dots that say whose they are
MAX_BARS = 40


class PixelScale(NamedTuple):
    """Maps values from low to high onto pixels from start to stop; what lies beyond stands at the end."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return round(self.start + (self.stop - self.start) * min(1.0, max(0.0, share)), 1)

    def ticks(self, most: int = 5) -> list[tuple[float, str]]:
        """Round numbers within, with just enough decimals to differ.

        >>> PixelScale(0.1, 0.93, 0, 1).ticks()
        [(0.2, '0.2'), (0.4, '0.4'), (0.6, '0.6'), (0.8, '0.8')]
        """
        least = (self.high - self.low) / most
        power = 10.0 ** math.floor(math.log10(least)) if least > 0 else 1.0
        step = next(power * k for k in (1, 2, 5, 10) if power * k >= least * (1 - 1e-9))
        decimals = max(0, -math.floor(math.log10(step) + 1e-9))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [(round(k * step, 12), f"{k * step:.{decimals}f}") for k in range(first, last + 1)]


def around(values: Iterable[float], start: float, stop: float) -> PixelScale:
    """A scale with a little room at both ends."""
    values = list(values)
    low, high = min(values), max(values)
    margin = 0.07 * (high - low) or 0.02 * abs(high) or 1.0
    return PixelScale(low - margin, high + margin, start, stop)


def interval_strips(rows: Sequence[Row], revealed: bool) -> list[Markup]:
    """For every row of the table its interval as a line with a dot, all on one scale."""
    scores = [(row.score, row.low, row.high) for row in rows]
    if revealed:
        scores = [(row.private or 0.0, row.private_low or 0.0, row.private_high or 0.0) for row in rows]
    if not scores:
        return []
    x = around([bound for score in scores for bound in score], 3, 125)
    return [
        Markup(  # noqa: S704 (numbers alone)
            f'<svg class="strip" viewBox="0 0 128 14" aria-hidden="true">'
            f'<path class="bar" d="M{x(low)} 7H{x(high)}"/><circle class="dot" cx="{x(value)}" cy="7" r="3.5"/></svg>'
        )
        for value, low, high in scores
    ]


def history(board: Board, team: str | None = None) -> Markup:
    """Every entry's public score against its time, and the best so far as a line of steps.

    team: its entries stand out, with a line of their own. For a wide page and for a phone: the style sheet shows one.
    """
    if len(board.entries.values) < 2:
        return Markup("")
    wide, narrow = _history(board, team, 960, 290), _history(board, team, 400, 270)
    return Markup('<div class="for-wide">{}</div><div class="for-phone">{}</div>').format(wide, narrow)


def _history(board: Board, team: str | None, width: int, height: int) -> Markup:
    times, scores = np.array(board.entries.times), np.array(board.entries.values)
    x = around((times.min(), times.max()), LEFT, width - RIGHT)
    y = around(without_worst(scores, board.higher_is_better), height - BOTTOM, TOP)
    marks = [
        *grid(y, width, board.metric),
        *axis(x, height, time_ticks(x, width // 90)),
        f'<path class="dots" d="{dots(times, scores, x, y)}"/>',
        f'<path class="best" d="{steps(times, scores, board, x, y)}"/>',
    ]
    if own := board.entries.of_team.get(team or "", []):
        times = np.array([datetime.fromisoformat(entry.received_at).timestamp() for entry in own])
        scores = np.array([entry.public.score for entry in own])
        marks.append(f'<path class="own-line" d="{steps(times, scores, board, x, y)}"/>')
        marks.append(f'<path class="own" d="{dots(times, scores, x, y)}"/>')
    return svg(width, height, marks, f"{board.metric} of every entry over time, and the best so far")


def cv_against_public(board: Board, width: int = 400, height: int = 300) -> Markup:
    """A dot a team; on the diagonal CV and public score agree. "" for fewer than two."""
    known = [row for row in board.rows if row.cv is not None]
    if len(known) < 2:
        return Markup("")
    public, cv = np.array([row.score for row in known]), np.array([row.cv for row in known])
    x = around(without_worst(cv, board.higher_is_better), LEFT, width - RIGHT)
    y = around(without_worst(public, board.higher_is_better), height - BOTTOM, TOP)
    low, high = max(x.low, y.low), min(x.high, y.high)
    marks = [*grid(y, width, f"public {board.metric}"), *axis(x, height, x.ticks(4))]
    marks.append(f'<text class="label" x="{(LEFT + width) / 2}" y="{height - 3}" text-anchor="middle">CV</text>')
    if low < high:
        marks.append(f'<path class="even" d="M{x(low)} {y(low)}L{x(high)} {y(high)}"/>')
    if len(known) > MAX_NAMED:
        marks.append(f'<path class="dots" d="{dots(cv, public, x, y)}"/>')
    else:
        for row in known:
            title = escape(f"{row.team}: CV {row.cv:.3f}, public {row.score:.3f}")
            at = f'cx="{x(row.cv or 0)}" cy="{y(row.score)}"'
            marks.append(f'<circle class="team" {at} r="4"><title>{title}</title></circle>')
    return svg(width, height, marks, "The CV score of each team against its public score")


def rank_intervals(rows: Sequence[Row], width: int = 400) -> Markup:
    """For the first teams the ranks between which they lie in 95 % of the resamples. "" for fewer than two."""
    if len(rows) < 2:
        return Markup("")
    left, top, step = 118, 22, 17
    height = top + step * len(rows) + 10
    x = PixelScale(1, max(2, *(row.rank_high for row in rows)), left + 6, width - RIGHT)
    ticks = sorted({1, *(round(tick) for tick, _ in x.ticks() if tick >= 1)})
    marks = [f'<path class="grid" d="M{x(tick)} {top - 6}V{height - 8}"/>' for tick in ticks]
    marks += [f'<text x="{x(tick)}" y="11" text-anchor="middle">{tick}</text>' for tick in ticks]
    for k, row in enumerate(rows):
        y = top + step * k + 5
        name = row.team if len(row.team) <= 15 else f"{row.team[:14]}…"
        title = f"{escape(row.team)}: rank {row.rank}, between {row.rank_low} and {row.rank_high}"
        marks.append(f'<text class="name" x="{left - 8}" y="{y + 4}" text-anchor="end">{escape(name)}</text>')
        marks.append(f'<path class="bar wide" d="M{x(row.rank_low)} {y}H{x(row.rank_high) + 0.1}"/>')
        marks.append(f'<circle class="dot" cx="{x(row.rank)}" cy="{y}" r="4"><title>{title}</title></circle>')
    return svg(width, height, marks, "Between which ranks each team lies")


# -- marks -------------------------------------------------------------------------------------------------------------


def without_worst(scores: np.ndarray, higher: bool, share: float = 0.1) -> tuple[float, float]:
    """Between which values nearly all lie: a few very bad entries must not flatten the chart; they stand on its edge.

    >>> without_worst(np.array([0.0, 0.7, 0.8, 0.9]), True, share=0.5)
    (0.8, 0.9)
    """
    better = scores * (1 if higher else -1)
    left_out = len(better) - max(2, math.ceil((1 - share) * len(better)))
    worst, best = float(np.partition(better, left_out)[left_out]), float(better.max())
    return (worst, best) if higher else (-best, -worst)


def steps(times: np.ndarray, scores: np.ndarray, board: Board, x: PixelScale, y: PixelScale) -> str:
    """The path of the best score so far."""
    so_far = np.maximum.accumulate(scores) if board.higher_is_better else np.minimum.accumulate(scores)
    better = np.flatnonzero(np.diff(so_far)) + 1
    rest = "".join(f"H{x(times[k])}V{y(so_far[k])}" for k in better)
    return f"M{x(times[0])} {y(so_far[0])}{rest}H{x.stop}"


def dots(across: np.ndarray, up: np.ndarray, x: PixelScale, y: PixelScale) -> str:
    """Draw at most `MAX_DOTS` points, evenly chosen, as lines of no length with round ends: a fifth of the bytes."""
    every = max(1, -(-len(across) // MAX_DOTS))
    return "".join(f"M{x(a)} {y(b)}h0" for a, b in zip(across[::every], up[::every], strict=True))


def grid(y: PixelScale, width: int, label: str) -> list[str]:
    ticks = y.ticks()
    lines = [f'<path class="grid" d="M{LEFT} {y(tick)}H{width - RIGHT}"/>' for tick, _ in ticks]
    lines += [f'<text x="{LEFT - 8}" y="{y(tick) + 4}" text-anchor="end">{text}</text>' for tick, text in ticks]
    return [*lines, f'<text class="label" x="4" y="13">{escape(label)}</text>']


def axis(x: PixelScale, height: int, ticks: Iterable[tuple[float, str]]) -> list[str]:
    y = height - BOTTOM + 17
    return [f'<text x="{x(tick)}" y="{y}" text-anchor="middle">{text}</text>' for tick, text in ticks]


def time_ticks(x: PixelScale, most: int) -> list[tuple[float, str]]:
    """(time, label): days, or hours or minutes where the span is short."""
    span = x.high - x.low
    unit, form = (DAY, "%-d %b") if span > 2 * DAY else (3600.0 if span > 7200 else 60.0, "%H:%M")
    step = unit * max(1, math.ceil(span / unit / most))
    ticks = [step * k for k in range(math.ceil(x.low / step), math.floor(x.high / step) + 1)]
    return [(tick, datetime.fromtimestamp(tick, UTC).strftime(form)) for tick in ticks]


def svg(width: int, height: int, marks: Iterable[str], title: str) -> Markup:
    head = f'<svg class="chart" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">'
    return Markup(f"{head}{''.join(marks)}</svg>")  # noqa: S704 (numbers, and text that is escaped above)
