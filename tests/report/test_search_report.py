"""The search report says what the study holds, and has a page when there is little to say."""

import re
from datetime import timedelta

import optuna
import pytest

from harness.metrics import RMSE
from harness.report.chart import MOST_DOTS
from harness.report.search_advice import FEWEST, advice, importances
from harness.report.search_history import END, SCORED, START, read_history
from harness.report.search_report import compute_saved, search_lines, search_page
from harness.tasks.regression import Regression
from tests.support import fake_search
from tests.support.fake_search import BEGIN, at, empty_study, saved, search
from tests.support.pages import PageReader
from tests.support.tiny_data import tiny_declaration

MASKS = tiny_declaration(name="tiny")
NUMBERS = tiny_declaration(name="numbers", task=Regression("price"), metric=RMSE())
BEGUN = {"at": at(0), "event": START, "hours": 8, "workers": 2, "trials": 0}


def read(competition, study, events) -> PageReader:
    file = search_page(competition, study, events)
    assert file.parts[-3:] == ("reports", competition.name, "search.html")
    page = PageReader(file.read_text())
    assert page.open == [] and page.loads == []
    assert file.stat().st_size < 2_000_000
    return page


def lines_of(competition, study, events) -> list[str]:
    return list(search_lines(competition, study, events))


@pytest.fixture(scope="module")
def searched():
    return search()


@pytest.fixture(scope="module")
def lines(searched) -> list[str]:
    return lines_of(MASKS, *searched)


def test_the_page_stands_alone_with_all_its_sections(searched, lines: list[str]) -> None:
    page = read(MASKS, *searched)
    for heading in (
        "The best score over time",
        "Hyper-parameter importance",
        "Slices of the most important parameters",
        "Pruned and failed trials",
        "Cost and gain",
        "The ensemble",
        "The classes, before and now",
        "What to try next",
    ):
        assert heading in page.text
    assert lines[0] in page.text


def test_the_result_compares_the_search_with_the_declared_models(lines: list[str]) -> None:
    for part in ("mean IoU of 0.7030 (0.6920 to 0.7150)", "0.6600 (0.6480 to 0.6710)", "better by 0.0430"):
        assert part in lines[0]
    finished, pruned, failed = (int(count) for count in re.findall(r"(\d+) (?:finished|pruned|failed)", lines[1]))
    assert finished + pruned + failed == 42  # forty, and the two declared ones
    assert "7.9 h" in lines[1]


def test_the_decisive_parameter_is_found_although_most_trials_were_pruned(searched) -> None:
    found = importances(read_history(MASKS, *searched))
    assert found.keys() == {"coarse", "unet"}
    for shares in found.values():
        assert next(iter(shares)) == "lr" and shares["lr"] > 0.5
        assert sum(shares.values()) == pytest.approx(1)


def test_parameters_of_a_model_with_few_trials_are_not_ranked() -> None:
    study, events = search(trials=FEWEST)
    history = read_history(MASKS, study, events)
    assert importances(history) == {}
    assert any("Too few trials of `coarse`, `unet`" in sentence for sentence in advice(history, {}))
    assert f"fewer than {FEWEST} sampled trials" in read(MASKS, study, events).text


def test_reasons_that_differ_in_numbers_share_a_row(lines: list[str]) -> None:
    assert len([line for line in lines if line.startswith("pruned,")]) == 1
    assert len([line for line in lines if line.startswith("failed,")]) == 1


def test_the_compute_that_pruning_saved_is_estimated_model_by_model() -> None:
    study = empty_study()
    study.add_trial(fake_search.declared("coarse", 0.6, ()))  # five folds of 300 s
    stored = {"folds": [{"seconds": 300.0}], "reason": "worse"}
    pruned = optuna.trial.TrialState.PRUNED
    study.add_trials([optuna.create_trial(state=pruned, user_attrs=stored, **fake_search.of("coarse"))] * 2)
    assert compute_saved(read_history(MASKS, study, [])) == 2 * (1500 - 300)


def test_the_worst_class_leads_to_the_advice_of_a_specialist(lines: list[str]) -> None:
    assert "worst class: big rock, 0.3100 before, 0.3630 now" in lines
    assert any("specialist" in line and "big rock" in line for line in lines if line.startswith("next:"))


def test_a_best_value_at_the_end_of_its_range_is_named(lines: list[str]) -> None:
    assert any("lr of unet is best at the upper end of its range" in line for line in lines)
    assert not any("width of coarse is best" in line for line in lines)  # it lies in the middle


def test_every_comparison_turns_around_where_lower_is_better() -> None:
    study, events = search(higher=False, classes=())
    first = lines_of(NUMBERS, study, events)[0]
    assert "RMSE of 15.94" in first and "alone 16.80" in first and "better by 0.8600" in first
    history = read_history(NUMBERS, study, events)
    assert history.best(history.finished).score == min(trial.score for trial in history.finished)
    assert all(next(iter(shares)) == "lr" for shares in importances(history).values())
    page = read(NUMBERS, study, events)
    assert "lower is better" in page.text and "The classes" not in page.text


def test_a_search_that_found_nothing_better_says_so() -> None:
    study = empty_study()
    study.add_trial(fake_search.declared("coarse", 0.7, ()))
    assert "nothing better" in lines_of(MASKS, study, [BEGUN, saved(1, 0.69, {"coarse": 1.0}, ())])[0]


def test_the_public_score_stands_beside_the_cross_fitted_one(searched, lines: list[str]) -> None:
    study, events = searched
    assert "hold-out" not in " ".join(lines)
    public = {"score": 0.5, "low": 0.45, "high": 0.55}
    scored = {"at": events[-1]["at"], "event": SCORED, "public": public, "cv": {**public, "score": 0.6}, "rank": 1}
    told = " ".join(lines_of(MASKS, study, [*events, scored]))
    assert "0.5000 (0.4500 to 0.5500), −0.1000 against its cross-fitted 0.6000, which lies outside" in told


# -- little to say -----------------------------------------------------------------------------------------------------


def test_an_empty_study_has_a_page() -> None:
    page = read(MASKS, empty_study(), [])
    assert "No trial finished" in page.text and "Nothing to draw yet" in page.text
    assert "give more hours" in page.text
    page = read(MASKS, empty_study(), [BEGUN, saved(0.1, 0.5, {"coarse": 1.0}, fake_search.CLASSES)])
    assert "no declared model finished" in page.text


@pytest.mark.parametrize("events", [[], [BEGUN], [BEGUN, saved(0.2, 0.61, {"coarse": 1.0}, ())]])
def test_one_trial_has_a_page(events) -> None:
    study = empty_study()
    study.add_trial(fake_search.declared("coarse", 0.6, fake_search.CLASSES))
    assert "0.6" in read(MASKS, study, events).text


def test_trials_that_only_failed_or_still_run_have_a_page() -> None:
    study = empty_study()
    study.ask()
    stored, failed = {"reason": "killed for lack of memory: 3 GB <asked>"}, optuna.trial.TrialState.FAIL
    study.add_trials([optuna.create_trial(state=failed, user_attrs=stored, **fake_search.of("coarse"))] * 3)
    page = read(MASKS, study, [BEGUN])
    assert "3 GB <asked>" in page.text  # escaped
    assert "1 still running" in page.text
    assert "smaller batch" in page.text


def test_an_infinite_score_is_left_out() -> None:
    study, events = search(trials=12)
    study.add_trial(optuna.create_trial(value=float("inf"), **fake_search.of("coarse")))
    assert not re.search(r"\binf\b", read(MASKS, study, events).text)


def test_many_trials_are_thinned_in_the_chart() -> None:
    study = empty_study()
    study.add_trials([fake_search.declared("coarse", 0.6 + k / 1e5, ()) for k in range(MOST_DOTS + 1)])
    page = search_page(MASKS, study, [BEGUN]).read_text()
    assert page.count("<title>coarse") == 2 * (MOST_DOTS // 2 + 1)  # every other one, in two sizes of the chart


# -- time --------------------------------------------------------------------------------------------------------------


def test_the_hours_of_several_searches_add_up_and_a_killed_one_ends_with_its_last_event() -> None:
    events = [
        BEGUN,
        {**saved(2, 0.6, {}, ()), "at": at(2)},  # killed after two hours
        {**BEGUN, "at": at(24)},
        {**saved(2, 0.7, {}, ()), "at": at(25)},
        {"at": at(27), "event": END, "seconds": 3 * 3600, "why": "the time is up"},
    ]
    history = read_history(MASKS, empty_study(), events)
    assert (history.hours, history.searches) == (5, 2)
    assert [row.hours for row in history.incumbents] == [2, 3]


def test_a_trial_that_is_closed_after_the_end_counts_at_the_end(searched) -> None:
    """A trial of a killed worker is closed much later, by the next search."""
    study, events = searched
    history = read_history(MASKS, study, events)
    assert history.hours == pytest.approx(7.9)
    assert all(0 <= trial.hours <= 7.9 for trial in history.trials)
    assert BEGIN + timedelta(hours=8) < study.trials[-1].datetime_complete.astimezone()
