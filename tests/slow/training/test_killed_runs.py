"""Twenty runs, each killed at a random moment and started again: on made pebbles, and on real Mars tiles.

Every run has the plan of one that was never killed, and must end with its bytes and with one row on the board.
"""

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from tests.support.tiny_competition import Home
from tests.support.tiny_data import REPOSITORY, SHARED

pytestmark = pytest.mark.soak

RUNS = 20

TILES = """
from dataclasses import replace
from functools import partial

from competitions.mars.competition import competition as mars
from competitions.mars.data import BIG_ROCK
from harness.ensemble import blend


def saved_often(build, classes, channels, width):
    from harness.models.torch_loop import training_loop

    training_loop.SAVE_SECONDS = 0.5  # so that a kill finds checkpoints in a run of seconds
    return build(classes, channels, width)


def short(learner, epochs):
    return replace(learner, build=partial(saved_often, learner.build), epochs=epochs, batch=16)


competition = replace(
    mars,
    name="tiles",
    split=replace(mars.split, folds=2),
    models={"coarse": short(mars.models["coarse"], 8), "big_rock": short(mars.models["big_rock"], 4)},
    ensemble=blend("coarse", specialist="big_rock", target_class=BIG_ROCK),
)
"""


def pebbles(root: Path) -> tuple[Home, tuple[object, ...]]:
    return Home(root), ()


def tiles(root: Path) -> tuple[Home, tuple[object, ...]]:
    """300 real tiles, among them all that show a big rock, and 40 of the official test."""
    home = Home(root, "tiles", TILES, besides=(REPOSITORY / "competitions",))
    folder = root.parent / "raw-tiles"
    if not folder.exists():
        folder.mkdir()
        with np.load(SHARED / "data/mars/train.npz") as arrays:
            rock = (arrays["masks"] == 4).any((1, 2))
            rows = np.sort(np.concatenate([np.flatnonzero(rock), np.flatnonzero(~rock)[:200]]))
            np.savez(folder / "train.npz", **{name: arrays[name][rows] for name in arrays.files})
        with np.load(SHARED / "data/mars/test_images.npz") as arrays:
            np.savez(folder / "test_images.npz", **{name: arrays[name][:40] for name in arrays.files})
    return home, ("--data", folder)


@pytest.mark.parametrize("make", [pebbles, pytest.param(tiles, marks=pytest.mark.real)])
def test_twenty_killed_runs_end_with_the_same_bytes_and_one_row(make, tmp_path: Path) -> None:
    home, options = make(tmp_path / "reference")
    submit = ("harness", "submit", home.name, "--team", "red", *options)
    home.json(*submit)
    expected, plans, whole = home.predictions(), home.plans(), 0.0
    assert len(expected) > 10
    rng, kills = random.Random(RUNS), 0
    for number in range(2 * RUNS):  # a run may end before its moment comes, and proves nothing then
        run, _ = make(tmp_path / f"run{number}")
        for name, content in plans.items():
            (run.root / name).parent.mkdir(parents=True)
            (run.root / name).write_bytes(content)
        began, process = time.monotonic(), run.start(*submit)
        try:
            process.communicate(timeout=rng.uniform(0.05, 0.95) * whole if whole else None)
            whole = time.monotonic() - began
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            kills += 1
        run.json(*submit)
        assert run.predictions() == expected, number
        (row,) = run.json("leaderboard", "board", run.name)["rows"]
        assert row["entries"] == 1
        shutil.rmtree(run.root)
        if kills == RUNS:
            break
    assert kills == RUNS
