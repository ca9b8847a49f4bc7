"""The protocol of `make bench`: arms take turns, pairs give ratios, and a restless machine is called one."""

import subprocess
import sys
from argparse import ArgumentTypeError
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle
from types import SimpleNamespace

import numpy as np
import pytest

from tests.benchmarks import pruning, replay, search
from tests.benchmarks.__main__ import numbers
from tests.benchmarks.data import difference, look
from tests.benchmarks.protocol import HEAD, REPOSITORY, Result, cpu_seconds, entry, in_turn, ratios, timed
from tests.benchmarks.racing import Course, course
from tests.benchmarks.workloads import fields, masks_of

ratio = Result(row="0", goal="a / b", target=2, values=[3, 2, 2, 5, 4], control=[1, 1.05, 0.98])


def test_arms_take_turns_and_the_first_round_only_warms_up():
    order: list[str] = []
    taken = in_turn({name: lambda name=name: order.append(name) or len(order) for name in "ab"}, rounds=3)
    assert "".join(order) == "ab" + "ab" + "ba" + "ab"
    assert taken == [{"a": 3, "b": 4}, {"b": 5, "a": 6}, {"a": 7, "b": 8}]


def test_every_round_gives_one_ratio_of_its_own_costs():
    slow, fast = iter([9.0, 6.0, 8.0, 5.0]), iter([1.0, 2.0, 4.0, 1.0])
    taken = in_turn({"slow": slow.__next__, "fast": fast.__next__}, rounds=3)
    assert ratios(taken, "slow", "fast") == [3, 2, 5]


def test_a_drift_of_the_machine_cancels_in_the_median():
    """Every measurement takes 10 % longer than the one before; always A before B would find 10 % between equals."""

    def slower() -> Iterator[float]:
        cost = 1.0
        while True:
            cost *= 1.1
            yield cost

    costs = slower()
    found = ratios(in_turn({"a": costs.__next__, "b": costs.__next__}, rounds=6), "b", "a")
    assert np.median(found) == pytest.approx(1, abs=0.01)


def test_the_median_the_extremes_and_the_worse_quartile():
    assert (ratio.median, ratio.quartile, ratio.measured) == (3, 2, "3 [2, 5]")
    assert replace(ratio, at_most=True).quartile == 4
    assert replace(ratio, values=[7]).quartile == 7


@pytest.mark.parametrize(
    ("target", "at_most", "passed"),
    [(2, False, True), (2.5, False, False), (4, True, True), (3.5, True, False)],
)
def test_a_goal_is_met_by_the_median_and_the_worse_quartile(target, at_most, passed):
    assert replace(ratio, target=target, at_most=at_most).passed is passed


def test_no_number_makes_good_what_is_broken():
    assert replace(ratio, broken="the counts differ").verdict == "miss: the counts differ"


def test_a_restless_machine_is_called_noisy():
    costs = cycle([1.0, 1.0, 1.3])
    taken = in_turn({"a": costs.__next__, "again": costs.__next__}, rounds=3)
    noisy = replace(ratio, control=ratios(taken, "a", "again"))
    assert noisy.spread > 0.2
    assert noisy.verdict == f"pass, noisy: spread of the control is {noisy.spread:.0%}"
    assert ratio.verdict == "pass"


def test_cpu_seconds_count_children_and_not_sleep():
    def waiting():
        subprocess.run([sys.executable, "-c", "import time; sum(range(5_000_000)); time.sleep(1)"], check=True)

    assert 0.02 < timed(waiting, cpu_seconds) < timed(waiting)


def test_the_entry_is_a_table_with_one_line_a_result():
    text = entry([ratio, replace(ratio, row="1", note="batch 32")], "python -m tests.benchmarks", "a machine", 12.3)
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert "\n".join(table[:2]) == HEAD
    assert [line.count("|") for line in table] == [8] * 4
    assert "`python -m tests.benchmarks`, 12 s, a machine." in text
    assert text.endswith("\n\n- 1: batch 32\n")


def test_a_row_that_there_is_not_is_refused():
    assert numbers((1, 3), "3,1") == [3, 1]
    with pytest.raises(ArgumentTypeError, match="no row 7; there are 1, 3"):
        numbers((1, 3), "1,7")


class Fed:
    """As much of a tensor as is looked at."""

    def __init__(self, array: np.ndarray):
        self.array = array

    def numpy(self) -> np.ndarray:
        return self.array


def test_batches_of_another_distribution_are_told_apart():
    images, masks = np.random.default_rng(0).normal(size=(20, 1, 8, 8)), masks_of(fields(20, seed=0))
    usual = look([(Fed(images), Fed(masks))])
    assert sum(usual.shares.values()) == pytest.approx(1)
    assert difference(usual, usual) == ""
    assert difference(look([(Fed(images + 0.1), Fed(masks))]), usual).startswith("mean")
    assert difference(look([(Fed(images * 1.1), Fed(masks))]), usual).startswith("deviation")
    assert difference(look([(Fed(images), Fed(np.sort(masks // 2 * 2)))]), usual).startswith("labels")
    assert difference(look([(Fed(images[:9]), Fed(masks))]), usual).startswith("batches")


def variants(*qualities: float) -> list[pruning.Variant]:
    """Made variants whose curves are as good as they are."""
    rng = np.random.default_rng(0)
    easy = pruning.margins(rng)
    made = [pruning.variant(quality, easy, rng) for quality in qualities]
    return [replace(each, curve=dict.fromkeys(pruning.SHARES, each.quality)) for each in made]


def test_a_variant_that_is_plainly_worse_costs_one_fold_and_an_equal_one_all() -> None:
    assert pruning.outcome(variants(0.9, 0.6), pruned=True).folds == 5 + 1
    assert pruning.outcome(variants(0.9, 0.9), pruned=True).folds == 5 + 5
    assert pruning.outcome(variants(0.9, 0.6), pruned=False).folds == 5 + 5


def test_a_hopeless_curve_costs_a_third_of_a_fold_once_four_others_were_seen() -> None:
    assert pruning.outcome(variants(0.9, 0.6, 0.6, 0.6, 0.6, 0.5), pruned=True).folds == pytest.approx(5 + 4 + 1 / 3)


def test_the_regret_is_what_the_chosen_variant_lacks_of_the_best_one() -> None:
    assert pruning.outcome(variants(0.7, 0.9), pruned=True).regret == 0
    unlucky = [replace(each, quality=quality) for each, quality in zip(variants(0.9, 0.7), (0.80, 0.85), strict=True)]
    assert pruning.outcome(unlucky, pruned=False).regret == pytest.approx(0.05)


def test_a_made_study_holds_whole_trials_as_a_search_leaves_them(own_home, monkeypatch) -> None:
    monkeypatch.setattr(search, "FINISHED", 3)
    study = search.filled()
    search.whole_trial(study, 3)
    assert study.counts() == {"finished": 4, "cut": 0, "failed": 0}
    drawn, copied = (study.optuna.get_trials()[number] for number in (3, 0))
    assert drawn.user_attrs.keys() == copied.user_attrs.keys() >= {"config", "folds", "interval", "bundle"}
    assert list(drawn.intermediate_values) == list(copied.intermediate_values) == [0, 1, 2, 3, 4]
    ran = course(own_home, "mars")
    assert ran.trials == {"finished": 4, "cut": 0, "failed": 0}
    assert ran.best == max(trial.value for trial in study.optuna.get_trials())


def test_a_score_is_reached_when_a_whole_variant_first_has_it() -> None:
    rising = Course([(2.0, 0.7), (5.0, 0.8), (9.0, 0.95)], {}, higher_is_better=True)
    assert [rising.reached(score) for score in (0.6, 0.8, 0.81, 0.96)] == [2, 5, 9, float("inf")]
    falling = Course([(2.0, 30.0), (5.0, 20.0)], {}, higher_is_better=False)
    assert [falling.reached(error) for error in (40, 30, 25, 10)] == [2, 2, 5, float("inf")]


@pytest.mark.soak
def test_the_quick_rows_are_measured():
    command = [sys.executable, "-m", "tests.benchmarks", "--rows", "3,6,7,8,12", "--no-log"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["3", "6", "7", "8a", "8b", "12a", "12b"]


def test_a_replay_spends_on_a_variant_what_its_folds_took_and_stops_where_the_race_does():
    """The second variant is hopeless and slow: raced, it ends after its first fold, and the third is there sooner."""

    def trained(right: float, seconds: float) -> replay.Real:
        rows = pruning.statistics_of(np.arange(200) < 200 * right)
        return replay.Real(pruning.Variant(right, [rows] * 5, {}), [seconds] * 5)

    reals = [trained(0.7, 1.0), trained(0.3, 10.0), trained(0.9, 2.0)]
    groups = {fold: np.arange(200) for fold in range(5)}
    declared = SimpleNamespace(metric=pruning.METRIC)
    without, raced = (replay.replay(declared, groups, reals, raced) for raced in (False, True))
    assert without == (5 + 50 + 10, 5 + 50 + 10, 0.9)
    assert raced == (5 + 10 + 10, 5 + 10 + 10, 0.9)
