"""The steps of an ensemble: what must be taken, what refused, and that every score is honest."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax

from harness.ensemble import (
    Member,
    OOFData,
    Recipe,
    blend,
    cross_fit,
    cross_fitted,
    fit,
    gain_of,
    gate,
    with_offsets,
    with_specialist,
    with_views,
)
from harness.ensemble.declaration import SpecialistRole
from harness.ensemble.steps import steps
from harness.metrics import MAE, RMSE, Accuracy, MeanIoU
from harness.tasks import ClassSpecialist
from harness.tasks.classification import Classification
from harness.tasks.regression import Regression
from harness.tasks.segmentation import Segmentation

CLASSES = ("void", "plain", "hill", "rare")
TASK, METRIC = Segmentation(CLASSES, (4, 8), void=0), MeanIoU(CLASSES, void=0)
ROWS, FOLDS = 60, 4


def masks() -> np.ndarray:
    """(60, 4, 8) of four classes; `oof_of` puts them into 30 groups and 4 folds."""
    rng = np.random.default_rng(0)
    return rng.choice([0, 1, 2, 3], (ROWS, 4, 8), p=[0.05, 0.45, 0.4, 0.1]).astype(np.uint8)


def knowing(truth: np.ndarray, signal: float, seed: int, rare: float | None = None) -> np.ndarray:
    """Probabilities of a model that is right by `signal` noise deviations; about the rare class, by `rare`."""
    of_class = np.array([0, signal, signal, signal if rare is None else rare])[:, None, None]
    shown = np.moveaxis(np.eye(4)[truth], 3, 1) * of_class
    return softmax(shown + np.random.default_rng(seed).normal(size=shown.shape), axis=1).astype(np.float16)


def oof_of(truth: np.ndarray, **members: np.ndarray | tuple[np.ndarray, np.ndarray]) -> OOFData:
    """members: the plain view, or both."""
    views = {name: Member(*(each if isinstance(each, tuple) else (each, each))) for name, each in members.items()}
    groups = np.arange(ROWS) // 2
    return OOFData(TASK, METRIC, views, truth, groups % FOLDS, groups)


@pytest.fixture(scope="module")
def diverse() -> OOFData:
    """Two good members with mistakes of their own, and one that knows nothing."""
    truth = masks()
    return oof_of(truth, one=knowing(truth, 1.5, 1), two=knowing(truth, 1.5, 2), noise=knowing(truth, 0, 3))


@pytest.fixture(scope="module")
def rare() -> OOFData:
    """A generalist that misses the rare class, a specialist that finds it, and one that finds nothing."""
    truth = masks()
    presence = (truth == 3) * 3.0 + np.random.default_rng(5).normal(size=truth.shape) - 1.5
    blind = np.random.default_rng(6).normal(size=truth.shape)
    finder, blind = (TASK.expand(1 / (1 + np.exp(-logits)), target_class=3) for logits in (presence, blind))
    general, second = knowing(truth, 2.5, 1, rare=-1.0), knowing(truth, 2.0, 2, rare=-1.0)
    return oof_of(truth, general=general, second=second, finder=finder, blind=blind)


SPECIALISED = blend("general", "second", specialist="finder", target_class=3)
ALONE, VIEWED = Recipe({"one": 1.0}), Recipe({"one": 1.0}, tta=True)


def step_of(step_results: list, step: str):
    (found,) = [step_result for step_result in step_results if step_result.step.startswith(step)]
    return found


def with_members(oof: OOFData, **members: np.ndarray) -> OOFData:
    return replace(oof, members={name: Member(each, each) for name, each in members.items()})


# -- taken, refused ----------------------------------------------------------------------------------------------------


def test_two_good_members_are_blended_and_the_score_rises(diverse: OOFData) -> None:
    fitted = cross_fit(diverse, blend("one", "two", "noise"))
    taken = step_of(fitted.step_results, "blend")
    assert taken.accepted
    assert taken.gain.low > 0
    assert set(taken.recipe.weights) == {"one", "two"}
    scores = [diverse.metric.score(statistics) for statistics in fitted.statistics]
    assert scores[-1] > scores[0] + 0.02
    assert fitted.accepted[[result.step for result in fitted.step_results].index("blend")] == len(fitted.without) == 4


def test_a_member_that_knows_nothing_and_a_copy_of_a_member_are_never_taken(diverse: OOFData) -> None:
    one, noise = (diverse.members[name].plain for name in ("one", "noise"))
    refused = step_of(fit(with_members(diverse, one=one, noise=noise), blend("one", "noise")), "blend")
    assert not refused.accepted
    assert list(refused.recipe.weights) == ["one"]
    assert step_of(fit(with_members(diverse, one=one, twin=one), blend("one", "twin")), "blend").gain is None


@pytest.mark.parametrize(("signal", "accepted"), [(2.5, True), (0.5, False)])
def test_views_that_help_are_taken_and_views_that_do_not_are_refused(signal: float, accepted: bool) -> None:
    truth = masks()
    views = knowing(truth, 1.5, 1), knowing(truth, signal, 2)
    taken = step_of(fit(oof_of(truth, one=views), blend("one")), "test-time")
    assert (taken.accepted, taken.recipe.tta, bool(taken.reason)) == (accepted, accepted, not accepted)


def test_the_blend_brings_views_that_were_refused_before_where_it_is_better_with_them() -> None:
    truth, names = masks(), ["one", "two"]
    oof = oof_of(truth, **{name: (knowing(truth, 1.5, k), knowing(truth, 2.5, 9 + k)) for k, name in enumerate(names)})
    for declared, tta in ((blend(*names), True), (replace(blend(*names), views=False), False)):
        step = dict(steps(oof, declared, names))["blend"]
        assert step(oof, Recipe({"one": 1.0})) == Recipe({"one": 0.5, "two": 0.5}, tta)


def test_a_specialist_that_knows_the_rare_class_is_taken(rare: OOFData) -> None:
    fitted = cross_fit(rare, SPECIALISED)
    taken = step_of(fitted.step_results, "specialist (finder)")
    assert taken.accepted
    assert taken.gain.by_class["rare"].low > 0.1
    assert taken.recipe.class_specialist[:2] == ("finder", 3)
    before, after = (rare.metric.by_class(fitted.statistics[k]) for k in (0, -1))
    assert after["rare"] > before["rare"] + 0.1


def test_a_specialist_that_knows_nothing_is_refused_and_one_without_a_share_changes_nothing(rare: OOFData) -> None:
    refused = step_of(fit(rare, blend("general", "second", specialist="blind", target_class=3)), "specialist (blind)")
    assert not refused.accepted and refused.reason
    assert "blind" not in refused.recipe.names
    everything = TASK.expand(np.ones(rare.targets.shape), target_class=3)
    oof, before = with_members(rare, general=rare.members["general"].plain, finder=everything), Recipe({"general": 1.0})
    assert with_specialist(SpecialistRole("finder", 3), oof, before) == before


def test_the_specialist_is_never_blended_as_an_ordinary_member(rare: OOFData) -> None:
    truth = np.moveaxis(np.eye(4, dtype=np.float16)[rare.targets], 3, 1)
    members = {name: views.plain for name, views in rare.members.items()} | {"finder": truth}
    for taken in fit(with_members(rare, **members), SPECIALISED):
        assert set(taken.recipe.weights) <= {"general", "second"}


def test_a_model_that_is_not_there_is_left_out(rare: OOFData) -> None:
    taken = fit(rare, blend("general", "heavy", specialist="absent", target_class=3))
    assert [each.step for each in taken] == [
        "best single model (general)",
        "test-time augmentation",
        "offsets",
    ]


def test_a_step_that_hurts_a_class_is_refused_by_its_name() -> None:
    """What is gained on the two common classes is far more than what is lost on the rare one."""
    truth = masks()
    views = knowing(truth, 1.0, 1, rare=4.0), knowing(truth, 3.0, 2, rare=-3.0)
    gain, reason = gate(oof_of(truth, one=views), ALONE, VIEWED, with_views)
    assert gain.by_class["plain"].low > 0
    assert "rare" in reason


def test_a_step_that_loses_beyond_noise_is_not_called_noise() -> None:
    truth, error = np.linspace(0, 10, 60), np.random.default_rng(0).normal(size=60)
    views = {"one": Member(truth + error, truth + 2 * error)}
    numbers = OOFData(Regression("price"), RMSE(), views, truth, np.arange(60) % 5, np.arange(60))
    gain, reason = gate(numbers, ALONE, VIEWED, with_views)
    assert gain and gain.high < 0
    assert reason == "worse"


# -- honest ------------------------------------------------------------------------------------------------------------


def test_with_one_fold_the_best_single_model_is_taken_and_halves_of_its_groups_would_be_held_out(
    diverse: OOFData,
) -> None:
    single = replace(diverse, folds=np.ones(len(diverse.folds), int))
    assert step_of(fit(single, blend("one", "two")), "blend").gain.low > 0
    fitted = cross_fit(single, blend("one", "two"))
    assert fitted.recipe == Recipe({next(iter(fitted.recipe.weights)): 1.0})
    assert diverse.metric.score(fitted.statistics[-1]) == fitted.in_sample
    assert fitted.without == {1: fitted.recipe}


@pytest.fixture(scope="module")
def honest(rare: OOFData):
    return cross_fit(rare, SPECIALISED)


def test_the_prediction_of_a_row_does_not_depend_on_its_own_target(rare: OOFData, honest) -> None:
    """Another truth for one fold, whatever it is, leaves what is predicted for that fold as it was."""
    rows = rare.folds == 1
    other = rare.targets.copy()
    other[rows] = 3 - other[rows] % 3
    changed = cross_fit(replace(rare, targets=other), SPECIALISED)
    assert changed.without[1] == honest.without[1]
    for before, after in zip(honest.statistics, changed.statistics, strict=True):
        assert (before[rows].sum(1) == after[rows].sum(1)).all()  # how many pixels of each class are predicted
    assert (changed.statistics[-1][~rows] != honest.statistics[-1][~rows]).any()


def test_the_statistics_are_those_of_the_recipes_fitted_without_the_fold(rare: OOFData, honest) -> None:
    for fold, recipe in honest.without.items():
        rows = rare.folds == fold
        members = {name: Member(*(view[rows] for view in views)) for name, views in rare.members.items()}
        expected = rare.metric.statistics(rare.targets[rows], recipe.decide(rare.task, members))
        assert (honest.statistics[-1][rows] == expected).all()
    assert (cross_fitted(rare, honest, rare.metric) == honest.statistics[-1]).all()
    everywhere = rare.metric.statistics(rare.targets, honest.recipe.decide(rare.task, rare.members))
    assert honest.in_sample == rare.metric.score(everywhere)


def test_on_pure_noise_cross_fitted_scores_are_below_those_in_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """On average: a single draw may go either way."""
    monkeypatch.setattr("harness.bootstrap.RESAMPLES", 200)
    optimism, metric = [], Accuracy(("no", "yes", "maybe"))
    for seed in range(8):
        rng = np.random.default_rng(seed)
        noise = {name: rng.dirichlet(np.ones(3), 90) for name in "abcd"}
        members = {name: Member(each, each) for name, each in noise.items()}
        truth, groups = rng.integers(0, 3, 90), np.arange(90)
        oof = OOFData(Classification(metric.classes), metric, members, truth, groups % 3, groups)
        fitted = cross_fit(oof, blend("a", "b", "c", specialist="d", target_class=2))
        optimism.append(fitted.in_sample - metric.score(fitted.statistics[-1]))
    assert np.mean(optimism) > 0.02


# -- the steps one by one ----------------------------------------------------------------------------------------------


def test_offsets_undo_a_bias_against_a_class(diverse: OOFData) -> None:
    """The rare class is given a quarter of its odds."""
    biased = diverse.members["one"].plain.astype(np.float32)
    biased[:, 3] *= 0.25
    oof = with_members(diverse, one=(biased / biased.sum(1, keepdims=True)).astype(np.float16))
    before = Recipe({"one": 1.0})
    after = with_offsets(oof, before)
    assert after.offsets is not None and after.offsets[3] - max(after.offsets[1:3]) > 0.5
    assert after.offsets[0] == 0  # void is never predicted
    assert oof.quality(after) > oof.quality(before)


def test_numbers_are_blended_too_and_another_metric_is_cross_fitted() -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(50, 200, 120)
    noisy = {name: (truth + rng.normal(0, 10, 120)).astype(np.float32) for name in ("one", "two")}
    members = {name: Member(prediction, prediction) for name, prediction in noisy.items()}
    oof = OOFData(Regression("horsepower"), RMSE(), members, truth, np.arange(120) % 4, np.arange(120))
    fitted = cross_fit(oof, blend("one", "two"))
    assert [result.step for result in fitted.step_results][1:] == ["test-time augmentation", "blend"]
    single, blended = (RMSE().score(statistics) for statistics in (fitted.statistics[0], fitted.statistics[-1]))
    assert blended < 0.8 * single  # of two equal and independent ones, 1 / sqrt(2) remains
    assert MAE().score(cross_fitted(oof, fitted, MAE())) == pytest.approx(
        np.mean([abs(np.mean([noisy["one"], noisy["two"]], 0) - truth)]), rel=0.1
    )


def test_what_a_member_adds_is_the_ensemble_against_the_same_without_it(diverse: OOFData) -> None:
    both = Recipe({"one": 0.5, "two": 0.5})
    gain = diverse.quality(both) - diverse.quality(Recipe({"two": 1.0}))
    assert gain_of(diverse, both, "one").difference == pytest.approx(gain)
    assert gain_of(diverse, ALONE, "one") is None


def test_a_recipe_knows_which_models_it_needs_and_survives_json() -> None:
    specialist = ClassSpecialist("finder", 3, 0.5, 0.4)
    recipe = Recipe({"a": 0.5, "b": 0.5}, True, specialist, (0.0, 0.1, 0.0, 0.0), {"a": (0.5, 1.0)})
    assert recipe.names == ["a", "b", "finder"]
    again = Recipe.from_json(json.loads(json.dumps(recipe.to_json(), allow_nan=False)))
    assert replace(again, calibration=recipe.calibration) == recipe
    assert recipe.without("finder").class_specialist is None
    assert recipe.without("a").names == ["b", "finder"]


def test_a_specialist_without_a_class_cannot_be_declared() -> None:
    assert SPECIALISED.members == ("general", "second", "finder")
    with pytest.raises(ValueError, match="target_class"):
        blend("general", specialist="finder")
