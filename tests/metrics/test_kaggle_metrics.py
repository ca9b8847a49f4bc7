"""Metrics of numbers, labels and ranks are those of scikit-learn, torchmetrics and hosts, in any resample."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics as usual
from torchmetrics.functional.regression import symmetric_mean_absolute_percentage_error
from torchmetrics.functional.retrieval import retrieval_reciprocal_rank

from harness import metrics
from harness.errors import UserError

CLASSES = ("a", "b", "c", "d")
SEEDS = pytest.mark.parametrize("seed", range(4))


def scored(metric: Any, truth: Any, predicted: Any) -> float:
    return metric.score(metric.statistics(truth, predicted))


def draws(seed: int, rows: int, count: int = 4) -> np.ndarray:
    """(count, rows) how often each row is drawn; in the first draw once."""
    counts = np.random.default_rng(seed).integers(0, 4, (count, rows))
    counts[0] = 1
    return counts


# -- numbers -----------------------------------------------------------------------------------------------------------

NUMBERS: list[tuple[Any, Callable]] = [
    (metrics.RMSE, usual.root_mean_squared_error),
    (metrics.MAE, usual.mean_absolute_error),
    (metrics.R2, usual.r2_score),
    (metrics.RMSLE, usual.root_mean_squared_log_error),
    (metrics.MAPE, usual.mean_absolute_percentage_error),
    (partial(metrics.Pinball, 0.2), partial(usual.mean_pinball_loss, alpha=0.2)),
]


@SEEDS
@pytest.mark.parametrize(("metric", "of_library"), NUMBERS)
def test_of_columns_each_is_that_of_scikit_learn_and_the_score_is_their_mean(
    metric: Any, of_library: Callable, seed: int
) -> None:
    truth, predicted = np.random.default_rng(seed).uniform(0.5, 9, (2, 30, 3))
    counts, named = draws(seed, 30), metric(targets=CLASSES[:3])
    of_columns = [of_library(truth, predicted, sample_weight=times, multioutput="raw_values") for times in counts]
    statistics = named.statistics(truth, predicted)
    assert named.score(statistics, counts) == pytest.approx(np.mean(of_columns, 1), rel=1e-9)
    parts = named.by_class(statistics, counts)
    assert np.stack(list(parts.values()), 1) == pytest.approx(np.array(of_columns), rel=1e-9)
    assert list(parts) == list(CLASSES[:3])
    assert metric().by_class(statistics) == {}
    assert scored(metric(), truth[:, 0], predicted[:, 0]) == pytest.approx(of_columns[0][0], rel=1e-9)


@SEEDS
def test_smape_is_that_of_torchmetrics_in_percent(seed: int) -> None:
    truth, predicted = np.random.default_rng(seed).normal(size=(2, 40))
    expected = symmetric_mean_absolute_percentage_error(torch.from_numpy(predicted), torch.from_numpy(truth))
    assert scored(metrics.SMAPE(), truth, predicted) == pytest.approx(100 * expected.item(), rel=1e-6)


@SEEDS
def test_rmsle_is_that_of_a_host_with_two_columns(host: Any, seed: int) -> None:
    truth, predicted = np.random.default_rng(seed).uniform(0, 5, (2, 40, 2))
    assert scored(metrics.RMSLE(), truth, predicted) == pytest.approx(host.m_rmsle(truth.tolist(), predicted.tolist()))


def test_numbers_that_have_no_error_of_this_kind_are_refused() -> None:
    truth, said = np.array([[1.0, 2.0], [1.0, 0.0]]), np.ones((2, 2))
    with pytest.raises(UserError, match="row 1 is 0"):
        metrics.MAPE().statistics(truth, said)
    with pytest.raises(UserError, match="row 1 is -1"):
        metrics.RMSLE().statistics(truth - 1, said)
    with pytest.raises(UserError, match=r"shape \(2,\)"):
        metrics.RMSE().statistics(truth[:, :1], said[:, 0])
    with pytest.raises(UserError, match="named a, b, c, d"):
        metrics.RMSE(targets=CLASSES).statistics(truth, said)
    with pytest.raises(UserError, match="named a, b, c, d"):
        metrics.RMSE(targets=CLASSES).statistics(truth[:, 0], said[:, 0])
    with pytest.raises(UserError, match="between 0 and 1"):
        metrics.Pinball(90)


# -- labels ------------------------------------------------------------------------------------------------------------


@SEEDS
@pytest.mark.parametrize("beta", [0.5, 1, 2])
def test_f_of_rows_and_of_classes_are_those_of_scikit_learn(beta: float, seed: int) -> None:
    truth, predicted = np.random.default_rng(seed).integers(0, 2, (2, 30, 4)).astype(np.uint8)
    truth[0] = predicted[0] = 0  # a row with nothing to find
    of_rows, of_classes = metrics.SampleF(CLASSES, beta), metrics.MacroF(CLASSES, beta)
    statistics, counts = of_rows.statistics(truth, predicted), draws(seed, 30)
    for expected, metric in (("samples", of_rows), ("macro", of_classes)):
        library = partial(usual.fbeta_score, beta=beta, average=expected, zero_division=1)
        weighted = [library(np.repeat(truth, times, 0), np.repeat(predicted, times, 0)) for times in counts]
        assert metric.score(statistics, counts) == pytest.approx(weighted, abs=1e-12)
    by_class = usual.fbeta_score(truth, predicted, beta=beta, average=None)
    assert list(of_rows.by_class(statistics).values()) == pytest.approx(by_class)
    one = np.random.default_rng(seed).integers(0, 4, (2, 40))
    assert scored(of_classes, *one) == pytest.approx(usual.fbeta_score(*one, beta=beta, average="macro"))


@SEEDS
def test_mean_f1_is_that_of_a_host_that_compares_sets_of_words(host: Any, seed: int) -> None:
    truth, predicted = np.random.default_rng(seed).integers(0, 2, (2, 30, 4)).astype(np.uint8)
    truth[:, 0] |= truth.sum(1) == 0  # a row of this host has a label
    words = [[[np.array(CLASSES)[row > 0].tolist()] for row in side] for side in (truth, predicted)]
    expected = host.m_f1(*words)
    assert scored(metrics.SampleF(CLASSES), truth, predicted) == pytest.approx(expected)


# -- probabilities -----------------------------------------------------------------------------------------------------


def chances(seed: int, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """(60,) labels and (60, classes) probabilities; of odd seeds in twentieths, so that they tie."""
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.arange(60) % classes)
    probs = rng.dirichlet(np.ones(classes), 60) + 0.3 * np.eye(classes)[truth]
    probs = np.maximum(probs.round(1) if seed % 2 else probs, 1e-3)
    return truth, probs / probs.sum(1, keepdims=True)


@SEEDS
def test_losses_are_those_of_scikit_learn(seed: int) -> None:
    counts, several = draws(seed, 60), np.random.default_rng(seed).integers(0, 2, (60, 4))
    for classes in (2, 4):
        truth, probs = chances(seed, classes)
        for metric, of_library in (
            (metrics.Brier(CLASSES[:classes]), usual.brier_score_loss),
            (metrics.LogLoss(CLASSES[:classes]), usual.log_loss),
        ):
            expected = [of_library(truth, probs, sample_weight=times) for times in counts]
            assert metric.score(metric.statistics(truth, probs), counts) == pytest.approx(expected, abs=1e-12)
            of_labels = [of_library(several[:, c], probs[:, c]) for c in range(classes)]
            statistics = metric.statistics(several[:, :classes], probs)
            assert metric.score(statistics) == pytest.approx(np.mean(of_labels), abs=1e-12)
            assert list(metric.by_class(statistics).values()) == pytest.approx(of_labels, abs=1e-12)


@SEEDS
def test_the_balanced_log_loss_weighs_rows_by_their_class(host: Any, seed: int) -> None:
    truth, probs = chances(seed, 3)
    truth = np.minimum(truth, np.random.default_rng(seed).integers(0, 3, 60))  # fewer of the last
    metric = metrics.LogLoss(CLASSES[:3], balanced=True)
    weights = 1 / np.bincount(truth)[truth]
    assert scored(metric, truth, probs) == pytest.approx(usual.log_loss(truth, probs, sample_weight=weights))
    assert scored(metric, truth, 7 * probs) == pytest.approx(host.balanced(np.eye(3)[truth], probs))


@SEEDS
def test_average_precision_is_that_of_scikit_learn(seed: int) -> None:
    truth, probs = chances(seed)
    counts, metric = draws(seed, 60), metrics.AveragePrecision(CLASSES)
    parts = metric.by_class(metric.statistics(truth, probs), counts)
    for label, name in enumerate(CLASSES):
        library = partial(usual.average_precision_score, truth == label, probs[:, label])
        assert parts[name] == pytest.approx([library(sample_weight=times) for times in counts], abs=1e-12)
    several = np.random.default_rng(seed).integers(0, 2, (60, 4))
    assert scored(metric, several, probs) == pytest.approx(usual.average_precision_score(several, probs))
    several[:, 1] = 0  # is left out
    there = [0, 2, 3]
    expected = usual.average_precision_score(several[:, there], probs[:, there])
    assert scored(metric, several, probs) == pytest.approx(expected)


def test_gini_is_that_of_the_code_that_kagglers_share() -> None:
    def gini(actual: np.ndarray, predicted: np.ndarray) -> float:
        """Of the competition of Porto Seguro: the area between the Lorenz curve and that of chance."""
        ranked = actual[np.lexsort((np.arange(len(actual)), -predicted))]
        return float((ranked.cumsum() / ranked.sum()).sum() - (len(actual) + 1) / 2) / len(actual)

    truth, probs = chances(0, 2)
    expected = gini(truth, probs[:, 1]) / gini(truth, truth)
    assert scored(metrics.Gini(CLASSES[:2]), truth, probs) == pytest.approx(expected)


@SEEDS
@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_first_k_of_one_label_are_those_of_scikit_learn_and_torchmetrics(k: int, seed: int) -> None:
    truth, probs = chances(2 * seed)
    counts = draws(seed, 60)
    top, ranked = metrics.TopK(CLASSES, k), metrics.MAPatK(CLASSES, k)
    expected = [usual.top_k_accuracy_score(truth, probs, k=k, sample_weight=times) for times in counts]
    assert top.score(top.statistics(truth, probs), counts) == pytest.approx(expected)
    ranks = [
        retrieval_reciprocal_rank(torch.from_numpy(row), torch.arange(4) == int(label), top_k=k).item()
        for label, row in zip(truth, probs, strict=True)
    ]
    statistics = ranked.statistics(truth, probs)
    assert ranked.score(statistics) == pytest.approx(np.mean(ranks), abs=1e-7)
    by_class = [np.mean(np.array(ranks)[truth == label]) for label in range(4)]
    assert list(ranked.by_class(statistics).values()) == pytest.approx(by_class, abs=1e-7)


def apk(actual: list[int], predicted: list[int], k: int) -> float:
    """B. Hamner's average precision at k, as Kaggle's notebooks have it."""
    score, hits = 0.0, 0.0
    for place, label in enumerate(predicted[:k]):
        if label in actual and label not in predicted[:place]:
            hits += 1
            score += hits / (place + 1)
    return score / min(len(actual), k) if actual else 0.0


@SEEDS
def test_map_at_k_of_several_labels_is_that_of_kagglers_and_of_all_classes_that_of_scikit_learn(seed: int) -> None:
    several, (_, probs) = np.random.default_rng(seed).integers(0, 2, (60, 4)), chances(2 * seed)
    actual = [np.flatnonzero(row).tolist() for row in several]
    for k in (1, 2, 3):
        rows = [apk(true, np.argsort(-row).tolist(), k) for true, row in zip(actual, probs, strict=True)]
        assert scored(metrics.MAPatK(CLASSES, k), several, probs) == pytest.approx(np.mean(rows))
    there = several.any(1)
    expected = usual.label_ranking_average_precision_score(several[there], probs[there])
    assert scored(metrics.MAPatK(CLASSES, 9), several[there], probs[there]) == pytest.approx(expected)


def test_equal_scores_are_in_the_order_of_classes_so_that_a_constant_gains_nothing() -> None:
    even = np.full((4, 4), 0.25)
    assert scored(metrics.TopK(CLASSES, 1), np.arange(4), even) == 0.25
    assert scored(metrics.MAPatK(CLASSES, 2), np.arange(4), even) == (1 + 1 / 2) / 4
    with pytest.raises(UserError, match="at least one class"):
        metrics.TopK(CLASSES, 0)
