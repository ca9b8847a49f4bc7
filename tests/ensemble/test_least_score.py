"""Where every object counts, however low its score, those with low scores are left out, and nowhere else."""

import json
import math

import numpy as np
import pytest

from harness.data.samples import Ragged
from harness.ensemble import Member, OOFData, Recipe, StepResult, blend, cross_fit, fit
from harness.metrics import BoxPrecision, MeanAveragePrecision, Metric
from harness.metrics.boxes import only
from harness.tasks.detection import Detection


def boxes_with_faint_ones(images: int = 60) -> tuple[Ragged, Ragged]:
    """(truth, predicted): of two classes one box an image, found with a high score, beside five wrong ones with low
    scores; scores of the second class are ten times as low."""
    rng, truth, predicted = np.random.default_rng(3), [], []
    for _ in range(images):
        corners = rng.uniform(0, 20, (2, 2)) + np.array([[0], [50]])
        true = np.column_stack([[0, 1], corners, corners + 20])
        found = np.column_stack([true[:, :1], [[0.7], [0.07]] * rng.uniform(0.8, 1.2, (2, 1)), true[:, 1:]])
        wrong = np.repeat(found, 5, axis=0)
        wrong[:, 1] *= rng.uniform(0.05, 0.5, 10)
        wrong[:, 2:] += 200 + 30 * np.arange(10)[:, None]
        truth.append(true)
        predicted.append(np.concatenate([found, wrong])[np.argsort(-np.concatenate([found, wrong])[:, 1])])
    return Ragged.of(truth), Ragged.of(predicted)


def step_of(step_results: list[StepResult]) -> StepResult:
    (found,) = [result for result in step_results if result.step == "least score"]
    return found


def oof_of(metric: Metric, **members: Ragged) -> OOFData:
    views = {name: Member(each, each) for name, each in members.items()}
    rows = np.arange(60)
    return OOFData(Detection(("car", "dog")), metric, views, boxes_with_faint_ones()[0], rows % 4, rows)


def test_faint_boxes_are_left_out_where_every_box_counts() -> None:
    """Each class has a least score of its own; without the wrong boxes every image has a value of 1."""
    oof = oof_of(BoxPrecision(("car", "dog")), one=boxes_with_faint_ones()[1])
    fitted = cross_fit(oof, blend("one"))
    taken = step_of(fitted.step_results)
    assert taken.accepted
    assert taken.gain.low > 0.5
    before, after = (oof.metric.score(fitted.statistics[k]) for k in (0, -1))
    assert before == pytest.approx(1 / 6)  # one of six boxes is right
    assert after > 0.97
    cuts = [1 / (1 + math.exp(offset)) for offset in fitted.recipe.offsets]
    assert 0.3 < cuts[0] < 0.6
    assert 0.03 < cuts[1] < 0.06
    kept = oof.task.decide(oof.members["one"].plain, fitted.recipe.offsets)
    assert np.diff(kept.offsets).max() == 2
    assert Recipe.from_json(json.loads(json.dumps(fitted.recipe.to_json()))) == fitted.recipe


def test_no_box_is_left_out_where_scores_rank_or_all_are_right() -> None:
    truth, predicted = boxes_with_faint_ones()
    ranked = fit(oof_of(MeanAveragePrecision(("car", "dog")), one=predicted), blend("one"))
    assert all(result.recipe.offsets is None for result in ranked)
    assert "least score" not in [result.step for result in ranked]
    right = Ragged(np.insert(truth.flat, 1, 0.01, axis=1), truth.offsets)
    refused = step_of(fit(oof_of(BoxPrecision(("car", "dog")), one=right), blend("one")))
    assert not refused.accepted
    assert refused.recipe.offsets is None


def test_the_best_single_model_is_chosen_with_its_own_least_score_and_a_blend_gets_a_new_one() -> None:
    """The second model finds half of the boxes, and has no faint ones, so that uncut it seems better."""
    truth, predicted = boxes_with_faint_ones()
    half = np.arange(len(truth.flat)) % 4 < 2
    few = only(Ragged(np.insert(truth.flat, 1, 0.9, axis=1), truth.offsets), half)
    oof = oof_of(BoxPrecision(("car", "dog")), many=predicted, few=few)
    assert oof.quality(Recipe({"few": 1.0})) > oof.quality(Recipe({"many": 1.0}))
    fitted = cross_fit(oof, blend("many", "few"))
    assert fitted.step_results[0].step == "best single model (many)"
    assert oof.metric.score(fitted.statistics[-1]) > 0.97
