"""Worker processes of this machine: each with a pipe of its own, alive between jobs, ended with their parent."""

import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from harness.models import Interrupted
from harness.options import silent
from harness.training.workers import GRACE, Event, Function, WorkerDied, hardware
from harness.training.workers.process import speak_to, stop

SPAWN = multiprocessing.get_context("spawn")  # never fork after threads
KILLED = (-signal.SIGKILL, -signal.SIGTERM)  # exit codes of those who were ended from outside
IDLE = 0.2  # seconds between two looks at whether to end
OOM_COUNTS = (Path("/sys/fs/cgroup/memory.events"), Path("/proc/vmstat"))  # of this container, of this machine


@dataclass
class Local:
    """slots: processes. listen: called with every event, from a thread for each process. grace: seconds to save in."""

    slots: int
    threads: int
    listen: Callable[[Event], None] = silent
    grace: float = GRACE
    _workers: list["Worker"] = field(default_factory=list)
    _ended: "SimpleQueue[tuple[int, Any]]" = field(default_factory=SimpleQueue)
    _tickets: int = 0

    @property
    def free(self) -> int:
        return sum(worker.ticket is None for worker in self._workers)

    def __enter__(self) -> "Local":
        os.environ["OMP_NUM_THREADS"] = str(self.threads)  # read by a worker's libraries when they load
        self._workers = [Worker(rank, self._ended, self.listen) for rank in range(self.slots)]
        return self

    def share(self, folder: Path) -> None:
        """They read it where it is."""

    def start(self, function: Function, *arguments: Any) -> int:
        self._tickets += 1
        next(worker for worker in self._workers if worker.ticket is None).give(self._tickets, (function, arguments))
        return self._tickets

    def ended(self, timeout: float | None = None) -> list[tuple[int, Any]]:
        try:
            found = [self._ended.get(timeout=timeout)]
        except Empty:
            return []
        while not self._ended.empty():
            found.append(self._ended.get())
        return found

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # After an error or an interrupt the workers finish their step and save; else they have nothing left to do.
        until = time.monotonic() + self.grace
        for worker in self._workers:
            worker.dismiss(signal.SIGKILL if kind is None else signal.SIGTERM)
        for worker in self._workers:
            worker.process.join(max(0.0, until - time.monotonic()))
            worker.process.kill()
            worker.process.join()


class Worker:
    """A process and the thread that hears it. A worker that is killed is replaced, and its job begins again."""

    def __init__(self, rank: int, ended: "SimpleQueue[tuple[int, Any]]", listen: Callable[[Event], None]):
        self.rank, self.ended, self.listen = rank, ended, listen
        self.ticket: int | None = None
        self.job: tuple[Function, tuple[Any, ...]] | None = None
        self.dismissed = False
        self.turn = threading.Lock()  # a job is given whole to one process or to the next
        self._hire()
        threading.Thread(target=self._hear, daemon=True).start()

    def _hire(self) -> None:
        self.memory_kills = memory_kills()
        self.pipe, theirs = SPAWN.Pipe()
        self.process = SPAWN.Process(target=serve, args=(theirs, self.rank, hardware().gpus))
        self.process.start()
        theirs.close()

    def give(self, ticket: int, job: tuple[Function, tuple[Any, ...]]) -> None:
        with self.turn:
            self.ticket, self.job = ticket, job
            self._send()

    def _send(self) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # it has just died: `_replace` gives the job to the next
            self.pipe.send(self.job)

    def _hear(self) -> None:
        while True:
            try:
                kind, content = self.pipe.recv()
            except (EOFError, OSError):
                if self.dismissed:
                    return
                self._replace()
                continue
            if kind == "event":
                self.listen(content)
            elif self.dismissed or not isinstance(content, Interrupted):  # else others ended it: `_replace` goes on
                self._end(content)

    def _end(self, result: Any) -> None:
        ticket, self.ticket, self.job = self.ticket, None, None
        assert ticket is not None
        self.ended.put((ticket, result))

    def _replace(self) -> None:
        """The process is gone: hire another; give it the job again where it was no fault of the job's."""
        while (code := self.process.exitcode) is None:  # another thread, hiring, may just be told it instead of us
            self.process.join(IDLE)
        starved = memory_kills() > self.memory_kills
        with self.turn:
            if self.dismissed:
                return
            self._hire()
            if self.ticket is None:
                return
            if code in KILLED and not starved:
                self.listen({"warning": "a worker process was killed; its job begins again in a new one"})
                self._send()
                return
        self._end(WorkerDied(*cause(code, starved)))

    def dismiss(self, farewell: signal.Signals) -> None:
        with self.turn:  # not while another is hired, who would never hear of it
            self.dismissed = True
        if self.process.is_alive() and self.process.pid:
            os.kill(self.process.pid, farewell)


def cause(code: int, starved: bool) -> tuple[str, bool]:
    """(why a worker died, whether it was memory), from its exit code.

    >>> cause(-11, False)
    ('a worker process died of SIGSEGV', False)
    """
    if starved:
        remedy = "close other programs, or declare a smaller batch, and run the same command again"
        return f"a worker process was killed for want of memory; {remedy}", True
    how = f"died of {signal.Signals(-code).name}" if code < 0 else f"ended itself with code {code}"
    return f"a worker process {how}", False


def memory_kills() -> int:
    """How many processes the kernel has killed for want of memory, as far as it tells."""
    for file in OOM_COUNTS:
        try:
            lines = file.read_text().splitlines()
        except OSError:
            continue
        counts = dict(line.split() for line in lines)
        if "oom_kill" in counts:
            return int(counts["oom_kill"])
    return 0


# -- inside a worker ---------------------------------------------------------------------------------------------------


def serve(pipe: Connection, rank: int, gpus: int) -> None:
    """Do jobs until the pipe or the parent ends."""
    if gpus and "CUDA_VISIBLE_DEVICES" not in os.environ:
        os.environ["CUDA_VISIBLE_DEVICES"] = str(rank % gpus)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    speak_to(lambda event: pipe.send(("event", event)))
    if not pipe.poll(IDLE):  # nothing to do yet
        import torch  # noqa: F401 - its seconds pass while the parent reads and checks the data

    while not stop.is_set():
        try:
            if pipe.poll(IDLE):
                function, arguments = pipe.recv()
                pipe.send(("result", attempt(function, arguments)))
        except EOFError:
            return
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # so that whoever hired us knows that we were asked to end
    signal.raise_signal(signal.SIGTERM)


def attempt(function: Function, arguments: tuple[Any, ...]) -> Any:
    """The result, or the exception with its traceback in words."""
    try:
        return function(*arguments)
    except BaseException as error:
        told = traceback.format_exc()
        error.add_note(told)
        return error if travels(error) else RuntimeError(told)


def travels(error: BaseException) -> bool:
    """Whether the parent can make it again, as a copy is made; not every library's exceptions can."""
    try:
        return type(copy(error)) is type(error)
    except TypeError:
        return False


def _end_with_parent() -> None:
    """A parent that is killed cannot tell its workers; two generations writing one folder must never be."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
