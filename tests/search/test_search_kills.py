"""A search whose processes are killed: between any two writes, and all night long, every few seconds one of them.

SOAK_MINUTES and SOAK_EVERY (seconds between two kills) make the night as long as a person likes.
"""

import itertools
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
import pytest

from harness.errors import InvalidSubmission
from harness.files import TEMPORARY, read_json, read_lines, sha256_of, write_bytes
from harness.models import Interrupted
from harness.options import Request
from harness.prepare import Prepared
from harness.search.claims import Claims
from harness.search.loop import Night
from harness.search.study import DRAWN_TWICE, Entry, Study
from harness.submission import writer
from harness.tasks.segmentation import Segmentation
from harness.training.predictions import ModelRun
from harness.training.search_result import used
from harness.training.workers import WorkerDied, process
from harness.training.workers.local import Local, Worker
from tests.search.test_search import EPOCHS, Net, clock, reopened
from tests.support.tiny_competition import DECLARATION, Home
from tests.support.tiny_data import tiny_declaration

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
                with open(folders.root() / "overlap.txt", "a") as overlap:
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


def words(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def require_end(leader: int, seconds: float = 5) -> None:
    """No process outlives a killed search for longer."""
    until = time.monotonic() + seconds
    while left := session(leader):
        assert time.monotonic() < until, [words(pid) for pid in left]
        time.sleep(0.05)


# -- a kill between any two writes -------------------------------------------------------------------------------------


class Killed(BaseException):
    """Nobody catches it, as nobody catches SIGKILL."""


def killing(monkeypatch: pytest.MonkeyPatch, place: object, names: Iterable[str], after: int) -> Callable[[], int]:
    """Die after so many calls of these functions of `place`; returns how many there were so far."""
    calls = 0

    def deadly(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal calls
            if calls == after:
                raise Killed
            calls += 1
            return function(*arguments, **options)

        return call

    for name in names:
        monkeypatch.setattr(place, name, deadly(getattr(place, name)))
    return lambda: calls


WRITES = ("create_new_trial", "set_trial_param", "set_trial_user_attr", "set_trial_system_attr")
WRITES += ("set_trial_state_values", "set_trial_intermediate_value")
DRAWN = 3


def little_night(study: Study) -> None:
    """What a night does with a study: takes up, declares, draws, and trains the best one longer."""
    learners, epochs = {"net": Net()}, {"net": 5}
    active = list(study.unfinished(learners, epochs))
    if "net" not in {entry.name for entry in [*active, *study.finished()]}:
        active.append(study.declared("net", Net()))
    for entry in active:
        train(study, entry)
    while len([1 for noted in study._noted() if not {"declared", "longer"} & set(noted)]) < DRAWN:
        train(study, study.ask(learners, epochs))
    if not study.lengthened():
        train(study, study.longer(study.finished()[0], Net(lr=0.2)))


def train(study: Study, entry: Entry) -> None:
    for fold in (0, 1):
        study.scored(entry, {"fold": fold}, 0.5)
    study.finish(entry, 0.5)


def test_a_kill_between_any_two_writes_of_a_study_loses_no_trial_and_makes_none_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    declared = tiny_declaration(models={"net": Net()})
    for after in itertools.count(1):
        tables = optuna.create_study(direction="maximize")
        tables.set_user_attr("models", ["net"])
        with monkeypatch.context() as patched:
            killing(patched, tables._storage, WRITES, after)
            try:
                little_night(Study(tables, Claims("sqlite://"), declared))
            except Killed:
                killed = True
            else:
                killed = False
        little_night(Study(tables, Claims("sqlite://"), declared))
        at_birth = [trial for trial in tables.trials if trial.state.name == "FAIL"]  # killed then, and made again
        assert len(at_birth) <= 1 and not any(trial.user_attrs.get("reason") for trial in at_birth)
        trials = [trial for trial in tables.trials if trial not in at_birth]
        kinds = Counter("longer" if "longer" in t.user_attrs else t.user_attrs["name"] for t in trials)
        assert all(trial.state.is_finished() for trial in tables.trials), after
        assert {trial.state.name for trial in trials} == {"COMPLETE"}, after
        assert kinds["net"] == kinds["longer"] == 1 and kinds.total() == DRAWN + 2, (after, kinds)
        assert all([fold["fold"] for fold in trial.user_attrs["folds"]] == [0, 1] for trial in trials)
        if not killed:
            break
    assert after > 50


def test_what_was_drawn_twice_and_killed_before_that_was_noted_counts_nowhere() -> None:
    study = reopened()
    first, second = study.ask({"net": Net()}, EPOCHS), study.ask({"net": Net()}, EPOCHS)
    study.finish(first, 0.5)
    second.learner = first.learner
    study.renoted(second)
    after = reopened()
    assert list(after.unfinished({"net": Net()}, EPOCHS)) == []
    assert after.counts() == {"finished": 1, "cut": 0, "failed": 0}


def test_a_kill_between_the_two_files_of_best_is_mended_by_the_next_command(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, best = own_home / "entries", own_home / "entries" / "best" / "submission.csv"
    for name, content in (("sample.csv", "id,label\n"), ("good.csv", "id,label\na,1\n")):
        write_bytes(folder / name, content.encode())
    card = {"cv": {"score": 0.5}, "share": 1.0}

    def keep(after: int) -> bool:
        """Whether it was killed."""
        with monkeypatch.context() as patched:
            killing(patched, writer, ("write_bytes", "write_json"), after)
            try:
                writer.keep_best(folder / "sample.csv", folder, None)
                writer.keep_best(folder / "good.csv", folder, card)
            except Killed:
                return True
        return False

    for after in itertools.count(0):
        shutil.rmtree(best.parent, ignore_errors=True)
        killed = keep(after)
        writer.keep_best(folder / "sample.csv", folder, None)
        named = read_json(best.with_suffix(".json"))["file"]
        assert best.read_bytes() == (own_home / named).read_bytes(), after
        if not killed:
            break
    assert after == 4 and named == "entries/good.csv"


def test_an_ensemble_that_is_too_large_for_the_memory_is_chosen_from_half_as_many() -> None:
    night, said = object.__new__(Night), list[str]()
    night.request = Request(tiny_declaration(models={"net": Net()}), say=said.append)
    night.clock, night.unbanked = clock(), False  # a pool of four
    night.settle_deposit(WorkerDied("killed for want of memory", memory=True))
    night.settle_deposit(MemoryError())
    assert night.unbanked and night.clock.pool == 1 and "with 2 of" in said[0]
    with pytest.raises(MemoryError):
        night.settle_deposit(MemoryError())
    with pytest.raises(ValueError):
        night.settle_deposit(ValueError("a bug"))


# -- workers that others end -------------------------------------------------------------------------------------------


def stopped_once(mark: str) -> str:
    """The first time it works until it is told to stop."""
    if Path(mark).exists():
        return "done"
    Path(mark).touch()
    while not process.stopping():
        time.sleep(0.01)
    raise Interrupted("saved")


def slowly(mark: str) -> int:
    Path(mark).touch()
    time.sleep(0.3)
    return os.getpid()


def wait_until(true: Callable[[], Any], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_worker_that_somebody_terminates_saves_and_its_job_goes_on_in_another(tmp_path: Path) -> None:
    with Local(1, 1) as local:
        local.start(stopped_once, str(tmp_path / "mark"))
        wait_until((tmp_path / "mark").exists)
        os.kill(local._workers[0].process.pid, signal.SIGTERM)  # type: ignore[arg-type]
        ((_, result),) = local.ended(60)
    assert result == "done"


def test_a_worker_that_is_hired_while_the_engine_ends_does_not_outlive_it(monkeypatch: pytest.MonkeyPatch) -> None:
    hire = Worker._hire

    def slowly_hired(self: Worker) -> None:
        hiring.set()
        time.sleep(0.3)
        hire(self)

    hiring, before = threading.Event(), set(multiprocessing.active_children())
    with Local(1, 1) as local:
        monkeypatch.setattr(Worker, "_hire", slowly_hired)
        local._workers[0].process.kill()
        assert hiring.wait(10)
    time.sleep(0.5)
    assert set(multiprocessing.active_children()) <= before


class Late:
    """A process whose exit code another thread was just told, but has not yet written down."""

    def __init__(self, process: Any):
        self.process, self.asked = process, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.process, name)

    @property
    def exitcode(self) -> int | None:
        self.asked += 1
        return self.process.exitcode if self.asked > 2 else None


def test_a_killed_worker_is_not_taken_for_a_crashed_one_because_its_exit_code_comes_late(tmp_path: Path) -> None:
    """Python lets whoever starts a process collect the exit codes of all others: so does another worker's hiring."""
    with Local(1, 1) as local:
        staff = local._workers[0]
        local.start(slowly, str(tmp_path / "mark"))
        wait_until((tmp_path / "mark").exists)
        victim, staff.process = staff.process.pid, Late(staff.process)  # type: ignore[assignment]
        os.kill(victim, signal.SIGKILL)  # type: ignore[arg-type]
        ((_, result),) = local.ended(60)
    assert isinstance(result, int) and result != victim


# -- whole searches ----------------------------------------------------------------------------------------------------


@pytest.mark.soak
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


TROUBLED = """
import os
import signal

from harness.models import Diverged

KINDS = ("fine", "memory", "nan", "exit", "fault", "space")


@dataclass(frozen=True)
class Troubled(Spy):
    kind: str = "fine"
    share: float = 0.0
    batch: int = 8

    def fit(self, train, valid, context):
        if self.kind == "memory" and self.batch > 2:
            np.ones(self.batch << 50)
        if self.kind == "nan":
            raise Diverged("training diverged: the loss is no number any more")
        if self.kind == "exit":
            os._exit(3)
        if self.kind == "fault":
            os.kill(os.getpid(), signal.SIGSEGV)
        return super().fit(train, valid, context)


def troubled(trial, learner):
    kind = KINDS[trial.trial.number % len(KINDS)]
    share = trial.suggest_float("share", 0, 1)
    if kind == "space":
        raise ZeroDivisionError("division by zero")
    return replace(learner, kind=kind, share=share)


models = {**competition.models, "spy": Troubled()}
competition = replace(competition, models=models, default=("spy",), search={"spy": troubled})
"""


@pytest.mark.soak
def test_a_night_of_troubles_goes_on_and_says_what_happened(tmp_path: Path) -> None:
    home = Home(tmp_path, declaration=DECLARATION + TROUBLED)
    code, _, err = home.run("harness", "search", "pebbles", "--hours", 0.015, "--workers", 2)
    assert code == 0, err
    trials = study(home).trials
    kinds = ("fine", "memory", "nan", "exit", "fault", "space")
    reasons = {kinds[t.number % len(kinds)]: t.user_attrs["reason"] for t in trials if t.state.name == "FAIL"}
    assert reasons == {
        "nan": "failed: training diverged: the loss is no number any more",
        "exit": "failed 3 times: WorkerDied: a worker process ended itself with code 3",
        "fault": "failed 3 times: WorkerDied: a worker process died of SIGSEGV",
        "space": reasons["space"],
    }
    assert "the search space of spy raised ZeroDivisionError: division by zero" in reasons["space"]
    halved = {t.user_attrs["halved"] for t in trials if t.number % len(kinds) == 1 and t.state.name == "COMPLETE"}
    assert halved == {2} and "out of memory with batches of 8; again with 4" in err
    assert len([t for t in trials if t.state.name == "COMPLETE"]) > 2


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
        card = json.loads((best / "submission.json").read_text())
        agree = sha256_of(best / "submission.csv") == sha256_of(self.root / card["file"])
        self.apart = 0.0 if agree else self.apart or time.monotonic()
        self.longest = max(self.longest, time.monotonic() - self.apart if self.apart else 0.0)
        if card["cv"]:
            self.scores += [(card["share"], card["cv"]["score"])]


# -- the night ---------------------------------------------------------------------------------------------------------


def kill(pid: int) -> str:
    """Whom it hit."""
    victim = words(pid)
    os.kill(pid, signal.SIGKILL)
    return "worker or clerk" if "spawn_main" in victim else "resource tracker" if "tracker" in victim else "other"


def disturbed(home: Home, rng: random.Random) -> Counter:
    """Search, with a kill every EVERY seconds for so many MINUTES; how often whom."""
    killed, search = Counter[str](), started(home, 1)
    while "start" not in {event["event"] for event in book(home)}:  # it has measured its models
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
def night(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Watcher, dict[str, Any], set[int]]:
    """The home after the kills and a last search in peace, its result, and the trials that ran when that began."""
    home = Home(tmp_path_factory.mktemp("kills"), declaration=DECLARATION + GUARDED)
    rng, watcher = random.Random(os.environ.get("SOAK_SEED", 4)), Watcher(home.root)
    watcher.start()
    killed = disturbed(home, rng)
    orphans = {trial.number for trial in study(home).trials if trial.state.name == "RUNNING"}
    last = started(home, 0.03)
    last.reader.join(240)
    watcher.ended.set()
    watcher.join()
    print(f"\nkilled: {dict(sorted(killed.items()))}; trials: {Counter(t.state.name for t in study(home).trials)}")
    print(f"{watcher.looks} looks at best/, apart for {watcher.longest:.2f} s at most, {len(orphans)} orphans")
    assert last.process.returncode == 0, last.err
    return home, watcher, json.loads(last.out), orphans


def study(home: Home) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    (file,) = home.root.glob("searches/pebbles/*/study.db")
    return optuna.load_study(study_name="pebbles", storage=f"sqlite:///{file}")


def book(home: Home) -> list[dict[str, Any]]:
    return [event for file in home.root.glob("searches/pebbles/*/night.jsonl") for event in read_lines(file)]


def ended(home: Home) -> list[optuna.trial.FrozenTrial]:
    """Those that count."""
    trials = [trial for trial in study(home).trials if trial.state.is_finished()]
    return [trial for trial in trials if trial.user_attrs.get("reason") != DRAWN_TWICE]


@pytest.mark.soak
def test_best_was_whole_and_valid_at_every_look_and_never_fell(night: Any) -> None:
    _, watcher, _, _ = night
    assert watcher.wrong == [] and watcher.looks > 60 * MINUTES
    assert watcher.scores == sorted(watcher.scores)
    assert watcher.longest < 30  # a kill between its two files is mended by the next start


@pytest.mark.soak
def test_every_trial_ended_once_and_none_was_lost(night: Any) -> None:
    home, _, result, orphans = night
    trials = study(home).trials
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert {trial.state.name for trial in trials} <= {"COMPLETE", "PRUNED", "FAIL", "RUNNING"}
    assert not {trial.number for trial in trials if trial.state.name == "RUNNING"} & orphans
    assert [trial.user_attrs["reason"] for trial in trials if trial.state.name == "FAIL"] == []
    hashes = Counter(trial.user_attrs["config_hash"] for trial in ended(home))
    assert set(hashes.values()) == {1}
    assert sum(result["trials"].values()) == len(ended(home)) > 3


@pytest.mark.soak
def test_finished_trials_have_every_fold_once_and_a_bundle_that_loads(night: Any) -> None:
    home, _, _, _ = night
    done = [trial for trial in ended(home) if trial.state.name == "COMPLETE"]
    (data,) = (path.parent.name for path in home.root.glob("data/pebbles/*/public"))
    folds = json.loads(next(home.root.glob("data/pebbles/*/public/folds-2.json")).read_text())["folds"]
    assert done
    for trial in done:
        assert sorted(fold["fold"] for fold in trial.user_attrs["folds"]) == [0, 1]
        model_run = ModelRun(home.root / trial.user_attrs["bundle"])
        assert model_run.held(2) == [0, 1] and model_run.manifest["complete"]
    os.environ["HARNESS_HOME"] = str(home.root)
    fold_of_row = Prepared("pebbles", data).folds(None, 2)  # type: ignore[arg-type]
    assert len(fold_of_row) == len(folds)
    for trial in done:
        plain, _ = ModelRun(home.root / trial.user_attrs["bundle"]).out_of_fold(TASK, fold_of_row, [0, 1])
        assert len(plain) == len(fold_of_row)


@pytest.mark.soak
def test_no_folder_was_ever_written_by_two_workers(night: Any) -> None:
    home, _, _, _ = night
    assert next(home.root.glob("runs/pebbles/*/*/fold_*/guard"))
    assert not (home.root / "overlap.txt").exists()


@pytest.mark.soak
def test_nothing_is_left_lying_about_and_the_book_can_be_read(night: Any) -> None:
    home, _, _, _ = night
    for kind in ("runs", "submissions", "searches"):
        assert list((home.root / kind).rglob(f".*{TEMPORARY}")) == []
    assert list((home.root / "submissions").rglob("draft*")) == []
    kinds = Counter(event["event"] for event in book(home))
    assert kinds["start"] > 1 and kinds["end"] == 1 and kinds["bank"] >= 1


@pytest.mark.soak
def test_what_is_in_the_bank_stands_in_the_book_and_is_what_submit_would_train(night: Any) -> None:
    home, _, _, _ = night
    (best,) = home.root.glob("submissions/pebbles/*/best/submission.json")
    (found,) = home.root.glob("searches/pebbles/*/best.json")
    card = json.loads(best.read_text())
    banked = [event for event in book(home) if event["event"] == "bank"][-1]
    assert banked["file"] == card["file"] and banked["score"] == card["cv"]["score"]
    assert set(json.loads(found.read_text())["members"]) == used(card["recipe"])


@pytest.mark.soak
def test_the_team_has_one_row_on_the_board(night: Any) -> None:
    home, _, result, _ = night
    (row,) = home.json("leaderboard", "board", "pebbles")["rows"]
    assert row["team"] == "red" and result["rank"] == 1
