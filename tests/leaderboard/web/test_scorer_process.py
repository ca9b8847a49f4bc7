"""Starting to serve: the port, what is imported, and the scorer's process, which is replaced when it dies."""

import os
import signal
import socket
import time

import pytest

from harness.errors import UserError
from leaderboard.database import open_database
from leaderboard.queue import read_job
from leaderboard.web.app import ScorerProcess, require_free_port
from tests.support import tiny_board
from tests.support.board_client import client_of, submit

SERVED = """
import sys
from tests.support.board_client import client_of
import leaderboard.scorer
with client_of(scores=False) as client:
    assert client.get("/").status_code == client.get("/c/tiny").status_code == 200
print(*sys.modules)
"""


def test_serving_and_scoring_import_nothing_heavy(home):
    out, err = tiny_board.python(home, "-c", SERVED).communicate(timeout=60)
    assert "leaderboard.web.app" in out, err
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
        with client_of(scores=False) as client:
            number = submit(client, home, "a", "&team=red&wait=0").json()["id"]
        deadline = time.monotonic() + 60
        while read_job(engine, number).state != "scored":
            assert time.monotonic() < deadline
            process.wake()
            time.sleep(0.05)
    finally:
        process.stop()
    assert "a new one begins" in capfd.readouterr().err
