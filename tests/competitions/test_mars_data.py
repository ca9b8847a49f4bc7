"""Reading the raw files of Mars: both layouts, and what a person may have got wrong."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from competitions.mars import terrain
from competitions.mars.data import BIG_ROCK, CLASSES, VOID, has_big_rock, load, rarest_class_present
from harness.errors import UserError

REAL = Path(__file__).resolve().parents[2] / os.environ.get("SHARED", "../shared") / "data" / "mars"


def tiles(rows: int = 3) -> dict[str, np.ndarray]:
    """Arrays of a `train.npz` in which nothing is wrong."""
    images = np.arange(rows, dtype=np.uint8)[:, None, None] + np.full((rows, 64, 128), 100, np.uint8)
    masks = np.ones((rows, 64, 128), np.uint8)
    return {"images": images, "masks": masks, "group": np.full(rows, 7, np.int32)}


def write(folder: Path, test: dict[str, np.ndarray] | None = None, **changed: np.ndarray) -> Path:
    np.savez_compressed(folder / "train.npz", **(tiles() | changed))
    official = {"images": tiles(2)["images"], "id": np.array([40, 41])}
    np.savez_compressed(folder / "test_images.npz", **(official if test is None else test))
    return folder


def test_tiles_keep_their_rover_positions_and_the_official_test_its_ids(tmp_path: Path) -> None:
    dataset = load(write(tmp_path))
    assert dataset.labelled.ids.tolist() == ["0", "1", "2"]
    assert dataset.labelled.groups.tolist() == [7, 7, 7]
    assert dataset.labelled.inputs[:, 0, 0].tolist() == [100, 101, 102]
    assert dataset.official["test"].ids.tolist() == ["40", "41"]
    assert dataset.official["test"].targets is None


def test_the_course_file_may_hold_floats_and_every_row_is_its_own_group(tmp_path: Path) -> None:
    pairs = np.stack([tiles()["images"], tiles()["masks"]], axis=1).astype(np.float64)
    np.savez(tmp_path / "mars_for_students.npz", training_set=pairs, test_set=tiles(2)["images"])
    dataset = load(tmp_path)
    assert dataset.labelled.inputs.dtype == dataset.labelled.targets.dtype == np.uint8
    assert dataset.labelled.inputs[:, 5, 5].tolist() == [100, 101, 102]
    assert dataset.labelled.targets.sum() == 3 * 64 * 128
    assert dataset.labelled.groups.tolist() == [0, 1, 2]
    assert dataset.official["test"].ids.tolist() == ["0", "1"]


def test_tiles_without_positions_are_grouped_by_frame_or_else_stand_alone(tmp_path: Path) -> None:
    arrays = {key: value for key, value in tiles().items() if key != "group"}
    write(tmp_path)
    np.savez(tmp_path / "train.npz", **arrays, frame=np.array([1, 1, 2]))
    assert load(tmp_path).labelled.groups.tolist() == [1, 1, 2]
    np.savez(tmp_path / "train.npz", **arrays)
    assert load(tmp_path).labelled.groups.tolist() == [0, 1, 2]


def spoilt(value: float, dtype: type = np.uint8) -> np.ndarray:
    """Three 64x128 planes of ones; row 1 holds one `value`."""
    planes = np.ones((3, 64, 128), dtype)
    planes[1, 2, 3] = value
    return planes


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"masks": spoilt(7)}, r"train\.npz, masks, row 1 holds 7, but the classes are 0 to 4 \(background, soil"),
        ({"masks": spoilt(-1, np.int16)}, r"masks, row 1 holds -1, but the classes are 0 to 4"),
        ({"masks": spoilt(1.5, np.float32)}, r"masks, row 1 holds 1\.5, but the classes"),
        ({"masks": spoilt(np.nan, np.float32)}, r"masks, row 1 holds NaN or an infinity"),
        ({"masks": np.zeros((3, 64, 128), np.uint8)}, r"masks has no labelled pixel"),
        ({"masks": np.ones((2, 64, 128), np.uint8)}, r"train\.npz holds 3 images but 2 masks"),
        ({"images": spoilt(np.nan, np.float32)}, r"images, row 1 holds NaN or an infinity, but grey values are whole"),
        (
            {"images": spoilt(256, np.int32)},
            r"images, row 1 holds 256, but grey values are whole numbers from 0 to 255",
        ),
        ({"images": np.ones((3, 128, 64), np.uint8)}, r"images has shape \(3, 128, 64\), but \(n, 64, 128\) is right"),
        ({"images": np.ones((0, 64, 128), np.uint8)}, r"images is empty"),
        ({"images": np.full((3, 64, 128), "a")}, r"images is of type <U1, but numbers are needed"),
        ({"images": np.array([None, {}])}, r"images holds pickled objects, which are never opened"),
        ({"group": np.array([1, 2])}, r"group is int64 of shape \(2,\), but one integer for each of 3 tiles"),
        ({"group": np.array([1.5, 2, 3])}, r"group is float64 of shape \(3,\), but one integer"),
    ],
)
def test_wrong_arrays_are_named_with_what_would_be_right(tmp_path: Path, changed: dict, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        load(write(tmp_path, **changed))


def test_a_missing_array_is_named_beside_what_the_file_holds(tmp_path: Path) -> None:
    write(tmp_path)
    np.savez(tmp_path / "train.npz", images=tiles()["images"], labels=tiles()["masks"])
    with pytest.raises(UserError, match=r"train\.npz lacks the array 'masks'; it needs .* and holds images, labels"):
        load(tmp_path)


def test_an_official_id_that_stands_twice_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"test_images\.npz, id holds 5 2 times"):
        load(write(tmp_path, test={"images": tiles(2)["images"], "id": np.array([5, 5])}))


def test_the_course_file_with_planes_in_the_wrong_place_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "mars_for_students.npz", training_set=np.ones((3, 64, 128, 2)), test_set=tiles()["images"])
    with pytest.raises(UserError, match=r"training_set has shape \(3, 64, 128, 2\), but \(n, 2, 64, 128\) is right"):
        load(tmp_path)


def test_a_folder_without_either_layout_is_told_both(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"neither train\.npz \(with test_images\.npz\) nor mars_for_students\.npz"):
        load(tmp_path)


def test_a_missing_test_file_is_named(tmp_path: Path) -> None:
    (write(tmp_path) / "test_images.npz").unlink()
    with pytest.raises(UserError, match=r"test_images\.npz cannot be read: No such file"):
        load(tmp_path)


@pytest.mark.parametrize("keep", [0, 100, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_refused_in_one_sentence(tmp_path: Path, keep: float) -> None:
    file = write(tmp_path) / "train.npz"
    content = file.read_bytes()
    file.write_bytes(content[: int(keep * len(content)) if keep < 1 else int(keep)])
    with pytest.raises(UserError, match=r"train\.npz is no complete npz archive \(cut off") as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)


def test_flipped_bytes_inside_an_archive_are_noticed(tmp_path: Path) -> None:
    file = write(tmp_path) / "train.npz"
    content = bytearray(file.read_bytes())
    content[60:90] = bytes(30)
    file.write_bytes(bytes(content))
    with pytest.raises(UserError, match=r"train\.npz, images is damaged"):
        load(tmp_path)


def test_the_stratum_of_a_tile_is_its_class_in_the_fewest_tiles() -> None:
    masks = np.ones((5, 64, 128), np.uint8)  # soil in every tile but the last
    masks[1:3, :9] = 2
    masks[2, 20:] = BIG_ROCK
    masks[3, :4] = 0
    masks[4] = 0  # nothing is labelled: stands with soil, the most common class
    assert rarest_class_present(masks).tolist() == [1, 2, 4, 1, 1]
    assert has_big_rock(masks).tolist() == [False, False, True, False, False]


@pytest.mark.real
def test_the_real_tiles_are_what_their_readme_says() -> None:
    if not REAL.is_dir():
        pytest.skip(f"no real data at {REAL}")
    dataset = load(REAL)
    assert (len(dataset.labelled), len(dataset.official["test"])) == (2615, 4000)
    assert int(has_big_rock(dataset.labelled.targets).sum()) == 93
    assert len(np.unique(dataset.labelled.groups)) == 738


@pytest.fixture
def few_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terrain, "TRAIN_TILES", 12)
    monkeypatch.setattr(terrain, "TEST_TILES", 4)


@pytest.mark.usefixtures("few_tiles")
def test_made_terrain_has_the_layout_of_the_real_tiles(tmp_path: Path) -> None:
    terrain.terrain_sample(tmp_path)
    dataset = load(tmp_path)
    assert dataset.labelled.inputs.shape == dataset.labelled.targets.shape == (12, 64, 128)
    assert dataset.official["test"].ids.tolist() == ["0", "1", "2", "3"]
    assert 1 < len(np.unique(dataset.labelled.groups)) < 12
    assert (dataset.labelled.targets != VOID).mean((1, 2)).min() >= 0.25


@pytest.mark.usefixtures("few_tiles")
def test_made_terrain_is_the_same_on_every_machine(tmp_path: Path) -> None:
    terrain.terrain_sample(tmp_path)
    labelled = load(tmp_path).labelled
    digest = hashlib.sha256(labelled.inputs.tobytes() + labelled.targets.tobytes()).hexdigest()
    assert digest[:16] == "a0b62f0da9a1bbff"


@pytest.mark.soak
def test_every_class_of_the_made_terrain_is_at_enough_positions_to_be_split(tmp_path: Path) -> None:
    terrain.terrain_sample(tmp_path)
    labelled = load(tmp_path).labelled
    for label in range(1, len(CLASSES)):
        there = (labelled.targets == label).any((1, 2))
        assert len(np.unique(labelled.groups[there])) >= 20, CLASSES[label]
    assert 0.05 <= has_big_rock(labelled.targets).mean() <= 0.1
