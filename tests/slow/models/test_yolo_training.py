"""YOLO in earnest: it learns, and a process that is killed leaves what the next one needs for the same bytes."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.models.optim import Muon
from tests.support.squares import YOLO, context, logged_epochs, squares, weights

REPOSITORY = Path(__file__).resolve().parents[3]
EPOCHS = 12

pytestmark = pytest.mark.soak


def test_it_learns_where_the_squares_are_and_which_colour_they_have(tmp_path: Path) -> None:
    """Red and blue would be exchanged if the order of the channels were."""
    able = replace(YOLO, model="yolov8n", epochs=60, lr=4e-3, mosaic=0.0, optimizer=Muon())
    fitted = able.fit(squares(16), None, context(tmp_path / "fit"))
    samples = squares(4)
    for boxes, truth in zip(fitted.predict(samples.inputs), samples.targets, strict=True):
        best = np.stack([boxes[boxes[:, 0] == label][0] for label in (0, 1)])
        np.testing.assert_allclose(best[:, 2:], truth[:, 1:], atol=6)


def test_a_killed_fit_ends_with_the_same_bytes(tmp_path: Path) -> None:
    code = (
        "import sys; from dataclasses import replace; from pathlib import Path\n"
        "from harness.models.yolo import trainer; trainer.SAVE_SECONDS = -1\n"
        "from tests.support.squares import YOLO, context, squares\n"
        f"replace(YOLO, epochs={EPOCHS}).fit(squares(), None, context(Path(sys.argv[1])))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}

    def started(folder: Path) -> subprocess.Popen:
        return subprocess.Popen([sys.executable, "-c", code, str(folder)], env=environment, cwd=REPOSITORY)

    victim, patience = started(tmp_path / "killed"), time.monotonic() + 300
    while not list((tmp_path / "killed").glob("*.checkpoint")):
        assert victim.poll() is None
        assert time.monotonic() < patience
        time.sleep(0.05)
    victim.send_signal(signal.SIGKILL)
    assert victim.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed" / "finished.json").exists()
    for folder in (tmp_path / "killed", tmp_path / "whole"):
        assert started(folder).wait(timeout=600) == 0
        assert logged_epochs(folder) == list(range(EPOCHS))
    assert weights(tmp_path / "killed") == weights(tmp_path / "whole")
