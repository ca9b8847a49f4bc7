"""docs/catalogue.md is what the code says."""

from harness.data import formats
from harness.metrics.metric_names import METRICS
from tests.catalogue import PAGE, page


def test_the_catalogue_is_as_the_code_is() -> None:
    assert PAGE.read_text() == page(), "run `python -m tests.catalogue`"


def test_every_metric_reader_layout_and_model_has_a_line() -> None:
    written = page()
    assert [entry.title for entry in METRICS if f"| {entry.title} |" not in written] == []
    assert [name for name in formats.__all__ if f"- `{name}` (" not in written] == []
    kinds = ("Layout", "Label", "Probabilities", "Numbers", "Pixels", "Runs", "Boxes", "Timm", "Smp", "Network", "Yolo")
    assert [name for name in (*kinds, "Sklearn", "boosted_labels") if f"- `{name}` (" not in written] == []
    assert not [line for line in written.splitlines() if line.endswith("): ")]  # every one says what it is
