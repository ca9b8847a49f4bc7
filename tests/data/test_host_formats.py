"""What hosts hand out beside the usual layouts: ids in paths, classes in names, rows of JSON, answers apart."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.data.formats import (
    classes_in_names,
    csv_table,
    files_matched,
    images_and_boxes,
    images_and_csv,
    images_and_runs,
    part_of_id,
    pixels_in_csv,
)
from harness.errors import UserError


def picture(file: Path, grey: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((2, 3), grey, np.uint8)).save(file)


@pytest.fixture
def slices(tmp_path: Path) -> Path:
    """case1/case1_day2/scans/slice_03_2_3.png, and another of the next day; their pixels are 20 and 30."""
    for day in (2, 3):
        picture(tmp_path / "in" / "case1" / f"case1_day{day}" / "scans" / "slice_03_2_3.png", 10 * day)
    return tmp_path


PATHS = (r"(case\d+_day\d+)/scans/(slice_\d+)_", r"\1_\2")


def test_parts_of_paths_are_ids(slices: Path) -> None:
    found = files_matched(slices / "in", *PATHS)
    assert list(found) == ["case1_day2_slice_03", "case1_day3_slice_03"]
    assert found["case1_day3_slice_03"].parent.parent.name == "case1_day3"
    assert list(files_matched(slices / "in", *PATHS, ["case1_day3_slice_03"])) == ["case1_day3_slice_03"]
    with pytest.raises(UserError, match="no image of 1 ids, the first is 'case9_day2_slice_03'"):
        files_matched(slices / "in", *PATHS, ["case9_day2_slice_03"])


def test_labels_runs_and_boxes_belong_to_such_ids(slices: Path) -> None:
    table = slices / "train.csv"
    table.write_text("id,kind,rle,x,y,w,h\ncase1_day3_slice_03,b,2 3,0,0,2,1\n")
    images = files_matched(slices / "in", *PATHS)
    labelled = images_and_csv(images, table, id="id", target="kind", classes=("a", "b"))
    assert labelled.labelled.inputs[0, 0, 0] == 30 and labelled.labelled.targets.tolist() == [1]
    assert labelled.official["unlabelled"].ids.tolist() == ["case1_day2_slice_03"]
    masks = images_and_runs(images, table, id="id", runs="rle", classes=("no", "yes")).labelled
    assert masks.ids.tolist() == ["case1_day2_slice_03", "case1_day3_slice_03"]
    assert masks.targets.tolist() == [[[0, 0, 0], [0, 0, 0]], [[0, 1, 1], [1, 0, 0]]]
    tested = {"case1_day2_slice_03": images["case1_day2_slice_03"]}
    boxes = images_and_boxes(images, table, id="id", box=("x", "y", "w", "h"), classes=("no",), test=tested)
    assert boxes.labelled.ids.tolist() == ["case1_day3_slice_03"]
    assert boxes.labelled.targets.flat.tolist() == [[0, 0, 0, 2, 1]]
    with pytest.raises(
        UserError, match=r"line 2, column id: 'case1_day3_slice_03' names no image: .* none of 1 images"
    ):
        images_and_csv(tested, table, id="id", target="kind", classes=("a", "b"))


def test_images_of_one_id_are_seen_together(tmp_path: Path) -> None:
    for name, grey in (("a_red", 10), ("a_green", 20), ("b_red", 30), ("b_green", 40)):
        picture(tmp_path / "in" / f"{name}.png", grey)
    (tmp_path / "train.csv").write_text("Id,Target\na,0\nb,1\n")
    images = files_matched(tmp_path / "in", r"^([^_]+)_")
    read = images_and_csv(images, tmp_path / "train.csv", id="Id", target="Target").labelled
    assert read.inputs.shape == (2, 4, 3)
    assert read.inputs[:, ::2, 0].tolist() == [[20, 10], [40, 30]]  # green comes before red


def test_classes_and_groups_in_names(tmp_path: Path) -> None:
    for k, name in enumerate(("cat.1", "cat.2", "dog.1")):
        picture(tmp_path / "train" / f"{name}.png", k)
    label, group = part_of_id("^([a-z]+)"), part_of_id(r"(\d+)$")
    read = classes_in_names(tmp_path / "train", ("cat", "dog"), label, group=group).labelled
    kinds = dict(zip(read.inputs[:, 0, 0].tolist(), read.targets.tolist(), strict=True))
    assert kinds == {0: 0, 1: 0, 2: 1}
    groups = dict(zip(read.inputs[:, 0, 0].tolist(), read.groups.tolist(), strict=True))
    assert groups[0] == groups[2] != groups[1]
    assert not any("cat" in name or "dog" in name for name in read.ids)
    with pytest.raises(UserError, match=r"dog\.1\.png is of the class 'dog'"):
        classes_in_names(tmp_path / "train", ("cat",), label)


def test_a_row_for_every_image_and_class(tmp_path: Path) -> None:
    for k, name in enumerate(("ID_a", "ID_b")):
        picture(tmp_path / "train" / f"{name}.png", k)
    table, key = tmp_path / "train.csv", "{id}_{class}"
    rows = ["ID,Label", "ID_b_any,1", "ID_b_sub,0", "ID_a_sub,0", "ID_a_any,0"]
    table.write_text("\n".join(rows))
    asked = {"id": "ID", "target": "Label", "classes": ("sub", "any"), "key": key}
    read = images_and_csv(tmp_path / "train", table, **asked).labelled
    assert (read.ids.tolist(), read.targets.tolist()) == (["ID_b", "ID_a"], [[0, 1], [0, 0]])
    table.write_text("\n".join(rows[:-1]))
    with pytest.raises(UserError, match="no row of the image ID_a for any"):
        images_and_csv(tmp_path / "train", table, **asked)
    table.write_text("\n".join([*rows, "ID_a_top,0"]))
    with pytest.raises(UserError, match="line 6, column ID: 'ID_a_top' is not of the form"):
        images_and_csv(tmp_path / "train", table, **asked)


def test_answers_in_another_table_and_ids_of_another_name(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("train_id,x,week\na,1.5,1\nb,2.5,1\nc,3.5,2\n")
    (tmp_path / "answers.csv").write_text("train_id,y\nc,30\na,10\nb,\nz,0\n")
    (tmp_path / "test.csv").write_text("test_id,x\na,9\n")
    read = csv_table(tmp_path / "train.csv", "y", id="train_id", test_id="test_id", answers=tmp_path / "answers.csv",
                     details=("week",), test=tmp_path / "test.csv")  # fmt: skip
    assert (read.labelled.ids.tolist(), read.labelled.targets.tolist()) == (["a", "c"], [10, 30])
    assert read.labelled.inputs.dtype.names == ("x",) and read.labelled.details["week"].tolist() == [1, 2]
    assert read.official["unlabelled"].ids.tolist() == ["b"] and read.official["test"].ids.tolist() == ["a"]
    (tmp_path / "answers.csv").write_text("train_id,y\nc,30\n")
    with pytest.raises(UserError, match=r"answers\.csv has no row for 2 of 3 ids, the first is 'a'"):
        csv_table(tmp_path / "train.csv", "y", id="train_id", answers=tmp_path / "answers.csv")


def test_an_id_that_is_a_date_is_learned_from(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("datetime,y\n2011-01-05 13:00:00,1\n2011-02-06 04:00:00,2\n")
    read = csv_table(tmp_path / "train.csv", "y", id="datetime").labelled
    assert read.ids.tolist() == ["2011-01-05 13:00:00", "2011-02-06 04:00:00"]
    assert read.inputs["datetime.hour"].tolist() == [13, 4] and read.inputs["datetime.month"].tolist() == [1, 2]


def test_rows_of_json_are_a_table(tmp_path: Path) -> None:
    rows = [{"id": 7, "words": ["salt", "olive oil"], "hot": True, "y": 1}, {"id": 8, "words": [], "y": None}]
    for text in (json.dumps(rows), "\n".join(map(json.dumps, rows))):
        (tmp_path / "train.json").write_text(text)
        read = csv_table(tmp_path / "train.json", "y", id="id")
        assert read.labelled.ids.tolist() == ["7"] and read.labelled.inputs["words"].tolist() == ["salt, olive oil"]
        assert read.official["unlabelled"].ids.tolist() == ["8"]
    for text in ('{"images": [{"id": 1}]}', '{"0": "cat"}', "[1, 2]", "{", "[{"):
        (tmp_path / "train.json").write_text(text)
        with pytest.raises(UserError, match=r"train\.json is not a table"):
            csv_table(tmp_path / "train.json", "y")


def test_pixels_in_a_cell_are_images_and_several_columns_their_colours(tmp_path: Path) -> None:
    file = tmp_path / "train.csv"
    file.write_text("id,y,one,two\na,0,0 1 2 3,255 0 0 0\nb,1,4 5 6 7,0 0 0 255\n")
    read = pixels_in_csv(file, "y", classes=("0", "1"), id="id", pixels=("one",)).labelled
    assert read.inputs.tolist() == [[[0, 1], [2, 3]], [[4, 5], [6, 7]]] and read.targets.tolist() == [0, 1]
    both = pixels_in_csv(file, "y", id="id", pixels=("one", "two")).labelled.inputs
    assert both.shape == (2, 2, 2, 3) and both[1, 1, 1].tolist() == [7, 255, 0]
    file.write_text("id,y,one\na,0,-20 -10 0 31\n")
    assert pixels_in_csv(file, "y", pixels=("one",)).labelled.inputs.ravel().tolist() == [0, 50, 100, 255]
    file.write_text("id,y,one\na,0,1 2 3 4\nb,0,1 2 3\n")
    with pytest.raises(UserError, match="line 3, column one: '1 2 3' is not 2 x 2 numbers"):
        pixels_in_csv(file, "y", pixels=("one",))
