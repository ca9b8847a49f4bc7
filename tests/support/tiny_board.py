"""Two tiny competitions with answers, as `pipeline.prepare` leaves them: `tiny` (share of hits) and `darts` (distance).

Ten hold-out rows a to j, each a group of its own; the first six are scored publicly. The answers are 0 to 9.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

IDS = list("abcdefghij")
PUBLIC = 6
REPOSITORY = Path(__file__).parents[2]

DECLARATION = """
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from harness.competition import Competition, Rules
from harness.ensemble import Blend
from harness.errors import InvalidSubmission
from harness.data.splits import stratified_grouped
from harness.tasks.tables import Wanted, read_table


class Numbers:
    classes, void, views, output = (), None, {{}}, "labels"

    def read(self, file, ids):
        wanted, values = Wanted(file, ids), np.zeros(len(ids))
        for line, (name, value) in read_table(file, ["id", "value"]):
            values[wanted.row(name, line)] = float(value)
        wanted.require_all()
        return values


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
    task=Numbers(),
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


def entry(root: Path, wrong: str = "", by: float = 100.0, name: str = "entry", card: dict | None = None) -> Path:
    """A submission that is right but for the ids in `wrong`, which are off by `by`."""
    file = root / f"{name}.csv"
    rows = [f"{name_},{k + by * (name_ in wrong)}" for k, name_ in enumerate(IDS)]
    file.write_text("\n".join(["id,value", *rows]) + "\n")
    if card is not None:
        file.with_suffix(".json").write_text(json.dumps(card))
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
