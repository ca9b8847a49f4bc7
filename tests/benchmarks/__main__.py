"""Measure every row and print the performance table: `python -m tests.benchmarks [--rows 1,3,6]`.

Under 10 minutes on two idle cores.
"""

import argparse
import os
import shlex
import sys
import time
from collections.abc import Callable
from functools import partial

from tests.benchmarks import data, detections, dispatch, ensembling, folds, loop, pruning, search, startup
from tests.benchmarks.protocol import Result, entry, machine

ONE_THREAD_OFFLINE = {"OMP_NUM_THREADS": "1", "NO_ALBUMENTATIONS_UPDATE": "1", "HF_HUB_OFFLINE": "1"}

Row = Callable[[], list[Result]]


def main(arguments: list[str]) -> None:
    asked = options(arguments)
    os.environ.update(ONE_THREAD_OFFLINE)  # before torch is loaded
    rows: dict[int, Row] = {
        1: loop.step_overhead,
        2: loop.efficiency,
        3: data.feed_rate,
        4: loop.fast_paths,
        5: folds.parallel_folds,
        6: data.mean_iou,
        7: detections.mean_average_precision,
        8: startup.startup,
        9: search.overhead,
        10: pruning.pruning,
        11: ensembling.ensembling,
        12: dispatch.dispatch,
    }
    began, load = time.monotonic(), os.getloadavg()[0]
    results = [result for row in asked.rows or rows for result in measured(row, rows[row])]
    command = shlex.join(["python", "-m", "tests.benchmarks", *arguments])
    print(entry(results, command, machine(load), time.monotonic() - began))


def options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    known = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
    parser.add_argument("--rows", type=partial(numbers, known), help=f"with commas; else {numbers_text(known)}")
    return parser.parse_args(arguments)


def numbers(known: tuple[int, ...], text: str) -> list[int]:
    rows = [int(row) for row in text.split(",")]
    if unknown := set(rows) - set(known):
        raise argparse.ArgumentTypeError(f"there is no row {min(unknown)}; there are {numbers_text(known)}")
    return rows


def numbers_text(rows: tuple[int, ...]) -> str:
    return ", ".join(map(str, rows))


def measured(row: int, measure: Row) -> list[Result]:
    began = time.monotonic()
    print(f"row {row} ...", end="", file=sys.stderr, flush=True)
    results = measure()
    said = "; ".join(f"{result.measured} {result.verdict}" for result in results)
    print(f" {said} ({time.monotonic() - began:.0f} s)", file=sys.stderr, flush=True)
    return results


if __name__ == "__main__":
    main(sys.argv[1:])
