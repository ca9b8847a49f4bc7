"""The HTML engine of all pages: one file each, with its style inside, without a script or anything from elsewhere."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness import paths
from harness.files import write_bytes
from harness.report import format

TEMPLATES = Path(__file__).parent / "templates"
MANY = 12  # rows of a table; the page says how many were left out


def write_page(competition: str, template: str, /, **values: Any) -> Path:
    """Write reports/<competition>/<template>.html; every name that the template uses must be given."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {name: made for name, made in vars(format).items() if callable(made)}
    environment.filters["coded"] = format.coded
    shared = {
        "title": competition.replace("_", " ").capitalize(),
        "style": (TEMPLATES / "style.css").read_text(encoding="utf-8"),
        "written": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "many": MANY,
    }
    file = paths.reports(competition) / f"{template}.html"
    write_bytes(file, environment.get_template(f"{template}.html").render(shared | values).encode())
    return file
