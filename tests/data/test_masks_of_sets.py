"""Masks whose classes overlap, read from run lengths in a table and from a folder of masks for every class."""

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.data.formats import images_and_masks, images_and_runs
from harness.errors import UserError

CLASSES = ("large", "small")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """images/a.png ... c.png of 2 x 3 pixels."""
    (tmp_path / "images").mkdir()
    for k, name in enumerate("abc"):
        Image.fromarray(np.full((2, 3, 3), 40 * k, np.uint8)).save(tmp_path / "images" / f"{name}.png")
    return tmp_path


def test_run_lengths_of_classes_that_overlap_make_sets(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """b has an empty cell for each class, c no row at all; a second row of a class adds to it."""
    table = folder / "train.csv"
    table.write_text("id,class,segmentation\na,large,1 3\na,small,1 1 4 1\na,small,6 1\nb,large,\nb,small,\n")
    images = folder / "images"
    dataset = images_and_runs(images, table, "id", "segmentation", CLASSES, label="class", multilabel=True)
    assert dataset.labelled.ids.tolist() == ["a", "b", "c"] and dataset.labelled.targets.dtype == np.uint8
    assert dataset.labelled.targets.tolist() == [[[3, 1, 1], [2, 0, 2]], [[0] * 3] * 2, [[0] * 3] * 2]
    with caplog.at_level(logging.WARNING):
        images_and_runs(images, table, "id", "segmentation", ("none", *CLASSES), label="class")
    assert "in 1 rows a pixel has two classes" in caplog.text and "multilabel=True" in caplog.text


def test_a_row_without_runs_needs_no_class(folder: Path) -> None:
    """Severstal's train: rows of images with a defect alone; others write an image without one with an empty class."""
    table = folder / "train.csv"
    table.write_text("id,class,segmentation\na,small,2 1\nb,,\n")
    dataset = images_and_runs(folder / "images", table, "id", "segmentation", ("none", *CLASSES), label="class")
    assert dataset.labelled.targets.tolist() == [[[0, 2, 0], [0] * 3], [[0] * 3] * 2, [[0] * 3] * 2]


def test_a_folder_of_masks_for_every_class_makes_sets(folder: Path) -> None:
    """An image without a mask in the folder of a class shows none of it; one without any mask is not labelled."""
    for name, files in {"large": "ab", "small": "a"}.items():
        (folder / name).mkdir()
        for file in files:
            mask = np.zeros((2, 3), np.uint8)
            mask[0 if name == "large" else slice(None), 0] = 255
            Image.fromarray(mask).save(folder / name / f"{file}.png")
    masks = {name: folder / name for name in CLASSES}
    dataset = images_and_masks(folder / "images", masks, values=(0, 255))
    assert dataset.labelled.targets.tolist() == [[[3, 0, 0], [2, 0, 0]], [[1, 0, 0], [0] * 3]]
    assert dataset.official["unlabelled"].ids.tolist() == ["c"]
    Image.fromarray(np.zeros((2, 3), np.uint8)).save(folder / "small" / "d.png")
    with pytest.raises(UserError, match=r"small.*d\.png belongs to none of the images"):
        images_and_masks(folder / "images", masks, values=(0, 255))
