"""Row 5: two folds at once on one thread each, against one after the other on two threads."""

import os
from functools import cache
from tempfile import TemporaryDirectory
from typing import Any

from harness.training.workers import results, run
from harness.training.workers.local import LocalWorkers
from tests.benchmarks.protocol import Result, in_turn, ratios, timed, typical
from tests.benchmarks.workloads import BATCH, context, epoch, tiles, training_of, unet

ROUNDS, STEPS = 5, 2


def parallel_folds() -> list[Result]:
    """Wall, in processes that stay alive, as in the pipeline."""
    with TemporaryDirectory() as folder, LocalWorkers(2, 1) as wide, LocalWorkers(1, 2) as deep:
        while workers_of(wide, 1, folder) < 2:  # one may still be importing torch while the other takes both
            pass
        arms = {
            "in turn": lambda: timed(lambda: workers_of(deep, 2, folder)),
            "at once": lambda: timed(lambda: workers_of(wide, 1, folder)),
            "again": lambda: timed(lambda: workers_of(deep, 2, folder)),
        }
        taken = in_turn(arms, ROUNDS)
    return [
        Result(
            row="5",
            goal="two folds, 1 thread each / in turn on 2 threads",
            target=1.15,
            values=ratios(taken, "in turn", "at once"),
            control=ratios(taken, "in turn", "again"),
            note=f"{2 * STEPS * BATCH / typical(taken, 'at once'):.0f} images/s, U-Net, batch {BATCH}",
        )
    ]


def workers_of(workers: LocalWorkers, threads: int, folder: str) -> int:
    """Train two folds; how many processes did."""
    return len({process for _, process in results(run(workers, train, [(threads, folder)] * 2))})


def train(threads: int, folder: str) -> int:
    """In a worker: an epoch of a few steps of the fit that it keeps; its process id."""
    epoch(kept(threads, folder))
    return os.getpid()


@cache
def kept(threads: int, folder: str) -> Any:
    own = os.path.join(folder, str(os.getpid()))
    os.mkdir(own)
    return training_of(unet(), tiles(STEPS * BATCH), context(own, threads=threads))
