"""The real data, where they are: what the READMEs say of them, and that they pass the audit and can be split."""

import numpy as np
import pytest

from competitions.cars.data import load as load_cars
from competitions.digits.competition import competition as digits
from competitions.glas.data import load as load_glas
from competitions.mars.data import has_big_rock
from competitions.mars.data import load as load_mars
from harness.audit import audit
from harness.competition import find
from harness.data.splits import divide
from harness.options import Request
from harness.prepare import prepare
from tests.support.tiny_data import REAL_SETS, SHARED

pytestmark = pytest.mark.real


@pytest.mark.parametrize(("name", "folder"), REAL_SETS)
def test_real_data_pass_the_audit_and_can_be_split(name: str, folder: str) -> None:
    prepared = prepare(Request(find(name), data=SHARED / "data" / folder))
    folds = prepared.folds(find(name), find(name).split.folds)
    assert set(folds) == set(range(find(name).split.folds))
    assert len(prepared.holdout) > 0.1 * len(prepared.train)


def test_the_tiles_of_mars() -> None:
    dataset = load_mars(SHARED / "data" / "mars")
    assert (len(dataset.labelled), len(dataset.official["test"])) == (2615, 4000)
    assert int(has_big_rock(dataset.labelled.targets).sum()) == 93
    assert len(np.unique(dataset.labelled.groups)) == 738


def test_cars_without_a_horsepower_are_the_official_part() -> None:
    dataset = load_cars(SHARED / "data" / "auto_mpg")
    (asked,) = dataset.official.values()
    assert (len(dataset.labelled), len(asked)) == (392, 6)
    assert asked.ids.tolist() == ["32", "126", "330", "336", "354", "374"]  # rows of the file, from 0
    assert dataset.labelled.targets[:3].tolist() == [130, 165, 150]
    assert "horsepower" not in dataset.labelled.inputs.dtype.names


def test_digits_of_the_official_part_have_no_label() -> None:
    dataset = digits.load(SHARED / "data" / "mnist")
    assert dataset.labelled.inputs.shape == (20000, 28, 28)
    assert len(dataset.official["test"]) == 5000
    assert dataset.official["test"].targets is None


def test_patients_of_glas_stay_whole_and_both_grades_are_in_every_part() -> None:
    declared, dataset = find("glas"), load_glas(SHARED / "data" / "glas")
    samples = dataset.labelled
    assert (len(samples), len(dataset.official["testB"])) == (145, 20)
    assert samples.ids[[0, 84, 85, 144]].tolist() == ["train-0", "train-84", "testA-0", "testA-59"]
    assert len(np.unique(samples.groups)) == 16
    assert np.bincount(samples.stratify).tolist() == [70, 75]
    assert audit(dataset, declared.task).verdict == "pass"
    judged = declared.split.held_out(samples, declared.holdout)
    held, kept = samples[judged], samples[~judged]
    assert len(np.unique(held.groups)) == 4
    assert not set(held.groups.tolist()) & set(kept.groups.tolist())
    share = declared.holdout.public
    for key in range(30):
        public = divide(declared.split.stratify(held), held.groups, [share, 1 - share], str(key).encode()) == 0
        assert set(held.stratify[public]) == set(held.stratify[~public]) == {0, 1}
    for count in (2, 3, 4, 5):
        folds = declared.split.assign_folds(kept, count)
        assert all(set(kept.stratify[folds == k]) == {0, 1} for k in range(count))
