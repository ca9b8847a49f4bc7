"""Searches whose processes are killed, every few seconds one of them, and two searches that share a study.

SOAK_MINUTES and SOAK_EVERY (seconds between two kills) make it as long as a person likes.
"""

import json
import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
import pytest

from harness.errors import InvalidSubmission
from harness.files import TEMPORARY, read_lines, sha256_of, write_bytes
from harness.prepare import Prepared
from harness.search.study import DUPLICATE
from harness.tasks.segmentation import Segmentation
from harness.training.predictions import ModelRun
from harness.training.search_result import used
from tests.support.postgres import PASSWORD, running
from tests.support.tiny_competition import DECLARATION, Home
from tests.support.tiny_search import wait_until

pytestmark = pytest.mark.soak

MINUTES, EVERY = float(os.environ.get("SOAK_MINUTES", 2.5)), float(os.environ.get("SOAK_EVERY", 6))
PARENT = 5  # every so many kills it is the search itself
TASK = Segmentation(("void", "ground", "pebble"), (16, 16), void=0)

GUARDED = """
import fcntl


@dataclass(frozen=True, kw_only=True)
class Guarded(Network):
    def fit(self, train, valid, context):
        context.folder.mkdir(parents=True, exist_ok=True)
        with open(context.folder / "guard", "w") as guard:
            try:
                fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                with open(paths.root() / "overlap.txt", "a") as overlap:
                    print(context.folder, file=overlap)
            return super().fit(train, valid, context)


slow = Guarded(build=two_layers, width=4, epochs=100, batch=8, lr=0.02, augment=terrain)
focused = replace(slow, target_class=2, epochs=20)
competition = replace(competition, models={**competition.models, "net": slow, "scout": focused})
"""


# -- processes ---------------------------------------------------------------------------------------------------------


@dataclass
class Search:
    """`harness search` in a session of its own; `out` and `err` are whole when it has ended."""

    process: subprocess.Popen
    out: str = ""
    err: str = ""
    reader: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        self.out, self.err = self.process.communicate()

    def children(self) -> list[int]:
        return sorted(pid for pid in session(self.process.pid) if pid != self.process.pid)


def started(home: Home, hours: float) -> Search:
    options = ("--hours", hours, "--workers", 2, "--team", "red", "--json")
    return Search(home.start("harness", "search", home.name, *options))


def session(leader: int) -> list[int]:
    """The living processes that `leader` has started, itself too."""
    return [pid for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))) if of_session(pid) == leader]


def of_session(pid: int) -> int:
    try:
        state, _, _, leader = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:4]
    except OSError:
        return 0
    return 0 if state == "Z" else int(leader)


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def require_end(leader: int, seconds: float = 5) -> None:
    """No process outlives a killed search for longer."""
    until = time.monotonic() + seconds
    while left := session(leader):
        assert time.monotonic() < until, [command(pid) for pid in left]
        time.sleep(0.05)


# -- one search, without and with other conditions -------------------------------------------------------------------


def test_a_trial_has_the_same_bytes_with_one_worker_and_with_two(tmp_path: Path) -> None:
    predictions = []
    for count in (1, 2):
        home = Home(tmp_path / str(count))
        if count == 2:  # what was measured may choose other fast paths and schedules
            for file in (tmp_path / "1").glob("searches/pebbles/*/costs.json"):
                write_bytes(home.root / file.relative_to(tmp_path / "1"), file.read_bytes())
        search = Search(home.start("harness", "search", "pebbles", "--hours", 1, "--workers", count))
        wait_until(lambda home=home: len(list(home.root.glob("runs/pebbles/*/net-*/fold_*/fold.json"))) == 2, 120)
        os.kill(search.process.pid, signal.SIGTERM)
        search.reader.join(30)
        assert search.process.returncode == 143, search.err
        net = sorted(home.root.glob("runs/pebbles/*/net-*/fold_*/*.npy"))
        predictions.append({str(file.relative_to(home.root)): file.read_bytes() for file in net})
    assert predictions[0] == predictions[1] and len(predictions[0]) == 8


def test_a_search_that_is_terminated_ends_in_ten_seconds_with_the_best_in_place_and_resumes(tmp_path: Path) -> None:
    home = Home(tmp_path)
    search = started(home, 1)
    wait_until(lambda: "incumbent" in kinds(home), 120)
    wait_until(lambda: any(trial.state.name == "RUNNING" for trial in study(home).trials), 120)
    began = time.monotonic()
    os.kill(search.process.pid, signal.SIGTERM)
    search.reader.join(30)
    assert time.monotonic() - began < 10 and search.process.returncode == 143, search.err
    assert next(home.root.glob("submissions/pebbles/*/best/submission.csv")).stat().st_size
    orphans = {trial.number for trial in study(home).trials if trial.state.name == "RUNNING"}
    assert orphans
    code, _, err = home.run("harness", "search", "pebbles", "--hours", 0.012)
    assert code == 0 and "resuming" in err, err
    assert not {trial.number for trial in study(home).trials if trial.state.name == "RUNNING"} & orphans


def test_two_searches_share_a_study_and_one_resumes_what_the_other_leaves(tmp_path: Path) -> None:
    """Then the database stops: one sentence, exit code 2, and the submission stays."""
    with running() as server:
        url, homes = server.create("two"), [Home(tmp_path / name) for name in ("one", "other")]
        options = ("--workers", 1, "--storage", url)
        first, second = (
            Search(home.start("harness", "search", "pebbles", "--hours", hours, *options))
            for home, hours in zip(homes, (1, 0.03), strict=True)
        )
        wait_until(lambda: all("incumbent" in kinds(home) for home in homes), 120)
        wait_until(lambda: list(homes[0].root.glob("runs/pebbles/*/net.*-*/fold_0")), 120)  # a sampled one
        os.killpg(first.process.pid, signal.SIGKILL)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        shared = optuna.load_study(study_name="pebbles", storage=url.replace("://", "+psycopg://"))
        running_trials = [trial for trial in shared.trials if trial.state.name == "RUNNING"]
        orphans = {trial.number for trial in running_trials}
        whole = [trial for trial in running_trials if "config" in trial.user_attrs]  # others were being sampled
        second.reader.join(240)
        assert second.process.returncode == 0, second.err
        assert "resuming net" in second.err or not whole, (whole, second.err)
        assert not {trial.number for trial in shared.trials if trial.state.name == "RUNNING"} & orphans
        again = Search(homes[0].start("harness", "search", "pebbles", "--hours", 1, *options))
        wait_until(lambda: kinds(homes[0])["start"] == 2, 120)
        time.sleep(5)
        server.stop()
        again.reader.join(60)
        assert again.process.returncode == 2 and "Traceback" not in again.err, again.err
        assert "storage was lost" in again.err and PASSWORD not in again.err
        assert next(homes[0].root.glob("submissions/pebbles/*/best/submission.csv")).stat().st_size


# -- the watcher -------------------------------------------------------------------------------------------------------


class Watcher(threading.Thread):
    """Looks five times a second at best/; `wrong` is what a user would have cursed."""

    def __init__(self, root: Path):
        super().__init__(daemon=True)
        self.root, self.wrong, self.looks = root, list[str](), 0
        self.scores: list[tuple[float, float]] = []  # (share of the rows, score), as they came
        self.apart, self.longest = 0.0, 0.0  # since when csv and json disagree; the longest that they did
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.2):
            try:
                for best in self.root.glob("submissions/pebbles/*/best"):
                    self.look(best)
            except (OSError, ValueError, InvalidSubmission) as error:
                self.wrong.append(repr(error))

    def look(self, best: Path) -> None:
        if not self.looks and not (best / "submission.csv").exists():
            return
        self.looks += 1
        sample = next(self.root.glob("data/pebbles/*/public/sample_submission.csv"))
        ids = [line.partition(",")[0] for line in sample.read_text().splitlines()[1:]]
        TASK.read(best / "submission.csv", ids)
        manifest = json.loads((best / "submission.json").read_text())
        agree = sha256_of(best / "submission.csv") == sha256_of(self.root / manifest["file"])
        self.apart = 0.0 if agree else self.apart or time.monotonic()
        self.longest = max(self.longest, time.monotonic() - self.apart if self.apart else 0.0)
        if manifest["cv"]:
            self.scores += [(manifest["share"], manifest["cv"]["score"])]


# -- kills ---------------------------------------------------------------------------------------------------------


def kill(pid: int) -> str:
    """Whom it hit."""
    victim = command(pid)
    os.kill(pid, signal.SIGKILL)
    return "worker" if "spawn_main" in victim else "resource tracker" if "tracker" in victim else "other"


def disturbed(home: Home, rng: random.Random) -> Counter:
    """Search, with a kill every EVERY seconds for so many MINUTES; how often whom."""
    killed, search = Counter[str](), started(home, 1)
    while "start" not in {event["event"] for event in events(home)}:  # it has measured its models
        assert search.process.poll() is None, search.err
        time.sleep(0.1)
    until = time.monotonic() + 60 * MINUTES
    while time.monotonic() < until:
        time.sleep(rng.uniform(0.5, 1.5) * EVERY)
        assert search.process.poll() is None, search.err
        children = search.children()
        if children and (killed.total() + 1) % PARENT:
            killed[kill(rng.choice(children))] += 1
            continue
        os.kill(search.process.pid, signal.SIGKILL)
        killed["search"] += 1
        before, search = search, started(home, 1)  # at once, while its workers notice
        require_end(before.process.pid)
    os.kill(search.process.pid, signal.SIGKILL)
    require_end(search.process.pid)
    return killed


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Watcher, dict[str, Any], set[int]]:
    """The home after the kills and a last search in peace, its result, and the trials that ran when that began."""
    home = Home(tmp_path_factory.mktemp("kills"), declaration=DECLARATION + GUARDED)
    rng, watcher = random.Random(os.environ.get("SOAK_SEED", 4)), Watcher(home.root)
    watcher.start()
    kills = disturbed(home, rng)
    orphans = {trial.number for trial in study(home).trials if trial.state.name == "RUNNING"}
    last = started(home, 0.03)
    last.reader.join(240)
    watcher.ended.set()
    watcher.join()
    print(f"\nkilled: {dict(sorted(kills.items()))}; trials: {Counter(t.state.name for t in study(home).trials)}")
    print(f"{watcher.looks} looks at best/, apart for {watcher.longest:.2f} s at most, {len(orphans)} orphans")
    assert last.process.returncode == 0, last.err
    return home, watcher, json.loads(last.out), orphans


def study(home: Home) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    (file,) = home.root.glob("searches/pebbles/*/study.db")
    return optuna.load_study(study_name="pebbles", storage=f"sqlite:///{file}")


def events(home: Home) -> list[dict[str, Any]]:
    return [event for file in home.root.glob("searches/pebbles/*/search.jsonl") for event in read_lines(file)]


def kinds(home: Home) -> Counter[str]:
    return Counter(event["event"] for event in events(home))


def ended(home: Home) -> list[optuna.trial.FrozenTrial]:
    """Those that count."""
    trials = [trial for trial in study(home).trials if trial.state.is_finished()]
    return [trial for trial in trials if trial.user_attrs.get("reason") != DUPLICATE]


def test_best_was_whole_and_valid_at_every_look_and_never_fell(killed: Any) -> None:
    _, watcher, _, _ = killed
    assert watcher.wrong == [] and watcher.looks > 60 * MINUTES
    assert watcher.scores == sorted(watcher.scores)
    assert watcher.longest < 30  # a kill between its two files is mended by the next start


def test_every_trial_ended_once_and_none_was_lost(killed: Any) -> None:
    home, _, result, orphans = killed
    trials = study(home).trials
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert {trial.state.name for trial in trials} <= {"COMPLETE", "PRUNED", "FAIL", "RUNNING"}
    assert not {trial.number for trial in trials if trial.state.name == "RUNNING"} & orphans
    assert [trial.user_attrs["reason"] for trial in trials if trial.state.name == "FAIL"] == []
    hashes = Counter(trial.user_attrs["config_hash"] for trial in ended(home))
    assert set(hashes.values()) == {1}
    assert sum(result["trials"].values()) == len(ended(home)) > 3


def test_finished_trials_have_every_fold_once_and_a_run_that_loads(killed: Any) -> None:
    home, _, _, _ = killed
    done = [trial for trial in ended(home) if trial.state.name == "COMPLETE"]
    (data,) = (path.parent.name for path in home.root.glob("data/pebbles/*/public"))
    folds = json.loads(next(home.root.glob("data/pebbles/*/public/folds-2.json")).read_text())["folds"]
    assert done
    for trial in done:
        assert sorted(fold["fold"] for fold in trial.user_attrs["folds"]) == [0, 1]
        model_run = ModelRun(home.root / trial.user_attrs["model_run"])
        assert model_run.held(2) == [0, 1] and model_run.manifest["complete"]
    os.environ["HARNESS_HOME"] = str(home.root)
    fold_of_row = Prepared("pebbles", data).folds(None, 2)  # type: ignore[arg-type]
    assert len(fold_of_row) == len(folds)
    for trial in done:
        plain, _ = ModelRun(home.root / trial.user_attrs["model_run"]).out_of_fold(TASK, fold_of_row, [0, 1])
        assert len(plain) == len(fold_of_row)


def test_no_folder_was_ever_written_by_two_workers(killed: Any) -> None:
    home, _, _, _ = killed
    assert next(home.root.glob("runs/pebbles/*/*/fold_*/guard"))
    assert not (home.root / "overlap.txt").exists()


def test_no_temporary_file_is_left_and_the_log_can_be_read(killed: Any) -> None:
    home, _, _, _ = killed
    for kind in ("runs", "submissions", "searches"):
        assert list((home.root / kind).rglob(f".*{TEMPORARY}")) == []
    assert list((home.root / "submissions").rglob("draft*")) == []
    found = kinds(home)
    assert found["start"] > 1 and found["end"] == 1 and found["incumbent"] >= 1


def test_the_incumbent_stands_in_the_log_and_is_what_submit_would_train(killed: Any) -> None:
    home, _, _, _ = killed
    (best,) = home.root.glob("submissions/pebbles/*/best/submission.json")
    (found,) = home.root.glob("searches/pebbles/*/best.json")
    manifest = json.loads(best.read_text())
    saved = [event for event in events(home) if event["event"] == "incumbent"][-1]
    assert saved["file"] == manifest["file"] and saved["score"] == manifest["cv"]["score"]
    assert set(json.loads(found.read_text())["members"]) == used(manifest["recipe"])


def test_the_team_has_one_row_on_the_board(killed: Any) -> None:
    home, _, result, _ = killed
    (row,) = home.json("leaderboard", "board", "pebbles")["rows"]
    assert row["team"] == "red" and result["rank"] == 1
