"""Ready estimators: any table as a person has it, with missing numbers and text never seen before."""

from pathlib import Path
from typing import Any

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


def fitted(build, inputs: np.ndarray, targets: np.ndarray, folder: Path) -> Any:
    task = Classification(("dry", "wet")) if "labels" in build.__name__ else Regression("price")
    return Sklearn(build).fit(Samples(numbered(len(inputs)), inputs, targets), None, Context(task, folder))


@pytest.mark.parametrize("build", [boosted_numbers, linear_numbers, boosted_labels, linear_labels])
def test_a_table_is_learned_from_numbers_and_text_and_what_was_never_seen_has_an_answer(build, tmp_path: Path) -> None:
    known, strange = table(120), table(14, towns=("moon", ""))
    strange["size"][:5] = np.nan
    river = (known["town"] == "river").astype(np.uint8)
    if "labels" in build.__name__:
        model = fitted(build, known, river, tmp_path)
        assert (model.predict(known).argmax(1) == river).all()
    else:
        prices = 10 * np.nan_to_num(known["size"], nan=4.5) + 100 * river
        model = fitted(build, known, prices, tmp_path)
        assert np.abs(model.predict(known) - prices).mean() < 15
    assert np.isfinite(model.predict(strange)).all()


@pytest.mark.parametrize("column", ["size", "town"])
@pytest.mark.parametrize("build", [boosted_numbers, linear_numbers])
def test_a_table_without_text_or_without_numbers_is_a_table(build, column: str, tmp_path: Path) -> None:
    inputs = table(60)[[column]]
    assert len(fitted(build, inputs, np.arange(60) % 10 * 1.0, tmp_path).predict(inputs)) == 60
