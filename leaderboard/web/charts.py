"""Pictures as inline SVG that take their colours from the page's style sheet: no script, no inline style."""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from markupsafe import Markup, escape

from harness.report.diagnostics import PrecisionRecall
from leaderboard.board import Board
from leaderboard.web.boards import Shown

LEFT, RIGHT, TOP, BOTTOM = 52, 16, 24, 36  # margins
DAY = 86400.0
MOST_DOTS = 300  # of a picture: 12 bytes each, and more would be a blot
MOST_NAMED = 80  # dots that say whose they are
MOST_BARS = 40
MOST_POINTS = 60  # of a curve
SERIES = 7  # colours of the style sheet


class Scale(NamedTuple):
    """Values from low to high onto pixels from start to stop; what lies beyond stands at the end."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return round(self.start + (self.stop - self.start) * min(1.0, max(0.0, share)), 1)

    def ticks(self, most: int = 5) -> list[float]:
        """Round numbers within.

        >>> Scale(0.1, 0.93, 0, 1).ticks()
        [0.2, 0.4, 0.6, 0.8]
        """
        step = next_step((self.high - self.low) / most)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(k * step, 12) for k in range(first, last + 1)]


def next_step(least: float) -> float:
    power = 10.0 ** math.floor(math.log10(least)) if least > 0 else 1.0
    return next(power * k for k in (1, 2, 5, 10) if power * k >= least * (1 - 1e-9))


def around(values: Iterable[float], start: float, stop: float) -> Scale:
    """With a little room at both ends."""
    values = list(values)
    low, high = min(values), max(values)
    room = 0.07 * (high - low) or 0.02 * abs(high) or 1.0
    return Scale(low - room, high + room, start, stop)


def interval_strips(rows: Sequence[Shown], revealed: bool) -> list[Markup]:
    """For every row of the table its interval as a line with a dot, all on one scale."""
    scores = [_ranked_by(shown, revealed) for shown in rows]
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


def _ranked_by(shown: Shown, revealed: bool) -> tuple[float, float, float]:
    row = shown.row
    if revealed and row.private is not None and row.private_low is not None and row.private_high is not None:
        return row.private, row.private_low, row.private_high
    return row.score, row.low, row.high


# -- score history -----------------------------------------------------------------------------------------------------


def history(board: Board, team: str | None = None) -> Markup:
    """The picture for a wide page and for a phone; the style sheet shows one of them."""
    if len(board.book.values) < 2:
        return Markup("")
    wide, narrow = _history(board, team, 960, 290), _history(board, team, 400, 270)
    return Markup('<div class="for-wide">{}</div><div class="for-phone">{}</div>').format(wide, narrow)


def _history(board: Board, team: str | None, width: int, height: int) -> Markup:
    """Every entry's public score against its time, and the best so far as a line of steps.

    team: whose entries stand out, with a line of its own.
    """
    times, scores = np.array(board.book.times), np.array(board.book.values)
    x = around((times.min(), times.max()), LEFT, width - RIGHT)
    y = around(without_worst(scores, board.higher_is_better), height - BOTTOM, TOP)
    parts = [*grid(y, width), *time_axis(x, height, width // 90), label(4, 13, board.metric)]
    parts.append(f'<path class="dots" d="{dots(thinned(times), thinned(scores), x, y)}"/>')
    parts.append(f'<path class="best" d="{steps(times, scores, board, x, y)}"/>')
    if own := board.book.of_team.get(team or "", []):
        at = np.array([datetime.fromisoformat(entry.received_at).timestamp() for entry in own])
        mine = np.array([entry.public.score for entry in own])
        parts.append(f'<path class="own-line" d="{steps(at, mine, board, x, y)}"/>')
        parts.append(f'<path class="own" d="{dots(thinned(at), thinned(mine), x, y)}"/>')
    return svg(width, height, parts, f"{board.metric} of every entry over time, and the best so far")


def without_worst(scores: Sequence[float] | np.ndarray, higher: bool, share: float = 0.1) -> tuple[float, float]:
    """Between which values nearly all lie: a few hopeless entries must not flatten the picture; they stand on its edge.

    >>> without_worst([0.0, 0.7, 0.8, 0.9], True, share=0.5)
    (0.8, 0.9)
    """
    better = np.asarray(scores) * (1 if higher else -1)
    left_out = len(better) - max(2, math.ceil((1 - share) * len(better)))
    worst, best = float(np.partition(better, left_out)[left_out]), float(better.max())
    return (worst, best) if higher else (-best, -worst)


def thinned(values: np.ndarray) -> np.ndarray:
    """Every so many, evenly."""
    return values[:: max(1, -(-len(values) // MOST_DOTS))]


def steps(times: np.ndarray, scores: np.ndarray, board: Board, x: Scale, y: Scale) -> str:
    so_far = np.maximum.accumulate(scores) if board.higher_is_better else np.minimum.accumulate(scores)
    better = np.flatnonzero(np.diff(so_far)) + 1
    rest = "".join(f"H{x(times[k])}V{y(so_far[k])}" for k in better)
    return f"M{x(times[0])} {y(so_far[0])}{rest}H{x.stop}"


def dots(across: Iterable[float], up: Iterable[float], x: Scale, y: Scale) -> str:
    """Lines of no length: with round ends they are dots, at a fifth of the bytes."""
    return "".join(f"M{x(a)} {y(b)}h0" for a, b in zip(across, up, strict=True))


def time_axis(x: Scale, height: int, most: int) -> list[str]:
    """Days, or hours where there are few."""
    span = x.high - x.low
    unit = DAY if span > 2 * DAY else 3600.0
    step = unit * max(1, math.ceil(span / unit / most))
    form = "%-d %b" if unit == DAY else "%H:%M"
    ticks = [step * k for k in range(math.ceil(x.low / step), math.floor(x.high / step) + 1)]
    return [
        f'<text x="{x(t)}" y="{height - BOTTOM + 18}" text-anchor="middle">'
        f"{datetime.fromtimestamp(t, UTC).strftime(form)}</text>"
        for t in ticks
    ]


# -- CV against public score -------------------------------------------------------------------------------------------


def cv_against_public(board: Board, width: int = 400, height: int = 300) -> Markup:
    """A dot a team; on the diagonal the team's own estimate is what the board says. "" for fewer than two."""
    known = [row for row in board.rows if row.cv is not None]
    if len(known) < 2:
        return Markup("")
    public, cv = [row.score for row in known], [row.cv for row in known if row.cv is not None]
    kept = without_worst(public, board.higher_is_better), without_worst(cv, board.higher_is_better)
    across, up = around(kept[1], LEFT, width - RIGHT), around(kept[0], height - BOTTOM, TOP)
    low, high = max(across.low, up.low), min(across.high, up.high)
    parts = [*grid(up, width), *number_axis(across, height), label(4, 13, f"public {board.metric}")]
    if low < high:
        parts.append(f'<path class="even" d="M{across(low)} {up(low)}L{across(high)} {up(high)}"/>')
    parts.append(
        f'<text class="label" x="{(LEFT + width) / 2}" y="{height - 3}" text-anchor="middle">CV, as claimed</text>'
    )
    if len(known) > MOST_NAMED:
        parts.append(f'<path class="dots" d="{dots(thinned(np.array(cv)), thinned(np.array(public)), across, up)}"/>')
        known = []
    for row in known:
        told = escape(f"{row.team}: CV {row.cv:.3f}, public {row.score:.3f}")
        at = f'cx="{across(row.cv or 0)}" cy="{up(row.score)}"'
        parts.append(f'<circle class="team" {at} r="4"><title>{told}</title></circle>')
    return svg(width, height, parts, "The score that teams claim from cross-validation against their public score")


# -- rank intervals ----------------------------------------------------------------------------------------------------


def rank_intervals(rows: Sequence[Shown], width: int = 400) -> Markup:
    """For the first teams the ranks between which they lie in 95 % of the resamples. "" for fewer than two."""
    bars = [(shown.row, *shown.ranks) for shown in rows]
    if len(bars) < 2:
        return Markup("")
    step = 17
    left, top = 118, 22
    height = top + step * len(bars) + 10
    last = max(high for _, _, high in bars)
    x = Scale(1, max(last, 2), left + 6, width - RIGHT)
    marks = sorted({1, *(round(t) for t in x.ticks() if t >= 1)})
    parts = [f'<path class="grid" d="M{x(t)} {top - 6}V{height - 8}"/>' for t in marks]
    parts += [f'<text x="{x(t)}" y="11" text-anchor="middle">{t}</text>' for t in marks]
    for k, (row, low, high) in enumerate(bars):
        y = top + step * k + 5
        name = row.team if len(row.team) <= 15 else f"{row.team[:14]}…"
        parts.append(f'<text class="name" x="{left - 8}" y="{y + 4}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<path class="bar wide" d="M{x(low)} {y}H{x(high) + 0.1}"/>')
        parts.append(
            f'<circle class="dot" cx="{x(row.rank)}" cy="{y}" r="4"><title>{escape(row.team)}: '
            f"rank {row.rank}, between {low} and {high}</title></circle>"
        )
    return svg(width, height, parts, "Between which ranks each team lies")


# -- precision and recall ----------------------------------------------------------------------------------------------


def precision_recall(curves: Mapping[str, PrecisionRecall], width: int = 400, height: int = 300) -> Markup:
    """A line a class, precision made to fall only. "" without curves."""
    drawn = {name: curve for name, curve in curves.items() if len(curve.recall)}
    if not drawn:
        return Markup("")
    x, y = Scale(0, 1, LEFT, width - RIGHT), Scale(0, 1, height - BOTTOM, TOP)
    parts = [*grid(y, width), *number_axis(x, height), label(4, 13, "precision")]
    parts.append(f'<text class="label" x="{(LEFT + width) / 2}" y="{height - 3}" text-anchor="middle">recall</text>')
    for k, (name, curve) in enumerate(drawn.items()):
        falling = np.maximum.accumulate(curve.precision[::-1])[::-1]
        few = np.unique(np.linspace(0, len(falling) - 1, MOST_POINTS).astype(int))
        points = "L".join(f"{x(curve.recall[j])} {y(falling[j])}" for j in few)
        end, at = escape(name), few[-1]
        parts.append(f'<path class="series series-{k % SERIES}" d="M{x(0)} {y(falling[0])}L{points}"/>')
        parts.append(f'<text x="{x(curve.recall[at]) + 4}" y="{y(falling[at]) + 4}">{end}</text>')
    return svg(width, height, parts, "Precision against recall, class by class")


# -- pieces ------------------------------------------------------------------------------------------------------------


def grid(y: Scale, width: int) -> list[str]:
    ticks = y.ticks()
    places = decimals_of(ticks)
    lines = [f'<path class="grid" d="M{LEFT} {y(tick)}H{width - RIGHT}"/>' for tick in ticks]
    return lines + [f'<text x="{LEFT - 8}" y="{y(t) + 4}" text-anchor="end">{t:.{places}f}</text>' for t in ticks]


def number_axis(x: Scale, height: int) -> list[str]:
    ticks = x.ticks(4)
    places = decimals_of(ticks)
    at = height - BOTTOM + 16
    return [f'<text x="{x(t)}" y="{at}" text-anchor="middle">{t:.{places}f}</text>' for t in ticks]


def decimals_of(ticks: Sequence[float]) -> int:
    step = min((b - a for a, b in pairwise(ticks)), default=1.0)
    return max(0, -math.floor(math.log10(step) + 1e-9))


def label(x: float, y: float, text: str) -> str:
    return f'<text class="label" x="{x}" y="{y}">{escape(text)}</text>'


def svg(width: int, height: int, parts: Iterable[str], title: str) -> Markup:
    head = f'<svg class="chart" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">'
    return Markup(f"{head}{''.join(parts)}</svg>")  # noqa: S704 (numbers, and text that is escaped above)
