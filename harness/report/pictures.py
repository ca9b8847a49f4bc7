"""The worst-to-best gallery of a report: truth, prediction and difference, as small pictures inside the page."""

import base64
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from harness.metrics.gallery import chosen, rgb, row_scores
from harness.report.run import LastRun

EACH = 6  # of the worst, of those in the middle, and of the best
LONGEST, SMALL, QUALITY = 300, 96, 82  # pixels of a side; up to which it is kept as it is; of JPEG
TITLES = ("The worst", "In the middle", "The best")


class Panel(NamedTuple):
    """what: truth, prediction or difference; source: a data URI; pixelated: shown larger than it is."""

    what: str
    source: str
    pixelated: bool


class Shown(NamedTuple):
    """One row. truth, said: in words, "" where the panels say it; score: of the metric alone, None where it has none;
    sure: by how much it misses the truth."""

    id: str
    score: float | None
    truth: str
    said: str
    right: bool
    panels: Sequence[Panel]


class Gallery(NamedTuple):
    """key: what the colours of a difference mean; note: what was left out."""

    parts: Sequence[tuple[str, Sequence[Shown]]]
    key: str
    note: str

    @property
    def drawn(self) -> bool:
        """Whether rows are pictures, and not those of a table."""
        return any(row.panels for _, rows in self.parts for row in rows)


def gallery(run: LastRun) -> Gallery:
    account, said = run.competition.task.account, run.said
    shown, note = account.shown(run.oof.targets, said.decided)
    misses = np.abs(account.misses(said.targets, said.prediction))
    scores = row_scores(run.competition.metric, run.statistics)
    keys: list[str] = []
    parts = [
        (title, [one(run, row, shown[row], scores[row], keys) for row in rows])
        for title, rows in zip(TITLES, ranked(run, scores, misses), strict=True)
    ]
    return Gallery(parts, max(keys, key=len, default=""), note)


def ranked(run: LastRun, scores: np.ndarray, misses: np.ndarray) -> list[list[int]]:
    """Rows by the metric of each alone; of one score, and where it says nothing of a row, by how far they miss."""
    first = np.argsort(-misses, kind="stable")
    telling = np.isfinite(scores).any()
    by = scores if telling else -run.sign * misses
    return [[int(first[k]) for k in rows] for rows in chosen(run.competition.metric, by[first], EACH)]


def one(run: LastRun, row: int, said: Any, score: float, keys: list[str]) -> Shown:
    """keys: what differences mean is added to it."""
    account, target = run.competition.task.account, run.oof.targets[row]
    truth_words, said_words = account.words(target), account.words(said)
    return Shown(
        str(run.samples.ids[row]),
        float(score) if np.isfinite(score) else None,
        truth_words,
        said_words,
        truth_words == said_words,
        panels(run, row, target, said, keys),
    )


def panels(run: LastRun, row: int, target: Any, said: Any, keys: list[str]) -> list[Panel]:
    """None of a row of a table; the picture alone where nothing is drawn on it."""
    account, raw = run.competition.task.account, np.asarray(run.samples.inputs[row])
    if raw.ndim not in (2, 3) or raw.dtype != np.uint8:
        return []
    image = rgb(raw)
    difference = account.difference(image, target, said)
    if difference is None:
        return [panel("picture", account.picture(image, said))]
    keys.append(difference[1])
    drawn = {"truth": account.picture(image, target), "prediction": account.picture(image, said)}
    return [panel(what, picture) for what, picture in {**drawn, "difference": difference[0]}.items()]


def panel(what: str, picture: np.ndarray) -> Panel:
    """Small ones as PNG, pixel by pixel; larger ones shrunk, as JPEG."""
    import cv2

    height, width = picture.shape[:2]
    small, shrink = max(height, width) <= SMALL, min(1.0, LONGEST / max(height, width))
    if shrink < 1:
        size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    kind, options = (".png", []) if small else (".jpg", [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    content = cv2.imencode(kind, np.ascontiguousarray(picture[..., ::-1]), options)[1].tobytes()
    mime = "png" if small else "jpeg"
    return Panel(what, f"data:image/{mime};base64,{base64.b64encode(content).decode()}", small)
