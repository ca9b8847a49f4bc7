"""The database of the server: one of every earlier version opens and is brought up, on SQLite and on PostgreSQL."""
# ruff: noqa: F811 (pytest finds the fixture `home` by its name)

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from leaderboard.rebuild import rebuild
from leaderboard.tables import metadata, submissions, teams
from leaderboard.verify import verify
from sqlalchemy import inspect, select
from sqlalchemy.exc import DatabaseError
from tests.leaderboard.test_leaderboard import home, shown  # noqa: F401
from tests.leaderboard.test_ledger import everything, history  # noqa: F401

from harness.errors import UserError
from leaderboard import database
from leaderboard.backup import backup, restore
from leaderboard.database import SCHEMA, clock, open_database, reading, writing
from leaderboard.judge import judge
from leaderboard.teams import create_team
from tests.leaderboard.web import test_server_scorer
from tests.leaderboard.web.test_server import client_of, hand_in
from tests.support import postgres
from tests.support.tiny_board import entry

# What version 0.1 of the embedded board wrote.
OLD = """
CREATE TABLE submissions (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, competition VARCHAR NOT NULL,
    data_hash VARCHAR NOT NULL, team VARCHAR NOT NULL, sha256 VARCHAR(64) NOT NULL, size INTEGER NOT NULL,
    received_at VARCHAR NOT NULL, card JSON, UNIQUE (competition, data_hash, team, sha256));
CREATE TABLE selections (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, competition VARCHAR NOT NULL,
    data_hash VARCHAR NOT NULL, team VARCHAR NOT NULL, selected_at VARCHAR NOT NULL);
CREATE INDEX selections_of_board ON selections (competition, data_hash);
CREATE TABLE reveals (competition VARCHAR NOT NULL, data_hash VARCHAR NOT NULL, revealed_at VARCHAR NOT NULL,
    PRIMARY KEY (competition, data_hash));
CREATE TABLE scores (submission INTEGER NOT NULL, metric VARCHAR NOT NULL, version INTEGER NOT NULL,
    part VARCHAR NOT NULL, value DOUBLE NOT NULL, low DOUBLE NOT NULL, high DOUBLE NOT NULL,
    PRIMARY KEY (submission, metric, version, part), FOREIGN KEY(submission) REFERENCES submissions (id));
CREATE TABLE statistics (submission INTEGER NOT NULL, metric VARCHAR NOT NULL, version INTEGER NOT NULL,
    part VARCHAR NOT NULL, packed BLOB NOT NULL, PRIMARY KEY (submission, metric, version, part),
    FOREIGN KEY(submission) REFERENCES submissions (id));
CREATE TABLE comparisons (submission INTEGER NOT NULL, other INTEGER NOT NULL, metric VARCHAR NOT NULL,
    version INTEGER NOT NULL, part VARCHAR NOT NULL, difference DOUBLE NOT NULL, low DOUBLE NOT NULL,
    high DOUBLE NOT NULL, PRIMARY KEY (submission, other, metric, version, part),
    FOREIGN KEY(submission) REFERENCES submissions (id), FOREIGN KEY(other) REFERENCES submissions (id));
CREATE TABLE finals (selection INTEGER NOT NULL, submission INTEGER NOT NULL, PRIMARY KEY (selection, submission),
    FOREIGN KEY(selection) REFERENCES selections (id), FOREIGN KEY(submission) REFERENCES submissions (id));
INSERT INTO submissions VALUES (7, 'tiny', 'aaaa1111', 'red', 'ab', 3, '2026-01-01T00:00:00Z', NULL);
INSERT INTO scores VALUES (7, 'share of hits', 1, 'public', 0.5, 0.25, 0.75);
"""


def differences(engine):
    with reading(engine) as connection:
        return compare_metadata(MigrationContext.configure(connection), metadata)


def test_a_database_from_before_the_server_opens_with_its_board_and_today_s_tables(home):
    with sqlite3.connect(home / "leaderboard.db") as old:
        old.executescript(OLD)
    old.close()
    assert [(row.team, row.score) for row in shown().rows] == [("red", 0.5)]
    engine = open_database()
    assert differences(engine) == []
    guards = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'events'"
    with reading(engine) as connection:
        assert len(connection.exec_driver_sql(guards).all()) == 2


def test_a_new_database_has_the_same_tables_as_one_that_was_brought_up(home):
    engine = open_database()
    assert differences(engine) == []
    with reading(engine) as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == SCHEMA


def test_a_database_of_a_later_version_is_refused_in_words(home):
    engine = open_database()
    with writing(engine) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'later'")
    with pytest.raises(UserError, match=r"of a later version of this project \(later\)"):
        open_database()


@pytest.fixture(scope="module")
def server():
    with postgres.running() as running:
        yield running


def test_postgresql_keeps_the_same_tables_and_refuses_the_same_changes(home, server, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", server.create("board"))
    assert judge("tiny", entry(home, wrong="a"), "red").rank == 1
    engine = open_database()
    assert differences(engine) == []
    with pytest.raises(DatabaseError, match="submissions are never changed"), writing(engine) as connection:
        connection.execute(submissions.update().values(team="blue"))
    with reading(engine) as connection:
        assert connection.scalar(select(clock())) > 1.7e9
    engine.dispose()


def test_postgresql_serves_the_same_pages_and_keeps_the_same_limit(home, server, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", server.create("served"))
    test_server_scorer.test_of_sixteen_at_once_exactly_five_are_accepted(home)
    with client_of() as client:
        told = hand_in(client, home, "b", "&team=blue")
        assert told.status_code == 201 and told.json()["teams"] == 2
        assert ">blue<" in client.get("/c/tiny").text and client.get("/c/tiny/team/blue").status_code == 200


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_who_reads_sees_one_state_while_others_write(home, server, monkeypatch, kind):
    if kind == "postgresql":
        monkeypatch.setenv("DATABASE_URL", server.create("states"))
    engine = open_database()
    with reading(engine) as connection:
        assert team_names_in(connection) == []
        create_team(engine, "red")
        assert team_names_in(connection) == []
    with reading(engine) as connection:
        assert team_names_in(connection) == ["red"]
    engine.dispose()


def team_names_in(connection):
    return list(connection.scalars(select(teams.c.name)))


def test_an_older_postgresql_database_is_brought_up_and_gets_its_guards(home, server, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", server.create("older"))
    engine = open_database()
    with writing(engine) as connection:
        for name in (
            "alembic_version",
            "ledger",
            "shown",
            "versions",
            "jobs",
            "resamples",
            "events",
            "tokens",
            "teams",
        ):
            connection.exec_driver_sql(f"DROP TABLE {name}")
        for name in ("submissions", "scores", "selections", "finals", "reveals"):
            for verb in ("update", "delete"):
                connection.exec_driver_sql(f"DROP TRIGGER {name}_refuse_{verb} ON {name}")
    assert differences(open_database()) == []
    with reading(engine) as connection:
        assert inspect(connection).has_table("jobs")
    engine.dispose()


def test_a_backup_of_sqlite_is_restored_into_postgresql_with_the_same_board(history, server, monkeypatch, tmp_path):
    before = everything()
    backup(tmp_path / "kept.tar")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("DATABASE_URL", server.create("restored"))
    restore(tmp_path / "kept.tar")
    told, *rest = everything()
    assert told == before[0] and rest[0] == before[1] and rest[2] == before[3]
    assert judge("tiny", entry(tmp_path / "elsewhere", wrong="ef"), "red").ledger.sequence == 9
    assert verify("tiny").behind == 0


def test_a_lost_postgresql_database_is_made_again_from_the_ledger(history, server, monkeypatch):
    before = everything()[0]
    monkeypatch.setenv("DATABASE_URL", server.create("empty"))
    assert rebuild("tiny").scored == 4 and everything()[0] == before
    assert judge("tiny", entry(history, wrong="ef"), "red").accepted and verify("tiny").lines == 9


def test_threads_that_write_take_turns_and_none_waits_for_ever(home, monkeypatch):
    engine, inside = open_database(), []

    def write(number, engine=engine):
        with writing(engine):
            inside.append(number)
            time.sleep(0.001)
            assert inside[-1] == number, "another one is in here"

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(100)))
    assert sorted(inside) == list(range(100))
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    with ThreadPoolExecutor(1) as threads, writing(engine), pytest.raises(UserError, match="is held"):
        threads.submit(write, 100, open_database()).result()
