"""The readers of competitions with a format of their own, and that an error names the file and the array."""

from pathlib import Path

import numpy as np
import pytest

from competitions.blood.competition import competition as blood
from competitions.cancer.data import load as load_cancer
from competitions.cancer.data import wisconsin_sample
from competitions.glas.data import load as load_glas
from competitions.mars.data import BIG_ROCK, has_big_rock, rarest_class_present
from competitions.mars.data import load as load_mars
from harness.competition import find
from harness.data.samples import numbered
from harness.errors import UserError
from harness.tasks.layout import Asked

# -- Mars --------------------------------------------------------------------------------------------------------------


def tiles(rows: int = 3) -> dict[str, np.ndarray]:
    """Arrays of a `train.npz` in which nothing is wrong."""
    images = np.full((rows, 64, 128), 100, np.uint8) + np.arange(rows, dtype=np.uint8)[:, None, None]
    return {"images": images, "masks": np.ones_like(images), "group": np.full(rows, 7, np.int32)}


def write_tiles(folder: Path, **changed: np.ndarray) -> Path:
    np.savez_compressed(folder / "train.npz", **(tiles() | changed))
    np.savez_compressed(folder / "test_images.npz", images=tiles(2)["images"], id=np.array([40, 41]))
    return folder


def test_tiles_keep_their_rover_positions_else_frames_else_stand_alone(tmp_path: Path) -> None:
    dataset = load_mars(write_tiles(tmp_path, group=np.array([9, 7, 9])))
    assert dataset.labelled.ids.tolist() == ["0", "1", "2"]
    assert dataset.labelled.groups.tolist() == [1, 0, 1]
    assert dataset.labelled.inputs[:, 0, 0].tolist() == [100, 101, 102]
    assert dataset.official["test"].ids.tolist() == ["40", "41"]
    assert dataset.official["test"].targets is None
    del (arrays := tiles())["group"]
    np.savez(tmp_path / "train.npz", **arrays, frame=np.array([1, 1, 2]))
    assert load_mars(tmp_path).labelled.groups.tolist() == [0, 0, 1]
    np.savez(tmp_path / "train.npz", **arrays)
    assert load_mars(tmp_path).labelled.groups.tolist() == [0, 1, 2]


def test_the_course_file_of_mars_may_hold_floats_and_every_row_is_its_own_group(tmp_path: Path) -> None:
    pairs = np.stack([tiles()["images"], tiles()["masks"]], axis=1).astype(np.float64)
    np.savez(tmp_path / "mars_for_students.npz", training_set=pairs, test_set=tiles(2)["images"])
    dataset = load_mars(tmp_path)
    assert dataset.labelled.inputs.dtype == dataset.labelled.targets.dtype == np.uint8
    assert dataset.labelled.groups.tolist() == [0, 1, 2]
    assert dataset.official["test"].ids.tolist() == ["0", "1"]
    np.savez(tmp_path / "mars_for_students.npz", training_set=np.ones((3, 64, 128, 2)), test_set=tiles()["images"])
    with pytest.raises(UserError, match=r"training_set has shape \(3, 64, 128, 2\)"):
        load_mars(tmp_path)


@pytest.mark.parametrize(
    ("changed", "pattern"),
    [
        ({"masks": np.full((3, 64, 128), 1.5)}, r"train\.npz, row 0 holds 1\.5"),
        ({"images": np.ones((3, 128, 64), np.uint8)}, r"shape \(3, 128, 64\)"),
        ({"group": np.array([1, 2])}, "group holds 2 rows"),
    ],
)
def test_broken_tiles_are_named(tmp_path: Path, changed: dict, pattern: str) -> None:
    with pytest.raises(UserError, match=pattern):
        load_mars(write_tiles(tmp_path, **changed))


def test_a_folder_without_the_files_names_both_formats(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train\.npz .*test_images\.npz.*mars_for_students\.npz"):
        load_mars(tmp_path)
    with pytest.raises(UserError, match=r"train\.npz .*training_set\.npz"):
        blood.load(tmp_path)
    (write_tiles(tmp_path) / "test_images.npz").unlink()
    with pytest.raises(UserError, match=r"test_images\.npz"):
        load_mars(tmp_path)


def test_the_stratum_of_a_tile_is_its_class_in_the_fewest_tiles() -> None:
    masks = np.ones((5, 64, 128), np.uint8)  # soil in every tile but the last
    masks[1:3, :9] = 2
    masks[2, 20:] = BIG_ROCK
    masks[3, :4] = 0
    masks[4] = 0  # nothing is labelled: stands with soil, the most common class
    assert rarest_class_present(masks).tolist() == [1, 2, 4, 1, 1]
    assert has_big_rock(masks).tolist() == [False, False, True, False, False]


# -- blood -------------------------------------------------------------------------------------------------------------


def test_cells_come_in_two_files_or_in_the_one_of_the_course(tmp_path: Path) -> None:
    images, labels = np.zeros((4, 28, 28, 3), np.uint8), np.arange(4) * 2
    np.savez(tmp_path / "training_set.npz", images=images, labels=labels[:, None])
    course = blood.load(tmp_path)
    assert (course.labelled.targets.tolist(), course.official) == ([0, 2, 4, 6], {})
    blood.task.check_targets(course.labelled.targets)
    np.savez(tmp_path / "train.npz", images=images, labels=labels)
    np.savez(tmp_path / "test_images.npz", id=np.array([7, 3]), images=images[:2])
    assert blood.load(tmp_path).official["test"].ids.tolist() == ["7", "3"]


# -- GlaS --------------------------------------------------------------------------------------------------------------


def slices(rows: int, first: int = 0) -> dict[str, np.ndarray]:
    """Arrays of a labelled file in which nothing is wrong."""
    images = np.zeros((rows, 128, 128, 3), np.uint8)
    images += np.arange(first, first + rows, dtype=np.uint8)[:, None, None, None]
    masks = np.zeros((rows, 128, 128), np.uint8)
    masks[:, :64] = 1
    return {"images": images, "masks": masks, "grade": np.arange(rows) % 2, "patient": np.arange(rows) // 2}


def write_slices(folder: Path, **changed: np.ndarray) -> Path:
    np.savez(folder / "train.npz", **(slices(4) | changed))
    np.savez(folder / "testA.npz", **slices(2, first=100))
    np.savez(folder / "testB_images.npz", images=slices(3, first=200)["images"])
    return folder


def test_both_labelled_files_of_glas_are_one_and_the_third_is_the_official_test(tmp_path: Path) -> None:
    dataset = load_glas(write_slices(tmp_path))
    assert dataset.labelled.ids.tolist() == ["train-0", "train-1", "train-2", "train-3", "testA-0", "testA-1"]
    assert dataset.labelled.inputs[:, 5, 5, 0].tolist() == [0, 1, 2, 3, 100, 101]
    assert dataset.labelled.groups.tolist() == [0, 0, 1, 1, 0, 0]
    assert dataset.labelled.stratify.tolist() == [0, 1, 0, 1, 0, 1]
    assert dataset.official["testB"].ids.tolist() == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("changed", "pattern"),
    [
        ({"grade": np.array([0, 1, 2, 3])}, r"train\.npz, grade holds 3"),
        ({"patient": np.array([0.0, 0.5, 1, 1])}, r"train\.npz, patient, row 1 holds 0\.5"),
    ],
)
def test_broken_slices_are_named(changed: dict, pattern: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=pattern):
        load_glas(write_slices(tmp_path, **changed))


def test_an_official_submission_of_glas_is_run_lengths_of_the_gland(tmp_path: Path) -> None:
    task, masks = find("glas").task, slices(2)["masks"]
    task.write(Asked(numbered(2)), masks, tmp_path / "official.csv")
    assert (tmp_path / "official.csv").read_text().splitlines() == ["id,rle", "0,1 8192", "1,1 8192"]
    assert (task.read(tmp_path / "official.csv", Asked(numbered(2))) == masks).all()


# -- cancer ------------------------------------------------------------------------------------------------------------


def test_malignant_is_the_second_class_of_the_real_table(tmp_path: Path) -> None:
    wisconsin_sample(tmp_path)
    labelled = load_cancer(tmp_path).labelled
    assert np.bincount(labelled.targets).tolist() == [357, 212]  # benign, malignant, as UCI says
    assert len(labelled.inputs.dtype.names) == 30
    assert labelled.inputs["mean radius"][:2].tolist() == [17.99, 20.57]
    assert labelled.targets[:2].tolist() == [1, 1]


def test_a_missed_case_costs_ten_examinations() -> None:
    for name in ("cancer", "cytology"):
        _, cost = find(name).reported
        assert cost.score(cost.statistics(np.array([1, 0, 1, 0]), np.array([0, 1, 1, 0]))) == 11 / 4
