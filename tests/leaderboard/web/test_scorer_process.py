"""The scorer as a process of the server: what it imports, the port, and what happens when it is killed."""

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
from tests.support.tiny_board import enqueue, entry

SERVED = """
import sys
from starlette.testclient import TestClient
from leaderboard.database import open_database
from leaderboard.web import app
from leaderboard.web.app import LOOPBACK
from leaderboard.web.hosted import Settings
from leaderboard.teams import User
import leaderboard.scorer
settings = Settings(open_database(), False, LOOPBACK, User("ada", None, "host"))
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
