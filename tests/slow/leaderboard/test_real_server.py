"""`python -m leaderboard serve` as a process: it scores what comes over the network, and replaces a killed scorer."""

import json
import os
import signal
import time
import urllib.request
from pathlib import Path

import pytest
from sqlalchemy import select

from leaderboard.database import jobs, open_database, reading
from tests.support import tiny_board
from tests.support.board_client import FILES
from tests.support.ports import free_port
from tests.support.tiny_board import entry

pytestmark = pytest.mark.soak


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
    with reading(open_database()) as connection:
        assert connection.execute(select(jobs.c.state)).scalars().all() == ["scored", "scored"]


def is_up(base):
    try:
        return urllib.request.urlopen(f"{base}/healthz").read() == b"ok\n"
    except OSError:
        return False
