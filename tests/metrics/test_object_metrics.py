"""Objects in masks and boxes are counted as hosts do; what their code leaves open is said by hand."""

from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.distance import directed_hausdorff

from harness import metrics
from harness.data.samples import Ragged
from harness.errors import UserError
from harness.metrics.metric_names import find
from tests.support.coco import case

CLASSES = ("a", "b", "c", "d")
SEEDS = pytest.mark.parametrize("seed", range(4))


def scored(metric: Any, truth: Any, predicted: Any) -> float:
    return metric.score(metric.statistics(truth, predicted))


def blobs(seed: int, images: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Label maps (images, 24, 24) of three labels, and predictions a pixel off; some are empty."""
    rng = np.random.default_rng(seed)
    truth, predicted = np.zeros((2, images, 24, 24), np.uint8)
    for image in range(images):
        for _ in range(int(rng.integers(0, 6))):
            y, x, height, width = (*rng.integers(0, 18, 2), *rng.integers(2, 7, 2))
            label, off = rng.integers(1, 3), rng.integers(0, 2, 4)
            truth[image, y : y + height, x : x + width] = label
            if rng.random() < 0.8:
                predicted[image, y + off[0] : y + height + off[1], x + off[2] : x + width + off[3]] = label
    predicted[1], truth[2] = 0, 0
    return truth, predicted


@SEEDS
@pytest.mark.parametrize("beta", [1, 2, None])
def test_objects_of_masks_are_counted_as_hosts_do(host: Any, beta: float | None, seed: int) -> None:
    """Parts by scipy, and TP, FP, FN by the code of the host of Airbus; beta None: TP / (TP + FP + FN)."""

    def objects(mask: np.ndarray, label: int) -> list[np.ndarray]:
        parts, count = ndimage.label(mask == label, np.ones((3, 3)))
        return [parts == part for part in range(1, count + 1)]

    truth, predicted = blobs(seed)
    metric = metrics.ObjectPrecision(CLASSES[:3]) if beta is None else metrics.ObjectF(CLASSES[:3], beta=beta)
    squared = None if beta is None else beta**2
    expected = [
        [host.objects(objects(true, label), objects(said, label), squared) for label in (1, 2)]
        for true, said in zip(truth, predicted, strict=True)
    ]
    statistics = metric.statistics(truth, predicted)
    assert statistics == pytest.approx(np.array(expected))
    assert metric.score(statistics) == pytest.approx(np.mean(expected))
    assert list(metric.by_class(statistics)) == ["b", "c"]


def test_an_overlap_must_be_more_than_the_threshold_and_corners_connect() -> None:
    truth, predicted = np.zeros((2, 1, 4, 4), np.uint8)
    truth[0, 0, :] = predicted[0, 0, :2] = 1  # half of it
    assert scored(metrics.ObjectPrecision(CLASSES[:2]), truth, predicted) == 0
    assert scored(metrics.ObjectPrecision(CLASSES[:2]), np.eye(4, dtype=np.uint8)[None], truth * 0) == 0
    corners = np.eye(4, dtype=np.uint8)[None]
    apart = corners.copy()
    apart[0, 1, 1] = 0  # of one object, three pixels in two parts: the larger is half of it
    assert scored(metrics.ObjectPrecision(CLASSES[:2], connected=False), corners, apart) == 0.5  # 3/4: five of ten
    assert scored(metrics.ObjectPrecision(CLASSES[:2]), corners, apart) == 0


def test_thresholds_by_which_two_objects_could_be_found_by_one_are_refused() -> None:
    for kind in (metrics.ObjectF, metrics.ObjectPrecision, metrics.BoxPrecision):
        for thresholds in ((0.4, 0.5), (), (50.0,)):
            with pytest.raises(UserError, match=r"from 0\.5 to below 1"):
                kind(CLASSES, thresholds=thresholds)
    with pytest.raises(UserError, match="above 0"):
        metrics.ObjectF(CLASSES, beta=0)


# -- boxes -------------------------------------------------------------------------------------------------------------


def as_host(rows: Ragged) -> dict[int, list[tuple[float, ...]]]:
    """{image: [(label, score, x1, y1, x2, y2)]}; true boxes have a score of 1."""
    flat = rows.flat if rows.flat.shape[1] == 6 else np.insert(rows.flat, 1, 1, axis=1)
    return {image: [tuple(box) for box in boxes] for image, boxes in enumerate(Ragged(flat, rows.offsets))}


@pytest.mark.parametrize("seed", range(0, 12, 2))
def test_precision_of_boxes_is_that_of_the_host_of_wheat(host: Any, seed: int) -> None:
    truth, predicted = case(seed, images=10, classes=2)
    truth.flat[:, 0] = predicted.flat[:, 0] = 0
    metric = metrics.BoxPrecision(("wheat",))
    statistics = metric.statistics(truth, predicted)
    assert metric.score(statistics) == pytest.approx(host.m_wheat(as_host(truth), as_host(predicted)))
    mixed = Ragged.of([row[np.random.default_rng(0).permutation(len(row))] for row in predicted])
    assert (metric.statistics(truth, mixed) == statistics).all()


def test_a_box_that_overlaps_by_the_threshold_is_found() -> None:
    truth = Ragged.of([np.array([[0, 0, 0, 10, 10]])])
    for height, found in ((10, 6), (7, 5), (6, 3), (5, 1), (4, 0)):  # of .5, .55, .6, .65, .7, .75
        predicted = Ragged.of([np.array([[0, 0.1, 0, 0, 10, height]])])
        assert scored(metrics.BoxPrecision(("wheat",)), truth, predicted) == pytest.approx(found / 6)


@pytest.mark.parametrize("seed", range(0, 24, 2))
def test_average_precision_by_the_rule_of_voc_is_that_of_a_host(host: Any, seed: int) -> None:
    truth, predicted = case(seed)
    for iou in (0.5, 0.75):
        metric = metrics.VOCAveragePrecision(CLASSES, iou=iou)
        statistics, counts = metric.statistics(truth, predicted), np.random.default_rng(seed).integers(1, 4, (2, 8))
        for times, score in zip(counts, metric.score(statistics, counts), strict=True):
            rows = np.repeat(np.arange(len(truth)), times)
            assert score == pytest.approx(host.mean_ap(as_host(truth[rows]), as_host(predicted[rows]), iou))


def test_by_the_rule_of_voc_a_second_box_on_an_object_finds_nothing_and_half_an_overlap_neither() -> None:
    truth = Ragged.of([np.array([[0, 0, 0, 10, 10], [0, 0, 4, 10, 14]])])
    twice = Ragged.of([np.array([[0, 0.9, 0, 0, 10, 10], [0, 0.8, 0, 1, 10, 11]])])  # the second: .82 and .54
    assert scored(metrics.VOCAveragePrecision(("fish",)), truth, twice) == 0.5
    assert scored(metrics.MeanAveragePrecision(("fish",), iou=0.5), truth, twice) == 1
    half = Ragged.of([np.array([[0, 0.9, 0, 0, 10, 5]])])
    assert scored(metrics.VOCAveragePrecision(("fish",)), truth, half) == 0
    assert scored(metrics.MeanAveragePrecision(("fish",), iou=0.5), truth, half) == pytest.approx(51 / 101)


# -- Dice and Hausdorff ------------------------------------------------------------------------------------------------


def of_a_pair(truth: np.ndarray, predicted: np.ndarray) -> float:
    """0.4 Dice + 0.6 (1 - distance) of two masks (h, w) bool by scipy's directed distances; NaN of two empty ones."""
    if not truth.any() and not predicted.any():
        return np.nan
    if not truth.any() or not predicted.any():
        return 0.0
    places = [np.argwhere(mask) / mask.shape for mask in (truth, predicted)]
    distance = max(directed_hausdorff(*places)[0], directed_hausdorff(*places[::-1])[0]) / np.sqrt(2)
    return 0.4 * 2 * (truth & predicted).sum() / (truth.sum() + predicted.sum()) + 0.6 * (1 - distance)


@SEEDS
@pytest.mark.parametrize("overlap", [False, True])
def test_dice_and_hausdorff_is_that_of_scipy_s_distances(overlap: bool, seed: int) -> None:
    truth, predicted = (masks[:, :15] for masks in blobs(seed))  # height and width differ
    metric = metrics.DiceHausdorff(CLASSES[:2] if overlap else CLASSES[:3], multilabel=overlap)
    planes = [[masks & 1 > 0, masks & 2 > 0] if overlap else [masks == 1, masks == 2] for masks in (truth, predicted)]
    expected = np.array(
        [[of_a_pair(*pair) for pair in zip(*of_class, strict=True)] for of_class in zip(*planes, strict=True)]
    )
    statistics = metric.statistics(truth, predicted)
    assert np.isnan(expected).any() and statistics.shape == (12, 2, 2)
    assert metric.score(statistics) == pytest.approx(np.nanmean(expected))
    assert list(metric.by_class(statistics).values()) == pytest.approx(np.nanmean(expected, 1))
    counts = np.array([[1, 0, 2, 1, 0, 1, 1, 3, 1, 1, 1, 0]])
    repeated = np.repeat(expected, counts[0], axis=1)
    assert metric.score(statistics, counts) == pytest.approx([np.nanmean(repeated)])


def test_dice_and_hausdorff_of_opposite_corners_and_of_nothing() -> None:
    """A distance of the whole diagonal but a pixel each way; the truth itself; and no image with anything to find."""
    metric = metrics.DiceHausdorff(CLASSES[:2])
    truth, predicted = np.zeros((2, 1, 10, 20), np.uint8)
    truth[0, 0, 0] = predicted[0, 9, 19] = 1
    far = np.hypot(9 / 10, 19 / 20) / np.sqrt(2)
    assert scored(metric, truth, predicted) == pytest.approx(0.6 * (1 - far))
    assert scored(metric, truth, truth) == 1
    assert scored(metric, truth, 0 * truth) == scored(metric, 0 * truth, truth) == 0
    assert np.isnan(scored(metric, 0 * truth, 0 * truth))
    assert find("uw-madison", "segmentation").expression == "DiceHausdorff(CLASSES)"
