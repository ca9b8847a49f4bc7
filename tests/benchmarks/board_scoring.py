"""How long the judge takes for 4,000 Mars tiles, and how much memory: `python -m tests.benchmarks.board_scoring`.

Each file is read and scored in a process of its own, as the server's scorer does it. What it prints is for docs/log.md.
"""

import multiprocessing
import os
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from harness.competition import Competition, find
from harness.tasks.layout import Asked
from harness.tasks.mask_cells import RUN_LENGTH
from harness.tasks.segmentation import Segmentation
from leaderboard.answers import Answers
from leaderboard.scoring import score_file

TILES, HEIGHT, WIDTH = 4000, 64, 128


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        mars = find("mars")
        runs = replace(mars, task=Segmentation(mars.task.classes, (HEIGHT, WIDTH), mars.task.void, RUN_LENGTH))
        for name, competition in (("wide", mars), ("run-length", runs)):
            answers = made(len(mars.task.classes))
            file = Path(folder) / "submission.csv"
            competition.task.write(answers.ids, guessed(answers.targets), file)
            seconds, busy, memory = measured(competition, file, answers)
            size = file.stat().st_size
            told = f"scored in {seconds:.2f} s ({busy:.2f} s of processor), {memory / 1e6:.0f} MB"
            print(f"{name}, {size / 1e6:.0f} MB: {told}")
    print(f"load {os.getloadavg()[0]:.1f}")


def made(classes: int) -> Answers:
    """Horizontal layers of terrain, as rovers see them."""
    chance = np.random.default_rng(0)
    edges = np.sort(chance.integers(0, HEIGHT, (TILES, classes - 1, 1)), axis=1) + chance.integers(-2, 3, (1, 1, WIDTH))
    rows = np.arange(HEIGHT)[None, :, None]
    labels = sum((rows > edges[:, k, None, :]).astype(np.uint8) for k in range(classes - 1))
    ids = np.arange(TILES).astype(str)
    return Answers(Asked(ids), np.arange(TILES), chance.random(TILES) < 0.4, np.asarray(labels, np.uint8))


def guessed(targets: np.ndarray) -> np.ndarray:
    """Some pixels lower, so that the boundaries are wrong."""
    return np.maximum(np.roll(targets, 3, axis=1), 1)


def measured(competition: Competition, file: Path, answers: Answers) -> tuple[float, float, int]:
    """Seconds, those of the processor, and the peak of bytes, with the answers and all libraries among them."""
    pipe, there = multiprocessing.get_context("fork").Pipe()

    def work() -> None:
        began, busy = time.perf_counter(), time.process_time()
        score_file(competition, file, answers)
        taken = (time.perf_counter() - began, time.process_time() - busy)
        there.send((*taken, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    found = pipe.recv()
    process.join()
    return found


if __name__ == "__main__":
    main()
