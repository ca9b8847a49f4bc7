"""The gallery of a report, from the worst to the best row: truth, prediction and difference as images in the page."""

import base64
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from harness.metrics import Metric
from harness.report.last_run import LastRun

EACH = 6  # rows of the worst, the middle and the best
LONGEST, SMALL, QUALITY = 300, 96, 82  # pixels of a side; up to which an image stays as it is; of JPEG
TITLES = ("The worst", "In the middle", "The best")


class Panel(NamedTuple):
    """kind: truth, prediction or difference; source: a data URI; pixelated: shown larger than it is."""

    kind: str
    source: str
    pixelated: bool


class GalleryRow(NamedTuple):
    """truth, prediction: in words, "" where the panels show it; score: None where the metric has none for one row."""

    id: str
    score: float | None
    truth: str
    prediction: str
    panels: Sequence[Panel]
    key: str = ""

    @property
    def correct(self) -> bool:
        return self.truth == self.prediction


class Gallery(NamedTuple):
    """key: what the colours of a difference mean; note: what was left out."""

    parts: Sequence[tuple[str, Sequence[GalleryRow]]]
    key: str
    note: str

    @property
    def drawn(self) -> bool:
        """Whether rows are images, and not the rows of a table."""
        return any(row.panels for _, rows in self.parts for row in rows)


def gallery(run: LastRun) -> Gallery:
    decided, note = run.diagnostics.drawable(run.oof.targets, run.predictions.decided)
    errors = np.abs(run.diagnostics.errors(run.predictions.targets, run.predictions.subsampled))
    scores = row_scores(run.competition.metric, run.statistics)
    parts = [
        (title, [gallery_row(run, row, decided[row], scores[row]) for row in rows])
        for title, rows in zip(TITLES, ranked(run, scores, errors), strict=True)
    ]
    keys = [row.key for _, rows in parts for row in rows]
    return Gallery(parts, max(keys, key=len, default=""), note)


def row_scores(metric: Metric, statistics: np.ndarray) -> np.ndarray:
    """(n,) float: the metric of every row alone, NaN where it has no value for one row."""
    return np.array([metric.score(statistics[row : row + 1]) for row in range(len(statistics))], float)


def ranked(run: LastRun, scores: np.ndarray, errors: np.ndarray) -> list[list[int]]:
    """Rank rows by their own score; equal rows, or all where the metric has no score of one row, by their error."""
    first = np.argsort(-errors, kind="stable")
    by = scores if np.isfinite(scores).any() else -run.sign * errors
    return [[int(first[k]) for k in rows] for rows in worst_to_best(run.competition.metric, by[first], EACH)]


def worst_to_best(metric: Metric, scores: np.ndarray, most: int) -> list[list[int]]:
    """The rows of the worst, the middle and the best, at most `most` of each, worst first; no row twice.

    Rows of the same score stay in their order.
    """
    order = np.argsort(scores if metric.higher_is_better else -scores, kind="stable")
    order = order[np.isfinite(scores[order])]
    each = min(most, -(-len(order) // 3))
    middle = max(each, (len(order) - each) // 2)
    best = max(middle + each, len(order) - each)
    return [order[first : first + each].tolist() for first in (0, middle, best)]


def gallery_row(run: LastRun, row: int, decided: Any, score: float) -> GalleryRow:
    target = run.oof.targets[row]
    panels, key = draw_panels(run, row, decided)
    words = run.diagnostics.describe(target), run.diagnostics.describe(decided)
    return GalleryRow(str(run.samples.ids[row]), float(score) if np.isfinite(score) else None, *words, panels, key)


def draw_panels(run: LastRun, row: int, decided: Any) -> tuple[list[Panel], str]:
    """Truth, prediction and difference, and the key to the difference; the image alone where nothing is drawn on it.

    A row of a table has none.
    """
    raw, target = np.asarray(run.samples.inputs[row]), run.oof.targets[row]
    if raw.ndim not in (2, 3) or raw.dtype != np.uint8:
        return [], ""
    image, draw = rgb(raw), run.diagnostics.draw
    difference = run.diagnostics.draw_difference(image, target, decided)
    if difference is None:
        return [panel("picture", image)], ""
    drawn = {"truth": draw(image, target), "prediction": draw(image, decided), "difference": difference[0]}
    return [panel(kind, drawing) for kind, drawing in drawn.items()], difference[1]


def panel(kind: str, image: np.ndarray) -> Panel:
    """Encode a small image as PNG, pixel by pixel; shrink a larger one and encode it as JPEG."""
    import cv2

    height, width = image.shape[:2]
    small, shrink = max(height, width) <= SMALL, min(1.0, LONGEST / max(height, width))
    if shrink < 1:
        size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    suffix, options = (".png", []) if small else (".jpg", [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    content = cv2.imencode(suffix, np.ascontiguousarray(image[..., ::-1]), options)[1].tobytes()
    mime = "png" if small else "jpeg"
    return Panel(kind, f"data:image/{mime};base64,{base64.b64encode(content).decode()}", small)


def rgb(image: np.ndarray) -> np.ndarray:
    """(h, w, 3) uint8; the contrast of a grey image is stretched."""
    import cv2

    if image.ndim == 3:
        return image
    stretched = cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX)  # type: ignore[call-overload]
    return np.repeat(stretched[..., None], 3, axis=2)
