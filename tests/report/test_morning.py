"""The morning page: what it says is what the study holds, and nothing is missing when there is little to say."""

import re
from dataclasses import replace
from datetime import timedelta

import optuna
import pytest

from harness.metrics import RMSE
from harness.report.search import morning_lines, morning_page
from harness.report.search.advice import advice
from harness.report.search.charts import MOST_DOTS, Scale
from harness.report.search.facts import read_night
from harness.report.search.importance import FEWEST, importances
from harness.report.search.rows import saved
from harness.tasks.regression import Regression
from tests.conftest import tiny_declaration
from tests.support import fake_search
from tests.support.fake_search import MIDNIGHT, at, bank, empty_study, night
from tests.support.pages import Reader

MARS = tiny_declaration(name="tiny")
AMOUNTS = tiny_declaration(name="amounts", task=Regression("amount"), metric=RMSE())
START = {"at": at(0), "event": "start", "hours": 8, "workers": 2, "trials": 0}


def read(competition, study, events) -> Reader:
    file = morning_page(competition, study, events)
    assert file.parts[-3:] == ("reports", competition.name, "search.html")
    page = Reader(file.read_text())
    assert page.open == [] and page.loads == []
    assert file.stat().st_size < 2_000_000
    return page


@pytest.fixture(scope="module")
def searched():
    return night()


def test_the_page_stands_alone_and_says_all_that_the_issue_asks_for(searched) -> None:
    page = read(MARS, *searched)
    for heading in (
        "The best score over time",
        "Which parameters mattered",
        "How they mattered",
        "What was cut, and what failed",
        "What it cost, and what it brought",
        "The ensemble",
        "The classes, before and now",
        "What to try next",
    ):
        assert heading in page.words
    assert "url(" not in (page_text := morning_page(MARS, *searched).read_text()) and "@import" not in page_text


def test_the_result_is_one_sentence_against_the_declared_models(searched) -> None:
    first, second, *_ = morning_lines(MARS, *searched)
    assert first == (
        "The ensemble reaches a cross-fitted mean IoU of 0.7030 (0.6920 to 0.7150), the best declared model alone "
        "0.6600 (0.6480 to 0.6710): better by 0.0430, more than their intervals explain."
    )
    finished, cut, failed = (int(count) for count in re.findall(r"(\d+) (?:finished|cut|failed)", second))
    assert finished + cut + failed == 42  # forty, and the two declared ones
    assert "7.9 h" in second
    assert first in read(MARS, *searched).words


def test_the_parameter_that_decides_is_found_though_most_trials_were_cut(searched) -> None:
    found = importances(read_night(MARS, *searched))
    assert found.keys() == {"coarse", "unet"}
    for shares in found.values():
        assert next(iter(shares)) == "lr" and shares["lr"] > 0.5
        assert sum(shares.values()) == pytest.approx(1)


def test_a_model_with_few_trials_is_not_explained() -> None:
    study, events = night(trials=FEWEST)
    assert importances(read_night(MARS, study, events)) == {}
    assert f"fewer than {FEWEST} trials" in read(MARS, study, events).words
    assert any("Too few trials of `coarse`, `unet`" in line for line in advice(read_night(MARS, study, events), {}))


def test_reasons_that_differ_in_numbers_are_one_row(searched) -> None:
    lines = morning_lines(MARS, *searched)
    assert len([line for line in lines if line.startswith("cut,")]) == 1
    assert len([line for line in lines if line.startswith("failed,")]) == 1


def test_what_a_cut_trial_would_have_cost_still_is_estimated_by_its_own_model() -> None:
    study = empty_study()
    study.add_trial(fake_search.declared("coarse", 0.6, ()))
    told = {"folds": [{"seconds": 300.0}], "reason": "worse"}
    pruned = optuna.trial.TrialState.PRUNED
    study.add_trials([optuna.create_trial(state=pruned, user_attrs=told, **fake_search.of("coarse"))] * 2)
    assert saved(read_night(MARS, study, [])) == 2 * (1500 - 300)


def test_the_worst_class_before_and_after_leads_to_a_specialist(searched) -> None:
    lines = morning_lines(MARS, *searched)
    assert "worst class: big rock, 0.3100 before, 0.3630 now" in lines
    assert any("specialist" in line and "big rock" in line for line in lines if line.startswith("next:"))


def test_a_best_value_at_the_end_of_its_range_is_told(searched) -> None:
    lines = morning_lines(MARS, *searched)
    assert any("lr of unet is best at the upper end of its range" in line for line in lines)
    assert not any("width of coarse is best" in line for line in lines)  # at neither end


def test_lower_is_better_turns_every_comparison_around() -> None:
    study, events = night(higher=False, classes=())
    first = morning_lines(AMOUNTS, study, events)[0]
    assert "RMSE of 15.94" in first and "alone 16.80" in first and "better by 0.8600" in first
    facts = read_night(AMOUNTS, study, events)
    assert facts.best(facts.finished).score == min(variant.score for variant in facts.finished)
    assert all(next(iter(shares)) == "lr" for shares in importances(facts).values())
    page = read(AMOUNTS, study, events)
    assert "lower is better" in page.words
    assert "The classes" not in page.words


def test_a_search_that_was_worse_says_so() -> None:
    study = empty_study()
    study.add_trial(fake_search.declared("coarse", 0.7, ()))
    first = morning_lines(MARS, study, [START, bank(1, 0.69, {"coarse": 1.0}, ())])[0]
    assert first.endswith("the search found nothing better.")


# -- little to tell ----------------------------------------------------------------------------------------------------


def test_an_empty_study_has_a_page() -> None:
    page = read(MARS, empty_study(), [])
    assert "No trial finished" in page.words and "Nothing to draw yet" in page.words
    assert "give more hours" in page.words
    assert morning_lines(MARS, empty_study(), [])[1] == "Trials: 0 finished, 0 cut, 0 failed; 0 s, 0 s of compute."


@pytest.mark.parametrize("events", [[], [START], [START, bank(0.2, 0.61, {"coarse": 1.0}, ())]])
def test_one_trial_has_a_page(events) -> None:
    study = empty_study()
    study.add_trial(fake_search.declared("coarse", 0.6, fake_search.CLASSES))
    assert "0.6" in read(MARS, study, events).words
    assert morning_lines(MARS, study, events)


def test_trials_that_only_failed_or_still_run_have_a_page() -> None:
    study = empty_study()
    study.ask()
    told, failed = {"reason": "killed for lack of memory: 3 GB <asked>"}, optuna.trial.TrialState.FAIL
    study.add_trials([optuna.create_trial(state=failed, user_attrs=told, **fake_search.of("coarse"))] * 3)
    page = read(MARS, study, [START])
    assert "3 GB <asked>" in page.words  # escaped
    assert "1 still running" in page.words
    assert "smaller batch" in page.words


def test_a_bank_without_a_finished_trial_has_a_page() -> None:
    page = read(MARS, empty_study(), [START, bank(0.1, 0.5, {"coarse": 1.0}, fake_search.CLASSES)])
    assert "no declared model finished" in page.words


def test_a_score_that_is_no_number_is_left_out() -> None:
    study, events = night()
    study.add_trial(optuna.create_trial(value=float("inf"), **fake_search.of("coarse")))
    assert "inf" not in re.sub("[a-z]inf|inf[a-z]", "", read(MARS, study, events).words)


def test_many_trials_are_thinned_in_the_pictures() -> None:
    study = empty_study()
    study.add_trials([fake_search.declared("coarse", 0.6 + k / 1e5, ()) for k in range(2 * MOST_DOTS)])
    page = morning_page(MARS, study, [START]).read_text()
    assert page.count("<title>coarse") == 2 * MOST_DOTS  # half of them, in two sizes of the picture


# -- time --------------------------------------------------------------------------------------------------------------


def test_nights_are_put_one_behind_the_other_and_a_killed_one_ends_with_its_last_sign() -> None:
    told = [
        START,
        {**bank(2, 0.6, {}, ()), "at": at(2)},  # killed after two hours
        {**START, "at": at(24)},
        {**bank(2, 0.7, {}, ()), "at": at(25)},
        {"at": at(27), "event": "end", "seconds": 3 * 3600, "why": "the time is up"},
    ]
    facts = read_night(MARS, empty_study(), told)
    assert (facts.hours, facts.searches) == (5, 2)
    assert [event.hours for event in facts.banks] == [2, 3]


def test_what_ends_after_the_end_belongs_to_the_end(searched) -> None:
    """A trial of a killed worker is closed much later, by the next search."""
    study, events = searched
    facts = read_night(MARS, study, events)
    assert facts.hours == pytest.approx(7.9)
    assert all(0 <= variant.hours <= 7.9 for variant in facts.variants)
    assert MIDNIGHT + timedelta(hours=8) < study.trials[-1].datetime_complete.astimezone()


# -- pieces ------------------------------------------------------------------------------------------------------------


def test_a_scale_keeps_what_lies_beyond_it_at_its_end() -> None:
    linear, log = Scale(0, 10, 100, 200), Scale(0.001, 0.1, 0, 100, log=True)
    assert (linear(5), linear(-3), linear(99)) == (150, 100, 200)
    assert log(0.01) == pytest.approx(50)
    assert log.ticks == [0.001, 0.01, 0.1]
    assert replace(linear, high=0)(0) == 150  # one value alone lies in the middle


def test_the_hold_out_score_stands_beside_the_cross_fitted_one(searched) -> None:
    study, events = searched
    competition = tiny_declaration()
    assert "hold-out" not in " ".join(morning_lines(competition, study, events))
    public = {"score": 0.5, "low": 0.45, "high": 0.55}
    judged = {"at": events[-1]["at"], "event": "judged", "public": public, "cv": {**public, "score": 0.6}, "rank": 1}
    told = " ".join(morning_lines(competition, study, [*events, judged]))
    assert "scores 0.5000 (0.4500 to 0.5500), −0.1000 against its cross-fitted 0.6000, which lies outside" in told
