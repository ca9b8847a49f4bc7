"""Row 12: what handing a job to a worker costs, and how soon the first workers answer.

Run as a command, in a process of its own, it starts two workers and prints one JSON object.
"""

import json
import operator
import subprocess
import sys
import time
from typing import Any

from tests.benchmarks.protocol import REPOSITORY, Result

WORKERS, TASKS, ROUNDS = 2, 200, 3
FOLD = 60.0  # seconds


def dispatch() -> list[Result]:
    """Wall. A process imports what its parent's command does, so the parent is as small as the command line is."""
    told = [started() for _ in range(1 + ROUNDS)][1:]  # the first warms the file cache
    return [
        Result(
            row="12a",
            goal=f"a no-op task / a fold of {FOLD:.0f} s",
            target=0.1,
            at_most=True,
            unit=" %",
            values=[100 * each["task"] / FOLD for each in told],
            control=[each["task"] / each["again"] for each in told],
            note=f"{1e3 * min(each['task'] for each in told):.2f} ms each of {TASKS} on {WORKERS} workers",
        ),
        Result(
            row="12b",
            goal="from nothing to two results of two workers",
            target=0.5,
            at_most=True,
            unit=" s",
            values=[each["start"] for each in told],
            note="numpy is imported on the way, torch is not",
        ),
    ]


def started() -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-m", __name__], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main() -> None:
    from harness.training.workers.local import LocalWorkers

    began = time.perf_counter()
    with LocalWorkers(WORKERS, 1) as workers:
        no_ops(workers, WORKERS)
        start = time.perf_counter() - began
        print(json.dumps({"start": start, "task": no_ops(workers, TASKS), "again": no_ops(workers, TASKS)}))


def no_ops(workers: Any, count: int) -> float:
    """Seconds each."""
    from harness.training.workers import results, run

    began = time.perf_counter()
    assert len(list(results(run(workers, operator.index, [(k,) for k in range(count)])))) == count
    return (time.perf_counter() - began) / count


if __name__ == "__main__":
    main()
