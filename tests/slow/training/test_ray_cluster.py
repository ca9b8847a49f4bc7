"""A real Ray cluster of two nodes with a shared folder: same bytes, a node that is killed, interrupts, no storage."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UserError
from harness.training.workers import WorkerDied, results, run
from harness.training.workers.process import WorkerError
from harness.training.workers.ray import RayWorkers
from tests.support import ray_jobs
from tests.support.tiny_competition import REPOSITORY, Home
from tests.support.tiny_search import wait_until

pytestmark = pytest.mark.soak

NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The shared folder, with the prepared data of a competition."""
    made = Home(tmp_path_factory.mktemp("shared"))
    made.json("harness", "data", made.name)
    return made


@pytest.fixture(scope="module")
def cluster(home: Home) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(home.root / "site"), str(REPOSITORY)]))  # competition and jobs
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        from ray.cluster_utils import Cluster

        two = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
        two.add_node(**NODE)
        patch.setenv("RAY_ADDRESS", f"127.0.0.1:{two.address.rpartition(':')[2]}")
        yield two
        two.shutdown()


@pytest.fixture
def events() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def workers(cluster: Any, events: list[dict[str, Any]]) -> Iterator[RayWorkers]:
    with RayWorkers(events.append) as ray:
        yield ray


def test_jobs_run_on_both_nodes_in_the_shared_folder(workers: RayWorkers, own_home: Path, events: list) -> None:
    assert (workers.slots, workers.threads, workers.free) == (2, 1, 2)
    seen = dict(results(run(workers, ray_jobs.environment, [()] * 4)))
    assert {place["home"] for place in seen.values()} == {str(own_home)}
    assert {place["threads"] for place in seen.values()} == {"1"}
    assert dict(results(run(workers, ray_jobs.loud, [(50,)]))) == {0: 50}
    wait_until(lambda: workers.finished(0.1) or len(events) == 50, 10)
    assert [event["k"] for event in events] == list(range(50))
    assert not list(own_home.glob(".ray-*"))


def test_a_killed_task_is_retried_and_errors_are_results(workers: RayWorkers, tmp_path: Path) -> None:
    assert dict(results(run(workers, ray_jobs.killed_once, [(str(tmp_path), 7)]))) == {0: 7}
    ((_, crashed),) = run(workers, ray_jobs.crash, [(3,)])
    assert isinstance(crashed, WorkerDied) and not crashed.memory
    ((_, stubborn),) = run(workers, ray_jobs.stubborn, [()])
    assert isinstance(stubborn, WorkerError) and str(stubborn) == "Stubborn: 1 and 2"
    assert dict(results(run(workers, ray_jobs.square, [(3,)]))) == {0: 9}


def test_a_node_that_does_not_see_the_storage_is_named(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.training.workers.ray.reads", ray_jobs.blind)
    with pytest.raises(UserError, match=r"STORAGE_PATH="), RayWorkers():
        pass


def test_an_interrupt_lets_tasks_save_and_ends_in_ten_seconds(cluster: Any, own_home: Path, events: list) -> None:
    mark = own_home / "mark"
    with pytest.raises(KeyboardInterrupt), RayWorkers(events.append) as workers:
        workers.submit(ray_jobs.until_stopped, str(mark))
        wait_until(mark.exists)
        began = time.monotonic()
        raise KeyboardInterrupt
    assert time.monotonic() - began < 10
    assert mark.read_bytes() == b"saved"


def test_two_tasks_share_a_gpu_where_more_are_wanted_than_there_are(cluster: Any) -> None:
    node = cluster.add_node(**{**NODE, "num_gpus": 1})
    try:
        with RayWorkers(count=2) as workers:
            assert workers.slots == 2
            seen = dict(results(run(workers, ray_jobs.environment, [()] * 4))).values()
            assert {place["gpus"] for place in seen} == {"0"}
    finally:
        cluster.remove_node(node)


ENDLESS = """
import json, sys
from harness.training.workers import start_workers
from tests.support import ray_jobs

if __name__ == "__main__":
    with start_workers(lambda event: print(json.dumps(event), file=sys.stderr, flush=True), "ray") as workers:
        workers.submit(ray_jobs.until_stopped, sys.argv[1])
        workers.finished()
"""


def test_workers_end_with_a_killed_command(cluster: Any, home: Home) -> None:
    (home.root / "site" / "endless.py").write_text(ENDLESS)
    process = home.start("endless", str(home.root / "mark"))
    wait_until((home.root / "mark").exists)
    pid = json.loads(next(line for line in iter(process.stderr.readline, "") if '"pid"' in line))["pid"]
    os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), 30)


TRAINED = """
import json, sys
from harness.competition import find
from harness.training.workers import results, run, start_workers
from harness.training.fold import FoldJob, train_fold
from harness.prepare import current

if __name__ == "__main__":
    declared, prepared = find("pebbles"), current("pebbles")
    with start_workers(lambda event: print(json.dumps(event), file=sys.stderr, flush=True), sys.argv[1], 2) as workers:
        jobs = [
            (FoldJob("pebbles", prepared.data_hash, name, declared.models[name], fold, 2, 1, {}),)
            for name in ("net", "scout")
            for fold in range(2)
        ]
        for _ in results(run(workers, train_fold, jobs)):
            pass
    print(json.dumps({"folds": len(jobs)}))
"""


def test_predictions_have_the_same_bytes_as_from_this_machine_though_a_node_is_killed(cluster: Any, home: Home) -> None:
    """The killed node's folds resume on the other one, from their checkpoints in the shared folder."""
    (home.root / "site" / "trained.py").write_text(TRAINED)
    code, out, err = home.run("trained", "local")
    assert code == 0 and json.loads(out) == {"folds": 4}, err
    expected = home.predictions()
    for file in home.root.glob("runs/**/*"):
        if file.is_file():
            file.unlink()
    process = home.start("trained", "ray")
    lines = iter(process.stderr.readline, "")
    assert any("epoch" in line for line in lines), process.wait()
    (node,) = cluster.worker_nodes
    cluster.remove_node(node, allow_graceful=False)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0 and json.loads(out) == {"folds": 4}, err
    assert home.predictions() == expected and len(expected) == 2 * 2 * 4
    codes = {json.loads(file.read_text())["code"] for file in home.root.glob("runs/**/fold.json")}
    assert len(codes) == 1
    cluster.add_node(**NODE)
