"""A new version of the metric: the board is entirely by the old one, or entirely by the new one."""
# ruff: noqa: F811 (pytest finds the fixture `home` by its name)

import itertools
import json
import signal
import time

import pytest
from sqlalchemy import select

from harness.competition import find
from harness.errors import UserError
from leaderboard import ledger, rescore
from leaderboard.answers import prepared
from leaderboard.database import open_database, reading
from leaderboard.judge import judge
from leaderboard.queue import Refusal, read_job
from leaderboard.rebuild import rebuild
from leaderboard.tables import scores
from leaderboard.verify import verify
from tests.leaderboard.test_leaderboard import call, home, printed, shown  # noqa: F401
from tests.leaderboard.test_ledger import made_once
from tests.leaderboard.web.test_scorer_process import enqueue as hand_in
from tests.leaderboard.web.test_scorer_process import score_all, used
from tests.support import tiny_board
from tests.support.tiny_board import entry

OLD = {"red": 5 / 6, "blue": 4 / 6, "green": 2 / 6}
NEW = {"red": 3 / 6, "blue": 5 / 6, "green": 4 / 6}  # of other entries: those with the most misses


def change_metric(monkeypatch):
    """Version 2 counts the misses."""
    metric = type(find("tiny").metric)
    monkeypatch.setattr(metric, "version", 2)
    monkeypatch.setattr(metric, "statistics", lambda self, truth, predicted: (truth != predicted).astype(float))


def five_entries(home):
    for team, wrong in (("red", "a"), ("red", "abc"), ("blue", "ab"), ("green", "abcd"), ("blue", "abcde")):
        judge("tiny", entry(home, wrong), team)


@pytest.fixture
def changed(home, monkeypatch, tmp_path_factory):
    """Five entries of three teams, and a declaration that has gone ahead."""
    made_once(home, five_entries, tmp_path_factory)
    rows = shown().rows
    change_metric(monkeypatch)
    monkeypatch.setattr(rescore, "CHUNK", 2)
    assert shown().rows == rows
    return home


def by_team():
    return {row.team: row.score for row in shown().rows}


def test_all_entries_are_scored_beside_the_old_ones_and_the_ranks_change_at_once(changed):
    done = rescore.rescore("tiny", reason="it counted hits")
    assert by_team() == NEW and done.entries == 5
    assert [(m.team, m.old_rank, m.new_rank) for m in done.moved] == [("blue", 2, 1), ("green", 3, 2), ("red", 1, 3)]
    assert [(m.old_score, m.new_score) for m in done.moved] == [(4 / 6, 5 / 6), (2 / 6, 4 / 6), (5 / 6, 3 / 6)]
    assert (done.was.version, done.now.version, done.now.reason) == (1, 2, "it counted hits")
    with reading(open_database()) as connection:
        assert sorted(connection.scalars(select(scores.c.version)).all()) == [1] * 10 + [2] * 10
    assert rescore.differences(open_database(), find("tiny"), prepared("tiny")) == done.moved
    with pytest.raises(UserError, match="version 2, as declared; raise `version` of the metric"):
        rescore.rescore("tiny")


def test_until_then_the_board_says_so_and_takes_nothing(changed):
    assert by_team() == OLD
    assert "stands by share of hits, version 1" in printed().replace("\n", " ")
    with pytest.raises(UserError, match="once the host has run `make rescore COMP=tiny`"):
        judge("tiny", entry(changed, wrong="f"), "red")
    rescore.rescore("tiny")
    assert judge("tiny", entry(changed, wrong="abcdef"), "red").public == 1.0


@pytest.mark.parametrize("after", [False, True], ids=["before the line is written", "after it"])
def test_a_kill_at_any_step_leaves_one_version_or_the_other(changed, monkeypatch, after):
    written, seen = ledger.append, []
    for step in itertools.count(1):
        calls = itertools.count(1)

        def append(*line, calls=calls, step=step):
            if after:
                written(*line)
            if next(calls) == step:
                raise KeyboardInterrupt
            if not after:
                written(*line)

        with monkeypatch.context() as patched:
            patched.setattr(ledger, "append", append)
            try:
                rescore.rescore("tiny")
            except KeyboardInterrupt:
                seen.append(by_team())
            except UserError as error:  # the line of the change was followed by the next command
                assert after and "as declared" in str(error)
                break
            else:
                break
    assert seen and all(board in (OLD, NEW) for board in seen)
    assert by_team() == NEW and verify("tiny").behind == 0


def test_a_server_refuses_what_comes_until_then_and_what_was_waiting_and_takes_no_quota(home, monkeypatch):
    engine = open_database()
    judge("tiny", entry(home), "blue")
    number = hand_in(engine, entry(home, wrong="a"))
    change_metric(monkeypatch)
    with pytest.raises(Refusal, match="once the host has run `make rescore COMP=tiny`, hand in again; the file was"):
        hand_in(engine, entry(home, wrong="b"))
    score_all(engine)
    assert read_job(engine, number).state == "refused" and used(engine) == 0
    rescore.rescore("tiny")
    hand_in(engine, entry(home, wrong="a"))
    score_all(engine)
    assert by_team() == {"blue": 0.0, "red": 1 / 6}


def test_a_file_that_the_new_metric_cannot_score_leaves_the_board_as_it_was(changed, monkeypatch):
    def refuse(*_):
        raise UserError("it has no confidence")

    monkeypatch.setattr(rescore, "score_file", refuse)
    with pytest.raises(UserError, match=r"cannot be scored by version 2.*no confidence; the board stays as it was"):
        rescore.rescore("tiny")
    assert by_team() == OLD


def test_a_rebuilt_board_stands_by_the_version_that_it_stood_by(changed):
    rescore.rescore("tiny")
    rows = shown().rows
    for file in changed.glob("leaderboard.db*"):
        file.unlink()
    rebuild("tiny")
    assert shown().rows == rows


def test_what_changed_is_one_json_object_or_a_table(changed, capsys, monkeypatch):
    code, out, _ = call(capsys, monkeypatch, "rescore", "tiny", "--reason", "typo", "--json")
    told = json.loads(out)
    assert code == 0 and told["now"]["reason"] == "typo"
    assert told["moved"][0] == {"team": "blue", "old_rank": 2, "new_rank": 1, "old_score": 4 / 6, "new_score": 5 / 6}
    monkeypatch.setattr(type(find("tiny").metric), "version", 3)
    code, out, _ = call(capsys, monkeypatch, "rescore", "tiny")
    assert code == 0 and "tiny stands by version 3 of share of hits, before by 2; 5 entries scored" in out


KILLS = 20


def told(home):
    """By a process of its own, which reads the declaration as it is now."""
    _, out, _ = tiny_board.run(home, "board", "tiny", "--json")
    return {row["team"]: row["score"] for row in json.loads(out)["rows"]}


@pytest.mark.soak
def test_killed_at_twenty_moments_the_board_is_by_one_version_and_the_same_command_ends_it(home):
    file = home / "competitions" / "tiny" / "competition.py"
    for k in range(40):
        judge("tiny", entry(home, wrong="abcdef"[: k % 6], by=k + 1.0), f"team{k % 7}")
    before = told(home)
    file.write_text(
        file.read_text().replace('"share of hits", 1,', '"share of hits", 2,').replace("truth == p", "truth != p")
    )
    boards = []
    for k in range(KILLS):
        process = tiny_board.python(home, "-m", "leaderboard", "rescore", "tiny")
        time.sleep(0.6 + 0.05 * k)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        boards.append(told(home))
    tiny_board.run(home, "rescore", "tiny")
    after = told(home)
    assert after != before and all(board in (before, after) for board in boards)
