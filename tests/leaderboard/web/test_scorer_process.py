"""Starting to serve: the port, what is imported, and the scorer's process, which is replaced when it dies."""

import json
import os
import signal
import socket
import time
import urllib.request
from pathlib import Path

import pytest

from harness.errors import UserError
from leaderboard.database import open_database
from leaderboard.queue import read_job
from leaderboard.web.app import ScorerProcess, require_free_port
from tests.support import tiny_board
from tests.support.board_client import FILES, client_of, submit
from tests.support.ports import free_port
from tests.support.tiny_board import entry, shown

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


@pytest.mark.soak
def test_a_real_server_starts_scores_replaces_a_killed_scorer_and_ends_on_ctrl_c(home):
    base = f"http://127.0.0.1:{free_port()}"
    process = tiny_board.python(home, "-m", "leaderboard", "serve", "--port", base.rpartition(":")[2])
    try:
        deadline = time.monotonic() + 60
        while not is_up(base):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.1)
        for wrong in ("a", "b"):
            asked = urllib.request.Request(f"{base}{FILES}?team=red&wait=60", entry(home, wrong).read_bytes())
            assert json.load(urllib.request.urlopen(asked))["accepted"]
            for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
                os.kill(int(child), signal.SIGKILL)
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert "a new one begins" in err and "Traceback" not in err
    assert shown().rows[0].entries == 2


def is_up(base):
    try:
        return urllib.request.urlopen(f"{base}/healthz").read() == b"ok\n"
    except OSError:
        return False
