"""Spaces, the study and its trials: what is sampled, resumed, counted once and refused."""

import itertools
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import pytest

from harness.errors import UserError
from harness.search.spaces import ModelTrial, variant
from harness.search.storage import TrialLocks
from harness.search.study import DUPLICATE, Study, TrialRun
from tests.support.tiny_search import EPOCHS, LEARNERS, Net, net_study, tiny_net


@pytest.fixture
def study(own_home: Path) -> Study:
    return net_study()


# -- search spaces -----------------------------------------------------------------------------------------------------


def raises(trial: Any, learner: Net) -> Net:
    return replace(learner, lr=1 / (learner.batch - 8))


def backwards(trial: Any, learner: Net) -> Net:
    return replace(learner, lr=trial.suggest_float("lr", 1.0, 0.1))


def no_learner(trial: Any, learner: Net) -> str:
    return "net"


@pytest.mark.parametrize(
    ("space", "named"), [(raises, "ZeroDivisionError"), (backwards, "ValueError"), (no_learner, "variant")]
)
def test_a_search_space_that_cannot_be_used_is_named_with_its_model(space: Any, named: str) -> None:
    competition = tiny_net(search={"net": space})
    trial = ModelTrial(optuna.create_study().ask(), "net")
    with pytest.raises(UserError, match=f"tiny: the search space of net .*{named}"):
        variant(competition, trial, Net(), 5)


def test_parameters_carry_the_name_of_their_model(study: Study) -> None:
    made = study.ask(LEARNERS, EPOCHS)
    params = study.optuna.trials[0].params
    assert params.keys() == {"model", "net.lr"}
    assert made.learner == Net(lr=params["net.lr"], epochs=5)


# -- trials ------------------------------------------------------------------------------------------------------------


def test_a_killed_search_resumes_with_the_same_number_and_parameters_however_often_it_is_killed(study: Study) -> None:
    trial = study.ask(LEARNERS, EPOCHS)
    for _ in range(3):  # the process is gone; another opens the study
        (again,) = net_study().unfinished()
        assert (again.number, again.name, again.learner) == (trial.number, trial.name, trial.learner)
    net_study().finish(again, 0.5)
    assert net_study().counts() == {"finished": 1, "pruned": 0, "failed": 0}
    assert list(net_study().unfinished()) == []


def test_duplicates_and_trials_killed_before_they_were_whole_count_nowhere_and_a_failure_keeps_its_reason(
    study: Study,
) -> None:
    first, failed, second, third = (study.ask(LEARNERS, EPOCHS) for _ in range(4))
    study.finish(first, 0.5)
    study.fail(failed, "its loss is NaN")
    study.prune(second, DUPLICATE)
    third.learner = first.learner
    study.save(third)  # a duplicate, and killed before that was noted
    study.optuna.ask()  # killed while it was sampled
    assert not study.is_duplicate(first) and study.is_duplicate(third)
    assert list(net_study().unfinished()) == []
    assert study.counts() == {"finished": 1, "pruned": 0, "failed": 1}
    assert study.optuna.trials[1].user_attrs["reason"] == "its loss is NaN"


def test_the_declared_model_is_queued_once_and_comes_first(study: Study) -> None:
    study.enqueue_declared("net")
    study.enqueue_declared("net")
    first, second, third = (study.ask(LEARNERS, EPOCHS) for _ in range(3))
    assert (first.name, first.learner, first.prunable) == ("net", Net(epochs=5), False)
    assert second.prunable and second.name == "net.1"
    for trial, value in ((first, 0.4), (second, 0.7), (third, 0.5)):
        study.finish(trial, value)
    assert [trial.value for trial in net_study().finished()] == [0.7, 0.5, 0.4]  # the best first


def test_a_longer_trial_has_its_parent_s_parameters_and_is_never_pruned(study: Study) -> None:
    parent = study.ask(LEARNERS, EPOCHS)
    study.finish(parent, 0.5)
    study.enqueue_longer(parent, replace(parent.learner, epochs=20, batch=4))  # its batch was halved
    net_study().ask(LEARNERS, EPOCHS)  # the queue outlives a kill
    (longer,) = net_study().unfinished()
    assert longer.learner == replace(parent.learner, epochs=20, batch=4)
    assert longer.parent == parent.number and not longer.prunable and study.lengthened() == {parent.number}
    assert study.optuna.trials[1].params == study.optuna.trials[0].params


# -- a kill between any two writes -------------------------------------------------------------------------------------


class Killed(BaseException):
    """Nobody catches it, as nobody catches SIGKILL."""


WRITES = ("create_new_trial", "set_trial_param", "set_trial_user_attr", "set_trial_system_attr")
WRITES += ("set_trial_state_values", "set_trial_intermediate_value")
SAMPLED = 3


def killing(monkeypatch: pytest.MonkeyPatch, storage: object, after: int) -> None:
    """Die at the call of a writing function after so many."""
    calls = itertools.count()

    def deadly(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        if next(calls) == after:
            raise Killed
        return function(*arguments, **options)

    for name in WRITES:
        monkeypatch.setattr(storage, name, partial(deadly, getattr(storage, name)))


def search_through(study: Study) -> None:
    """What a search does with a study: resumes, declares, samples, and trains the best longer."""
    active = list(study.unfinished())
    if "net" not in {trial.name for trial in [*active, *study.finished()]}:
        study.enqueue_declared("net")
        active.append(study.ask(LEARNERS, EPOCHS))
    for trial in active:
        train(study, trial)
    while len([t for t in study.finished() if t.prunable]) < SAMPLED:
        train(study, study.ask(LEARNERS, EPOCHS))
    if not study.lengthened():
        study.enqueue_longer(study.finished()[0], Net(lr=0.2))
    if not any(trial.parent is not None for trial in study.finished()):
        train(study, study.ask(LEARNERS, EPOCHS))


def train(study: Study, trial: TrialRun) -> None:
    for fold in (0, 1):
        study.report(trial, {"fold": fold}, 0.5)
    study.finish(trial, 0.5)


def test_a_kill_between_any_two_writes_of_a_study_loses_no_trial_and_makes_none_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for after in itertools.count(1):
        storage = optuna.storages.InMemoryStorage()
        tables = optuna.create_study(direction="maximize", storage=storage)
        tables.set_user_attr("models", ["net"])

        def opened(tables: Any = tables, storage: Any = storage) -> Study:
            return Study(tables, storage, TrialLocks("sqlite://"), tiny_net())

        killed = False
        with monkeypatch.context() as patched:
            killing(patched, storage, after)
            try:
                search_through(opened())
            except Killed:
                killed = True
        search_through(opened())
        lost = [trial for trial in tables.trials if trial.state.name == "FAIL"]  # killed before they were whole
        assert len(lost) <= 1 and not any("config" in trial.user_attrs for trial in lost)
        trials = [trial for trial in tables.trials if trial not in lost]
        assert {trial.state.name for trial in trials} == {"COMPLETE"}, after
        kinds = Counter("longer" if "longer" in t.user_attrs else t.user_attrs["name"] for t in trials)
        assert kinds["net"] == kinds["longer"] == 1 and kinds.total() == SAMPLED + 2, (after, kinds)
        assert all([fold["fold"] for fold in trial.user_attrs["folds"]] == [0, 1] for trial in trials)
        if not killed:
            break
    assert after > 50


# -- the storage -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("changed", "named"), [({"data_hash": "d2"}, "data"), ({"train_hash": "t2"}, "rows or folds")])
def test_a_study_of_other_data_or_folds_is_refused_and_stays_as_it_is(
    study: Study, tmp_path: Path, changed: dict[str, str], named: str
) -> None:
    shared = f"sqlite:///{tmp_path}/shared.db"
    net_study(storage=shared).ask(LEARNERS, EPOCHS)
    with pytest.raises(UserError, match=f"other {named}"):
        net_study(**changed, storage=shared)
    assert len(net_study(storage=shared).optuna.trials) == 1


@pytest.mark.parametrize("url", ["postgresql://me:secret@127.0.0.1:1/none", "no such thing"])
def test_a_storage_that_cannot_be_reached_is_one_sentence_without_its_password(study: Study, url: str) -> None:
    with pytest.raises(UserError, match="STORAGE=") as caught:
        net_study(storage=url)
    assert "secret" not in str(caught.value) and "\n" not in str(caught.value)


def test_the_study_can_be_read_by_others_while_it_is_written(study: Study, tmp_path: Path) -> None:
    (file,) = tmp_path.rglob("study.db")
    assert sqlite3.connect(file).execute("PRAGMA journal_mode").fetchone() == ("wal",)
    study.ask(LEARNERS, EPOCHS)
    assert len(optuna.load_study(study_name="tiny", storage=f"sqlite:///{file}").trials) == 1
