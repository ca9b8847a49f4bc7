"""COCO, YOLO and Pascal VOC: the same boxes from each, and what is broken is named."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.data.formats.box_annotations import coco, coco_images, coco_parts, voc, write_coco, yolo
from harness.data.formats.painting import Scene, direction
from harness.data.images import encode
from harness.errors import UserError

CLASSES = ("fish", "shark")
WIDE, TALL = np.full((20, 40, 3), 90, np.uint8), np.full((30, 10, 3), 30, np.uint8)
BOXES = [[[0, 4, 2, 14, 8], [1, 0, 10, 40, 20]], []]  # label x1 y1 x2 y2, of both pictures


def annotations(**changed: Any) -> dict[str, Any]:
    """Category numbers that are no labels, in another order than the classes."""
    return {
        "images": [{"id": 31, "file_name": "wide.bmp"}, {"id": 7, "file_name": "tall.bmp"}],
        "categories": [{"id": 9, "name": "shark"}, {"id": 4, "name": "fish"}],
        "annotations": [
            {"image_id": 31, "category_id": 4, "bbox": [4, 2, 10, 6]},
            {"image_id": 31, "category_id": 9, "bbox": [0, 10, 40, 10]},
        ],
    } | changed


def pictures(folder: Path, suffix: str = ".bmp") -> Path:
    folder.mkdir(parents=True)
    for name, picture in (("wide", WIDE), ("tall", TALL)):
        (folder / f"{name}{suffix}").write_bytes(encode(picture).tobytes())
    return folder.parent


def in_coco(folder: Path, **changed: Any) -> Path:
    (pictures(folder / "images") / "annotations.json").write_text(json.dumps(annotations(**changed)))
    return folder


def in_yolo(folder: Path, wide: str = "0 0.225 0.25 0.25 0.3\n\n1 0.5 0.75 1 0.5\n") -> Path:
    pictures(folder / "images")
    (folder / "labels").mkdir()
    (folder / "labels" / "wide.txt").write_text(wide)
    return folder


def thing(name: str, *corners: object) -> str:
    inside = "".join(f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True))
    return f"<object><name>{name}</name><bndbox>{inside}</bndbox></object>"


def in_voc(folder: Path, wide: str | None = None) -> Path:
    pictures(folder / "JPEGImages")
    (folder / "Annotations").mkdir()
    inside = thing("fish", 4, 2, 14, 8) + thing("shark", 0, 10, 40, 20) if wide is None else wide
    (folder / "Annotations" / "wide.xml").write_text(f"<annotation>{inside}</annotation>")
    (folder / "Annotations" / "tall.xml").write_text("<annotation/>")
    return folder


READERS = {"coco": (in_coco, coco), "yolo": (in_yolo, yolo), "voc": (in_voc, voc)}


@pytest.mark.parametrize("name", READERS)
def test_every_layout_gives_the_same_boxes(name: str, tmp_path: Path) -> None:
    make, read = READERS[name]
    samples = read(make(tmp_path / "d"), CLASSES)
    ids = samples.ids.tolist()
    assert ids == (["31", "7"] if name == "coco" else ["tall", "wide"])
    wide, tall = sorted(range(2), key=lambda row: ids[row] in ("7", "tall"))
    assert (samples.inputs[wide] == WIDE).all()
    assert samples.inputs.sizes[tall].tolist() == [30, 10]
    np.testing.assert_allclose(samples.targets[wide], BOXES[0], atol=1e-9)
    assert samples.targets[tall].shape == (0, 5)
    assert samples.targets.flat.dtype == np.float64
    assert samples.groups is None


def test_boxes_are_clipped_and_those_without_area_or_of_crowds_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    boxes = [[-5, -5, 10, 10], [50, 0, 10, 10], [3, 3, 0, 4]]
    marked = [{"image_id": 31, "category_id": 4, "bbox": box} for box in boxes]
    crowd = {"image_id": 31, "category_id": 4, "bbox": [0, 0, 9, 9], "iscrowd": 1}
    with caplog.at_level(logging.WARNING):
        samples = coco(in_coco(tmp_path / "d", annotations=[*marked, crowd]), CLASSES)
    assert samples.targets.flat.tolist() == [[0, 0, 0, 5, 5]]
    assert "3 boxes without area, or of crowds, are left out" in caplog.text


def test_pictures_without_boxes_are_listed_as_the_file_says(tmp_path: Path) -> None:
    folder = in_coco(tmp_path / "d")
    (folder / "images.json").write_text(json.dumps({"images": annotations()["images"]}))
    samples = coco_images(folder)
    assert samples.ids.tolist() == ["31", "7"]
    assert samples.targets is None
    assert samples.inputs.sizes.tolist() == [[20, 40], [30, 10]]


def box(**changed: object) -> list[dict[str, object]]:
    return [{"image_id": 31, "category_id": 4, "bbox": [4, 2, 10, 6]} | changed]


BROKEN_COCO = [
    ({"annotations": box(image_id=5)}, "annotations.json, annotation 0 belongs to image 5, which is not listed"),
    ({"annotations": box(category_id=5)}, "annotation 0 is of category 5, which is not listed"),
    ({"annotations": box(bbox=[1, 2, 3])}, "annotation 0, bbox: 1 2 3 are not 4 numbers"),
    ({"annotations": box(bbox="none")}, "annotation 0, bbox: none are not 4 numbers"),
    ({"annotations": box(bbox=[1, 2, 3, None])}, "annotation 0, bbox"),
    ({"annotations": box(bbox=[1, 2, 3, float("nan")])}, "annotation 0, bbox"),
    ({"annotations": [{"image_id": 31}]}, "annotation 0 has no 'category_id'"),
    ({"annotations": None}, "annotations.json holds no list 'annotations'"),
    ({"categories": [{"id": 1, "name": "whale"}]}, "category 'whale', but the classes are fish, shark"),
    ({"images": [{"id": 31}]}, "image 0 has no 'file_name'"),
    ({"images": []}, "annotations.json lists no image"),
    ({"images": [{"id": 31, "file_name": "wide.bmp"}] * 2}, "image 1 has the id 31, which another image has too"),
    ({"images": [{"id": 31, "file_name": "gone.bmp"}]}, "gone.bmp is not readable"),
]


@pytest.mark.parametrize(("changed", "why"), BROKEN_COCO)
def test_broken_coco_is_named(changed: dict[str, Any], why: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=why):
        coco(in_coco(tmp_path / "d", **changed), CLASSES)


def test_a_file_that_is_cut_off_or_missing_is_named(tmp_path: Path) -> None:
    folder = in_coco(tmp_path / "d")
    (folder / "annotations.json").write_text('{"images": [')
    with pytest.raises(UserError, match=r"annotations\.json is not readable as JSON"):
        coco(folder, CLASSES)
    with pytest.raises(UserError, match=r"images\.json is not readable as JSON: No such file"):
        coco_images(folder)
    with pytest.raises(UserError, match="pictures does not exist"):
        yolo(folder, CLASSES, images="pictures")


BROKEN_YOLO = [
    ("0 0.5 0.5 0.2\n", r"wide\.txt, line 1: 0 0.5 0.5 0.2 are not 5 numbers"),
    ("0 0.5 0.5 0.2 0.2\n1 0.5 x 0.2 0.2\n", "line 2: .* are not 5 numbers"),
    ("2 0.5 0.5 0.2 0.2\n", "line 1: class 2 is none from 0 to 1"),
]


@pytest.mark.parametrize(("text", "why"), BROKEN_YOLO)
def test_broken_yolo_is_named_by_line(text: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=why):
        yolo(in_yolo(tmp_path / "d", text), CLASSES)


BROKEN_VOC = [
    (thing("whale", 1, 1, 2, 2), r"wide\.xml, object 1 is a 'whale', but the classes are fish, shark"),
    (thing("fish", 1, 1, 2, "far"), "object 1, bndbox: 1 1 2 far are not 4 numbers"),
    ("<object><name>fish</name></object>", "object 1, bndbox"),
    ("<object>", r"wide\.xml is not readable as XML"),
]


@pytest.mark.parametrize(("text", "why"), BROKEN_VOC)
def test_broken_voc_is_named_by_object(text: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=why):
        voc(in_voc(tmp_path / "d", text), CLASSES)


def test_a_picture_without_its_xml_is_said(tmp_path: Path) -> None:
    folder = in_voc(tmp_path / "d")
    (folder / "Annotations" / "tall.xml").unlink()
    with pytest.raises(UserError, match=r"tall\.xml is not readable as XML: No such file"):
        voc(folder, CLASSES)


# -- made pictures -----------------------------------------------------------------------------------------------------


def test_what_is_written_as_coco_is_read_back(tmp_path: Path) -> None:
    rows = [np.array(boxes, float).reshape(-1, 5) for boxes in BOXES]
    write_coco(tmp_path / "train", [WIDE, TALL], CLASSES, rows)
    write_coco(tmp_path / "test", [TALL], CLASSES)
    dataset = coco_parts(tmp_path, CLASSES, ("test",))
    assert (dataset.labelled.targets.flat == np.concatenate(rows)).all()
    assert (dataset.official["test"].inputs[0] == TALL).all()
    assert not (tmp_path / "test" / "annotations.json").exists()


def test_a_thing_that_is_mostly_hidden_has_no_box() -> None:
    rng = np.random.default_rng(0)
    scene = Scene(np.full((20, 20, 3), 100.0))
    y, x = np.mgrid[:20, :20]
    for label, inside in enumerate([(x < 10) & (y < 10), (x < 10) & (y < 7), (x > 15) & (y > 15)]):
        scene.paint(inside, np.array([200.0, 0, 0]))
        scene.name(inside, label)
    picture, boxes = scene.finished(rng, noise=0)
    assert boxes.tolist() == [[1, 0, 0, 10, 7], [2, 16, 16, 20, 20]]  # of the first, 30 of 100 pixels are left
    assert picture[0, 0].tolist() == [200, 0, 0]
    assert picture[12, 12].tolist() == [100, 100, 100]


def test_directions_are_unit_vectors_to_all_sides() -> None:
    rng = np.random.default_rng(0)
    drawn = np.array([direction(rng) for _ in range(400)])
    np.testing.assert_allclose((drawn**2).sum(1), 1)
    assert (np.abs(drawn.mean(0)) < 0.15).all()
    assert {(bool(right), bool(down)) for right, down in drawn > 0} == {
        (a, b) for a in (True, False) for b in (True, False)
    }
