"""Where jobs run: worker processes of this machine (`local`), or tasks of a Ray cluster (`ray`).

A job is a function of a module and picklable arguments, most often one fold of one model. It reads
data/<competition>/<hash>/public, writes below runs/ and reports events. When it is asked to stop, it finishes its step,
saves, and raises `Interrupted`.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, Self

from harness.errors import UserError

Event = dict[str, Any]
Function = Callable[..., Any]
GRACE = 8.0  # seconds a worker has to finish its step and save; then it is killed, and its last checkpoint counts


class Workers(Protocol):
    """Use as a context manager.

    A job whose worker is killed from outside, or whose node dies, runs again and resumes from its checkpoint. The
    result of a job that crashed its own worker is a `WorkerDied`.
    """

    @property
    def slots(self) -> int:
        """How many jobs run at once."""

    @property
    def threads(self) -> int:
        """How many threads each job has."""

    @property
    def free(self) -> int:
        """How many slots have no job."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *error: Any) -> None: ...

    def submit(self, function: Function, *arguments: Any) -> int:
        """Start a job in a free slot; returns its id."""

    def finished(self, timeout: float | None = None) -> list[tuple[int, Any]]:
        """(job id, its result or the exception that it raised) of finished jobs; waits at most `timeout` seconds."""


class WorkerDied(UserError):
    """A job ended its own worker. memory: whether the kernel killed it because memory ran out."""

    def __init__(self, reason: str, memory: bool = False):
        super().__init__(reason)
        self.memory = memory


def run(workers: Workers, function: Function, jobs: Iterable[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
    """Yield (index of the job, its result or the exception it raised) as jobs finish; they start in their order.

    The next job is asked for when a slot is free for it.
    """
    todo, running = iter(enumerate(jobs)), dict[int, int]()
    while True:
        for index, job in islice(todo, workers.free):
            running[workers.submit(function, *job)] = index
        if not running:
            return
        for job_id, result in workers.finished():
            yield running.pop(job_id), result


def results(finished: Iterator[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
    """The results of `run`; raise the first exception among them."""
    for index, result in finished:
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
        """Threads of a worker, whatever WORKERS= asks for: a fold's bytes depend on them."""
        return max(1, self.cores // self.workers)


def hardware() -> Hardware:
    """Count cores and NVIDIA GPUs without importing torch."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    try:
        gpus = len(os.listdir("/proc/driver/nvidia/gpus"))
    except OSError:
        gpus = 0
    if visible is not None:
        gpus = min(gpus, len([device for device in visible.split(",") if device.strip()]))
    return Hardware(cores, gpus)


def start_workers(
    listen: Callable[[Event], None], engine: str = "local", count: int | None = None, imports: Sequence[str] = ()
) -> Workers:
    """engine: "local" or "ray". count: jobs at once (WORKERS=); None: as many as there is room for.

    imports: modules that a local worker loads while it waits for its first job.
    """
    if engine == "ray":
        from harness.training.workers.ray import RayWorkers

        return RayWorkers(listen, count)
    from harness.training.workers.local import LocalWorkers

    machine = hardware()
    return LocalWorkers(count or machine.workers, machine.threads, listen, imports=imports)
