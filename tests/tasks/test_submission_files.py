"""What a submission says comes back as it was, in the host's layout, and what breaks it is named by line and column."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.data.samples import Ragged
from harness.errors import InvalidSubmission, UserError
from harness.tasks.classification import PROBABILITIES, Classification
from harness.tasks.detection import Detection
from harness.tasks.layout import Asked, Layout
from harness.tasks.mask_cells import RUN_LENGTH, Runs
from harness.tasks.regression import Regression
from harness.tasks.segmentation import Segmentation

CLASSES = ("cat", "dog", "fox")
IDS = np.array(["7", "3", "12"])
TASKS: dict[str, Any] = {
    "label": Classification(CLASSES),
    "several": Classification(CLASSES, multilabel=True),
    "chances": Classification(CLASSES, PROBABILITIES),
    "wide": Segmentation(CLASSES, (2, 3), void=0),
    "runs": Segmentation(CLASSES, (2, 3), void=0, layout=Layout(Runs(), {"id": "{id}", "class": "{class}"})),
    "two": Segmentation(("no", "yes"), (2, 3), layout=RUN_LENGTH),
    "number": Regression("price"),
    "boxes": Detection(CLASSES),
    "results": Detection(CLASSES),
}
MASK, OTHER, EMPTY = [[0, 1, 1], [1, 0, 2]], [[2, 2, 2], [2, 2, 2]], [[0, 0, 0], [0, 0, 0]]
DECIDED: dict[str, Any] = {
    "label": np.array([2, 0, 1]),
    "several": np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1]], np.uint8),
    "chances": np.array([[0.25, 0.125, 0.625], [1, 0, 0], [0.2, 0.3, 0.5]]),
    "wide": np.array([MASK, OTHER, EMPTY], np.uint8),
    "runs": np.array([MASK, OTHER, EMPTY], np.uint8),
    "two": np.array([MASK, OTHER, EMPTY], np.uint8) // 2,
    "number": np.array([0.1, 123456.789, -2.5e-8], np.float32),
    "boxes": Ragged(
        np.array([[0, 0.9, 1, 2, 11, 12], [1, 0.3, 0.1, 0.2, 33.3, 44.4], [1, 0.5, 5, 5, 9, 8]], np.float32),
        np.array([0, 2, 2, 3]),
    ),
}
DECIDED["results"] = DECIDED["boxes"]
WRITTEN = {
    "label": ["id,label", "7,2", "3,0", "12,1"],
    "several": ["id,cat,dog,fox", "7,1,0,1", "3,0,0,0", "12,1,1,1"],
    "chances": ["id,cat,dog,fox", "7,0.25,0.125,0.625", "3,1,0,0", "12,0.2,0.3,0.5"],
    "wide": ["id,0,1,2,3,4,5", "7,0,1,1,1,0,2", "3,2,2,2,2,2,2", "12,0,0,0,0,0,0"],
    "runs": ["id,class,rle", "7,dog,2 3", "7,fox,6 1", "3,dog,", "3,fox,1 6", "12,dog,", "12,fox,"],
    "two": ["id,rle", "7,6 1", "3,1 6", "12,"],
    "number": ["id,price", "7,0.100000001", "3,123456.789", "12,-2.50000003e-08"],
    "boxes": [
        "id,PredictionString",
        "7,0 0.899999976 1 2 10 10 1 0.300000012 0.100000001 0.200000003 33.1999992 44.2000015",
        "3,",
        "12,1 0.5 5 5 4 3",
    ],
    "results": [
        '[{"image_id": 7, "category_id": 0, "bbox": [1.0, 2.0, 10.0, 10.0], "score": 0.899999976},',
        '{"image_id": 7, "category_id": 1, "bbox": [0.100000001, 0.200000003, 33.1999992, 44.2000015], '
        '"score": 0.300000012},',
        '{"image_id": 12, "category_id": 1, "bbox": [5.0, 5.0, 4.0, 3.0], "score": 0.5}]',
    ],
}
KINDS = pytest.mark.parametrize("kind", TASKS)


def asked(rows: Any = slice(None)) -> Asked:
    return Asked(IDS[rows], np.tile([2, 3], (len(IDS[rows]), 1)))


def file_of(folder: Path, kind: str) -> Path:
    return folder / ("s.json" if kind == "results" else "s.csv")


def same(a: Any, b: Any) -> bool:
    if isinstance(a, Ragged):
        return bool((a.flat == b.flat).all()) and a.offsets.tolist() == b.offsets.tolist()
    return bool((a.astype(b.dtype) == b).all())


@KINDS
def test_a_file_is_written_in_its_layout_and_read_back_in_any_order_to_the_last_bit(kind: str, tmp_path: Path) -> None:
    task, decided, file = TASKS[kind], DECIDED[kind], file_of(tmp_path, kind)
    task.write(asked(), decided, file)
    assert file.read_text().splitlines() == WRITTEN[kind]
    order = [2, 0, 1]
    assert same(task.read(file, asked(order)), decided[order])
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))  # as on Windows
    hashed = file.rename(tmp_path / "a hash without a suffix")  # as the judge keeps it
    assert same(task.read(hashed, asked()), decided)


@KINDS
def test_the_sample_submission_is_valid(kind: str, tmp_path: Path) -> None:
    TASKS[kind].sample_submission(asked(), file_of(tmp_path, kind))
    read = TASKS[kind].read(file_of(tmp_path, kind), asked())
    assert len(read) == 3
    assert kind not in ("wide", "runs") or (read != 0).all()  # void is never predicted


def test_a_class_with_a_comma_is_quoted(tmp_path: Path) -> None:
    task = Classification(("cat, tabby", "dog"), PROBABILITIES)
    task.write(asked(slice(1)), np.array([[0.5, 0.5]]), tmp_path / "s.csv")
    assert (tmp_path / "s.csv").read_text() == 'id,"cat, tabby",dog\n7,0.5,0.5\n'
    assert task.read(tmp_path / "s.csv", asked(slice(1))).tolist() == [[0.5, 0.5]]


def test_results_name_images_by_whole_numbers(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="whole numbers"):
        TASKS["results"].write(Asked(np.array(["a.jpg"])), DECIDED["boxes"][[0]], tmp_path / "o.json")


# -- refused, naming the place -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "index", "line", "words"),
    [
        ("label", 0, "id,class", ["column 2", "'class'", "'label'"]),
        ("label", 0, "ID,label", ["column 1", "'ID'", "'id'"]),
        ("label", 2, None, ["1 of 3", "missing", "3"]),
        ("label", 2, "3,1,1", ["line 3", "3 columns instead of 2"]),
        ("label", 2, "4,1", ["line 3", "'4'", "not one of the 3"]),
        ("label", 2, " 3,1", ["line 3", "' 3'"]),
        ("label", 2, "7,1", ["line 3", "'7'", "second time"]),
        *(
            ("label", 2, f"3,{text}", ["line 3", "id 3", "column label", repr(text), "0 to 2"])
            for text in ("3", "-1", "1.0", "01", "", "nan", "fox", "٢")
        ),
        ("several", 2, "3,2,0,0", ["line 3", "column cat", "0 to 1"]),
        ("chances", 2, "3,0.2,0.3,0.6", ["id 3", "sum to 1.1"]),
        *(
            ("chances", 2, f"3,0,0,{text}", ["line 3", "column fox", repr(text), "probability"])
            for text in ("-0.2", "nan", "1e999", "1_0", " 1")
        ),
        *(
            ("number", 2, f"3,{text}", ["line 3", "id 3", "column price", repr(text), "finite number"])
            for text in ("inf", "NaN", "1e999", "", " 1", "1_000", "٣", "ninety", "0x10")
        ),
        ("wide", 0, "id,0,1,2,3,4", ["header", "6 columns instead of 7"]),
        ("wide", 0, "id,0,1,2,3,5,4", ["column 6", "'5'", "'4'"]),
        ("wide", 2, "3,1,1,1,3,1,1", ["line 3", "id 3", "column 3", "'3'", "0 to 2"]),
        ("wide", 2, "3,1,1,1,1.0,1,1", ["line 3", "column 3", "'1.0'"]),
        ("wide", 2, "3,12,,1,1,1,1", ["line 3", "column 0", "'12'"]),
        ("wide", 2, "3,1,:,1,1,1,1", ["line 3", "column 1", "':'"]),
        ("wide", 2, "3,1,١,1,1,1,1", ["line 3", "column 1", "'١'"]),
        ("runs", 0, "id,rle", ["header", "2 columns instead of 3"]),
        ("runs", 5, None, ["1 of 6", "missing", "12 dog"]),
        ("runs", 2, "7,dog,3 1", ["line 3", "id '7'", "class 'dog'", "second time"]),
        ("runs", 2, "7,cow,6 1", ["line 3", "id '7'", "class 'cow'", "not one of the 6"]),
        ("runs", 2, "7,cat,6 1", ["line 3", "class 'cat'", "not one of the 6"]),
        ("runs", 2, "7,fox,2 2", ["line 3", "id 7", "rle", "two classes"]),
        *(
            ("runs", 2, f"7,fox,{runs}", ["line 3", "rle", repr(runs), "pairs"])
            for runs in ("6", "6 x", "6 -1", "6 99999999999999999999", "٦ 1")
        ),
        *(
            ("runs", 3, f"3,dog,{runs}", ["line 4", "rle", f"run {run}", "6 pixels"])
            for runs, run in (("0 1", "0 1"), ("4 0", "4 0"), ("6 2", "6 2"), ("5 1 4 1", "4 1"), ("4 2 5 1", "5 1"))
        ),
        (
            "boxes",
            3,
            "12,1 0.5 5 5 4",
            ["line 4", "id 12", "PredictionString", "5 fields", "class score x y w h"],
        ),
        ("boxes", 3, "12,1 0.5 5 five 4 3", ["line 4", "'five' is not a number"]),
        ("boxes", 3, "12,1 1_0 5 5 4 3", ["line 4", "'1_0' is not a number"]),
        ("boxes", 3, "12,1 0.5 5 5 4 3 3 0.5 5 5 4 3", ["line 4", "box 2", "class 3 is not one of 0, 1, 2"]),
        *(("boxes", 3, f"12,{k} 0.5 5 5 4 3", ["line 4", f"class {k} is not"]) for k in ("-1", "0.5", "nan")),
        *(("boxes", 3, f"12,1 {s} 5 5 4 3", ["line 4", f"score {s} is not"]) for s in ("1.5", "nan")),
        ("boxes", 3, "12,1 0.5 nan 5 4 3", ["line 4", "nan 5 nan 8"]),
        ("boxes", 3, "12,1 0.5 5 5 inf 3", ["line 4", "5 5 inf 8"]),
        ("boxes", 3, "12,1 0.5 5 5 0 3", ["line 4", "width 0 and height 3"]),
        ("boxes", 3, "12," + " ".join(["1 0.5 5 5 4 3"] * 101), ["line 4", "more than 100 boxes"]),
    ],
)
def test_a_broken_table_is_refused_by_line_and_column(kind: str, index: int, line: str | None, words, tmp_path) -> None:
    lines = WRITTEN[kind][:index] + ([] if line is None else [line]) + WRITTEN[kind][index + 1 :]
    (tmp_path / "s.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(InvalidSubmission) as refusal:
        TASKS[kind].read(tmp_path / "s.csv", asked())
    assert [word for word in ["s.csv", *words] if word not in str(refusal.value)] == [], str(refusal.value)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"image_id": 4}, ["entry 1", "image_id 4", "not one of the 3"]),
        ({"image_id": "7"}, ["entry 1", "image_id '7'"]),
        ({"image_id": True}, ["entry 1", "image_id True"]),
        ({"bbox": [1, 1, 2]}, ["entry 1 (image_id 7)", "bbox [1, 1, 2]"]),
        ({"bbox": [1, 1, 2, "2"]}, ["entry 1", "'2' is not a number"]),
        ({"bbox": [1, 1, 2, None]}, ["entry 1", "'None' is not a number"]),
        ({"bbox": [1, 1, -2, 2]}, ["entry 1", "width -2"]),
        ({"score": "0.5"}, ["entry 1", "'0.5' is not a number"]),
        ({"score": 1.01}, ["entry 1", "score 1.01"]),
        ({"score": float("nan")}, ["NaN"]),
        ({"category_id": 3}, ["entry 1", "class 3 is not"]),
    ],
)
def test_broken_results_are_refused_by_entry(changed: dict[str, Any], words: list[str], tmp_path: Path) -> None:
    good = {"image_id": 7, "category_id": 0, "bbox": [1, 1, 2, 2], "score": 0.5}
    (tmp_path / "s.json").write_text(json.dumps([good, good | changed]))
    with pytest.raises(InvalidSubmission) as refusal:
        TASKS["results"].read(tmp_path / "s.json", asked())
    assert [word for word in words if word not in str(refusal.value)] == [], str(refusal.value)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("wide", b""),
        ("wide", b"\xff\xfe\x00"),
        ("wide", b'id,0,1,2,3,4,5\n"7,1,1,1,1,1,1\n'),
        ("wide", b"PK\x03\x04" * 9),
        ("results", b"["),
        ("results", b'[{"image_id": 7}]'),
        ("results", b"[7]"),
        ("results", json.dumps([{"image_id": 7, "category_id": 0, "bbox": [1, 1, 2, 2], "score": 0.5}] * 101).encode()),
    ],
)
def test_what_is_no_submission_is_named(kind: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(content)
    with pytest.raises(InvalidSubmission, match=r"^s"):
        TASKS[kind].read(tmp_path / "s", asked())


@pytest.mark.parametrize("kind", ["wide", "results"])
def test_a_missing_file_is_named(kind: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"s\.csv does not exist"):
        TASKS[kind].read(tmp_path / "s.csv", asked())


def test_many_missing_ids_are_counted_and_the_first_named(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("id,label\n")
    with pytest.raises(InvalidSubmission, match=r"100 of 100.*0, 1") as refusal:
        TASKS["label"].read(tmp_path / "s.csv", Asked(np.arange(100).astype(str)))
    assert len(str(refusal.value)) < 200
