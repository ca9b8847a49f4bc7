"""Hostile files, generated; and two hundred slow connections."""

import contextlib
import re
import socket
import statistics
import time
import tracemalloc
import urllib.request

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness import paths
from harness.competition import find
from harness.data.splits import divide
from harness.errors import InvalidSubmission
from harness.tasks.layout import Asked
from leaderboard.answers import Answers
from leaderboard.scoring import score_file
from tests.support.board_client import served
from tests.support.hostile_files import ANSWERS, IDS, cars, glas, right

pytestmark = pytest.mark.soak


def scratch(content):
    """A file that the next one overwrites."""
    file = paths.root() / "scratch.csv"
    file.write_bytes(content)
    return file


def ordered_runs(pairs):
    """Runs that are right as long as they end within the picture: (gap, length) one after the other."""
    at, runs = 1, []
    for gap, length in pairs:
        runs.append(f"{at + gap} {length}")
        at += gap + length + 1
    return " ".join(runs)


def slowly(runs, pixels=128 * 128):
    """Pixel by pixel; None where the runs are none."""
    numbers, mask, last = runs.split(), np.zeros(pixels, int), 0
    if len(numbers) % 2 or not all(re.fullmatch("[0-9]+", number) for number in numbers):
        return None
    for start, length in zip(map(int, numbers[::2]), map(int, numbers[1::2]), strict=True):
        if start <= last or length < 1 or start + length - 1 > pixels:
            return None
        last = start + length - 1
        mask[start - 1 : last] = 1
    return mask


def test_a_long_file_of_another_competition_is_refused_without_being_kept_in_memory():
    file = scratch(cars(*["zebras,1"] * 200_000))
    tracemalloc.start()
    with pytest.raises(InvalidSubmission, match="none of the ids is one of the 5 asked for"):
        score_file(find("cars"), file, Answers(Asked(np.array(IDS)), np.arange(5), np.arange(5) < 2, ANSWERS))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3_000_000


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.floats().map(str), st.text(max_size=12), st.from_regex(r"[+-]?[0-9_.,eExX ]{1,9}", fullmatch=True)))
def test_whatever_stands_in_a_cell_is_a_finite_number_or_a_refusal(value):
    task, file = find("cars").task, scratch(right(v2=value))
    try:
        assert np.isfinite(task.read(file, Asked(np.array(IDS)))).all()
    except InvalidSubmission as refusal:
        assert "line" in str(refusal) or "columns" in str(refusal) or "CSV" in str(refusal)


@settings(max_examples=60, deadline=None)
@given(st.permutations(IDS), st.lists(st.floats(-1e6, 1e6), min_size=5, max_size=5))
def test_a_score_is_the_same_to_the_last_bit_in_whatever_order_the_rows_stand(order, values):
    value = dict(zip(IDS, values, strict=True))
    answers = Answers(Asked(np.array(IDS)), np.arange(5), np.arange(5) % 2 == 0, ANSWERS)
    one, other = (
        score_file(find("cars"), scratch(cars(*(f"{name},{value[name]!r}" for name in names))), answers)
        for names in (IDS, order)
    )
    assert [part[:3] for part in one.values()] == [part[:3] for part in other.values()]


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=20), st.sampled_from(["1", "10", "9007199254740993"]).map(lambda name: f"0{name}")))
def test_an_id_is_the_same_characters_or_another_one(name):
    quoted = '"' + name.replace('"', '""') + '"'
    with pytest.raises(InvalidSubmission):
        find("cars").task.read(scratch(right() + f"{quoted},1\n".encode("utf-8", "replace")), Asked(np.array(IDS)))


RUNS = st.one_of(
    st.lists(st.integers(-2, 16390) | st.integers(2**31 - 1, 2**64), max_size=6).map(
        lambda runs: " ".join(map(str, runs))
    ),
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), max_size=5).map(ordered_runs),
    st.text("0123456789 -+.e", max_size=20),
)


@settings(max_examples=200, deadline=None)
@given(RUNS)
@example("1 1 ")  # more blanks are no other runs
def test_run_lengths_are_refused_or_are_those_of_a_slow_reference(runs):
    expected = slowly(runs)
    try:
        (read, *_) = find("glas").task.read(scratch(glas(runs)), Asked(np.array(["a", "b", "c"])))
    except InvalidSubmission:
        assert expected is None
        return
    assert expected is not None and (np.asarray(read).ravel() == expected).all()


def test_two_hundred_who_speak_slowly_keep_nobody_else_waiting(home):
    """Each says that it sends a file, and sends a byte of it now and then."""
    head = b"POST /api/competitions/tiny/submissions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
    with served() as address, contextlib.ExitStack() as all_of_them:
        port, waited = int(address.rpartition(":")[2]), []
        slow = [all_of_them.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(200)]
        for connection in slow:
            connection.sendall(head)
        for k in range(100):
            for connection in slow[k % 10 :: 10]:
                connection.sendall(b"i")
            begun = time.perf_counter()
            assert urllib.request.urlopen(f"{address}/c/tiny").status == 200
            waited.append(time.perf_counter() - begun)
    print(f"p95 beside 200 slow connections: {1000 * statistics.quantiles(waited, n=20)[-1]:.0f} ms")
    assert statistics.quantiles(waited, n=20)[-1] < 0.3


def test_the_public_part_cannot_be_told_from_ids_or_order():
    """200 splits of 500 rows by other keys: every row is public about as often, and neighbours do not go together."""
    stratify = np.zeros(500, int)
    drawn = np.stack([divide(stratify, np.arange(500), [0.4, 0.6], bytes([k]) * 32) == 0 for k in range(200)])
    assert np.abs(drawn.mean(0) - 0.4).max() < 0.18  # five standard errors
    assert abs(np.mean(drawn[:, 1:] == drawn[:, :-1]) - (0.4**2 + 0.6**2)) < 0.02
