"""Boxes as people have them: each kind is read right and said, or refused with what would be right."""

import json
import logging
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.data.formats import coco, coco_images, images_and_boxes, voc, yolo
from harness.data.images import encode
from harness.data.samples import Samples
from harness.errors import UserError
from tests.support.tiny_data import SHARED

CLASSES = ("car", "dog")
HEIGHT, WIDTH, IMAGES = 48, 64, 8
LABELS = [k % 2 for k in range(IMAGES)]
CORNERS = [[20 + 3 * k, 12 + 2 * k, 30 + 3 * k, 24 + 2 * k] for k in range(IMAGES)]  # one box an image, in pixels
XYWH = [[x1, y1, x2 - x1, y2 - y1] for x1, y1, x2, y2 in CORNERS]
MIDDLES = [[(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1] for x1, y1, x2, y2 in CORNERS]
SHARES = [[x / WIDTH, y / HEIGHT, w / WIDTH, h / HEIGHT] for x, y, w, h in MIDDLES]

Numbers = Sequence[Sequence[Any]]
Read = Callable[[], Samples]


def pictures(folder: Path, sides: tuple[int, int] = (HEIGHT, WIDTH)) -> Path:
    folder.mkdir(parents=True)
    for k in range(IMAGES):
        (folder / f"{k:03d}.bmp").write_bytes(encode(np.full((*sides, 3), 9 * k, np.uint8)).tobytes())
    return folder


def times(numbers: Numbers, factor: float) -> Numbers:
    return [[factor * value for value in each] for each in numbers]


def listed(boxes: Numbers = XYWH, sides: tuple[Any, Any] = (WIDTH, HEIGHT), **every: Any) -> dict[str, list[Any]]:
    """A COCO file; every: fields of every annotation. Category numbers are not labels."""
    return {
        "images": [
            {"id": k + 1, "file_name": f"{k:03d}.bmp", "width": sides[0], "height": sides[1]} for k in range(IMAGES)
        ],
        "categories": [{"id": 3, "name": "car"}, {"id": 8, "name": "dog"}],
        "annotations": [
            {"image_id": k + 1, "category_id": (3, 8)[LABELS[k]], "bbox": list(box)} | every
            for k, box in enumerate(boxes)
        ],
    }


def as_coco(folder: Path, content: Any = None, sides: tuple[int, int] = (HEIGHT, WIDTH), **options: Any) -> Read:
    pictures(folder / "images", sides)
    (folder / "annotations.json").write_text(json.dumps(listed() if content is None else content))
    return lambda: coco(folder, CLASSES, **options)


def edited(change: Callable[[dict[str, list[Any]]], None]) -> dict[str, list[Any]]:
    content = listed()
    change(content)
    return content


def as_yolo(folder: Path, numbers: Numbers = SHARES, labels: str = "labels") -> Read:
    pictures(folder / "images")
    (folder / labels).mkdir()
    for k, four in enumerate(numbers):
        (folder / labels / f"{k:03d}.txt").write_text(f"{LABELS[k]} {' '.join(map(str, four))}\n")
    return lambda: yolo(folder, CLASSES)


def as_voc(
    folder: Path,
    corners: Numbers = CORNERS,
    frame: tuple[int, int] = (WIDTH, HEIGHT),
    inside: str = "",
    start: bytes = b"",
    **options: Any,
) -> Read:
    """inside: more tags of every object; start: what every file begins with."""
    pictures(folder / "JPEGImages")
    (folder / "Annotations").mkdir()
    for k, four in enumerate(corners):
        box = "".join(f"<{tag}>{v}</{tag}>" for tag, v in zip(("xmin", "ymin", "xmax", "ymax"), four, strict=True))
        size = f"<size><width>{frame[0]}</width><height>{frame[1]}</height></size>"
        thing = f"<object><name>{CLASSES[LABELS[k]]}</name>{inside}<bndbox>{box}</bndbox></object>"
        (folder / "Annotations" / f"{k:03d}.xml").write_bytes(
            start + f"<annotation>{size}{thing}</annotation>".encode()
        )
    return lambda: voc(folder, CLASSES, **options)


def as_table(folder: Path, numbers: Numbers = XYWH, more: Sequence[str] = (), frame: str = "", **options: Any) -> Read:
    """more: lines at the end; frame: "width,height" of every row."""
    pictures(folder / "images")
    head = "image,kind,box" + (",width,height" if frame else "")
    rows = [f'{k:03d},{CLASSES[LABELS[k]]},"{list(four)}"' for k, four in enumerate(numbers)]
    lines = [head, *(row + (f",{frame}" if frame else "") for row in rows), *more]
    (folder / "t.csv").write_text("\n".join(lines) + "\n")
    return lambda: (
        images_and_boxes(
            folder / "images", folder / "t.csv", id="image", box="box", classes=CLASSES, label="kind", **options
        ).labelled
    )


def moved(read: Read, source: Path, target: Path) -> Read:
    target.parent.mkdir(parents=True, exist_ok=True)
    source.rename(target)
    return read


def roboflow(folder: Path) -> Read:
    """train/_annotations.coco.json with its images beside it, and a category above the others."""
    pictures(folder / "train")
    content = edited(lambda c: c["categories"].insert(0, {"id": 0, "name": "things", "supercategory": "none"}))
    (folder / "train" / "_annotations.coco.json").write_text(json.dumps(content))
    return lambda: coco(folder, CLASSES)


def flat_voc(folder: Path) -> Read:
    """XML files beside the images, in train/."""
    as_voc(folder)
    (folder / "train").mkdir()
    for file in [*folder.glob("JPEGImages/*"), *folder.glob("Annotations/*")]:
        file.rename(folder / "train" / file.name)
    (folder / "JPEGImages").rmdir()
    return lambda: voc(folder, CLASSES)


def yolo_in_parts(folder: Path) -> Read:
    """images/train/ and labels/train/."""
    read = as_yolo(folder / "d")
    for name in ("images", "labels"):
        moved(read, folder / "d" / name, folder / "e" / name / "train")
    return lambda: yolo(folder / "e", CLASSES)


def with_files(read: Read, files: dict[Path, bytes]) -> Read:
    for file, content in files.items():
        file.write_bytes(content)
    return read


def each_image(change: Callable[[int, dict[str, Any]], Any]) -> dict[str, list[Any]]:
    return edited(lambda content: [change(k, image) for k, image in enumerate(content["images"])])  # type: ignore[arg-type, return-value]


# -- read as they are meant, and said ----------------------------------------------------------------------------------

TAKEN: dict[str, tuple[Callable[[Path], Read], str]] = {
    "coco as it should be": (as_coco, ""),
    "yolo as it should be": (as_yolo, ""),
    "voc as it should be": (as_voc, ""),
    "a table as it should be": (as_table, ""),
    "iscrowd as text": (lambda d: as_coco(d, listed(iscrowd="0")), ""),
    "iscrowd as a truth value": (lambda d: as_coco(d, listed(iscrowd=False)), ""),
    "ids as text in annotations alone": (
        lambda d: as_coco(d, edited(lambda c: [a.update(image_id=str(a["image_id"])) for a in c["annotations"]])),  # type: ignore[arg-type, return-value]
        "",
    ),
    "numbers as text": (lambda d: as_coco(d, listed([[str(v) for v in box] for box in XYWH])), ""),
    "coco of pictures ten times as large": (lambda d: as_coco(d, listed(times(XYWH, 10), (640, 480))), "640 x 480"),
    "coco with a frame as text": (lambda d: as_coco(d, listed(times(XYWH, 10), ("640", "480"))), "640 x 480"),
    "coco that knows no frame": (lambda d: as_coco(d, listed(sides=(None, None))), ""),
    "coco with a frame that is wrong": (lambda d: as_coco(d, listed(sides=(32, 24))), "32 x 24"),
    "coco with a frame that is turned, and boxes that are not": (
        lambda d: as_coco(d, listed(sides=(HEIGHT, WIDTH))),
        "48 x 64",
    ),
    "voc of pictures half as large": (lambda d: as_voc(d, times(CORNERS, 0.5), (32, 24)), "32 x 24"),
    "voc with a frame of zeros": (lambda d: as_voc(d, frame=(0, 0)), ""),
    "a table of pictures twice as large": (lambda d: as_table(d, times(XYWH, 2), frame="128,96"), "128 x 96"),
    "corners in a table, declared": (
        lambda d: as_table(d, [[y1, x1, y2, x2] for x1, y1, x2, y2 in CORNERS], fields="y1 x1 y2 x2"),
        "",
    ),
    "middles in a table, declared": (lambda d: as_table(d, SHARES, fields="cx cy w h", shares=True), ""),
    "rows without a box": (lambda d: as_table(d, more=["007,dog,nan", "006,nothing,", "005,dog,[]"]), ""),
    "corners in coco, declared": (lambda d: as_coco(d, listed(CORNERS), fields="x1 y1 x2 y2"), ""),
    "an export of Roboflow": (roboflow, "'things'"),
    "voc beside the images": (flat_voc, "train"),
    "yolo in train": (
        lambda d: moved(lambda: yolo(d.parent, CLASSES), (as_yolo(d), d)[1], d.parent / "train"),
        "train",
    ),
    "yolo with parts inside": (yolo_in_parts, ""),
    "backslashes": (
        lambda d: as_coco(d, each_image(lambda k, i: i.update(file_name=f"images\\{k:03d}.bmp"))),
        "000.bmp",
    ),
    "a path of another machine": (
        lambda d: as_coco(d, each_image(lambda k, i: i.update(file_name=f"C:\\data\\{k:03d}.bmp"))),
        "000.bmp",
    ),
    "a byte order mark": (
        lambda d: with_files(
            as_yolo(d), {d / "labels/000.txt": b"\xef\xbb\xbf0 " + " ".join(map(str, SHARES[0])).encode()}
        ),
        "",
    ),
    "UTF-16": (
        lambda d: with_files(as_yolo(d), {d / "labels/000.txt": f"0 {' '.join(map(str, SHARES[0]))}".encode("utf-16")}),
        "",
    ),
    "labels of no image": (
        lambda d: with_files(as_yolo(d), {d / "labels/zzz.txt": b"0 1 1 1 1", d / "labels/classes.txt": b"car\ndog"}),
        "1 of 9 files .*zzz.txt",
    ),
    "numbers in the order of another list": (
        lambda d: with_files(
            as_yolo(d),
            {d / "classes.txt": b"dog\ncar\n"}
            | {
                d / f"labels/{k:03d}.txt": f"{1 - LABELS[k]} {' '.join(map(str, SHARES[k]))}".encode() for k in range(8)
            },
        ),
        "",
    ),
    "XML of no image": (
        lambda d: with_files(as_voc(d), {d / "Annotations/zzz.xml": b"<annotation/>"}),
        "1 of 9 files .*zzz.xml",
    ),
    "an image that is not listed": (
        lambda d: with_files(as_coco(d), {d / "images/zzz.bmp": encode(np.zeros((9, 9, 3), np.uint8)).tobytes()}),
        "1 images .*zzz.bmp",
    ),
    "difficult": (lambda d: as_voc(d, inside="<difficult>1</difficult>"), '8 boxes .*difficult="drop"'),
    "GBK": (
        lambda d: as_voc(d, start='<?xml version="1.0" encoding="gbk"?><!-- 图片 -->'.encode("gbk")),
        "",
    ),
}


@pytest.mark.parametrize(("make", "said"), TAKEN.values(), ids=TAKEN)
def test_boxes_are_read_as_they_are_meant(
    make: Callable[[Path], Read], said: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        samples = make(tmp_path / "d")()
    order = np.argsort(samples.ids)
    assert np.diff(samples.targets.offsets)[:IMAGES].tolist() == [1] * IMAGES
    expected = np.column_stack([LABELS, CORNERS])
    np.testing.assert_allclose(samples.targets[order[:IMAGES]].flat, expected, atol=1e-5)
    assert bool(caplog.records) == bool(said)
    if said:
        assert caplog.records[0].levelno == logging.WARNING
        assert re.search(said, caplog.text)


# -- read as declared, with a warning of what they look like -----------------------------------------------------------

DOUBTED: dict[str, tuple[Callable[[Path], Read], str]] = {
    "corners in coco": (lambda d: as_coco(d, listed(CORNERS)), "annotation 3: 29 18 39 30; .*x1 y1 x2 y2 in pixels"),
    "corners in a table": (lambda d: as_table(d, CORNERS), "line 5, column box: 29 18 39 30; .*x1 y1 x2 y2 in pixels"),
    "larger images that no column tells": (
        lambda d: as_table(d, times(XYWH, 1.5)),
        "they reach as far as 76.5 x 57: are they of larger images",
    ),
    "wider than the image": (
        lambda d: as_yolo(d, [[x, y, 1.5, h] for x, y, _, h in SHARES]),
        r"8 of 8 boxes .*000\.txt, line 1: 0.390625 0.375 1.5 0.25",
    ),
    "beyond the image in a table": (lambda d: as_table(d, [[x, y, 60, h] for x, y, _, h in XYWH]), "8 of 8 boxes"),
    "beyond the image in voc": (lambda d: as_voc(d, [[x, y, 90, y2] for x, y, _, y2 in CORNERS]), "8 of 8 boxes"),
}


@pytest.mark.parametrize(("make", "said"), DOUBTED.values(), ids=DOUBTED)
def test_boxes_that_reach_beyond_are_cut_and_said_with_what_they_look_like(
    make: Callable[[Path], Read], said: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        samples = make(tmp_path / "d")()
    corners = samples.targets.flat[:, 1:]
    assert len(corners) == IMAGES
    assert (corners >= 0).all() and (corners <= [WIDTH, HEIGHT, WIDTH, HEIGHT]).all()
    assert corners[-1, 2] == WIDTH or corners[-1, 3] == HEIGHT
    (record,) = caplog.records
    assert re.search(said, record.getMessage()), record.getMessage()


# -- refused -----------------------------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[Callable[[Path], Read], str]] = {
    "no annotation": (lambda d: as_coco(d, listed([])), "annotations.json holds no box"),
    "no box in a table": (lambda d: as_table(d, [], more=["000,dog,"]), "t.csv holds no box"),
    "only crowds": (lambda d: as_coco(d, listed(iscrowd="1")), "holds no box .*8 of crowds"),
    "only difficult ones, dropped": (
        lambda d: as_voc(d, inside="<difficult>1</difficult>", difficult="drop"),
        "holds no box .*8 marked difficult",
    ),
    "empty files": (lambda d: as_voc(d, times(CORNERS, 0)), "8 of 8 boxes .*000.xml, object 1: 0 0 0 0"),
    "a word for difficult": (
        lambda d: as_voc(d, inside="<difficult>often</difficult>"),
        "object 1: difficult .*'often'",
    ),
    "another list of classes": (
        lambda d: with_files(as_yolo(d), {d / "labels/classes.txt": b"cat\ndog"}),
        "classes.txt lists cat, dog, but the classes are car, dog",
    ),
    "corners the other way": (lambda d: as_voc(d, [[c, d, a, b] for a, b, c, d in CORNERS]), "8 end left of or above"),
    "another choice": (lambda d: as_voc(d, difficult="skip"), "'skip'.* 'keep' or 'drop'"),
    "negative widths": (
        lambda d: as_coco(d, listed([[x, y, -w, h] for x, y, w, h in XYWH])),
        "annotation 0: 20 12 -10",
    ),
    "negative widths in a table": (
        lambda d: as_table(d, [[x, y, -w, h] for x, y, w, h in XYWH]),
        "line 2, .*8 end left",
    ),
    "negative widths of yolo": (
        lambda d: as_yolo(d, [[x, y, -w, h] for x, y, w, h in SHARES]),
        "000.txt, .*8 end left",
    ),
    "sizes in voc": (lambda d: as_voc(d, XYWH), "x y w h in pixels"),
    "sizes in a table of corners": (lambda d: as_table(d, fields="x1 y1 x2 y2"), "x y w h in pixels"),
    "pixels in yolo": (lambda d: as_yolo(d, MIDDLES), "000.txt, line 1: 25 18 10 12; .*cx cy w h in pixels"),
    "pixels in a table of shares": (lambda d: as_table(d, shares=True), "x y w h in pixels"),
    "shares in coco": (
        lambda d: as_coco(d, listed([[x / 64, y / 48, w / 64, h / 48] for x, y, w, h in XYWH])),
        "shares",
    ),
    "shares in voc": (lambda d: as_voc(d, [[x / 64, y / 48, X / 64, Y / 48] for x, y, X, Y in CORNERS]), "shares"),
    "another folder of labels": (
        lambda d: as_yolo(d, labels="annotations"),
        "labels does not exist.* annotations, with 8",
    ),
    "labels of other names": (
        lambda d: moved(as_yolo(d, SHARES[:1]), d / "labels/000.txt", d / "labels/a-000.txt"),
        "8 of 8 images .*000.txt; there is a-000.txt",
    ),
    "another shape": (lambda d: as_coco(d, listed(sides=(640, 640))), "000.bmp is 64 x 48 .*640 x 640"),
    "another shape in voc": (lambda d: as_voc(d, frame=(640, 640)), "000.bmp is 64 x 48 .*640 x 640"),
    "another shape in a table": (lambda d: as_table(d, frame="640,640"), "000.bmp is 64 x 48 .*640 x 640"),
    "turned": (
        lambda d: as_coco(d, listed([[y, x, h, w] for x, y, w, h in XYWH], (HEIGHT, WIDTH))),
        "48 x 64, the other way round.*EXIF",
    ),
    "an id in a list": (lambda d: as_coco(d, each_image(lambda k, i: i.update(id=[k]))), r"image 0: the id is \[0\]"),
    "a category in a list": (lambda d: as_coco(d, listed(category_id=[4])), r"annotation 0: the category_id is \[4\]"),
    "an id of a database": (
        lambda d: as_coco(d, listed(image_id={"$oid": "1"})),
        "annotation 0: the image_id is .*oid",
    ),
    "a name in a list": (
        lambda d: as_coco(d, each_image(lambda k, i: i.update(file_name=["a"]))),
        "image 0: the file_name",
    ),
    "iscrowd in a list": (lambda d: as_coco(d, listed(iscrowd=[0])), r"annotation 0: iscrowd is \[0\]"),
    "an annotation that is none": (
        lambda d: as_coco(d, listed() | {"annotations": [7]}),
        "annotation 0 has no 'image_id'",
    ),
    "a category that has boxes and is no class": (
        lambda d: as_coco(d, edited(lambda c: c["categories"][0].update(name="cars"))),
        "category 'cars' with boxes, did you mean car|category 'cars' with boxes; did you mean car",
    ),
    "a file that is not there": (
        lambda d: as_coco(d, each_image(lambda k, i: i.update(file_name="9.bmp"))),
        "image 0: the file_name '9.bmp' is no image",
    ),
    "an unknown encoding": (
        lambda d: as_voc(d, start=b'<?xml version="1.0" encoding="x-none"?>'),
        "000.xml, line 1: the encoding 'x-none'",
    ),
    "another encoding than declared": (
        lambda d: as_voc(d, start=b'<?xml version="1.0" encoding="ascii"?><!-- \xcd\xbc -->'),
        "000.xml is declared as ascii",
    ),
    "labels in another encoding": (
        lambda d: with_files(as_yolo(d), {d / "labels/003.txt": b"0 0.5 0.5 0.1 0.1\n\xcd\xcd"}),
        "003.txt, line 2 is not UTF-8",
    ),
    "JSON in another encoding": (
        lambda d: with_files(as_coco(d), {d / "annotations.json": b'{"images": "\xcd\xcd"}'}),
        "annotations.json is not readable",
    ),
}


@pytest.mark.parametrize(("make", "pattern"), REFUSED.values(), ids=REFUSED)
def test_boxes_that_cannot_be_meant_are_refused_by_their_place(
    make: Callable[[Path], Read], pattern: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=pattern):
        make(tmp_path / "d")()


def test_difficult_boxes_are_dropped_where_that_is_declared(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    read = as_voc(tmp_path / "d", difficult="drop")
    file = tmp_path / "d/Annotations/002.xml"
    file.write_text(file.read_text().replace("<bndbox>", "<difficult>1</difficult><bndbox>"))
    with caplog.at_level(logging.WARNING):
        samples = read()
    assert np.diff(samples.targets.offsets).tolist() == [1, 1, 0, 1, 1, 1, 1, 1]
    assert "1 boxes are left out (1 marked difficult)" in caplog.text


def test_two_images_of_one_name_keep_ids_of_their_own(tmp_path: Path) -> None:
    read = as_yolo(tmp_path / "d")
    (tmp_path / "d/images/000.bmp").rename(tmp_path / "d/images/001.png")
    samples = read()
    assert sorted(samples.ids)[:2] == ["001.bmp", "001.png"]
    assert len(set(samples.ids)) == IMAGES


def test_boxes_in_a_corner_of_all_images_are_doubted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    content = listed([[x / 2, y / 2, 5, 6] for x, y, _, _ in XYWH], sides=(None, None))
    content["annotations"] *= 3
    with caplog.at_level(logging.WARNING):
        as_coco(tmp_path / "d", content)()
    assert "beyond 40% of the width and 40% of the height; are they of smaller images?" in caplog.text


def test_images_without_boxes_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        as_coco(tmp_path / "c", listed(XYWH[:2]))()
        as_yolo(tmp_path / "y", SHARES[:2])()
        as_table(tmp_path / "t", XYWH[:2])()
    said = [record.getMessage() for record in caplog.records]
    assert [re.sub("^[^:]*: ", "", each) for each in said] == [
        "6 of 8 images have no box",
        "6 of 8 images have no text file and show nothing",
        "6 of 8 images have no box",
        "6 images have no row, and show nothing",
        "6 of 8 images have no box",
    ]


def test_an_export_names_its_official_images_beside_them(tmp_path: Path) -> None:
    pictures(tmp_path / "test")
    (tmp_path / "test" / "_annotations.coco.json").write_text(json.dumps(listed([])))
    assert coco_images(tmp_path / "test").ids.tolist() == [str(k + 1) for k in range(IMAGES)]


# -- the kinds that people have reported -------------------------------------------------------------------------------

CASES = SHARED / "cases"
COCO_READS = ("d04_iscrowd_string", "d06_resized_pictures", "d11_roboflow_root", "d14_backslashes", "o10_coco_official")
VOC_READS = ("d41_voc_size_other", "d42_voc_difficult", "d46_voc_gbk", "o11_voc_names")


def xywh_of(case: str) -> list[list[float]]:
    entries = json.loads((CASES / case / "raw/train/annotations.json").read_text())["annotations"]
    return [entry["bbox"] for entry in entries]


@pytest.mark.real
@pytest.mark.parametrize("case", COCO_READS)
def test_reported_coco_files_are_read(case: str) -> None:
    samples = coco(CASES / case / "raw/train", CLASSES)
    x, y, w, h = np.array(xywh_of(case)).T * (0.1 if "resized" in case else 1)
    np.testing.assert_allclose(samples.targets.flat[:, 1:], np.stack([x, y, x + w, y + h], axis=1), atol=1e-9)
    assert np.diff(samples.targets.offsets).tolist() == [1] * 30


@pytest.mark.real
@pytest.mark.parametrize("case", VOC_READS)
def test_reported_voc_files_are_read(case: str) -> None:
    samples = voc(CASES / case / "raw", CLASSES)
    corners = [
        [float(value) for value in re.findall(r"<(?:xmin|ymin|xmax|ymax)>([^<]*)<", file.read_text("latin-1"))]
        for file in sorted((CASES / case / "raw/Annotations").iterdir())
    ]
    expected = np.array(corners) * (2 if "size_other" in case else 1)
    np.testing.assert_allclose(samples.targets.flat[:, 1:], expected, atol=1e-9)


@pytest.mark.real
@pytest.mark.parametrize(("case", "boxes"), [("d26_bom", 30), ("d30_orphan_labels", 29), ("d31_bigger_than_1", 30)])
def test_reported_yolo_files_are_read(case: str, boxes: int) -> None:
    samples = yolo(CASES / case / "raw", CLASSES)
    assert len(samples.targets.flat) == boxes
    assert (samples.targets.flat[:, 1:] <= [64, 48, 64, 48]).all()


@pytest.mark.real
@pytest.mark.parametrize(
    ("case", "read", "pattern"),
    [
        ("d13_list_id/raw/train", coco, r"image 3: the id is \[4\]"),
        ("d13b_list_category/raw/train", coco, r"annotation 3: the category_id is \[4\]"),
        ("d13c_dict_image_id/raw/train", coco, "annotation 3: the image_id is .*oid"),
        ("d18_no_annotations/raw/train", coco, "no box"),
        ("d19_negative_width/raw/train", coco, "30 of 30 .*30 end left of or above"),
        ("d20_labels_folder_missing/raw", yolo, "labels does not exist.* annotations, with 30"),
        ("d22_pixel_coordinates/raw", yolo, "cx cy w h in pixels"),
        ("d47_voc_bad_encoding/raw", voc, "000003.xml, line 1: .*'x-unknown'"),
    ],
)
def test_reported_files_that_cannot_be_meant_are_refused(case: str, read: Callable, pattern: str) -> None:
    with pytest.raises(UserError, match=pattern):
        read(CASES / case, CLASSES)


@pytest.mark.real
def test_reported_corners_are_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        coco(CASES / "d17_xyxy_boxes/raw/train", CLASSES)
    assert "they look like x1 y1 x2 y2" in caplog.text


@pytest.mark.real
def test_reported_turned_pictures_have_their_boxes() -> None:
    """Boxes are of the turned images, all 96 x 64."""
    samples = coco(CASES / "d02_exif_coco/raw/train", CLASSES)
    x, y, w, h = np.array(xywh_of("d02_exif_coco")).T
    np.testing.assert_allclose(samples.targets.flat[:, 1:], np.stack([x, y, x + w, y + h], axis=1))
    twin = yolo(CASES / "d01_exif_yolo/raw", CLASSES)
    shares = [file.read_text().split() for file in sorted((CASES / "d01_exif_yolo/raw/labels").iterdir())]
    cx, cy, w, h = np.array(shares, float).T[1:] * [[96], [64], [96], [64]]
    expected = np.stack([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], axis=1)
    np.testing.assert_allclose(twin.targets.flat[:, 1:], expected, atol=1e-9)
