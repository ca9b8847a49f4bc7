"""Stacking is scikit-learn's regression on log-probabilities, for labels and for the pixels of masks."""

import json

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from harness.ensemble import Blend, Member, OOFData, Recipe, cross_fit, with_stacking
from harness.ensemble.stacking import fit_stack, stacked
from harness.metrics import Accuracy, LogLoss
from harness.tasks.classification import PROBABILITIES, Classification

NAMES = ("ant", "bee", "cat")
PAIR = ("one", "two")


def knowing(truth: np.ndarray, signal: float, seed: int, sure: float = 1.0) -> np.ndarray:
    """(n, 3) probabilities that know the truth by `signal` deviations of their noise, overconfident by `sure`."""
    logits = sure * (signal * np.eye(3)[truth] + np.random.default_rng(seed).normal(size=(len(truth), 3)))
    return softmax(logits, axis=1).astype(np.float32)


def labels(rows: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 3, rows)


def oof_of(task, metric, truth: np.ndarray, **members: np.ndarray) -> OOFData:
    pairs = {name: Member(each, each) for name, each in members.items()}
    groups = np.arange(len(truth))
    return OOFData(task, metric, pairs, truth, groups % 4, groups)


@pytest.mark.parametrize("shown", [(0, 1, 2), (0, 2)], ids=["all classes", "two of three"])
def test_it_predicts_what_the_regression_of_scikit_learn_predicts(shown: tuple[int, ...]) -> None:
    truth = np.array(shown)[labels(90, 3) % len(shown)]
    members = {"one": knowing(truth, 1.0, 1), "two": knowing(truth, 0.5, 2)}
    stack = fit_stack(members, truth, None)
    assert stack is not None
    found = stacked(list(members.values()), stack, PAIR, None)
    logs = np.log(np.concatenate(list(members.values()), 1))
    model = make_pipeline(StandardScaler(), LogisticRegression(C=10, max_iter=3000, tol=1e-8)).fit(logs, truth)
    np.testing.assert_allclose(found[:, list(shown)], model.predict_proba(logs), atol=2e-3)


def test_masks_are_stacked_as_rows_are_and_void_stays_nothing() -> None:
    truth = labels(24 * 24).reshape(24, 4, 6).astype(np.uint8) + 1
    rows = {name: knowing(truth.ravel() - 1, 1.0, k) for k, name in enumerate(PAIR)}
    masks = {
        name: np.moveaxis(np.pad(each.reshape(24, 4, 6, 3), [(0, 0)] * 3 + [(1, 0)]), 3, 1).astype(np.float16)
        for name, each in rows.items()
    }
    of_rows = stacked(list(rows.values()), fit_stack(rows, truth.ravel() - 1, None), PAIR, None)
    unlabelled = truth.copy()
    unlabelled[0, 0, 0] = 0
    of_masks = stacked(list(masks.values()), fit_stack(masks, unlabelled, 0), PAIR, 0)
    np.testing.assert_allclose(np.moveaxis(of_masks, 1, 3).reshape(-1, 4)[:, 1:], of_rows, atol=0.03)
    assert not of_masks[:, 0].any()


def test_a_stack_survives_json_and_predicts_new_rows() -> None:
    truth = labels(240)
    task = Classification(NAMES)
    oof = oof_of(task, Accuracy(NAMES), truth, one=knowing(truth, 1.0, 1), two=knowing(truth, 1.0, 2))
    recipe = with_stacking(PAIR, oof, Recipe({"one": 0.5, "two": 0.5}))
    assert sum(recipe.weights.values()) == pytest.approx(1)
    again = Recipe.from_json(json.loads(json.dumps(recipe.to_json(), allow_nan=False)))
    new = {name: Member(*(view[:7] for view in views)) for name, views in oof.members.items()}
    np.testing.assert_allclose(again.blend(task, new), oof.blend(recipe)[:7], atol=1e-6)
    assert again.without("one").blend(task, new).shape == (7, 3)


def test_members_that_predict_the_same_for_every_row_and_a_single_class_are_left_alone() -> None:
    even, before = np.full((40, 3), 1 / 3, np.float32), Recipe({"one": 1.0})
    task, metric = Classification(NAMES), Accuracy(NAMES)
    assert with_stacking(PAIR, oof_of(task, metric, labels(40), one=even, two=even), before) == before
    assert with_stacking(PAIR, oof_of(task, metric, np.zeros(40, int), one=even, two=even), before) == before


def test_overconfident_members_are_stacked_where_probabilities_are_scored() -> None:
    truth, metric = labels(400), LogLoss(NAMES)
    members = {name: knowing(truth, 1.0, k, sure=3.0) for k, name in enumerate(PAIR)}
    fitted = cross_fit(oof_of(Classification(NAMES, PROBABILITIES), metric, truth, **members), Blend(PAIR, views=False))
    (taken,) = [result for result in fitted.step_results if result.step == "stacking"]
    assert taken.accepted
    assert taken.gain is not None and taken.gain.low > 0
    assert metric.score(fitted.statistics[2]) < metric.score(fitted.statistics[1])


def test_stacking_noise_is_refused() -> None:
    truth = labels(120, 50)
    noise = {name: knowing(truth, 0.0, k) for k, name in enumerate("abcd")}
    fitted = cross_fit(
        oof_of(Classification(NAMES), Accuracy(NAMES), truth, **noise), Blend(tuple("abcd"), views=False)
    )
    (refused,) = [result for result in fitted.step_results if result.step == "stacking"]
    assert not refused.accepted
    assert refused.recipe.stack is None


def test_labels_that_share_no_whole_are_not_stacked() -> None:
    assert "stacking" not in Classification(NAMES, multilabel=True).ensemble_steps
