"""The search report says what the study holds, and has a page when there is little to say."""

import re
from datetime import timedelta

import optuna
import pytest

from harness.metrics import RMSE
from harness.report.chart import MOST_DOTS
from harness.report.search_advice import FEWEST, importances
from harness.report.search_history import END, SCORED, START, read_history, unfinished_rows
from harness.report.search_report import compute_saved, search_page
from harness.tasks.regression import Regression
from tests.support import fake_search
from tests.support.fake_search import BEGIN, at, empty_study, saved, search
from tests.support.pages import PageReader
from tests.support.tiny_data import tiny_declaration

MASKS = tiny_declaration(name="tiny")
NUMBERS = tiny_declaration(name="numbers", task=Regression("price"), metric=RMSE())
BEGUN = {"at": at(0), "event": START, "hours": 8, "workers": 2, "trials": 0}
ONE = fake_search.declared("coarse", 0.6, fake_search.CLASSES)
OUT_OF_MEMORY = optuna.create_trial(
    state=optuna.trial.TrialState.FAIL, user_attrs={"reason": "out of memory: 3 GB <asked>"}, **fake_search.of("coarse")
)
HEADINGS = ("The best score over time", "Hyper-parameter importance", "Slices of the most important parameters",
            "Pruned and failed trials", "Cost and gain", "The ensemble", "The classes, before and now",
            "What to try next")  # fmt: skip


def read(competition, study, events) -> str:
    """The text of the page."""
    file, lines = search_page(competition, study, events)
    assert file.parts[-3:] == ("reports", competition.name, "search.html")
    page = PageReader(file.read_text())
    assert page.open == [] and page.loads == []
    assert file.stat().st_size < 2_000_000
    assert lines[0] in page.text
    assert not re.search(r"\b(inf|nan|None)\b", page.text)
    return page.text


@pytest.fixture(scope="module")
def searched():
    return search()


def test_the_page_has_all_its_sections(searched) -> None:
    text = read(MASKS, *searched)
    assert all(heading in text for heading in HEADINGS)


def test_the_terminal_has_the_result_the_trials_and_the_advice(searched) -> None:
    """The worst class leads to a specialist; a best value at the end of its range is named, one in the middle not."""
    _, lines = search_page(MASKS, *searched)
    for part in ("mean IoU of 0.7030 (0.6920 to 0.7150)", "0.6600 (0.6480 to 0.6710)", "better by 0.0430"):
        assert part in lines[0]
    finished, pruned, failed = (int(count) for count in re.findall(r"(\d+) (?:finished|pruned|failed)", lines[1]))
    assert finished + pruned + failed == 42  # forty, and the two declared ones
    assert "7.9 h" in lines[1]
    steps = " ".join(line for line in lines if line.startswith("next:"))
    assert "specialist" in steps and "big rock" in steps
    assert "lr of coarse is best at the upper end of its range" in steps and "augment of coarse is best" not in steps


def test_the_decisive_parameter_is_found_although_most_trials_were_pruned(searched) -> None:
    found = importances(read_history(MASKS, *searched))
    assert found.keys() == {"coarse", "unet"}
    for shares in found.values():
        assert next(iter(shares)) == "lr" and shares["lr"] > 0.5
        assert sum(shares.values()) == pytest.approx(1)


def test_parameters_of_a_model_with_few_trials_are_not_ranked() -> None:
    study, events = search(trials=FEWEST)
    assert importances(read_history(MASKS, study, events)) == {}
    text = read(MASKS, study, events)
    assert "Too few trials of coarse, unet" in text and f"fewer than {FEWEST} sampled trials" in text


def test_reasons_that_differ_in_numbers_share_a_row(searched) -> None:
    rows = unfinished_rows(read_history(MASKS, *searched))
    assert [row["state"] for row in rows] == ["failed", "pruned"]
    assert sum(row["count"] for row in rows) == 42 - len(read_history(MASKS, *searched).finished)


def test_the_compute_that_pruning_saved_is_estimated_model_by_model() -> None:
    study = empty_study()
    study.add_trial(ONE)  # five folds of 300 s
    stored = {"folds": [{"seconds": 300.0}], "reason": "worse"}
    pruned = optuna.trial.TrialState.PRUNED
    study.add_trials([optuna.create_trial(state=pruned, user_attrs=stored, **fake_search.of("coarse"))] * 2)
    assert compute_saved(read_history(MASKS, study, [])) == 2 * (1500 - 300)


def test_every_comparison_turns_around_where_lower_is_better() -> None:
    study, events = search(higher=False, classes=())
    text = read(NUMBERS, study, events)
    for part in ("RMSE of 15.94", "alone 16.80", "better by 0.8600", "lower is better"):
        assert part in text
    assert "The classes" not in text
    history = read_history(NUMBERS, study, events)
    assert history.best(history.finished).score == min(trial.score for trial in history.finished)
    assert all(next(iter(shares)) == "lr" for shares in importances(history).values())


def test_a_search_that_found_nothing_better_says_so() -> None:
    study = empty_study()
    study.add_trial(fake_search.declared("coarse", 0.7, ()))
    assert "nothing better" in read(MASKS, study, [BEGUN, saved(1, 0.69, {"coarse": 1.0}, ())])


def test_the_public_score_stands_beside_the_cross_fitted_one(searched) -> None:
    study, events = searched
    assert "hold-out" not in read(MASKS, study, events)
    public = {"score": 0.5, "low": 0.45, "high": 0.55}
    scored = {"at": events[-1]["at"], "event": SCORED, "public": public, "cv": {**public, "score": 0.6}, "rank": 1}
    text = read(MASKS, study, [*events, scored])
    assert "0.5000 (0.4500 to 0.5500), −0.1000 against its cross-fitted 0.6000, which lies outside" in text


@pytest.mark.parametrize(
    ("trials", "events", "parts"),
    [
        ([], [], ["No trial finished", "Nothing to draw yet", "give more hours"]),
        ([], [BEGUN, saved(0.1, 0.5, {"coarse": 1.0}, fake_search.CLASSES)], ["no declared model finished"]),
        ([ONE], [], ["0.6000"]),
        ([ONE], [BEGUN, saved(0.2, 0.61, {"coarse": 1.0}, ())], ["0.6100"]),
        ([ONE, optuna.create_trial(value=float("inf"), **fake_search.of("coarse"))], [], ["0.6000"]),
        ([OUT_OF_MEMORY] * 3, [BEGUN], ["3 GB <asked>", "smaller batch", "1 still running"]),
    ],
    ids=["nothing", "an incumbent alone", "one trial", "one of each", "an infinite score", "failures"],
)
def test_a_study_with_little_in_it_has_a_page(trials, events, parts) -> None:
    study = empty_study()
    study.add_trials(trials)
    if trials and trials[0] is OUT_OF_MEMORY:
        study.ask()
    text = read(MASKS, study, events)
    assert all(part in text for part in parts)


def test_many_trials_are_thinned_in_the_chart() -> None:
    study = empty_study()
    study.add_trials([ONE] * (MOST_DOTS + 1))
    page = search_page(MASKS, study, [BEGUN])[0].read_text()
    assert page.count("<title>coarse") == 2 * (MOST_DOTS // 2 + 1)  # every other one, in two sizes of the chart


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
