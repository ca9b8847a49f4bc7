"""Worker processes of this machine: jobs end once, whatever happens to their worker, and errors arrive as text."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from harness.errors import InvalidSubmission
from harness.models import Diverged, OutOfTime
from harness.training.workers import WorkerDied, Workers, results, run
from harness.training.workers.local import LocalWorkers
from harness.training.workers.process import WorkerError
from tests.support import ray_jobs
from tests.support.tiny_search import wait_until


@pytest.fixture(scope="module")
def events() -> list[dict[str, Any]]:
    return []


@pytest.fixture(scope="module")
def workers(events: list[dict[str, Any]]) -> Any:
    with LocalWorkers(2, 1, events.append) as local:
        yield local


def only(workers: Workers, function: Any, *arguments: Any) -> Any:
    """The result of one job."""
    ((_, result),) = run(workers, function, [arguments])
    return result


def test_results_come_with_the_index_of_their_job_and_finished_waits_no_longer_than_asked(workers: Workers) -> None:
    assert dict(results(run(workers, ray_jobs.square, [(n,) for n in range(7)]))) == {n: n * n for n in range(7)}
    assert workers.finished(timeout=0.05) == []


def test_a_job_whose_worker_is_killed_runs_again_and_ends_once(workers: Workers, events: list, tmp_path: Path) -> None:
    ended = list(results(run(workers, ray_jobs.killed_once, [(str(tmp_path), n) for n in range(2)])))
    assert sorted(ended) == [(0, 0), (1, 1)]
    assert sum("warning" in event for event in events) == 2


def test_a_job_that_crashes_its_worker_ends_with_the_reason(workers: Workers) -> None:
    died = only(workers, ray_jobs.crash, 3)
    assert isinstance(died, WorkerDied) and "code 3" in str(died) and not died.memory
    fault = only(workers, ray_jobs.segfault)
    assert isinstance(fault, WorkerDied) and "SIGSEGV" in str(fault)
    assert only(workers, ray_jobs.square, 3) == 9  # and the next job has a worker again


def test_an_exception_that_cannot_be_unpickled_arrives_as_text_with_its_traceback(workers: Workers) -> None:
    error = only(workers, ray_jobs.stubborn)
    assert isinstance(error, WorkerError) and str(error) == "Stubborn: 1 and 2"
    assert "in stubborn" in "".join(error.__notes__)


def test_our_own_and_the_system_s_errors_keep_their_class(workers: Workers) -> None:
    for error in (InvalidSubmission("row 3"), Diverged("the loss is NaN"), OutOfTime(), MemoryError("no more")):
        found = only(workers, ray_jobs.raising, error)
        assert type(found) is type(error) and str(found) == str(error)
    full = only(workers, ray_jobs.raising, OSError(errno.ENOSPC, "no space", "weights"))
    assert (full.errno, full.filename) == (errno.ENOSPC, "weights")


@pytest.mark.parametrize("job", [ray_jobs.explosive, ray_jobs.unpicklable])
def test_a_result_that_cannot_travel_ends_its_job_with_an_error(workers: Workers, job: Any) -> None:
    assert isinstance(only(workers, job), WorkerError)
    assert only(workers, ray_jobs.square, 3) == 9


def test_every_event_comes_before_its_job_s_result_and_a_listener_that_raises_stops_no_job(
    capfd: pytest.CaptureFixture[str],
) -> None:
    heard = []

    def listen(event: dict[str, Any]) -> None:
        heard.append(event["k"])
        if event["k"] == 2:
            raise KeyError("a bug of the console")

    with LocalWorkers(1, 1, listen) as local:
        assert only(local, ray_jobs.loud, 500) == 500
        assert heard == list(range(500))
    assert "a bug of the console" in capfd.readouterr().err


def test_a_worker_that_is_terminated_from_outside_saves_and_its_job_goes_on_in_another(
    workers: LocalWorkers, events: list, tmp_path: Path
) -> None:
    events.clear()
    workers.submit(ray_jobs.stopped_once, str(tmp_path / "mark"))
    wait_until(lambda: events)
    os.kill(events[0]["pid"], signal.SIGTERM)
    ((_, result),) = workers.finished(60)
    assert result == "done" and (tmp_path / "mark").read_bytes() == b"saved"


def test_after_an_error_workers_save_and_end_and_those_that_do_not_are_killed(tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    with pytest.raises(KeyboardInterrupt), LocalWorkers(2, 1, grace=1.0) as local:
        local.submit(ray_jobs.until_stopped, str(good))
        local.submit(ray_jobs.deaf, str(bad))
        wait_until(good.exists)
        wait_until(bad.exists)
        began = time.monotonic()
        raise KeyboardInterrupt
    assert time.monotonic() - began < 5
    assert good.read_bytes() == b"saved"


WITHOUT_TORCH = """
import sys, time
from harness.training.workers.local import LocalWorkers

if __name__ == "__main__":
    with LocalWorkers(1, 1) as workers:
        time.sleep(float(sys.argv[1]))
        workers.submit(abs, -3)
        print(workers.finished(60))
"""


def test_a_worker_without_torch_is_quiet_while_idle(tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise ModuleNotFoundError('No module named torch')")
    (tmp_path / "program.py").write_text(WITHOUT_TORCH)
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    command = [sys.executable, str(tmp_path / "program.py"), "1.5"]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=120)
    assert (done.stdout.strip(), done.stderr) == ("[(1, 3)]", "")
