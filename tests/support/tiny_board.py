"""Two tiny competitions with answers, as `make data` leaves them: `tiny` (share of hits) and `darts` (distance).

Ten hold-out rows a to j, each a group of its own; the first six are scored publicly. The answers are 0 to 9.
"""

import hashlib
import io
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
from rich.console import Console
from sqlalchemy import Engine

from harness import paths
from harness.competition import find
from leaderboard import __main__ as command_line
from leaderboard import board, host, queue, scorer
from leaderboard.answers import JudgedData, prepared
from leaderboard.cli import terminal, text
from leaderboard.database import open_database
from leaderboard.judge import EntryResult, judge
from leaderboard.queue import ReceivedFile

IDS = list("abcdefghij")
PUBLIC = 6
REPOSITORY = Path(__file__).parents[2]

DECLARATION = """
import numpy as np

from harness.competition import Competition, Rules
from harness.ensemble import Blend
from harness.data.splits import stratified_grouped
from harness.tasks.regression import Regression


class Hits:
    name, version, higher_is_better, needs = "share of hits", 1, True, "labels"

    def statistics(self, truth, predicted):
        return (truth == predicted).astype(float)

    def score(self, statistics, counts=None):
        return statistics.mean() if counts is None else counts @ statistics / counts.sum(-1)

    def by_class(self, statistics, counts=None):
        return {{}}


class Distance(Hits):
    name, higher_is_better = "mean distance", False

    def statistics(self, truth, predicted):
        return np.abs(truth - predicted)


competition = Competition(
    name="{name}",
    task=Regression("value"),
    metric={metric}(),
    sources=(),
    load=None,
    split=stratified_grouped(by=None),
    models={{}},
    ensemble=Blend(()),
    default=(),
    rules=Rules(submissions_per_day=5, finals=2),
)
"""


def make(root: Path) -> Path:
    """Declarations, prepared answers and an empty board below `root`."""
    (root / "competitions").mkdir()
    (root / "competitions" / "__init__.py").touch()
    for name, metric in (("tiny", "Hits"), ("darts", "Distance")):
        folder = root / "competitions" / name
        folder.mkdir()
        (folder / "__init__.py").touch()
        (folder / "competition.py").write_text(DECLARATION.format(name=name, metric=metric))
        prepare(root, name, "aaaa1111")
    return root


def prepare(root: Path, name: str, data_hash: str, ids: list[str] = IDS, answers: np.ndarray | None = None) -> None:
    private = root / "data" / name / data_hash / "private"
    private.mkdir(parents=True, exist_ok=True)
    np.savez(
        private / "answers.npz",
        ids=np.array(ids),
        groups=np.arange(len(ids)),
        public=np.arange(len(ids)) < PUBLIC,
        targets=np.arange(float(len(ids))) if answers is None else answers,
    )
    current = root / "data" / name / "current.json"
    current.write_text(json.dumps({"data_hash": data_hash, "source": "sample"}))


def entry(root: Path, wrong: str = "", by: float = 100.0, name: str = "entry", manifest: dict | None = None) -> Path:
    """A submission that is right but for the ids in `wrong`, which are off by `by`."""
    file = root / f"{name}.csv"
    rows = [f"{name_},{k + by * (name_ in wrong)}" for k, name_ in enumerate(IDS)]
    file.write_text("\n".join(["id,value", *rows]) + "\n")
    if manifest is not None:
        file.with_suffix(".json").write_text(json.dumps(manifest))
    return file


def python(root: Path, *arguments: object) -> subprocess.Popen:
    """A Python process whose competitions and board are those below `root`."""
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "HARNESS_HOME": str(root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(root: Path, *arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `python -m leaderboard`."""
    process = python(root, "-m", "leaderboard", *arguments)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def enter(root: Path, *entries: tuple[str, str], name: str = "tiny") -> list[EntryResult]:
    """Judge one file for every (team, ids that are wrong)."""
    return [judge(name, entry(root, wrong, name=f"entry{wrong}"), team) for team, wrong in entries]


def queue_file(
    team: str,
    content: bytes,
    binding: bool = True,
    board: JudgedData | None = None,
    name: str = "mine.csv",
    **run: object,
) -> int:
    """Put a file into the queue, as a server does, and return its number. run: the manifest, if there is one."""
    path = paths.root() / f"{random.random()}.received"
    path.write_bytes(content)
    received = ReceivedFile(path, hashlib.sha256(content).hexdigest(), len(content), name, run or None)
    return queue.accept(open_database(), board or prepared("tiny"), team, received, 5, binding)


def score_all(engine: Engine) -> None:
    """Stands in for the scorer process."""
    while job := queue.claim(engine, "here"):
        scorer.work(engine, "here", job)


def everything_happens(home: Path) -> None:
    """A board of `tiny` with three teams, finals, news, a disqualification and the reveal."""
    engine, declared, data = open_database(), find("tiny"), prepared("tiny")
    first = judge("tiny", entry(home, wrong="a", manifest={"cv": {"score": 0.75}}), "red")
    enter(home, ("red", "b"), ("blue", "cd"), ("grün", "h"))
    host.select_finals(engine, declared, data, "red", [first.submission])
    host.act(engine, data, "announce", "Welcome — “all”", "eva")
    host.act(engine, data, "disqualify", "two accounts", "eva", "blue")
    host.reveal_board(engine, data, "eva")


def everything() -> tuple:
    """All that the board of `tiny` shows."""
    present, data = shown(), prepared("tiny")
    choice = host.read_choice(open_database(), find("tiny"), data, "red")
    return text.as_json(present), present.host, choice.entries, present.entries.all


def shown(name: str = "tiny", data_hash: str | None = None) -> board.Board:
    """The board as it is now."""
    return board.read(open_database(), find(name), prepared(name, data_hash))


def printed(width: int = 120) -> str:
    """The board of `tiny` as the terminal shows it."""
    console = Console(width=width, record=True, highlight=False, file=io.StringIO())
    terminal.show_board(text.as_json(shown()), console)
    return console.export_text()


def call(capsys, monkeypatch, *arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of the command line, in this process."""
    monkeypatch.setattr(sys, "argv", ["leaderboard", *map(str, arguments)])
    code = command_line.main()
    out, err = capsys.readouterr()
    return code, out, err
