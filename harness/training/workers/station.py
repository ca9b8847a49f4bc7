"""One slot of a Ray cluster, seen from inside: a worker process in a home of its own on the node's disk."""

import fcntl
import os
import shutil
import signal
import sys
import tempfile
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any

import numpy as np

from harness.files import TEMPORARY
from harness.training.workers import Event, Function
from harness.training.workers.local import Worker
from harness.training.workers.travel import Outcome, Parcel, carry_paths, chunk, listing, unpack


class Station:
    """The actor: it keeps one worker process, as a `Local` engine does, in a temporary home on the node's own disk.

    `work`, `events` and the rest are called at the same time, each in a thread of its own.
    """

    def __init__(self, session: str, environment: Mapping[str, str]):
        import ray

        node = ray.get_runtime_context().get_node_id()
        sweep(Path(tempfile.gettempdir()))
        self.base = Path(tempfile.gettempdir()) / f"harness-{session}-{node[:12]}"
        self.presence = move_in(self.base)
        self.home = self.base / uuid.uuid4().hex
        (self.home / "runs").mkdir(parents=True)
        os.environ.update(environment, HARNESS_HOME=str(self.home))
        carry_paths()
        self.shared: set[Path] = set()
        self.told: SimpleQueue[Event | None] = SimpleQueue()
        self.ended: SimpleQueue[tuple[int, Any]] = SimpleQueue()
        vars(sys.modules["__main__"]).pop("__file__", None)  # else the worker would run Ray's own main script again
        self.worker = Worker(0, self.ended, self.told.put)

    def arrive(self) -> None:
        """Answered once the actor is there."""

    def work(self, parcels: Iterable[Parcel], function: Function, arguments: tuple[Any, ...]) -> Outcome:
        try:
            for parcel in parcels:
                self._receive(parcel)
            tidy(self.home / "runs", self.shared)
            before = listing(self.home / "runs")
            self.worker.give(1, (function, arguments))
            _, result = self.ended.get()
        finally:
            self.told.put(None)
        after = listing(self.home / "runs")
        changed = {f"runs/{name}": facts[0] for name, facts in after.items() if before.get(name) != facts}
        return Outcome(result, changed, [f"runs/{name}" for name in before if name not in after])

    def events(self) -> list[Event | None]:
        """What the job has reported since the last call; waits for something. None: the job has ended."""
        found = [self.told.get()]
        while not self.told.empty():
            found.append(self.told.get())
        return found

    def read(self, name: str, offset: int) -> np.ndarray:
        return chunk(self.home / name, offset)

    def stop(self) -> None:
        """The worker finishes its step and saves."""
        self.worker.dismiss(signal.SIGTERM)

    def close(self) -> None:
        self.worker.dismiss(signal.SIGKILL)
        self.worker.process.join()
        shutil.rmtree(self.home, ignore_errors=True)
        self.presence.close()
        sweep(self.base.parent)

    def _receive(self, parcel: Parcel) -> None:
        """Data are only read: one copy a node. Runs are copied for each actor, since a job may go on in them."""
        import ray

        place = self.home / parcel.folder
        if parcel.folder.startswith("runs/"):
            shutil.rmtree(place, ignore_errors=True)
            unpack(parcel.files, place, ray.get)
            self.shared.add(place)
            return
        kept = self.base / "shared" / str(parcel.number)
        with alone(self.base / ".unpacking"):
            if not kept.exists():
                partial = kept.with_name(f".{kept.name}{TEMPORARY}")
                shutil.rmtree(partial, ignore_errors=True)
                unpack(parcel.files, partial, ray.get)
                partial.replace(kept)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.symlink_to(kept)


def tidy(folder: Path, kept: Collection[Path]) -> None:
    """Remove everything below but the folders that are kept."""
    for path in folder.iterdir():
        if path in kept:
            continue
        if any(place.is_relative_to(path) for place in kept):
            tidy(path, kept)
        elif path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def move_in(base: Path) -> IO[str]:
    """A folder that all actors of a session have in common on a node: as long as this file is open, it stays."""
    while True:
        base.mkdir(mode=0o700, exist_ok=True)
        presence = open(base / ".lock", "a+")  # noqa: SIM115 - open as long as the actor lives
        fcntl.flock(presence, fcntl.LOCK_SH)
        if (base / ".lock").exists():
            return presence
        presence.close()  # it was swept away before it was locked


def sweep(folder: Path) -> None:
    """Remove the folders of sessions that are over: an actor that is killed leaves its own."""
    for lock in folder.glob("harness-*/.lock"):
        with suppress(OSError), open(lock, "r+") as presence:  # in use, or another person's
            fcntl.flock(presence, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent, ignore_errors=True)


@contextmanager
def alone(file: Path) -> Iterator[None]:
    """Wait until no other actor of this node is inside."""
    with open(file, "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
