"""A season of 2,000 teams and 100,000 entries, and how fast its pages are: `python -m tests.benchmarks.board_load`.

The server runs as `make serve` does, on SQLite, while two readers ask for pages at random and a player hands in a file
every ten seconds: the first reader after that waits for the new ranking. What it prints is for LOG.md.
"""

import argparse
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Table, insert

from harness.bootstrap import resamples as draw
from harness.metrics import Accuracy, chunks
from leaderboard.database import open_database, resamples, scores, statistics, submissions, versions, writing
from leaderboard.scoring import pack
from tests.support.ports import free_port

REPOSITORY = Path(__file__).resolve().parents[2]
CLASSES, IDS, PUBLIC = 8, 3000, 1200
EVERY = 10  # seconds: five times as often as in a season of two months
BOARD = {"competition": "field", "data_hash": "aaaa1111bbbb"}
METRIC = {"metric": "accuracy", "version": 1}
DECLARATION = f'''"""A field of teams: which of {CLASSES} kinds a row is. Accuracy."""

from harness.competition import Competition
from harness.metrics import Accuracy, chunks
from harness.data.splits import stratified_grouped
from harness.tasks.classification import Classification

CLASSES = tuple("abcdefgh")
competition = Competition(
    name="field", task=Classification(CLASSES), metric=Accuracy(CLASSES), sources=(), load=None,
    split=stratified_grouped(by=None), models={{}},
)
'''


def main() -> None:
    asked = options()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        os.environ["HARNESS_HOME"] = str(home)
        began = time.monotonic()
        best = make(home, asked.teams, asked.entries)
        size = sum(file.stat().st_size for file in home.rglob("*") if file.is_file())
        told = f"{asked.teams:,} teams, {asked.entries:,} entries"
        print(f"{told}: made in {time.monotonic() - began:.0f} s, {size / 1e6:.0f} MB")
        with Served(home) as server:
            first = ask(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60), "/c/field")[0]
            print(f"server up in {server.up:.2f} s; first board {1000 * first:.0f} ms")
            busy = server.busy()
            taken, sizes, entered = under_load(server.port, asked, best)
            busy = 1000 * (server.busy() - busy) / sum(map(len, taken.values()))
            print(f"{busy:.0f} ms of processor a page, the new rankings among them")
            print(f"memory of the server {server.memory() / 1e6:.0f} MB; {entered} files handed in meanwhile")
    print(f"{asked.readers} readers, {asked.seconds} s, load {os.getloadavg()[0]:.1f}\n")
    print(f"{'page':<16}{'asked':>7}{'kB':>7}{'p50 ms':>9}{'p95 ms':>9}{'max ms':>9}")
    for name, seconds in taken.items():
        at = np.percentile(np.array(seconds) * 1000, [50, 95, 100])
        print(f"{name:<16}{len(seconds):>7}{max(sizes[name]) / 1000:>7.0f}{at[0]:>9.0f}{at[1]:>9.0f}{at[2]:>9.0f}")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--teams", type=int, default=2000)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--readers", type=int, default=2)
    return parser.parse_args()


# -- a season ----------------------------------------------------------------------------------------------------------


def make(home: Path, teams: int, entries: int) -> list[int]:
    """Every team improves slowly. The numbers of the best entries, which have what the scorer keeps of them."""
    folder = home / "competitions" / "field"
    folder.mkdir(parents=True)
    for package in (folder.parent, folder):
        (package / "__init__.py").touch()
    (folder / "competition.py").write_text(DECLARATION)
    truth = prepare(home)
    chance = np.random.default_rng(0)
    skill = np.clip(chance.normal(0.75, 0.06, teams), 0.3, 0.95)
    team = chance.integers(0, teams, entries)
    team[:teams] = np.arange(teams)
    tried = np.zeros(teams, int)
    correct = np.empty((entries, 2))
    for k, who in enumerate(team):
        tried[who] += 1
        correct[k] = skill[who] + 0.05 * (1 - 1 / tried[who]) + chance.normal(0, 0.01)
    correct = np.clip(correct + chance.normal(0, [0.012, 0.01], (entries, 2)), 0.05, 0.999)
    correct = np.round(correct * [PUBLIC, IDS - PUBLIC]) / [PUBLIC, IDS - PUBLIC]
    engine = open_database()
    with writing(engine) as connection:
        put(connection, versions, [{**BOARD, **METRIC, "reason": "", "since": "2026-01-01T00:00:00.000000Z"}])
        enter(connection, team, correct)
        best = best_of(team, correct[:, 0])
        keep_resamples(connection, best, correct[:, 0], truth, chance)
    engine.dispose()
    return [k + 1 for k in best]


def prepare(home: Path) -> np.ndarray:
    """Answers, and a sample submission; the true classes."""
    folder = home / "data" / "field" / BOARD["data_hash"]
    truth = truth_of_all()
    ids = np.array([f"row{k}" for k in range(IDS)])
    for part in ("private", "public"):
        (folder / part).mkdir(parents=True)
    groups, public = np.arange(IDS), np.arange(IDS) < PUBLIC
    np.savez(folder / "private" / "answers.npz", ids=ids, groups=groups, public=public, targets=truth)
    rows = "".join(f"{name},0\n" for name in ids)
    (folder / "public" / "sample_submission.csv").write_text(f"id,label\n{rows}")
    (folder.parent / "current.json").write_text(json.dumps({"data_hash": BOARD["data_hash"], "source": "sample"}))
    return truth


def truth_of_all() -> np.ndarray:
    return np.random.default_rng(1).integers(0, CLASSES, IDS)


def enter(connection: Any, team: np.ndarray, correct: np.ndarray) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    moments = (start + timedelta(seconds=52 * k) for k in count())
    models = {name: {"score": 0.8, "low": 0.79, "high": 0.81} for name in ("unet", "macro", "micro", "big_rock")}
    for some in chunks(len(team), 5000):
        rows, measured = [], []
        for k, moment in zip(range(some.start, some.stop), moments, strict=False):
            cv = {"score": float(correct[k].mean()) - 0.01, "low": 0.0, "high": 1.0}
            manifest = {"cv": cv, "models": models, "git": "0" * 40, "seconds": 600.0, "note": "x" * 800}
            at = moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
            digest = sha256(str(k).encode()).hexdigest()
            named = {"id": k + 1, "team": f"team {team[k]}", "sha256": digest, "size": 20_000, "received_at": at}
            rows.append({**BOARD, **named, "manifest": manifest})
            public, private = correct[k].tolist()
            for part, value in (("public", public), ("private", private), ("shown", public)):
                score = {"submission": k + 1, **METRIC, "value": value, "low": value - 0.02, "high": value + 0.02}
                measured.append({**score, "part": part})
        put(connection, submissions, rows)
        put(connection, scores, measured)


def put(connection: Any, table: Table, rows: list[dict[str, Any]]) -> None:
    connection.execute(insert(table), rows)


def best_of(team: np.ndarray, score: np.ndarray) -> list[int]:
    """The position of every team's best entry: the scorer keeps the resamples of those."""
    order = np.lexsort((np.arange(len(team)), -score, team))
    first = np.r_[True, np.diff(team[order]) > 0]
    return order[first].tolist()


def keep_resamples(connection: Any, best: list[int], score: np.ndarray, truth: np.ndarray, chance: Any) -> None:
    """The rows that an entry has right are mostly those that are easy for all."""
    metric, ease = Accuracy(tuple("abcdefgh")), chance.normal(size=PUBLIC)
    counts = np.concatenate(list(draw(None, PUBLIC))).astype(np.float32)
    for some in (best[part] for part in chunks(len(best), 500)):
        rank = np.argsort(np.argsort(ease + chance.normal(size=(len(some), PUBLIC)), axis=1), axis=1)
        right = rank >= PUBLIC - np.round(score[some] * PUBLIC)[:, None]
        kept = (counts @ right.T.astype(np.float32) / PUBLIC).T
        keys = [{"submission": k + 1, **METRIC, "part": "public"} for k in some]
        put(connection, resamples, [key | {"packed": pack(row)} for key, row in zip(keys, kept, strict=True)])
        said = np.where(right, truth[:PUBLIC], (truth[:PUBLIC] + 1) % CLASSES)
        rows = [pack(metric.statistics(truth[:PUBLIC], labels)) for labels in said]
        put(connection, statistics, [key | {"packed": row} for key, row in zip(keys, rows, strict=True)])


# -- the load ----------------------------------------------------------------------------------------------------------


class Served:
    """`make serve` in a process of its own. up: seconds until it answers."""

    def __init__(self, home: Path, *options: str):
        self.home, self.port, self.options = home, free_port(), options

    def __enter__(self) -> "Served":
        began = time.monotonic()
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "HARNESS_HOME": str(self.home)}
        command = [sys.executable, "-m", "leaderboard", "serve", "--port", str(self.port), *self.options]
        self.process = subprocess.Popen(command, cwd=self.home, env=environment)
        while True:
            try:
                ask(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60), "/healthz")
                break
            except ConnectionRefusedError:
                time.sleep(0.02)
        self.up = time.monotonic() - began
        return self

    def memory(self) -> int:
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def busy(self) -> float:
        """Seconds of processor that it has used."""
        user, system = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)


def ask(connection: http.client.HTTPConnection, path: str) -> tuple[float, int]:
    """Seconds, and bytes; it must be there."""
    began = time.perf_counter()
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read()
    assert response.status == 200, (path, response.status, body[:200])
    return time.perf_counter() - began, len(body)


def pages(chance: random.Random, teams: int, best: list[int]) -> dict[str, str]:
    last = -(-teams // 100)
    return {
        "board": "/c/field",
        "a later page": f"/c/field?page={chance.randint(1, last)}",
        "sorted by gap": f"/c/field?sort=gap&order=down&page={chance.randint(1, last)}",
        "team": f"/c/field/team/team%20{chance.randrange(teams)}",
        "entry": f"/c/field/entry/{chance.choice(best)}",
        "rules": "/c/field/rules",
        "submit": "/c/field/submit",
        "home": "/",
    }


def under_load(
    port: int, asked: argparse.Namespace, best: list[int]
) -> tuple[dict[str, list[float]], dict[str, list[int]], int]:
    """Seconds and bytes of every page, by its kind, and how many files came in."""
    taken: dict[str, list[float]] = defaultdict(list)
    sizes: dict[str, list[int]] = defaultdict(list)
    end, handed_in = time.monotonic() + asked.seconds, []

    def read(seed: int) -> None:
        chance, connection = random.Random(seed), http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while time.monotonic() < end:
            name, path = chance.choice(list(pages(chance, asked.teams, best).items()))
            second, size = ask(connection, path)
            taken[name].append(second)
            sizes[name].append(size)
            time.sleep(0.05)

    def enter_files() -> None:
        chance = random.Random(9)
        while time.monotonic() < end:
            labels = [label if chance.random() < 0.85 else 0 for label in truth_of_all()]
            rows = "".join(f"row{k},{label}\n" for k, label in enumerate(labels))
            query = f"/api/competitions/field/submissions?team=team%20{chance.randrange(asked.teams)}&wait=0"
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)  # the server drops one that rests
            connection.request("POST", query, f"id,label\n{rows}".encode())
            handed_in.append(connection.getresponse().read())
            time.sleep(EVERY)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(asked.readers)]
    threads.append(threading.Thread(target=enter_files))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return taken, sizes, len(handed_in)


if __name__ == "__main__":
    main()
