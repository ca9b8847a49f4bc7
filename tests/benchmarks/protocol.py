"""How every row is measured and said: arms in turn, ratios of pairs, a control arm, and one line in a table."""

import argparse
import datetime
import os
import platform
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

REPOSITORY = Path(__file__).resolve().parents[2]
NOISE = 0.10  # a control arm that spreads more says that the machine was not quiet

Cost = TypeVar("Cost")


def in_turn(arms: Mapping[str, Callable[[], Cost]], rounds: int) -> list[dict[str, Cost]]:
    """What every arm cost in every round, after one round that warms up.

    The order turns round from one round to the next (A B, B A, ...), so that a drift meets all arms alike.
    """
    for arm in arms.values():
        arm()
    order, taken = list(arms), []
    for _ in range(rounds):
        taken.append({name: arms[name]() for name in order})
        order.reverse()
    return taken


def ratios(taken: Sequence[Mapping[str, float]], above: str, below: str) -> list[float]:
    """One a round, of the two costs of that round."""
    return [costs[above] / costs[below] for costs in taken]


def typical(taken: Sequence[Mapping[str, float]], arm: str) -> float:
    return statistics.median(costs[arm] for costs in taken)


def timed(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    began = clock()
    work()
    return clock() - began


def cpu_seconds() -> float:
    """Of this process and of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


@dataclass(frozen=True, kw_only=True)
class Result:
    """One line of the table.

    values: one a round. control: one a round, an arm against itself. at_most: the target is not to be exceeded.
    broken: what else must hold and does not, which no number makes good.
    """

    row: str
    goal: str
    target: float
    values: Sequence[float]
    control: Sequence[float] = ()
    at_most: bool = False
    unit: str = ""
    note: str = ""
    broken: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def quartile(self) -> float:
        """The quartile on the worse side: the lower one of a ratio that shall be high."""
        quantile_bins = statistics.quantiles([*self.values] * (1 + (len(self.values) < 2)), n=4, method="inclusive")
        return quantile_bins[2] if self.at_most else quantile_bins[0]

    @property
    def spread(self) -> float:
        """Of the control arm, from least to most, as a share of its median."""
        if not self.control:
            return 0.0
        return (max(self.control) - min(self.control)) / statistics.median(self.control)

    @property
    def passed(self) -> bool:
        worst = max if self.at_most else min
        value = worst(self.median, self.quartile)
        return not self.broken and (value <= self.target if self.at_most else value >= self.target)

    @property
    def verdict(self) -> str:
        said = "pass" if self.passed else f"miss: {self.broken}" if self.broken else "miss"
        return f"{said}, noisy: spread of the control is {self.spread:.0%}" if self.spread > NOISE else said

    @property
    def measured(self) -> str:
        low, high = min(self.values), max(self.values)
        return f"{self.median:.3g} [{low:.3g}, {high:.3g}]{self.unit}"

    @property
    def line(self) -> str:
        target = f"{'<=' if self.at_most else '>='} {self.target:g}{self.unit}"
        spread = f"{self.spread:.0%}" if self.control else "–"
        cells = (self.row, self.goal, target, self.measured, f"{self.quartile:.3g}{self.unit}", spread, self.verdict)
        return f"| {' | '.join(cells)} |"


HEAD = """| row | goal | target | median [min, max] | worse quartile | control spread | verdict |
|---|---|---|---|---|---|---|"""


def entry(results: Sequence[Result], command: str, machine: str, seconds: float) -> str:
    """The results as a dated Markdown section; what is worth keeping goes into docs/log.md."""
    date = datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
    told = f"`{command}`, {seconds:.0f} s, {machine}."
    notes = [f"- {result.row}: {result.note}" for result in results if result.note]
    table = "\n".join([HEAD, *(result.line for result in results)])
    return "\n\n".join(filter(None, [f"## {date} make bench", told, table, "\n".join(notes)])) + "\n"


def machine(load: float) -> str:
    """load: the machine's when the bench began."""
    loads = f"load {load:.1f} before and {os.getloadavg()[0]:.1f} after"
    return f"{processor()}, {os.cpu_count()} cores, {loads}, torch {version('torch')}, revision {revision()}"


def processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def revision() -> str:
    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True).stdout.strip()

    changed = git("status", "--porcelain", "--", "harness", "leaderboard", "competitions", "tests")
    return (git("rev-parse", "--short", "HEAD") or "unknown") + (" with changes" if changed else "")


def one_model(about: str | None) -> argparse.ArgumentParser:
    """For what is tried with one model on some folds of a competition."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("competition")
    parser.add_argument("model")
    parser.add_argument("--folds", type=lambda text: [int(fold) for fold in text.split(",")], default=[0])
    parser.add_argument("--epochs", type=int, help="instead of the declared ones")
    parser.add_argument("--threads", type=int, default=2)
    return parser
