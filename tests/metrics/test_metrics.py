"""Mean IoU against scikit-learn, and the promise of the two halves: a resample is scored by counts."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.metrics import MeanIoU, chunks, confusion_per_image, pooled

CLASSES = ("void", "soil", "rock", "sand")


def pictures(seed: int, rows: int = 10, shape=(4, 6), classes=(0, 1, 2, 3)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return tuple(rng.choice(classes, (rows, *shape)).astype(np.uint8) for _ in range(2))


def scored(metric: MeanIoU, truth: np.ndarray, predicted: np.ndarray) -> float:
    return metric.score(metric.statistics(truth, predicted))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("classes", [(0, 1, 2, 3), (0, 1, 2)], ids=["all classes", "sand absent"])
def test_mean_iou_is_that_of_scikit_learn(seed: int, classes: tuple) -> None:
    """Void pixels dropped, the absent class left out of the mean."""
    from sklearn.metrics import jaccard_score

    truth, predicted = pictures(seed, classes=classes)
    seen = truth != 0
    labels = [c for c in (1, 2, 3) if c in truth[seen] or c in predicted[seen]]
    expected = jaccard_score(truth[seen], predicted[seen], labels=labels, average=None)
    metric = MeanIoU(CLASSES, void=0)
    assert scored(metric, truth, predicted) == pytest.approx(expected.mean(), abs=1e-12)
    by_class = metric.by_class(metric.statistics(truth, predicted))
    assert [by_class[CLASSES[c]] for c in labels] == pytest.approx(list(expected), abs=1e-12)
    assert all(np.isnan(by_class[CLASSES[c]]) for c in {1, 2, 3} - set(labels))


@pytest.mark.parametrize(("absent", "number"), [("skip", None), ("zero", 0.0), ("one", 1.0)])
def test_the_confusion_is_that_of_scikit_learn(absent: str, number: float | None) -> None:
    """Sand is in neither; void pixels are dropped."""
    from sklearn.metrics import confusion_matrix, jaccard_score

    truth, predicted = pictures(0, classes=(0, 1, 2))
    metric = MeanIoU(CLASSES, void=0, absent=absent)
    confusion = metric.statistics(truth, predicted).sum(0)
    assert (confusion == confusion_matrix(truth.ravel(), predicted.ravel(), labels=range(4))).all()
    seen = truth != 0
    ious = jaccard_score(truth[seen], predicted[seen], labels=(1, 2), average=None).tolist()
    assert metric.score(confusion[None]) == pytest.approx(np.mean(ious if number is None else [*ious, number]))


def test_nothing_labelled_has_no_score() -> None:
    truth, predicted = np.zeros((2, 3, 3), np.uint8), np.ones((2, 3, 3), np.uint8)
    assert np.isnan(scored(MeanIoU(CLASSES, void=0), truth, predicted))
    assert scored(MeanIoU(CLASSES, void=0, absent="one"), truth, predicted) == 1


def test_predicting_void_on_a_labelled_pixel_is_a_miss() -> None:
    truth = np.array([[[1, 1, 2, 2]]], np.uint8)
    predicted = np.array([[[1, 0, 2, 2]]], np.uint8)
    assert scored(MeanIoU(CLASSES, void=0), truth, predicted) == 0.75  # soil 1/2, rock 1


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_counts_score_the_rows_as_often_as_they_say(seed: int) -> None:
    truth, predicted = pictures(seed % 1000)
    metric = MeanIoU(CLASSES, void=0)
    statistics = metric.statistics(truth, predicted)
    counts = np.random.default_rng(seed).integers(0, 4, (5, 10))
    counts[:, 0] += 1
    for score, by_class, times in zip(
        metric.score(statistics, counts),
        zip(*metric.by_class(statistics, counts).values(), strict=True),
        counts,
        strict=True,
    ):
        rows = np.repeat(np.arange(10), times)
        assert score == pytest.approx(scored(metric, truth[rows], predicted[rows]), nan_ok=True)
        assert list(by_class) == pytest.approx(
            [float(iou) for iou in metric.by_class(statistics[rows]).values()], nan_ok=True
        )
        assert metric.score(statistics, times) == pytest.approx(score, nan_ok=True)


def test_a_subset_is_scored_by_its_own_rows() -> None:
    truth, predicted = pictures(1)
    metric = MeanIoU(CLASSES, void=0)
    statistics = metric.statistics(truth, predicted)
    public = np.arange(10) < 4
    assert metric.score(statistics[public]) == scored(metric, truth[public], predicted[public])
    assert metric.score(statistics, public.astype(int)) == metric.score(statistics[public])


@pytest.mark.parametrize("shape", [(2, 3), (48, 64)], ids=["small", "large"])
@pytest.mark.parametrize("classes", [2, 5, 16])
def test_statistics_count_every_pixel_once_row_by_row(shape: tuple, classes: int) -> None:
    """Both ways of counting, over more images than one chunk."""
    truth, predicted = pictures(0, rows=300, shape=shape, classes=np.arange(classes))
    confusion = confusion_per_image(truth, predicted, classes)
    assert confusion.shape == (300, classes, classes)
    assert (confusion.sum((1, 2)) == shape[0] * shape[1]).all()
    for row in (0, 255, 256, 299):
        expected = np.zeros((classes, classes), int)
        np.add.at(expected, (truth[row], predicted[row]), 1)
        assert (confusion[row] == expected).all()


def test_pooling_is_exact_where_32_bits_are_not() -> None:
    statistics = np.full((3, 2, 2), 2**31 - 1, np.int32)
    assert pooled(statistics, None)[0, 0] == 3 * (2**31 - 1)
    assert pooled(statistics, np.array([5, 0, 7]))[1, 1] == 12 * (2**31 - 1)


@pytest.mark.parametrize(("count", "size"), list(product([0, 1, 9, 10, 11], [1, 5, 20])))
def test_chunks_cover_every_row_once(count: int, size: int) -> None:
    rows = [row for part in chunks(count, size) for row in range(count)[part]]
    assert rows == list(range(count))
