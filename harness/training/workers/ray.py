"""Jobs on an existing Ray cluster, without a shared disk: code, data and predictions travel through Ray's object store.

Every slot is an actor (`station.Station`) that keeps a worker process, as the local engine does.
"""

import math
import os
import secrets
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import paths
from harness.errors import UserError
from harness.files import atomic
from harness.options import silent
from harness.training.workers import GRACE, Event, Function, WorkerDied
from harness.training.workers.cluster import connected, last_line, shares
from harness.training.workers.station import Station
from harness.training.workers.travel import CHUNK, Outcome, Parcel, carry_paths, in_order, listing, pack

LEAVING = 2.0  # of the grace, seconds kept for closing the actors and the connection
PATIENCE = 60.0  # seconds without any actor, then it is said
ENVIRONMENT = ("HF_HUB_OFFLINE", "NO_ALBUMENTATIONS_UPDATE", "YOLO_OFFLINE")  # nothing calls home, wherever it runs
STARVED = (
    "a node ran out of memory, and Ray ended a worker there; declare a smaller batch, or start fewer workers "
    "(WORKERS=), and run the same command again"
)


@dataclass(eq=False)
class Seat:
    """An actor, seen from here. The references are of its first word, its job's end, and its job's next events."""

    actor: Any
    expected: bool  # there is room for it, though it has not come yet
    coming: Any
    ticket: int | None = None
    done: Any = None
    telling: Any = None
    holds: set[int] = field(default_factory=set)  # numbers of parcels


@dataclass
class Ray:
    """count: actors wanted (WORKERS=). Events and what a job left on disk arrive while `ended` is called."""

    listen: Callable[[Event], None] = silent
    count: int | None = None
    _seats: list[Seat] = field(default_factory=list)
    _jobs: dict[int, tuple[Function, tuple[Any, ...]]] = field(default_factory=dict)  # begun and not ended
    _parcels: dict[str, Parcel] = field(default_factory=dict)
    _listed: dict[str, Any] = field(default_factory=dict)  # what the parcels were packed from
    _tickets: int = 0

    @property
    def threads(self) -> int:
        return self._shares.threads

    @property
    def slots(self) -> int:
        return max(1, sum(seat.expected for seat in self._seats))

    @property
    def free(self) -> int:
        return max(0, self.slots - len(self._jobs))

    def __enter__(self) -> "Ray":
        with ExitStack() as stack:
            ray = stack.enter_context(connected(os.environ.get("RAY_ADDRESS", "")))
            nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
            self._shares = shares([(node.get("CPU", 0.0), node.get("GPU", 0.0)) for node in nodes], self.count)
            if not self._shares.slots:
                raise UserError("no node of the Ray cluster offers a CPU; start one with `ray start --num-cpus`")
            carry_paths()
            self._session, self._began, self._lonely = secrets.token_hex(6), time.monotonic(), False
            self._seats = [self._hire(expected=True) for _ in range(self._shares.slots)]
            self._connection = stack.pop_all()
        return self

    def share(self, folder: Path) -> None:
        parts = Path(os.path.normpath(folder)).relative_to(paths.root()).parts
        if parts[:1] != ("runs",) and parts[:1] + parts[3:4] != ("data", "public"):
            raise ValueError(f"{paths.shown(folder)} does not travel: only public data and runs do")
        place = "/".join(parts)
        if self._listed.get(place) != (found := listing(folder)):
            import ray

            number = max((parcel.number for parcel in self._parcels.values()), default=0) + 1
            self._parcels[place] = Parcel(number, place, pack(folder, ray.put))
            self._listed[place] = found

    def start(self, function: Function, *arguments: Any) -> int:
        self._tickets += 1
        self._jobs[self._tickets] = (function, arguments)
        self._give()
        return self._tickets

    def ended(self, timeout: float | None = None) -> list[tuple[int, Any]]:
        import ray

        until = math.inf if timeout is None else time.monotonic() + timeout
        found: list[tuple[int, Any]] = []
        while not found and (self._jobs or until < math.inf):
            self._give()
            awaited = self._awaited()
            left = max(0.0, min(until - time.monotonic(), PATIENCE))
            if awaited:
                for reference in ray.wait(list(awaited), timeout=left, fetch_local=False)[0]:
                    then, seat = awaited[reference]
                    found += then(seat)
            else:
                time.sleep(left)
            self._complain()
            if time.monotonic() >= until:
                break
        return found

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        until = time.monotonic() + GRACE - LEAVING
        try:
            if kind is not None:
                self._save(until)
        finally:
            self._dismiss()
            self._connection.close()

    # -- seats ---------------------------------------------------------------------------------------------------------

    def _hire(self, expected: bool) -> Seat:
        import ray

        environment = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
        environment["OMP_NUM_THREADS"] = str(self.threads)  # read by the worker's libraries when they load
        gpu = self._shares.gpu
        station: Any = ray.remote(Station)
        needs = {"num_cpus": 0 if gpu else self.threads, "num_gpus": gpu}
        actor = station.options(**needs, max_concurrency=4).remote(self._session, environment)
        return Seat(actor, expected, actor.arrive.remote())

    def _give(self) -> None:
        """Jobs without a seat to the seats that are there and have none."""
        seated = {seat.ticket for seat in self._seats}
        waiting = [ticket for ticket in self._jobs if ticket not in seated]
        idle = [seat for seat in self._seats if seat.coming is None and seat.ticket is None]
        for seat, ticket in zip(idle, waiting, strict=False):
            missing = [parcel for parcel in self._parcels.values() if parcel.number not in seat.holds]
            seat.ticket, seat.done = ticket, seat.actor.work.remote(missing, *self._jobs[ticket])
            seat.telling = seat.actor.events.remote()
            seat.holds |= {parcel.number for parcel in missing}

    def _awaited(self) -> dict[Any, tuple[Callable[[Seat], list[tuple[int, Any]]], Seat]]:
        """What to do when a reference is ready; of several, `ray.wait` takes the first."""
        steps = (("done", self._finish), ("coming", self._welcome), ("telling", self._hear))
        return {
            getattr(seat, name): (then, seat)
            for name, then in steps
            for seat in self._seats
            if getattr(seat, name) is not None
        }

    def _welcome(self, seat: Seat) -> list[tuple[int, Any]]:
        import ray

        try:
            ray.get(seat.coming)
        except (ray.exceptions.RuntimeEnvSetupError, ray.exceptions.RayTaskError) as error:
            raise UserError(f"a node of the Ray cluster cannot do jobs: {last_line(error)}") from error
        except ray.exceptions.RayActorError as error:
            if error.actor_init_failed:
                raise UserError(f"a node of the Ray cluster cannot do jobs: {last_line(error)}") from error
            return self._lose(seat, error)
        seat.coming, seat.expected = None, True
        return []

    def _hear(self, seat: Seat) -> list[tuple[int, Any]]:
        import ray

        try:
            told = ray.get(seat.telling)
        except ray.exceptions.RayError:  # so will its job's end, which knows what to do
            seat.telling = None
            return []
        for event in told:
            if event is not None:
                self.listen(event)
        seat.telling = None if None in told else seat.actor.events.remote()
        return []

    def _finish(self, seat: Seat) -> list[tuple[int, Any]]:
        import ray

        assert seat.ticket is not None
        try:
            while seat.telling is not None:  # every event is heard before the result
                self._hear(seat)
            outcome = ray.get(seat.done)
            self._bring(seat, outcome)
            result = outcome.result
        except ray.exceptions.RayTaskError as error:  # the actor's own: its disk is full
            result = error.cause
            seat.holds.clear()  # perhaps not all of a parcel was unpacked
        except ray.exceptions.RayError as error:
            return self._lose(seat, error)
        ticket, seat.ticket, seat.done = seat.ticket, None, None
        del self._jobs[ticket]
        return [(ticket, result)]

    def _bring(self, seat: Seat, outcome: Outcome, until: float = math.inf) -> None:
        """Write what the job left; whatever says that something is complete comes last."""
        import ray

        for name in in_order(outcome.files):
            with atomic(paths.root() / name) as file:
                for offset in range(0, outcome.files[name], CHUNK):
                    left = None if until == math.inf else max(0.0, until - time.monotonic())
                    file.write(ray.get(seat.actor.read.remote(name, offset), timeout=left))
        for name in outcome.gone:
            (paths.root() / name).unlink(missing_ok=True)

    def _lose(self, seat: Seat, error: Exception) -> list[tuple[int, Any]]:
        """The actor is gone. Its job begins again on another, unless Ray took it for want of memory."""
        import ray

        ray.kill(seat.actor)
        self._seats.remove(seat)
        starved = isinstance(error, ray.exceptions.OutOfMemoryError)
        self._seats.append(self._hire(expected=starved))  # comes when there is room for it
        if starved and seat.ticket is not None:
            del self._jobs[seat.ticket]
            return [(seat.ticket, WorkerDied(STARVED, memory=True))]
        again = "" if seat.ticket is None else "; its job begins again on another"
        self.listen({"warning": f"a worker of the cluster was lost, with its node or alone{again}"})
        return []

    def _complain(self) -> None:
        if self._lonely or time.monotonic() < self._began + PATIENCE:
            return
        if all(seat.coming is not None for seat in self._seats):
            self._lonely = True
            self.listen({"warning": "no node of the Ray cluster has room for a worker yet; waiting (see `ray status`)"})

    # -- the end -------------------------------------------------------------------------------------------------------

    def _save(self, until: float) -> None:
        """After an error or an interrupt: workers finish their step and save, and what they saved comes back."""
        import ray

        working = {seat.done: seat for seat in self._seats if seat.done is not None}
        for seat in working.values():
            seat.actor.stop.remote()
        while working and (left := until - time.monotonic()) > 0:
            ready, _ = ray.wait(list(working), timeout=left, fetch_local=False)
            for reference in ready:
                with suppress(ray.exceptions.RayError):  # lost, or too late: what came before counts
                    self._bring(working[reference], ray.get(reference), until)
                del working[reference]

    def _dismiss(self) -> None:
        import ray

        closed = [seat.actor.close.remote() for seat in self._seats]
        ray.wait(closed, num_returns=len(closed), timeout=LEAVING / 2)
        for seat in self._seats:
            ray.kill(seat.actor)
