"""What every task promises, and what the tasks of arrays share: averages, stored arrays, a class specialist's blend."""

from pathlib import Path

import numpy as np
import pytest

from harness.data.samples import Ragged
from harness.ensemble import Member, Recipe
from harness.errors import UserError
from harness.tasks import ClassSpecialist
from harness.tasks.classification import PROBABILITIES, Classification
from harness.tasks.detection import Detection
from harness.tasks.regression import Regression
from harness.tasks.segmentation import Segmentation
from harness.tasks.submission_masks import RUN_LENGTH

CLASSES = ("cat", "dog", "fox")
IDS = np.array(["7", "3", "12"])
ARRAYS = {
    "label": Classification(CLASSES),
    "several labels": Classification(CLASSES, multilabel=True),
    "probabilities": Classification(CLASSES, PROBABILITIES),
    "several probabilities": Classification(CLASSES, PROBABILITIES, multilabel=True),
    "masks": Segmentation(CLASSES, (2, 3), void=0),
    "run lengths": Segmentation(CLASSES, (2, 3), void=0, layout=RUN_LENGTH),
    "numbers": Regression("price"),
}
TASKS = {**ARRAYS, "boxes": Detection(CLASSES)}
OF_ARRAYS = pytest.mark.parametrize("task", ARRAYS.values(), ids=ARRAYS)
OF_ALL = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
EXCLUSIVE = pytest.mark.parametrize("name", ["label", "masks"])


def predicted(task, rows: int, seed: int = 0):
    """Some prediction of this task: probabilities, numbers or boxes."""
    rng = np.random.default_rng(seed)
    if isinstance(task, Detection):
        boxes = [[[k % 3, 0.9, 0, 0, 1 + k, 2], [0, 0.5, 3, 3, 5, 6]][: 1 + k % 2] for k in range(rows)]
        return Ragged.of([np.array(each, np.float32) for each in boxes])
    if isinstance(task, Regression):
        return rng.normal(size=rows).astype(np.float32)
    shape = getattr(task, "shape", ())
    probs = rng.random((rows, 3, *shape)) + 0.05
    return (probs / probs.sum(1, keepdims=True)).astype(np.float16)


def flat(rows) -> np.ndarray:
    return rows.flat if isinstance(rows, Ragged) else rows


@OF_ALL
def test_what_is_decided_is_written_and_read_back_in_any_order(task, tmp_path: Path) -> None:
    decided = task.decide(predicted(task, 3))
    for name in ("judge.csv", f"official{task.official_suffix}"):
        task.write(IDS, decided, tmp_path / name)
        np.testing.assert_allclose(flat(task.read(tmp_path / name, IDS)), flat(decided), atol=1e-6)
        backwards = task.read(tmp_path / name, IDS[::-1])
        np.testing.assert_allclose(flat(backwards), flat(decided[np.arange(3)[::-1]]), atol=1e-6)
        before = (tmp_path / name).read_bytes()
        task.write(IDS, decided, tmp_path / name)
        assert (tmp_path / name).read_bytes() == before


@OF_ALL
def test_the_sample_submission_is_valid(task, tmp_path: Path) -> None:
    task.sample_submission(IDS, tmp_path / "s.csv")
    assert len(task.read(tmp_path / "s.csv", IDS)) == 3


@OF_ALL
def test_predictions_are_packed_joined_and_come_back(task) -> None:
    prediction = predicted(task, 3)
    stored = task.pack(prediction)
    assert sum(array.nbytes for array in stored.values()) <= 3 * task.row_bytes
    joined = task.join([task.unpack(stored), prediction])
    assert len(joined) == 6
    np.testing.assert_allclose(flat(joined)[: len(flat(prediction))], flat(prediction), rtol=1e-3)


def test_numbers_are_stored_without_rounding_to_half_precision() -> None:
    task = ARRAYS["numbers"]
    assert task.unpack(task.pack(np.array([2049.0, 1e6]))).tolist() == [2049.0, 1e6]


@OF_ALL
def test_the_average_of_one_member_is_itself(task) -> None:
    prediction = predicted(task, 3)
    assert task.average([prediction], [0.3]) is prediction


@OF_ARRAYS
def test_the_average_is_weighted_and_rows_stay_rows(task) -> None:
    a, b = predicted(task, 300, 1), predicted(task, 300, 2)  # more rows than are averaged at once
    expected = (3 * a.astype(np.float64) + b.astype(np.float64)) / 4
    np.testing.assert_allclose(task.average([a, b], [3, 1]), expected, atol=1e-3)
    assert (task.average([a, b], [6, 2]) == task.average([a, b], [0.75, 0.25])).all()


@pytest.mark.parametrize("name", ["label", "probabilities"])
def test_a_metric_gets_labels_or_probabilities_whichever_is_submitted(name: str) -> None:
    task, probs = ARRAYS[name], predicted(ARRAYS[name], 50)
    members = {"one": Member(probs, probs)}
    labels, scores = (Recipe({"one": 1.0}).predict(task, members, needs) for needs in ("labels", "probabilities"))
    assert (labels == probs.argmax(1)).all()
    np.testing.assert_allclose(scores, probs, atol=1e-3)


# -- decided -----------------------------------------------------------------------------------------------------------


def column(task, values) -> np.ndarray:
    """(n, 3) probabilities as a prediction of this task."""
    probs = np.asarray(values, np.float16)
    return probs if isinstance(task, Classification) else probs[:, :, None, None]


@EXCLUSIVE
@pytest.mark.parametrize("offsets", [None, (0.0, 0.7, -0.4)])
def test_the_decision_is_the_most_probable_class_with_its_offset_and_never_void(name: str, offsets) -> None:
    task, probs = ARRAYS[name], predicted(ARRAYS[name], 300)
    logs = np.log(probs.astype(np.float64)) + np.reshape(offsets or (0, 0, 0), (3, *[1] * (probs.ndim - 2)))
    if task.void is not None:
        logs[:, task.void] = -np.inf
    best = np.sort(logs, axis=1)
    clear = best[:, -1] - best[:, -2] > 2e-3  # float16 cannot tell the others
    assert clear.mean() > 0.9
    assert (task.decide(probs, offsets) == logs.argmax(1))[clear].all()


def test_void_is_never_decided_however_sure_the_network_is() -> None:
    sure = np.zeros((2, 3, 2, 3), np.float16)
    sure[:, 0] = 1
    for offsets in (None, (9.0, 0.0, 0.0)):
        assert (ARRAYS["masks"].decide(sure, offsets) != 0).all()
    assert (Segmentation(CLASSES, (2, 3)).decide(sure) == 0).all()


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


def test_with_several_labels_a_specialist_decides_its_column_alone() -> None:
    probs = np.array([[0.6, 0.7, 0.3], [0.0, 0.1, 0.9], [0.0, 0.6, 0.4]], np.float16)
    decided = ARRAYS["several labels"].decide(probs, class_specialist=ClassSpecialist("finder", 2, 1.0, 0.35))
    assert decided.tolist() == [[1, 1, 0], [0, 0, 1], [0, 1, 1]]


# -- a class specialist's blend ----------------------------------------------------------------------------------------


@EXCLUSIVE
def test_the_blend_of_one_class_by_hand(name: str) -> None:
    """p = (0.1, 0.6, 0.3), s_fox = 0.9, share 1/2: fox 0.6; the others keep 1 to 6 in the 0.4 that is left."""
    task = ARRAYS[name]
    prediction, specialist = column(task, [[0.1, 0.6, 0.3]]), column(task, [[0.9, 0.9, 0.9]])
    blended = task.blend_class(prediction, specialist, 2, 0.5)
    np.testing.assert_allclose(blended.ravel(), (0.4 / 7, 2.4 / 7, 0.6), atol=1e-3)
    np.testing.assert_allclose(task.blend_class(prediction, specialist, 2, 0.0), prediction, atol=1e-3)
    sure = column(task, [[0, 0, 1]])
    assert np.isfinite(task.blend_class(sure, 0 * sure, 2, 0.5)).all()


def test_with_several_labels_the_other_classes_stay() -> None:
    prediction, specialist = np.array([[0.1, 0.6, 0.3]], np.float16), np.full((1, 3), 0.9, np.float16)
    blended = ARRAYS["several labels"].blend_class(prediction, specialist, 2, 0.5)
    np.testing.assert_allclose(blended, [(0.1, 0.6, 0.6)], atol=1e-3)


def test_a_pair_divides_what_it_has_and_the_third_class_keeps_its_own() -> None:
    prediction, specialist = np.array([[0.3, 0.3, 0.4]], np.float32), np.array([[0.9, 0.05, 0.05]], np.float32)
    for pair, share, expected in (
        ((0, 1), 0.5, [[0.42, 0.18, 0.4]]),
        ((1, 0), 1.0, [[0.57, 0.03, 0.4]]),
        ((0, 1), 0.0, prediction),
    ):
        blended = ARRAYS["label"].blend_class(prediction, specialist, pair[0], share, versus=pair[1])
        np.testing.assert_allclose(blended, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("label", [(0.5, 0, 0.5), (0.375, 0.25, 0.375), (0, 1, 0)]),
        ("several labels", [(0, 0, 0), (0, 0.25, 0), (0, 1, 0)]),
        ("masks", [(0, 0, 1), (0, 0.25, 0.75), (0, 1, 0)]),
    ],
)
def test_a_binary_network_is_expanded_to_all_classes_but_void(name: str, expected: list) -> None:
    presence = np.array([0.0, 0.25, 1.0], np.float32)
    task = ARRAYS[name]
    expanded = task.expand(presence if name != "masks" else presence[:, None, None], 1)
    np.testing.assert_allclose(expanded.reshape(3, 3), expected, atol=1e-3)


def test_numbers_have_no_class_that_a_specialist_could_find() -> None:
    with pytest.raises(UserError, match="price is a number and has no class 2"):
        ARRAYS["numbers"].expand(np.zeros(3), 2)
