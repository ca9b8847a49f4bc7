"""The queue and the scorer without a web server: quota, lost scorers, what a child may say; teams and tokens."""

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.competition import find
from harness.errors import UserError
from leaderboard import queue, scorer, teams
from leaderboard.answers import prepared
from leaderboard.database import open_database
from leaderboard.host import act, reveal_board
from leaderboard.judge import judge, rescore
from leaderboard.queue import Refusal, claim, read_job, read_quota
from tests.support.frozen import Clock, hold
from tests.support.tiny_board import entry, queue_file, score_all, shown


@pytest.fixture
def engine(home):
    return open_database()


def submit(file, team="red", binding=True, **more):
    return queue_file(team, file.read_bytes(), binding, **more)


def used(engine):
    return read_quota(engine, prepared("tiny"), "red", 5).used


def test_a_file_that_is_accepted_is_scored_and_stands_on_the_board_with_its_time_of_arrival(engine, home):
    number = submit(entry(home, wrong="a"), cv={"score": 0.75})
    assert used(engine) == 1 and read_job(engine, number).state == "waiting"
    score_all(engine)
    job = read_job(engine, number)
    assert (job.state, job.attempts, used(engine)) == ("scored", 1, 1)
    rows = [(row.team, row.score, row.cv, row.gap, row.submitted_at) for row in shown().rows]
    assert rows == [("red", 5 / 6, 0.75, pytest.approx(0.75 - 5 / 6), job.received_at)]
    assert not queue.waiting_file(job.sha256).exists() and queue.received_file(job.sha256).exists()


def test_a_refused_file_gives_its_quota_back_and_is_named_as_its_sender_calls_it(engine, home):
    file = entry(home)
    file.write_text(file.read_text().replace("b,1", "a,1"))
    number = submit(file, name="night.csv")
    score_all(engine)
    job = read_job(engine, number)
    assert job.state == "refused" and job.message.startswith("night.csv, line 3: id 'a'")
    assert used(engine) == 0 and not queue.received_file(job.sha256).exists()
    assert submit(file) == number and read_job(engine, number).state == "waiting"


def test_the_same_file_is_the_same_job_and_costs_one_entry(engine, home):
    first = submit(entry(home))
    assert submit(entry(home)) == first
    score_all(engine)
    judge("tiny", entry(home, "a"), "red")  # on this machine, without a server
    assert submit(entry(home)) == first and submit(entry(home, "a")) != first and used(engine) == 2
    assert submit(entry(home), team="blue") != first


def test_what_a_killed_server_left_is_swept_and_what_waits_is_kept(engine, home):
    number = submit(entry(home))
    kept = queue.waiting_file(read_job(engine, number).sha256)
    old, new = queue.waiting_file(".ab12.partial"), queue.waiting_file("cd" * 32)
    for file in (old, new):
        file.touch()
    for file in (old, kept):
        os.utime(file, (0, 0))
    assert queue.sweep(engine) == 1 and kept.exists() and new.exists() and not old.exists()


def test_of_sixteen_at_once_exactly_five_are_accepted(engine, home):
    files = [entry(home, wrong="a", by=number + 1, name=f"at_once{number}") for number in range(16)]
    with ThreadPoolExecutor(16) as threads:
        sent = [threads.submit(submit, file) for file in files]
    refused = [future.exception().status for future in sent if future.exception()]
    assert refused == [429] * 11 and used(engine) == 5
    score_all(engine)
    assert [row.entries for row in shown().rows] == [5]


def test_the_quota_of_a_day_ends_at_midnight_utc_and_the_refusal_says_so(engine, home, monkeypatch):
    clock = hold(monkeypatch, Clock())
    for letter in "abcde":
        submit(entry(home, letter))
    with pytest.raises(Refusal, match="has used its 5 entries of today; the next one is free at 2026-01-02 00:00 UTC"):
        submit(entry(home, "f"))
    assert submit(entry(home, "f"), binding=False)
    score_all(engine)
    clock.midnight()
    assert used(engine) == 0 and submit(entry(home, "g"))


@pytest.mark.parametrize(
    ("kind", "undo", "reason", "team", "sentence"),
    [
        ("close", "open", "thank you all", None, "the competition is closed: thank you all"),
        ("pause", "resume", "", None, "the competition is paused; the file"),
        ("deadline", "deadline", "2020-01-01T12:00+01:00", None, "the competition ended at 2020-01-01 11:00 UTC"),
        ("disqualify", "reinstate", "two accounts", "red", "red is disqualified: two accounts"),
    ],
)
def test_nothing_is_taken_while_the_host_says_so(engine, home, kind, undo, reason, team, sentence):
    data = prepared("tiny")
    submit(entry(home, "a"))
    score_all(engine)
    act(engine, data, kind, reason, "eva", team)
    with pytest.raises(Refusal, match=sentence):
        submit(entry(home), binding=False)
    act(engine, data, undo, "2999-01-01", "eva", team)
    assert submit(entry(home))
    reveal_board(engine, data)
    with pytest.raises(Refusal, match="are revealed"):
        submit(entry(home, "b"))


def test_a_file_that_waits_for_a_metric_that_has_changed_is_refused_and_takes_no_quota(engine, home, monkeypatch):
    submit(entry(home), team="blue")
    score_all(engine)
    number = submit(entry(home, wrong="a"))
    monkeypatch.setattr(type(find("tiny").metric), "version", 2)
    with pytest.raises(Refusal, match=r"make rescore COMP=tiny.*; the file was not taken"):
        submit(entry(home, wrong="b"))
    score_all(engine)
    assert read_job(engine, number).state == "refused" and used(engine) == 0
    rescore("tiny")
    submit(entry(home, wrong="a"))
    score_all(engine)
    assert [row.team for row in shown().rows] == ["blue", "red"]


# -- the scorer --------------------------------------------------------------------------------------------------------


def test_a_file_on_which_the_scorer_s_child_dies_three_times_is_the_platform_s_failure(engine, home, monkeypatch):
    number = submit(entry(home))
    monkeypatch.setattr(scorer, "score_file", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    for attempt, state in enumerate(("waiting", "waiting", "failed"), 1):
        assert used(engine) == 1
        scorer.work(engine, "me", claim(engine, "me"))
        assert (read_job(engine, number).state, read_job(engine, number).attempts) == (state, attempt)
    assert "cost no quota" in read_job(engine, number).message
    assert used(engine) == 0 and claim(engine, "me") is None


def test_a_new_scorer_takes_over_what_a_lost_one_had_and_the_lost_one_writes_nothing_more(engine, home):
    number = submit(entry(home))
    lost = claim(engine, "lost")
    assert claim(engine, "next") is None
    assert queue.take_over(engine) == 1
    taken = claim(engine, "next")
    assert (taken.id, taken.attempts) == (number, 2)
    scorer.work(engine, "next", taken)
    scorer.conclude(engine, "lost", lost, find("tiny"), scorer.ScoringOutcome(refused="no"))
    assert read_job(engine, number).state == "scored" and [row.entries for row in shown().rows] == [1]


def test_a_file_with_which_three_scorers_were_lost_is_the_platform_s_failure(engine, home):
    number = submit(entry(home))
    for _ in range(3):
        assert claim(engine, "lost")
        queue.take_over(engine)
    assert claim(engine, "next") is None and read_job(engine, number).state == "failed"


def for_ever(*_):
    while True:
        sum(range(1000))


@pytest.mark.parametrize(
    ("score", "message"),
    [
        (lambda *_: bytearray(3 << 30), "mine.csv needs more than 2 GiB of memory"),
        (for_ever, "mine.csv needs more than 1 s"),
    ],
)
def test_a_file_that_needs_too_much_is_refused_and_the_scorer_lives(engine, home, monkeypatch, score, message):
    number = submit(entry(home))
    monkeypatch.setattr(scorer, "CPU_SECONDS", 1)
    monkeypatch.setattr(scorer, "score_file", score)
    score_all(engine)
    assert read_job(engine, number).state == "refused" and message in read_job(engine, number).message


def test_an_error_while_scoring_prints_no_value(engine, home, monkeypatch, capfd):
    def leak(*_):
        raise RuntimeError(f"the answer is {987650 + 4}")

    submit(entry(home))
    monkeypatch.setattr(scorer, "score_file", leak)
    score_all(engine)
    printed = capfd.readouterr().err
    assert "RuntimeError" in printed and "987654" not in printed


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8) | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["public", "private", "refused"]), inner)
    ),
)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200) | JSON_VALUES.map(lambda value: json.dumps(value).encode()))
def test_whatever_a_child_writes_no_score_comes_of_an_invalid_line(line):
    outcome = scorer.parse_outcome(line, Path("/nowhere"))
    assert outcome.scored is None
    assert outcome.refused is None or isinstance(outcome.refused, str)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e400", "1e301", "null", "[1]", "{}"])
def test_a_score_of_a_child_that_is_not_a_finite_number_counts_nothing(tmp_path, value):
    for part in ("public", "private"):
        (tmp_path / part).write_bytes(scorer.pack(np.ones(3)))
    line = f'{{"public": [{value}, 0, 1], "private": [0, 0, 1]}}'.encode()
    assert scorer.parse_outcome(line, tmp_path).scored is None
    assert scorer.parse_outcome(line.replace(value.encode(), b"0.5"), tmp_path).scored["public"].value == 0.5


# -- teams and tokens --------------------------------------------------------------------------------------------------


def test_a_token_works_until_it_is_revoked_and_is_not_in_the_database(engine, home):
    teams.create_team(engine, "red")
    token = teams.issue_token(engine, "ada", "red")
    assert teams.user_of(engine, token) == ("ada", "red", "player") and len(token) >= 43
    session, user = teams.open_session(engine, token)
    assert teams.user_of(engine, session) == user and session != token
    engine.dispose()
    stored = b"".join(file.read_bytes() for file in home.glob("leaderboard.db*"))
    assert token.encode() not in stored and session.encode() not in stored
    assert teams.revoke(engine, "ada", "red") == 2
    assert teams.user_of(engine, token) is None and teams.user_of(engine, session) is None


@pytest.mark.parametrize(("there", "alike"), [("red", "RED"), ("coca", "соса"), ("hello", "he110"), ("cafe", "café")])
def test_a_name_that_looks_like_another_one_is_refused(engine, there, alike):
    teams.create_team(engine, there)
    with pytest.raises(UserError, match="cannot be told from the team"):
        teams.create_team(engine, alike)


def test_honest_names_of_many_scripts_are_taken_and_a_mixture_that_looks_alike_is_not(engine):
    for name in ("red", "Émile et Zoë", "Ελλάς", "Красная", "東京チーム", "한국", "हिन्दी", "team 42", "عربي", "ไทย"):
        assert teams.create_team(engine, name) == name
    with pytest.raises(UserError, match="mixes letters of CYRILLIC and LATIN"):
        teams.create_team(engine, "rеd")
