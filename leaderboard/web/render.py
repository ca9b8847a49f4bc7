"""Pages from templates: everything that people wrote is escaped, and numbers and times look alike on all of them."""

from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import quote

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse

from harness.files import sha256_of
from leaderboard.cli.text import counted, short_time
from leaderboard.entries import finite
from leaderboard.web.settings import HERE


def page(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    member = getattr(request.state, "member", None)
    text = templates().get_template(template).render(request=request, member=member, status=status, **values)
    return HTMLResponse(text, status)


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
        "finite": finite,
        "part": lambda text: quote(text, safe=""),
        "size": size,
    }
    return environment


def number(value: float | None, decimals: int = 3) -> str:
    return "" if value is None else f"{value:.{decimals}f}"


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
            words = f"{count} {unit}{'s' * (count != 1)}"
            return f"in {words}" if seconds > 0 else f"{words} ago"
    return "now"


def size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"
