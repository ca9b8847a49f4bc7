"""Several searches on one PostgreSQL study: a trial has one owner, who may die; and what is said when it is gone."""

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import optuna
import pytest
from sqlalchemy import text

from harness.errors import UserError
from harness.files import read_lines
from harness.search.storage import reached
from harness.search.study import Entry, Study
from tests.search.test_search import EPOCHS, Net, reopened
from tests.support.postgres import PASSWORD, Postgres, running
from tests.support.tiny_competition import Home

LEARNERS = {"net": Net()}


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running() as postgres:
        yield postgres


@pytest.fixture
def url(server: Postgres, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of an empty database, where trials are orphans from the first second on."""
    monkeypatch.setattr("harness.search.study.ORPHANED", timedelta(0))
    return server.create(re.sub(r"\W", "_", request.node.name)[:60])


def taken_up(study: Study) -> list[int | None]:
    return [entry.number for entry in study.unfinished(LEARNERS, EPOCHS)]


def die(study: Study) -> None:
    """As a process does that is killed: the server sees its connection end."""
    assert study.claims.connection
    study.claims.connection.invalidate()
    study.claims.connection.close()
    time.sleep(0.2)


# -- claims ------------------------------------------------------------------------------------------------------------


def test_a_trial_has_one_owner_and_another_takes_it_up_when_he_is_gone(url: str) -> None:
    ours, theirs = reopened(storage=url), reopened(storage=url)
    mine, other = ours.ask(LEARNERS, EPOCHS), theirs.ask(LEARNERS, EPOCHS)
    assert (mine.number, other.number) == (0, 1)
    assert taken_up(ours) == taken_up(theirs) == taken_up(reopened(storage=url)) == []
    die(theirs)
    (again,) = ours.unfinished(LEARNERS, EPOCHS)
    assert (again.number, again.learner) == (1, other.learner)
    assert taken_up(ours) == taken_up(reopened(storage=url)) == []  # held again, once
    ours.finish(again, 0.5)
    die(ours)
    assert taken_up(reopened(storage=url)) == [0]


def test_a_trial_just_born_is_left_to_its_maker(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    study = reopened(storage=url)
    study.optuna.ask()
    monkeypatch.setattr("harness.search.study.ORPHANED", timedelta(seconds=60))
    assert taken_up(reopened(storage=url)) == []


def test_no_search_gets_what_another_one_declared_or_lengthened(url: str) -> None:
    """Optuna's queue would hand it to whoever asks next."""
    studies = [reopened(storage=url) for _ in range(3)]
    made: list[tuple[str, Entry]] = []
    lock = threading.Lock()

    def work(study: Study) -> None:
        first = study.declared("net", Net())
        study.finish(first, 0.5)
        for _ in range(4):
            drawn, longer = study.ask(LEARNERS, EPOCHS), study.longer(first, Net(epochs=40))
            with lock:
                made.extend([("drawn", drawn), ("longer", longer)])

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, studies))
    trials = {trial.number: trial for trial in studies[0].optuna.trials}
    assert sorted(trials) == list(range(27))
    assert len({entry.number for _, entry in made}) == len(made) == 24
    for kind, entry in made:
        assert entry.number is not None
        assert ("longer" in trials[entry.number].user_attrs) == (kind == "longer")


def test_of_two_searches_that_draw_the_same_variant_the_first_keeps_it(url: str) -> None:
    ours, theirs = reopened(storage=url), reopened(storage=url)
    first, second = ours.ask(LEARNERS, EPOCHS), theirs.ask(LEARNERS, EPOCHS)
    second.learner = first.learner
    theirs.renoted(second)
    assert not ours.drawn_before(first) and theirs.drawn_before(second)


def test_searches_that_begin_at_once_on_an_empty_database_share_one_study(url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        studies = list(pool.map(lambda _: reopened(storage=url), range(4)))
    assert len({study.optuna._study_id for study in studies}) == 1


def test_the_server_notices_within_a_minute_that_a_machine_is_gone(url: str) -> None:
    connection = reopened(storage=url).claims.connection
    assert connection
    names = ("idle", "interval", "count")
    idle, interval, count = (
        int(connection.execute(text(f"SHOW tcp_keepalives_{name}")).scalar_one()) for name in names
    )
    assert 0 < idle + interval * count <= 60


# -- what cannot be reached --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"password": "wr0ng-word"}, "password authentication failed"),
        ({"database": "nowhere"}, 'database "nowhere" does not exist'),
        ({"port": 1}, "Connection refused"),
        ({"host": "nowhere.invalid"}, "failed to resolve host 'nowhere.invalid'"),
    ],
)
def test_a_storage_that_refuses_is_one_sentence_without_its_password(
    server: Postgres, own_home: Path, changed: dict[str, Any], told: str
) -> None:
    address = server.url(**{"database": "postgres", **changed})
    with pytest.raises(UserError, match=rf"{told}.*look at STORAGE=") as caught:
        reopened(storage=address)
    assert "\n" not in str(caught.value)
    assert PASSWORD not in str(caught.value) and "wr0ng-word" not in str(caught.value)


@pytest.mark.parametrize("step", ["ask", "unfinished", "note", "finish", "counts"])
def test_a_lost_connection_is_one_sentence_wherever_it_is_noticed(step: str) -> None:
    with running() as server:
        study = reopened(storage=server.create("study"))
        entry = study.ask(LEARNERS, EPOCHS)
        server.stop()
        steps = {
            "ask": lambda: study.ask(LEARNERS, EPOCHS),
            "unfinished": lambda: list(study.unfinished(LEARNERS, EPOCHS)),
            "note": lambda: study.note(entry, reason="none"),
            "finish": lambda: study.finish(entry, 0.5),
            "counts": study.counts,
        }
        with pytest.raises(UserError, match=r"storage was lost.*the same command goes on"), reached():
            steps[step]()
        server.start()
        (again,) = (trial for trial in reopened(storage=server.url("study")).optuna.trials)
        assert again.state.name == "RUNNING"


# -- whole nights ------------------------------------------------------------------------------------------------------


def begin(home: Home, url: str, hours: float) -> subprocess.Popen:
    return home.start("harness", "search", "pebbles", "--hours", hours, "--workers", 1, "--storage", url)


def events(home: Home, kind: str) -> list[dict[str, Any]]:
    files = home.root.glob("searches/pebbles/*/night.jsonl")
    return [event for file in files for event in read_lines(file) if event["event"] == kind]


def wait_for(done: Any, *processes: subprocess.Popen, seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until
        assert all(process.poll() is None for process in processes), [p.communicate()[1] for p in processes]
        time.sleep(0.2)


@pytest.mark.soak
def test_two_searches_share_a_study_and_one_takes_up_what_the_other_leaves(server: Postgres, tmp_path: Path) -> None:
    url, homes = server.create("two"), [Home(tmp_path / name) for name in ("one", "other")]
    first, second = begin(homes[0], url, 1), begin(homes[1], url, 0.03)
    try:
        wait_for(lambda: all(events(home, "bank") for home in homes), first, second)
        wait_for(lambda: list(homes[0].root.glob("runs/pebbles/*/net.*-*/fold_0")), first, second)  # a drawn one
        os.killpg(first.pid, signal.SIGKILL)
        first.communicate()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        shared = optuna.load_study(study_name="pebbles", storage=url.replace("://", "+psycopg://"))
        orphans = {t.number for t in shared.trials if t.state.name == "RUNNING"}
        _, err = second.communicate(timeout=240)
        assert second.returncode == 0 and "taking up net" in err, err
        trials = shared.trials
        assert [trial.number for trial in trials] == list(range(len(trials)))
        left = {trial.number for trial in trials if trial.state.name == "RUNNING"}
        assert not left & orphans, err
        drawn = [t.number for t in trials if not {"declared", "longer"} & set(t.user_attrs)]
        places = {
            number: [home for home in homes if list(home.root.glob(f"runs/pebbles/*/net.{number}-*/fold_*/fold.json"))]
            for number in drawn
        }
        both = [number for number, found in places.items() if len(found) == 2]
        assert set(both) <= orphans and any(places.values())

        again = begin(homes[0], url, 1)
        wait_for(lambda: len(events(homes[0], "start")) == 2, again)
        time.sleep(5)
        server.stop()
        _, err = again.communicate(timeout=60)
        assert again.returncode == 2 and "Traceback" not in err, err
        assert "error: the connection to the study's storage was lost" in err and PASSWORD not in err
        (best,) = homes[0].root.glob("submissions/pebbles/*/best/submission.csv")
        assert best.stat().st_size
    finally:
        for process in (first, second):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
