"""What all pages share: one file each, with its style inside, that needs no other file, no network and no script."""

from pathlib import Path
from typing import Any

from harness.report.html import format

STYLE = Path(__file__).parent / "style.css"
WORDS = ("counted", "number", "percent", "scored", "signed", "span")


def render(template: Path, **values: Any) -> bytes:
    """The page of a jinja2 template, which also knows `style` and the words; what it names must be given."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.globals |= {name: getattr(format, name) for name in WORDS}
    environment.filters["coded"] = format.coded
    style = STYLE.read_text(encoding="utf-8")
    return environment.from_string(template.read_text(encoding="utf-8")).render(style=style, **values).encode()
