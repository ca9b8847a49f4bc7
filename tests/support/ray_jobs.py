"""Jobs for the tests of the Ray engine: a worker imports this module, and nothing of pytest."""

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import harness
from harness import paths
from harness.files import write_bytes
from harness.models import Interrupted
from harness.training.workers.process import report, stopping
from harness.training.workers.station import Station


def square(number: int, seconds: float = 0.0) -> int:
    time.sleep(seconds)
    return number * number


def whereabouts(path: Path) -> dict[str, Any]:
    return {
        "home": str(paths.root()),
        "code": harness.__file__,
        "threads": os.environ["OMP_NUM_THREADS"],
        "gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "below": str(path.relative_to(paths.root())),
        "content": path.read_text(),
        "again": path,
    }


def leave(name: str, size: int) -> list[str]:
    """Write a fold, and tell what was there before."""
    found = sorted(str(file.relative_to(paths.root())) for file in paths.root().glob("runs/**/*.*"))
    folder = paths.root() / "runs" / name
    write_bytes(folder / "fold.json", b"{}")
    write_bytes(folder / "empty.npy", b"")
    write_bytes(folder / "oof.npy", bytes(range(256)) * (size // 256))
    (folder / "step-1.checkpoint").unlink(missing_ok=True)
    return found


def patient(number: int, seconds: float) -> int:
    report({"began": number, "pid": os.getpid()})
    time.sleep(seconds)
    return number


def loud(number: int) -> int:
    for k in range(number):
        report({"k": k})
    return number


def killed_once(mark: str) -> bool:
    """Whether its checkpoint is there when it begins again."""
    checkpoint = paths.root() / "runs" / "killed" / "step-1.checkpoint"
    if not Path(mark).exists():
        Path(mark).touch()
        write_bytes(checkpoint, b"state")
        os.kill(os.getpid(), signal.SIGKILL)
    return checkpoint.exists()


def segfault() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def until_stopped() -> None:
    report({"pid": os.getpid()})
    while not stopping():
        time.sleep(0.01)
    write_bytes(paths.root() / "runs" / "stopped" / "step-2.checkpoint", b"saved")
    raise Interrupted("stopped")


class Homeless(Station):
    """An actor on a node without room."""

    def __init__(self, session: str, environment: Mapping[str, str]):
        raise OSError("no space in /tmp")
