"""Jobs for the tests of workers: a worker imports this module, and nothing of pytest."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import harness
from harness import paths
from harness.files import write_bytes
from harness.models import Interrupted
from harness.training.workers.process import report, stopping


def square(number: int) -> int:
    return number * number


def blind(file: str, content: bytes) -> bool:
    """What a node without the shared storage answers."""
    return False


def environment() -> dict[str, Any]:
    """Where the job runs: its home, its code, its threads, its GPU and its process."""
    return {
        "home": str(paths.root()),
        "code": harness.__file__,
        "threads": os.environ["OMP_NUM_THREADS"],
        "gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "pid": os.getpid(),
    }


def loud(number: int) -> int:
    for k in range(number):
        report({"k": k})
    return number


def killed_once(folder: str, number: int) -> int:
    """Its first worker is killed from outside."""
    mark = Path(folder, str(number))
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def crash(code: int) -> None:
    os._exit(code)


def segfault() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


class Stubborn(Exception):
    """A library's exception that pickles, and cannot be unpickled."""

    def __init__(self, a: int, b: int):
        super().__init__(f"{a} and {b}")


def stubborn() -> None:
    raise Stubborn(1, 2)


class Explosive:
    """A result that pickles, and raises where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return int, ("no number",)


def explosive() -> Explosive:
    return Explosive()


def unpicklable() -> Any:
    return lambda: None


def raising(error: Exception) -> None:
    raise error


def until_stopped(mark: str) -> None:
    """Works until it is asked to stop, saves, and says so."""
    report({"started": mark, "pid": os.getpid()})
    Path(mark).touch()
    while not stopping():
        time.sleep(0.01)
    write_bytes(Path(mark), b"saved")
    raise Interrupted("stopped")


def stopped_once(mark: str) -> str:
    """The first time it works until it is asked to stop."""
    if Path(mark).exists():
        return "done"
    until_stopped(mark)
    return "never"


def deaf(mark: str) -> None:
    Path(mark).touch()
    time.sleep(60)
