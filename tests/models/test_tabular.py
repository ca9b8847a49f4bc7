"""Ready estimators: any table as a person has it, with missing numbers and text never seen before."""

from pathlib import Path

import numpy as np
import pytest

from harness.data.samples import Samples, numbered
from harness.models import Context
from harness.models.sklearn import Sklearn
from harness.models.tabular import boosted_labels, boosted_numbers, linear_labels, linear_numbers
from harness.tasks.classification import Classification
from harness.tasks.regression import Regression


def table(rows: int, towns: tuple[str, ...] = ("hill", "river")) -> np.ndarray:
    """size: 0 to 9, every seventh missing; town: in turn."""
    size = np.where(np.arange(rows) % 7 == 6, np.nan, np.arange(rows) % 10)
    town = np.array(towns)[np.arange(rows) % len(towns)]
    return np.array(list(zip(size, town, strict=True)), [("size", "f8"), ("town", "U8")])


def fitted(build, targets: np.ndarray, task, folder: Path):
    rows = Samples(numbered(len(targets)), table(len(targets)), targets)
    return Sklearn(build).fit(rows, None, Context(task, folder))


@pytest.mark.parametrize("build", [boosted_numbers, linear_numbers])
def test_a_number_is_learned_from_numbers_and_from_text(build, tmp_path: Path) -> None:
    """The price is 10 times the size, and 100 more at the river."""
    known = table(120)
    prices = 10 * np.nan_to_num(known["size"], nan=4.5) + 100 * (known["town"] == "river")
    said = fitted(build, prices, Regression("price"), tmp_path).predict(known)
    assert np.abs(said - prices).mean() < 15


@pytest.mark.parametrize("build", [boosted_labels, linear_labels])
def test_labels_are_learned_from_text(build, tmp_path: Path) -> None:
    known = table(80)
    labels = (known["town"] == "river").astype(np.uint8)
    probabilities = fitted(build, labels, Classification(("dry", "wet")), tmp_path).predict(known)
    assert (probabilities.argmax(1) == labels).all()


@pytest.mark.parametrize("build", [boosted_numbers, linear_numbers, boosted_labels, linear_labels])
def test_unknown_text_and_missing_numbers_have_an_answer(build, tmp_path: Path) -> None:
    labels = np.arange(80) % 2
    task = Classification(("a", "b")) if "labels" in build.__name__ else Regression("price")
    said = fitted(build, labels.astype(np.float64) if isinstance(task, Regression) else labels, task, tmp_path)
    strange = table(14, towns=("moon", ""))
    strange["size"][:5] = np.nan
    assert np.isfinite(said.predict(strange)).all()


def test_a_table_without_text_or_without_numbers_is_a_table(tmp_path: Path) -> None:
    for number, column in enumerate(("size", "town")):
        rows = Samples(numbered(60), table(60)[[column]], np.arange(60) % 10 * 1.0)
        for build in (boosted_numbers, linear_numbers):
            folder = tmp_path / f"{number}-{build.__name__}"
            assert len(Sklearn(build).fit(rows, None, Context(Regression("y"), folder)).predict(rows.inputs)) == 60
