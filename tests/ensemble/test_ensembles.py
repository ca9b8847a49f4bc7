"""The ensemble on made-up probabilities: what must be taken, what refused, and that nobody marks their own work."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from harness.ensemble import (
    Blend,
    Member,
    OOFData,
    Overlay,
    Recipe,
    best_single,
    blend,
    cross_fit,
    fit,
    gate,
    with_blend,
    with_offsets,
    with_specialist,
    with_views,
)
from harness.ensemble.cross_fit import BLEND, blend_or_both, tried
from harness.metrics import RMSE, MeanIoU
from harness.tasks import ClassSpecialist
from harness.tasks.regression import Regression
from harness.tasks.segmentation import Segmentation

CLASSES = ("void", "plain", "hill", "rare")
TASK = Segmentation(CLASSES, (4, 8), void=0)
METRIC = MeanIoU(CLASSES, void=0)
ROWS, FOLDS = 60, 4


def targets(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).choice([0, 1, 2, 3], (ROWS, 4, 8), p=[0.05, 0.45, 0.4, 0.1]).astype(np.uint8)


def softmax(logits: np.ndarray) -> np.ndarray:
    raw = np.exp(logits - logits.max(1, keepdims=True))
    return (raw / raw.sum(1, keepdims=True)).astype(np.float16)


def knows(truth: np.ndarray, signal: float, seed: int, rare: float | None = None) -> np.ndarray:
    """Probabilities of a model that is right by `signal` noise deviations; about the rare class, by `rare`."""
    shown = (
        np.moveaxis(np.eye(4)[truth], 3, 1)
        * np.array([0, signal, signal, signal if rare is None else rare])[:, None, None]
    )
    return softmax(shown + np.random.default_rng(seed).normal(size=shown.shape))


def member(plain: np.ndarray, tta: np.ndarray | None = None) -> Member:
    return Member(plain, plain if tta is None else tta)


def oof(members: dict[str, Member], truth: np.ndarray) -> OOFData:
    groups = np.arange(ROWS) // 2
    return OOFData(TASK, METRIC, members, truth, groups % FOLDS, groups)


def step_result(step_results: list, step: str):
    (found,) = [step_result for step_result in step_results if step_result.step.startswith(step)]
    return found


def score(fitted_ensemble, k: int = -1) -> float:
    return METRIC.score(fitted_ensemble.statistics[k])


# -- taken, refused ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def diverse() -> OOFData:
    """Two good members with mistakes of their own, and one that knows nothing."""
    truth = targets()
    noise = softmax(np.random.default_rng(3).normal(size=(ROWS, 4, 4, 8)))
    good = {"one": member(knows(truth, 1.5, 1)), "two": member(knows(truth, 1.5, 2))}
    return oof({**good, "noise": member(noise)}, truth)


def test_two_good_members_are_blended_and_the_score_rises(diverse: OOFData) -> None:
    fitted_ensemble = cross_fit(diverse, blend("one", "two", "noise"))
    taken = step_result(fitted_ensemble.step_results, "blend")
    assert taken.accepted
    assert taken.gain.low > 0
    assert set(taken.recipe.weights) == {"one", "two"}
    assert score(fitted_ensemble) > score(fitted_ensemble, 0) + 0.02
    assert (
        fitted_ensemble.accepted[[step_result.step for step_result in fitted_ensemble.step_results].index("blend")]
        == FOLDS
    )


def test_a_member_that_knows_nothing_is_never_taken(diverse: OOFData) -> None:
    alone = OOFData(TASK, METRIC, {name: diverse.members[name] for name in ("one", "noise")}, *columns(diverse))
    refused = step_result(fit(alone, blend("one", "noise")), "blend")
    assert not refused.accepted
    assert refused.reason in ("changes nothing", "within noise", "worse") or refused.reason.startswith("hurts")
    assert list(refused.recipe.weights) == ["one"]


def columns(of: OOFData) -> tuple:
    return of.targets, of.folds, of.groups


def test_a_copy_of_a_member_changes_nothing(diverse: OOFData) -> None:
    twins = OOFData(TASK, METRIC, {"one": diverse.members["one"], "twin": diverse.members["one"]}, *columns(diverse))
    assert step_result(fit(twins, blend("one", "twin")), "blend").reason == "changes nothing"


def test_views_that_help_are_taken_and_views_that_do_not_are_refused() -> None:
    truth = targets()
    plain = knows(truth, 1.5, 1)
    for tta, accepted in ((knows(truth, 2.5, 2), True), (knows(truth, 0.5, 2), False), (plain, False)):
        taken = step_result(fit(oof({"one": member(plain, tta)}, truth), blend("one")), "test-time")
        assert taken.accepted == accepted
        assert bool(taken.reason) == (not accepted)
        assert taken.recipe.tta == accepted


def test_views_that_were_refused_alone_may_come_with_the_blend() -> None:
    truth, names = targets(), ["one", "two"]
    both = oof({name: member(knows(truth, 1.5, k), knows(truth, 2.5, 9 + k)) for k, name in enumerate(names)}, truth)
    alone = Recipe({"one": 1.0})
    taken = tried(both, alone, BLEND, partial(blend_or_both, names, True))
    assert taken.recipe == Recipe({"one": 0.5, "two": 0.5}, tta=True)
    assert taken.way == "with test-time augmentation"
    assert not blend_or_both(names, False, both, alone).tta
    before = replace(alone, tta=True)  # taken alone already: the blend says nothing of them
    assert tried(both, before, BLEND, partial(blend_or_both, names, True)).way == ""


@pytest.fixture(scope="module")
def rare() -> OOFData:
    """A generalist that misses the rare class, a specialist that finds it, and one that finds nothing."""
    truth = targets()
    presence = (truth == 3) * 3.0 + np.random.default_rng(5).normal(size=truth.shape) - 1.5
    blind = np.random.default_rng(6).normal(size=truth.shape)
    members = {"general": knows(truth, 2.5, 1, rare=-1.0), "second": knows(truth, 2.0, 2, rare=-1.0)}
    for name, logits in (("finder", presence), ("blind", blind)):
        members[name] = TASK.expand(1 / (1 + np.exp(-logits)), of=3)
    return oof({name: member(prediction) for name, prediction in members.items()}, truth)


def test_a_specialist_that_knows_the_rare_class_is_taken(rare: OOFData) -> None:
    fitted_ensemble = cross_fit(rare, Overlay(blend("general", "second"), specialist="finder", of=3))
    taken = step_result(fitted_ensemble.step_results, "specialist (finder)")
    assert taken.accepted
    assert taken.gain.by_class["rare"].low > 0.1
    assert taken.recipe.class_specialist.by == "finder"
    assert taken.recipe.class_specialist.of == 3
    before, after = (METRIC.by_class(fitted_ensemble.statistics[k]) for k in (0, -1))
    assert after["rare"] > before["rare"] + 0.1


def test_a_specialist_that_knows_nothing_is_refused_with_a_reason(rare: OOFData) -> None:
    refused = step_result(
        fit(rare, Overlay(blend("general", "second"), specialist="blind", of=3)), "specialist (blind)"
    )
    assert not refused.accepted
    assert refused.reason
    assert refused.recipe.class_specialist is None
    assert "blind" not in refused.recipe.names


def test_greedy_selection_never_takes_the_specialist_as_an_ordinary_member(rare: OOFData) -> None:
    """Even one that is right about everything."""
    perfect = knows(rare.targets, 9.0, 9)
    strong = OOFData(TASK, METRIC, {**rare.members, "finder": member(perfect)}, *columns(rare))
    for taken in fit(strong, Overlay(blend("general", "second"), specialist="finder", of=3)):
        assert set(taken.recipe.weights) <= {"general", "second"}


def test_a_model_that_is_not_there_is_left_out(rare: OOFData) -> None:
    step_results = fit(rare, Overlay(blend("general", "heavy"), specialist="absent", of=3))
    assert [taken.step for taken in step_results] == [
        "best single model (general)",
        "test-time augmentation",
        "offsets",
    ]


def test_a_step_that_hurts_a_class_is_refused_by_its_name() -> None:
    """What is gained on the two common classes is far more than what is lost on the rare one."""
    truth = targets()
    before, after = knows(truth, 1.0, 1, rare=4.0), knows(truth, 3.0, 2, rare=-3.0)
    gain, reason = gate(
        oof({"one": member(before, after)}, truth), Recipe({"one": 1.0}), Recipe({"one": 1.0}, tta=True), with_views
    )
    assert gain.by_class["plain"].low > 0
    assert reason == "hurts rare"


def test_a_step_that_loses_beyond_noise_is_not_called_noise() -> None:
    truth, error = np.linspace(0, 10, ROWS), np.random.default_rng(0).normal(size=ROWS)
    views = {"one": Member(truth + error, truth + 2 * error)}
    numbers = OOFData(Regression("price"), RMSE(), views, truth, np.arange(ROWS) % 5, np.arange(ROWS))
    gain, reason = gate(numbers, Recipe({"one": 1.0}), Recipe({"one": 1.0}, tta=True), with_views)
    assert gain and gain.high < 0
    assert reason == "worse"


def test_of_one_fold_alone_halves_of_its_groups_are_held_out(diverse: OOFData) -> None:
    single = replace(diverse, folds=np.zeros(ROWS, int))
    step_results = {step_result.step: step_result for step_result in fit(single, blend("one", "two"))}
    assert step_results["blend"].accepted
    assert step_results["blend"].gain.low > 0


# -- honest ------------------------------------------------------------------------------------------------------------

STEPS = Overlay(blend("general", "second"), specialist="finder", of=3)


def test_of_one_fold_alone_the_best_single_model_is_taken_as_it_is(diverse: OOFData) -> None:
    fitted_ensemble = cross_fit(diverse[diverse.folds == 1], blend("one", "two"))
    assert [step_result.step for step_result in fitted_ensemble.step_results] == ["best single model"]
    assert fitted_ensemble.recipe == Recipe({next(iter(fitted_ensemble.recipe.weights)): 1.0})
    assert score(fitted_ensemble) == fitted_ensemble.in_sample
    assert fitted_ensemble.without == {1: fitted_ensemble.recipe}


def decided_rows(of: OOFData, fold: int) -> np.ndarray:
    """What the recipe fitted without a fold says about the rows of the fold."""
    left_out = of.folds == fold
    recipe = fit(of.subsample()[~left_out], STEPS)[-1].recipe
    return recipe.decide(TASK, {name: Member(*(view[left_out] for view in each)) for name, each in of.members.items()})


def test_the_prediction_of_a_row_does_not_depend_on_its_own_target(rare: OOFData) -> None:
    """Another truth for one fold, whatever it is, leaves what is said about that fold as it was."""
    fold = 1
    other = rare.targets.copy()
    other[rare.folds == fold] = 3 - other[rare.folds == fold] % 3
    changed = replace(rare, targets=other)
    assert (decided_rows(rare, fold) == decided_rows(changed, fold)).all()
    honest, spoiled = cross_fit(rare, STEPS), cross_fit(changed, STEPS)
    for before, after in zip(honest.statistics, spoiled.statistics, strict=True):
        rows = rare.folds == fold  # predictions are the same: the columns of the confusion with all rows counted
        assert (before[rows].sum(1) == after[rows].sum(1)).all()
    assert (spoiled.statistics[-1][rare.folds != fold] != honest.statistics[-1][rare.folds != fold]).any()


def test_the_statistics_are_those_of_the_recipes_fitted_without_the_fold(rare: OOFData) -> None:
    fitted_ensemble = cross_fit(rare, STEPS)
    for fold in range(FOLDS):
        rows = rare.folds == fold
        expected = METRIC.statistics(rare.targets[rows], decided_rows(rare, fold))
        assert (fitted_ensemble.statistics[-1][rows] == expected).all()
    assert fitted_ensemble.in_sample == METRIC.score(
        METRIC.statistics(rare.targets, fitted_ensemble.recipe.decide(TASK, rare.members))
    )


def test_on_pure_noise_cross_fitted_scores_are_below_those_in_sample() -> None:
    """On average: a single draw may go either way."""
    optimism = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        members = {name: member(softmax(rng.normal(size=(ROWS, 4, 4, 8)))) for name in "abcd"}
        fitted_ensemble = cross_fit(
            oof(members, targets(seed + 100)), Overlay(blend("a", "b", "c"), specialist="d", of=3)
        )
        optimism.append(fitted_ensemble.in_sample - score(fitted_ensemble))
    assert np.mean(optimism) > 0


def test_the_ladder_is_the_same_every_time(rare: OOFData) -> None:
    one, two = cross_fit(rare, STEPS), cross_fit(replace(rare), STEPS)
    assert one.recipe == two.recipe
    assert all((a == b).all() for a, b in zip(one.statistics, two.statistics, strict=True))


# -- the steps ---------------------------------------------------------------------------------------------------------


def test_the_best_single_model_is_the_best(diverse: OOFData) -> None:
    assert list(best_single(diverse, ["noise", "one"]).weights) == ["one"]


def test_greedy_weights_are_shares(diverse: OOFData) -> None:
    chosen = with_blend(diverse, Recipe({"one": 1.0}), ["one", "two", "noise"])
    assert sum(chosen.weights.values()) == pytest.approx(1)
    assert diverse.quality(chosen) > diverse.quality(Recipe({"one": 1.0}))


def test_offsets_mend_a_model_that_is_biased() -> None:
    """All probabilities of the rare class divided by e: an offset brings some of them back; void has none."""
    truth = targets()
    logits = np.log(knows(truth, 2.5, 1).astype(np.float64) + 1e-6)
    logits[:, 3] -= 1
    biased = oof({"one": member(softmax(logits))}, truth)
    chosen = with_offsets(biased, Recipe({"one": 1.0}))
    assert chosen.offsets[0] == 0
    assert chosen.offsets[3] - np.mean(chosen.offsets[1:3]) > 0.1
    assert biased.quality(chosen) > biased.quality(Recipe({"one": 1.0})) + 0.003


def test_a_specialist_that_only_hurts_leaves_the_recipe_as_it_is(rare: OOFData) -> None:
    wrong = TASK.expand(np.ones(rare.targets.shape), of=3)  # everything is rare
    before = Recipe({"general": 1.0})
    assert with_specialist(replace_member(rare, "finder", wrong), before, "finder", 3) == before


def replace_member(of: OOFData, name: str, prediction: np.ndarray) -> OOFData:
    return OOFData(TASK, METRIC, {**of.members, name: member(prediction)}, *columns(of))


def test_a_metric_where_lower_is_better_is_minimised(diverse: OOFData) -> None:
    class Misses(MeanIoU):
        higher_is_better = False

        def score(self, statistics, counts=None):
            return 1 - super().score(statistics, counts)

    lower = OOFData(TASK, Misses(CLASSES, void=0), diverse.members, *columns(diverse))
    assert list(best_single(lower, ["noise", "one"]).weights) == ["one"]
    assert set(with_blend(lower, Recipe({"one": 1.0}), ["one", "two", "noise"]).weights) == {"one", "two"}


def test_a_recipe_knows_whom_it_needs_and_survives_json() -> None:
    recipe = Recipe({"a": 0.5, "b": 0.5}, True, ClassSpecialist("finder", 3, 0.5, 0.4), (0.0, 0.1, 0.0, 0.0))
    assert recipe.names == ["a", "b", "finder"]
    assert recipe.to_json()["class_specialist"] == {"by": "finder", "of": 3, "share": 0.5, "threshold": 0.4}
    assert Blend(("a",), "finder", 3).members == ("a", "finder")
