"""COCO results name images and classes as the host's annotation file does, or it is said before anything is trained."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.data.formats import coco, coco_images, files_named
from harness.data.images import EncodedImages, encode
from harness.data.samples import Dataset, Ragged, Samples
from harness.data.sources import File
from harness.data.splits import labels_of_boxes, stratified_grouped
from harness.errors import InvalidSubmission, UserError
from harness.metrics import MeanAveragePrecision
from harness.options import Request
from harness.prepare import Prepared, prepare
from harness.tasks.box_cells import BOXES, CocoResults
from harness.tasks.detection import Detection
from harness.tasks.layout import Asked
from tests.support.tiny_data import tiny_declaration

CLASSES = ("car", "dog")
ROWS = 12


def write_part(folder: Path, ids: list[Any], categories: tuple[Any, ...], boxes: bool = True) -> None:
    """Images of noise, with a box each, as COCO lays them out."""
    rng = np.random.default_rng(len(ids))
    (folder / "images").mkdir(parents=True)
    for k in range(len(ids)):
        image = rng.integers(0, 255, (24, 32, 3), dtype=np.uint8)
        (folder / "images" / f"{k}.bmp").write_bytes(encode(image).tobytes())
    listed: dict[str, Any] = {"images": [{"id": name, "file_name": f"{k}.bmp"} for k, name in enumerate(ids)]}
    if boxes:
        listed["categories"] = [{"id": number, "name": name} for number, name in zip(categories, CLASSES, strict=True)]
        listed["annotations"] = [
            {"image_id": name, "category_id": categories[k % 2], "bbox": [4, 5, 8 + k, 9]} for k, name in enumerate(ids)
        ]
    (folder / ("annotations.json" if boxes else "images.json")).write_text(json.dumps(listed))


def prepared(raw: Path, task: Detection, load: Any = None) -> tuple[Prepared, Detection]:
    declared = tiny_declaration(
        task=task,
        metric=MeanAveragePrecision(CLASSES),
        sources=(File("."),),
        load=load or (lambda raw: Dataset(coco(raw / "train", CLASSES), {"test": coco_images(raw / "test")})),
        split=stratified_grouped(by=labels_of_boxes, folds=2),
    )
    return prepare(Request(declared, data=raw)), task


@pytest.mark.parametrize(
    ("ids", "categories", "declared"),
    [
        ([100, 7, 23], (3, 8), CocoResults()),
        (["000100", "7", "0007"], (8, 3), CocoResults()),
        ([100, 7, 23], (3, 8), CocoResults((3, 8))),
        ([100, 7, 23], ("3", "8"), CocoResults()),
    ],
)
def test_official_results_fit_the_annotation_file(
    ids: list[Any], categories: tuple[Any, ...], declared: CocoResults, tmp_path: Path
) -> None:
    """pycocotools takes them as results of the host's own file."""
    from pycocotools.coco import COCO

    numbers = [name if isinstance(ids[0], int) else f"{name:03d}" for name in range(ROWS)]
    write_part(tmp_path / "raw/train", numbers, categories)
    write_part(tmp_path / "raw/test", ids, categories, boxes=False)
    ready, task = prepared(tmp_path / "raw", Detection(CLASSES, declared))
    official = ready.official["test"]
    task = task.for_official(official.ids, ready.host)
    boxes = [np.array([[k % 2, 0.5, 1, 2, 9, 12 + k]], np.float32) for k in range(len(ids))]
    task.write(Asked(official.ids), Ragged.of(boxes), tmp_path / "o.json")
    entries = json.loads((tmp_path / "o.json").read_text())
    assert [entry["image_id"] for entry in entries] == ids
    assert [entry["category_id"] for entry in entries] == [int(categories[k]) for k in (0, 1, 0)]
    assert (task.read(tmp_path / "o.json", Asked(official.ids)).flat == np.concatenate(boxes)).all()
    truth = COCO()
    truth.dataset = json.loads((tmp_path / "raw/test/images.json").read_text()) | {
        "categories": [{"id": int(number)} for number in categories],
        "annotations": [],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        assert len(truth.loadRes(str(tmp_path / "o.json")).dataset["annotations"]) == 3


def test_other_categories_than_the_file_has_are_said_before_training(tmp_path: Path) -> None:
    write_part(tmp_path / "raw/train", list(range(ROWS)), (3, 8))
    write_part(tmp_path / "raw/test", [1, 2], (3, 8), boxes=False)
    with pytest.raises(UserError, match=r"the categories 1, 2, .* are 3, 8"):
        prepared(tmp_path / "raw", Detection(CLASSES, CocoResults((1, 2))))


def named_images(raw: Path) -> Dataset:
    """Training data of `coco`, and a test that no file lists."""
    files = files_named(["IMG_9001", "IMG_9002"], raw / "official")
    return Dataset(
        coco(raw / "train", CLASSES), {"test": Samples(np.array(list(files)), EncodedImages.read([*files.values()]))}
    )


@pytest.mark.parametrize(
    ("layout", "fits"), [(CocoResults(), False), (CocoResults(text_ids=True), True), (BOXES, True)]
)
def test_names_that_are_no_numbers_are_said_before_training(layout: Any, fits: bool, tmp_path: Path) -> None:
    write_part(tmp_path / "raw/train", list(range(ROWS)), (0, 1))
    (tmp_path / "raw/official").mkdir()
    for name in ("IMG_9001", "IMG_9002"):
        (tmp_path / f"raw/official/{name}.bmp").write_bytes(encode(np.zeros((24, 32, 3), np.uint8)).tobytes())
    if fits:
        assert len(prepared(tmp_path / "raw", Detection(CLASSES, layout), named_images)[0].official["test"]) == 2
    else:
        with pytest.raises(UserError, match=r"'IMG_9001'.*text_ids=True"):
            prepared(tmp_path / "raw", Detection(CLASSES, layout), named_images)


def test_two_ids_that_are_one_number_are_refused_and_text_is_read_as_text(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="07 and 7"):
        Detection(CLASSES).for_official(np.array(["7", "07"]), {})
    (tmp_path / "o.json").write_text('[{"image_id": 7, "category_id": 0, "bbox": [1, 1, 2, 2], "score": 0.5}]')
    with pytest.raises(InvalidSubmission, match="image_id 7"):
        Detection(CLASSES, CocoResults(text_ids=True)).read(tmp_path / "o.json", Asked(np.array(["7"])))
