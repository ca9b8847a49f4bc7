"""Classification: what a submission says comes back as it was, what breaks it is named, offsets and views work."""

from pathlib import Path

import numpy as np
import pytest

from harness.data.images import EncodedImages, encode
from harness.ensemble import Member, OOFData, Recipe, with_offsets
from harness.errors import InvalidSubmission, UserError
from harness.metrics import Accuracy
from harness.tasks.classification import PROBABILITIES, Classification

CLASSES = ("cat", "dog", "fox")
IDS = np.array(["a", "b", "c"])
single, several = Classification(CLASSES), Classification(CLASSES, multilabel=True)
chances, marks = Classification(CLASSES, PROBABILITIES), Classification(CLASSES, PROBABILITIES, multilabel=True)


def probabilities(rows: int = 3, seed: int = 0) -> np.ndarray:
    raw = np.random.default_rng(seed).random((rows, 3)) + 0.05
    return (raw / raw.sum(1, keepdims=True)).astype(np.float16)


def written(task: Classification, decided: np.ndarray, folder: Path) -> str:
    task.write(IDS[: len(decided)], decided, folder / "s.csv")
    return (folder / "s.csv").read_text()


# -- written and read back ---------------------------------------------------------------------------------------------


def test_the_layouts_by_hand(tmp_path: Path) -> None:
    assert written(single, np.array([2, 0, 1]), tmp_path) == "id,label\na,2\nb,0\nc,1\n"
    assert written(several, np.array([[1, 0, 1]]), tmp_path) == "id,cat,dog,fox\na,1,0,1\n"
    assert written(chances, np.array([[0.25, 0.125, 0.625]]), tmp_path) == "id,cat,dog,fox\na,0.25,0.125,0.625\n"
    named = Classification(("cat, tabby", "dog"), PROBABILITIES)
    assert written(named, np.array([[0.5, 0.5]]), tmp_path) == 'id,"cat, tabby",dog\na,0.5,0.5\n'


LABEL_LINES = ["id,label", "a,0", "b,2", "c,1"]
CHANCE_LINES = ["id,cat,dog,fox", "a,1,0,0", "b,0.2,0.3,0.5", "c,0.5,0.25,0.25"]


@pytest.mark.parametrize(
    ("task", "lines", "index", "line", "words"),
    [
        (single, LABEL_LINES, 2, "b,3", ["line 3", "id b", "column label", "'3'", "0 to 2"]),
        (single, LABEL_LINES, 2, "b,-1", ["line 3", "'-1'"]),
        (single, LABEL_LINES, 2, "b,1.0", ["line 3", "'1.0'"]),
        (single, LABEL_LINES, 2, "b,01", ["line 3", "'01'"]),
        (single, LABEL_LINES, 2, "b,", ["line 3", "''"]),
        (single, LABEL_LINES, 2, "b,nan", ["line 3", "'nan'"]),
        (single, LABEL_LINES, 2, "b,fox", ["line 3", "'fox'"]),
        (single, LABEL_LINES, 2, "b,٢", ["line 3", "'٢'"]),
        (single, LABEL_LINES, 2, "b,1,1", ["line 3", "3 columns instead of 2"]),
        (single, LABEL_LINES, 2, "d,1", ["line 3", "'d'", "not one of the 3"]),
        (single, LABEL_LINES, 2, "a,1", ["line 3", "'a'", "second time"]),
        (single, LABEL_LINES, 0, "id,class", ["column 2", "'class'", "'label'"]),
        (chances, CHANCE_LINES, 2, "b,0.2,0.3,0.6", ["id b", "sum to 1.1"]),
        (chances, CHANCE_LINES, 2, "b,-0.2,0.6,0.6", ["line 3", "column cat", "'-0.2'", "probability"]),
        (chances, CHANCE_LINES, 2, "b,0,nan,1", ["line 3", "column dog", "'nan'"]),
        (chances, CHANCE_LINES, 2, "b,0,0,1e999", ["line 3", "column fox", "'1e999'"]),
        (chances, CHANCE_LINES, 2, "b,0,0,1_0", ["line 3", "column fox", "'1_0'"]),
        (chances, CHANCE_LINES, 2, "b,0,0, 1", ["line 3", "column fox", "' 1'"]),
        (chances, CHANCE_LINES, 0, "id,dog,cat,fox", ["column 2", "'dog'", "'cat'"]),
        (several, ["id,cat,dog,fox", "a,1,0,0", "b,0,0,0", "c,1,1,1"], 2,
          "b,2,0,0", ["line 3", "column cat", "0 to 1"]),
    ],
)  # fmt: skip
def test_a_broken_submission_is_refused_by_row_and_column(task, lines, index, line, words, tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert len(task.read(file, IDS)) == 3  # unbroken it is read
    file.write_text("\n".join([*lines[:index], line, *lines[index + 1 :]]) + "\n", encoding="utf-8")
    with pytest.raises(InvalidSubmission) as refusal:
        task.read(file, IDS)
    assert [word for word in ["s.csv", *words] if word not in str(refusal.value)] == [], str(refusal.value)


def test_missing_ids_are_counted(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("id,label\na,1\n")
    with pytest.raises(InvalidSubmission, match="2 of 3 ids are missing, the first: b, c"):
        single.read(tmp_path / "s.csv", IDS)


@pytest.mark.parametrize(
    ("task", "targets", "words"),
    [
        (single, np.array([0, 3], np.uint8), ["row 1", "label 3", "0 to 2", "cat, dog, fox"]),
        (single, np.array([0, -1]), ["row 1", "-1"]),
        (single, np.array([0.0, 1.0]), ["float64", "whole numbers"]),
        (single, np.zeros((2, 3), int), ["(2, 3)", "(n,)"]),
        (several, np.array([0, 1]), ["(2,)", "(n, classes)"]),
        (several, np.zeros((2, 2), int), ["(2, 2)", "3 classes"]),
        (several, np.array([[0, 2, 1]]), ["row 0", "0 or 1"]),
    ],
)
def test_targets_that_are_no_labels_are_refused(task: Classification, targets: np.ndarray, words: list[str]) -> None:
    with pytest.raises(UserError) as refusal:
        task.check_targets(targets)
    assert [word for word in words if word not in str(refusal.value)] == []


def test_targets_that_are_labels_are_not() -> None:
    single.check_targets(np.array([0, 2, 1], np.uint8))
    several.check_targets(np.array([[0, 1, 1], [0, 0, 0]], np.uint8))


# -- means and decisions -----------------------------------------------------------------------------------------------


def test_offsets_of_several_labels_are_thresholds() -> None:
    """0.6 has the odds 1.5; with the offset -0.5 they are 0.91, which is no longer more likely than not."""
    probs = np.array([[0.6, 0.6, 0.3]], np.float32)
    assert several.decide(probs).tolist() == [[1, 1, 0]]
    assert several.decide(probs, (-0.5, 0.0, 1.0)).tolist() == [[0, 1, 1]]
    odds = np.array([1.5, 1.5, 0.3 / 0.7]) * np.exp((-0.5, 0.0, 1.0))
    np.testing.assert_allclose(marks.decide(probs, (-0.5, 0.0, 1.0))[0], odds / (1 + odds), rtol=1e-5)


def test_a_threshold_is_fitted_where_a_model_is_too_shy() -> None:
    """Every true label is given 0.3 to 0.45 and every false one less: half is the wrong threshold."""
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 2, (60, 3), dtype=np.uint8)
    probs = (0.15 * rng.random((60, 3)) + 0.3 * targets).astype(np.float16)
    oof = OOFData(several, Accuracy(CLASSES), {"shy": Member(probs, probs)}, targets, np.arange(60) % 3, np.arange(60))
    recipe = Recipe({"shy": 1.0})
    assert oof.quality(recipe) < 0.3
    assert oof.quality(with_offsets(oof, recipe)) == 1.0


# -- views -------------------------------------------------------------------------------------------------------------

SQUARE = np.arange(16, dtype=np.uint8).reshape(1, 4, 4)


def test_there_are_eight_dihedral_views_and_nothing_is_undone() -> None:
    names = ("hflip", "vflip", "rot90", "rot180", "rot270", "transpose", "antitranspose")
    seen = {SQUARE.tobytes()} | {np.ascontiguousarray(single.views[name].apply(SQUARE)).tobytes() for name in names}
    assert len(seen) == 8
    probs = probabilities()
    assert all(view.undo(probs, SQUARE) is probs for view in single.views.values())


def test_crops_show_seven_eighths_of_each_side_at_full_size() -> None:
    """A ramp over 64 pixels: the left crop ends where 7/8 of it lie, the right one begins at 1/8."""
    ramp = np.broadcast_to(np.arange(64, dtype=np.uint8) * 2, (1, 64, 64))
    first, last = 0.5 * 7 / 8 - 0.5, 63.5 * 7 / 8 - 0.5  # the middles of the outermost pixels, in those of the ramp
    for name, moved in (("crop_tl", 0), ("crop_tr", 8), ("crop_bl", 0), ("crop_br", 8), ("crop_centre", 4)):
        seen = single.views[name].apply(ramp)
        assert seen.shape == ramp.shape
        np.testing.assert_allclose(
            seen[0, 20, [1, 62]], 2 * (np.array([first, last]) + moved + [7 / 8, -7 / 8]), atol=1
        )
    down = single.views["crop_bl"].apply(ramp.swapaxes(1, 2))
    np.testing.assert_allclose(down[0, [1, 62], 20], 2 * (np.array([first, last]) + 8 + [7 / 8, -7 / 8]), atol=1)


def test_scales_enlarge_and_shrink_what_is_in_the_middle() -> None:
    dot = np.zeros((1, 40, 60, 3), np.uint8)
    dot[:, 15:25, 25:35] = 255
    area = {name: (single.views[name].apply(dot)[..., 0] > 127).sum() for name in ("scale_up", "scale_down")}
    assert 140 < area["scale_up"] < 175  # 100 / 0.8^2 = 156
    assert 55 < area["scale_down"] < 80  # 100 / 1.25^2 = 64


def test_pictures_of_any_size_are_seen_the_same_way() -> None:
    rng = np.random.default_rng(0)
    different = [rng.integers(0, 256, (h, w, 3), dtype=np.uint8) for h, w in ((5, 7), (8, 4))]
    pictures = EncodedImages.of([encode(picture) for picture in different])
    for name in ("hflip", "rot90", "crop_br", "scale_down"):
        seen = single.views[name].apply(pictures)
        for row, picture in enumerate(different):
            assert (seen[row] == single.views[name].apply(picture[None])[0]).all()
