"""Raw files in the usual formats: one call each reads them, and an error names the file, the line and the column."""

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness.data.formats import (
    class_folders,
    coco,
    coco_images,
    csv_table,
    images_and_csv,
    images_and_masks,
    npz,
    voc,
    yolo,
)
from harness.data.formats.new_inputs import images_like
from harness.data.images import EncodedImages, encode
from harness.errors import UserError

RED, BLUE = (200, 0, 0), (0, 0, 200)


def save(file: Path, colour: int | tuple[int, int, int] = RED, size: tuple[int, int] = (4, 6)) -> Path:
    """A plain image of (height, width); a number makes it grey."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L" if isinstance(colour, int) else "RGB", size[::-1], colour).save(file)
    return file


def table(folder: Path, *lines: str, name: str = "t.csv") -> Path:
    (folder / name).write_text("\n".join(lines) + "\n")
    return folder / name


def refused(pattern: str, read: Callable, *arguments: object, **options: object) -> None:
    with pytest.raises(UserError, match=pattern):
        read(*arguments, **options)


# -- folders of images -------------------------------------------------------------------------------------------------


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    for name, file, colour in (("cat", "b", RED), ("cat", "d", RED), ("dog", "a", BLUE), ("dog", "c", BLUE)):
        save(tmp_path / "animals" / name / f"{file}.png", colour)
    return tmp_path / "animals"


def test_class_folders_are_read_in_the_order_of_the_names_and_ids_do_not_tell_the_class(animals: Path) -> None:
    (animals / "cat" / "Thumbs.db").touch()
    save(animals.parent / "asked" / "x.png", BLUE)
    dataset = class_folders(animals, ("cat", "dog"), test=animals.parent / "asked")
    assert dataset.labelled.ids.tolist() == ["a", "b", "c", "d"]
    assert dataset.labelled.targets.tolist() == [1, 0, 1, 0]
    assert dataset.labelled.inputs[:, 0, 0].tolist() == [[0, 0, 200], [200, 0, 0], [0, 0, 200], [200, 0, 0]]
    assert dataset.official["test"].ids.tolist() == ["x"]
    save(animals / "dog" / "b.png")  # the same name in two folders
    ids = class_folders(animals, ("cat", "dog")).labelled.ids.tolist()
    assert len(set(ids)) == 5
    assert not any("cat" in name or "dog" in name for name in ids)


def test_images_of_several_sizes_stay_encoded_or_are_resized(animals: Path) -> None:
    save(animals / "dog" / "e.png", BLUE, size=(8, 8))
    encoded = class_folders(animals, ("cat", "dog")).labelled.inputs
    assert isinstance(encoded, EncodedImages)
    assert encoded.sizes.tolist() == [[4, 6]] * 4 + [[8, 8]]
    resized = class_folders(animals, ("cat", "dog"), size=(2, 3)).labelled.inputs
    assert resized.shape == (5, 2, 3, 3)
    assert resized[4, 1, 1].tolist() == [0, 0, 200]


def test_new_images_are_read_in_the_form_of_known_ones(animals: Path) -> None:
    """For `make predict`."""
    encoded, grey, coloured = (
        images_like(animals / "cat", like)
        for like in (EncodedImages.of([encode(WIDE)]), np.zeros((1, 4, 6)), np.zeros((1, 4, 6, 3)))
    )
    assert encoded.ids.tolist() == grey.ids.tolist() == ["b", "d"]
    assert (encoded.inputs[1] == coloured.inputs[1]).all()
    assert grey.inputs.shape == (2, 4, 6)
    refused(r"cat/b\.png is 4 x 6 .* 8 x 8", images_like, animals / "cat", np.zeros((1, 8, 8)))


def test_grey_sixteen_bit_and_turned_images_are_read_as_people_see_them(tmp_path: Path) -> None:
    save(tmp_path / "grey" / "a" / "a.png", 77)
    assert class_folders(tmp_path / "grey", ("a",)).labelled.inputs.tolist() == [[[77] * 6] * 4]
    save(tmp_path / "grey" / "a" / "c.png", RED)  # one in colour makes all of them three planes
    assert class_folders(tmp_path / "grey", ("a",)).labelled.inputs.shape == (2, 4, 6, 3)
    (tmp_path / "deep" / "a").mkdir(parents=True)
    Image.fromarray(np.full((4, 6), 0x7F80, np.uint16)).save(tmp_path / "deep" / "a" / "deep.png")
    assert class_folders(tmp_path / "deep", ("a",)).labelled.inputs.tolist() == [[[0x7F] * 6] * 4]
    image, tags = Image.new("RGB", (6, 4), RED), Image.Exif()
    tags[0x0112] = 6
    (tmp_path / "turned" / "a").mkdir(parents=True)
    image.save(tmp_path / "turned" / "a" / "turned.jpg", exif=tags)
    assert class_folders(tmp_path / "turned", ("a",)).labelled.inputs.shape == (1, 6, 4, 3)


def test_broken_class_folders_are_named(animals: Path, tmp_path: Path) -> None:
    refused(r"animals/cat .* cats\?", class_folders, animals, ("cats", "dog"))
    refused("animals/cow", class_folders, animals, ("cat", "dog", "cow"))
    (animals / "cat" / "broken.png").write_text("not an image")
    refused(r"animals/cat/broken\.png", class_folders, animals, ("cat", "dog"))
    (animals / "cat" / "broken.png").unlink()
    noise = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    Image.fromarray(noise).save(animals / "cat" / "d.jpg")
    whole = (animals / "cat" / "d.jpg").read_bytes()
    (animals / "cat" / "d.jpg").write_bytes(whole[: len(whole) // 2])
    refused(r"cat/d\.jpg .*truncated", class_folders, animals, ("cat", "dog"), size=(4, 6))
    (animals / "empty").mkdir()
    refused("animals/empty", class_folders, animals, ("cat", "dog", "empty"))


# -- images and a table ------------------------------------------------------------------------------------------------


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in "abcd":
        save(tmp_path / "photos" / f"{name}.jpg")
    return tmp_path / "photos"


@pytest.mark.parametrize("suffix", ["", ".jpg"])
def test_a_table_names_images_and_those_without_a_target_are_official_parts(
    suffix: str, photos: Path, tmp_path
) -> None:
    asked = save(tmp_path / "asked" / "x.jpg").parent
    lines = [line.format(suffix) for line in ("c{},dog,8", "a{},cat,7", "b{},,7")]  # and no row names d
    rows = table(tmp_path, "file,kind,patient", *lines)
    dataset = images_and_csv(photos, rows, "file", "kind", ("cat", "dog"), group="patient", test=asked)
    assert dataset.labelled.ids.tolist() == [f"c{suffix}", f"a{suffix}"]
    assert dataset.labelled.targets.tolist() == dataset.labelled.groups.tolist() == [1, 0]
    parts = {part: samples.ids.tolist() for part, samples in dataset.official.items()}
    assert parts == {"unlabelled": [f"b{suffix}", f"d{suffix}"], "test": [f"x{suffix}"]}


def test_a_target_is_a_number_or_several_columns_of_0_and_1(photos: Path, tmp_path: Path) -> None:
    rows = table(tmp_path, "file,weight,wet,red", "a,1.5,0,1", "b,2,1,1", "c,3e1,0,0", "d,-4,1,0")
    numbers = images_and_csv(photos, rows, id="file", target="weight").labelled.targets
    assert (numbers.dtype, numbers.tolist()) == (np.float64, [1.5, 2, 30, -4])
    several = images_and_csv(photos, rows, id="file", target=("wet", "red")).labelled.targets
    assert several.tolist() == [[0, 1], [1, 1], [0, 0], [1, 0]]


@pytest.mark.parametrize(
    ("lines", "pattern"),
    [
        (["file,kind", "a,cat", "x,dog"], r"t\.csv, line 3, column file: 'x'"),
        (["file,kind", "a,cat", "b,dgo"], r"line 3, column kind: 'dgo' .*dog\?"),
        (["file,kind", "a,cat", "a,dog"], r"line 2, column file: 'a' names 2 rows"),
        (["file,kind", "a,", "b,"], r"t\.csv"),
        (["file,", "a,cat"], r"'kind'.*Unnamed: 1"),
    ],
)
def test_a_broken_table_of_images_is_named(photos: Path, tmp_path: Path, lines: list[str], pattern: str) -> None:
    refused(pattern, images_and_csv, photos, table(tmp_path, *lines), id="file", target="kind", classes=("cat", "dog"))


def test_two_images_of_one_name_are_named(photos: Path, tmp_path: Path) -> None:
    save(photos / "a.png")
    refused(r"a\.jpg and .*a\.png", images_and_csv, photos, table(tmp_path, "file,kind", "a,1"), "file", "kind")


# -- images and masks --------------------------------------------------------------------------------------------------


@pytest.fixture
def masks(tmp_path: Path) -> tuple[Path, Path]:
    for name in "abc":
        save(tmp_path / "images" / f"{name}.jpg")
    for name, value in (("a", 0), ("b", 255)):
        save(tmp_path / "masks" / f"{name}.png", value)
    return tmp_path / "images", tmp_path / "masks"


def test_masks_are_labels_by_their_value_their_palette_or_one_of_equal_channels(masks: tuple[Path, Path]) -> None:
    dataset = images_and_masks(*masks, values=(0, 255))
    assert dataset.labelled.ids.tolist() == ["a", "b"]
    assert dataset.labelled.targets.tolist() == [[[0] * 6] * 4, [[1] * 6] * 4]
    assert dataset.official["unlabelled"].ids.tolist() == ["c"]
    palette = Image.new("P", (6, 4), 3)
    palette.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0, 9, 9, 9])
    palette.save(masks[1] / "a.png")
    save(masks[1] / "b.png", (2, 2, 2))
    assert np.unique(images_and_masks(*masks).labelled.targets, axis=0)[:, 0, 0].tolist() == [2, 3]


def test_masks_are_resized_without_new_labels(masks: tuple[Path, Path]) -> None:
    mask = np.zeros((4, 6), np.uint8)
    mask[:, 3:] = 255
    Image.fromarray(mask).save(masks[1] / "a.png")
    save(masks[0] / "b.jpg", size=(9, 9))
    save(masks[1] / "b.png", 255, size=(9, 9))
    dataset = images_and_masks(*masks, values=(0, 255), size=(8, 12))
    assert dataset.labelled.inputs.shape == (2, 8, 12, 3)
    assert dataset.labelled.targets[0].tolist() == [[0] * 6 + [1] * 6] * 8
    masks_of_their_own = images_and_masks(*masks, values=(0, 255)).labelled
    assert [image.shape for image in masks_of_their_own.inputs] == [(4, 6, 3), (9, 9, 3)]
    assert [each.tolist() for each in masks_of_their_own.targets] == [[[0] * 3 + [1] * 3] * 4, [[1] * 9] * 9]


def test_broken_masks_are_named(masks: tuple[Path, Path]) -> None:
    refused(r"masks/b\.png, row 0, column 0 holds 255", images_and_masks, *masks, (0, 1))
    save(masks[1] / "b.png", RED)
    refused(r"masks/b\.png", images_and_masks, *masks)
    save(masks[1] / "b.png", 255, size=(4, 5))
    refused(r"masks/b\.png is 4 x 5 .*b\.jpg is 4 x 6", images_and_masks, *masks)
    save(masks[1] / "x.png", 0)
    refused(r"masks/x\.png", images_and_masks, *masks)


# -- arrays ------------------------------------------------------------------------------------------------------------


def test_arrays_of_a_file_are_images_and_labels(tmp_path: Path) -> None:
    images = np.arange(24, dtype=np.float64).reshape(2, 3, 4, 1)
    np.savez(tmp_path / "a.npz", images=images, labels=[[1], [0]], name=[7, 9], case=[5, 5])
    np.savez(tmp_path / "b.npz", images=images.astype(np.uint8)[:1], name=[3], id=[4])
    dataset = npz(tmp_path / "a.npz", id="name", group="case", test=tmp_path / "b.npz")
    assert dataset.labelled.inputs.dtype == np.uint8
    assert dataset.labelled.inputs.tolist() == images[..., 0].tolist()
    assert (dataset.labelled.targets.tolist(), dataset.labelled.groups.tolist()) == ([1, 0], [0, 0])
    assert (dataset.labelled.ids.tolist(), dataset.official["test"].ids.tolist()) == (["7", "9"], ["3"])
    dataset = npz(tmp_path / "a.npz", test=tmp_path / "b.npz")
    assert (dataset.labelled.ids.tolist(), dataset.official["test"].ids.tolist()) == (["0", "1"], ["4"])


@pytest.mark.parametrize(
    ("arrays", "pattern"),
    [
        ({"image": np.zeros((2, 3, 4), np.uint8), "labels": [0, 1]}, "'images'.*image"),
        ({"images": np.zeros((2, 3), np.uint8), "labels": [0, 1]}, r"images has shape \(2, 3\)"),
        ({"images": np.full((2, 3, 4), 0.5), "labels": [0, 1]}, "images, row 0 holds 0.5"),
        ({"images": np.full((2, 3, 4), np.nan), "labels": [0, 1]}, "images, row 0 holds nan"),
        ({"images": np.zeros((2, 3, 4), np.uint8), "labels": [0]}, "labels holds 1 rows"),
        ({"images": np.zeros((2, 3, 4), np.uint8), "labels": ["x", "y"]}, "labels is of type <U1"),
        ({"images": np.array([{}, {}]), "labels": [0, 1]}, r"a\.npz .*Object arrays"),
    ],
)
def test_broken_arrays_are_named(tmp_path: Path, arrays: dict, pattern: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    refused(pattern, npz, tmp_path / "a.npz")


@pytest.mark.parametrize("keep", [0, 0.5, 0.99, 1])
def test_an_archive_that_was_cut_off_or_whose_bytes_flipped_is_refused(tmp_path: Path, keep: float) -> None:
    np.savez_compressed(tmp_path / "a.npz", images=np.random.default_rng(0).integers(0, 9, (20, 8, 8)), labels=[0] * 20)
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[100:130] = bytes(30)
    (tmp_path / "a.npz").write_bytes(bytes(content[: int(keep * len(content))]))
    refused(r"a\.npz", npz, tmp_path / "a.npz")


# -- tables ------------------------------------------------------------------------------------------------------------


def test_a_table_keeps_its_columns_by_name(tmp_path: Path) -> None:
    lines = "no,mpg,name,year,site,hp", "7,18,ford pinto,70,n,130", "9,?,vw 1131,71,n,", "8,15.5,,70,s,46"
    dataset = csv_table(table(tmp_path, *lines), target="hp", id="no", group="site", drop=("year",))
    samples, unlabelled = dataset.labelled, dataset.official["unlabelled"]
    assert samples.inputs.dtype.names == ("mpg", "name")
    assert samples.inputs["mpg"].tolist() == [18, 15.5]
    assert samples.inputs["name"].tolist() == ["ford pinto", ""]
    assert (samples.ids.tolist(), samples.targets.tolist(), samples.groups.tolist()) == (["7", "8"], [130, 46], [0, 1])
    assert unlabelled.ids.tolist() == ["9"]
    assert np.isnan(unlabelled.inputs["mpg"]).all()


def test_a_test_file_has_the_same_columns_and_shares_their_types(tmp_path: Path) -> None:
    """A column that is text in one file is text in both."""
    known = table(tmp_path, "a;b;kind", "1;2;x", "3;4;y")
    asked = table(tmp_path, "\ufeffb;a;more", "5;none of these;6", name="q.csv")
    dataset = csv_table(known, target="kind", classes=("y", "x"), test=asked)
    assert dataset.labelled.inputs.dtype == dataset.official["test"].inputs.dtype
    assert dataset.labelled.inputs["a"].tolist() == ["1", "3"]
    assert dataset.official["test"].inputs["b"].tolist() == [5]
    assert (dataset.labelled.targets.tolist(), dataset.labelled.ids.tolist()) == ([1, 0], ["0", "1"])
    refused(r"q\.csv .*'a'", csv_table, known, target="kind", test=table(tmp_path, "b", "1", name="q.csv"))


@pytest.mark.parametrize(
    ("lines", "options", "pattern"),
    [
        (["a,price", "1,2"], {"target": "prize"}, r"t\.csv .*'prize'.*price\?"),
        (["a,", "1,2"], {"target": "a"}, r"no column left"),
        (["a,a", "1,2"], {"target": "a"}, r"line 1: .*'a'"),
        (["a,price"], {"target": "price"}, r"t\.csv is empty"),
        (["a,price", "1,2"], {"target": "price", "drop": ("b",)}, "'b'"),
        (["a,price", "1,2", "", "2,cheap"], {"target": "price"}, r"t\.csv, line 4, column price: 'cheap'"),
        (["a,price", "1,2"], {"target": "price", "drop": ("a",)}, r"t\.csv"),
        (["a,price", "1,", "2,NA"], {"target": "price"}, "price"),
        (["a,n,price", "1,x,2", "2,,3"], {"target": "price", "id": "n"}, "line 3, column n: ''"),
        (["a,n,price", "1,x,2", "2,,3"], {"target": "price", "group": "n"}, "line 3, column n: ''"),
        (["a,u,v", "1,0,1", "2,1,2"], {"target": ("u", "v"), "classes": ("u", "v")}, "line 3, column v: '2'"),
    ],
)
def test_a_broken_table_is_named(tmp_path: Path, lines: list[str], options: dict, pattern: str) -> None:
    refused(pattern, csv_table, table(tmp_path, *lines), **options)


def test_a_column_of_long_texts_that_would_cost_gigabytes_is_refused_unless_it_is_dropped(tmp_path: Path) -> None:
    rows = [f"{row},{'z' * 3_000},{row % 2}" for row in range(10_000)]
    file = table(tmp_path, "a,text,y", *rows, *[f"1,{'z' * 29_000},1"] * 200)
    refused(r"t\.csv, column text: .*29000", csv_table, file, target="y")
    assert len(csv_table(file, target="y", drop=("text",)).labelled) == 10_200


# -- boxes -------------------------------------------------------------------------------------------------------------

CLASSES = ("fish", "shark")
WIDE, TALL = np.full((20, 40, 3), 90, np.uint8), np.full((30, 10, 3), 30, np.uint8)
BOXES = [[0, 4, 2, 14, 8], [1, 0, 10, 40, 20]]  # label x1 y1 x2 y2, of the wide image


def two_images(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, image in (("wide", WIDE), ("tall", TALL)):
        (folder / f"{name}.bmp").write_bytes(encode(image).tobytes())


def as_coco(folder: Path, **changed: Any) -> Path:
    """Category numbers that are not labels, in another order than the classes."""
    two_images(folder / "images")
    listed = {
        "images": [{"id": 31, "file_name": "wide.bmp"}, {"id": 7, "file_name": "tall.bmp"}],
        "categories": [{"id": 9, "name": "shark"}, {"id": 4, "name": "fish"}],
        "annotations": [
            {"image_id": 31, "category_id": 4, "bbox": [4, 2, 10, 6]},
            {"image_id": 31, "category_id": 9, "bbox": [0, 10, 40, 10]},
        ],
    }
    (folder / "annotations.json").write_text(json.dumps(listed | changed))
    return folder


def as_yolo(folder: Path, wide: str = "0 0.225 0.25 0.25 0.3\n\n1 0.5 0.75 1 0.5\n") -> Path:
    two_images(folder / "images")
    (folder / "labels").mkdir()
    (folder / "labels" / "wide.txt").write_text(wide)
    return folder


def thing(name: str, *corners: object) -> str:
    inside = "".join(f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True))
    return f"<object><name>{name}</name><bndbox>{inside}</bndbox></object>"


def as_voc(folder: Path, wide: str = thing("fish", 4, 2, 14, 8) + thing("shark", 0, 10, 40, 20)) -> Path:
    two_images(folder / "JPEGImages")
    (folder / "Annotations").mkdir()
    (folder / "Annotations" / "wide.xml").write_text(f"<annotation>{wide}</annotation>")
    (folder / "Annotations" / "tall.xml").write_text("<annotation/>")
    return folder


@pytest.mark.parametrize(("write", "read"), [(as_coco, coco), (as_yolo, yolo), (as_voc, voc)])
def test_every_format_gives_the_same_boxes(write: Callable, read: Callable, tmp_path: Path) -> None:
    samples = read(write(tmp_path / "d"), CLASSES)
    ids = samples.ids.tolist()
    assert ids == (["31", "7"] if read is coco else ["tall", "wide"])
    wide = int(read is not coco)
    assert (samples.inputs[wide] == WIDE).all()
    assert samples.inputs.sizes[1 - wide].tolist() == [30, 10]
    np.testing.assert_allclose(samples.targets[wide], BOXES, atol=1e-9)
    assert samples.targets[1 - wide].shape == (0, 5)


def test_boxes_are_clipped_and_those_without_area_or_of_crowds_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    boxes = [[-5, -5, 10, 10], [50, 0, 10, 10], [3, 3, 0, 4]]
    marked = [{"image_id": 31, "category_id": 4, "bbox": box} for box in boxes]
    crowd = {"image_id": 31, "category_id": 4, "bbox": [0, 0, 9, 9], "iscrowd": 1}
    with caplog.at_level(logging.WARNING):
        samples = coco(as_coco(tmp_path / "d", annotations=[*marked, crowd]), CLASSES)
    assert samples.targets.flat.tolist() == [[0, 0, 0, 5, 5]]
    assert "3 boxes" in caplog.text


def box(**changed: object) -> list[dict[str, object]]:
    return [{"image_id": 31, "category_id": 4, "bbox": [4, 2, 10, 6]} | changed]


@pytest.mark.parametrize(
    ("changed", "pattern"),
    [
        ({"annotations": box(image_id=5)}, "annotations.json, annotation 0 .*image 5"),
        ({"annotations": box(category_id=5)}, "annotation 0 .*category 5"),
        ({"annotations": box(bbox=[1, 2, 3])}, "annotation 0, bbox"),
        ({"annotations": box(bbox="none")}, "annotation 0, bbox"),
        ({"annotations": box(bbox=[1, 2, 3, float("nan")])}, "annotation 0, bbox"),
        ({"annotations": [{"image_id": 31}]}, "annotation 0 .*'category_id'"),
        ({"annotations": None}, "annotations.json .*'annotations'"),
        ({"categories": [{"id": 1, "name": "whale"}]}, "'whale'.* fish, shark"),
        ({"images": [{"id": 31}]}, "image 0 .*'file_name'"),
        ({"images": []}, "annotations.json"),
        ({"images": [{"id": 31, "file_name": "wide.bmp"}] * 2}, "image 1 .* 31"),
        ({"images": [{"id": 31, "file_name": "gone.bmp"}]}, "gone.bmp"),
    ],
)
def test_broken_coco_is_named(changed: dict[str, Any], pattern: str, tmp_path: Path) -> None:
    refused(pattern, coco, as_coco(tmp_path / "d", **changed), CLASSES)


def test_a_list_that_is_cut_off_or_missing_is_named(tmp_path: Path) -> None:
    folder = as_coco(tmp_path / "d")
    refused(r"images\.json", coco_images, folder)
    (folder / "annotations.json").write_text('{"images": [')
    refused(r"annotations\.json", coco, folder, CLASSES)


@pytest.mark.parametrize(
    ("write", "read", "text", "pattern"),
    [
        (as_yolo, yolo, "0 0.5 0.5 0.2\n", r"wide\.txt, line 1"),
        (as_yolo, yolo, "0 0.5 0.5 0.2 0.2\n1 0.5 x 0.2 0.2\n", "line 2"),
        (as_yolo, yolo, "2 0.5 0.5 0.2 0.2\n", "line 1: class 2"),
        (as_voc, voc, thing("whale", 1, 1, 2, 2), r"wide\.xml, object 1 .*'whale'"),
        (as_voc, voc, thing("fish", 1, 1, 2, "far"), "object 1, bndbox: 1 1 2 far"),
        (as_voc, voc, "<object><name>fish</name></object>", "object 1, bndbox"),
        (as_voc, voc, "<object>", r"wide\.xml"),
    ],
)
def test_broken_yolo_and_voc_are_named_by_line_and_object(
    write: Callable, read: Callable, text: str, pattern: str, tmp_path: Path
) -> None:
    refused(pattern, read, write(tmp_path / "d", text), CLASSES)


def test_an_image_of_voc_without_its_file_is_named(tmp_path: Path) -> None:
    (as_voc(tmp_path / "d") / "Annotations" / "tall.xml").unlink()
    refused(r"tall\.xml", voc, tmp_path / "d", CLASSES)


def test_importing_the_formats_imports_no_heavy_library() -> None:
    heavy = "{'cv2', 'PIL', 'pandas', 'torch'}"
    code = f"import sys, harness.data.formats, harness.data.synthetic; print(*({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
