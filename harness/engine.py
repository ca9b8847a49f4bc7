"""Where a job runs: local worker processes that stay alive, import torch once, and end with their parent.

A job is a function of a module and picklable arguments. Workers report events to the parent while they work, and
answer SIGINT and SIGTERM by finishing their step, saving, and raising `Interrupted`.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from harness.errors import UserError
from harness.request import silent

Event = dict[str, Any]


@dataclass(frozen=True)
class Hardware:
    """What this machine offers. workers x threads never exceeds cores: more is slower than one process."""

    cores: int
    gpus: int

    @property
    def workers(self) -> int:
        """One process per GPU; without one, one single-threaded process per core (LOG.md: 1.2 times two threads)."""
        return self.gpus or min(self.cores, 8)

    @property
    def threads(self) -> int:
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


@dataclass
class Local:
    """Worker processes of this machine; use as a context manager. listen: called in the parent with every event."""

    workers: int
    threads: int
    listen: Callable[[Event], None] = silent
    _pool: ProcessPoolExecutor = field(init=False)

    def __enter__(self) -> "Local":
        spawn = multiprocessing.get_context("spawn")  # never fork after threads
        self._events = spawn.SimpleQueue()
        self._ticket = spawn.Value("i", 0)
        os.environ["OMP_NUM_THREADS"] = str(self.threads)  # read by a worker's libraries when they load
        self._pool = ProcessPoolExecutor(
            self.workers, spawn, _start_worker, (self.threads, self._events, self._ticket, hardware().gpus)
        )
        self._listener = threading.Thread(target=self._forward, daemon=True)
        self._listener.start()
        for _ in range(self.workers):
            self._pool.submit(_warm_up)
        return self

    def _forward(self) -> None:
        while (event := self._events.get()) is not None:
            self.listen(event)

    def run(self, function: Callable[..., Any], jobs: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        """Yield (index of the job, its result or the exception it raised) as they end, started in their order."""
        waiting: dict[Future[Any], int] = {}
        todo = iter(enumerate(jobs))
        while True:
            # at most one job waits for each worker, so that an interrupt leaves none to cancel
            for index, job in islice(todo, self.workers - len(waiting)):
                waiting[self._pool.submit(function, *job)] = index
            if not waiting:
                return
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                index, error = waiting.pop(future), future.exception()
                if isinstance(error, BrokenProcessPool):
                    raise UserError(
                        "a worker process was killed, probably for lack of memory; close other programs, or declare a "
                        "smaller batch, and run the same command again"
                    )
                yield index, error if error is not None else future.result()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # After an error or an interrupt the workers finish their step and save; else they have nothing left to do.
        farewell = signal.SIGKILL if kind is None else signal.SIGTERM
        processes = list((self._pool._processes or {}).values())  # the executor offers no other way to tell them
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            if process.is_alive() and process.pid:
                os.kill(process.pid, farewell)
        for process in processes:
            process.join()
        if kind is None:  # a worker that died may have taken the queue's lock with it
            self._events.put(None)
            self._listener.join(timeout=5)


def workers(listen: Callable[[Event], None]) -> Local:
    """As many as this machine has room for."""
    machine = hardware()
    return Local(machine.workers, machine.threads, listen)


def results(ended: Iterator[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
    """The results of jobs of which none may fail."""
    for index, result in ended:
        if isinstance(result, BaseException):
            raise result
        yield index, result


# -- inside a worker ---------------------------------------------------------------------------------------------------

_events: Any = None
_stop = threading.Event()


def _start_worker(threads: int, events: Any, ticket: Any, gpus: int) -> None:
    global _events
    _events = events
    with ticket.get_lock():
        rank, ticket.value = ticket.value, ticket.value + 1
    if gpus and "CUDA_VISIBLE_DEVICES" not in os.environ:
        os.environ["CUDA_VISIBLE_DEVICES"] = str(rank % gpus)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: _stop.set())
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A parent that is killed cannot tell its workers; two generations writing one folder must never be."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _warm_up() -> None:
    """The seconds of importing torch pass while the parent reads and checks the data."""
    import torch  # noqa: F401


def stopping() -> bool:
    """Whether this process was asked to end; learners look after every step."""
    return _stop.is_set()


def report(event: Event) -> None:
    """Send an event to the parent, if there is one."""
    if _events is not None:
        _events.put(event)
