"""A fit that is killed again and again ends with the bytes of one that was not."""

import json
import multiprocessing
import random
import time
from dataclasses import replace
from pathlib import Path

import pytest

from harness.models import Context
from harness.models.losses import cross_entropy
from harness.models.smp import Network
from harness.models.torch_loop import checkpoint, training_loop
from tests.support.tiny_networks import TASK, learner, tiles


def long_fit(epochs: int) -> Network:
    """Without Dice, whose library every child would import."""
    return replace(learner, epochs=epochs, loss=cross_entropy)


def fit_saving_always(folder: str, epochs: int) -> None:
    training_loop.SAVE_SECONDS = -1
    long_fit(epochs).fit(tiles(), None, Context(TASK, Path(folder)))


@pytest.mark.soak
def test_a_fit_killed_at_random_moments_ends_with_the_same_bytes(tmp_path):
    epochs, folder = 30, tmp_path / "killed"
    whole = long_fit(epochs).fit(tiles(), None, Context(TASK, tmp_path / "whole"))
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["torch._dynamo", "torch.optim", "safetensors.torch"])  # once, not by every child
    rng, inside = random.Random(0), []
    while len(inside) < 4:
        before = checkpoint.generations(folder)[:1]
        process = processes.Process(target=fit_saving_always, args=(str(folder), epochs))
        process.start()
        while process.is_alive() and checkpoint.generations(folder)[:1] == before:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.1))
        process.kill()
        process.join()
        inside.append(checkpoint.generations(folder)[0].name)
    assert inside == sorted(set(inside)) and not (folder / "finished.json").exists()
    fitted = long_fit(epochs).fit(tiles(), None, Context(TASK, folder))
    assert fitted.predict(tiles().inputs).tobytes() == whole.predict(tiles().inputs).tobytes()
    assert [entry["epoch"] for entry in map(json.loads, (folder / "log.jsonl").read_text().splitlines())] == list(
        range(epochs)
    )
    assert not list(folder.glob(".*")) and not checkpoint.generations(folder)
