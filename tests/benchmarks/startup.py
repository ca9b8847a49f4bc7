"""Row 8: how long a command takes that trains nothing, and what it imports."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Set
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.protocol import REPOSITORY, Result, in_turn, ratios, timed

NOTHING = ("-c", "pass")
HELP = ("-m", "harness", "--help")
BOARD = ("-m", "leaderboard", "board", "mars")
ROUNDS = 11


def startup() -> list[Result]:
    with TemporaryDirectory() as home:
        prepare(home)
        return [
            command("8a", "--help without numpy, pandas, torch", HELP, 0.3, {"numpy", "pandas", "torch"}, home),
            command("8b", "the board with 3 rows, without torch", BOARD, 1.0, {"torch"}, home),
        ]


def command(row: str, goal: str, arguments: tuple[str, ...], target: float, banned: Set[str], home: str) -> Result:
    """Wall seconds of a Python process, the file cache warm."""
    arms = {
        "command": lambda: timed(lambda: python(home, *arguments)),
        "nothing": lambda: timed(lambda: python(home, *NOTHING)),
        "again": lambda: timed(lambda: python(home, *arguments)),
    }
    taken = in_turn(arms, ROUNDS)
    found = sorted(banned & imported(home, *arguments))
    return Result(
        row=row,
        goal=goal,
        target=target,
        at_most=True,
        unit=" s",
        values=[costs["command"] for costs in taken],
        control=ratios(taken, "command", "again"),
        note=f"{statistics.median(ratios(taken, 'command', 'nothing')):.1f} times `python -c pass`",
        broken=f"imports {', '.join(found)}" if found else "",
    )


def prepare(home: str) -> None:
    """The made sample of mars, and three teams on its board."""
    path = json.loads(python(home, "-m", "harness", "data", "mars", "--json").stdout)["path"]
    for team in ("ants", "bees", "cats"):
        file = Path(home, path, "sample_submission.csv")
        python(home, "-m", "leaderboard", "score", "mars", str(file), "--team", team)


def imported(home: str, *arguments: str) -> set[str]:
    """The packages that a process has imported."""
    lines = python(home, "-X", "importtime", *arguments).stderr.splitlines()
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines if line.startswith("import time:")}


def python(home: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    environment["HARNESS_HOME"] = home
    done = subprocess.run([sys.executable, *arguments], cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"python {' '.join(arguments)} failed:\n{done.stderr}")
    return done
