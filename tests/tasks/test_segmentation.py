"""Segmentation: what a submission says comes back as it was, what breaks it is named, and void is never decided."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from harness.errors import InvalidSubmission, UserError
from harness.tasks.segmentation import Segmentation
from harness.tasks.submission_masks import RUN_LENGTH, WIDE, _one_figure_each, decode_runs, encode_runs

CLASSES = ("void", "soil", "rock")
IDS = np.array(["a", "b", "c"])
LAYOUTS = pytest.mark.parametrize("layout", [WIDE, RUN_LENGTH], ids=["wide", "run length"])


def task_of(layout=WIDE, classes=CLASSES, shape=(2, 3), void=0) -> Segmentation:
    return Segmentation(classes, shape, void, layout)


def masks(classes: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, classes, (3, 2, 3), dtype=np.uint8)


def probabilities(rows: int = 3, seed: int = 0, shape=(2, 3)) -> np.ndarray:
    raw = np.random.default_rng(seed).random((rows, 3, *shape))
    return (raw / raw.sum(1, keepdims=True)).astype(np.float16)


# -- written and read back ---------------------------------------------------------------------------------------------


@LAYOUTS
@pytest.mark.parametrize("classes", [("background", "gland"), CLASSES], ids=["two classes", "three"])
def test_what_is_written_is_what_is_read(layout, classes, tmp_path: Path) -> None:
    task, decided = task_of(layout, classes), masks(len(classes))
    decided[1] = 0  # an empty mask
    decided[2] = len(classes) - 1  # a full one
    task.write(IDS, decided, tmp_path / "s.csv")
    assert (task.read(tmp_path / "s.csv", IDS) == decided).all()
    assert (task.read(tmp_path / "s.csv", IDS[::-1]) == decided[::-1]).all()  # in the order that is asked for


def test_the_two_layouts_by_hand(tmp_path: Path) -> None:
    decided = np.array([[[0, 1, 1], [1, 0, 2]]], np.uint8)
    task_of(WIDE).write(IDS[:1], decided, tmp_path / "wide.csv")
    assert (tmp_path / "wide.csv").read_text() == "id,0,1,2,3,4,5\na,0,1,1,1,0,2\n"
    task_of(RUN_LENGTH).write(IDS[:1], decided, tmp_path / "runs.csv")
    assert (tmp_path / "runs.csv").read_text() == "id,class,rle\na,1,2 3\na,2,6 1\n"
    task_of(RUN_LENGTH, ("no", "yes")).write(IDS[:1], decided[:, :, ::-1] // 2, tmp_path / "two.csv")
    assert (tmp_path / "two.csv").read_text() == "id,rle\na,4 1\n"


@given(arrays(bool, st.tuples(st.integers(1, 5), st.integers(1, 6))))
@settings(max_examples=60, deadline=None)
def test_run_lengths_are_undone(mask: np.ndarray) -> None:
    assert (decode_runs(encode_runs(mask), mask.size) == mask.ravel()).all()


@LAYOUTS
def test_the_sample_submission_is_valid_and_says_no_void(layout, tmp_path: Path) -> None:
    task = task_of(layout)
    task.sample_submission(IDS, tmp_path / "s.csv")
    assert (task.read(tmp_path / "s.csv", IDS) == 1).all()


# -- refused, naming the place -----------------------------------------------------------------------------------------

WIDE_LINES = ["id,0,1,2,3,4,5", "a,1,1,1,1,1,1", "b,1,2,1,1,1,1", "c,0,1,1,1,1,1"]
RUN_LINES = ["id,class,rle", "a,1,1 6", "b,1,1 2", "b,2,4 1", "c,1,"]


def replaced(lines: list[str], index: int, line: str | None) -> list[str]:
    return lines[:index] + ([] if line is None else [line]) + lines[index + 1 :]


@pytest.mark.parametrize(
    ("layout", "lines", "words"),
    [
        (WIDE, replaced(WIDE_LINES, 2, None), ["1 of 3", "missing", "b"]),
        (WIDE, WIDE_LINES[:1], ["3 of 3", "missing", "a, b, c"]),
        (WIDE, [*WIDE_LINES, "b,1,1,1,1,1,1"], ["line 5", "'b'", "second time"]),
        (WIDE, replaced(WIDE_LINES, 3, "d,0,1,1,1,1,1"), ["line 4", "'d'", "not one of the 3"]),
        (WIDE, replaced(WIDE_LINES, 3, " c,0,1,1,1,1,1"), ["line 4", "' c'"]),
        (WIDE, replaced(WIDE_LINES, 0, "id,0,1,2,3,4"), ["header", "6 columns instead of 7"]),
        (WIDE, replaced(WIDE_LINES, 0, "id,0,1,2,3,5,4"), ["column 6", "'5'", "'4'"]),
        (WIDE, replaced(WIDE_LINES, 0, "ID,0,1,2,3,4,5"), ["column 1", "'ID'", "'id'"]),
        (WIDE, replaced(WIDE_LINES, 2, "b,1,2,1,1,1"), ["line 3", "6 columns instead of 7"]),
        (WIDE, replaced(WIDE_LINES, 2, "b,1,2,1,1,1,1,1"), ["line 3", "8 columns instead of 7"]),
        (WIDE, replaced(WIDE_LINES, 2, "b,1,1,1,3,1,1"), ["line 3", "id b", "column 3", "'3'", "0 to 2"]),
        (WIDE, replaced(WIDE_LINES, 2, "b,1,1,1,-1,1,1"), ["line 3", "column 3", "'-1'"]),
        (WIDE, replaced(WIDE_LINES, 2, "b,1,1,1,1.0,1,1"), ["line 3", "column 3", "'1.0'"]),
        (WIDE, replaced(WIDE_LINES, 2, "b,1,1,1,,1,1"), ["line 3", "column 3", "''"]),
        (WIDE, replaced(WIDE_LINES, 2, "b,1,1,1,nan,1,1"), ["line 3", "column 3", "'nan'"]),
        (WIDE, [], ["header", "0 columns"]),
        (RUN_LENGTH, replaced(RUN_LINES, 4, None), ["1 of 3", "missing", "c"]),
        (RUN_LENGTH, [*RUN_LINES, "d,1,1 1"], ["line 6", "'d'"]),
        (RUN_LENGTH, [*RUN_LINES, "b,1,3 1"], ["line 6", "id b", "class 1", "second time"]),
        (RUN_LENGTH, replaced(RUN_LINES, 3, "b,3,4 1"), ["line 4", "id b", "'3'", "1 to 2"]),
        (RUN_LENGTH, replaced(RUN_LINES, 3, "b,0,4 1"), ["line 4", "'0'", "1 to 2"]),
        (RUN_LENGTH, replaced(RUN_LINES, 3, "b,2,2 2"), ["line 4", "id b", "rle", "two classes"]),
        (RUN_LENGTH, replaced(RUN_LINES, 3, "b,2,4"), ["line 4", "id b", "rle", "'4'", "pairs"]),
        (RUN_LENGTH, replaced(RUN_LINES, 3, "b,2,4 x"), ["line 4", "rle", "'4 x'"]),
        (RUN_LENGTH, replaced(RUN_LINES, 3, "b,2,4 -1"), ["line 4", "rle", "'4 -1'"]),
        (RUN_LENGTH, replaced(RUN_LINES, 3, "b,2,0 1"), ["line 4", "rle", "run 0 1"]),
        (RUN_LENGTH, replaced(RUN_LINES, 3, "b,2,4 0"), ["line 4", "rle", "run 4 0"]),
        (RUN_LENGTH, replaced(RUN_LINES, 3, "b,2,6 2"), ["line 4", "rle", "run 6 2", "6 pixels"]),
        (RUN_LENGTH, replaced(RUN_LINES, 3, "b,2,5 1 4 1"), ["line 4", "rle", "run 4 1", "order"]),
        (RUN_LENGTH, replaced(RUN_LINES, 3, "b,2,4 2 5 1"), ["line 4", "rle", "run 5 1", "overlaps"]),
        (RUN_LENGTH, replaced(RUN_LINES, 3, "b,2,4 99999999999999999999"), ["line 4", "rle"]),
        (RUN_LENGTH, replaced(RUN_LINES, 3, "b,2,٤ 1"), ["line 4", "rle"]),
        (RUN_LENGTH, ["id,rle", "a,1 6"], ["header", "2 columns instead of 3"]),
    ],
)  # fmt: skip
def test_a_broken_submission_is_refused_by_row_and_column(layout, lines: list[str], words: list[str], tmp_path: Path):
    (tmp_path / "s.csv").write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    with pytest.raises(InvalidSubmission) as refusal:
        task_of(layout).read(tmp_path / "s.csv", IDS)
    assert [word for word in ["s.csv", *words] if word not in str(refusal.value)] == [], str(refusal.value)


def test_the_same_files_unbroken_are_read(tmp_path: Path) -> None:
    """The refusals above are of what was changed, nothing else. A file from Windows is as good."""
    for layout, lines in ((WIDE, WIDE_LINES), (RUN_LENGTH, RUN_LINES)):
        for ending in ("\n", "\r\n"):
            (tmp_path / "s.csv").write_bytes(ending.join(lines).encode())
            assert task_of(layout).read(tmp_path / "s.csv", IDS)[1].tolist()[0][0] == 1


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b'id,0,1,2,3,4,5\n"a,1,1,1,1,1,1\n', b"PK\x03\x04" * 9])
def test_what_is_no_table_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_bytes(content)
    with pytest.raises(InvalidSubmission, match=r"s\.csv"):
        task_of().read(tmp_path / "s.csv", IDS)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"s\.csv does not exist"):
        task_of().read(tmp_path / "s.csv", IDS)


def test_many_missing_ids_are_counted_and_the_first_named(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(WIDE_LINES[0] + "\n")
    with pytest.raises(InvalidSubmission) as refusal:
        task_of().read(tmp_path / "s.csv", np.arange(100).astype(str))
    assert "100 of 100" in str(refusal.value)
    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize(
    ("targets", "words"),
    [
        (np.full((2, 2, 3), 3, np.uint8), ["mask 0", "class 3", "0 to 2"]),
        (np.zeros((2, 3, 2), np.uint8), ["(2, 3, 2)", "(n, 2, 3)"]),
        (np.zeros((2, 2, 3), np.int64), ["int64", "uint8"]),
        (np.zeros((2, 6), np.uint8), ["(2, 6)"]),
    ],
)
def test_targets_that_are_no_masks_are_refused(targets: np.ndarray, words: list[str]) -> None:
    with pytest.raises(UserError) as refusal:
        task_of().check_targets(targets)
    assert [word for word in words if word not in str(refusal.value)] == []


# -- views, means, decisions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_the_overlay_stays_a_probability(share: float) -> None:
    a, s = probabilities(300, 1), probabilities(300, 2)
    changed = task_of().blend_class(a, s, target_class=2, share=share).astype(np.float64)
    np.testing.assert_allclose(changed.sum(1), 1, atol=2e-3)
    np.testing.assert_allclose(changed[:, 2], (1 - share) * a[:, 2] + share * s[:, 2].astype(float), atol=1e-3)
    np.testing.assert_allclose(changed[:, 0] * a[:, 1], changed[:, 1] * a[:, 0], atol=2e-3)  # proportions are kept


# -- stored and thinned ------------------------------------------------------------------------------------------------


def test_thinned_targets_and_predictions_keep_the_same_pixels() -> None:
    targets = np.random.default_rng(0).integers(0, 3, (2, 64, 128), dtype=np.uint8)
    one_hot = (targets[:, None] == np.arange(3)[:, None, None]).astype(np.float16)
    task = task_of(shape=(64, 128))
    thin_targets, thin_probabilities = task.subsample(targets), task.subsample(one_hot)
    assert (thin_probabilities.argmax(1) == thin_targets).all()
    assert 100 < thin_targets[0].size < 500
    assert thin_targets.dtype == np.uint8
    small: Callable = task_of().subsample
    assert (small(masks()) == masks()).all()  # nothing to thin


@pytest.mark.parametrize(
    "fields",
    [
        ["12", ""],
        ["", "12"],
        ["1,2", "", ""],
        ["1", "", "2,"],
        ["\u00e9", "1"],
        ["-", "1"],
        ["1", ":"],
        ["\u0661", "1"],
    ],
)
def test_wide_fields_are_read_at_once_only_where_each_is_one_figure(fields):
    assert _one_figure_each(fields) is None
    assert _one_figure_each(["0", "4", "9"]).tolist() == [0, 4, 9]
