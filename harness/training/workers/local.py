"""Worker processes of this machine: each has its own pipe, lives between jobs, and ends with its parent."""

import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from harness.models import Interrupted
from harness.options import silent
from harness.training.workers import GRACE, Event, Function, WorkerDied, hardware
from harness.training.workers.process import ErrorText, attempt, send_events_to, stop

SPAWN = multiprocessing.get_context("spawn")  # never fork after threads
KILLED = (-signal.SIGKILL, -signal.SIGTERM)  # exit codes of a process that was ended from outside
EVENT, RESULT = b"e", b"r"  # the first byte of a worker's message
IDLE = 0.2  # seconds between two checks of whether to end
OOM_COUNTS = (Path("/sys/fs/cgroup/memory.events"), Path("/proc/vmstat"))  # of this container, of this machine


@dataclass
class LocalWorkers:
    """slots: processes. listen: called with every event, from a thread per process. grace: seconds to save in.

    imports: modules that a process without a job loads.
    """

    slots: int
    threads: int
    listen: Callable[[Event], None] = silent
    grace: float = GRACE
    imports: Sequence[str] = ()
    _processes: list["WorkerProcess"] = field(default_factory=list)
    _finished: "SimpleQueue[tuple[int, Any]]" = field(default_factory=SimpleQueue)
    _last_id: int = 0

    @property
    def free(self) -> int:
        return sum(process.job_id is None for process in self._processes)

    def __enter__(self) -> "LocalWorkers":
        os.environ["OMP_NUM_THREADS"] = str(self.threads)  # read by a worker's libraries when they load
        self._processes = [WorkerProcess(rank, self._finished, self.listen, self.imports) for rank in range(self.slots)]
        return self

    def submit(self, function: Function, *arguments: Any) -> int:
        self._last_id += 1
        next(each for each in self._processes if each.job_id is None).submit(self._last_id, (function, arguments))
        return self._last_id

    def finished(self, timeout: float | None = None) -> list[tuple[int, Any]]:
        try:
            found = [self._finished.get(timeout=timeout)]
        except Empty:
            return []
        while not self._finished.empty():
            found.append(self._finished.get())
        return found

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # After an error or an interrupt the workers finish their step and save; else they have nothing left to do.
        until = time.monotonic() + self.grace
        for each in self._processes:
            each.end(signal.SIGKILL if kind is None else signal.SIGTERM)
        for each in self._processes:
            each.process.join(max(0.0, until - time.monotonic()))
            each.process.kill()
            each.process.join()


class WorkerProcess:
    """A process and the thread that reads its pipe. A killed process is replaced, and its job runs again."""

    def __init__(
        self,
        rank: int,
        finished: "SimpleQueue[tuple[int, Any]]",
        listen: Callable[[Event], None],
        imports: Sequence[str],
    ):
        self.rank, self.finished, self.listen, self.imports = rank, finished, listen, imports
        self.job_id: int | None = None
        self.job: tuple[Function, tuple[Any, ...]] | None = None
        self.ending = False
        self.lock = threading.Lock()  # a job goes whole to one process or to its replacement
        self._start()
        threading.Thread(target=self._read, daemon=True).start()

    def _start(self) -> None:
        self.memory_kills = memory_kills()
        self.pipe, theirs = SPAWN.Pipe()
        self.process = SPAWN.Process(target=serve, args=(theirs, self.rank, hardware().gpus, self.imports))
        self.process.start()
        theirs.close()

    def submit(self, job_id: int, job: tuple[Function, tuple[Any, ...]]) -> None:
        with self.lock:
            self.job_id, self.job = job_id, job
            self._send_job()

    def _send_job(self) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # it has just died: `_replace` sends it to the next one
            self.pipe.send(self.job)

    def _read(self) -> None:
        """Handle every message; nothing that a worker sends, and no error of a listener, ends this thread."""
        while True:
            try:
                message = self.pipe.recv_bytes()
            except (EOFError, OSError):
                if self.ending:
                    return
                self._replace()
                continue
            try:
                content = ForkingPickler.loads(message[1:])
            except Exception as error:
                content = ErrorText.of(error)
            if message[:1] == EVENT:
                self._tell(content)
                continue
            result = content.error() if isinstance(content, ErrorText) else content
            if self.ending or not isinstance(result, Interrupted):  # else it was ended from outside: `_replace` goes on
                self._finish(result)

    def _tell(self, event: Any) -> None:
        try:
            self.listen(event)
        except Exception:  # a listener's own bug must not stop the jobs
            traceback.print_exc()

    def _finish(self, result: Any) -> None:
        job_id, self.job_id, self.job = self.job_id, None, None
        assert job_id is not None
        self.finished.put((job_id, result))

    def _replace(self) -> None:
        """The process is gone: start another; give it the job again unless the job caused the death."""
        while (code := self.process.exitcode) is None:  # another thread may have collected the exit code just now
            self.process.join(IDLE)
        out_of_memory = memory_kills() > self.memory_kills
        with self.lock:
            if self.ending:
                return
            self._start()
            if self.job_id is None:
                return
            if code in KILLED and not out_of_memory:
                self._tell({"warning": "a worker process was killed; its job runs again in a new one"})
                self._send_job()
                return
        self._finish(WorkerDied(*cause(code, out_of_memory)))

    def end(self, how: signal.Signals) -> None:
        with self.lock:  # not while a replacement starts, which would never end
            self.ending = True
        if self.process.is_alive() and self.process.pid:
            os.kill(self.process.pid, how)


def cause(code: int, out_of_memory: bool) -> tuple[str, bool]:
    """(why a worker died, whether memory ran out), from its exit code.

    >>> cause(-11, False)
    ('a worker process died of SIGSEGV', False)
    """
    if out_of_memory:
        remedy = "close other programs, or declare a smaller batch, and run the same command again"
        return f"the kernel killed a worker process because memory ran out; {remedy}", True
    how = f"died of {signal.Signals(-code).name}" if code < 0 else f"ended itself with code {code}"
    return f"a worker process {how}", False


def memory_kills() -> int:
    """How many processes the kernel has killed because memory ran out, as far as it tells."""
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


def serve(pipe: Connection, rank: int, gpus: int, imports: Sequence[str]) -> None:
    """Do jobs until the pipe or the parent ends. imports: modules to load while there is nothing to do yet."""
    if gpus and "CUDA_VISIBLE_DEVICES" not in os.environ:
        os.environ["CUDA_VISIBLE_DEVICES"] = str(rank % gpus)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    send_events_to(lambda event: pipe.send_bytes(EVENT + bytes(ForkingPickler.dumps(event))))
    for name in imports:
        with suppress(ImportError):
            pipe.poll(IDLE) or import_module(name)  # the parent reads and checks the data meanwhile
    while not stop.is_set():
        try:
            if pipe.poll(IDLE):
                pipe.send_bytes(answer(pipe.recv_bytes()))
        except EOFError:
            return
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # so that the parent sees that we were asked to end
    signal.raise_signal(signal.SIGTERM)


def answer(message: bytes) -> bytes:
    """Do the job of a message; its pickled result, or its error as text where it failed."""
    try:
        function, arguments = ForkingPickler.loads(message)
        return RESULT + bytes(ForkingPickler.dumps(attempt(function, arguments)))
    except Exception as error:  # the job or its result cannot be pickled
        return RESULT + bytes(ForkingPickler.dumps(ErrorText.of(error)))


def _end_with_parent() -> None:
    """A killed parent cannot tell its workers; two generations must never write into one folder."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
