"""Whole searches in this process: the incumbent, duplicates, longer schedules, failures, a full disk and kills."""

import errno
import itertools
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import optuna
import pytest

import competitions
from harness.audit import Audit, Check
from harness.competition import find
from harness.errors import UserError
from harness.files import append_line, read_json, read_lines, sha256_of
from harness.prepare import write
from harness.search.study import DUPLICATE
from harness.training import search_result
from harness.training.ensembling import blend_of, ensemble
from harness.training.predictions import ModelRun
from tests.support.tiny_search import DECLARATION, NAME, declare, make_search, write_raw

FAULTS = ("", "memory", "nan", "crash", "space")
FAULTY = """

def faulty(trial, learner):
    trial.suggest_float("share", 0, 1)
    number = min(trial.trial.number, 12)  # from here on all variants are the same, and the search ends
    fault = FAULTS[(number - 1) % len(FAULTS)]
    if fault == "space" and number < 12:
        raise ZeroDivisionError("division by zero")
    return replace(learner, skill=0.3 + 0.02 * number, fault=fault)


competition = replace(competition, search={"net": faulty})
"""


@pytest.fixture(scope="module")
def prepared_beads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that holds the prepared data of `beads`."""
    home = tmp_path_factory.mktemp("beads")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_HOME", str(home))
        declared(home, patch)
        dataset = find(NAME).load(write_raw(home))
        write(find(NAME), dataset, Audit([Check("shapes", "pass", "")], {}, dataset.labelled.groups), "sample")
    return home


@pytest.fixture
def beads(prepared_beads: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own with the prepared data; the competition is declared."""
    shutil.copytree(prepared_beads, own_home, dirs_exist_ok=True)
    declared(own_home, monkeypatch)
    return own_home


def declared(home: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(competitions, "__path__", declare(home))
    for name in [name for name in sys.modules if name.startswith(f"competitions.{NAME}")]:
        patch.delitem(sys.modules, name)


def best_is_valid(home: Path) -> None:
    """best/submission.csv holds every row, and is the file that its manifest names."""
    (best,) = home.glob(f"submissions/{NAME}/*/best/submission.csv")
    sample = next(home.glob(f"data/{NAME}/*/public/sample_submission.csv"))
    ids = [line.partition(",")[0] for line in sample.read_text().splitlines()]
    assert [line.partition(",")[0] for line in best.read_text().splitlines()] == ids
    assert sha256_of(home / read_json(best.with_suffix(".json"))["file"]) == sha256_of(best)


def events_of(home: Path) -> list[dict[str, Any]]:
    return [event for file in home.glob(f"searches/{NAME}/*/search.jsonl") for event in read_lines(file)]


def trials_of(home: Path) -> list[optuna.trial.FrozenTrial]:
    (file,) = home.glob(f"searches/{NAME}/*/study.db")
    return optuna.load_study(study_name=NAME, storage=f"sqlite:///{file}").trials


def test_a_search_finds_the_better_variants_and_its_incumbent_only_ever_gets_better(beads: Path) -> None:
    """Four variants of the model differ in skill; the best is right about 0.8 of the rows, the declared one 0.7."""
    search = make_search()
    search.loop.run()
    best_is_valid(beads)
    finished = [trial for trial in trials_of(beads) if trial.state.name == "COMPLETE"]
    assert max(trial.params.get("net.tenths", 0) for trial in finished) == 5
    for trial in finished:
        model_run = ModelRun(beads / trial.user_attrs["model_run"])
        assert model_run.held(2) == [0, 1] and model_run.manifest["complete"]
    events = events_of(beads)
    assert [events[0]["event"], events[-1]["event"]] == ["start", "end"]
    saved = [event for event in events if event["event"] == "incumbent"]
    scores = [event["score"] for event in saved if event["folds"] == 2]
    assert scores == sorted(scores)
    assert search.events[-1]["search"]["best"]["score"] == saved[-1]["score"] > 0.7
    trained = Counter(t.user_attrs["config_hash"] for t in trials_of(beads) if t.user_attrs.get("folds"))
    assert set(trained.values()) == {1}  # no configuration was trained twice


def test_submit_after_a_search_gets_all_candidates_while_their_runs_exist_and_the_members_alone_after(
    beads: Path,
) -> None:
    loop = make_search().loop
    loop.run()
    (found,) = beads.glob(f"searches/{NAME}/*/best.json")
    saved, place = read_json(found), (NAME, loop.prepared.data_hash, loop.train_hash)
    assert set(saved["members"]) < set(saved["candidates"])
    assert set(search_result.variants(*place)) == set(saved["candidates"])
    runs = {name: ModelRun(beads / each["run"]) for name, each in saved["candidates"].items()}
    folds, blend = loop.prepared.folds(loop.request.competition, 2), blend_of(loop.request.competition, runs)
    fitted, oof = ensemble(loop.request, loop.prepared, folds, runs, blend)  # what `submit` makes of the candidates
    assert float(oof.metric.score(fitted.statistics[-1])) == pytest.approx(saved["cv"]["score"])
    other = next(name for name in saved["candidates"] if name not in saved["members"])
    (runs[other].fold(0) / "fold.json").unlink()
    assert set(search_result.variants(*place)) == set(saved["members"])
    assert search_result.variants(NAME, place[1], "other rows") == {}


def test_when_exploring_is_over_the_best_trains_on_a_longer_schedule(beads: Path) -> None:
    search = make_search()
    search.loop.schedule.epochs = {"net": 1}
    search.loop.schedule.started -= 0.7 * 3600
    search.loop.run()
    longer = [trial for trial in trials_of(beads) if "longer" in trial.user_attrs]
    assert longer and all(trial.state.name == "COMPLETE" for trial in longer)
    assert {trial.user_attrs["config"]["epochs"] for trial in longer} == {4}
    assert len({trial.user_attrs["longer"] for trial in longer}) == len(longer)


def redeclared(home: Path, faults: tuple[str, ...]) -> None:
    declare(home, DECLARATION + f"\nFAULTS = {faults!r}\n" + FAULTY)


def test_failures_are_told_apart_and_the_search_goes_on(beads: Path) -> None:
    redeclared(beads, FAULTS)
    search = make_search()
    search.loop.run()
    trials = trials_of(beads)
    reasons = {FAULTS[(t.number - 1) % 5]: t.user_attrs["reason"] for t in trials if t.state.name == "FAIL"}
    assert set(reasons) == {"nan", "crash", "space"}
    assert "diverged" in reasons["nan"] and "ZeroDivisionError" in reasons["crash"] and "net" in reasons["space"]
    halved = [t for t in trials if t.user_attrs.get("halved")]
    assert {t.user_attrs["config"]["batch"] for t in halved} == {2}
    assert search.loop.study.counts()["failed"] == sum(t.state.name == "FAIL" for t in trials)


def test_a_search_space_that_never_worked_ends_the_search_with_its_name(beads: Path) -> None:
    redeclared(beads, ("space",))
    search = make_search()
    with pytest.raises(UserError, match="the search space of net"):
        search.loop.run()
    assert "COMPLETE" in {trial.state.name for trial in trials_of(beads)}  # the declared model
    best_is_valid(beads)


@pytest.mark.parametrize(("error", "largest"), [(errno.ENOSPC, 10**18), (errno.EDQUOT, 0)])
def test_a_full_disk_or_quota_ends_the_search_and_its_trial_waits_for_the_next_one(
    beads: Path, error: int, largest: int
) -> None:
    """No disk has room for two more runs of the largest; the free space of a disk with a quota may not be ours."""
    jobs = itertools.count()

    def second_fails() -> Exception | None:
        return OSError(error, "the disk is full") if next(jobs) == 2 else None

    search = make_search(second_fails)
    search.loop.largest = largest
    search.loop.run()
    assert "make clean" in search.loop.ends_because
    assert search.loop.study.counts()["failed"] == 0
    assert "RUNNING" in {trial.state.name for trial in trials_of(beads)}
    again = make_search()
    again.loop.run()
    assert any("resuming" in line for line in again.said)
    assert {trial.state.name for trial in trials_of(beads)} <= {"COMPLETE", "PRUNED"}


def test_an_ensemble_that_is_too_large_for_the_memory_is_chosen_from_half_as_many(beads: Path) -> None:
    saver = make_search().loop.incumbent
    saver.schedule.pool = 4
    saver.settle(MemoryError())
    saver.settle(MemoryError())
    assert saver.changed and saver.schedule.pool == 1
    with pytest.raises(MemoryError):
        saver.settle(MemoryError())
    with pytest.raises(ValueError):
        saver.settle(ValueError("a bug"))


class Killed(BaseException):
    """Nobody catches it, as nobody catches SIGKILL."""


def test_a_search_that_is_killed_again_and_again_loses_nothing_and_counts_nothing_twice(beads: Path) -> None:
    """Each search dies before its third job, between two writes or while the ensemble is fitted; then one ends."""
    deaths = 0
    for limit in [*[3] * 6, 10**9]:
        jobs = itertools.count()

        def die(jobs: Any = jobs, limit: int = limit) -> None:
            if next(jobs) == limit:
                raise Killed

        try:
            make_search(die).loop.run()
        except Killed:
            deaths += 1
            best_is_valid(beads)
    assert deaths == 6
    best_is_valid(beads)
    trials = trials_of(beads)
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert {trial.state.name for trial in trials} <= {"COMPLETE", "PRUNED"}
    for trial in trials:
        if trial.state.name == "COMPLETE":
            assert [fold["fold"] for fold in trial.user_attrs["folds"]] in ([0, 1], [1, 0])
    counted = [trial for trial in trials if trial.user_attrs.get("reason") != DUPLICATE]
    hashes = Counter(trial.user_attrs["config_hash"] for trial in counted)
    assert set(hashes.values()) == {1}


def test_a_torn_line_of_the_log_costs_that_line_alone(tmp_path: Path) -> None:
    log = tmp_path / "search.jsonl"
    append_line(log, {"a": 1})
    log.write_bytes(log.read_bytes() + b'{"torn": ')
    append_line(log, {"b": 2})
    assert read_lines(log) == [{"a": 1}, {"b": 2}]
    assert read_lines(tmp_path / "none") == []
