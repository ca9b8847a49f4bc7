"""Regression: numbers are averaged, written, and read back as they were; what is no number is named."""

from pathlib import Path

import numpy as np
import pytest

from harness.ensemble import Blend, Member, OOFData, fit
from harness.errors import InvalidSubmission, UserError
from harness.metrics import RMSE
from harness.tasks.regression import Regression

TASK, IDS = Regression("horsepower"), np.array(["a", "b", "c"])
AWKWARD = np.array([0.1, 123456.789, -2.5e-8], np.float32)


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    TASK.write(IDS, AWKWARD, tmp_path / "s.csv")
    assert (TASK.read(tmp_path / "s.csv", IDS).astype(np.float32) == AWKWARD).all()
    assert (TASK.read(tmp_path / "s.csv", IDS[::-1]).astype(np.float32) == AWKWARD[::-1]).all()
    TASK.write(IDS, np.array([150.0, 95.5, 0.0], np.float32), tmp_path / "s.csv")
    assert (tmp_path / "s.csv").read_text() == "id,horsepower\na,150\nb,95.5\nc,0\n"


def test_the_sample_submission_is_valid(tmp_path: Path) -> None:
    TASK.sample_submission(IDS, tmp_path / "s.csv")
    assert TASK.read(tmp_path / "s.csv", IDS).tolist() == [0, 0, 0]


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


def test_the_average_is_weighted_and_of_one_it_is_itself() -> None:
    a, b = np.array([1.0, 2049.0], np.float32), np.array([3.0, 0.0], np.float32)
    assert TASK.average([a], [0.2]) is a
    np.testing.assert_allclose(TASK.average([a, b], [3, 1]), [1.5, 1536.75])


def test_predictions_are_stored_without_rounding_to_half_precision() -> None:
    packed = TASK.pack(np.array([2049.0, 1e6]))
    assert TASK.unpack(packed).tolist() == [2049.0, 1e6]
    assert sum(array.nbytes for array in packed.values()) == 2 * TASK.row_bytes


def test_targets_that_are_no_numbers_are_refused() -> None:
    TASK.check_targets(np.array([1.0, 2.0]))
    for wrong in (np.zeros((2, 1)), np.array(["1", "2"])):
        with pytest.raises(UserError, match=r"one number a row, \(n,\)"):
            TASK.check_targets(wrong)


def test_a_specialist_has_nothing_to_look_for() -> None:
    with pytest.raises(UserError, match="horsepower is a number and has no class 2"):
        TASK.expand(AWKWARD, 2)


def test_a_blend_of_two_models_with_different_errors_is_taken_and_nothing_else_is_tried() -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(50, 200, 120)
    noisy = {name: (truth + rng.normal(0, 10, 120)).astype(np.float32) for name in ("one", "two")}
    members = {name: Member(prediction, prediction) for name, prediction in noisy.items()}
    oof = OOFData(TASK, RMSE(), members, truth, np.arange(120) % 4, np.arange(120))
    step_results = fit(oof, Blend(("one", "two")))
    assert [step_result.step for step_result in step_results][1:] == ["test-time augmentation", "blend"]
    assert step_results[-1].accepted
    single, blended = (RMSE().score(oof.statistics_of(step_results[k].recipe)) for k in (0, -1))
    assert blended < 0.8 * single  # of two equal and independent ones, 1 / sqrt(2) remains
