"""The Ray engine: what travels and in what order, and a real cluster of two nodes, of which one is killed."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness import paths
from harness.errors import UserError
from harness.training.workers import WorkerDied, results, run, travel
from harness.training.workers.cluster import Aside, require_cluster, shares
from harness.training.workers.ray import Ray, Seat
from harness.training.workers.station import move_in, sweep, tidy
from harness.training.workers.travel import Outcome, in_order, listing, pack, unpack, write_code
from tests.support import ray_jobs
from tests.support.tiny_competition import Home

REPOSITORY = Path(__file__).parents[2]


def fill(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


# -- without Ray -------------------------------------------------------------------------------------------------------


def test_a_folder_is_the_same_after_the_journey_though_no_chunk_holds_a_whole_file(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(travel, "CHUNK", 4)
    files = {"a.npy": bytes(range(11)), "deep/er/b.json": b"{}", "empty.npy": b"", "exact": b"12345678"}
    fill(tmp_path / "from", files | {".a.npy.77.partial": b"torn"})
    put: list[np.ndarray] = []
    packed = pack(tmp_path / "from", lambda chunk: put.append(chunk) or len(put) - 1)
    assert [len(chunk) for chunk in put] == [4, 4, 3, 2, 4, 4]
    unpack(packed, tmp_path / "to", put.__getitem__)
    assert {name: (tmp_path / "to" / name).read_bytes() for name in listing(tmp_path / "to")} == files


def test_a_rewritten_file_is_seen_even_where_size_and_time_are_as_before(tmp_path: Path) -> None:
    fill(tmp_path, {"a": b"one"})
    before = listing(tmp_path)
    fill(tmp_path, {"new": b"two"})
    os.utime(tmp_path / "new", ns=(0, before["a"][1]))
    (tmp_path / "new").replace(tmp_path / "a")
    assert listing(tmp_path)["a"] != before["a"]


class Shelf:
    """An actor that only reads; it dies at the read of `last`."""

    def __init__(self, files: dict[str, bytes], last: str = ""):
        self.files, self.last = files, last
        self.read = SimpleNamespace(remote=self.give)

    def give(self, name: str, offset: int) -> np.ndarray:
        if name == self.last:
            raise ConnectionError(name)
        return np.frombuffer(self.files[name][offset : offset + 4], np.uint8)


@pytest.fixture
def without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(get=lambda value, timeout=None: value))
    monkeypatch.setattr("harness.training.workers.ray.CHUNK", 4)


FOLD = {
    "runs/c/h/m/fold_0/fold.json": b'{"fold": 0}',
    "runs/c/h/m/fold_0/finished.json": b"{}",
    "runs/c/h/m/fold_0/weights.safetensors": bytes(10),
    "runs/c/h/m/fold_0/oof-plain.flat.npy": b"",
}


def test_what_a_job_left_is_written_and_what_it_removed_is_removed(without_ray: None, own_home: Path) -> None:
    old = "runs/c/h/m/fold_0/step-1.checkpoint"
    fill(own_home, {old: b"old"})
    sizes = {name: len(content) for name, content in FOLD.items()}
    Ray()._bring(Seat(Shelf(FOLD), True, None), Outcome(None, sizes, [old, "runs/never"]))
    assert {name: (own_home / name).read_bytes() for name in listing(own_home)} == FOLD


@pytest.mark.parametrize("last", FOLD)
def test_a_fold_that_did_not_come_whole_is_not_called_complete(last: str, without_ray: None, own_home: Path) -> None:
    sizes = {name: len(content) for name, content in FOLD.items() if content or name != last}
    sizes[last] = max(1, sizes.get(last, 0))
    with pytest.raises(ConnectionError):
        Ray()._bring(Seat(Shelf(FOLD, last), True, None), Outcome(None, sizes, []))
    there = set(listing(own_home))
    assert "runs/c/h/m/fold_0/fold.json" not in there
    assert "runs/c/h/m/fold_0/finished.json" not in there or last.endswith("fold.json")
    assert not list(own_home.rglob(".*.partial"))


def test_what_marks_completeness_comes_last_among_many_folds() -> None:
    names = ["f1/fold.json", "f1/z.npy", "f0/fold.json", "f0/log.jsonl", "f0/finished.json"]
    assert in_order(names) == ["f0/log.jsonl", "f1/z.npy", "f0/finished.json", "f0/fold.json", "f1/fold.json"]


def test_all_is_tidied_away_but_the_shared_folders(tmp_path: Path) -> None:
    runs = fill(tmp_path / "runs", {"c/h/m/fold_0/a": b"", "c/h/m/fold_1/b": b"", "c/g/x": b"", "loose": b""})
    tidy(runs, {runs / "c/h/m/fold_1"})
    assert [path.relative_to(runs).as_posix() for path in sorted(runs.rglob("*"))] == [
        "c", "c/h", "c/h/m", "c/h/m/fold_1", "c/h/m/fold_1/b",
    ]  # fmt: skip


@pytest.mark.parametrize("part", ["private", "public/../private", "raw", ""])
def test_only_public_data_and_runs_can_be_shared(part: str, own_home: Path) -> None:
    with pytest.raises(ValueError, match="only public data and runs"):
        Ray().share(own_home / "data" / "mars" / "abc" / part)
    with pytest.raises(ValueError, match="not in the subpath"):
        Ray().share(own_home.parent)


def test_a_path_below_the_root_arrives_below_the_root_of_the_receiver(own_home: Path, monkeypatch) -> None:
    carried = [travel._leave_root(path) for path in (own_home / "runs" / "x", Path("/elsewhere/y"))]
    monkeypatch.setenv("HARNESS_HOME", "/another")
    assert [travel._enter_root(one) for one in carried] == [Path("/another/runs/x"), Path("/elsewhere/y")]


def test_the_code_holds_the_harness_and_competitions_from_wherever_they_lie(tmp_path: Path, monkeypatch) -> None:
    import competitions

    fill(tmp_path / "mine" / "ponds", {"competition.py": b"DEPTH = 3", "__init__.py": b"", "__pycache__/x.pyc": b""})
    beside = Path(paths.__file__).parents[1] / "competitions"
    monkeypatch.setattr(competitions, "__path__", [str(tmp_path / "mine"), str(beside)])
    write_code(tmp_path / "code")
    assert (tmp_path / "code" / "harness" / "engine" / "station.py").exists()
    text = (tmp_path / "code" / "competitions" / "__init__.py").read_text()
    found: dict[str, Any] = {"__file__": str(tmp_path / "code" / "competitions" / "__init__.py")}
    exec(text, found)
    assert found["__path__"] == [str(tmp_path / "code" / "competitions_0"), str(tmp_path / "code" / "competitions")]
    assert (tmp_path / "code" / "competitions_0" / "ponds" / "competition.py").exists()
    assert (tmp_path / "code" / "competitions" / "mars" / "competition.py").exists()
    assert not list((tmp_path / "code").rglob("__pycache__"))


def test_homes_of_sessions_that_are_over_are_swept_and_no_others(tmp_path: Path) -> None:
    over, alive = tmp_path / "harness-1-n", tmp_path / "harness-2-n"
    move_in(over).close()
    fill(over, {"abc/data": b"big"})
    with move_in(alive):
        sweep(tmp_path)
        assert not over.exists() and alive.exists()


def test_slots_are_shared_out_with_the_same_threads_everywhere() -> None:
    assert shares([(64, 0), (64, 0)]) == (16, 8, 0.0)
    assert shares([(0, 0), (4, 0), (2, 0)]) == (6, 1, 0.0)
    assert shares([(4, 0), (2, 0)], 3) == (3, 1, 0.0)
    assert shares([(16, 0), (3, 0)]) == (9, 2, 0.0)
    assert shares([(2, 0)], 9) == (2, 1, 0.0)
    assert shares([(8, 1), (32, 4)], 2) == (2, 8, 1.0)
    assert shares([(8, 1), (32, 1)], 6) == (6, 8, 0.3333)
    assert shares([(0, 1)]) == (1, 1, 1.0)
    assert shares([]).slots == 0


def test_an_address_that_is_none_is_refused_with_the_way_to_start_a_cluster() -> None:
    for address, oof in (
        ("", "needs a running Ray cluster"),
        ("auto", "host:port"),
        ("ray://h:10001", "host:port"),
    ):
        with pytest.raises(UserError, match=rf"{oof}.*ray start --head.*docs/cluster.md"):
            require_cluster(address)


def test_where_nothing_or_something_else_answers_there_is_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.training.workers.cluster.REACH", 0.2)
    for greeting in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", None):
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = f"127.0.0.1:{server.getsockname()[1]}"

            def greet(server: socket.socket = server, greeting: bytes | None = greeting) -> None:
                connection, _ = server.accept()
                if greeting is None:
                    time.sleep(0.5)  # accepts, and says nothing
                connection.sendall(greeting or b"")
                connection.close()

            threading.Thread(target=greet, daemon=True).start()
            with pytest.raises(UserError, match=f"no Ray cluster answers at {address}"):
                require_cluster(address)
    with pytest.raises(UserError, match="no Ray cluster answers"):
        require_cluster(address)


class Lost(Exception):
    pass


class Starved(Lost):
    pass


@pytest.mark.parametrize(("error", "ended", "slots"), [(Lost(), [], 1), (Starved(), [7], 2)])
def test_a_lost_worker_s_job_begins_again_unless_memory_was_the_reason(
    error: Exception, ended: list[int], slots: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[str] = []
    fake = SimpleNamespace(kill=killed.append, exceptions=SimpleNamespace(OutOfMemoryError=Starved))
    monkeypatch.setitem(sys.modules, "ray", fake)
    monkeypatch.setattr(Ray, "_hire", lambda self, expected: Seat("next", expected, coming="soon"))
    heard: list[dict[str, Any]] = []
    engine, seat = Ray(heard.append), Seat("actor", True, None, ticket=7)
    engine._seats, engine._jobs = [seat, Seat("other", True, None)], {7: (ray_jobs.square, (2,))}
    found = engine._lose(seat, error)
    assert [ticket for ticket, _ in found] == ended
    assert all(isinstance(died, WorkerDied) and died.memory for _, died in found)
    assert list(engine._jobs) == ([] if ended else [7])
    assert bool(heard) is not bool(ended)
    assert (killed, engine.slots) == (["actor"], slots)
    assert [seat.actor for seat in engine._seats] == ["other", "next"]


def test_a_cluster_without_room_is_complained_of_once(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[dict[str, Any]] = []
    engine = Ray(heard.append)
    engine._seats, engine._lonely, engine._began = [Seat("actor", True, coming="some day")], False, time.monotonic()
    engine._complain()
    assert heard == []
    engine._began -= 61
    engine._complain()
    engine._complain()
    assert len(heard) == 1 and "no node of the Ray cluster has room" in heard[0]["warning"]


def test_standard_output_stays_empty_whoever_prints(capsys: pytest.CaptureFixture[str]) -> None:
    with redirect_stdout(Aside()):
        print("ours")
        noise = threading.Thread(target=print, args=("raylet is terminated",), name="ray_listen_error_messages")
        noise.start()
        noise.join()
    out, err = capsys.readouterr()
    assert (out, err) == ("", "ours\n")


def test_the_slurm_script_of_the_page_can_be_read_by_bash() -> None:
    page = (REPOSITORY / "docs" / "cluster.md").read_text()
    (script,) = re.findall(r"```bash\n(.*?)```", page, re.DOTALL)
    assert script.startswith("#!/bin/bash") and "ENGINE=ray" in script
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)


# -- a real cluster of two nodes of one CPU each -----------------------------------------------------------------------

NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    patch = pytest.MonkeyPatch()
    patch.setenv("PYTHONPATH", str(REPOSITORY))  # the jobs
    patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    two = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    two.add_node(**NODE)
    patch.setenv("RAY_ADDRESS", f"127.0.0.1:{two.address.rpartition(':')[2]}")
    yield two
    two.shutdown()
    patch.undo()


@pytest.fixture
def heard() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def engine(cluster: Any, heard: list[dict[str, Any]]) -> Iterator[Ray]:
    with Ray(heard.append) as ray:
        yield ray


@pytest.mark.soak
def test_jobs_work_in_homes_of_their_own_with_our_code_and_the_shared_folders(engine: Ray, own_home: Path) -> None:
    public = fill(own_home / "data" / "c" / "h" / "public", {"ids.npy": b"first"})
    assert (engine.slots, engine.threads, engine.free) == (2, 1, 2)
    engine.share(public)
    seen = list(dict(results(run(engine, ray_jobs.whereabouts, [(public / "ids.npy",)] * 8))).values())
    homes = {place["home"] for place in seen}
    assert len(homes) == 2 and str(own_home) not in homes
    assert {place["content"] for place in seen} == {"first"}
    assert {place["below"] for place in seen} == {"data/c/h/public/ids.npy"}
    assert {place["again"] for place in seen} == {public / "ids.npy"}
    assert {place["threads"] for place in seen} == {"1"}
    assert all("runtime_resources" in place["code"] for place in seen)
    fill(public, {"ids.npy": b"second"})
    engine.share(public)
    again = dict(results(run(engine, ray_jobs.whereabouts, [(public / "ids.npy",)] * 4)))
    assert {place["content"] for place in again.values()} == {"second"}


@pytest.mark.soak
def test_results_come_with_their_index_and_events_before_their_result(engine: Ray, heard: list) -> None:
    jobs = [(3, 1.0), (1, 0.0), (2, 0.0), (5, 0.0)]
    ended = list(results(run(engine, ray_jobs.square, jobs)))
    assert dict(ended) == {0: 9, 1: 1, 2: 4, 3: 25} and ended[-1][0] == 0
    assert dict(results(run(engine, ray_jobs.loud, [(200,)]))) == {0: 200}
    assert [event["k"] for event in heard] == list(range(200))
    began = time.monotonic()
    assert engine.ended(timeout=0.2) == [] and time.monotonic() - began < 1


@pytest.mark.soak
def test_what_a_job_writes_comes_back_and_nothing_stays_for_the_next(engine: Ray, own_home: Path) -> None:
    fold = fill(own_home / "runs" / "begun", {"step-1.checkpoint": b"x"})
    engine.share(fold)  # a fold that an earlier run has begun
    jobs = [("begun", 512), ("a", 512), ("b", travel.CHUNK + 256), ("c", 512)]
    found = dict(results(run(engine, ray_jobs.leave, jobs)))
    assert found[0] == ["runs/begun/step-1.checkpoint"]
    for names in found.values():
        assert all(name.startswith("runs/begun/") for name in names)
    assert {name: size for name, (size, *_) in listing(own_home / "runs").items()} == {
        f"{folder}/{name}": size
        for folder, big in jobs
        for name, size in (("fold.json", 2), ("empty.npy", 0), ("oof.npy", big))
    }
    assert (own_home / "runs" / "b" / "oof.npy").read_bytes() == bytes(range(256)) * (travel.CHUNK // 256 + 1)


@pytest.mark.soak
def test_a_worker_killed_from_outside_begins_again_and_one_that_crashes_does_not(
    engine: Ray, heard: list, tmp_path: Path
) -> None:
    assert dict(results(run(engine, ray_jobs.killed_once, [(str(tmp_path / "mark"),)]))) == {0: True}
    assert sum("begins again" in event.get("warning", "") for event in heard) == 1
    ((_, fault),) = run(engine, ray_jobs.segfault, [()])
    assert isinstance(fault, WorkerDied) and "SIGSEGV" in str(fault) and not fault.memory
    assert dict(results(run(engine, ray_jobs.square, [(3,)]))) == {0: 9}


@pytest.mark.soak
def test_a_node_that_cannot_work_is_told_in_a_sentence(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.training.workers.ray.Station", ray_jobs.Homeless)
    with pytest.raises(UserError, match="cannot do jobs: OSError: no space in /tmp"), Ray() as engine:
        engine.start(ray_jobs.square, 2)
        engine.ended(timeout=60)


@pytest.mark.soak
def test_a_node_that_is_killed_loses_no_job_and_none_ends_twice(
    cluster: Any, heard: list, capsys: pytest.CaptureFixture[str]
) -> None:
    (node,) = cluster.worker_nodes
    with Ray(heard.append) as engine:
        todo, running, ended = list(range(6)), {}, []
        while todo or running:
            while todo and engine.free:
                number = todo.pop(0)
                running[engine.start(ray_jobs.patient, number, 3.0)] = number
            ended += [(running.pop(ticket), result) for ticket, result in engine.ended(timeout=0.2)]
            if node and sum("began" in event for event in heard) == 2:
                cluster.remove_node(node, allow_graceful=False)
                node = None
        assert sorted(ended) == [(n, n) for n in range(6)]
        assert sum("begins again" in event.get("warning", "") for event in heard) == 1
        assert engine.slots == 1
        cluster.add_node(**NODE)  # the lost worker's successor comes as soon as there is room
        jobs = [(n, 1.0) for n in range(12)]
        assert dict(results(run(engine, ray_jobs.square, jobs))) == {n: n * n for n in range(12)}
        assert engine.slots == 2
    assert capsys.readouterr().out == ""  # whatever Ray has to say of it


@pytest.mark.soak
def test_several_workers_share_a_gpu_where_more_are_wanted_than_there_are(cluster: Any, own_home: Path) -> None:
    public = fill(own_home / "data" / "c" / "h" / "public", {"ids.npy": b"first"})
    node = cluster.add_node(**{**NODE, "num_gpus": 1})
    try:
        with Ray(count=2) as engine:
            assert engine.slots == 2
            engine.share(public)
            seen = dict(results(run(engine, ray_jobs.whereabouts, [(public / "ids.npy",)] * 8))).values()
            assert {place["gpus"] for place in seen} == {"0"}
            assert len({place["home"] for place in seen}) == 2
            assert len({Path(place["home"]).parent for place in seen}) == 1  # on one node
    finally:
        cluster.remove_node(node)


INTERRUPTED = """
import json, signal, sys
import ray_jobs
from harness.training.workers import workers

def say(event):
    print(json.dumps(event), file=sys.stderr, flush=True)

for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.default_int_handler)
with workers(say, "ray") as engine:
    engine.start(ray_jobs.until_stopped)
    engine.start(ray_jobs.patient, 7, 600.0)  # hears nothing
    while True:
        engine.ended(timeout=1)
"""


def interrupted(root: Path, number: signal.Signals) -> tuple[float, str, str, list[int]]:
    """A command with two jobs under way gets a signal: the seconds to its end, both outputs, the workers' processes."""
    home = Home(root)
    (home.root / "site" / "interrupted.py").write_text(INTERRUPTED)
    (home.root / "site" / "ray_jobs.py").write_text((REPOSITORY / "tests" / "support" / "ray_jobs.py").read_text())
    process = home.start("interrupted")
    pids: list[int] = []
    while len(pids) < 2:
        line = process.stderr.readline()
        assert line, process.wait()
        pids += [json.loads(line)["pid"]] if "pid" in line else []
    began = time.monotonic()
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    return time.monotonic() - began, out, err, pids


def wait_until_gone(pids: list[int]) -> None:
    until = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.soak
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_saves_what_is_trained_and_ends_in_ten_seconds(
    cluster: Any, tmp_path: Path, number: signal.Signals
) -> None:
    seconds, out, err, pids = interrupted(tmp_path / "home", number)
    assert seconds < 10
    assert "KeyboardInterrupt" in err and out == ""
    assert (tmp_path / "home" / "runs" / "stopped" / "step-2.checkpoint").read_bytes() == b"saved"
    wait_until_gone(pids)
    assert homes() == []


@pytest.mark.soak
def test_workers_end_with_a_killed_command_and_the_next_one_removes_their_homes(cluster: Any, tmp_path: Path) -> None:
    *_, pids = interrupted(tmp_path / "home", signal.SIGKILL)
    wait_until_gone(pids)
    with Ray() as engine:
        assert dict(results(run(engine, ray_jobs.square, [(2,)]))) == {0: 4}
    assert homes() == []


def homes() -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob("harness-*"))


TRAINED = """
import json, sys
from harness.competition import find
from harness.training.workers import results, run, workers
from harness.training.fold import Fold, train_fold
from harness.prepare import current
from harness.options import silent

if __name__ == "__main__":
    declared, prepared = find("pebbles"), current("pebbles")
    with workers(silent, sys.argv[1], int(sys.argv[2])) as engine:
        engine.share(prepared.folder)
        jobs = [
            (Fold("pebbles", prepared.data_hash, name, declared.models[name], fold, 2, 1, {}),)
            for name in ("net", "scout")
            for fold in range(2)
        ]
        for _ in results(run(engine, train_fold, jobs)):
            pass
    print(json.dumps({"slots": engine.slots}))
"""


@pytest.mark.soak
def test_predictions_have_the_same_bytes_from_the_cluster_as_from_this_machine(cluster: Any, tmp_path: Path) -> None:
    made = {}
    for kind, count in (("local", 1), ("ray", 2)):
        home = Home(tmp_path / kind)
        (home.root / "site" / "trained.py").write_text(TRAINED)
        home.json("harness", "data", home.name)
        code, out, err = home.run("trained", kind, count)
        assert code == 0, err
        assert json.loads(out) == {"slots": count}
        made[kind] = home.predictions()
    assert len(made["local"]) == 2 * 2 * 4 and made["ray"] == made["local"]
    codes = {json.loads(file.read_text())["code"] for file in tmp_path.glob("*/runs/**/fold.json")}
    assert len(codes) == 1
    assert homes() == []
