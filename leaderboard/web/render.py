"""Pages from templates: whatever people wrote is escaped, and numbers and times look alike on all of them."""

import csv
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache
from http import HTTPStatus
from typing import Any, NamedTuple

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from harness import paths
from harness.competition import find
from harness.files import finite, sha256_of
from leaderboard.cli.text import counted, number, short_time
from leaderboard.web.hosted import HERE, HostedCompetition, settings_of

FORMAT_COLUMNS = {
    "id": "the id of a sample, as it stands in the sample submission; every id once, in any order",
    "label": "the number of the class: {classes}",
    "rle": "run lengths: pairs `start length`, the first pixel is 1, row by row; may be empty",
    "class": "the number of the class that the runs belong to: {classes}",
    "PredictionString": "six numbers a box: class, confidence, x, y, width, height in pixels; at most 100 boxes",
}


def page(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    member = getattr(request.state, "member", None)
    always = {"request": request, "settings": settings_of(request), "member": member, "status": status}
    return HTMLResponse(templates().get_template(template).render(always, **values), status)


def refusal(request: Request, status: int, sentence: str) -> Response:
    """Every refusal: {"error": sentence} for programs, a page for people."""
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": sentence}, status)
    title = HTTPStatus(status).phrase
    return page(request, "error.html", status=status, title=title, sentence=sentence)


@cache
def templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals["style"] = sha256_of(HERE / "static" / "style.css")[:8]  # a new one is fetched at once
    environment.filters |= {
        "number": number,
        "signed": signed,
        "time": short_time,
        "ago": ago,
        "entries": counted,
        "finite": lambda value: finite(value) if isinstance(value, int | float) else None,  # or it is undefined
    }
    return environment


def signed(value: float | None, decimals: int = 3) -> str:
    """With a true minus sign.

    >>> signed(-0.0123), signed(0.5, 1), signed(-0.0001)
    ('−0.012', '+0.5', '0.000')
    """
    if value is None:
        return ""
    text = f"{value:+z.{decimals}f}".replace("-", "−")
    return text[1:] if not float(text[1:]) else text


def ago(iso: str) -> str:
    """How far a time lies from now: "3 hours ago", "in 2 days"."""
    seconds = (datetime.fromisoformat(iso) - datetime.now(UTC)).total_seconds()
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if abs(seconds) >= length:
            count = round(abs(seconds) / length)
            distance = f"{count} {unit}{'s' * (count != 1)}"
            return f"in {distance}" if seconds > 0 else f"{distance} ago"
    return "now"


# -- how a submission looks --------------------------------------------------------------------------------------------


class FileFormat(NamedTuple):
    """columns: (name, meaning); lines: the first ones of the sample; ids: how many a submission must have."""

    columns: list[tuple[str, str]]
    lines: list[str]
    ids: int
    size: int


def file_format(hosted: HostedCompetition) -> FileFormat | None:
    """Describe the sample submission; None if this server lacks the public part of the data."""
    file = paths.public(hosted.name, hosted.data.data_hash) / "sample_submission.csv"
    return _described(hosted.name, str(file), file.stat().st_size) if file.exists() else None


@lru_cache(maxsize=32)
def _described(name: str, path: str, size: int) -> FileFormat:
    with open(path, encoding="utf-8", newline="") as text:
        header, ids = next(csv.reader([next(text)])), set()
        lines: list[str] = []
        for line in text:
            ids.add(line.split(",", 1)[0])
            if len(lines) < 4:
                lines.append(line.rstrip("\r\n"))
    classes = numbered(find(name).task.classes)
    if len(header) > 20:
        pixels = f"one column a pixel, row by row: the number of its class ({classes})"
        columns = [("id", FORMAT_COLUMNS["id"]), (f"{header[1]} … {header[-1]}", pixels)]
    else:
        value = "a number with a point: no comma, no NaN, nothing empty"
        columns = [(column, FORMAT_COLUMNS.get(column, value).format(classes=classes)) for column in header]
    shown = [line if len(line) < 100 else f"{line[:60]} … {line[-12:]}" for line in [",".join(header), *lines]]
    return FileFormat(columns, shown, len(ids), size)


def numbered(classes: Sequence[str]) -> str:
    """Say which number means which class.

    >>> numbered(("cat", "dog")), numbered(("0", "1", "2"))
    ('0 cat, 1 dog', '0 to 2')
    """
    if all(label == str(k) for k, label in enumerate(classes)):
        return f"0 to {len(classes) - 1}"
    return ", ".join(f"{k} {label}" for k, label in enumerate(classes[:40]))
