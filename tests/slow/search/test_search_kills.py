"""Searches whose processes are killed, every few seconds one of them, and two searches that share a study.

SOAK_MINUTES and SOAK_EVERY (seconds between two kills) make it as long as a person likes.
"""

import json
import os
import random
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

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
THREADS = ThreadPoolExecutor(32)  # one reads what a search prints
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


class Search:
    """`harness search` in a session of its own; a thread reads what it prints."""

    def __init__(self, home: Home, hours: float, *options: object):
        self.process = home.start("harness", "search", home.name, "--hours", hours, *options)
        self.printed = THREADS.submit(self.process.communicate)

    def wait(self, seconds: float) -> tuple[int, str, str]:
        """Exit code, standard output and standard error."""
        out, err = self.printed.result(seconds)
        return self.process.returncode, out, err


def started(home: Home, hours: float) -> Search:
    return Search(home, hours, "--workers", 2, "--team", "red", "--json")


def session(leader: int) -> list[int]:
    """The living processes that `leader` has started, itself too."""
    found = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        with suppress(OSError):
            state, _, _, of = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:4]
            found += [int(pid)] * (state != "Z" and int(of) == leader)
    return sorted(found)


def require_end(leader: int, seconds: float = 5) -> None:
    """No process outlives a killed search for longer."""
    until = time.monotonic() + seconds
    while left := session(leader):
        assert time.monotonic() < until, left
        time.sleep(0.05)


# -- what a search leaves ----------------------------------------------------------------------------------------------


def study(home: Home) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    (file,) = home.root.glob("searches/pebbles/*/study.db")
    return optuna.load_study(study_name="pebbles", storage=f"sqlite:///{file}")


def running_of(study: optuna.Study) -> set[int]:
    return {trial.number for trial in study.trials if trial.state.name == "RUNNING"}


def events(home: Home) -> list[dict[str, Any]]:
    return [event for file in home.root.glob("searches/pebbles/*/search.jsonl") for event in read_lines(file)]


def kinds(home: Home) -> Counter[str]:
    return Counter(event["event"] for event in events(home))


# -- one search, without and with other conditions ---------------------------------------------------------------------


def test_a_trial_has_the_same_bytes_with_one_worker_and_with_two(tmp_path: Path) -> None:
    predictions = []
    for count in (1, 2):
        home = Home(tmp_path / str(count))
        if count == 2:  # what was measured may choose other fast paths and schedules
            for file in (tmp_path / "1").glob("searches/pebbles/*/costs.json"):
                write_bytes(home.root / file.relative_to(tmp_path / "1"), file.read_bytes())
        search = Search(home, 1, "--workers", count)
        wait_until(lambda home=home: len(list(home.root.glob("runs/pebbles/*/net-*/fold_*/fold.json"))) == 2, 120)
        os.kill(search.process.pid, signal.SIGTERM)
        code, _, err = search.wait(30)
        assert code == 143, err
        net = sorted(home.root.glob("runs/pebbles/*/net-*/fold_*/*.npy"))
        predictions.append({str(file.relative_to(home.root)): file.read_bytes() for file in net})
    assert predictions[0] == predictions[1] and len(predictions[0]) == 8


def test_a_search_that_is_terminated_ends_in_ten_seconds_with_the_best_in_place_and_resumes(tmp_path: Path) -> None:
    home = Home(tmp_path)
    search = started(home, 1)
    wait_until(lambda: "incumbent" in kinds(home), 120)
    wait_until(lambda: running_of(study(home)), 120)
    os.kill(search.process.pid, signal.SIGTERM)
    code, _, err = search.wait(10)
    assert code == 143, err
    assert next(home.root.glob("submissions/pebbles/*/best/submission.csv")).stat().st_size
    orphans = running_of(study(home))
    assert orphans
    code, _, err = home.run("harness", "search", "pebbles", "--hours", 0.012)
    assert code == 0 and "resuming" in err, err
    assert not running_of(study(home)) & orphans


def test_two_searches_share_a_study_and_one_resumes_what_the_other_leaves(tmp_path: Path) -> None:
    """Then the database stops: one sentence, exit code 2, and the submission stays."""
    with running() as server:
        url, homes = server.create("two"), [Home(tmp_path / name) for name in ("one", "other")]
        options = ("--workers", 1, "--storage", url)
        first, second = (Search(home, hours, *options) for home, hours in zip(homes, (1, 0.03), strict=True))
        wait_until(lambda: all("incumbent" in kinds(home) for home in homes), 120)
        wait_until(lambda: list(homes[0].root.glob("runs/pebbles/*/net.*-*/fold_0")), 120)  # a sampled one
        os.killpg(first.process.pid, signal.SIGKILL)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        shared = optuna.load_study(study_name="pebbles", storage=url.replace("://", "+psycopg://"))
        left = [trial for trial in shared.trials if trial.state.name == "RUNNING"]
        whole = [trial for trial in left if "config" in trial.user_attrs]  # others were being sampled
        code, _, err = second.wait(240)
        assert code == 0, err
        assert "resuming net" in err or not whole, (whole, err)
        assert not running_of(shared) & {trial.number for trial in left}
        again = Search(homes[0], 1, *options)
        wait_until(lambda: kinds(homes[0])["start"] == 2, 120)
        time.sleep(5)
        server.stop()
        code, _, err = again.wait(60)
        assert code == 2 and "Traceback" not in err, err
        assert "storage was lost" in err and PASSWORD not in err
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


# -- kills -------------------------------------------------------------------------------------------------------------


def disturbed(home: Home, rng: random.Random) -> Counter[str]:
    """Search, with a kill every EVERY seconds for so many MINUTES; how often whom."""
    killed, search = Counter[str](), started(home, 1)
    while "start" not in kinds(home):  # it has measured its models
        assert search.process.poll() is None, search.wait(5)
        time.sleep(0.1)
    until = time.monotonic() + 60 * MINUTES
    while time.monotonic() < until:
        time.sleep(rng.uniform(0.5, 1.5) * EVERY)
        assert search.process.poll() is None, search.wait(5)
        leader = search.process.pid
        children = [pid for pid in session(leader) if pid != leader]
        of_the_search = not children or (killed.total() + 1) % PARENT == 0
        killed["search" if of_the_search else "child"] += 1
        with suppress(ProcessLookupError):
            os.kill(leader if of_the_search else rng.choice(children), signal.SIGKILL)
        if of_the_search:
            search = started(home, 1)  # at once, while its workers notice
            require_end(leader)
    os.kill(search.process.pid, signal.SIGKILL)
    require_end(search.process.pid)
    return killed


class Disturbed(NamedTuple):
    """home: after the kills and a last search in peace; result: of that; orphans: trials that ran when it began."""

    home: Home
    watcher: Watcher
    result: dict[str, Any]
    orphans: set[int]

    @property
    def ended(self) -> list[optuna.trial.FrozenTrial]:
        """The trials that count."""
        trials = [trial for trial in study(self.home).trials if trial.state.is_finished()]
        return [trial for trial in trials if trial.user_attrs.get("reason") != DUPLICATE]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Disturbed:
    home = Home(tmp_path_factory.mktemp("kills"), declaration=DECLARATION + GUARDED)
    rng, watcher = random.Random(os.environ.get("SOAK_SEED", 4)), Watcher(home.root)
    watcher.start()
    kills = disturbed(home, rng)
    orphans = running_of(study(home))
    code, out, err = started(home, 0.03).wait(240)
    watcher.ended.set()
    watcher.join()
    print(f"\nkilled: {dict(kills)}; trials: {Counter(trial.state.name for trial in study(home).trials)}")
    print(f"{watcher.looks} looks at best/, apart for {watcher.longest:.2f} s at most, {len(orphans)} orphans")
    assert code == 0, err
    return Disturbed(home, watcher, json.loads(out), orphans)


def test_best_was_whole_and_valid_at_every_look_and_never_fell(killed: Disturbed) -> None:
    watcher = killed.watcher
    assert watcher.wrong == [] and watcher.looks > 60 * MINUTES
    assert watcher.scores == sorted(watcher.scores)
    assert watcher.longest < 30  # a kill between its two files is fixed by the next start


def test_every_trial_ended_once_and_none_was_lost(killed: Disturbed) -> None:
    trials = study(killed.home).trials
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert {trial.state.name for trial in trials} <= {"COMPLETE", "PRUNED", "FAIL", "RUNNING"}
    assert not running_of(study(killed.home)) & killed.orphans
    assert [trial.user_attrs["reason"] for trial in trials if trial.state.name == "FAIL"] == []
    hashes = Counter(trial.user_attrs["config_hash"] for trial in killed.ended)
    assert set(hashes.values()) == {1}
    assert sum(killed.result["trials"].values()) == len(killed.ended) > 3


def test_finished_trials_have_every_fold_once_and_a_run_that_loads(
    killed: Disturbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = killed.home.root
    monkeypatch.setenv("HARNESS_HOME", str(root))
    (data,) = (path.parent.name for path in root.glob("data/pebbles/*/public"))
    fold_of_row = Prepared("pebbles", data).folds(None, 2)  # type: ignore[arg-type]
    done = [trial for trial in killed.ended if trial.state.name == "COMPLETE"]
    assert done
    for trial in done:
        assert sorted(fold["fold"] for fold in trial.user_attrs["folds"]) == [0, 1]
        model_run = ModelRun(root / trial.user_attrs["model_run"])
        assert model_run.held(2) == [0, 1] and model_run.manifest["complete"]
        assert len(model_run.out_of_fold(TASK, fold_of_row, [0, 1]).plain) == len(fold_of_row)


def test_no_folder_was_written_by_two_workers_and_no_temporary_file_is_left(killed: Disturbed) -> None:
    root = killed.home.root
    assert next(root.glob("runs/pebbles/*/*/fold_*/guard"))
    assert not (root / "overlap.txt").exists()
    for kind in ("runs", "submissions", "searches"):
        assert list((root / kind).rglob(f".*{TEMPORARY}")) == []
    assert list((root / "submissions").rglob("draft*")) == []


def test_the_incumbent_stands_in_the_log_on_the_board_and_is_what_submit_would_train(killed: Disturbed) -> None:
    home, found = killed.home, kinds(killed.home)
    assert found["start"] > 1 and found["end"] == 1 and found["incumbent"] >= 1
    (best,) = home.root.glob("submissions/pebbles/*/best/submission.json")
    (search_result,) = home.root.glob("searches/pebbles/*/best.json")
    manifest = json.loads(best.read_text())
    saved = [event for event in events(home) if event["event"] == "incumbent"][-1]
    assert saved["file"] == manifest["file"] and saved["score"] == manifest["cv"]["score"]
    assert set(json.loads(search_result.read_text())["members"]) == used(manifest["recipe"])
    (row,) = home.json("leaderboard", "board", "pebbles")["rows"]
    assert row["team"] == "red" and killed.result["rank"] == 1
