"""The local engine: jobs end once, whatever happens to their worker."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from harness.models import Interrupted
from harness.training.workers import Engine, WorkerDied, process, results, run
from harness.training.workers.local import Local

# -- jobs --------------------------------------------------------------------------------------------------------------


def square(number: int) -> int:
    return number * number


def killed_once(folder: str, number: int) -> int:
    """Its first worker is killed by somebody else."""
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
    """Cannot be unpickled."""

    def __init__(self, a: int, b: int):
        super().__init__(f"{a} and {b}")


def stubborn() -> None:
    raise Stubborn(1, 2)


def loud(number: int) -> int:
    for k in range(number):
        process.report({"k": k})
    return number


def until_stopped(mark: str) -> None:
    Path(mark).touch()
    while not process.stopping():
        time.sleep(0.01)
    Path(mark).write_text("saved")
    raise Interrupted("stopped")


def deaf(mark: str) -> None:
    Path(mark).touch()
    time.sleep(60)


# -- tests -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def heard() -> list[dict[str, Any]]:
    return []


@pytest.fixture(scope="module")
def engine(heard: list[dict[str, Any]]) -> Any:
    with Local(2, 1, heard.append) as local:
        yield local


def test_results_come_with_the_index_of_their_job(engine: Engine) -> None:
    assert dict(results(run(engine, square, [(n,) for n in range(7)]))) == {n: n * n for n in range(7)}


def test_a_job_whose_worker_is_killed_begins_again_and_ends_once(
    engine: Engine, heard: list[dict[str, Any]], tmp_path: Path
) -> None:
    ended = list(results(run(engine, killed_once, [(str(tmp_path), n) for n in range(3)])))
    assert sorted(ended) == [(0, 0), (1, 1), (2, 2)]
    assert sum("begins again" in event.get("warning", "") for event in heard) == 3


def test_a_worker_that_dies_by_its_own_doing_ends_its_job_with_the_reason(engine: Engine) -> None:
    ((_, ended),) = run(engine, crash, [(3,)])
    assert isinstance(ended, WorkerDied) and "ended itself with code 3" in str(ended) and not ended.memory
    ((_, fault),) = run(engine, segfault, [()])
    assert isinstance(fault, WorkerDied) and "SIGSEGV" in str(fault)
    assert dict(results(run(engine, square, [(3,)]))) == {0: 9}  # and the next job has a worker again


def test_an_exception_that_cannot_travel_is_told_in_words(engine: Engine) -> None:
    ((_, ended),) = run(engine, stubborn, [()])
    assert isinstance(ended, RuntimeError) and "Stubborn: 1 and 2" in str(ended)


def test_every_event_is_heard_before_its_jobs_result(engine: Engine, heard: list[dict[str, Any]]) -> None:
    heard.clear()
    assert dict(results(run(engine, loud, [(500,)]))) == {0: 500}
    assert [event["k"] for event in heard] == list(range(500))


def test_ended_waits_no_longer_than_it_is_told(engine: Engine) -> None:
    began = time.monotonic()
    assert engine.ended(timeout=0.05) == []
    assert time.monotonic() - began < 1


def wait_for(mark: Path) -> None:
    until = time.monotonic() + 60
    while not mark.exists():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_after_an_error_workers_save_and_end_and_the_deaf_are_killed(tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    with pytest.raises(KeyboardInterrupt), Local(2, 1, grace=1.0) as local:
        local.start(until_stopped, str(good))
        local.start(deaf, str(bad))
        wait_for(good)
        wait_for(bad)
        began = time.monotonic()
        raise KeyboardInterrupt
    assert time.monotonic() - began < 5
    assert good.read_text() == "saved"
