"""The queue and the scorer without a web server: quota, leases, what a child may say, what dies and is taken up."""
# ruff: noqa: F811 (pytest finds the fixture `home` by its name)

import json
import os
import random
import signal
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from leaderboard.finals import reveal_board
from leaderboard.tables import jobs, scores, submissions
from sqlalchemy import select, update
from tests.leaderboard.test_leaderboard import home, shown  # noqa: F401

from harness.competition import find
from harness.errors import UserError
from harness.files import sha256_of
from leaderboard import host, queue, resampled, scorer, teams
from leaderboard.answers import prepared
from leaderboard.board import read
from leaderboard.database import open_database, reading, writing
from leaderboard.queue import Received, Refusal, accept, claim, read_job, read_quota
from tests.support import tiny_board
from tests.support.tiny_board import entry


def hand_in(engine, file, team="red", limit=5, binding=True, name="mine.csv", card=None):
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
    number = hand_in(engine, entry(home, wrong="a"), card={"cv": {"score": 0.7}})
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
    number = hand_in(engine, file, name="night.csv")
    score_all(engine)
    job = read_job(engine, number)
    assert job.state == "refused" and job.message == "night.csv, line 3: id 'a' stands here a second time"
    assert used(engine) == 0 and not queue.kept_file(job.sha256).exists()
    assert hand_in(engine, file) == number and read_job(engine, number).state == "waiting"


def test_the_same_file_is_the_same_job_and_costs_one_entry(home):
    engine = open_database()
    first = hand_in(engine, entry(home))
    assert hand_in(engine, entry(home)) == first
    score_all(engine)
    assert hand_in(engine, entry(home)) == first and used(engine) == 1
    assert hand_in(engine, entry(home), team="blue") != first


def test_what_a_killed_server_left_is_swept_and_what_waits_is_kept(home):
    engine = open_database()
    number = hand_in(engine, entry(home))
    kept = queue.waiting(read_job(engine, number).sha256)
    old, new = queue.waiting(".ab12.partial"), queue.waiting("cd" * 32)
    for file in (old, new):
        file.touch()
    os.utime(old, (0, 0))
    os.utime(kept, (0, 0))
    assert queue.sweep(engine) == 1 and kept.exists() and new.exists() and not old.exists()


def test_of_sixteen_at_once_exactly_five_are_accepted(home):
    engine, told = open_database(), []
    start = threading.Barrier(16)

    def one(number):
        file = entry(home, wrong="a", by=number + 1, name=f"at_once{number}")
        start.wait()
        try:
            told.append(hand_in(engine, file))
        except Refusal as refusal:
            told.append(refusal.status)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told.count(429) == 11 and used(engine) == 5
    score_all(engine)
    assert [row.entries for row in shown().rows] == [5]


def test_the_sixth_of_a_day_is_told_when_the_next_one_is_free(home):
    engine = open_database()
    for letter in "abcde":
        hand_in(engine, entry(home, letter))
    with pytest.raises(Refusal, match=r"has used its 5 entries of today; the next one is free at 20.* 00:00 UTC"):
        hand_in(engine, entry(home, "f"))
    assert hand_in(engine, entry(home, "f"), binding=False)


def test_a_scorer_that_dies_is_replaced_and_after_three_times_it_is_our_failure(home, monkeypatch):
    engine = open_database()
    number = hand_in(engine, entry(home))
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
    number = hand_in(engine, entry(home))
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
    number = hand_in(engine, entry(home))
    for _ in range(3):
        assert claim(engine, "dead")
        with writing(engine) as connection:
            connection.execute(update(jobs).values(claimed_until=0.0))
    assert claim(engine, "next") is None and read_job(engine, number).state == "failed"


def test_a_file_that_needs_too_much_memory_is_refused_and_the_scorer_lives(home, monkeypatch):
    engine = open_database()
    number = hand_in(engine, entry(home))
    monkeypatch.setattr(scorer, "score_file", lambda *_: bytearray(3 << 30))
    score_all(engine)
    job = read_job(engine, number)
    assert (job.state, job.message) == (
        "refused",
        "mine.csv needs more than 2 GiB of memory to be read and scored: it is refused",
    )


def test_a_file_that_needs_too_much_time_is_refused(home, monkeypatch):
    def for_ever(*_):
        while True:
            sum(range(1000))

    engine = open_database()
    number = hand_in(engine, entry(home))
    monkeypatch.setattr(scorer, "CPU_SECONDS", 1)
    monkeypatch.setattr(scorer, "score_file", for_ever)
    score_all(engine)
    assert "needs more than 1 s" in read_job(engine, number).message


def test_an_error_while_scoring_prints_no_value(home, monkeypatch, capfd):
    def leak(*_):
        raise RuntimeError(f"the answer is {987650 + 4}")

    engine = open_database()
    hand_in(engine, entry(home))
    monkeypatch.setattr(scorer, "score_file", leak)
    score_all(engine)
    told = capfd.readouterr().err
    assert "RuntimeError" in told and "987654" not in told


@settings(max_examples=300, deadline=None)
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
def test_whatever_a_child_says_no_score_is_made_of_it_that_is_none(line):
    outcome = scorer.understood(line, Path("/nowhere"))
    assert outcome.scored is None
    assert outcome.refused is None or isinstance(outcome.refused, str)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e400", "1e301", '"1"', "null", "[1]", "{}"])
def test_a_score_that_is_no_finite_number_kills_nothing_and_counts_nothing(tmp_path, value):
    for part in ("public", "private"):
        (tmp_path / part).write_bytes(scorer.pack(__import__("numpy").ones(3)))
    line = f'{{"public": [{value}, 0, 1], "private": [0, 0, 1]}}'.encode()
    assert scorer.understood(line, tmp_path).scored is None or value == '"1"'
    assert scorer.understood(line.replace(value.encode(), b"0.5"), tmp_path).scored["public"].value == 0.5


# -- the host's words --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "said", "sentence"),
    [
        ("close", "thank you all", "the competition is closed: thank you all"),
        ("pause", "", "the competition is paused; the file"),
        ("deadline", "2020-01-01T12:00+01:00", "the competition ended at 2020-01-01 11:00 UTC"),
    ],
)
def test_nothing_is_taken_while_the_host_says_so(home, kind, said, sentence):
    engine, data = open_database(), prepared("tiny")
    host.say(engine, data, kind, said, "eva")
    with pytest.raises(Refusal, match=sentence):
        hand_in(engine, entry(home), binding=False)
    host.say(engine, data, {"close": "open", "pause": "resume", "deadline": "deadline"}[kind], "2999-01-01", "eva")
    assert hand_in(engine, entry(home))


def test_a_disqualified_team_is_in_no_row_until_that_is_undone_and_the_reason_is_told(home):
    engine, data = open_database(), prepared("tiny")
    for team, wrong in (("red", ""), ("blue", "a")):
        hand_in(engine, entry(home, wrong), team)
    score_all(engine)
    host.say(engine, data, "disqualify", "two accounts", "eva", "red")
    board = read(engine, find("tiny"), data)
    assert [row.team for row in board.rows] == ["blue"] and board.word.disqualified["red"].said == "two accounts"
    with pytest.raises(Refusal, match="red is disqualified: two accounts"):
        hand_in(engine, entry(home, "b"), "red")
    host.say(engine, data, "reinstate", "one account", "eva", "red")
    host.say(engine, data, "baseline", "", "eva", "red")
    assert [(row.team, row.baseline) for row in read(engine, find("tiny"), data).rows] == [
        ("red", True),
        ("blue", False),
    ]


@pytest.mark.parametrize(
    ("kind", "said", "team", "sentence"),
    [
        ("deadline", "tomorrow", None, "'tomorrow' is no time"),
        ("disqualify", "", "red", "needs words"),
        ("disqualify", "why", None, "needs a team"),
        ("close", "", "red", "does not take a team"),
        ("disqualify", "why", "green", "green has no entry"),
        ("dance", "", None, "is nothing a host can say"),
    ],
)
def test_a_word_of_the_host_that_makes_no_sense_is_refused(home, kind, said, team, sentence):
    with pytest.raises(UserError, match=sentence):
        host.say(open_database(), prepared("tiny"), kind, said, "eva", team)


def test_after_the_reveal_a_team_server_takes_nothing_more(home):
    engine = open_database()
    hand_in(engine, entry(home))
    score_all(engine)
    reveal_board(engine, prepared("tiny"))
    with pytest.raises(Refusal, match="are revealed"):
        hand_in(engine, entry(home, "a"))


# -- teams and tokens --------------------------------------------------------------------------------------------------


def test_a_token_opens_the_door_until_it_is_revoked_and_is_not_in_the_database(home):
    engine = open_database()
    teams.create_team(engine, "red")
    token = teams.issue_token(engine, "ada", "red")
    assert teams.who(engine, token) == ("ada", "red", "player") and len(token) >= 43
    session, member = teams.open_session(engine, token)
    assert teams.who(engine, session) == member and session != token
    engine.dispose()
    stored = b"".join(file.read_bytes() for file in home.glob("leaderboard.db*"))
    assert token.encode() not in stored and session.encode() not in stored
    assert teams.revoke(engine, "ada", "red") == 2
    assert teams.who(engine, token) is None and teams.who(engine, session) is None


@pytest.mark.parametrize(("there", "alike"), [("red", "RED"), ("coca", "соса"), ("hello", "he110"), ("cafe", "café")])
def test_a_name_that_looks_like_another_one_is_refused(home, there, alike):
    engine = open_database()
    teams.create_team(engine, there)
    with pytest.raises(UserError, match="cannot be told from the team"):
        teams.create_team(engine, alike)


@pytest.mark.parametrize(
    "name", ["red", "Émile et Zoë", "Ελλάς", "Красная", "東京チーム", "한국", "हिन्दी", "team 42", "عربي", "ไทย"]
)
def test_honest_names_of_many_scripts_are_taken(home, name):
    assert teams.create_team(open_database(), name) == name


def test_a_name_of_two_scripts_that_look_alike_is_refused(home):
    with pytest.raises(UserError, match="mixes letters of CYRILLIC and LATIN"):
        teams.create_team(open_database(), "rеd")


# -- rank intervals ----------------------------------------------------------------------------------------------------


def test_the_rank_interval_says_between_which_ranks_a_team_lies(home):
    engine = open_database()
    for team, wrong in (("red", ""), ("green", "a"), ("blue", "abcdef")):
        hand_in(engine, entry(home, wrong), team)
    score_all(engine)
    numbers = [row.number for row in shown().rows]
    table = resampled.scores_of(engine, find("tiny"), prepared("tiny"), "public", numbers)
    assert resampled.rank_intervals(table, higher_is_better=True) == [(1, 1), (1, 2), (3, 3)]
    assert resampled.rank_intervals(-table, higher_is_better=False) == [(1, 1), (1, 2), (3, 3)]
    tiny_board.prepare(home, "tiny", "aaaa1111", ids=list("xyz"))  # kept: the answers are not asked again
    assert (resampled.scores_of(engine, find("tiny"), prepared("tiny"), "public", numbers) == table).all()
