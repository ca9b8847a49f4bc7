"""Metrics are those of scikit-learn, as rows are and in any resample; what it leaves open is said by hand."""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as usual

from harness.errors import UserError
from harness.metrics import (
    MAE,
    MCC,
    R2,
    RMSE,
    ROCAUC,
    Accuracy,
    BalancedAccuracy,
    LogLoss,
    MacroF1,
    MeanDice,
    MeanImageIoU,
    MeanIoU,
    Precision,
    QuadraticKappa,
    Recall,
    confusion_per_image,
    pooled,
)

CLASSES = ("a", "b", "c", "d")
MACRO = {"average": "macro", "zero_division": 0}
SEVERAL: dict[type, Callable] = {  # those that take several labels a row
    Accuracy: usual.accuracy_score,
    MacroF1: partial(usual.f1_score, **MACRO),
    Precision: partial(usual.precision_score, **MACRO),
    Recall: partial(usual.recall_score, **MACRO),
}
OF_LABELS: dict[type, Callable] = {
    **SEVERAL,
    BalancedAccuracy: usual.balanced_accuracy_score,
    MCC: usual.matthews_corrcoef,
    QuadraticKappa: partial(usual.cohen_kappa_score, weights="quadratic", labels=range(4)),
}
SEEDS = pytest.mark.parametrize("seed", range(4))


def scored(metric: Any, truth: Any, predicted: Any) -> float:
    return metric.score(metric.statistics(truth, predicted))


def resampled(metric: Any, truth: np.ndarray, predicted: np.ndarray, seed: int) -> tuple[np.ndarray, Any]:
    """Counts of every row in four resamples, the first of them each row once, and their scores."""
    counts = np.random.default_rng(seed).integers(0, 4, (4, len(truth)))
    counts[0] = 1
    return counts, metric.score(metric.statistics(truth, predicted), counts)


# -- labels ------------------------------------------------------------------------------------------------------------


@SEEDS
@pytest.mark.parametrize("kind", OF_LABELS, ids=lambda kind: kind.__name__)
def test_of_labels_they_are_those_of_scikit_learn(kind: type, seed: int) -> None:
    """By the seed the last class is in neither, in the truth alone, in the predictions alone, or in both."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3 + seed % 2, 40).astype(np.uint8)
    predicted = np.where(rng.random(40) < 0.5, truth % 3, rng.integers(0, 3 + seed // 2, 40))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # balanced accuracy: a class that is not in the truth
        counts, scores = resampled(kind(CLASSES), truth, predicted, seed)
        repeated = [np.repeat(np.arange(40), times) for times in counts]
        expected = [OF_LABELS[kind](truth[rows], predicted[rows]) for rows in repeated]
    assert scores == pytest.approx(expected, abs=1e-12)


@SEEDS
def test_of_several_labels_a_row_they_are_those_of_scikit_learn_or_refused(seed: int) -> None:
    truth, predicted = np.random.default_rng(seed).integers(0, 2, (2, 30, 4)).astype(np.uint8)
    predicted[:12] = truth[:12]
    truth[:, 3] = seed > 0  # in the first case a label that no row has
    for kind, of_library in SEVERAL.items():
        assert scored(kind(CLASSES), truth, predicted) == pytest.approx(of_library(truth, predicted), abs=1e-12)
    for metric in (MCC(CLASSES), QuadraticKappa(CLASSES), LogLoss(CLASSES, balanced=True)):
        with pytest.raises(UserError, match="takes one label a row"):
            metric.statistics(truth, predicted)


def test_a_log_loss_without_a_weight_for_every_class_is_refused() -> None:
    for weights in ((1, 2), (1, 1, 1, 0)):
        with pytest.raises(UserError, match="give one above 0 for each of 4 classes"):
            LogLoss(CLASSES, weights=weights)


def test_a_class_is_told_by_its_part_and_an_absent_one_is_left_out() -> None:
    """Of class a one of two is found, of b the only one; c is predicted alone, d is nowhere."""
    truth, predicted = np.array([0, 0, 1]), np.array([0, 2, 1])
    parts = {
        Accuracy: (0.5, 1, np.nan, np.nan),
        Recall: (0.5, 1, 0, np.nan),
        Precision: (1, 1, 0, np.nan),
        MacroF1: (2 / 3, 1, 0, np.nan),
    }
    for kind, expected in parts.items():
        metric = kind(CLASSES)
        by_class = metric.by_class(metric.statistics(truth, predicted))
        assert by_class == pytest.approx(dict(zip(CLASSES, expected, strict=True)), nan_ok=True)
    assert scored(MacroF1(CLASSES), truth, predicted) == pytest.approx(5 / 9)


def test_where_all_is_one_class_nothing_correlates_and_agreement_is_complete_or_none() -> None:
    ones, twos = np.ones(5, int), np.full(5, 2)
    assert [scored(MCC(CLASSES), ones, said) for said in (ones, twos)] == [0, 0]
    assert [scored(QuadraticKappa(CLASSES), ones, said) for said in (ones, twos)] == [1, 0]


# -- probabilities -----------------------------------------------------------------------------------------------------


def chances(seed: int, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Odd seeds: probabilities in tenths, so that they tie."""
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.arange(40) % classes)
    probs = rng.dirichlet(np.ones(classes), 40) + 0.5 * np.eye(classes)[truth]
    probs = np.maximum(probs.round(1) if seed % 2 else probs, 1e-3)
    return truth, probs / probs.sum(1, keepdims=True)


@SEEDS
def test_log_loss_and_area_are_those_of_scikit_learn(seed: int) -> None:
    truth, probs = chances(seed)
    counts, losses = resampled(LogLoss(CLASSES[:3]), truth, probs, seed)
    weighted = [usual.log_loss(truth, probs, sample_weight=times) for times in counts]
    assert losses == pytest.approx(weighted, abs=1e-12)
    weights = (0.5, 3, 1.25)
    counts, losses = resampled(LogLoss(CLASSES[:3], weights=weights), truth, probs, seed)
    of_rows = [usual.log_loss(truth, probs, sample_weight=times * np.array(weights)[truth]) for times in counts]
    assert losses == pytest.approx(of_rows, abs=1e-12)
    area = ROCAUC(CLASSES[:3])
    of_classes = area.by_class(area.statistics(truth, probs), counts)
    for label, name in enumerate(of_classes):
        expected = [usual.roc_auc_score(truth == label, probs[:, label], sample_weight=times) for times in counts]
        assert of_classes[name] == pytest.approx(expected, abs=1e-12)
    truth, probs = chances(seed, classes=2)
    assert scored(ROCAUC(CLASSES[:2]), truth, probs) == pytest.approx(usual.roc_auc_score(truth, probs[:, 1]))
    several = np.random.default_rng(seed).integers(0, 2, (40, 2))
    assert scored(ROCAUC(CLASSES[:2]), several, probs) == pytest.approx(usual.roc_auc_score(several, probs))


def test_a_class_in_no_row_or_in_all_has_no_area() -> None:
    metric = ROCAUC(CLASSES[:3])
    statistics = metric.statistics(np.array([0, 0, 1, 1]), chances(0)[1][:4])
    counts = np.array([[1, 2, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0]])  # a in all rows, in none, in one of two
    areas = metric.by_class(statistics, counts)
    assert np.isnan(areas["a"]).tolist() == [True, True, False]
    assert np.isnan(areas["c"]).all()
    assert metric.score(statistics, counts)[2] == np.mean([areas["a"][2], areas["b"][2]])


def test_log_loss_is_not_beaten_by_rows_of_ones_and_a_sure_mistake_costs_what_clip_says() -> None:
    truth = np.array([0, 1, 2])
    for row in (np.ones((3, 3)), np.zeros((3, 3))):
        assert scored(LogLoss(CLASSES[:3]), truth, row) == pytest.approx(np.log(3))
    wrong = np.eye(3, dtype=np.float16)[(truth + 1) % 3]
    assert scored(LogLoss(CLASSES[:3]), truth, wrong) == pytest.approx(-np.log(1e-15))
    assert scored(LogLoss(CLASSES[:3], clip=2**-24), truth, wrong) == pytest.approx(24 * np.log(2), abs=1e-6)


# -- numbers -----------------------------------------------------------------------------------------------------------


@SEEDS
@pytest.mark.parametrize("far", [0, 1e6])
def test_of_numbers_they_are_those_of_scikit_learn_however_far_from_zero(seed: int, far: float) -> None:
    truth, noise = np.random.default_rng(seed).normal(size=(2, 30))
    truth, predicted = truth + far, truth + 0.7 * noise + far
    for metric, of_library in (
        (RMSE(), usual.root_mean_squared_error),
        (MAE(), usual.mean_absolute_error),
        (R2(), usual.r2_score),
    ):
        counts, scores = resampled(metric, truth, predicted, seed)
        weighted = [of_library(truth, predicted, sample_weight=times) for times in counts]
        assert scores == pytest.approx(weighted, rel=1e-9)


def test_where_all_truths_are_equal_only_the_truth_explains_them() -> None:
    metric = R2()
    truth = np.array([0.1, 0.1, 0.3, 7.0])
    for predicted, expected in ((truth, 1), (truth + np.array([0, 1, 1, 0]), 0)):
        statistics = metric.statistics(truth, predicted)
        assert metric.score(statistics, np.array([[1, 2, 0, 0], [0, 0, 3, 0]])).tolist() == [expected] * 2


# -- masks -------------------------------------------------------------------------------------------------------------


@SEEDS
@pytest.mark.parametrize("present", [4, 3], ids=["all classes", "d absent"])
def test_mean_iou_is_that_of_scikit_learn_without_void_pixels_and_absent_classes(seed: int, present: int) -> None:
    truth, predicted = np.random.default_rng(seed).integers(0, present, (2, 10, 4, 6)).astype(np.uint8)
    seen, labels = truth != 0, range(1, present)
    expected = usual.jaccard_score(truth[seen], predicted[seen], labels=labels, average=None)
    metric = MeanIoU(CLASSES, void=0)
    statistics = metric.statistics(truth, predicted)
    assert metric.score(statistics) == pytest.approx(expected.mean(), abs=1e-12)
    assert list(metric.by_class(statistics).values()) == pytest.approx(
        [*expected, *[np.nan] * (4 - present)], nan_ok=True
    )
    assert np.isnan(scored(metric, truth * 0, predicted))  # nothing is labelled


@SEEDS
@pytest.mark.parametrize(("kind", "of_library"), [(MeanDice, usual.f1_score), (MeanImageIoU, usual.jaccard_score)])
def test_they_are_the_means_of_scikit_learns_images(kind: type, of_library: Callable, seed: int) -> None:
    """Of ten images the first is empty in both, the second in the truth, the third in the prediction."""
    truth, predicted = np.random.default_rng(seed).integers(0, 3, (2, 10, 5, 6)).astype(np.uint8)
    truth[[0, 1]] = predicted[[0, 2]] = 0
    metric = kind(CLASSES[:3])
    statistics = metric.statistics(truth, predicted)
    of_image = partial(of_library, labels=(1, 2), average=None, zero_division=1)
    of_images = np.array([of_image(t.ravel(), p.ravel()) for t, p in zip(truth, predicted, strict=True)])
    assert statistics == pytest.approx(of_images, abs=1e-12)
    assert statistics[:3].tolist() == [[1, 1], [0, 0], [0, 0]]
    assert metric.score(statistics) == pytest.approx(of_images.mean(), abs=1e-12)
    assert metric.by_class(statistics) == pytest.approx({"b": of_images[:, 0].mean(), "c": of_images[:, 1].mean()})


@pytest.mark.parametrize("shape", [(2, 3), (300, 400)], ids=["many images at once", "one image at once"])
def test_the_confusion_counts_every_pixel_of_its_image(shape: tuple[int, int]) -> None:
    truth, predicted = np.random.default_rng(0).integers(0, 5, (2, 11, *shape)).astype(np.uint8)
    for row, confusion in enumerate(confusion_per_image(truth, predicted, 5)):
        assert (confusion == usual.confusion_matrix(truth[row].ravel(), predicted[row].ravel(), labels=range(5))).all()


def test_pooling_is_exact_where_32_bits_are_not() -> None:
    statistics = np.full((3, 2, 2), 2**31 - 1, np.int32)
    assert pooled(statistics, None)[0, 0] == 3 * (2**31 - 1)
    assert pooled(statistics, np.array([5, 0, 7]))[1, 1] == 12 * (2**31 - 1)
