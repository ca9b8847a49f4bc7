"""Server and scorer are killed under load: nothing acknowledged is lost, doubled or scored twice."""

import http.client
import json
import os
import random
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from statistics import median

import pytest
from sqlalchemy import select

from harness.files import sha256_of
from leaderboard.database import jobs, open_database, reading, scores, submissions
from tests.support import tiny_board
from tests.support.ports import free_port
from tests.support.tiny_board import entry

pytestmark = pytest.mark.soak

KILLS, UP_SECONDS = 200, 3.0


def request(port, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST" if body else "GET", path, body)
    response = connection.getresponse()
    return response.status, response.read()


def is_up(port):
    try:
        return request(port, "/healthz")[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def wait_until(true, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_was_acknowledged_survives_kills_of_server_and_scorer_under_load(home):
    """Every file is another one; half of the kills hit the scorer alone, and the server replaces it."""
    port, chance, acknowledged, done, up = free_port(), random.Random(0), {}, threading.Event(), []

    def load(team):
        for number in range(10_000):
            if done.is_set():
                return
            file = entry(home, "a", by=number + 1, name=f"{team}{number}").read_bytes()
            try:
                path = f"/api/competitions/tiny/submissions?team={team}&wait=1"
                status, answer = request(port, path, file)
            except (OSError, http.client.HTTPException):
                time.sleep(0.1)
                continue
            assert status in (201, 202), answer
            acknowledged[json.loads(answer)["id"]] = json.loads(answer)["sha256"]

    def start():
        begun = time.monotonic()
        process = tiny_board.python(home, "-m", "leaderboard", "serve", "--port", port)
        wait_until(lambda: is_up(port))
        up.append(time.monotonic() - begun)
        return process

    process = start()
    threads = [threading.Thread(target=load, args=(team,)) for team in ("red", "blue", "green")]
    for thread in threads:
        thread.start()
    for kill in range(KILLS):
        time.sleep(chance.uniform(0.3, 1.2))
        if kill % 2:
            for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
                os.kill(int(child), signal.SIGKILL)
        else:
            process.kill()
            process.communicate()
            process = start()
    done.set()
    for thread in threads:
        thread.join()

    engine = open_database()

    def states():
        with reading(engine) as connection:
            return connection.execute(select(jobs.c.state)).scalars().all()

    wait_until(lambda: not {"waiting", "scoring"} & set(states()), 120)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    with reading(engine) as connection:
        there = dict(connection.execute(select(jobs.c.id, jobs.c.sha256)).all())
        entries = connection.execute(select(submissions.c.team, submissions.c.sha256)).all()
        parts = connection.execute(select(scores.c.submission, scores.c.part)).all()
    ended = Counter(states())
    summary = f"{KILLS} kills, {len(acknowledged)} acknowledged, {dict(ended)}"
    print(f"{summary}; up again after {median(up):.2f} s, {max(up):.2f} s at most")
    assert len(acknowledged) > 20 and acknowledged.items() <= there.items()
    assert set(ended) <= {"scored", "failed"} and ended["failed"] <= KILLS / 10  # three kills met those
    assert len(entries) == len(set(entries)) == ended["scored"] and len(parts) == len(set(parts)) == 3 * len(entries)
    kept = {file.name: file for file in (home / "boards").rglob("*") if len(file.name) == 64}
    assert all(sha256_of(kept[sha256]) == sha256 for sha256 in acknowledged.values())
    assert sum(seconds < UP_SECONDS for seconds in up) >= 0.95 * len(up)
