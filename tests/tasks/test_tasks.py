"""What every task promises: averages, stored predictions, decisions, a class specialist's blend, targets."""

from typing import Any

import numpy as np
import pytest

from harness.data.samples import Ragged
from harness.ensemble import Member, OOFData, Recipe, with_offsets
from harness.errors import UserError
from harness.metrics import Accuracy
from harness.tasks import ClassSpecialist
from harness.tasks.classification import PROBABILITIES, Classification
from harness.tasks.detection import Detection
from harness.tasks.regression import Regression
from harness.tasks.segmentation import Segmentation

CLASSES = ("cat", "dog", "fox")
ARRAYS: dict[str, Any] = {
    "label": Classification(CLASSES),
    "several": Classification(CLASSES, multilabel=True),
    "chances": Classification(CLASSES, PROBABILITIES),
    "several chances": Classification(CLASSES, PROBABILITIES, multilabel=True),
    "masks": Segmentation(CLASSES, (2, 3), void=0),
    "numbers": Regression("price"),
}
TASKS = {**ARRAYS, "boxes": Detection(CLASSES)}
EXCLUSIVE = pytest.mark.parametrize("name", ["label", "masks"])


def predicted(task: Any, rows: int, seed: int = 0) -> Any:
    """Some prediction of this task: probabilities, numbers or boxes."""
    rng = np.random.default_rng(seed)
    if isinstance(task, Detection):
        boxes = [[[k % 3, 0.9, 0, 0, 1 + k, 2], [0, 0.5, 3, 3, 5, 6]][: 1 + k % 2] for k in range(rows)]
        return Ragged.of([np.array(each, np.float32) for each in boxes])
    if isinstance(task, Regression):
        return rng.normal(size=rows).astype(np.float32)
    probs = rng.random((rows, 3, *getattr(task, "shape", ()))) + 0.05
    return (probs / probs.sum(1, keepdims=True)).astype(np.float16)


def flat(rows: Any) -> np.ndarray:
    return rows.flat if isinstance(rows, Ragged) else rows


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_predictions_are_packed_and_joined_and_the_average_of_one_is_itself(task: Any) -> None:
    prediction = predicted(task, 3)
    stored = task.pack(prediction)
    assert sum(array.nbytes for array in stored.values()) <= 3 * task.row_bytes(None)
    joined = task.join([task.unpack(stored), prediction])
    assert len(joined) == 6
    np.testing.assert_allclose(flat(joined)[: len(flat(prediction))], flat(prediction), rtol=1e-3)
    assert task.average([prediction], [0.3]) is prediction


def test_numbers_are_stored_without_rounding_to_half_precision() -> None:
    task = ARRAYS["numbers"]
    assert task.unpack(task.pack(np.array([2049.0, 1e6]))).tolist() == [2049.0, 1e6]


@pytest.mark.parametrize("task", ARRAYS.values(), ids=ARRAYS)
def test_the_average_is_weighted(task: Any) -> None:
    a, b = predicted(task, 300, 1), predicted(task, 300, 2)  # more rows than are averaged at once
    expected = (3 * a.astype(np.float64) + b.astype(np.float64)) / 4
    np.testing.assert_allclose(task.average([a, b], [6, 2]), expected, atol=1e-3)


@pytest.mark.parametrize("name", ["label", "chances"])
def test_a_metric_gets_labels_or_probabilities_whichever_is_submitted(name: str) -> None:
    task, probs = ARRAYS[name], predicted(ARRAYS[name], 50)
    members = {"one": Member(probs, probs)}
    labels, scores = (Recipe({"one": 1.0}).predict(task, members, needs) for needs in ("labels", "probabilities"))
    assert (labels == probs.argmax(1)).all()
    np.testing.assert_allclose(scores, probs, atol=1e-3)


def test_thinned_masks_and_predictions_keep_the_same_pixels() -> None:
    """Weights are fitted on about 256 pixels an image."""
    targets = np.random.default_rng(0).integers(0, 3, (2, 64, 128), dtype=np.uint8)
    one_hot = (targets[:, None] == np.arange(3)[:, None, None]).astype(np.float16)
    task = Segmentation(CLASSES, (64, 128))
    thin = task.subsample(targets)
    assert (task.subsample(one_hot).argmax(1) == thin).all()
    assert 100 < thin[0].size < 500


# -- decided -----------------------------------------------------------------------------------------------------------


def column(task: Any, values: Any) -> np.ndarray:
    """(n, 3) probabilities as a prediction of this task."""
    probs = np.asarray(values, np.float16)
    return probs if isinstance(task, Classification) else probs[:, :, None, None]


@EXCLUSIVE
@pytest.mark.parametrize("offsets", [None, (0.0, 0.7, -0.4), (9.0, 0.0, 0.0)])
def test_the_decision_is_the_most_probable_class_with_its_offset_and_never_void(name: str, offsets) -> None:
    task, probs = ARRAYS[name], predicted(ARRAYS[name], 300)
    logs = np.log(probs.astype(np.float64)) + np.reshape(offsets or (0, 0, 0), (3, *[1] * (probs.ndim - 2)))
    if task.void is not None:
        logs[:, task.void] = -np.inf
    best = np.sort(logs, axis=1)
    clear = best[:, -1] - best[:, -2] > 2e-3  # float16 cannot tell the others
    assert clear.mean() > 0.9
    assert (task.decide(probs, offsets) == logs.argmax(1))[clear].all()


@EXCLUSIVE
def test_a_specialist_decides_its_class_above_its_threshold_and_nowhere_else(name: str) -> None:
    task = ARRAYS[name]
    probs = column(task, [[0.0, 0.7, 0.3], [0.0, 0.1, 0.9], [0.0, 0.6, 0.4]])

    def decided(offsets=None, threshold=None) -> list[int]:
        return task.decide(probs, offsets, ClassSpecialist("finder", 2, 1.0, threshold)).ravel().tolist()

    assert decided() == [1, 2, 1]
    assert decided(threshold=0.35) == [1, 2, 2]
    assert decided(threshold=0.95) == [1, 1, 1]
    assert decided((0, 0, 9.0), 0.35) == [1, 2, 2]


def test_with_several_labels_offsets_are_thresholds_and_a_specialist_decides_its_column_alone() -> None:
    """0.6 has the odds 1.5; with the offset -0.5 they are 0.91, which is no longer more likely than not."""
    several, probs = ARRAYS["several"], np.array([[0.6, 0.6, 0.3]], np.float32)
    assert several.decide(probs).tolist() == [[1, 1, 0]]
    assert several.decide(probs, (-0.5, 0.0, 1.0)).tolist() == [[0, 1, 1]]
    assert several.decide(probs, class_specialist=ClassSpecialist("finder", 2, 1.0, 0.25)).tolist() == [[1, 1, 1]]
    odds = np.array([1.5, 1.5, 0.3 / 0.7]) * np.exp((-0.5, 0.0, 1.0))
    chances = ARRAYS["several chances"].decide(probs, (-0.5, 0.0, 1.0))
    np.testing.assert_allclose(chances[0], odds / (1 + odds), rtol=1e-5)


def test_a_threshold_is_fitted_where_a_model_is_too_shy() -> None:
    """Every true label is given 0.3 to 0.45 and every false one less: half is the wrong threshold."""
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 2, (60, 3), dtype=np.uint8)
    probs = (0.15 * rng.random((60, 3)) + 0.3 * targets).astype(np.float16)
    members, rows = {"shy": Member(probs, probs)}, np.arange(60)
    oof = OOFData(ARRAYS["several"], Accuracy(CLASSES), members, targets, rows % 3, rows)
    assert oof.quality(Recipe({"shy": 1.0})) < 0.3
    assert oof.quality(with_offsets(oof, Recipe({"shy": 1.0}))) == 1.0


# -- a class specialist's blend ----------------------------------------------------------------------------------------


@EXCLUSIVE
def test_the_blend_of_one_class_by_hand(name: str) -> None:
    """p = (0.1, 0.6, 0.3), s_fox = 0.9, share 1/2: fox 0.6; the others keep 1 to 6 in the 0.4 that is left."""
    task = ARRAYS[name]
    prediction, specialist = column(task, [[0.1, 0.6, 0.3]] * 300), column(task, [[0.9, 0.9, 0.9]] * 300)
    blended = task.blend_class(prediction, specialist, 2, 0.5)
    np.testing.assert_allclose(blended.reshape(300, 3), [(0.4 / 7, 2.4 / 7, 0.6)] * 300, atol=1e-3)
    np.testing.assert_allclose(task.blend_class(prediction, specialist, 2, 0.0), prediction, atol=1e-3)
    sure = column(task, [[0, 0, 1]])
    assert np.isfinite(task.blend_class(sure, 0 * sure, 2, 0.5)).all()


def test_with_several_labels_the_other_classes_stay() -> None:
    prediction, specialist = np.array([[0.1, 0.6, 0.3]], np.float16), np.full((1, 3), 0.9, np.float16)
    blended = ARRAYS["several"].blend_class(prediction, specialist, 2, 0.5)
    np.testing.assert_allclose(blended, [(0.1, 0.6, 0.6)], atol=1e-3)


def test_a_pair_divides_what_it_has_and_the_third_class_keeps_its_own() -> None:
    prediction, specialist = np.array([[0.3, 0.3, 0.4]], np.float32), np.array([[0.9, 0.05, 0.05]], np.float32)
    blended = ARRAYS["label"].blend_class(prediction, specialist, 0, 0.5, versus=1)
    np.testing.assert_allclose(blended, [(0.42, 0.18, 0.4)], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "expected"), [("label", (0.375, 0.25, 0.375)), ("several", (0, 0.25, 0)), ("masks", (0, 0.25, 0.75))]
)
def test_a_binary_network_is_expanded_to_all_classes_but_void(name: str, expected: tuple) -> None:
    presence = np.full((1, 1, 1) if name == "masks" else (1,), 0.25, np.float32)
    np.testing.assert_allclose(ARRAYS[name].expand(presence, 1).ravel(), expected, atol=1e-3)


def test_numbers_have_no_class_that_a_specialist_could_find() -> None:
    with pytest.raises(UserError, match="price is a number and has no class 2"):
        ARRAYS["numbers"].expand(np.zeros(3), 2)


# -- targets -----------------------------------------------------------------------------------------------------------

GOOD = {
    "label": np.array([0, 2, 1], np.uint8),
    "several": np.array([[0, 1, 1], [0, 0, 0]], np.uint8),
    "masks": np.full((2, 2, 3), 2, np.uint8),
    "numbers": np.array([1.0, 2.0]),
    "boxes": Ragged(np.array([[0, 0, 0, 1, 1], [1, 0, 0, 2, 2]], float), np.array([0, 1, 2])),
}


def one_box(*box: float) -> Ragged:
    return Ragged(np.array([[0, 0, 0, 1, 1], box], float), np.array([0, 1, 2]))


@pytest.mark.parametrize(
    ("name", "targets", "words"),
    [
        ("label", np.array([0, 3], np.uint8), ["row 1", "label 3", "0 to 2", "cat, dog, fox"]),
        ("label", np.array([0, -1]), ["row 1", "-1"]),
        ("label", np.array([0.0, 1.0]), ["float64", "whole numbers"]),
        ("label", np.zeros((2, 3), int), ["(2, 3)", "(n,)"]),
        ("several", np.zeros((2, 2), int), ["(2, 2)", "3 classes"]),
        ("several", np.array([[0, 2, 1]]), ["row 0", "0 or 1"]),
        ("masks", np.full((2, 2, 3), 3, np.uint8), ["mask 0", "class 3", "0 to 2"]),
        ("masks", np.zeros((2, 3, 2), np.uint8), ["(2, 3, 2)", "(n, 2, 3)"]),
        ("masks", np.zeros((2, 2, 3), np.int64), ["int64", "uint8"]),
        ("numbers", np.zeros((2, 1)), ["one number a row"]),
        ("numbers", np.array(["1", "2"]), ["one number a row"]),
        ("boxes", one_box(3, 0, 0, 1, 1), ["image 1", "label that is not one from 0 to 2"]),
        ("boxes", one_box(0.5, 0, 0, 1, 1), ["image 1", "label"]),
        ("boxes", one_box(0, 5, 0, 5, 1), ["image 1", "no area"]),
        ("boxes", one_box(0, 0, 0, np.nan, 1), ["image 1", "NaN"]),
        ("boxes", np.zeros((3, 5)), ["not rows of boxes"]),
        ("boxes", Ragged(np.zeros((4, 6)), np.array([0, 4])), ["not rows of boxes"]),
    ],
)
def test_targets_of_another_kind_are_refused_by_row(name: str, targets: Any, words: list[str]) -> None:
    TASKS[name].check_targets(GOOD[name])
    with pytest.raises(UserError) as refusal:
        TASKS[name].check_targets(targets)
    assert [word for word in words if word not in str(refusal.value)] == []
