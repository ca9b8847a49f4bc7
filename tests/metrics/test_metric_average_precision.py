"""mAP is that of pycocotools, of the rows as they are and repeated."""

from typing import Any

import numpy as np
import pytest

from harness.data.samples import Ragged
from harness.errors import UserError
from harness.files import read_json
from harness.metrics import MeanAveragePrecision
from tests.support.coco import average_precisions, case, coco, evaluated
from tests.support.tiny_data import SHARED

CLASSES = ("fish", "shark", "ray", "star")
METRIC = MeanAveragePrecision(CLASSES)
NOTHING = Ragged(np.empty((0, 6)), np.zeros(9, int))


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
        by_iou = [MeanAveragePrecision(CLASSES, iou=0.5 + 0.05 * k).score(statistics) for k in range(10)]
        assert by_iou == pytest.approx([mean(at) for at in expected], abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("seed", range(0, 6, 2))
def test_a_resample_is_what_pycocotools_says_of_images_that_are_repeated(seed: int) -> None:
    truth, predicted = case(seed)
    counts = np.random.default_rng(seed).integers(0, 4, (3, len(truth)))
    scores = METRIC.score(METRIC.statistics(truth, predicted), counts)
    for score, times in zip(scores, counts, strict=True):
        rows = np.repeat(np.arange(len(truth)), times)
        assert score == pytest.approx(mean(average_precisions(truth[rows], predicted[rows], len(CLASSES))), abs=1e-9)


def test_many_boxes_in_any_order_in_more_images_than_are_matched_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.metrics.average_precision.AT_ONCE", 7)
    truth, predicted = case(2, images=30, classes=2, most=48)
    assert np.diff(predicted.offsets).max() > 60
    rng, expected = np.random.default_rng(0), mean(average_precisions(truth, predicted, 2))
    mixed = Ragged.of([row[rng.permutation(len(row))] for row in predicted])
    assert scored(truth, mixed, MeanAveragePrecision(CLASSES[:2])) == pytest.approx(expected, abs=1e-9)


def test_without_any_truth_there_is_no_score_and_without_any_prediction_it_is_zero() -> None:
    truth, predicted = case(6)
    assert np.isnan(scored(Ragged(np.empty((0, 5)), np.zeros(9, int)), predicted))
    assert scored(truth, NOTHING) == 0


def test_a_class_in_the_predictions_alone_costs_nothing() -> None:
    """As in COCO: it has no precision to be averaged."""
    truth = Ragged.of([np.array([[0, 0, 0, 4, 4]])])
    assert scored(truth, Ragged.of([np.array([[1, 0.9, 0, 0, 4, 4], [0, 0.5, 0, 0, 4, 4]])])) == 1


def test_more_than_a_hundred_boxes_and_an_overlap_that_coco_does_not_know_are_refused() -> None:
    truth, _ = case(0, images=2)
    with pytest.raises(UserError, match="image 1 has 101 predicted boxes"):
        METRIC.statistics(truth, Ragged.of([np.ones((3, 6)), np.ones((101, 6))]))
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


def rows_of(annotations: list[dict[str, Any]], images: int, *columns: str) -> Ragged:
    """Rows of (these columns, x1, y1, x2, y2) from corners and extents, as a reader of COCO files makes them."""
    found = [np.empty((0, len(columns) + 4))] * images
    for each in annotations:
        x, y, width, height = each["bbox"]
        row = [*(each[column] for column in columns), x, y, x + width, y + height]
        found[each["image_id"]] = np.concatenate([found[each["image_id"]], [row]])
    return Ragged.of(found)
