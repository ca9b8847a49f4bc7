"""RMSE, MAE and R2 are those of scikit-learn, in any resample, and far from zero."""

import numpy as np
import pytest

from harness.errors import UserError
from harness.metrics import MAE, R2, RMSE


def amounts(seed: int, far: float = 0) -> tuple[np.ndarray, np.ndarray]:
    truth, noise = np.random.default_rng(seed).normal(size=(2, 30))
    return truth + far, (truth + 0.7 * noise + far).astype(np.float32 if far == 0 else np.float64)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("far", [0, 1e6])
def test_they_are_those_of_scikit_learn(seed: int, far: float) -> None:
    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

    truth, predicted = amounts(seed, far)
    counts = np.random.default_rng(seed).integers(0, 4, (4, 30))
    for metric, usual in ((RMSE(), root_mean_squared_error), (MAE(), mean_absolute_error), (R2(), r2_score)):
        statistics = metric.statistics(truth, predicted)
        assert metric.score(statistics) == pytest.approx(usual(truth, predicted), rel=1e-9)
        expected = [usual(truth, predicted, sample_weight=times) for times in counts]
        assert metric.score(statistics, counts) == pytest.approx(expected, rel=1e-9)


def test_where_all_truths_are_equal_only_the_truth_explains_them() -> None:
    metric = R2()
    truth = np.array([0.1, 0.1, 0.3, 7.0])
    for predicted, expected in ((truth, 1), (truth + np.array([0, 1, 1, 0]), 0)):
        statistics = metric.statistics(truth, predicted)
        assert metric.score(statistics, np.array([[1, 2, 0, 0], [0, 0, 3, 0]])).tolist() == [expected] * 2
        assert metric.score(statistics[:2]) == expected


def test_the_mean_of_the_truth_explains_nothing_and_worse_is_below() -> None:
    truth, _ = amounts(0)
    scores = [R2().score(R2().statistics(truth, np.full(30, truth.mean() + shift))) for shift in (0, 1)]
    assert scores[0] == pytest.approx(0, abs=1e-12)
    assert scores[1] < 0


def test_there_are_no_classes() -> None:
    assert [metric.by_class(metric.statistics(*amounts(0))) for metric in (RMSE(), MAE(), R2())] == [{}, {}, {}]


@pytest.mark.parametrize("metric", [RMSE(), MAE(), R2()], ids=lambda metric: metric.name)
def test_what_is_no_number_is_refused(metric) -> None:
    truth, predicted = amounts(1)
    predicted[4] = np.nan
    with pytest.raises(UserError, match="prediction 4 is not a finite number"):
        metric.statistics(truth, predicted)
