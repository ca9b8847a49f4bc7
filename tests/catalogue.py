"""docs/catalogue.md, made of the code: `python -m tests.catalogue` writes it, a test keeps it true."""

import inspect
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness.data import formats
from harness.metrics.metric_names import METRICS
from harness.models import tabular
from harness.models.joint import Joint
from harness.models.numpy_learner import NumpyLearner
from harness.models.sklearn import Sklearn
from harness.models.smp import Network, Smp
from harness.models.timm import Timm
from harness.models.yolo.detector import Yolo
from harness.tasks import box_cells, cells, mask_cells
from harness.tasks.layout import Layout

PAGE = Path(__file__).resolve().parents[1] / "docs" / "catalogue.md"
HEAD = """# Catalogue

What a declaration can name, with one line each. `python -m tests.catalogue` writes this page from the code.
"""


def page() -> str:
    metrics = [
        f"| {entry.title} | {', '.join(entry.examples[1:])} | {', '.join(entry.tasks)} | {entry.needs} "
        f"| `{entry.expression.format(entry.default)}` |"
        for entry in METRICS
    ]
    layouts = [Layout, *(each for module in (cells, mask_cells, box_cells) for each in kinds_of_cells(module))]
    builders = [getattr(tabular, name) for name in own_names(tabular) if name.endswith(("_labels", "_numbers"))]
    return "\n".join(
        [
            HEAD,
            "## Metrics\n\nFrom `harness.metrics`.\n",
            "| metric | also | tasks | submissions carry | declared as |\n|---|---|---|---|---|",
            *metrics,
            "\n## Readers\n\nFrom `harness.data.formats`; each returns what `load` returns, or a part of it.\n",
            *lines(getattr(formats, name) for name in formats.__all__),
            "\n## Layouts of a submission\n\nFrom `harness.tasks.layout`, and cells from the modules beside it.\n",
            *lines(layouts),
            "\n## Models\n\nFrom `harness.models`; the last ones are builders for `Sklearn`.\n",
            *lines([Timm, Smp, Network, Yolo, Sklearn, Joint, NumpyLearner, *builders]),
            "",
        ]
    )


def kinds_of_cells(module: Any) -> list[type]:
    """The classes of a module that write and read the cells of a row."""
    own = [getattr(module, name) for name in own_names(module)]
    return [each for each in own if isinstance(each, type) and (hasattr(each, "columns") or hasattr(each, "read"))]


def own_names(module: Any) -> list[str]:
    return [name for name, each in vars(module).items() if getattr(each, "__module__", "") == module.__name__]


def lines(things: Iterable[Any]) -> list[str]:
    """A line of a list for every function or class: its name, and the first sentence of its docstring."""
    return [f"- `{each.__name__}` ({each.__module__}): {first_paragraph(each)}" for each in things]


def first_paragraph(each: Any) -> str:
    return " ".join((inspect.getdoc(each) or "").split("\n\n")[0].split())


if __name__ == "__main__":
    PAGE.write_text(page())
