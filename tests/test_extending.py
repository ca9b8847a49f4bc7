"""The recipes of docs/extending.md work as they stand there."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.data.samples import Samples, numbered
from harness.models import Context
from harness.tasks.classification import Classification
from tests.structure import REPOSITORY

PAGE = (REPOSITORY / "docs" / "extending.md").read_text()


def recipe(name: str) -> dict[str, Any]:
    """The names that a code block of the page defines."""
    (code,) = re.findall(rf"^```python {name}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {"__name__": f"recipe_{name}"}
    exec(compile(code, f"docs/extending.md, {name}", "exec"), names)
    return names


def test_a_plain_function_is_a_metric_that_can_be_resampled() -> None:
    error = recipe("metric")["symmetric_error"]
    statistics = error.statistics(np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 2.0]))
    assert error.score(statistics) == pytest.approx((0 + 0 + 2 * 2 / 6) / 3)
    assert error.score(statistics, np.array([1, 1, 0])) == 0
    assert not error.higher_is_better


def test_a_learner_is_trained_stored_and_loaded(tmp_path: Path) -> None:
    learner, task = recipe("learner")["NearestMean"](), Classification(("dark", "bright"))
    images = np.array([[0], [10], [200], [220]], np.uint8)
    context = Context(task, tmp_path)
    fitted = learner.fit(Samples(numbered(4), images, np.array([0, 0, 1, 1])), None, context)
    assert fitted.predict(images).argmax(1).tolist() == [0, 0, 1, 1]
    assert (learner.load(context).predict(images) == fitted.predict(images)).all()


def test_the_other_recipes_are_values_of_a_declaration() -> None:
    class Trial:
        def suggest_int(self, name: str, low: int, high: int) -> int:
            return high

    assert recipe("estimator")["boosted"].build.__name__ == "lightgbm"
    learner = recipe("learner")["NearestMean"]()
    assert recipe("space")["faster"](Trial(), learner).epochs == 20
