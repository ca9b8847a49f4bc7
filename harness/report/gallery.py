"""The gallery of a report, from the worst to the best row: truth, prediction and difference as images in the page."""

import base64
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from harness.data.pixels.depth import displayed
from harness.data.samples import Bags, images_of
from harness.metrics import Metric
from harness.report.last_run import LastRun

EACH, BAG = 6, 3  # rows of the worst, the middle and the best; images that are shown of a row
LONGEST, SMALL, QUALITY = 300, 96, 82  # pixels of a side; up to which an image stays as it is; of JPEG
TITLES = ("The worst", "In the middle", "The best")


class Panel(NamedTuple):
    """kind: truth, prediction or difference; source: a data URI; pixelated: shown larger than it is."""

    kind: str
    source: str
    pixelated: bool


class GalleryRow(NamedTuple):
    """truth, prediction: in words, "" where the panels show it; score: None where the metric has none for one row.

    panels: none of a row of a table. key: what the colours of the difference mean.
    """

    id: str
    score: float | None
    truth: str
    prediction: str
    panels: Sequence[Panel]
    key: str

    @property
    def correct(self) -> bool:
        return self.truth == self.prediction


def gallery(run: LastRun) -> dict[str, Any]:
    """parts: (title, rows); key: what the colours of a difference mean; note: what was left out."""
    decided, note = run.diagnostics.drawable(run.oof.targets, run.predictions.decided)
    errors = np.abs(run.diagnostics.errors(run.predictions.targets, run.predictions.subsampled))
    scores = row_scores(run.competition.metric, run.statistics)
    describe, targets = run.diagnostics.describe, run.oof.targets

    def shown(row: int) -> GalleryRow:
        score = float(scores[row]) if np.isfinite(scores[row]) else None
        words = describe(targets[row]), describe(decided[row])
        return GalleryRow(str(run.samples.ids[row]), score, *words, *draw_panels(run, row, decided))

    chosen = worst_to_best(run.sign * scores, errors, EACH)
    parts = [(title, [shown(row) for row in rows]) for title, rows in zip(TITLES, chosen, strict=True)]
    keys = [row.key for _, rows in parts for row in rows]
    return {"parts": parts, "key": max(keys, key=len, default=""), "note": note}


def row_scores(metric: Metric, statistics: np.ndarray) -> np.ndarray:
    """(n,) float: the metric of every row alone, NaN where it has no value for one row."""
    return np.array([metric.score(statistics[row : row + 1]) for row in range(len(statistics))], float)


def worst_to_best(scores: np.ndarray, errors: np.ndarray, most: int) -> list[list[int]]:
    """The rows of the worst, the middle and the best, at most `most` of each, worst first; no row twice.

    scores: higher is better. Equal rows, or all where no row has a score of its own, are ranked by their error.
    """
    by = scores if np.isfinite(scores).any() else -errors
    order = np.lexsort((-errors, by))
    order = order[np.isfinite(by[order])]
    each = min(most, -(-len(order) // 3))
    middle = max(each, (len(order) - each) // 2)
    best = max(middle + each, len(order) - each)
    return [order[first : first + each].tolist() for first in (0, middle, best)]


def draw_panels(run: LastRun, row: int, decided: Any) -> tuple[list[Panel], str]:
    """Truth, prediction and difference, and the key to the difference; the image alone where nothing is drawn on it.

    A row of a table has none, of several images the first few are shown. decided: of all rows. The contrast of a grey
    image is stretched, and that of a deep one.
    """
    inputs = images_of(run.samples.inputs)
    if isinstance(inputs, Bags):
        images = inputs[row][:BAG]
        return [panel("picture", in_colour(displayed(np.asarray(image)))) for image in images], ""
    image = np.asarray(inputs[row])
    if image.ndim not in (2, 3) or image.dtype not in (np.uint8, np.uint16):
        return [], ""
    image = in_colour(displayed(image))
    target, draw = run.oof.targets[row], run.diagnostics.draw
    difference = run.diagnostics.draw_difference(image, target, decided[row])
    if difference is None:
        return [panel("picture", image)], ""
    drawn = {"truth": draw(image, target), "prediction": draw(image, decided[row]), "difference": difference[0]}
    return [panel(kind, drawing) for kind, drawing in drawn.items()], difference[1]


def in_colour(image: np.ndarray) -> np.ndarray:
    """(h, w, 3) of (h, w) or (h, w, 3) uint8; the contrast of a grey image is stretched."""
    import cv2

    if image.ndim == 3:
        return image
    stretched = cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX)  # type: ignore[call-overload]
    return np.repeat(stretched[..., None], 3, axis=2)


def panel(kind: str, image: np.ndarray) -> Panel:
    """Encode a small image as PNG, pixel by pixel; shrink a larger one and encode it as JPEG. image: (h, w, 3)."""
    import cv2

    height, width = image.shape[:2]
    small, shrink = max(height, width) <= SMALL, min(1.0, LONGEST / max(height, width))
    if shrink < 1:
        size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    mime, options = ("png", []) if small else ("jpeg", [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    content = cv2.imencode(f".{mime}", np.ascontiguousarray(image[..., ::-1]), options)[1].tobytes()
    return Panel(kind, f"data:image/{mime};base64,{base64.b64encode(content).decode()}", small)
