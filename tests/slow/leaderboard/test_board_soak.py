"""Long histories on both databases, and kills at many moments."""

import json
import signal
import time

import pytest

from leaderboard.judge import judge
from tests.support import postgres, tiny_board
from tests.support.board_histories import History, Home
from tests.support.frozen import Clock, forget, hold
from tests.support.tiny_board import entry, shown
from tests.support.two_worlds import compare_two_worlds

pytestmark = pytest.mark.soak


def test_every_history_leaves_the_board_of_the_model_on_sqlite_and_on_postgresql(home, tmp_path, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "")
    other = tmp_path / "other"
    other.mkdir()
    with postgres.running() as running:
        homes = [Home(home), Home(tiny_board.make(other), running.create("board"))]
        clock = hold(monkeypatch, Clock())
        for seed in range(20):
            History(homes, clock, seed).go_on(40)
        for one in homes:
            one.engine.dispose()


def test_no_byte_of_five_hundred_answers_depends_on_a_private_answer_before_the_reveal(home, capfd, monkeypatch):
    compare_two_worlds(home, 500, capfd, monkeypatch)
    forget()


def test_what_was_acknowledged_survives_a_kill_at_any_moment(home):
    acknowledged = 0
    for k in range(40):
        file = entry(home, by=k + 1, wrong="a")
        process = tiny_board.python(home, "-m", "leaderboard", "score", "tiny", file, "--team", "red", "--json")
        time.sleep(0.5 + 0.03 * k)
        process.send_signal(signal.SIGKILL)
        acknowledged += "accepted" in process.communicate()[0]
    assert acknowledged <= sum(row.entries for row in shown().rows) <= 40


def scores(home):
    """What a process of its own shows, which reads the declaration as it is now."""
    _, out, _ = tiny_board.run(home, "board", "tiny", "--json")
    return {row["team"]: row["score"] for row in json.loads(out)["rows"]}


def test_a_rescoring_killed_at_twenty_moments_leaves_one_version_and_the_same_command_ends_it(home):
    declaration = home / "competitions" / "tiny" / "competition.py"
    for k in range(40):
        judge("tiny", entry(home, wrong="abcdef"[: k % 6], by=k + 1.0), f"team{k % 7}")
    before = scores(home)
    declaration.write_text(
        declaration.read_text()
        .replace('"share of hits", 1,', '"share of hits", 2,')
        .replace("truth == p", "truth != p")
    )
    boards = []
    for k in range(20):
        process = tiny_board.python(home, "-m", "leaderboard", "rescore", "tiny")
        time.sleep(0.6 + 0.05 * k)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        boards.append(scores(home))
    tiny_board.run(home, "rescore", "tiny")
    after = scores(home)
    assert after != before and all(board in (before, after) for board in boards)
