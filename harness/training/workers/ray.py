"""Jobs as tasks of an existing Ray cluster whose nodes see one shared folder (STORAGE_PATH), as Ray Train wants it.

Data, checkpoints and predictions lie in that folder. Ray starts, retries and places the tasks.
"""

import logging
import math
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from harness import paths
from harness.errors import UserError
from harness.files import write_bytes
from harness.options import silent
from harness.training.workers import GRACE, Event, Function, WorkerDied
from harness.training.workers.process import ErrorText, attempt, send_events_to, stop

REACH = 20.0  # seconds a cluster, or a node, has to answer
RETRIES = 3  # of a task whose worker or node died
POLL = 0.5  # seconds between two collections of events
SAVING = GRACE - 2  # seconds tasks have to save after an interrupt; the rest is for the connection's end
FORWARDED = ("HF_HUB_OFFLINE", "NO_ALBUMENTATIONS_UPDATE", "YOLO_OFFLINE")  # nothing calls home, wherever it runs
HOW = "start one with `ray start --head`, and name it with RAY_ADDRESS=host:6379 (docs/cluster.md)"
OUT_OF_MEMORY = (
    "a node ran out of memory, and Ray ended a task there; declare a smaller batch, or start fewer workers (WORKERS=), "
    "and run the same command again"
)


class TaskNeeds(NamedTuple):
    """The resources of one task, as `ray.remote` names them. slots: how many such tasks fit the nodes."""

    num_cpus: int
    num_gpus: float
    threads: int
    slots: int


def needs(nodes: Sequence[tuple[float, float]], count: int | None = None) -> TaskNeeds:
    """nodes: (cores, GPUs) of each; count: tasks that are wanted at once, None for as many as fit.

    One task per GPU, or several on each where more are wanted. Without GPUs at most eight tasks on the largest node, as
    on one machine. The threads do not depend on `count`: bytes depend on them.

    >>> needs([(16, 2), (16, 2)]), needs([(16, 2), (16, 2)], 8)
    (TaskNeeds(num_cpus=0, num_gpus=1.0, threads=8, slots=4), TaskNeeds(num_cpus=0, num_gpus=0.5, threads=8, slots=8))
    >>> needs([(2, 0), (2, 0)]), needs([(32, 0)], 4)
    (TaskNeeds(num_cpus=1, num_gpus=0.0, threads=1, slots=4), TaskNeeds(num_cpus=4, num_gpus=0.0, threads=4, slots=4))
    """
    gpus = sum(int(gpu) for _, gpu in nodes)
    if gpus:
        each = max(1, math.ceil((count or gpus) / gpus))
        threads = max(1, min(int(cores) // int(gpu) for cores, gpu in nodes if int(gpu)))
        return TaskNeeds(0, math.floor(10000 / each) / 10000, threads, min(gpus * each, count or gpus))
    threads = max(1, max((int(cores) for cores, _ in nodes), default=0) // 8)
    room = sum(int(cores) // threads for cores, _ in nodes)
    return TaskNeeds(threads, 0.0, threads, min(room, count or room))


@dataclass
class RayWorkers:
    """count: tasks at once (WORKERS=). Events arrive while `finished` is called."""

    listen: Callable[[Event], None] = silent
    count: int | None = None
    _running: dict[Any, int] = field(default_factory=dict)  # a task's reference -> job id
    _last_id: int = 0

    def __enter__(self) -> "RayWorkers":
        with ExitStack() as stack:
            stack.enter_context(redirect_stdout(sys.stderr))  # --json stays alone on standard output
            self.ray = connect(os.environ.get("RAY_ADDRESS", ""))
            stack.callback(self.ray.shutdown)
            self._needs = needs(self._nodes(), self.count)
            if not self._needs.slots:
                raise UserError("no node of the Ray cluster offers a CPU; start one with `ray start --num-cpus`")
            require_shared_storage(self.ray)
            here = on_node(self.ray.get_runtime_context().get_node_id())  # it lives as long as the command does
            self._events = self.ray.remote(EventBuffer).options(**here).remote()
            self._task = self.ray.remote(do_job).options(**self._options())
            self._stack = stack.pop_all()
        return self

    def _nodes(self) -> list[tuple[float, float]]:
        resources = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        return [(node.get("CPU", 0.0), node.get("GPU", 0.0)) for node in resources]

    def _options(self) -> dict[str, Any]:
        """The options of `ray.remote` for a fold; WORKER_MEMORY= is its memory in GB."""
        environment = {name: os.environ[name] for name in FORWARDED if name in os.environ}
        environment |= {"HARNESS_HOME": str(paths.root()), "OMP_NUM_THREADS": str(self.threads)}
        memory = os.environ.get("WORKER_MEMORY")
        return {
            "num_cpus": self._needs.num_cpus,
            "num_gpus": self._needs.num_gpus,
            "memory": gigabytes(memory) if memory else None,
            "max_retries": RETRIES,
            "runtime_env": {"env_vars": environment},
        }

    @property
    def threads(self) -> int:
        return self._needs.threads

    @property
    def slots(self) -> int:
        """As many as fit the nodes that are there now."""
        return max(1, needs(self._nodes(), self.count).slots)

    @property
    def free(self) -> int:
        return max(0, self.slots - len(self._running))

    def submit(self, function: Function, *arguments: Any) -> int:
        self._last_id += 1
        self._running[self._task.remote(self._events, function, arguments)] = self._last_id
        return self._last_id

    def finished(self, timeout: float | None = None) -> list[tuple[int, Any]]:
        until = math.inf if timeout is None else time.monotonic() + timeout
        ready: list[Any] = []
        while not ready and (self._running or until < math.inf):
            left = max(0.0, min(until - time.monotonic(), POLL))
            if self._running:
                ready, _ = self.ray.wait([*self._running], num_returns=1, timeout=left)
            else:
                time.sleep(left)
            for event in self.ray.get(self._events.take.remote()):
                self.listen(event)
            if time.monotonic() >= until:
                break
        return [(self._running.pop(task), self._result(task)) for task in ready]

    def _result(self, task: Any) -> Any:
        exceptions = self.ray.exceptions
        try:
            result = self.ray.get(task)
        except exceptions.OutOfMemoryError:
            return WorkerDied(OUT_OF_MEMORY, memory=True)
        except exceptions.RayError as error:
            return WorkerDied(f"a task of the Ray cluster was lost: {last_line(error)}")
        return result.error() if isinstance(result, ErrorText) else result

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is not None and self._running:  # tasks finish their step and save
                for task in self._running:
                    self.ray.cancel(task)
                self.ray.wait([*self._running], num_returns=len(self._running), timeout=SAVING)
        finally:
            self._stack.close()


# -- inside a task -----------------------------------------------------------------------------------------------------


class EventBuffer:
    """An actor that keeps events until the command takes them."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def add(self, event: Event) -> None:
        self.events.append(event)

    def take(self) -> list[Event]:
        events, self.events = self.events, []
        return events


def do_job(events: Any, function: Function, arguments: tuple[Any, ...]) -> Any:
    """The task: a job's result, or the `ErrorText` of what it raised. `ray.cancel` arrives as SIGINT."""
    stop.clear()
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    send_events_to(lambda event: events.add.remote(event))
    return attempt(function, arguments)


def reads(file: str, content: bytes) -> bool:
    """Whether this node sees the file."""
    return Path(file).exists() and Path(file).read_bytes() == content


# -- the cluster -------------------------------------------------------------------------------------------------------


def connect(address: str) -> Any:
    """The module `ray`, connected; our code goes along. Raise `UserError` where no cluster answers."""
    require_address(address)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"  # Ray's own default from now on; else it warns
    os.environ.setdefault("RAY_task_oom_retries", "0")  # the search retries with a smaller batch instead
    import ray

    handler = signal.getsignal(signal.SIGTERM)
    code = {"py_modules": [package("harness"), package("competitions")]}
    try:
        ray.init(address, runtime_env=code, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError, AssertionError) as error:
        raise UserError(
            f"the Ray cluster at {address} cannot be used from here: {last_line(error)}; "
            "run the command on one of its nodes, with the same versions of Python and Ray (docs/cluster.md)"
        ) from error
    finally:
        signal.signal(signal.SIGTERM, handler)  # Ray puts its own there
    return ray


def require_address(address: str) -> None:
    """Raise `UserError` unless something listens there; Ray itself would wait for minutes."""
    if not address:
        raise UserError(f"ENGINE=ray needs a running Ray cluster; {HOW}")
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        raise UserError(f"RAY_ADDRESS={address} is not of the form host:port, as in head:6379; {HOW}")
    try:
        socket.create_connection((host, int(port)), timeout=REACH).close()
    except OSError as error:
        raise UserError(f"no Ray cluster answers at {address}; {HOW}") from error


def require_shared_storage(ray: Any) -> None:
    """Raise `UserError` unless every node reads a file that is written here, below the storage's root."""
    root = paths.root()
    if "://" in os.environ.get("STORAGE_PATH", ""):
        raise UserError(
            f"STORAGE_PATH={os.environ['STORAGE_PATH']} is not a folder; name one that is mounted on every node"
        )
    probe, content = root / f".ray-{secrets.token_hex(6)}", secrets.token_bytes(16)
    write_bytes(probe, content)
    try:
        nodes = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
        tasks = {ray.remote(reads).options(**on_node(name)).remote(str(probe), content): name for name in nodes}
        seen, late = ray.wait([*tasks], num_returns=len(tasks), timeout=REACH * 3)
        blind = [nodes[tasks[task]] for task in seen if not _reads_or_is_gone(ray, task)]
    finally:
        probe.unlink()
    if blind:
        raise UserError(
            f"{root} is not visible from the node {', '.join(blind)}; name a folder that all nodes share with "
            "STORAGE_PATH= (docs/cluster.md)"
        )
    if late:
        raise UserError(f"the node {nodes[tasks[late[0]]]} of the Ray cluster does not run tasks; see `ray status`")


def _reads_or_is_gone(ray: Any, task: Any) -> bool:
    """Whether a node reads the probe; one that died is listed as alive until its heartbeats are missed."""
    try:
        return ray.get(task)
    except (ray.exceptions.NodeDiedError, ray.exceptions.TaskUnschedulableError, ray.exceptions.WorkerCrashedError):
        return True


def on_node(name: str) -> dict[str, Any]:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return {"num_cpus": 0, "scheduling_strategy": NodeAffinitySchedulingStrategy(name, soft=False)}


def package(name: str) -> str:
    """The folder of a package of ours."""
    spec = find_spec(name)
    assert spec and spec.submodule_search_locations
    return str(Path(next(iter(spec.submodule_search_locations))).resolve())


def gigabytes(text: str) -> int:
    """Bytes. Raise `UserError` where it is not a number."""
    try:
        return int(float(text) * 2**30)
    except ValueError:
        raise UserError(f"WORKER_MEMORY={text} is not a number of gigabytes, as in WORKER_MEMORY=8") from None


def last_line(error: BaseException) -> str:
    return ([line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__])[-1]
