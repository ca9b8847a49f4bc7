"""GlaS: both labelled files as one, patients that no part cuts, grades in every part, and glands made on the spot."""

import hashlib
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from competitions.glas import glands
from competitions.glas.data import load
from harness.audit import audit
from harness.competition import find
from harness.data.samples import Dataset, numbered
from harness.data.splits import divide
from harness.errors import UserError
from harness.metrics import MeanDice
from harness.prepare import few
from harness.tasks.segmentation import Segmentation

REAL = Path(__file__).resolve().parents[2] / os.environ.get("SHARED", "../shared") / "data" / "glas"


def pictures(rows: int, first: int = 0) -> dict[str, np.ndarray]:
    """Arrays of a labelled file in which nothing is wrong."""
    images = (
        np.zeros((rows, 128, 128, 3), np.uint8) + np.arange(first, first + rows, dtype=np.uint8)[:, None, None, None]
    )
    masks = np.zeros((rows, 128, 128), np.uint8)
    masks[:, :64] = 1
    return {"images": images, "masks": masks, "grade": np.arange(rows, dtype=np.uint8) % 2,
            "patient": np.arange(rows, dtype=np.int16) // 2}  # fmt: skip


def write(folder: Path, **changed: np.ndarray) -> Path:
    np.savez(folder / "train.npz", **(pictures(4) | changed))
    np.savez(folder / "testA.npz", **pictures(2, first=100))
    np.savez(folder / "testB_images.npz", images=pictures(3, first=200)["images"])
    return folder


def test_both_labelled_files_are_one_and_the_third_is_the_official_test(tmp_path: Path) -> None:
    dataset = load(write(tmp_path))
    assert dataset.labelled.ids.tolist() == ["train-0", "train-1", "train-2", "train-3", "testA-0", "testA-1"]
    assert dataset.labelled.inputs[:, 5, 5, 0].tolist() == [0, 1, 2, 3, 100, 101]
    assert dataset.labelled.groups.tolist() == [0, 0, 1, 1, 0, 0]
    assert dataset.labelled.stratify.tolist() == [0, 1, 0, 1, 0, 1]
    assert dataset.official.keys() == {"testB"}
    assert dataset.official["testB"].ids.tolist() == ["0", "1", "2"]
    assert dataset.official["testB"].targets is None


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"masks": np.full((4, 128, 128), 2, np.uint8)}, ["train.npz, masks", "holds 2", "0 and 1"]),
        ({"grade": np.array([0, 1, 2, 3])}, ["train.npz, grade", "holds 3"]),
        ({"masks": np.zeros((3, 128, 128), np.uint8)}, ["masks has shape (3, 128, 128)", "(4, 128, 128)"]),
        ({"images": np.zeros((4, 96, 128, 3), np.uint8)}, ["images has shape (4, 96, 128, 3)", "(4, 128, 128, 3)"]),
        ({"images": np.zeros((4, 128, 128, 3))}, ["images is float64", "uint8"]),
        ({"patient": np.array([0.0, 0.5, 1, 1])}, ["patient is float64", "whole numbers"]),
        ({"masks": np.array([object()])}, ["train.npz is missing or damaged"]),
    ],
)
def test_what_a_person_may_have_got_wrong_is_named(changed: dict, words: list[str], tmp_path: Path) -> None:
    with pytest.raises(UserError) as refusal:
        load(write(tmp_path, **changed))
    assert [word for word in words if word not in str(refusal.value)] == [], str(refusal.value)


def test_a_missing_array_and_a_file_cut_off_are_named(tmp_path: Path) -> None:
    arrays = pictures(4)
    del arrays["patient"]
    np.savez(write(tmp_path) / "train.npz", **arrays)
    with pytest.raises(UserError, match=r"train\.npz: patient .* it needs the arrays images, masks, patient, grade"):
        load(tmp_path)
    write(tmp_path)
    whole = (tmp_path / "testA.npz").read_bytes()
    (tmp_path / "testA.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"testA\.npz is missing or damaged .* get it again"):
        load(tmp_path)
    (tmp_path / "testA.npz").unlink()
    with pytest.raises(UserError, match=r"testA\.npz is missing"):
        load(tmp_path)


# -- splits ------------------------------------------------------------------------------------------------------------


def parts_hold(dataset: Dataset, folds: tuple[int, ...]) -> np.ndarray:
    """Split as the harness does, with every key that the judge may draw; returns the patients of the hold-out."""
    declared, samples = find("glas"), dataset.labelled
    judged = declared.split.judged(samples, declared.holdout)
    held, kept = samples[judged], samples[~judged]
    assert not set(held.groups.tolist()) & set(kept.groups.tolist())
    share = declared.holdout.public
    for key in range(30):
        public = divide(declared.split.stratify(held), held.groups, [share, 1 - share], str(key).encode()) == 0
        assert set(held.stratify[public]) == set(held.stratify[~public]) == {0, 1}
    for count in folds:
        fold_of_row = declared.split.assign_folds(kept, count)
        for k in range(count):
            assert set(kept.stratify[fold_of_row == k]) == {0, 1}
            assert not set(kept.groups[fold_of_row == k]) & set(kept.groups[fold_of_row != k])
    return np.unique(held.groups)


def test_made_patients_are_whole_and_both_grades_are_in_every_part(tmp_path: Path) -> None:
    glands.gland_sample(tmp_path)
    dataset = load(tmp_path)
    assert len(parts_hold(dataset, folds=(2, 3, 5))) >= 4
    parts_hold(few(dataset, dataset.labelled.stratify), folds=(2,))  # FAST=1


@pytest.mark.real
def test_the_real_patients_are_whole_and_both_grades_are_in_every_part() -> None:
    dataset = load(REAL)
    assert (len(dataset.labelled), len(dataset.official["testB"])) == (145, 20)
    assert dataset.labelled.ids[[0, 84, 85, 144]].tolist() == ["train-0", "train-84", "testA-0", "testA-59"]
    assert np.unique(dataset.labelled.groups).tolist() == list(range(1, 17))  # the contest's 16 patients, in both files
    assert np.bincount(dataset.labelled.stratify).tolist() == [70, 75]
    checked = audit(dataset, find("glas").task)
    assert checked.verdict == "pass", [vars(check) for check in checked.checks]
    assert len(parts_hold(dataset, folds=(2, 3, 4, 5))) == 4


# -- the made pictures -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("glands")
    glands.gland_sample(folder)
    return load(folder)


def test_a_hundred_pictures_are_made_the_same_everywhere(made: Dataset) -> None:
    """Their bytes are fixed: scores on made data can be compared between machines."""
    samples = made.labelled
    assert (len(samples), len(made.official["testB"])) == (100, 12)
    content = samples.inputs.tobytes() + samples.targets.tobytes() + made.official["testB"].inputs.tobytes()
    assert hashlib.sha256(content).hexdigest() == "b60873fc83dddec847d9c64aac735fc065d5d2a9399d817921d4adb20365419d"


def test_the_audit_finds_nothing_wrong_with_them(made: Dataset) -> None:
    assert audit(made, find("glas").task).verdict == "pass"


def test_glands_and_the_rest_are_both_in_every_picture(made: Dataset) -> None:
    share = made.labelled.targets.mean((1, 2))
    assert share.min() > 0.1
    assert share.max() < 0.8
    assert 0.3 < share.mean() < 0.5


def test_brightness_alone_does_not_find_them(made: Dataset) -> None:
    """The best threshold of the green channel, either way, is far from what a network is there for."""
    green, truth = made.labelled.inputs[..., 1], made.labelled.targets
    metric = MeanDice(("background", "gland"))
    best = max(
        metric.score(metric.statistics(truth, (sign * green.astype(int) > sign * level).astype(np.uint8)))
        for level in range(100, 240, 10)
        for sign in (1, -1)
    )
    everything = metric.score(metric.statistics(truth, np.ones_like(truth)))
    assert best < everything + 0.1 < 0.75


def test_malignant_glands_are_ragged_and_fused(made: Dataset) -> None:
    """They fill less of their convex hull: below 0.8 against above 0.9 for the median picture of each grade."""
    grade, fill = made.labelled.stratify, np.array([share_of_hull(mask) for mask in made.labelled.targets])
    assert np.median(fill[grade == 1]) < 0.82
    assert np.median(fill[grade == 0]) > 0.88


def share_of_hull(mask: np.ndarray) -> float:
    """The area of all outlines over that of their hulls."""
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return sum(map(cv2.contourArea, outlines)) / sum(cv2.contourArea(cv2.convexHull(outline)) for outline in outlines)


def test_an_official_submission_is_read_back(tmp_path: Path, made: Dataset) -> None:
    """`id,rle` of the gland, ids from 0."""
    task = find("glas").task
    assert isinstance(task, Segmentation)
    task.write(numbered(12), made.labelled.targets[:12], tmp_path / "official.csv")
    lines = (tmp_path / "official.csv").read_text().splitlines()
    assert lines[0] == "id,rle"
    assert [line.split(",")[0] for line in lines[1:]] == [str(row) for row in range(12)]
    assert (task.read(tmp_path / "official.csv", numbered(12)) == made.labelled.targets[:12]).all()
