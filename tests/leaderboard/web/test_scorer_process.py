"""The queue and the scorer: quota, leases, what a child may report, what dies and is resumed; the scorer's process."""

import json
import os
import random
import signal
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from harness.competition import find
from harness.errors import UserError
from harness.files import sha256_of
from leaderboard import queue, scorer
from leaderboard.answers import prepared
from leaderboard.database import open_database, reading, writing
from leaderboard.queue import Received, Refusal, accept, claim, read_job, read_quota
from leaderboard.tables import jobs, scores, submissions
from leaderboard.web.app import ScorerProcess, require_free_port
from tests.support import tiny_board
from tests.support.tiny_board import entry, shown


def enqueue(engine, file, team="red", limit=5, binding=True, name="mine.csv", card=None):
    copy = file.with_suffix(f".{random.random()}.received")
    copy.write_bytes(file.read_bytes())
    received = Received(copy, sha256_of(copy), copy.stat().st_size, name, card)
    return accept(engine, prepared("tiny"), team, received, limit, binding)


def score_all(engine, worker="me"):
    while job := claim(engine, worker):
        scorer.work(engine, worker, job)


def used(engine, team="red"):
    return read_quota(engine, prepared("tiny"), team, 5).used


def test_a_file_that_is_accepted_is_scored_and_stands_on_the_board_with_its_time_of_arrival(home):
    engine = open_database()
    number = enqueue(engine, entry(home, wrong="a"), card={"cv": {"score": 0.7}})
    assert used(engine) == 1 and read_job(engine, number).state == "waiting"
    score_all(engine)
    job = read_job(engine, number)
    assert (job.state, job.attempts, used(engine)) == ("scored", 1, 1)
    assert [(row.team, row.score, row.cv, row.submitted_at) for row in shown().rows] == [
        ("red", 5 / 6, 0.7, job.received_at)
    ]
    assert not queue.waiting(job.sha256).exists() and queue.kept_file(job.sha256).exists()


def test_a_refused_file_gives_its_quota_back_and_is_named_as_its_sender_calls_it(home):
    engine, file = open_database(), entry(home)
    file.write_text(file.read_text().replace("b,1", "a,1"))
    number = enqueue(engine, file, name="mine.csv")
    score_all(engine)
    job = read_job(engine, number)
    assert job.state == "refused" and job.message == "mine.csv, line 3: id 'a' stands here a second time"
    assert used(engine) == 0 and not queue.kept_file(job.sha256).exists()
    assert enqueue(engine, file) == number and read_job(engine, number).state == "waiting"


def test_the_same_file_is_the_same_job_and_costs_one_entry(home):
    engine = open_database()
    first = enqueue(engine, entry(home))
    assert enqueue(engine, entry(home)) == first
    score_all(engine)
    assert enqueue(engine, entry(home)) == first and used(engine) == 1
    assert enqueue(engine, entry(home), team="blue") != first


def test_what_a_killed_server_left_is_swept_and_what_waits_is_kept(home):
    engine = open_database()
    number = enqueue(engine, entry(home))
    kept = queue.waiting(read_job(engine, number).sha256)
    old, new = queue.waiting(".ab12.partial"), queue.waiting("cd" * 32)
    for file in (old, new):
        file.touch()
    os.utime(old, (0, 0))
    os.utime(kept, (0, 0))
    assert queue.sweep(engine) == 1 and kept.exists() and new.exists() and not old.exists()


def test_of_eight_at_once_exactly_five_are_accepted(home):
    engine, statuses = open_database(), []
    start = threading.Barrier(8)

    def one(number):
        file = entry(home, wrong="a", by=number + 1, name=f"at_once{number}")
        start.wait()
        try:
            statuses.append(enqueue(engine, file))
        except Refusal as refusal:
            statuses.append(refusal.status)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses.count(429) == 3 and used(engine) == 5
    score_all(engine)
    assert [row.entries for row in shown().rows] == [5]


def test_the_sixth_of_a_day_says_when_the_next_one_is_free(home):
    engine = open_database()
    for letter in "abcde":
        enqueue(engine, entry(home, letter))
    with pytest.raises(Refusal, match=r"20.* 00:00 UTC"):
        enqueue(engine, entry(home, "f"))
    assert enqueue(engine, entry(home, "f"), binding=False)


def test_a_scorer_that_dies_is_replaced_and_after_three_times_it_is_our_failure(home, monkeypatch):
    engine = open_database()
    number = enqueue(engine, entry(home))
    monkeypatch.setattr(scorer, "score_file", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    for attempt in (1, 2):
        scorer.work(engine, "me", claim(engine, "me"))
        assert (read_job(engine, number).state, read_job(engine, number).attempts) == ("waiting", attempt)
        assert used(engine) == 1
    scorer.work(engine, "me", claim(engine, "me"))
    assert read_job(engine, number).state == "failed" and "cost no quota" in read_job(engine, number).message
    assert used(engine) == 0 and claim(engine, "me") is None
    monkeypatch.undo()


def test_a_lease_that_ran_out_is_taken_over_and_its_old_holder_writes_nothing_more(home):
    engine = open_database()
    number = enqueue(engine, entry(home))
    dead = claim(engine, "dead")
    assert claim(engine, "next") is None
    with writing(engine) as connection:
        connection.execute(update(jobs).values(claimed_until=0.0))
    taken = claim(engine, "next")
    assert (taken.id, taken.attempts) == (number, 2)
    assert not queue.renew(engine, number, "dead")
    scorer.work(engine, "next", taken)
    scorer.conclude(engine, "dead", dead, find("tiny"), scorer.Outcome(refused="no"))
    assert read_job(engine, number).state == "scored"
    with reading(engine) as connection:
        assert (
            len(connection.execute(select(scores)).all()) == 2
            and len(connection.execute(select(submissions)).all()) == 1
        )


def test_a_lease_that_ran_out_three_times_is_our_failure(home):
    engine = open_database()
    number = enqueue(engine, entry(home))
    for _ in range(3):
        assert claim(engine, "dead")
        with writing(engine) as connection:
            connection.execute(update(jobs).values(claimed_until=0.0))
    assert claim(engine, "next") is None and read_job(engine, number).state == "failed"


def test_a_file_that_needs_too_much_memory_is_refused_and_the_scorer_lives(home, monkeypatch):
    engine = open_database()
    number = enqueue(engine, entry(home))
    monkeypatch.setattr(scorer, "score_file", lambda *_: bytearray(3 << 30))
    score_all(engine)
    job = read_job(engine, number)
    assert job.state == "refused" and "2 GiB" in job.message


def test_a_file_that_needs_too_much_time_is_refused(home, monkeypatch):
    def for_ever(*_):
        while True:
            sum(range(1000))

    engine = open_database()
    number = enqueue(engine, entry(home))
    monkeypatch.setattr(scorer, "CPU_SECONDS", 1)
    monkeypatch.setattr(scorer, "score_file", for_ever)
    score_all(engine)
    assert "needs more than 1 s" in read_job(engine, number).message


def test_an_error_while_scoring_prints_no_value(home, monkeypatch, capfd):
    def leak(*_):
        raise RuntimeError(f"the answer is {987650 + 4}")

    engine = open_database()
    enqueue(engine, entry(home))
    monkeypatch.setattr(scorer, "score_file", leak)
    score_all(engine)
    printed = capfd.readouterr().err
    assert "RuntimeError" in printed and "987654" not in printed


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(max_size=8) | st.integers(),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(st.sampled_from(["public", "private", "refused", "x"]), inner)
            ),
        ).map(lambda value: json.dumps(value).encode()),
    )
)
def test_whatever_a_child_reports_it_makes_no_score_without_finite_numbers(line):
    outcome = scorer.understood(line, Path("/nowhere"))
    assert outcome.scored is None
    assert outcome.refused is None or isinstance(outcome.refused, str)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e400", "1e301", '"1"', "null", "[1]", "{}"])
def test_a_score_that_is_not_finite_kills_nothing_and_counts_nothing(tmp_path, value):
    for part in ("public", "private"):
        (tmp_path / part).write_bytes(scorer.pack(np.ones(3)))
    line = f'{{"public": [{value}, 0, 1], "private": [0, 0, 1]}}'.encode()
    assert scorer.understood(line, tmp_path).scored is None or value == '"1"'
    assert scorer.understood(line.replace(value.encode(), b"0.5"), tmp_path).scored["public"].value == 0.5


# -- the real server ---------------------------------------------------------------------------------------------------

SERVED = """
import sys
from starlette.testclient import TestClient
from leaderboard.database import open_database
from leaderboard.web import app
from leaderboard.web.app import LOOPBACK
from leaderboard.web.hosted import Settings
from leaderboard.teams import Member
import leaderboard.scorer
settings = Settings(open_database(), False, LOOPBACK, Member("ada", None, "host"))
with TestClient(app.build(settings), base_url="http://localhost") as client:
    assert client.get("/").status_code == client.get("/c/tiny").status_code == 200
print(*sys.modules)
"""


def test_serving_and_scoring_import_nothing_heavy(home):
    process = tiny_board.python(home, "-c", SERVED)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert not {"torch", "pandas", "sklearn", "matplotlib", "scipy", "optuna"} & set(out.split())


def test_a_port_that_is_taken_is_refused():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UserError, match="--port"):
            require_free_port("127.0.0.1", taken.getsockname()[1])


def test_a_scorer_process_that_is_killed_is_replaced_and_scores_what_waits(home, monkeypatch, capfd):
    monkeypatch.chdir(home)  # where the process finds the tiny competitions
    engine = open_database()
    process = ScorerProcess()
    process.start()
    try:
        os.kill(process.process.pid, signal.SIGKILL)
        number = enqueue(engine, entry(home))
        deadline = time.monotonic() + 60
        while read_job(engine, number).state != "scored":
            assert time.monotonic() < deadline
            process.wake()
            time.sleep(0.05)
    finally:
        process.stop()
    assert "a new one begins" in capfd.readouterr().err
