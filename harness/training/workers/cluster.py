"""A Ray cluster that is already there: whether it answers, the connection to it, and how it is shared out."""

import io
import logging
import math
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from harness.errors import UserError
from harness.training.workers.travel import write_code

REACH = 20.0  # seconds a cluster has to answer
HOW = "start one with `ray start --head`, and name it with RAY_ADDRESS=host:6379 (docs/cluster.md)"


class Shares(NamedTuple):
    """How a cluster is shared out. gpu: of every actor, 0 where there are none."""

    slots: int
    threads: int
    gpu: float


def shares(nodes: Sequence[tuple[float, float]], count: int | None = None) -> Shares:
    """nodes: (cores, GPUs) of each; count: actors that are wanted, as many as there is room for.

    An actor per GPU, or several on each where more are wanted. Without GPUs, at most eight on the largest node, as the
    local engine has them. The threads are the same everywhere, however many actors are wanted: bytes depend on them.

    >>> shares([(16, 2), (16, 2)]), shares([(16, 2), (16, 2)], 8)
    (Shares(slots=4, threads=8, gpu=1.0), Shares(slots=8, threads=8, gpu=0.5))
    >>> shares([(2, 0), (2, 0)]), shares([(32, 0)], 4)
    (Shares(slots=4, threads=1, gpu=0.0), Shares(slots=4, threads=4, gpu=0.0))
    """
    gpus = sum(int(gpu) for _, gpu in nodes)
    if gpus:
        each = max(1, math.ceil((count or gpus) / gpus))
        threads = max(1, min(int(cores) // int(gpu) for cores, gpu in nodes if int(gpu)))
        return Shares(min(gpus * each, count or gpus), threads, math.floor(10000 / each) / 10000)
    threads = max(1, max((int(cores) for cores, _ in nodes), default=0) // 8)
    room = sum(int(cores) // threads for cores, _ in nodes)
    return Shares(min(room, count or room), threads, 0.0)


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """The module `ray`, connected; our code goes along. Raise `UserError` where no cluster answers."""
    require_cluster(address)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"  # what Ray will do anyway, and warns about
    import ray

    told = signal.getsignal(signal.SIGTERM)
    with redirect_stdout(Aside()), TemporaryDirectory() as folder:
        write_code(Path(folder))
        try:
            ray.init(
                address,
                runtime_env={"working_dir": folder},
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        except (ConnectionError, RuntimeError, ValueError, TimeoutError, AssertionError) as error:
            raise UserError(
                f"the Ray cluster at {address} cannot be used from here: {last_line(error)}; "
                "run the command on one of its nodes, with the same versions of Python and Ray (docs/cluster.md)"
            ) from error
        finally:
            signal.signal(signal.SIGTERM, told)  # Ray puts its own there
        try:
            yield ray
        finally:
            ray.shutdown()


def require_cluster(address: str) -> None:
    """Raise `UserError` unless something that speaks gRPC answers; Ray itself would wait for two minutes."""
    if not address:
        raise UserError(f"ENGINE=ray needs a running Ray cluster; {HOW}")
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        raise UserError(f"RAY_ADDRESS={address} is not of the form host:port, as in head:6379; {HOW}")
    if not answers(host, int(port), REACH):
        raise UserError(f"no Ray cluster answers at {address}; {HOW}")


def answers(host: str, port: int, seconds: float) -> bool:
    """Whether a server of HTTP/2, which gRPC is, greets with its settings (RFC 9113, section 3.4)."""
    try:
        with socket.create_connection((host, port), timeout=seconds) as connection:
            connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
            greeting = connection.recv(9, socket.MSG_WAITALL)
    except OSError:
        return False
    return len(greeting) == 9 and greeting[3] == 4


class Aside(io.TextIOBase):
    """Standard output while Ray is connected: JSON stays alone there. What Ray's own threads print is let go."""

    def write(self, text: str) -> int:
        if not threading.current_thread().name.startswith("ray_"):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        sys.stderr.flush()


def last_line(error: BaseException) -> str:
    return ([line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__])[-1]
