"""Where a job runs: worker processes of this machine (`local`), or of a Ray cluster (`ray`).

A job is a function of a module and picklable arguments. It reads data/<competition>/<hash>/public, writes below runs/,
reports events while it works, and answers a stop by finishing its step, saving, and raising `Interrupted`.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, Self

from harness.errors import UserError

Event = dict[str, Any]
Function = Callable[..., Any]
GRACE = 8.0  # seconds a worker has to finish its step and save; then it is killed, and its last checkpoint counts


class Engine(Protocol):
    """Use as a context manager. slots: jobs at once; threads: of every job.

    A job whose worker is killed from outside, or whose node dies, begins again in a new one: it goes on from its
    checkpoint where the disk is the same. A worker that dies by its own doing is a `WorkerDied` in the job's place.
    """

    @property
    def slots(self) -> int: ...
    @property
    def threads(self) -> int: ...
    @property
    def free(self) -> int:
        """How many slots have no job."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *error: Any) -> None: ...

    def share(self, folder: Path) -> None:
        """Let jobs read a folder below `folders.root()`, wherever they run."""

    def start(self, function: Function, *arguments: Any) -> int:
        """Begin a job in a free slot; returns its ticket."""

    def ended(self, timeout: float | None = None) -> list[tuple[int, Any]]:
        """(ticket, the result, or the exception that it raised) of jobs that ended; waits at most so many seconds."""


class WorkerDied(UserError):
    """A worker ended by its own doing. memory: whether the kernel took it for want of memory."""

    def __init__(self, reason: str, memory: bool = False):
        super().__init__(reason)
        self.reason, self.memory = reason, memory

    def __reduce__(self) -> tuple[Any, ...]:
        return WorkerDied, (self.reason, self.memory)


def run(engine: Engine, function: Function, jobs: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
    """Yield (index of the job, its result or the exception it raised) as they end, started in their order."""
    todo, running = iter(enumerate(jobs)), dict[int, int]()
    while True:
        for index, job in islice(todo, engine.free):
            running[engine.start(function, *job)] = index
        if not running:
            return
        for ticket, result in engine.ended():
            yield running.pop(ticket), result


def results(ended: Iterator[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
    """The results of jobs of which none may fail."""
    for index, result in ended:
        if isinstance(result, BaseException):
            raise result
        yield index, result


@dataclass(frozen=True)
class Hardware:
    """What this machine offers. workers x threads never exceeds cores: more is slower than one process."""

    cores: int
    gpus: int

    @property
    def workers(self) -> int:
        """One process per GPU; without one, one single-threaded process per core (1.2 times two threads)."""
        return self.gpus or min(self.cores, 8)

    @property
    def threads(self) -> int:
        """Of every worker, however many are asked for: a fold's bytes depend on its threads."""
        return max(1, self.cores // self.workers)


def hardware() -> Hardware:
    """Without importing torch: the driver's own files tell whether there is an NVIDIA GPU."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    try:
        gpus = len(os.listdir("/proc/driver/nvidia/gpus"))
    except OSError:
        gpus = 0
    if visible is not None:
        gpus = min(gpus, len([device for device in visible.split(",") if device.strip()]))
    return Hardware(cores, gpus)


def workers(listen: Callable[[Event], None], kind: str = "local", count: int | None = None) -> Engine:
    """count: of processes or actors (WORKERS=); else as many as there is room for."""
    if kind == "ray":
        from harness.training.workers.ray import Ray

        return Ray(listen, count)
    from harness.training.workers.local import Local

    machine = hardware()
    return Local(count or machine.workers, machine.threads, listen)
