"""Several searches on one PostgreSQL study: a trial has one owner, who may die, and the connection may be lost."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from harness.errors import UserError
from harness.search import study as study_module
from harness.search.storage import explain_lost_storage
from harness.search.study import Study
from tests.support.postgres import PASSWORD, Postgres, running
from tests.support.tiny_search import EPOCHS, LEARNERS, Net, net_study, wait_until


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running() as postgres:
        yield postgres


@pytest.fixture
def url(server: Postgres, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty database, where trials may be resumed from the first second on."""
    monkeypatch.setattr(study_module, "JUST_CREATED", timedelta(0))
    return server.create(re.sub(r"\W", "_", request.node.name)[:60])


def resumed(study: Study) -> list[int | None]:
    return [trial.number for trial in study.unfinished()]


def test_a_trial_has_one_owner_and_another_search_resumes_it_when_he_is_gone(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = net_study(storage=url), net_study(storage=url)
    mine, other = ours.ask(LEARNERS, EPOCHS), theirs.ask(LEARNERS, EPOCHS)
    assert (mine.number, other.number) == (0, 1)
    assert resumed(ours) == resumed(theirs) == []
    assert theirs.locks.connection
    theirs.locks.connection.invalidate()  # as a killed process does: the server sees its connection end
    theirs.locks.connection.close()
    monkeypatch.setattr(study_module, "JUST_CREATED", timedelta(seconds=60))
    assert resumed(ours) == []  # so young that its search may not hold it yet
    monkeypatch.setattr(study_module, "JUST_CREATED", timedelta(0))
    found: list[Any] = []
    wait_until(lambda: found.extend(ours.unfinished()) or found, 10)
    assert [(again.number, again.learner) for again in found] == [(1, other.learner)]
    assert resumed(ours) == resumed(net_study(storage=url)) == []  # held again, once
    ours.finish(found[0], 0.5)


def test_searches_that_start_at_once_share_one_study_and_train_each_trial_once(url: str) -> None:
    def work(study: Study) -> list[Any]:
        study.enqueue_declared("net")
        trials = [study.ask(LEARNERS, EPOCHS) for _ in range(3)]
        for trial in trials:
            study.finish(trial, 0.5)
        return [trial.number for trial in trials]

    with ThreadPoolExecutor(3) as pool:
        studies = list(pool.map(lambda _: net_study(storage=url), range(3)))
        assert len({study.study_id for study in studies}) == 1
        assert sorted(number for found in pool.map(work, studies) for number in found) == list(range(9))
    assert "net" in [trial.user_attrs["name"] for trial in studies[0].optuna.trials]


def test_of_two_searches_that_sample_the_same_variant_the_first_keeps_it(url: str) -> None:
    ours, theirs = net_study(storage=url), net_study(storage=url)
    first, second = ours.ask(LEARNERS, EPOCHS), theirs.ask(LEARNERS, EPOCHS)
    second.learner = first.learner
    theirs.save(second)
    assert not ours.is_duplicate(first) and theirs.is_duplicate(second)


def test_the_server_notices_within_a_minute_that_a_machine_is_gone(url: str) -> None:
    connection = net_study(storage=url).locks.connection
    assert connection
    names = ("idle", "interval", "count")
    idle, interval, count = (
        int(connection.execute(text(f"SHOW tcp_keepalives_{name}")).scalar_one()) for name in names
    )
    assert 0 < idle + interval * count <= 60


@pytest.mark.parametrize("changed", [{"password": "wr0ng-word"}, {"database": "nowhere"}])
def test_a_storage_that_refuses_is_one_sentence_without_its_password(
    server: Postgres, own_home: Path, changed: dict[str, Any]
) -> None:
    address = server.url(**{"database": "postgres", **changed})
    with pytest.raises(UserError, match="STORAGE=") as caught:
        net_study(storage=address)
    assert "\n" not in str(caught.value)
    assert PASSWORD not in str(caught.value) and "wr0ng-word" not in str(caught.value)


def test_a_lost_connection_is_one_sentence_wherever_it_is_noticed_and_the_trial_is_kept() -> None:
    with running() as server:
        study = net_study(storage=server.create("study"))
        trial = study.ask(LEARNERS, EPOCHS)
        server.stop()
        steps: list[Any] = [
            lambda: study.ask(LEARNERS, EPOCHS),
            lambda: list(study.unfinished()),
            lambda: study.note(trial, reason="none"),
            lambda: study.finish(trial, 0.5),
            study.counts,
        ]
        for step in steps:
            with pytest.raises(UserError, match="storage"), explain_lost_storage():
                step()
        server.start()
        (again,) = net_study(storage=server.url("study")).optuna.trials
        assert again.state.name == "RUNNING" and trial.learner == Net(lr=again.params["net.lr"], epochs=5)
