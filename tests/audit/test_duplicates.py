"""Duplicates become one group; copies in the test, conflicts and splits that separate copies are reported."""

from dataclasses import replace

import numpy as np

from harness.audit import audit
from harness.audit.duplicates import merge
from harness.data.samples import Dataset, Samples, numbered
from harness.data.splits import Folds, Holdout
from harness.tasks.classification import Classification
from harness.tasks.segmentation import Segmentation
from tests.support.audited import ROWS, SIDE, TRUTH, evidence, masked, noise, problems

MASKS = Segmentation(("void", "soil", "bedrock"), (SIDE, SIDE), void=0)


def test_exact_and_near_copies_become_one_group() -> None:
    samples = masked()
    samples.inputs[7], samples.targets[7] = samples.inputs[2], samples.targets[2]
    found = audit(Dataset(samples), MASKS)
    assert problems(found) == {}
    assert found.groups.tolist() == [0, 10, 20, 30, 40, 50, 60, 20, 80, 90]
    assert "2 = 7" in evidence(found, "duplicates")
    grain = np.random.default_rng(3).normal(0, 2, (SIDE, SIDE))
    samples.inputs[7] = np.round(samples.inputs[2] * 1.1 + 10 + grain)
    found = audit(Dataset(samples), MASKS)
    assert found.groups[7] == found.groups[2] == 20
    assert "1 near-duplicate pairs" in evidence(found, "duplicates")


def test_even_surfaces_and_common_gradients_are_not_alike() -> None:
    samples = masked()
    grain = np.random.default_rng(4).normal(0, 1, (10, SIDE, SIDE))
    ramp = np.linspace(20, 200, SIDE)[:, None]
    samples.inputs[:3] = np.array([90, 91, 150])[:, None, None]  # constant
    samples.inputs[3:6] = np.round(90 + grain[3:6])  # even, with the sensor's noise
    samples.inputs[6:] = np.round(ramp + grain[6:])  # the same gradient, with the sensor's noise
    assert audit(Dataset(samples), MASKS).groups.tolist() == samples.groups.tolist()


def test_a_training_picture_in_the_official_test_is_a_warning_that_names_both() -> None:
    samples, test = masked(), noise(4, seed=1)
    test[1] = samples.inputs[3]
    test[2] = samples.inputs[4] + np.uint8(9)
    found = audit(Dataset(samples, {"test": Samples(np.array(["a", "b", "c", "d"]), test)}), MASKS)
    assert problems(found) == {"test duplicates": "warn"}
    assert "3 = test b, 4 = test c" in evidence(found, "test duplicates")


def test_one_picture_with_two_labels_is_a_warning_that_names_both_rows() -> None:
    samples = masked()
    samples.inputs[7] = samples.inputs[2]
    found = audit(Dataset(samples), MASKS)
    assert problems(found) == {"conflicting labels": "warn"}
    assert "2 / 7" in evidence(found, "conflicting labels")


def test_copies_across_few_groups_stay_apart_so_that_a_split_is_left() -> None:
    samples = replace(masked(), groups=np.arange(10) % 3)
    samples.inputs[7], samples.targets[7] = samples.inputs[2], samples.targets[2]
    found = audit(Dataset(samples), MASKS)
    assert found.groups.tolist() == samples.groups.tolist()
    assert problems(found)["duplicates"] == "warn"
    assert "1 of them across declared groups: 2 = 7" in evidence(found, "duplicates")


def test_duplicates_that_a_split_separates_fail() -> None:
    class Careless(Folds):
        def held_out(self, samples: Samples, holdout: Holdout) -> np.ndarray:
            return np.arange(len(samples)) < 20

        def assign_folds(self, samples: Samples, count: int) -> np.ndarray:
            return np.arange(len(samples)) % count

    pictures = noise()
    pictures[1] = pictures[100]
    labels = Classification(("ant", "bee"))
    found = audit(Dataset(Samples(numbered(ROWS), pictures, TRUTH)), labels, Careless(folds=3))
    assert problems(found)["duplicates"] == "fail"
    assert "1 = 100" in evidence(found, "duplicates")


def test_groups_and_duplicates_are_merged_through_any_chain() -> None:
    groups = np.array([5, 5, 1, 9, 9, 4])
    # 5-1 by rows 1 and 2, 9-5 by rows 4 and 0: 5, 1 and 9 are one group, 4 stays
    assert merge(groups, [(1, 2), (4, 0)]).tolist() == [1, 1, 1, 1, 1, 4]
    assert merge(groups, []).tolist() == groups.tolist()
