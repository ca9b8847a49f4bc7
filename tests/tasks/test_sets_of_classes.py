"""Overlapping masks: a pixel is a set of classes, from the targets to the submission and the pages about them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.audit.checks import label_matrix
from harness.data.run_lengths import RunLengths
from harness.data.splits import sets_in_masks
from harness.ensemble import Member, OOFData, Recipe, with_offsets
from harness.errors import InvalidSubmission, UserError
from harness.metrics import MeanDice, MeanIoU, ObjectF
from harness.report.diagnostics import diagnostics
from harness.tasks import ClassSpecialist
from harness.tasks.layout import Asked, Layout
from harness.tasks.mask_cells import RUN_LENGTH, Runs
from harness.tasks.segmentation import Segmentation
from tests.support.tiny_data import tiny_declaration

CLASSES = ("large", "small", "stomach")
TASK = Segmentation(CLASSES, (2, 3), multilabel=True)
# large: the upper row; small: the left column; stomach: the lower right pixel. They overlap at the upper left.
MASK = np.array([[[3, 1, 1], [2, 0, 4]]], np.uint8)
NOTHING = np.zeros_like(MASK)


def probabilities(masks: np.ndarray, sure: float = 0.9) -> np.ndarray:
    """(n, 3, h, w) float16: `sure` where a class is, and the rest where it is not."""
    planes = np.stack([(masks >> label) & 1 for label in range(3)], 1)
    return np.where(planes == 1, sure, 1 - sure).astype(np.float16)


def test_a_class_is_given_where_its_probability_passes_its_threshold() -> None:
    probs = probabilities(MASK, 0.75)
    assert TASK.decide(probs).tolist() == MASK.tolist() and TASK.decide(probs).dtype == np.uint8
    never, always = -np.log(4), np.log(4)  # 0.75 is odds of 3, 0.25 of 1/3: both change sides
    assert TASK.decide(probs, (never, 0.0, always)).tolist() == ((MASK & 2) | 4).tolist()
    found = ClassSpecialist("finder", 1, 1.0, 0.8)
    assert TASK.decide(probs, (0.0, 5.0, 0.0), found).tolist() == (MASK & 5).tolist()


def test_sixteen_classes_are_sets_of_16_bits_and_more_are_refused() -> None:
    names = tuple(map(str, range(16)))
    task = Segmentation(names, (1, 2), multilabel=True)
    probs = np.zeros((1, 16, 1, 2), np.float16)
    probs[0, 15, 0, 0] = probs[0, 0, 0, 0] = 1
    assert task.decide(probs).tolist() == [[[2**15 + 1, 0]]] and task.decide(probs).dtype == np.uint16
    with pytest.raises(UserError, match=r"17 overlapping classes .* at most 16"):
        Segmentation((*names, "16"), (1, 2), multilabel=True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"void": 0}, "void=0"),
        ({"layout": RUN_LENGTH}, "a line for every class"),
        ({"layout": Layout(replace(RUN_LENGTH.cells, column="x"))}, "a line for every class"),  # type: ignore[type-var]
    ],
)
def test_a_declaration_that_cannot_hold_sets_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        Segmentation(CLASSES, (2, 3), multilabel=True, **change)


def test_a_metric_must_read_the_masks_as_the_task_does() -> None:
    with pytest.raises(UserError, match=r"mean Dice .* declare multilabel=True"):
        tiny_declaration(task=TASK, metric=MeanDice(CLASSES))
    with pytest.raises(UserError, match=r"mean IoU .* declare multilabel=False"):
        tiny_declaration(reported=(MeanIoU(CLASSES, multilabel=True),))
    assert tiny_declaration(task=TASK, metric=MeanDice(CLASSES, multilabel=True)).task == TASK


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        (np.full((1, 2, 3), 8, np.uint8), "mask 0 holds the class 3, but the labels are 0 to 2"),
        (MASK.astype(np.uint16), "uint16, but sets of 3 classes are stored as uint8"),
    ],
)
def test_targets_of_other_classes_or_kinds_are_refused(targets: np.ndarray, said: str) -> None:
    TASK.check_targets(MASK)
    with pytest.raises(UserError, match=said):
        TASK.check_targets(targets)


# -- submissions -------------------------------------------------------------------------------------------------------

ASKED = Asked(np.array(["a", "b"]))


def test_every_class_has_a_line_and_classes_may_share_pixels(tmp_path: Path) -> None:
    file, masks = tmp_path / "it.csv", np.concatenate([MASK, NOTHING])
    TASK.write(ASKED, masks, file)
    assert file.read_text().split() == [
        "id,class,rle", "a,large,1", "3", "a,small,1", "1", "4", "1", "a,stomach,6", "1",
        "b,large,", "b,small,", "b,stomach,",
    ]  # fmt: skip
    assert (TASK.read(file, ASKED) == masks).all()
    TASK.sample_submission(ASKED, file)
    assert not TASK.read(file, ASKED).any()


def test_a_line_for_every_object_of_every_class(tmp_path: Path) -> None:
    cells = Runs("runs", RunLengths(by_columns=True), each_object=True)
    task = replace(TASK, layout=Layout(cells, {"id": "{id}", "class": "{class}"}))
    file, masks = tmp_path / "it.csv", np.array([[[1, 2, 3], [3, 0, 1]]], np.uint8)
    one = Asked(np.array(["a"]))
    task.write(one, masks, file)
    expected = ["id,class,runs", "a,large,1 2", "a,large,5 2", "a,small,2 2 5 1", "a,stomach,"]
    assert file.read_text().splitlines() == expected  # corners connect
    assert (task.read(file, one) == masks).all()
    file.write_text("\n".join([*expected[:2], "a,large,2 1", *expected[3:]]))
    with pytest.raises(InvalidSubmission, match=r"line 3 .*two objects share a pixel"):
        task.read(file, one)
    file.write_text("\n".join([*expected[:2], "a,large,", *expected[3:]]))
    with pytest.raises(InvalidSubmission, match=r"line 3 .*without a pixel"):
        task.read(file, one)


# -- metrics -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", [MeanDice, MeanIoU, ObjectF])
def test_a_metric_of_overlapping_classes_is_the_mean_of_each_class_alone(kind: Any, seed: int) -> None:
    truth, predicted = np.random.default_rng(seed).integers(0, 8, (2, 6, 5, 7), dtype=np.uint8)
    metric, whole = kind(CLASSES, multilabel=True), kind(("not", "it"))
    statistics = metric.statistics(truth, predicted)
    alone = [whole.by_class(whole.statistics((truth >> c) & 1, (predicted >> c) & 1))["it"] for c in range(3)]
    assert list(metric.by_class(statistics).values()) == pytest.approx(alone)
    assert metric.score(statistics) == pytest.approx(np.mean(alone))
    counts = np.array([[1, 1, 1, 1, 1, 1], [2, 0, 1, 0, 3, 0]])
    assert metric.score(statistics, counts)[1] == pytest.approx(metric.score(statistics[[0, 0, 2, 4, 4, 4]]))


def test_thresholds_are_fitted_for_each_class() -> None:
    """Of the second class every pixel is found with a probability of 0.3."""
    truth = np.tile(MASK, (8, 1, 1))
    probs = probabilities(truth)
    probs[:, 1] = np.where(truth & 2, 0.3, 0.1)
    members, folds = {"one": Member(probs, probs)}, np.arange(8)
    oof = OOFData(TASK, MeanDice(CLASSES, multilabel=True), members, truth, folds, folds)
    recipe = with_offsets(oof, Recipe({"one": 1.0}))
    assert recipe.offsets is not None and recipe.offsets[1] > np.log(0.7 / 0.3) and recipe.offsets[::2] == (0, 0)
    assert oof.quality(Recipe({"one": 1.0})) == pytest.approx(2 / 3) and oof.quality(recipe) == 1


# -- what is said of them ----------------------------------------------------------------------------------------------


def test_the_classes_of_a_mask_are_its_strata_and_its_labels() -> None:
    masks = np.concatenate([MASK, NOTHING, np.full_like(MASK, 2)])
    assert sets_in_masks(masks).tolist() == [[True, True, True], [False] * 3, [False, True, False]]
    assert label_matrix(TASK, masks).tolist() == [[0.5, pytest.approx(1 / 3), pytest.approx(1 / 6)], [0] * 3, [0, 1, 0]]


def test_a_wrong_mask_of_one_class_is_a_label_issue_whatever_the_others_are() -> None:
    truth = np.concatenate([MASK] * 4 + [NOTHING])
    wrong = truth.copy()
    wrong[2] = MASK[0] & 5  # somebody forgot the small bowel
    found = diagnostics(TASK).label_issues(wrong, probabilities(truth, 0.95))
    assert found.is_issue.tolist() == [False, False, True, False, False]
    assert found.quality.argmin() == 2 and found.quality[4] == 1


def test_a_perfect_class_replaces_its_own_pixels_alone() -> None:
    kind, decided = diagnostics(TASK), np.array([[[1, 2, 4], [7, 0, 0]]], np.uint8)
    perfect = kind.with_perfect_class(MASK, probabilities(MASK), decided, 1)
    assert perfect.tolist() == [[[3, 0, 4], [7, 0, 0]]] and perfect.dtype == np.uint8
    assert kind.confusion(MASK, decided) is None
    assert kind.errors(MASK, probabilities(MASK)) == pytest.approx([0.1], abs=1e-3)


def test_every_class_of_a_pixel_is_drawn_and_a_difference_tells_missed_from_false() -> None:
    kind, grey = diagnostics(TASK), np.full((40, 40, 3), 100, np.uint8)
    row = np.zeros((40, 40), np.uint8)
    row[5:35, 5:35] |= 1
    row[15:25, 15:25] |= 2
    drawn = kind.draw(grey, row)
    inside, both, outside = drawn[10, 10].astype(int), drawn[20, 20].astype(int), drawn[0, 0]
    green, orange, _ = kind.colours().values()
    assert outside.tolist() == [100] * 3
    assert inside.tolist() == np.rint(0.7 * 100 + 0.3 * np.array(green)).astype(int).tolist()
    assert both == pytest.approx(0.7 * (0.7 * 100 + 0.3 * np.array(green)) + 0.3 * np.array(orange), abs=1)
    said = np.zeros_like(row)
    said[5:35, 5:35] = 1
    said[0, 0] = 4
    changed, key = kind.draw_difference(grey, row, said)
    assert changed[10, 10].tolist() == [100] * 3 and "missed" in key
    assert changed[20, 20].tolist() != changed[0, 0].tolist() != [100] * 3
