"""Ways to combine members: each against numbers by hand or an independent library, and none taken for noise."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from harness.ensemble import WAYS, Blend, Member, Mix, OOFData, Recipe, blend, cross_fit, fit, leave_one_out
from harness.ensemble.greedy import climbed, in_parts, moves, with_bagging, with_walk
from harness.ensemble.mixing import by_class, geometric, least_squares, levels, logistic, rank, ranked, stacked
from harness.metrics import Accuracy, LogLoss, MeanIoU
from harness.tasks import ClassSpecialist
from harness.tasks.classification import PROBABILITIES, Classification
from harness.tasks.segmentation import Segmentation
from harness.tasks.temperature import sharpened, temperature

NAMES = ("ant", "bee", "cat")
TASK, METRIC = Classification(NAMES), Accuracy(NAMES)
ROWS, FOLDS = 240, 4

TWO = [np.array([[0.8, 0.1, 0.1]], np.float32), np.array([[0.2, 0.2, 0.6]], np.float32)]


def labels(seed: int = 0, rows: int = ROWS) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 3, rows)


def knowing(truth: np.ndarray, signal: float, seed: int, sure: float = 1.0) -> np.ndarray:
    """(n, 3) probabilities that know the truth by `signal` deviations of their noise, and boast by `sure`."""
    logits = sure * (signal * np.eye(3)[truth] + np.random.default_rng(seed).normal(size=(len(truth), 3)))
    raw = np.exp(logits - logits.max(1, keepdims=True))
    return (raw / raw.sum(1, keepdims=True)).astype(np.float32)


def oof(truth: np.ndarray, task=TASK, metric=METRIC, **members: np.ndarray) -> OOFData:
    groups = np.arange(len(truth))
    pairs = {name: Member(said, said) for name, said in members.items()}
    return OOFData(task, metric, pairs, truth, groups % FOLDS, groups)


@pytest.fixture(scope="module")
def good() -> OOFData:
    truth = labels()
    return oof(truth, one=knowing(truth, 1.0, 1), two=knowing(truth, 1.0, 2), three=knowing(truth, 0.8, 3))


EVEN = Recipe({"one": 1 / 3, "three": 1 / 3, "two": 1 / 3})

# -- by hand -----------------------------------------------------------------------------------------------------------


def test_the_geometric_mean_is_that_of_scipy() -> None:
    from scipy.stats import gmean

    found = geometric(TWO, [3.0, 1.0], [(), ()], ())
    np.testing.assert_allclose(found, gmean(np.stack(TWO), axis=0, weights=np.array([[[3.0]], [[1.0]]])), rtol=1e-5)


def test_a_class_that_one_member_rules_out_stays_ruled_out() -> None:
    sure = [np.array([[0.0, 1.0]], np.float32), np.array([[0.9, 0.1]], np.float32)]
    assert geometric(sure, [1, 1], [(), ()], ()).argmax() == 1
    assert np.mean(sure, 0).argmax() == 1  # a narrow win, the geometric one is by far
    assert geometric(sure, [1, 1], [(), ()], ())[0, 0] < 0.01


def test_a_rank_is_the_share_of_those_that_are_below() -> None:
    knots = levels(np.linspace(0, 1, 1001))
    np.testing.assert_allclose(rank(np.array([0.0, 0.25, 1.0]), knots), [0, 0.25, 1], atol=1e-6)
    skewed = levels(np.linspace(0, 1, 1001) ** 3)
    np.testing.assert_allclose(rank(np.array([0.5**3]), skewed), [0.5], atol=0.01)
    assert rank(np.array([0.3]), [0.3] * 33)[0] == pytest.approx(0.5)  # a member that says the same of everything


def test_ranks_forget_how_sure_a_member_is() -> None:
    """A member whose probabilities are all small has its say in a mean of ranks, and none in a mean."""
    modest = np.array([[0.010, 0.030]], np.float32)
    knots = [levels(np.linspace(0, 0.04, 101)), levels(np.linspace(0, 1, 101))]
    said = ranked([modest, np.array([[0.6, 0.5]], np.float32)], [0.5, 0.5], knots, ())
    np.testing.assert_allclose(said, [[(0.25 + 0.6) / 2, (0.75 + 0.5) / 2]], atol=0.01)


def test_class_weights_are_weights_of_a_class() -> None:
    said = by_class(TWO, [0.5, 0.5], [(1, 0, 0.5), (0, 1, 0.5)], ())
    np.testing.assert_allclose(said, [[0.8, 0.2, 0.35]], rtol=1e-6)


def test_masks_are_mixed_as_rows_are() -> None:
    """Every pixel on its own, void left at 0, and the rest summing to 1."""
    task = Segmentation(("void", *NAMES), (2, 3), void=0)
    rng = np.random.default_rng(0)
    masks = [np.concatenate([np.zeros((5, 1, 2, 3)), rng.dirichlet(np.ones(3), (5, 2, 3)).transpose(0, 3, 1, 2)], 1)]
    masks = [masks[0].astype(np.float16), masks[0][::-1].astype(np.float16)]
    rows = [mask.transpose(0, 2, 3, 1).reshape(-1, 4)[:, 1:].astype(np.float32) for mask in masks]
    change = partial(geometric, weights=[1, 2], fitted=[(), ()], common=())
    found = task.mixed(change, masks)
    expected = TASK.mixed(change, rows)
    np.testing.assert_allclose(found.transpose(0, 2, 3, 1).reshape(-1, 4)[:, 1:], expected, atol=2e-3)
    assert not found[:, 0].any()


def test_least_squares_finds_the_shares_that_made_the_truth() -> None:
    rng = np.random.default_rng(0)
    said = [rng.random((50, 3)) for _ in range(3)]
    np.testing.assert_allclose(least_squares(said, 0.7 * said[0] + 0.3 * said[2]), [0.7, 0, 0.3], atol=1e-6)
    assert least_squares([-said[0], said[1]], said[0])[0] == 0  # what could only be taken away is left out


def test_least_squares_are_those_of_scipy_on_all_rows() -> None:
    from scipy.optimize import nnls

    rng = np.random.default_rng(1)
    said, truth = [rng.random((80, 3)) for _ in range(4)], rng.random((80, 3))
    expected, _ = nnls(np.stack([each.ravel() for each in said], 1), truth.ravel())
    np.testing.assert_allclose(least_squares(said, truth), expected / expected.sum(), atol=1e-6)


@pytest.mark.parametrize("shown", [(0, 1, 2), (0, 2)], ids=["all classes", "two of three"])
def test_stacking_says_what_the_regression_of_scikit_learn_says(shown) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    truth = np.array(shown)[labels(3, 90) % len(shown)]
    said = [knowing(truth, 1.0, 1), knowing(truth, 0.5, 2)]
    own, common = logistic(said, np.eye(3)[truth])
    found = stacked(said, [0.5, 0.5], own, common)
    logs = np.log(np.concatenate(said, 1))
    model = make_pipeline(StandardScaler(), LogisticRegression(C=10, max_iter=3000, tol=1e-8)).fit(logs, truth)
    found = found / found.sum(1, keepdims=True)
    np.testing.assert_allclose(found[:, list(shown)], model.predict_proba(logs), atol=2e-3)


@pytest.mark.parametrize("way", WAYS)
def test_members_that_say_the_same_of_every_row_end_no_night(way: str) -> None:
    even = np.full((ROWS, 3), 1 / 3, np.float32)
    made = WAYS[way](oof(labels(), one=even, two=even), Recipe({"one": 1.0}), ("one", "two"))
    assert all(0 < weight <= 1 for weight in made.weights.values())
    assert sum(made.weights.values()) == pytest.approx(1)


def test_the_temperature_undoes_a_boast() -> None:
    """Probabilities to the power of 2.5 are sharpened back by 1 / 2.5."""
    honest = np.random.default_rng(4).dirichlet(np.full(3, 5.0), 4000)
    truth = (honest.cumsum(1) < np.random.default_rng(5).random((4000, 1))).sum(1)
    boasting = sharpened(honest, 2.5)
    assert temperature(boasting, np.eye(3)[truth]) == pytest.approx(1 / 2.5, abs=0.04)
    np.testing.assert_allclose(sharpened(boasting, 1 / 2.5), honest, atol=1e-4)
    assert (sharpened(honest, 0.4).argmax(1) == honest.argmax(1)).all()


def test_of_several_labels_each_is_sharpened_against_its_own_rest() -> None:
    np.testing.assert_allclose(sharpened(np.array([[0.8, 0.5]]), 2.0, independent=True), [[0.64 / 0.68, 0.5]])


# -- searched with the metric ------------------------------------------------------------------------------------------


def test_a_greedy_bag_grows_while_that_helps() -> None:
    worth = {("a",): 1, ("a", "b"): 3, ("a", "a", "b"): 2, ("a", "b", "b"): 3, ("a", "b", "c"): 2}
    assert climbed(("a",), "abc", lambda bag: worth.get(bag, 0)) == ("a", "b")


def test_bags_give_shares_and_the_same_ones_every_time(good: OOFData) -> None:
    found = with_bagging(good, Recipe({"one": 1.0}), ["one", "two", "three"])
    assert sum(found.weights.values()) == pytest.approx(1)
    assert found == with_bagging(replace(good), Recipe({"one": 1.0}), ["one", "two", "three"])
    assert {"one", "two"} <= set(found.weights)


def test_a_walk_finds_the_best_of_all_lattice_points(good: OOFData) -> None:
    pair = ["one", "two"]
    found = with_walk(good, Recipe({"one": 1.0}), pair)
    points = [Recipe({"one": k / 20, "two": 1 - k / 20}) for k in range(1, 20)]
    assert good.quality(found) >= sorted(map(good.quality, points))[-3]
    assert good.quality(found) >= good.quality(Recipe({"one": 0.5, "two": 0.5}))


def test_moves_keep_the_sum_and_take_from_nobody_who_has_not() -> None:
    assert set(moves((20, 0), 4)) == {(16, 4)}
    assert all(sum(each) == 20 and min(each) >= 0 for each in moves((10, 7, 3), 4))


def test_weights_are_rounded_to_twentieths_that_sum_to_one() -> None:
    assert in_parts({"b": 0.51, "a": 0.47, "c": 0.02}) == pytest.approx({"a": 9 / 19, "b": 10 / 19})


# -- as steps ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_every_way_gives_a_recipe_that_survives_json_and_predicts_new_rows(good: OOFData, way: str) -> None:
    recipe = WAYS[way](good, EVEN, ["one", "two", "three"])
    assert recipe.names
    assert sum(recipe.weights.values()) == pytest.approx(1, abs=0.02)
    again = Recipe.from_json(json.loads(json.dumps(recipe.to_json(), allow_nan=False)))
    new = {name: Member(*(view[:7] for view in each)) for name, each in good.members.items()}
    np.testing.assert_allclose(again.blend(TASK, new), recipe.blend(TASK, good.members)[:7], atol=1e-6)
    assert METRIC.score(METRIC.statistics(good.targets, recipe.decide(TASK, good.members))) > 0.55


@pytest.mark.parametrize("way", WAYS)
def test_every_way_works_on_masks(way: str) -> None:
    task = Segmentation(("void", *NAMES), (4, 6), void=0)
    truth = np.random.default_rng(0).integers(0, 4, (24, 4, 6)).astype(np.uint8)
    said = [np.moveaxis(knowing(np.maximum(truth.ravel(), 1) - 1, 1.0, k).reshape(24, 4, 6, 3), 3, 1) for k in (1, 2)]
    masks = [np.concatenate([np.zeros_like(each[:, :1]), each], 1).astype(np.float16) for each in said]
    made = oof(truth, task, MeanIoU(("void", *NAMES), void=0), one=masks[0], two=masks[1])
    recipe = WAYS[way](made, Recipe({"one": 0.5, "two": 0.5}), ["one", "two"])
    alone = max(made.quality(Recipe({name: 1.0})) for name in ("one", "two"))
    assert made.quality(recipe) > alone


def test_a_recipe_of_before_is_read_as_it_was() -> None:
    told = {"weights": {"a": 1.0}, "tta": True, "class_specialist": None, "offsets": None, "calibration": None}
    assert Recipe.from_json(told) == Recipe({"a": 1.0}, True)
    assert Recipe({"a": 1.0}, True).to_json() == told


# -- chosen ------------------------------------------------------------------------------------------------------------


def test_a_boasting_member_is_calmed_where_probabilities_are_judged() -> None:
    truth = labels(0, 400)
    task, metric = Classification(NAMES, PROBABILITIES), LogLoss(NAMES)
    boasting = {"one": knowing(truth, 1.0, 1, sure=3.0), "two": knowing(truth, 1.0, 2, sure=3.0)}
    fitted_ensemble = cross_fit(oof(truth, task, metric, **boasting), Blend(("one", "two"), views=False))
    taken = fitted_ensemble.step_results[1]
    assert (taken.step, taken.accepted) == ("blend", True)
    assert taken.way in ("temperatures", "stacking")
    assert taken.gain.low > 0.02
    assert metric.score(fitted_ensemble.statistics[1]) < metric.score(fitted_ensemble.statistics[0]) - 0.1


@pytest.mark.parametrize("seed", range(4))
def test_of_members_that_know_nothing_no_way_is_taken_and_the_optimism_shows(seed: int) -> None:
    """Eight ways to fit noise, each better than chance on the rows it was fitted on, and none on the others."""
    truth, names = labels(seed + 50, 120), tuple("abcd")
    noise = {name: knowing(truth, 0.0, 10 * seed + k) for k, name in enumerate(names)}
    fitted_ensemble = cross_fit(oof(truth, **noise), Blend(names, views=False))
    step_result = fitted_ensemble.step_results[1]
    assert step_result.way == ""
    assert set(step_result.refused) == set(TASK.combines)
    assert all(step_result.refused.values())
    assert fitted_ensemble.in_sample - METRIC.score(fitted_ensemble.statistics[-1]) > 0


def test_in_sample_is_more_than_cross_fitted(good: OOFData) -> None:
    fitted_ensemble = cross_fit(good, blend("one", "two", "three"))
    assert fitted_ensemble.in_sample > METRIC.score(fitted_ensemble.statistics[-1])


def test_what_a_task_does_not_offer_is_not_tried(good: OOFData) -> None:
    class Plain(Classification):
        combines = ()

    plain = Plain(NAMES)
    (step_result,) = [
        step_result
        for step_result in fit(replace(good, task=plain), blend("one", "two"))
        if step_result.step == "blend"
    ]
    assert step_result.refused == {}


# -- the parts ---------------------------------------------------------------------------------------------------------


def test_what_a_member_adds_is_the_ensemble_against_the_same_without_it(good: OOFData) -> None:
    gains = leave_one_out(good, EVEN)
    left = Recipe({"three": 1 / 3, "two": 1 / 3})
    assert gains["one"].difference == pytest.approx(good.quality(EVEN) - good.quality(left))
    assert set(gains) == {"one", "two", "three"}
    assert leave_one_out(good, Recipe({"one": 1.0})) == {"one": None}


def test_a_recipe_without_a_member_forgets_what_was_fitted_for_it() -> None:
    mixed = Recipe({"a": 0.5, "b": 0.5}, mix=Mix("class-wise", {"a": (1.0, 0.0), "b": (0.0, 1.0)}))
    assert mixed.without("b") == Recipe({"a": 0.5}, mix=Mix("class-wise", {"a": (1.0, 0.0)}))
    special = Recipe({"a": 1.0}, class_specialist=ClassSpecialist("s", 1, 0.5, None, 2))
    assert special.without("s") == Recipe({"a": 1.0})


# -- pixels on which all agree -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("void", [0, None])
def test_weighing_says_what_a_mean_of_all_pixels_says(void: int | None) -> None:
    task = Segmentation(("sky", *NAMES), (8, 9), void=void)
    rng = np.random.default_rng(0)
    shared = 1.5 * np.eye(4)[rng.integers(0, 4, (300, 8, 9))]
    raw = [np.exp(shared + rng.normal(size=shared.shape)) for _ in range(3)]
    members = [np.moveaxis(each / each.sum(-1, keepdims=True), 3, 1).astype(np.float32) for each in raw]
    weighing = task.weighing(members)
    assert 0.2 < len(weighing.open) / (300 * 72) < 0.8
    for weights in ([1, 0, 0], [0.5, 0.5, 0], [0.2, 0.3, 0.5]):
        mean = sum(np.float64(weight) * each for weight, each in zip(weights, members, strict=True))
        mean = mean.copy()
        if void is not None:
            mean[:, void] = -1
        assert (weighing(weights) == mean.argmax(1)).all()
