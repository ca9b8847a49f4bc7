"""Log loss and the area under the ROC curve are those of scikit-learn, in any resample; tricks win nothing."""

import numpy as np
import pytest

from harness.errors import UserError
from harness.metrics import ROCAUC, LogLoss

CLASSES = ("a", "b", "c")


def rows(seed: int, count: int = 40, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Odd seeds: probabilities in tenths, so that they tie."""
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.arange(count) % classes)
    probs = rng.dirichlet(np.ones(classes), count) + 0.5 * np.eye(classes)[truth]
    probs = np.maximum(probs.round(1) if seed % 2 else probs, 1e-3)
    return truth, probs / probs.sum(1, keepdims=True)


def scored(metric, truth, predicted) -> float:
    return metric.score(metric.statistics(truth, predicted))


@pytest.mark.parametrize("seed", range(4))
def test_log_loss_is_that_of_scikit_learn(seed: int) -> None:
    from sklearn.metrics import log_loss

    truth, probs = rows(seed)
    assert scored(LogLoss(CLASSES), truth, probs) == pytest.approx(log_loss(truth, probs), abs=1e-12)
    metric = LogLoss(CLASSES)
    by_class = metric.by_class(metric.statistics(truth, probs))
    for c, name in enumerate(CLASSES):
        assert by_class[name] == pytest.approx(log_loss(truth[truth == c], probs[truth == c], labels=range(3)))


@pytest.mark.parametrize("seed", range(4))
def test_the_area_is_that_of_scikit_learn(seed: int) -> None:
    from sklearn.metrics import roc_auc_score

    truth, probs = rows(seed)
    expected = roc_auc_score(truth, probs, multi_class="ovr", average="macro")
    assert scored(ROCAUC(CLASSES), truth, probs) == pytest.approx(expected, abs=1e-12)
    truth, probs = rows(seed, classes=2)
    assert scored(ROCAUC(CLASSES[:2]), truth, probs) == pytest.approx(roc_auc_score(truth, probs[:, 1]), abs=1e-12)
    several = np.random.default_rng(seed).integers(0, 2, (40, 2))
    assert scored(ROCAUC(CLASSES[:2]), several, probs) == pytest.approx(roc_auc_score(several, probs), abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_resamples_are_those_of_scikit_learn_with_weights(seed: int) -> None:
    from sklearn.metrics import log_loss, roc_auc_score

    truth, probs = rows(seed)
    counts = np.random.default_rng(seed).integers(0, 4, (5, len(truth)))
    area, loss = ROCAUC(CLASSES), LogLoss(CLASSES)
    areas = area.by_class(area.statistics(truth, probs), counts)
    losses = loss.score(loss.statistics(truth, probs), counts)
    for k, times in enumerate(counts):
        for c, name in enumerate(CLASSES):
            expected = roc_auc_score(truth == c, probs[:, c], sample_weight=times)
            assert areas[name][k] == pytest.approx(expected, abs=1e-12)
        assert losses[k] == pytest.approx(log_loss(truth, probs, sample_weight=times), abs=1e-12)


def test_a_class_in_no_row_or_in_all_has_no_area() -> None:
    """a in all rows of the resample, then in none; c is never true."""
    truth, probs = np.array([0, 0, 1, 1]), rows(0, count=4)[1]
    metric = ROCAUC(CLASSES)
    statistics = metric.statistics(truth, probs)
    areas = metric.by_class(statistics, np.array([[1, 2, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0]]))
    assert np.isnan(areas["a"]).tolist() == [True, True, False]
    assert np.isnan(areas["c"]).all()
    scores = metric.score(statistics, np.array([[1, 2, 0, 0], [1, 0, 1, 0]]))
    assert np.isnan(scores[0])
    assert scores[1] == np.mean([areas["a"][2], areas["b"][2]])


def test_log_loss_is_not_beaten_by_rows_of_ones() -> None:
    truth = np.array([0, 1, 2])
    assert scored(LogLoss(CLASSES), truth, np.ones((3, 3))) == pytest.approx(np.log(3))
    assert scored(LogLoss(CLASSES), truth, np.zeros((3, 3))) == pytest.approx(np.log(3))
    sure_and_wrong = np.eye(3)[(truth + 1) % 3]
    assert scored(LogLoss(CLASSES), truth, sure_and_wrong) == pytest.approx(-np.log(1e-15))


def test_log_loss_of_half_precision_is_that_of_the_same_numbers_in_full() -> None:
    truth, probs = rows(2)
    half = probs.astype(np.float16)
    full = half.astype(np.float64)
    assert scored(LogLoss(CLASSES), truth, half) == scored(LogLoss(CLASSES), truth, full)
    assert scored(LogLoss(CLASSES), truth, half) == pytest.approx(scored(LogLoss(CLASSES), truth, probs), abs=1e-3)
    sure = np.array([[1, 0, 0]], np.float16)
    assert scored(LogLoss(CLASSES), np.array([0]), sure) == pytest.approx(0, abs=1e-12)
    assert scored(LogLoss(CLASSES, clip=2**-24), np.array([1]), sure) == pytest.approx(24 * np.log(2), abs=1e-6)


@pytest.mark.parametrize("metric", [ROCAUC(CLASSES), LogLoss(CLASSES)], ids=lambda metric: metric.name)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_is_refused(metric, value: float) -> None:
    """NaN would be sorted behind the best."""
    truth, probs = rows(0)
    probs[7, 1] = value
    with pytest.raises(UserError, match="prediction 7 is not a finite number"):
        metric.statistics(truth, probs)


def test_several_labels_a_row_have_no_log_loss() -> None:
    with pytest.raises(UserError, match="log loss takes one label a row"):
        LogLoss(CLASSES).statistics(np.eye(3), np.eye(3))
