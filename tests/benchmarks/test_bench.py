"""The protocol of `make bench`: arms take turns, pairs give ratios, and a noisy machine is reported."""

import subprocess
import sys
from argparse import ArgumentTypeError
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle

import numpy as np
import pytest

from tests.benchmarks.__main__ import numbers
from tests.benchmarks.protocol import HEAD, REPOSITORY, Result, entry, in_turn, ratios

ratio = Result(row="0", goal="a / b", target=2, values=[3, 2, 2, 5, 4], control=[1, 1.05, 0.98])


def test_arms_take_turns_and_the_first_round_only_warms_up():
    order: list[str] = []
    taken = in_turn({name: lambda name=name: order.append(name) or len(order) for name in "ab"}, rounds=3)
    assert "".join(order) == "ab" + "ab" + "ba" + "ab"
    assert taken == [{"a": 3, "b": 4}, {"b": 5, "a": 6}, {"a": 7, "b": 8}]


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


@pytest.mark.parametrize(
    ("target", "at_most", "passed"),
    [(2, False, True), (2.5, False, False), (4, True, True), (3.5, True, False)],
)
def test_a_goal_is_met_by_the_median_and_the_worse_quartile(target, at_most, passed):
    assert replace(ratio, target=target, at_most=at_most).passed is passed
    assert not replace(ratio, broken="the counts differ").passed


def test_a_noisy_machine_is_reported():
    costs = cycle([1.0, 1.0, 1.3])
    taken = in_turn({"a": costs.__next__, "again": costs.__next__}, rounds=3)
    assert "noisy" in replace(ratio, control=ratios(taken, "a", "again")).verdict
    assert ratio.verdict == "pass"


def test_the_entry_is_a_table_with_one_line_a_result():
    text = entry([ratio, replace(ratio, row="1", note="batch 32")], "python -m tests.benchmarks", "a machine", 12.3)
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert "\n".join(table[:2]) == HEAD
    assert [line.count("|") for line in table] == [8] * 4
    assert text.endswith("\n\n- 1: batch 32\n")


def test_a_row_that_is_not_there_is_named():
    assert numbers((1, 3), "3,1") == [3, 1]
    with pytest.raises(ArgumentTypeError, match="7"):
        numbers((1, 3), "1,7")


@pytest.mark.soak
def test_the_quick_rows_are_measured():
    command = [sys.executable, "-m", "tests.benchmarks", "--rows", "3,6,7,8,12"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["3", "6", "7", "8a", "8b", "12a", "12b"]
