"""The entry audit, on data with one thing wrong at a time."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from competitions.blood import data as blood
from competitions.mars.data import CLASSES, VOID, load
from harness.audit import Audit, audit, merge
from harness.data.samples import Dataset, Samples, numbered
from harness.tasks.classification import Classification
from harness.tasks.segmentation import Segmentation

SIDE = 32
TASK = Segmentation(CLASSES, (SIDE, SIDE), void=VOID)
SHARED_DATA = Path(__file__).resolve().parents[2] / os.environ.get("SHARED", "../shared") / "data"
REAL = SHARED_DATA / "mars"


def pictures(rows: int, seed: int = 0) -> np.ndarray:
    """Unlike each other, and smooth enough that a little noise changes little."""
    coarse = np.random.default_rng(seed).integers(40, 200, (rows, SIDE // 2, SIDE // 2))
    return coarse.repeat(2, 1).repeat(2, 2).astype(np.uint8)


def clean(rows: int = 10) -> Samples:
    """Each picture its own group, under its own mask: soil above, bedrock below another line."""
    masks = np.ones((rows, SIDE, SIDE), np.uint8)
    for row in range(rows):
        masks[row, row + 3 :] = 2
    return Samples(numbered(rows), pictures(rows), masks, np.arange(rows) * 10)


def verdicts(found: Audit) -> dict[str, str]:
    """The checks that did not pass."""
    return {check.name: check.verdict for check in found.checks if check.verdict != "pass"}


def evidence(found: Audit, name: str) -> str:
    return next(check.evidence for check in found.checks if check.name == name)


def test_clean_data_pass_with_their_groups_as_declared() -> None:
    found = audit(Dataset(clean(), {"test": Samples(numbered(4), pictures(4, seed=1))}), TASK)
    assert found.verdict == "pass"
    assert found.exclusions == {}
    assert found.groups.tolist() == [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]


def test_the_report_is_plain_json() -> None:
    report = audit(Dataset(clean()), TASK).to_json()
    assert report["verdict"] == "pass"
    assert all(set(check) == {"name", "verdict", "evidence", "remedy", "details"} for check in report["checks"])


def test_aliens_are_found_by_their_mask_and_leave_training() -> None:
    samples = clean()
    samples.targets[[2, 5, 8]] = 1
    samples.targets[[2, 5, 8], 4:9, 4:9] = 4
    found = audit(Dataset(samples), TASK)
    assert verdicts(found) == {"shared masks": "warn"}
    assert found.exclusions == dict.fromkeys(("2", "5", "8"), "one mask under 3 pictures")


def test_an_alien_alone_in_the_void_is_found_too() -> None:
    samples = clean()
    samples.targets[[2, 5, 8]] = VOID
    samples.targets[[2, 5, 8], 4:9, 4:9] = 4
    assert sorted(audit(Dataset(samples), TASK).exclusions) == ["2", "5", "8"]


def test_one_class_over_the_whole_tile_is_no_artefact_though_many_tiles_share_it() -> None:
    samples = clean()
    samples.targets[:] = 1
    samples.targets[:, :, -1] = VOID  # the label ends a pixel before the frame does, as in the real tiles
    assert audit(Dataset(samples), TASK).verdict == "pass"


def test_two_pictures_with_one_mask_and_three_copies_of_one_picture_are_no_artefacts() -> None:
    samples = clean()
    samples.targets[1] = samples.targets[0]
    for copy in (7, 8):
        samples.inputs[copy], samples.targets[copy] = samples.inputs[6], samples.targets[6]
    assert audit(Dataset(samples), TASK).exclusions == {}


# -- pictures under a motif --------------------------------------------------------------------------------------------

CELLS = Classification(blood.CLASSES)


def faces(side: int) -> np.ndarray:
    """(2, side, side, 3) float: a green one with eyes, and a grinning one in lines; as unlike as two jokes are."""
    y, x = np.mgrid[:side, :side] / side

    def oval(cx: float, cy: float, rx: float, ry: float) -> np.ndarray:
        return ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2

    green, lines = np.full((side, side, 3), (60.0, 70, 50)), np.full((side, side, 3), 230.0)
    green[(oval(0.5, 0.52, 0.32, 0.4) < 1) | (oval(0.15, 0.3, 0.12, 0.06) < 1)] = (90, 170, 60)
    green[(oval(0.37, 0.42, 0.07, 0.07) < 1) | (oval(0.63, 0.42, 0.07, 0.07) < 1)] = 240
    green[(oval(0.5, 0.7, 0.18, 0.07) < 1) & (y > 0.7)] = (120, 40, 40)
    lines[abs(oval(0.5, 0.5, 0.4, 0.32) - 1) < 0.12] = 20
    lines[(abs(oval(0.35, 0.4, 0.09, 0.05) - 1) < 0.5) | (abs(oval(0.65, 0.4, 0.09, 0.05) - 1) < 0.5)] = 20
    lines[(abs(oval(0.5, 0.6, 0.26, 0.14) - 1) < 0.2) & (y > 0.6)] = 20
    return np.stack([green, lines])


def contaminated(cells: Samples, each: int, seed: int = 0) -> tuple[Samples, np.ndarray]:
    """The cells, and `each` copies of some under either face, blended and shifted differently, with labels at random;
    and the rows of these copies.
    """
    rng, images, side = np.random.default_rng(seed), list(cells.inputs), cells.inputs.shape[1]
    reach = side // 24
    for row in rng.integers(len(cells), size=2 * each):
        face = np.roll(faces(side)[len(images) % 2], rng.integers(-reach, reach + 1, 2), (0, 1))
        share = rng.uniform(0.45, 0.85)
        images.append(np.round((1 - share) * cells.inputs[row] + share * face).astype(np.uint8))
    labels = np.concatenate([cells.targets, rng.integers(len(blood.CLASSES), size=2 * each)]).astype(np.uint8)
    return Samples(numbered(len(images)), np.stack(images), labels), np.arange(len(cells), len(images))


@pytest.fixture(scope="module")
def cells() -> Samples:
    labels = np.arange(200) % len(blood.CLASSES)
    images = np.stack([blood.cells.scene(row, int(label)).image for row, label in enumerate(labels)])
    return Samples(numbered(200), images, labels.astype(np.uint8))


def test_pictures_under_two_motifs_are_found_and_leave_training(cells: Samples) -> None:
    samples, planted = contaminated(cells, each=25)
    found = audit(Dataset(samples), CELLS)
    assert verdicts(found) == {"contamination": "warn"}
    assert "lie under 2 motifs" in evidence(found, "contamination")
    assert set(found.exclusions) <= set(planted.astype(str))
    assert len(found.exclusions) >= 0.9 * len(planted)
    assert set(found.exclusions.values()) <= {f"one of {count} pictures under one motif" for count in range(20, 26)}


def test_they_make_no_group_that_could_not_be_split(cells: Samples) -> None:
    samples, planted = contaminated(cells, each=25)
    samples.inputs[planted[2::2]] = samples.inputs[planted[0]]  # the same picture 25 times
    found = audit(Dataset(samples), CELLS)
    assert set(planted[::2].astype(str)) <= set(found.exclusions)
    assert (found.groups[planted[::2]] == planted[::2]).all()


def test_a_motif_whose_labels_agree_is_a_class_of_its_own(cells: Samples) -> None:
    samples, planted = contaminated(cells, each=25)
    samples.targets[planted] = planted % 2
    assert audit(Dataset(samples), CELLS).exclusions == {}


def test_cells_that_look_alike_are_no_artefacts_whatever_their_labels(cells: Samples) -> None:
    found = audit(Dataset(cells), CELLS)
    assert (found.verdict, found.exclusions) == ("pass", {})
    mixed = replace(cells, targets=np.random.default_rng(0).permutation(cells.targets))
    assert audit(Dataset(mixed), CELLS).exclusions == {}


@pytest.mark.real
@pytest.mark.parametrize("name", ["bloodcells28", "bloodcells96"])
def test_no_real_cell_is_taken_for_an_artefact_and_copies_make_small_groups(name: str) -> None:
    if not (SHARED_DATA / name).is_dir():
        pytest.skip(f"no real data at {SHARED_DATA / name}")
    found = audit(blood.load(SHARED_DATA / name), CELLS)
    assert found.exclusions == {}
    assert np.unique(found.groups, return_counts=True)[1].max() <= 3


@pytest.mark.real
def test_motifs_over_copies_of_real_cells_are_found_and_no_cell_with_them() -> None:
    if not (SHARED_DATA / "bloodcells96").is_dir():
        pytest.skip(f"no real data at {SHARED_DATA / 'bloodcells96'}")
    samples, planted = contaminated(
        blood.load(SHARED_DATA / "bloodcells96").labelled, each=75
    )  # 13 %, as in the course
    found = set(audit(Dataset(samples), CELLS).exclusions)
    assert found <= set(planted.astype(str))
    assert len(found) >= 0.95 * len(planted)


# -- same and alike ----------------------------------------------------------------------------------------------------


def test_exact_copies_become_one_group() -> None:
    samples = clean()
    samples.inputs[7], samples.targets[7] = samples.inputs[2], samples.targets[2]
    found = audit(Dataset(samples), TASK)
    assert verdicts(found) == {}
    assert found.groups.tolist() == [0, 10, 20, 30, 40, 50, 60, 20, 80, 90]
    assert "1 exact copies" in evidence(found, "duplicates")
    assert "2 = 7" in evidence(found, "duplicates")


def test_a_brighter_noisy_copy_is_a_near_duplicate_and_joins_the_group() -> None:
    samples = clean()
    noise = np.random.default_rng(3).normal(0, 2, (SIDE, SIDE))
    samples.inputs[7] = np.round(samples.inputs[2] * 1.1 + 10 + noise)
    found = audit(Dataset(samples), TASK)
    assert found.groups[7] == found.groups[2] == 20
    assert "1 near-duplicate pairs" in evidence(found, "duplicates")


def test_even_surfaces_and_common_gradients_are_not_alike() -> None:
    samples = clean()
    noise = np.random.default_rng(4).normal(0, 1, (10, SIDE, SIDE))
    ramp = np.linspace(20, 200, SIDE)[:, None]
    samples.inputs[:3] = np.array([90, 91, 150])[:, None, None]  # constant
    samples.inputs[3:6] = np.round(90 + noise[3:6])  # even, with the sensor's noise
    samples.inputs[6:] = np.round(ramp + noise[6:])  # the same gradient, with the sensor's noise
    found = audit(Dataset(samples), TASK)
    assert found.groups.tolist() == samples.groups.tolist()


def test_a_training_picture_in_the_official_test_is_a_warning_that_names_both() -> None:
    samples = clean()
    asked = pictures(4, seed=1)
    asked[1] = samples.inputs[3]
    asked[2] = samples.inputs[4] + np.uint8(9)
    found = audit(Dataset(samples, {"test": Samples(np.array(["a", "b", "c", "d"]), asked)}), TASK)
    assert verdicts(found) == {"test duplicates": "warn"}
    assert "2 official test inputs" in evidence(found, "test duplicates")
    assert "3 = test b, 4 = test c" in evidence(found, "test duplicates")


def test_one_picture_with_two_labels_is_a_warning_that_names_both_rows() -> None:
    samples = clean()
    samples.inputs[7] = samples.inputs[2]
    found = audit(Dataset(samples), TASK)
    assert verdicts(found) == {"conflicting labels": "warn"}
    assert "2 / 7" in evidence(found, "conflicting labels")


def test_a_class_that_is_not_declared_fails_with_the_sentence_of_the_task() -> None:
    samples = clean()
    samples.targets[4, 0, 0] = 7
    found = audit(Dataset(samples), TASK)
    assert found.verdict == "fail"
    assert verdicts(found) == {"labels": "fail"}
    assert "mask 4 holds the class 7" in evidence(found, "labels")


def test_nan_in_a_picture_fails_and_in_a_table_warns() -> None:
    samples = clean()
    floats = samples.inputs.astype(np.float32)
    floats[3, 0, 0] = np.nan
    assert verdicts(audit(Dataset(replace(samples, inputs=floats)), TASK)) == {"finite": "fail"}
    table = np.arange(20, dtype=np.float64).reshape(10, 2)
    table[3, 1] = np.nan
    assert verdicts(audit(Dataset(replace(samples, inputs=table)), TASK)) == {"finite": "warn"}


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        ({"groups": np.arange(4)}, "labelled: 4 groups for 10 ids"),
        ({"inputs": pictures(9)}, "labelled: 9 inputs for 10 ids"),
        ({"ids": np.array(["0"] * 10)}, "labelled: an id stands for several samples"),
    ],
)
def test_arrays_that_do_not_fit_together_fail(broken: dict, sentence: str) -> None:
    found = audit(Dataset(replace(clean(), **broken)), TASK)
    assert found.verdict == "fail"
    assert evidence(found, "shapes") == sentence


def test_test_pictures_of_another_size_fail() -> None:
    found = audit(Dataset(clean(), {"test": Samples(numbered(4), pictures(4)[:, :30])}), TASK)
    assert evidence(found, "shapes") == "test: inputs are uint8 30x32, the labelled ones uint8 32x32"


def test_groups_and_duplicates_are_merged_through_any_chain() -> None:
    groups = np.array([5, 5, 1, 9, 9, 4])
    # 5-1 by rows 1 and 2, 9-5 by rows 4 and 0: 5, 1 and 9 are one group, 4 stays
    assert merge(groups, [(1, 2), (4, 0)]).tolist() == [1, 1, 1, 1, 1, 4]


@pytest.mark.real
def test_the_real_tiles_pass_and_none_of_them_is_taken_for_an_artefact() -> None:
    if not REAL.is_dir():
        pytest.skip(f"no real data at {REAL}")
    found = audit(load(REAL), Segmentation(CLASSES, (64, 128), void=VOID))
    assert (found.verdict, found.exclusions) == ("pass", {})


@pytest.mark.real
def test_aliens_planted_among_the_real_tiles_are_exactly_those_found() -> None:
    if not REAL.is_dir():
        pytest.skip(f"no real data at {REAL}")
    labelled = load(REAL).labelled
    masks, planted = labelled.targets.copy(), np.arange(0, 2200, 20)
    masks[planted] = 2
    masks[planted, 20:44, 50:70] = 4
    found = audit(Dataset(replace(labelled, targets=masks)), Segmentation(CLASSES, (64, 128), void=VOID))
    assert found.verdict == "warn"
    assert sorted(found.exclusions) == sorted(planted.astype(str).tolist())
