"""A specialist is advised for one of several classes, never for one of two."""

from types import SimpleNamespace
from typing import Any

import pytest

from harness.report.run_report import specialist_advice
from harness.report.search_advice import worst_class


def run_of(classes: int) -> Any:
    """What the advice looks at: the first class would gain most if it were perfect."""
    headroom = [SimpleNamespace(name=f"class {k}", score=0.9 - k / 10, gain=0.4 - k / 10) for k in range(classes)]
    task = SimpleNamespace(classes=tuple(row.name for row in headroom))
    declared = SimpleNamespace(name="mine", metric=SimpleNamespace(name="F1"), task=task)
    cv = {"cv": {"low": 0.48, "high": 0.52}}
    return SimpleNamespace(
        headroom=headroom, competition=declared, recipe=SimpleNamespace(class_specialist=None), score=0.5, manifest=cv
    )


@pytest.mark.parametrize(("classes", "advised"), [(2, False), (3, True)])
def test_with_two_classes_a_report_advises_no_specialist(classes: int, advised: bool) -> None:
    assert ("make specialist" in specialist_advice(run_of(classes))) == advised


@pytest.mark.parametrize(("classes", "advised"), [(2, False), (3, True)])
def test_with_two_classes_a_search_report_advises_no_specialist(classes: int, advised: bool) -> None:
    scores = [(f"class {k}", 0, 0.3 + k / 3) for k in range(classes)]
    history: Any = SimpleNamespace(classes=lambda: scores, better_by=lambda a, b: a - b)
    assert bool(list(worst_class(history, {}))) == advised
