"""How much sooner a search gets somewhere with pruning: `python -m tests.benchmarks.racing`, 19 minutes.

Pairs of whole searches, with and without, one after the other and each in a home of its own; who begins changes from
pair to pair. Prints when the search without reached its own best score, and when the one with racing had that score.

On cars, whose offline sample is real (scikit-learn's diabetes), because its models take a second or two for a trial and
differ: on digits (`--competition digits --models two_layer_torch`) nearly every variant scores 0.97, and who reaches
that first is chance.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from harness.competition import find
from tests.benchmarks.protocol import REPOSITORY, machine

WARM_UP = 1 / 3  # of a search's hours: for the one that measures the costs, which all others then use
NEITHER = ("--no-race", "--no-cut")
HEAD = """| pair | without: s to its best | score | with: s to that | its best | ratio | without: whole, cut | with |
|---|---|---|---|---|---|---|---|"""


@dataclass(frozen=True)
class Course:
    """bests: (seconds since the search began, score) whenever a whole variant was the best so far.

    trials: finished, cut and failed.
    """

    bests: Sequence[tuple[float, float]]
    trials: dict[str, int]
    higher_is_better: bool

    @property
    def best(self) -> float:
        return self.bests[-1][1]

    def reached(self, score: float) -> float:
        """When it had a score at least as good; infinite where it never had."""
        sign = 1 if self.higher_is_better else -1
        return next((when for when, best in self.bests if sign * best >= sign * score), float("inf"))


def main(arguments: list[str]) -> None:
    asked = options(arguments)
    load = os.getloadavg()[0]
    with TemporaryDirectory() as folder:
        home = Path(folder)
        search(home / "warm", asked, WARM_UP * asked.hours, ())
        print(HEAD)
        found = [pair(home, asked, number) for number in range(asked.seeds)]
    low, high = min(found), max(found)
    print(f"\nmedian ratio {statistics.median(found):.3g} [{low:.3g}, {high:.3g}]; 0: never reached; {machine(load)}")


def options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.racing", description=__doc__)
    parser.add_argument("--competition", default="cars")
    parser.add_argument("--data", type=Path, help="else the offline sample")
    parser.add_argument("--models", default="boosting,histograms", help="with commas")
    parser.add_argument("--hours", type=float, default=0.03, help="of every search")
    parser.add_argument("--seeds", type=int, default=5, help="pairs; the searches themselves draw at random")
    parser.add_argument("--workers", type=int)
    return parser.parse_args(arguments)


def pair(home: Path, asked: argparse.Namespace, number: int) -> float:
    """Prints its line; returns how many times sooner."""
    arms = {"without": NEITHER, "with": ()}
    courses = {}
    for arm in sorted(arms, reverse=number % 2 == 0):
        courses[arm] = raced(home, asked, arms[arm])
    without, racing = courses["without"], courses["with"]
    slow, fast = without.reached(without.best), racing.reached(without.best)
    counts = (f"{course.trials['finished']}, {course.trials['cut']}" for course in (without, racing))
    cells = (number, f"{slow:.1f}", f"{without.best:.4f}", f"{fast:.1f}", f"{racing.best:.4f}", f"{slow / fast:.2f}")
    print(f"| {' | '.join(map(str, (*cells, *counts)))} |", flush=True)
    return slow / fast


def raced(home: Path, asked: argparse.Namespace, flags: Sequence[str]) -> Course:
    """A search in a home that holds the data and the measured costs, and nothing else."""
    with TemporaryDirectory(dir=home) as folder:
        own = Path(folder)
        shutil.copytree(home / "warm" / "data", own / "data")
        for costs in (home / "warm" / "searches").rglob("costs.json"):
            place = own / costs.relative_to(home / "warm")
            place.parent.mkdir(parents=True)
            shutil.copy(costs, place)
        search(own, asked, asked.hours, flags)
        return course(own, asked.competition)


def search(home: Path, asked: argparse.Namespace, hours: float, flags: Sequence[str]) -> dict[str, Any]:
    wanted = ["--hours", str(hours), "--models", asked.models, *flags]
    wanted += ["--workers", str(asked.workers)] if asked.workers else []
    wanted += ["--data", str(asked.data.resolve())] if asked.data else []
    command = [sys.executable, "-m", "harness", "search", asked.competition, *wanted, "--json"]
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    environment["HARNESS_HOME"] = str(home)
    began = time.monotonic()
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    told = json.loads(done.stdout)
    print(f"{time.monotonic() - began:.0f} s {' '.join(flags)} {told['trials']}", file=sys.stderr, flush=True)
    return told


def course(home: Path, competition: str) -> Course:
    """Of the only search in a home, from its study: the declared model's trial begins with the search."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    (file,) = (home / "searches").rglob("study.db")
    trials = optuna.load_study(study_name=competition, storage=f"sqlite:///{file}").get_trials(deepcopy=False)
    began = min(trial.datetime_start for trial in trials if trial.datetime_start)
    whole = sorted(
        ((trial.datetime_complete - began).total_seconds(), trial.value)
        for trial in trials
        if trial.state.name == "COMPLETE" and trial.datetime_complete and trial.value is not None
    )
    higher, bests = find(competition).metric.higher_is_better, list[tuple[float, float]]()
    for when, score in whole:
        if not bests or (score > bests[-1][1] if higher else score < bests[-1][1]):
            bests.append((when, score))
    counts = {what: sum(trial.state.name == state for trial in trials) for what, state in STATES.items()}
    return Course(bests, counts, higher)


STATES = {"finished": "COMPLETE", "cut": "PRUNED", "failed": "FAIL"}


if __name__ == "__main__":
    main(sys.argv[1:])
