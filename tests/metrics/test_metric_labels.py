"""Metrics of labels are those of scikit-learn, of one label a row and of several."""

import warnings
from functools import partial

import numpy as np
import pytest

from harness.errors import UserError
from harness.metrics import MCC, Accuracy, BalancedAccuracy, MacroF1, Precision, QuadraticKappa, Recall

CLASSES = ("a", "b", "c", "d")


def labels(seed: int, rows: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """By the seed the last class is in neither, in the truth alone, in the predictions alone, or in both."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3 + seed % 2, rows).astype(np.uint8)
    predicted = np.where(rng.random(rows) < 0.5, truth % 3, rng.integers(0, 3 + seed // 2 % 2, rows))
    return truth, predicted


def scored(metric, truth, predicted) -> float:
    return metric.score(metric.statistics(truth, predicted))


def of_scikit_learn():
    from sklearn import metrics

    macro = {"average": "macro", "zero_division": 0}
    return {
        Accuracy: metrics.accuracy_score,
        BalancedAccuracy: metrics.balanced_accuracy_score,
        MacroF1: partial(metrics.f1_score, **macro),
        Precision: partial(metrics.precision_score, **macro),
        Recall: partial(metrics.recall_score, **macro),
        MCC: metrics.matthews_corrcoef,
        QuadraticKappa: partial(metrics.cohen_kappa_score, weights="quadratic", labels=range(4)),
    }


@pytest.mark.parametrize("seed", range(8))
def test_they_are_those_of_scikit_learn(seed: int) -> None:
    truth, predicted = labels(seed)
    for kind, usual in of_scikit_learn().items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # balanced accuracy: a class that is not in the truth
            expected = usual(truth, predicted)
        assert scored(kind(CLASSES), truth, predicted) == pytest.approx(expected, abs=1e-12), kind.name


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", [MacroF1, Precision, Recall])
def test_by_class_they_are_those_of_scikit_learn(seed: int, kind: type) -> None:
    truth, predicted = labels(seed)
    usual = of_scikit_learn()[kind].func
    of_classes = usual(truth, predicted, labels=range(4), average=None, zero_division=0)
    metric = kind(CLASSES, absent="zero")
    by_class = metric.by_class(metric.statistics(truth, predicted))
    assert list(by_class.values()) == pytest.approx(of_classes.tolist(), abs=1e-12)
    assert scored(metric, truth, predicted) == pytest.approx(float(of_classes.mean()), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_of_several_labels_a_row_they_are_those_of_scikit_learn(seed: int) -> None:
    truth, predicted = np.random.default_rng(seed).integers(0, 2, (2, 30, 4)).astype(np.uint8)
    predicted[:12] = truth[:12]
    truth[:, 3] = seed > 0  # in the first case a label that no row has
    for kind, usual in of_scikit_learn().items():
        if kind in (Accuracy, MacroF1, Precision, Recall):
            assert scored(kind(CLASSES), truth, predicted) == pytest.approx(usual(truth, predicted), abs=1e-12)
    for kind in (MCC, QuadraticKappa):
        with pytest.raises(UserError, match=f"{kind.name} takes one label a row"):
            kind(CLASSES).statistics(truth, predicted)


@pytest.mark.parametrize("kind", [Accuracy, BalancedAccuracy, MCC, QuadraticKappa])
def test_by_class_stands_the_recall(kind: type) -> None:
    """Of class a one of two is found, of b the only one; c is predicted, d is nowhere."""
    metric = kind(CLASSES)
    statistics = metric.statistics(np.array([0, 0, 1]), np.array([0, 2, 1]))
    assert list(metric.by_class(statistics).values()) == pytest.approx([0.5, 1, np.nan, np.nan], nan_ok=True)
    counts = np.array([[0, 1, 0], [3, 1, 2]])
    of_resamples = metric.by_class(statistics, counts)
    assert list(of_resamples) == list(CLASSES)
    assert of_resamples["a"] == pytest.approx([0, 0.75])
    assert of_resamples["b"] == pytest.approx([np.nan, 1], nan_ok=True)


@pytest.mark.parametrize(("absent", "expected"), [("skip", 0.75), ("zero", 0.375), ("one", 0.875)])
@pytest.mark.parametrize("kind", [Precision, Recall])
def test_what_an_absent_class_counts_as_is_said(kind: type, absent: str, expected: float) -> None:
    """b, c: nowhere. a: precision 1, recall 1/2; d: precision 1/2, recall 1."""
    assert scored(kind(CLASSES, absent=absent), np.array([0, 0, 3]), np.array([0, 3, 3])) == pytest.approx(expected)


def test_where_all_is_one_class() -> None:
    """Nothing varies, so nothing correlates; and agreement is complete or none."""
    ones, twos = np.ones(5, int), np.full(5, 2)
    assert [scored(MCC(CLASSES), ones, said) for said in (ones, twos)] == [0, 0]
    assert [scored(QuadraticKappa(CLASSES), ones, said) for said in (ones, twos)] == [1, 0]


def test_kappa_asks_how_far_a_miss_is() -> None:
    truth = np.array([0, 1, 2, 3])
    near, far = np.array([0, 1, 2, 2]), np.array([0, 1, 2, 0])
    assert scored(Accuracy(CLASSES), truth, near) == scored(Accuracy(CLASSES), truth, far)
    assert scored(QuadraticKappa(CLASSES), truth, near) > scored(QuadraticKappa(CLASSES), truth, far)


def test_a_row_of_statistics_is_a_byte_a_class() -> None:
    statistics = Accuracy(CLASSES).statistics(np.array([3, 1], np.uint8), np.array([0, 1]))
    assert statistics.dtype == np.uint8
    assert statistics.tolist() == [[2, 0, 0, 1], [0, 3, 0, 0]]
