"""Regression: numbers are averaged, written, and read back as they were; what is no number is named."""

from pathlib import Path

import numpy as np
import pytest

from harness.errors import InvalidSubmission, UserError
from harness.tasks.regression import Regression

TASK, IDS = Regression("horsepower"), np.array(["a", "b", "c"])
AWKWARD = np.array([0.1, 123456.789, -2.5e-8], np.float32)


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    TASK.write(IDS, AWKWARD, tmp_path / "s.csv")
    assert (TASK.read(tmp_path / "s.csv", IDS).astype(np.float32) == AWKWARD).all()
    assert (TASK.read(tmp_path / "s.csv", IDS[::-1]).astype(np.float32) == AWKWARD[::-1]).all()
    TASK.write(IDS, np.array([150.0, 95.5, 0.0], np.float32), tmp_path / "s.csv")
    assert (tmp_path / "s.csv").read_text() == "id,horsepower\na,150\nb,95.5\nc,0\n"


@pytest.mark.parametrize(
    "text", ["nan", "inf", "-inf", "NaN", "1e999", "", " 1", "1_000", "1,5", "٣", "ninety", "0x10"]
)
def test_what_is_no_finite_number_is_refused_by_line_and_column(text: str, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(f'id,horsepower\na,1\nb,"{text}"\nc,3\n', encoding="utf-8")
    with pytest.raises(InvalidSubmission) as refusal:
        TASK.read(tmp_path / "s.csv", IDS)
    for word in ("s.csv", "line 3", "id b", "column horsepower", repr(text), "finite number"):
        assert word in str(refusal.value)


@pytest.mark.parametrize("text", ["1", "-1.5", ".5", "1e3", "+2.", "1E-3"])
def test_what_is_a_number_is_read(text: str, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(f"id,horsepower\na,1\nb,{text}\nc,3\n")
    assert TASK.read(tmp_path / "s.csv", IDS)[1] == float(text)


def test_targets_that_are_no_numbers_are_refused() -> None:
    TASK.check_targets(np.array([1.0, 2.0]))
    for wrong in (np.zeros((2, 1)), np.array(["1", "2"])):
        with pytest.raises(UserError, match=r"one number a row, \(n,\)"):
            TASK.check_targets(wrong)
