"""mAP is that of pycocotools, of the rows as they are and repeated."""

from typing import Any

import numpy as np
import pytest

from harness.data.samples import Ragged
from harness.errors import UserError
from harness.files import read_json
from harness.metrics import MeanAveragePrecision
from tests.support.coco import average_precisions, case, coco, evaluated, rows_of
from tests.support.tiny_data import SHARED

CLASSES = ("fish", "shark", "ray", "star")
METRIC = MeanAveragePrecision(CLASSES)
IOUS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)


def scored(truth: Ragged, predicted: Ragged, metric: MeanAveragePrecision = METRIC) -> float:
    return metric.score(metric.statistics(truth, predicted))


def mean(precisions: np.ndarray) -> float:
    return float(np.nanmean(precisions)) if np.isfinite(precisions).any() else np.nan


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_it_is_that_of_pycocotools_to_the_ninth_digit(first: int) -> None:
    """Of 60 cases: the mean, every class, every threshold."""
    for seed in range(first, first + 20):
        truth, predicted = case(seed)
        expected, statistics = average_precisions(truth, predicted, len(CLASSES)), METRIC.statistics(truth, predicted)
        assert METRIC.score(statistics) == pytest.approx(mean(expected), abs=1e-9, nan_ok=True)
        by_class = list(METRIC.by_class(statistics).values())
        assert by_class == pytest.approx(list(expected.mean(0)), abs=1e-9, nan_ok=True)
        by_iou = [MeanAveragePrecision(CLASSES, iou=iou).score(statistics) for iou in IOUS]
        assert by_iou == pytest.approx([mean(at) for at in expected], abs=1e-9, nan_ok=True)


def test_the_cases_hold_what_is_hard() -> None:
    cases = [case(seed) for seed in range(60)]
    truths, predictions = [truth for truth, _ in cases], [predicted for _, predicted in cases]
    assert any(len(np.unique(p.flat[:, 1])) < len(p.flat) / 3 for p in predictions)
    lengths = [(np.diff(truth.offsets), np.diff(predicted.offsets)) for truth, predicted in cases]
    assert any(((true == 0) & (said > 0)).any() for true, said in lengths)
    assert any(((true > 0) & (said == 0)).any() for true, said in lengths)
    assert any(((true == 0) & (said == 0)).any() for true, said in lengths)
    last = {
        (bool((t.flat[:, 0] == 3).any()), bool((p.flat[:, 0] == 3).any()))
        for t, p in zip(truths, predictions, strict=True)
    }
    assert last == {(True, True), (True, False), (False, True), (False, False)}


@pytest.mark.parametrize("seed", range(0, 6, 2))
def test_a_resample_is_what_pycocotools_says_of_images_that_are_repeated(seed: int) -> None:
    truth, predicted = case(seed)
    statistics = METRIC.statistics(truth, predicted)
    counts = np.random.default_rng(seed).integers(0, 4, (3, len(truth)))
    scores, by_class = METRIC.score(statistics, counts), METRIC.by_class(statistics, counts)
    for k, times in enumerate(counts):
        rows = np.repeat(np.arange(len(truth)), times)
        expected = average_precisions(truth[rows], predicted[rows], len(CLASSES))
        assert scores[k] == pytest.approx(mean(expected), abs=1e-9)
        assert [scores_of[k] for scores_of in by_class.values()] == pytest.approx(
            list(expected.mean(0)), abs=1e-9, nan_ok=True
        )
        assert METRIC.score(statistics, times) == pytest.approx(scores[k], abs=1e-12)
        assert METRIC.score(statistics[rows]) == pytest.approx(scores[k], abs=1e-12)


def test_many_boxes_in_more_images_than_are_matched_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.metrics.average_precision.AT_ONCE", 7)
    truth, predicted = case(2, images=30, classes=2, most=48)
    assert np.diff(predicted.offsets).max() > 60
    expected = average_precisions(truth, predicted, 2)
    assert scored(truth, predicted, MeanAveragePrecision(CLASSES[:2])) == pytest.approx(mean(expected), abs=1e-9)


def test_boxes_need_not_be_sorted() -> None:
    truth, predicted = case(4)
    rows = [row[np.random.default_rng(0).permutation(len(row))] for row in predicted]
    assert scored(truth, Ragged.of(rows)) == scored(truth, predicted)


def test_without_any_truth_there_is_no_score() -> None:
    _, predicted = case(6)
    empty = Ragged(np.empty((0, 5)), np.zeros(9, int))
    assert np.isnan(scored(empty, predicted))
    assert np.isnan(METRIC.score(METRIC.statistics(empty, predicted), np.ones((2, 8), int))).all()


def test_without_any_prediction_the_score_is_zero() -> None:
    truth, _ = case(6)
    assert scored(truth, Ragged(np.empty((0, 6)), np.zeros(9, int))) == 0


def test_a_class_in_the_predictions_alone_costs_nothing() -> None:
    """As in COCO: it has no precision to be averaged."""
    truth = Ragged.of([np.array([[0, 0, 0, 4, 4]])])
    right = np.array([[0, 0.5, 0, 0, 4, 4]])
    wrong = np.array([[1, 0.9, 0, 0, 4, 4]])
    assert scored(truth, Ragged.of([right])) == scored(truth, Ragged.of([np.concatenate([wrong, right])])) == 1


def test_more_than_a_hundred_boxes_are_refused() -> None:
    truth, _ = case(0, images=2)
    many = Ragged.of([np.ones((3, 6)), np.ones((101, 6))])
    with pytest.raises(UserError, match="image 1 has 101 predicted boxes, but mAP takes at most 100"):
        METRIC.statistics(truth, many)


def test_a_score_that_is_no_number_is_refused() -> None:
    truth, predicted = case(0)
    predicted.flat[3, 1] = np.nan
    with pytest.raises(UserError, match="prediction 3 is not a finite number"):
        METRIC.statistics(truth, predicted)


def test_an_overlap_that_coco_does_not_know_is_refused() -> None:
    assert [MeanAveragePrecision(CLASSES, iou=iou).name for iou in (None, 0.5, 0.75)] == [
        "mAP 50-95",
        "mAP 50",
        "mAP 75",
    ]
    with pytest.raises(UserError, match=r"iou is one of \.5, \.55"):
        MeanAveragePrecision(CLASSES, iou=0.51)


@pytest.mark.real
@pytest.mark.parametrize("data", ["aquarium", "bccd"])
def test_of_real_boxes_it_is_that_of_pycocotools(data: str) -> None:
    """Predictions as a file says them: corner and extent in hundredths of a pixel, of which we make corners."""
    dataset = read_json(SHARED / "data" / data / "train" / "annotations.json")
    rng, classes = np.random.default_rng(0), len(dataset["categories"])
    results: list[dict[str, Any]] = []
    for number, true in enumerate(dataset["annotations"]):
        true["id"] = number + 1
        x, y, width, height = true["bbox"]
        box = (np.array([x, y, width, height]) + rng.uniform(-0.1, 0.1, 4) * ([width, height] * 2)).round(2).tolist()
        label = true["category_id"] if rng.random() < 0.9 else int(rng.integers(classes))
        said = {"category_id": label, "score": round(rng.random(), 3), "bbox": box, "area": box[2] * box[3]}
        results.append({**true, **said})
    expected = evaluated(coco(dataset), coco({**dataset, "annotations": results}), ("all",)).eval["precision"]
    metric, images = MeanAveragePrecision(tuple(map(str, range(classes)))), len(dataset["images"])
    truth = rows_of(dataset["annotations"], images, "category_id")
    statistics = metric.statistics(truth, rows_of(results, images, "category_id", "score"))
    by_class = list(metric.by_class(statistics).values())
    assert by_class == pytest.approx(expected[..., 0, -1].mean((0, 1)).tolist(), abs=1e-9)
    assert min(by_class) > 0.1
