"""A plain function is a metric: in resamples, in an ensemble and in a declaration."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from harness.bootstrap import compare, interval
from harness.data.samples import Ragged
from harness.ensemble import Member, OOFData, blend, cross_fit
from harness.errors import UserError
from harness.metrics import BalancedAccuracy, metric
from harness.tasks.classification import Classification

CLASSES = ("a", "b", "c")


def balanced(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    return float(np.mean([(y_pred[y_true == c] == c).mean() for c in np.unique(y_true)]))


BALANCED = metric("balanced", balanced, higher_is_better=True)


@pytest.fixture(autouse=True)
def fewer_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.bootstrap.RESAMPLES", 100)


def test_intervals_and_comparisons_are_those_of_the_metric_of_two_halves() -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(60) % 3
    one, two = (np.where(rng.random(60) < share, truth, rng.integers(0, 3, 60)) for share in (0.3, 0.6))
    halves, groups = BalancedAccuracy(CLASSES), np.arange(60) // 2
    plain, own = ([each.statistics(truth, predicted) for predicted in (one, two)] for each in (BALANCED, halves))
    assert interval(BALANCED, plain[0], groups) == pytest.approx(interval(halves, own[0], groups))
    found, expected = compare(BALANCED, *plain, groups), compare(halves, *own, groups)
    assert (found.difference, found.low, found.high, found.p) == pytest.approx(
        (expected.difference, expected.low, expected.high, expected.p)
    )


def test_a_resample_that_the_function_refuses_is_left_out_of_the_interval() -> None:
    """One row of the second class: without it there is no area under the curve."""

    def area(y_true: np.ndarray, y_pred: np.ndarray) -> float:
        if len(np.unique(y_true)) < 2:
            raise ValueError("one class")
        return float(roc_auc_score(y_true, y_pred[:, 1]))

    probs = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]])
    auc = metric("auc", area, higher_is_better=True, needs="probabilities")
    rows = auc.statistics(np.array([0, 0, 0, 1]), probs)
    assert np.isnan(auc.score(rows, np.array([[1, 1, 1, 0], [1, 1, 1, 1]]))).tolist() == [True, False]
    found = interval(auc, rows, None)
    assert found.score == pytest.approx(2 / 3)
    assert found.low <= found.score <= found.high


def test_an_ensemble_is_fitted_for_it() -> None:
    rng = np.random.default_rng(1)
    truth = np.arange(90) % 3
    noisy = {name: rng.dirichlet(np.ones(3), 90) + 0.5 * np.eye(3)[truth] for name in "ab"}
    members = {name: Member(probs / 1.5, probs / 1.5) for name, probs in noisy.items()}
    oof = OOFData(Classification(CLASSES), BALANCED, members, truth, np.arange(90) % 3, np.arange(90))
    assert BALANCED.score(cross_fit(oof, blend("a", "b")).statistics[-1]) > 0.8


def test_boxes_and_unknown_needs_are_refused() -> None:
    boxes = Ragged.of([np.zeros((1, 6))])
    with pytest.raises(UserError, match="balanced"):
        BALANCED.statistics(boxes, boxes)
    with pytest.raises(UserError, match="decided"):
        metric("wrong", balanced, higher_is_better=True, needs="decided")
