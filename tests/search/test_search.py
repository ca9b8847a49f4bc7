"""The overnight search: what races, what is taken up again, what lies in the bank, and that the clock is kept."""

import errno
import json
import os
import signal
import sqlite3
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
import pytest
from conftest import tiny_declaration

from harness.errors import UserError
from harness.files import append_line, read_lines
from harness.metrics import RMSE, Accuracy
from harness.models import Diverged, TrainingCost
from harness.options import Request
from harness.prepare import Prepared
from harness.search.disk_space import make_room
from harness.search.loop import Night
from harness.search.pruning import SHARES, Race
from harness.search.retries import remedy
from harness.search.sampler import sampler
from harness.search.schedule import Clock
from harness.search.spaces import Named, variant
from harness.search.study import DRAWN_TWICE, Entry, Study, opened
from harness.training.cost import Work
from harness.training.predictions import ModelRun
from harness.training.workers import WorkerDied
from tests.support.tiny_competition import DECLARATION, Home


@dataclass(frozen=True)
class Net:
    """Of numbers only; nothing here is trained."""

    lr: float = 0.1
    epochs: int = 20
    batch: int = 8
    pretrained: bool = False
    target_class: int | None = None
    fewest_epochs: int = 3

    def vary(self, trial: Any) -> "Net":
        return replace(self, lr=trial.suggest_float("lr", 0.01, 1.0, log=True))


def raises(trial: Any, learner: Net) -> Net:
    return replace(learner, lr=1 / (learner.batch - 8))


def backwards(trial: Any, learner: Net) -> Net:
    return replace(learner, lr=trial.suggest_float("lr", 1.0, 0.1))


def another(trial: Any, learner: Net) -> str:
    return "net"


# -- spaces ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("space", "told"),
    [
        (raises, "raised ZeroDivisionError: .*mend it, the study is as it was"),
        (backwards, "raised ValueError: .*low"),
        (another, "must give a variant of the learner"),
    ],
)
def test_a_space_that_cannot_be_used_is_told_with_its_model(space: Any, told: str) -> None:
    competition = tiny_declaration(models={"net": Net()}, search={"net": space})
    trial = Named(optuna.create_study().ask(), "net")
    with pytest.raises(UserError, match=f"tiny: the search space of net .*{told}"):
        variant(competition, trial, "net", Net(), 5)


def test_parameters_carry_the_name_of_their_model() -> None:
    trial = optuna.create_study().ask()
    made = variant(tiny_declaration(models={"net": Net()}), Named(trial, "net"), "net", Net(), 5)
    assert list(trial.params) == ["net.lr"]
    assert made == Net(lr=trial.params["net.lr"], epochs=5)


def test_what_all_variants_of_a_model_have_in_common_is_drawn_at_once_as_wide_as_today() -> None:
    study = optuna.create_study(sampler=sampler())
    spaces = [
        ("net", {}),  # the declared one
        ("net", {"net.lr": (0, 1), "net.decay": (0, 1), "net.momentum": (0, 1)}),
        ("big", {"big.lr": (0, 1)}),
        ("net", {"net.lr": (0, 2), "net.decay": (0, 1), "net.dropout": (0.5, 0.5)}),
    ]
    for model, limits in spaces:
        study.enqueue_trial({"model": model})
        trial = study.ask()
        trial.suggest_categorical("model", ["net", "big"])
        for name, (low, high) in limits.items():
            trial.suggest_float(name, low, high)
        study.tell(trial, 0.5)
    last = study.trials[-1]
    drawn = study.sampler.infer_relative_search_space(study, last)
    assert list(drawn) == ["net.decay", "net.lr"]
    assert drawn["net.lr"] == last.distributions["net.lr"]
    assert study.sampler.infer_relative_search_space(study, optuna.create_trial(value=0.5)) == {}


# -- racing ------------------------------------------------------------------------------------------------------------


def race(**options: Any) -> Race:
    """100 rows in two folds; the best is right in 90 of 100."""
    made = Race(Accuracy(("a", "b")), {0: np.arange(50), 1: np.arange(50, 100)}, **options)
    for fold in (0, 1):
        made.saw("best", fold, statistics(45), {})
    made.crown("best")
    return made


def statistics(right: int) -> np.ndarray:
    truth = np.tile([0, 1], 25)
    predicted = np.where(np.arange(50) < right, truth, 1 - truth)
    return Accuracy(("a", "b")).statistics(truth, predicted)


def test_a_variant_that_is_worse_beyond_noise_ends_and_one_that_cannot_be_told_apart_goes_on() -> None:
    ours = race()
    ours.saw("bad", 0, statistics(25), {})
    ours.saw("close", 0, statistics(43), {})
    assert "worse than best on fold 0: -0.4000" in ours.lost("bad")
    assert ours.lost("close") == ""
    assert ours.lost("best") == ""


def test_racing_can_be_switched_off() -> None:
    ours = race(racing=False)
    ours.saw("bad", 0, statistics(5), {})
    assert ours.lost("bad") == ""


def test_a_curve_is_hopeless_below_the_lowest_quarter_of_four_others() -> None:
    ours = race()
    early = SHARES[0]
    for k, quality in enumerate((0.2, 0.4, 0.6)):
        ours.saw(str(k), 0, statistics(40), {early: quality})
    assert ours.limits(0)[early] == -np.inf  # three are too few
    ours.saw("3", 0, statistics(40), {early: 0.8})
    assert ours.limits(0)[early] == pytest.approx(0.35)  # numpy's linear percentile of 0.2, 0.4, 0.6, 0.8
    assert ours.limits(1)[early] == -np.inf
    assert race(cutting=False).limits(0) == {}


def test_where_less_is_better_the_lower_error_is_crowned_and_wins() -> None:
    truth = np.arange(40.0)
    ours = Race(RMSE(), {0: np.arange(40)})
    wiggle = np.where(np.arange(40) % 2, 1.0, -1.0)
    for name, error in (("far", 4.0), ("near", 1.0)):
        ours.saw(name, 0, RMSE().statistics(truth, truth + error * wiggle), {})
        ours.crown(name)
    assert ours.best == "near"
    assert "worse than near" in ours.lost("far")


# -- time --------------------------------------------------------------------------------------------------------------


def clock(hours: float = 1.0, epoch: float = 10.0) -> Clock:
    """Two workers, five folds, models of 20 epochs."""
    work = Work({"net": Net()}, {"net": TrainingCost(0, epoch, 0)}, 5, 2, 1, 100, 20, 0, 10.0)
    return Clock(work, {"net": {}}, time.time(), hours, {}, pool=4, official=1.0, deposit=4.0)


class Attributes:
    """As much of a study as the clock looks at."""

    def __init__(self) -> None:
        self.user_attrs: dict[str, Any] = {}

    def set_user_attr(self, name: str, value: Any) -> None:
        self.user_attrs[name] = value


def test_a_trial_is_shrunk_so_that_six_fit_and_stays_so_for_the_study() -> None:
    study = Attributes()
    first = clock().schedules(study)["net"]
    # 3600 s - 10 - 1.3 x 2 x 5 are 3577 s; a sixth are 596 s for three rounds of one fold: 19 epochs of 10 s
    assert first == 19
    assert clock(hours=8).schedules(study)["net"] == 19
    assert clock(hours=8).schedules(Attributes())["net"] == 20  # never more than declared


def test_a_time_too_short_for_one_fold_says_how_much_is_needed() -> None:
    with pytest.raises(UserError, match=r"too short for one fold of net .* takes 30 s .* give HOURS=0\.0"):
        clock(hours=0.01).schedules(Attributes())


def test_what_is_kept_for_the_end_grows_with_the_members_up_to_the_pool() -> None:
    ours = clock()
    assert ours.ends - ours.deadline(1) == pytest.approx(10 + 1.3 * 5)
    assert ours.ends - ours.deadline(3) == pytest.approx(10 + 1.3 * 15)
    assert ours.deadline(9) == ours.deadline(4)


def test_an_estimate_is_corrected_by_what_the_member_and_the_model_took() -> None:
    ours = clock()
    assert ours.fold_seconds("net.3", "net", 5) == 50
    ours.took("net.1", "net", 5, 100)
    assert ours.fold_seconds("net.1", "net", 10) == 200
    assert ours.fold_seconds("net.3", "net", 5) == 100


def test_the_longest_schedule_is_the_declared_one_or_what_fits() -> None:
    ours = clock(hours=1)
    assert ours.longest("net", "net", 10, 2) == 20
    assert clock(hours=0.15).longest("net", "net", 10, 2) == 16  # 95 % of 517 s for three rounds of 10 s an epoch
    assert clock(hours=0.05).longest("net", "net", 10, 2) == 10  # not even as long: the caller sees no gain


# -- the study ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path))
    return reopened()


def reopened(train: str = "t1", data: str = "d1", storage: str | None = None) -> Study:
    return opened(tiny_declaration(models={"net": Net()}), Prepared("tiny", data), train, ["net"], storage)


EPOCHS = {"net": 5}


def test_a_killed_search_is_taken_up_with_the_same_parameters_as_often_as_it_is_killed(study: Study) -> None:
    entry = study.ask({"net": Net()}, EPOCHS)
    for _ in range(3):  # the process is gone; another opens the study
        (again,) = reopened().unfinished({"net": Net()}, EPOCHS)
        assert (again.number, again.name, again.learner) == (entry.number, entry.name, entry.learner)
    assert reopened().counts() == {"finished": 0, "cut": 0, "failed": 0}
    after = reopened()
    (again,) = after.unfinished({"net": Net()}, EPOCHS)
    after.finish(again, 0.5)
    assert reopened().counts() == {"finished": 1, "cut": 0, "failed": 0}
    assert list(reopened().unfinished({"net": Net()}, EPOCHS)) == []


def test_a_trial_killed_while_its_parameters_were_drawn_keeps_those_it_had(study: Study) -> None:
    trial = study.optuna.ask()
    trial.suggest_categorical("model", ["net"])
    rate = trial.suggest_float("net.lr", 0.01, 1.0, log=True)
    (entry,) = reopened().unfinished({"net": Net()}, EPOCHS)
    assert entry.learner == Net(lr=rate, epochs=5)


def test_what_was_drawn_twice_counts_nowhere_and_a_failure_keeps_its_reason(study: Study) -> None:
    twice, failed = study.ask({"net": Net()}, EPOCHS), study.ask({"net": Net()}, EPOCHS)
    study.cut(twice, DRAWN_TWICE)
    study.fail(failed, "its loss was no number")
    assert study.counts() == {"finished": 0, "cut": 0, "failed": 1}
    assert study.optuna.trials[1].user_attrs["reason"] == "its loss was no number"


def test_finished_trials_come_back_with_the_best_first(study: Study) -> None:
    for value in (0.4, 0.7, 0.5):
        study.finish(study.ask({"net": Net()}, EPOCHS), value)
    assert [entry.value for entry in reopened().finished()] == [0.7, 0.5, 0.4]


def test_a_longer_trial_has_its_parents_parameters_and_is_not_raced(study: Study) -> None:
    parent = study.ask({"net": Net()}, EPOCHS)
    study.finish(parent, 0.5)
    longer = study.longer(parent, replace(parent.learner, epochs=20))
    assert longer.trial and parent.trial and longer.trial.params == parent.trial.params
    assert not longer.raced and study.lengthened() == {parent.number}
    (again,) = reopened().unfinished({"net": Net()}, EPOCHS)
    assert again.learner == longer.learner and again.parent == parent.number and not again.raced


@pytest.mark.parametrize(
    ("changed", "told"), [({"data": "d2"}, "other data"), ({"train": "t2"}, "other rows or folds")]
)
def test_a_study_of_other_data_or_folds_is_refused_and_stays_as_it_is(
    study: Study, tmp_path: Path, changed: dict[str, str], told: str
) -> None:
    shared = f"sqlite:///{tmp_path}/shared.db"
    reopened(storage=shared).ask({"net": Net()}, EPOCHS)
    with pytest.raises(UserError, match=told):
        reopened(**changed, storage=shared)
    assert len(reopened(storage=shared).optuna.trials) == 1


def test_a_storage_that_cannot_be_reached_is_one_sentence_without_its_password(study: Study) -> None:
    with pytest.raises(UserError, match=r"cannot be used: .*look at STORAGE=") as caught:
        reopened(storage="postgresql://me:secret@127.0.0.1:1/none")
    assert "secret" not in str(caught.value)
    with pytest.raises(UserError, match="cannot be used"):
        reopened(storage="no such thing")


def test_the_study_is_read_by_others_while_it_is_written(study: Study, tmp_path: Path) -> None:
    (file,) = tmp_path.rglob("study.db")
    assert sqlite3.connect(file).execute("PRAGMA journal_mode").fetchone() == ("wal",)
    study.ask({"net": Net()}, EPOCHS)
    assert len(optuna.load_study(study_name="tiny", storage=f"sqlite:///{file}").trials) == 1


# -- trouble -----------------------------------------------------------------------------------------------------------


def entry(**changed: Any) -> Entry:
    return Entry("net.1", "net", Net(), None, **changed)


def test_for_want_of_memory_the_batch_is_halved_at_most_twice() -> None:
    first, told = remedy(entry(), MemoryError())
    assert first and first.learner == Net(batch=4) and "again with 4" in told
    second, _ = remedy(first, WorkerDied("killed for want of memory", memory=True))
    assert second and second.learner == Net(batch=2)
    third, _ = remedy(second, RuntimeError("CUDA out of memory"))
    assert third is second and third.learner == Net(batch=2)  # from here on as any crash


@pytest.mark.parametrize("room", [False, True])
def test_a_full_disk_ends_the_night_and_the_trial_waits_but_where_room_is_made_it_goes_on(
    study: Study, monkeypatch: pytest.MonkeyPatch, room: bool
) -> None:
    learners: dict[str, Any] = {"net": Net()}
    ours, night = study.ask(learners, EPOCHS), object.__new__(Night)
    night.request = Request(tiny_declaration(models=learners), say=list[str]().append)
    night.prepared, night.study, night.count, night.active, night.over = Prepared("tiny", "d1"), study, 5, [ours], ""
    night.largest = 0
    monkeypatch.setattr("harness.search.loop.make_room", lambda *_: room)
    night.retry_or_fail(ours, OSError(errno.ENOSPC, "No space left on device", "weights.safetensors"))
    assert (night.active, bool(night.over)) == (([ours], False) if room else ([], True))
    assert study.counts()["failed"] == 0
    again = [entry.name for entry in reopened().unfinished(learners, EPOCHS)]
    assert again == [ours.name]


def test_a_quota_that_is_used_up_ends_the_night_for_nobody_can_see_how_much_is_left(study: Study) -> None:
    learners: dict[str, Any] = {"net": Net()}
    ours, night = study.ask(learners, EPOCHS), object.__new__(Night)
    night.active, night.over = [ours], ""
    night.retry_or_fail(ours, OSError(errno.EDQUOT, "Disk quota exceeded"))
    assert not night.active and "make clean" in night.over


def test_room_is_for_two_bundles_like_the_largest_and_only_trials_that_were_cut_make_place(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three trials that were cut have 600 bytes each; two like the complete one need 10,000; who is half done stays."""
    declared = tiny_declaration(models={"net": Net()})
    cut = [study.ask({"net": Net()}, EPOCHS) for _ in range(3)]
    for one in cut:
        study.cut(one, "worse")
    runs, bytes_of = tmp_path / "runs" / "tiny" / "t1", dict.fromkeys((one.name for one in cut), 600)
    for name, size in (bytes_of | {"net": 5000, "half": 9000}).items():
        (runs / f"{name}-0123" / "fold_0").mkdir(parents=True)
        (runs / f"{name}-0123" / "fold_0" / "weights").write_bytes(bytes(size))
    night = object.__new__(Night)
    night.members, night.largest = {}, 0
    monkeypatch.setattr(Night, "bundle", lambda _, entry: ModelRun(runs / f"{entry.name}-0123"))
    for name in ("net", cut[0].name):
        night.keep(Entry(name, "net", Net(), None))
    assert night.largest == 5000 and night.unbanked

    def disk(total: int, _: Path) -> SimpleNamespace:
        return SimpleNamespace(free=total - sum(file.stat().st_size for file in runs.rglob("*") if file.is_file()))

    prepared: Any = SimpleNamespace(train=[], holdout=[])
    left = 5000 + 9000  # what no trial made place for
    for total, room, kept in ((left + 1800 + 10000, True, 3), (left + 600 + 10000, True, 1), (left + 9999, False, 0)):
        monkeypatch.setattr("harness.search.disk_space.shutil.disk_usage", partial(disk, total))
        assert make_room(declared, prepared, 5, study, night.largest) is room
        assert sum((runs / f"{one.name}-0123").exists() for one in cut) == kept
    assert (runs / "net-0123").exists() and (runs / "half-0123").exists()


def test_a_crash_is_tried_again_and_closed_the_third_time() -> None:
    ours = entry()
    assert remedy(ours, WorkerDied("a worker process died of SIGSEGV"))[0] is ours
    assert remedy(ours, RuntimeError("boom"))[0] is ours
    assert remedy(ours, RuntimeError("boom")) == (None, "failed 3 times: RuntimeError: boom")


def test_a_loss_that_is_no_number_is_closed_at_once() -> None:
    assert remedy(entry(), Diverged("training diverged")) == (None, "failed: training diverged")


def test_a_torn_line_of_the_book_costs_that_line_alone(tmp_path: Path) -> None:
    book = tmp_path / "night.jsonl"
    append_line(book, {"a": 1})
    book.write_bytes(book.read_bytes() + b'{"torn": ')
    append_line(book, {"b": 2})
    assert read_lines(book) == [{"a": 1}, {"b": 2}]
    assert read_lines(tmp_path / "none") == []


# -- whole nights ------------------------------------------------------------------------------------------------------

HOURS = 0.012  # 43 s


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, dict[str, Any], float]:
    home = Home(tmp_path_factory.mktemp("searched"))
    began = time.monotonic()
    result = home.json("harness", "search", "pebbles", "--hours", HOURS, "--team", "red")
    return home, result, time.monotonic() - began


def one(home: Home, pattern: str) -> Path:
    (found,) = home.root.glob(pattern)
    return found


def test_a_search_keeps_its_time_and_ends_with_a_rank(searched: tuple[Home, dict[str, Any], float]) -> None:
    _, result, seconds = searched
    assert seconds < HOURS * 3600 + 10
    assert result["rank"] == 1 and set(result["trials"]) == {"finished", "cut", "failed"}
    assert result["trials"]["finished"] + result["trials"]["cut"] > 2
    assert result["cv"]["low"] <= result["cv"]["score"] <= result["cv"]["high"]
    assert set(result["official"]) == {"test"}


def test_every_trial_leaves_an_ordinary_bundle(searched: tuple[Home, dict[str, Any], float]) -> None:
    home, result, _ = searched
    names = {folder.name.rsplit("-", 1)[0] for folder in home.root.glob("runs/pebbles/*/*/bundle.json")}
    model_runs = {json.loads(file.read_text())["model"] for file in home.root.glob("runs/pebbles/*/*/bundle.json")}
    assert {"net", "scout"} <= model_runs and names
    assert len(model_runs) >= result["trials"]["finished"]


def test_the_bank_is_filled_from_the_first_fold_on_and_only_ever_better(
    searched: tuple[Home, dict[str, Any], float],
) -> None:
    home, result, _ = searched
    events = read_lines(one(home, "searches/pebbles/*/night.jsonl"))
    assert [events[0]["event"], *(event["event"] for event in events[-2:])] == ["start", "end", "judged"]
    banks = [event for event in events if event["event"] == "bank"]
    assert banks[0]["folds"] <= banks[-1]["folds"] == 2
    assert banks[-1]["score"] == result["cv"]["score"]
    best = one(home, "submissions/pebbles/*/best/submission.csv")
    assert best.read_bytes() == (home.root / result["submission"]).read_bytes()


def test_the_morning_page_is_written(searched: tuple[Home, dict[str, Any], float]) -> None:
    home, result, _ = searched
    page = (home.root / result["report"]).read_text()
    assert page.startswith("<!doctype html>") and "pebbles" in page.lower()


def test_submit_afterwards_trains_nothing_and_says_what_it_uses(searched: tuple[Home, dict[str, Any], float]) -> None:
    home, result, _ = searched
    model_runs = set(home.root.glob("runs/pebbles/*/*/bundle.json"))
    code, out, err = home.run("harness", "submit", "pebbles", "--json")
    assert code == 0, err
    assert "what the search found" in err and "every model is trained already" in err
    assert json.loads(out)["cv"]["score"] == pytest.approx(result["cv"]["score"])
    assert set(home.root.glob("runs/pebbles/*/*/bundle.json")) == model_runs
    code, _, err = home.run("harness", "submit", "pebbles", "--no-searched", "--budget", "40s", "--json")
    assert code == 0 and "what the search found" not in err


@pytest.mark.soak
def test_a_search_that_is_terminated_ends_in_ten_seconds_with_the_best_in_place_and_goes_on(tmp_path: Path) -> None:
    home = Home(tmp_path)
    process = home.start("harness", "search", "pebbles", "--hours", 1)
    wait_for(lambda: any(event["event"] == "bank" for event in events_of(home)))
    wait_for(lambda: any(state == "RUNNING" for _, state in trials(home)))  # one worker may be at the ensemble
    began = time.monotonic()
    os.kill(process.pid, signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - began < 10
    assert process.returncode == 143 and "what was done is saved" in err
    assert one(home, "submissions/pebbles/*/best/submission.csv").stat().st_size
    before = trials(home)
    assert {"RUNNING"} & {state for _, state in before}
    result = home.run("harness", "search", "pebbles", "--hours", HOURS)
    assert result[0] == 0 and "taking up" in result[2], result[2]
    after = dict(trials(home))
    assert all(after[number] != "RUNNING" for number, state in before if state == "RUNNING")


def events_of(home: Home) -> list[dict[str, Any]]:
    return [event for file in home.root.glob("searches/pebbles/*/night.jsonl") for event in read_lines(file)]


def trials(home: Home) -> list[tuple[int, str]]:
    with sqlite3.connect(one(home, "searches/pebbles/*/study.db")) as database:
        return database.execute("SELECT number, state FROM trials ORDER BY number").fetchall()


def wait_for(done: Any, seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until
        time.sleep(0.1)


BROKEN = """

def broken(trial, learner):
    return replace(learner, lr=trial.suggest_float("lr", 0.1, 0.01))


competition = replace(competition, search={"net": broken})
"""


def test_a_broken_space_is_one_sentence_and_the_study_is_intact(tmp_path: Path) -> None:
    home = Home(tmp_path, declaration=DECLARATION + BROKEN)
    code, out, err = home.run("harness", "search", "pebbles", "--hours", HOURS, "--json")
    assert code == 2 and "Traceback" not in err
    assert "the search space of net raised ValueError" in json.loads(out)["error"]
    assert "COMPLETE" in {state for _, state in trials(home)}


def test_too_short_a_night_and_a_missing_storage_are_refused(tmp_path: Path) -> None:
    home = Home(tmp_path)
    code, _, err = home.run("harness", "search", "pebbles", "--hours", 0.002)
    assert code == 2 and "too short for one fold" in err and "Traceback" not in err
    code, _, err = home.run("harness", "search", "pebbles", "--hours", 1, "--storage", "postgresql://127.0.0.1:1/x")
    assert code == 2 and "cannot be used" in err and "Traceback" not in err
