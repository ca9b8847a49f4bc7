"""Masks of several parts: classes that overlap, and objects that touch, in run lengths and in a file for each."""

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.data.formats import images_and_masks, images_and_objects, images_and_runs
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


# -- objects -----------------------------------------------------------------------------------------------------------


def save(file: Path, pixels: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(pixels, np.uint8)).save(file)


@pytest.fixture
def nuclei(tmp_path: Path) -> Path:
    """train/a: two nuclei that touch, of one row of six pixels each; train/b: an image without any."""
    grey = np.zeros((3, 6))
    for name in "ab":
        save(tmp_path / "train" / name / "images" / f"{name}.png", grey)
    save(tmp_path / "train" / "a" / "masks" / "1.png", [[255] * 6, [0] * 6, [0] * 6])
    save(tmp_path / "train" / "a" / "masks" / "2.png", [[0] * 6, [255] * 6, [255, 255, 0, 0, 0, 0]])
    return tmp_path


def test_a_mask_file_for_every_object_makes_one_mask_with_a_gap_between_them(nuclei: Path) -> None:
    dataset = images_and_objects(nuclei / "train").labelled
    assert dataset.ids.tolist() == ["a", "b"] and dataset.targets.dtype == np.uint8
    assert dataset.targets.tolist() == [[[1] * 6, [0] * 6, [1, 1, 0, 0, 0, 0]], [[0] * 6] * 3]
    assert images_and_objects(nuclei / "train", size=(6, 12)).labelled.targets[0, ::2, ::2].tolist() == [
        [1] * 6, [0] * 6, [1, 1, 0, 0, 0, 0],
    ]  # fmt: skip


def test_an_object_of_another_size_than_its_image_is_named_and_images_keep_their_sizes(nuclei: Path) -> None:
    save(nuclei / "train" / "b" / "masks" / "1.png", [[255]])
    with pytest.raises(UserError, match=r"b.masks.1\.png is 1 x 1 .* its image b\.png is 3 x 6"):
        images_and_objects(nuclei / "train")
    save(nuclei / "train" / "b" / "masks" / "1.png", [[255, 0]])
    save(nuclei / "train" / "b" / "images" / "b.png", [[0, 0]])
    assert [mask.shape for mask in images_and_objects(nuclei / "train").labelled.targets] == [(3, 6), (1, 2)]
    save(nuclei / "train" / "b" / "images" / "c.png", [[0, 0]])
    with pytest.raises(UserError, match=r"b.images should hold one image"):
        images_and_objects(nuclei / "train")


def test_rows_of_objects_that_touch_keep_a_gap_where_asked(folder: Path) -> None:
    """An object of a pixel, and one of the two pixels beside it; b and c have no row, and show nothing."""
    table = folder / "train.csv"
    table.write_text("ImageId,EncodedPixels\na,1 1\na,2 2\n")
    plain, apart = (
        images_and_runs(folder / "images", table, "ImageId", "EncodedPixels", ("sea", "ship"), apart=apart)
        for apart in (False, True)
    )
    assert plain.labelled.targets[0].tolist() == [[1, 1, 1], [0, 0, 0]]
    assert apart.labelled.targets[0].tolist() == [[1, 0, 1], [0, 0, 0]]
    assert not apart.labelled.targets[1:].any() and apart.labelled.ids.tolist() == ["a", "b", "c"]
