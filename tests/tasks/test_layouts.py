"""Layouts: every kind of host's file by hand, read back as it was, refused by line and column, ordered as a sample."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from harness.data.run_lengths import RunLengths
from harness.data.samples import Ragged, Samples
from harness.errors import InvalidSubmission, UserError
from harness.tasks.box_cells import Boxes, CocoResults
from harness.tasks.cells import Best, Flags, Label, Labels, Numbers, Probabilities, Probability
from harness.tasks.classification import Classification
from harness.tasks.detection import Detection
from harness.tasks.layout import Asked, Layout
from harness.tasks.mask_cells import RUN_LENGTH, Pixels, Runs
from harness.tasks.regression import Regression
from harness.tasks.segmentation import Segmentation

CLASSES = ("cat", "dog", "fox")
IDS = np.array(["000052", "a.jpg"])
ASKED = Asked(IDS)
SIZED = Asked(IDS, np.array([[2, 3], [2, 3]]))
PROBS = np.array([[0.25, 0.125, 0.625], [1, 0, 0]])
MASKS = np.array([[[0, 1, 1], [2, 0, 1]], [[0, 0, 0], [0, 0, 0]]], np.uint8)
BOXES = Ragged(np.array([[1, 0.5, 1, 2, 3, 6], [0, 0.25, 0, 0, 2, 1]], np.float32), np.array([0, 2, 2]))
BY_CLASS = {"Image_Label": "{id}_{class}"}


def classes(cells: Any, keys: Any = None, columns: tuple[str, ...] = (), **kind: Any) -> Classification:
    return Classification(CLASSES, Layout(cells, {"id": "{id}"} if keys is None else keys, columns), **kind)


def masks(cells: Any, keys: Any = None, names: tuple[str, ...] = ("ground", "1", "2")) -> Segmentation:
    return Segmentation(names, (2, 3), layout=Layout(cells, keys or {"id": "{id}"}))


def boxes(fields: str, names: tuple[str, ...] = CLASSES[:2], **cells: Any) -> Detection:
    return Detection(names, Layout(Boxes("boxes", fields, **cells)))


COPY = Asked(IDS, None, {"Date": np.array(["1", ""]), "Text": np.array(['say "no"', "a,b"])})
REPEATED = {"Date": "{Date}", "Text": "{Text}"}
FLAGS = np.array([[1, 0, 1], [0, 0, 0]], np.uint8)

BY_HAND: dict[str, tuple[Any, Asked, Any, str]] = {
    "an index": (classes(Label("y")), ASKED, np.array([2, 0]), "id,y\n000052,2\na.jpg,0\n"),
    "an index from 1": (classes(Label("y", ("1", "2", "3"))), ASKED, np.array([2, 0]), "id,y\n000052,3\na.jpg,1\n"),
    "names": (classes(Label("y", CLASSES)), ASKED, np.array([2, 0]), "id,y\n000052,fox\na.jpg,cat\n"),
    "flags": (classes(Flags(), multilabel=True), ASKED, FLAGS, "id,cat,dog,fox\n000052,1,0,1\na.jpg,0,0,0\n"),
    "labels in a cell": (
        classes(Labels("y", none="-"), multilabel=True), ASKED, FLAGS, "id,y\n000052,cat fox\na.jpg,-\n"
    ),
    "one probability": (
        Classification(("no", "yes"), Layout(Probability("y"))), ASKED, np.array([[0.75, 0.25], [0, 1]]),
        "id,y\n000052,0.25\na.jpg,1\n",
    ),
    "probabilities in the sample's order": (
        classes(Probabilities(("is_cat", "is_dog", "is_fox")), columns=("is_fox", "id", "is_cat", "is_dog")),
        ASKED, PROBS, "is_fox,id,is_cat,is_dog\n0.625,000052,0.25,0.125\n0,a.jpg,1,0\n",
    ),
    "a line for every class": (
        classes(Probability("p"), BY_CLASS), Asked(IDS[:1]), PROBS[:1],
        "Image_Label,p\n000052_cat,0.25\n000052_dog,0.125\n000052_fox,0.625\n",
    ),
    "no id, other columns repeated": (
        Classification(("no", "yes"), Layout(Probability("y"), REPEATED, ("y", "Date", "Text"))),
        COPY, np.array([[0.75, 0.25], [0, 1]]), 'y,Date,Text\n0.25,1,"say ""no"""\n1,,"a,b"\n',
    ),
    "two numbers": (
        Regression(("u", "v")), ASKED, np.array([[1.5, -2], [0, 1e9]], np.float32),
        "id,u,v\n000052,1.5,-2\na.jpg,0,1e+09\n"
    ),
    "whole numbers": (
        Regression("u", Layout(Numbers(("u",), 0, 9, whole=True))), ASKED, np.array([3, 9], np.float32),
        "id,u\n000052,3\na.jpg,9\n",
    ),
    "runs along the rows": (masks(Runs(), names=("no", "yes")), SIZED, MASKS % 2, "id,rle\n000052,2 2 6 1\na.jpg,\n"),
    "runs down the columns, a line for every class": (
        masks(Runs("runs", RunLengths(by_columns=True, none="-1")), BY_CLASS), SIZED, MASKS,
        "Image_Label,runs\n000052_1,3 1 5 2\n000052_2,2 1\na.jpg_1,-1\na.jpg_2,-1\n",
    ),
    "relative runs": (
        masks(Runs(runs=RunLengths(True, 0, relative=True, none="-1")), names=("no", "yes")), SIZED, MASKS % 2,
        "id,rle\n000052,2 1 1 2\na.jpg,-1\n",
    ),
    "a line for every object": (
        masks(Runs(each_object=True), names=("no", "yes")), SIZED,
        np.array([[[1, 0, 0], [0, 0, 0]], [[1, 0, 1], [1, 0, 1]]], np.uint8),
        "id,rle\n000052,1 1\na.jpg,1 1 4 1\na.jpg,3 1 6 1\n",
    ),
    "pixels": (masks(Pixels()), SIZED, MASKS, "id,0,1,2,3,4,5\n000052,0,1,1,2,0,1\na.jpg,0,0,0,0,0,0\n"),
    "boxes as corner and size": (
        boxes("class score x y w h"), SIZED, BOXES, "id,boxes\n000052,1 0.5 1 2 2 4 0 0.25 0 0 2 1\na.jpg,\n"
    ),
    "boxes of one class": (
        boxes("score x y w h", ("wheat",), none="-"), SIZED, Ragged(BOXES.flat[1:], np.array([0, 1, 1])),
        "id,boxes\n000052,0.25 0 0 2 1\na.jpg,-\n",
    ),
    "boxes as shares of the image": (
        boxes("class score x1 y1 x2 y2", texts=("/m/1", "/m/2"), shares=True),
        Asked(IDS, np.array([[8, 4], [2, 2]])), BOXES,
        "id,boxes\n000052,/m/2 0.5 0.25 0.25 0.75 0.75 /m/1 0.25 0 0 0.5 0.125\na.jpg,\n",
    ),
}  # fmt: skip


def rows_of(decided: Any) -> list[Any]:
    return [np.asarray(row, np.float64).tolist() for row in decided]


@pytest.mark.parametrize("name", BY_HAND)
def test_a_layout_by_hand_and_back(name: str, tmp_path: Path) -> None:
    task, asked, decided, expected = BY_HAND[name]
    task.write(asked, decided, tmp_path / "s.csv")
    assert (tmp_path / "s.csv").read_text() == expected
    assert rows_of(task.read(tmp_path / "s.csv", asked)) == rows_of(decided)


@pytest.mark.parametrize("name", [name for name in BY_HAND if "no id" not in name])
def test_lines_may_stand_in_any_order(name: str, tmp_path: Path) -> None:
    task, asked, decided, expected = BY_HAND[name]
    header, *lines = expected.splitlines()
    (tmp_path / "s.csv").write_text("\n".join([header, *reversed(lines)]))
    assert rows_of(task.read(tmp_path / "s.csv", asked)) == rows_of(decided)


@pytest.mark.parametrize("name", BY_HAND)
def test_every_sample_submission_is_valid(name: str, tmp_path: Path) -> None:
    task, asked, _, _ = BY_HAND[name]
    task.sample_submission(asked, tmp_path / "s.csv")
    assert len(task.read(tmp_path / "s.csv", asked)) == len(asked)


BROKEN = [
    ("an index", "000052,3", "line 2 (id 000052), column y: '3' is not a label"),
    ("an index", "52,2", "line 2: id '52' is not one of the 2 asked for"),
    ("names", "000052,Fox", "'Fox' is not a label (cat, dog, fox)"),
    ("labels in a cell", "000052,cat cat", "'cat' is given a second time"),
    ("labels in a cell", "000052,cat  fox", "'' is not a label"),
    ("one probability", "000052,1.25", "column y: '1.25' is not a probability"),
    ("a line for every class", "000052_cow,0.25", "Image_Label '000052_cow' is not one of the 3"),
    ("no id, other columns repeated", '0.25,2,"say ""no"""', "line 2, column Date: '2' instead of '1'"),
    ("two numbers", "000052,1.5,nan", "column v: 'nan' is not a finite number"),
    ("whole numbers", "000052,3.5", "3.5 is not a whole number"),
    ("whole numbers", "000052,10", "10 is not in the range from 0 to 9"),
    ("runs along the rows", "000052,6 2", "the run 6 2 overlaps, is out of order or leaves the 6 pixels"),
    ("runs along the rows", "000052,0 1", "the run 0 1"),
    ("runs along the rows", "000052,2 2 3 1", "the run 3 1 overlaps"),
    ("runs along the rows", "000052,2", "'2' is not made of `start length` pairs"),
    ("runs down the columns, a line for every class", "000052_1,2 1", "a pixel is given to two classes"),
    ("relative runs", "000052,", "'' is not made of"),
    ("relative runs", "000052,5 1 1 1", "the run 1 1"),
    ("pixels", "000052,0,1,1,3,0,1", "column 3: '3' is not a class from 0 to 2"),
    ("boxes as corner and size", "000052,1 0.5 1 2 2", "5 fields, but every box has 6: class score x y w h"),
    ("boxes as corner and size", "000052,1 0.5 1 2 0 4", "width 0 and height 4 must be more than 0"),
    ("boxes as corner and size", "000052,2 0.5 1 2 2 4", "box 1: class 2 is not one of 0, 1"),
    ("boxes as corner and size", "000052,1 1.5 1 2 2 4", "the score 1.5 is not between 0 and 1"),
    ("boxes as corner and size", "000052,1 0.5 1 nan 2 4", "not pixels"),
    ("boxes as corner and size", "000052,1 0.5 1 1_0 2 4", "'1_0' is not a number"),
]


@pytest.mark.parametrize(("name", "line", "why"), BROKEN)
def test_a_broken_line_is_refused_by_place(name: str, line: str, why: str, tmp_path: Path) -> None:
    task, asked, _, expected = BY_HAND[name]
    header, _, *others = expected.splitlines()
    (tmp_path / "s.csv").write_text("\n".join([header, line, *others]))
    with pytest.raises(InvalidSubmission) as refusal:
        task.read(tmp_path / "s.csv", asked)
    assert why in str(refusal.value) and "s.csv" in str(refusal.value)


@pytest.mark.parametrize("name", BY_HAND)
def test_missing_lines_and_lines_too_many_are_refused(name: str, tmp_path: Path) -> None:
    task, asked, _, expected = BY_HAND[name]
    lines = expected.splitlines()
    (tmp_path / "s.csv").write_text(lines[0])
    with pytest.raises(InvalidSubmission, match=r"missing|0 rows"):
        task.read(tmp_path / "s.csv", asked)
    (tmp_path / "s.csv").write_text("\n".join([*lines, lines[1]]))
    with pytest.raises(InvalidSubmission, match=r"second time|more than the 2 rows|share a pixel"):
        task.read(tmp_path / "s.csv", asked)


def test_the_k_best_are_read_back_in_their_order(tmp_path: Path) -> None:
    task = classes(Best(2, "hotels"))
    task.write(ASKED, PROBS, tmp_path / "s.csv")
    assert (tmp_path / "s.csv").read_text() == "id,hotels\n000052,fox cat\na.jpg,cat dog\n"
    assert task.read(tmp_path / "s.csv", ASKED).tolist() == [[0.5, 0, 1], [1, 0.5, 0]]


def test_numbers_are_decided_as_the_host_takes_them() -> None:
    task = Regression("u", Layout(Numbers(("u",), 0, 9, whole=True)))
    assert task.decide(np.array([-3.2, 4.6, 99])).tolist() == [0, 5, 9]


def test_a_row_that_must_have_a_label_gets_its_most_probable_one() -> None:
    task = classes(Labels("y"), multilabel=True)
    assert task.decide(np.array([[0.1, 0.4, 0.2], [0.9, 0.1, 0.8]])).tolist() == [[0, 1, 0], [1, 0, 1]]


def test_coco_results_have_the_category_ids_of_the_host(tmp_path: Path) -> None:
    task = Detection(CLASSES[:2], CocoResults((3, 7)))
    asked = Asked(np.array(["12", "40"]))
    task.write(asked, BOXES, tmp_path / "o.json")
    assert '"category_id": 7' in (tmp_path / "o.json").read_text()
    assert (task.read(tmp_path / "o.json", asked).flat == BOXES.flat).all()


@given(arrays(bool, st.tuples(st.integers(1, 5), st.integers(1, 6))), st.booleans(), st.integers(0, 1), st.booleans())
@settings(max_examples=80, deadline=None)
def test_run_lengths_are_undone(mask: np.ndarray, by_columns: bool, first: int, relative: bool) -> None:
    runs = RunLengths(by_columns, first, relative)
    assert (runs.decode(runs.encode(mask), mask.shape) == mask).all()


# -- the host's sample -------------------------------------------------------------------------------------------------


def test_the_sample_orders_the_rows_and_leaves_out_what_it_does_not_ask_for(tmp_path: Path) -> None:
    task, asked = classes(Probability("p"), BY_CLASS), Asked(np.array(["a", "b", "c"]))
    lines = [f"{name}_{label},0.5" for name in "cb" for label in CLASSES]
    (tmp_path / "s.csv").write_text("\n".join(["Image_Label,p", *lines]))
    assert task.table.order(task, tmp_path / "s.csv", asked).tolist() == [2, 1]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("id,q\na,1", "the columns id,q, but the layout writes id,y"),
        ("id,y\na,1\nd,1", "line 3: d is asked for, but is not a row of the test"),
    ],
)
def test_a_sample_that_does_not_fit_is_refused(text: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(text)
    task = classes(Label("y"))
    with pytest.raises(UserError, match=why):
        task.table.order(task, tmp_path / "s.csv", Asked(np.array(["a", "b"])))


def test_a_column_that_is_repeated_must_be_there() -> None:
    rows = np.zeros(2, [("Date", "U5"), ("n", float)])
    layout = Layout(Probability("y"), {"Date": "{Date}", "n": "{n}"})
    assert layout.asked(Samples(IDS, rows)).copied["n"].tolist() == ["0", "0"]
    with pytest.raises(UserError, match="'Text'"):
        Layout(Probability("y"), {"Text": "{Text}"}).asked(Samples(IDS, rows))


def test_a_mask_of_its_own_size_is_read_at_it(tmp_path: Path) -> None:
    task = Segmentation(("no", "yes"), (2, 3), layout=RUN_LENGTH)
    (tmp_path / "s.csv").write_text("id,rle\na,12 1\n")
    asked = Asked(np.array(["a"]), np.array([[3, 4]]))
    assert task.read(tmp_path / "s.csv", asked)[0][2, 3] == 1
