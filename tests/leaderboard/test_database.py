"""What the database keeps and refuses, what it survives, and how it is verified, backed up and restored."""

import io
import json
import multiprocessing
import resource
import signal
import sqlite3
import stat
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import DatabaseError, IntegrityError

from harness.errors import UserError
from leaderboard import database
from leaderboard.backup import backup, restore, verify
from leaderboard.database import open_database, reading, scores, submissions, teams, tokens, writing
from leaderboard.judge import judge
from leaderboard.scoring import stored_file
from leaderboard.teams import create_team, issue_token, open_session, user_of
from tests.support import postgres, tiny_board
from tests.support.tiny_board import call, enter, entry, everything, shown


@pytest.fixture(scope="module")
def server():
    with postgres.running() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def use_empty_database(request, monkeypatch):
    """From the call on, DATABASE_URL names an empty database: a file of the home, or one of a PostgreSQL server."""

    def use():
        if request.param == "postgresql":
            name = request.node.originalname[:40]
            monkeypatch.setenv("DATABASE_URL", request.getfixturevalue("server").create(name))
        return open_database()

    return use


# -- what is written is never changed ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change", ["UPDATE {} SET rowid = rowid", "DELETE FROM {}", "INSERT OR REPLACE INTO {0} SELECT * FROM {0}"]
)
def test_what_is_written_is_never_changed(history, change):
    engine = open_database()
    for name in ("submissions", "scores", "versions", "selections", "finals", "host_actions"):
        with pytest.raises(IntegrityError, match="are never changed"), writing(engine) as connection:
            connection.exec_driver_sql(change.format(name))


SCORE = {"metric": "m", "version": 1, "part": "public", "low": 0.0, "high": 1.0}


@pytest.mark.parametrize(
    ("value", "number", "refusal"),
    [
        *((float(text), 1, "constraint failed") for text in ("nan", "inf", "-inf", "1e301")),
        (None, 1, "constraint failed"),
        ("0.5x", 1, "could not convert"),
        (0.5, 99, "FOREIGN KEY"),
    ],
)
def test_the_database_takes_no_score_that_is_not_finite_or_of_no_entry(home, value, number, refusal):
    enter(home, ("red", ""))
    with pytest.raises(Exception, match=refusal), writing(open_database()) as connection:
        connection.execute(insert(scores).values(value=value, submission=number, **SCORE))


# -- opening -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["postgres//nonsense", "sqlite:////nowhere/at/all/board.db", "sqlite:////dev"])
def test_a_database_that_cannot_be_opened_is_one_sentence(home, monkeypatch, url):
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(UserError, match="cannot be"):
        open_database()


@pytest.mark.parametrize("change", ["UPDATE schema_version SET version = 99", "DROP TABLE schema_version"])
def test_a_database_of_another_version_is_refused_in_words(home, change):
    with writing(open_database()) as connection:
        connection.exec_driver_sql(change)
    with pytest.raises(UserError, match="was written by another version of this project"):
        open_database()


def test_a_damaged_database_is_one_sentence_that_points_to_the_backup(home, capsys, monkeypatch):
    enter(home, ("red", ""))
    for file in home.glob("leaderboard.db*"):
        file.write_bytes(b"this is not a database" * 1000)
    code, _, err = call(capsys, monkeypatch, "board", "tiny")
    assert code == 2 and err.count("\n") == 1
    assert "leaderboard.db is damaged" in err and "make restore FROM=" in err


# -- many writers, kills, a full disk ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "entries"), [("abcdefgh", [4, 4]), ("aaaaaaaa", [1, 1])], ids=["eight files", "the same file"]
)
def test_of_entries_in_the_same_instant_none_is_lost_or_doubled(home, wrong, entries):
    """Eight processes, started by one barrier, of which the first makes the database."""
    forked = multiprocessing.get_context("fork")
    start = forked.Barrier(len(wrong))

    def submit(file, team):
        start.wait()
        judge("tiny", file, team)

    files = [entry(home, wrong=letter, name=f"entry{k}") for k, letter in enumerate(wrong)]
    processes = [forked.Process(target=submit, args=(file, f"team{k % 2}")) for k, file in enumerate(files)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * len(wrong)
    assert [row.entries for row in shown().rows] == entries


def submit_on_a_small_disk(sender, file, limit):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        sender.send(f"accepted {judge('tiny', file, 'blue').message}")
    except UserError as refusal:
        sender.send(f"refused {refusal}")


@pytest.mark.parametrize("limit", [100, 60_000, 10_000_000])
def test_a_full_disk_is_one_sentence_and_loses_nothing(home, limit):
    judge("tiny", entry(home, wrong="a"), "red")
    file = entry(home, manifest={"models": ["unet"] * 200})
    receiver, sender = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=submit_on_a_small_disk, args=(sender, file, limit))
    process.start()
    process.join(60)
    answer = receiver.recv()
    assert process.exitcode == 0
    if answer.startswith("refused"):
        assert "cannot be written" in answer and "free some space" in answer
        assert [row.team for row in shown().rows] == ["red"]
    else:
        assert limit > 60_000 and {row.team for row in shown().rows} == {"red", "blue"}
    assert judge("tiny", file, "blue").rank == 1


def test_threads_that_write_take_turns_and_none_waits_for_ever(home, monkeypatch):
    engine, inside = open_database(), []

    def write(number):
        with writing(engine):
            inside.append(number)
            time.sleep(0.001)
            assert inside[-1] == number, "another one is in here"

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(100)))
    assert sorted(inside) == list(range(100))
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    with ThreadPoolExecutor(1) as threads, writing(engine), pytest.raises(UserError, match="is held"):
        threads.submit(create_team, open_database(), "red").result()


def test_who_reads_sees_one_state_while_others_write(home, use_empty_database):
    engine = use_empty_database()
    with reading(engine) as connection:
        assert connection.scalars(select(teams.c.name)).all() == []
        create_team(engine, "red")
        assert connection.scalars(select(teams.c.name)).all() == []
    with reading(engine) as connection:
        assert connection.scalars(select(teams.c.name)).all() == ["red"]
    engine.dispose()


def test_postgresql_has_the_same_board_and_refuses_the_same_changes(history, server, monkeypatch):
    before = everything()[0]["rows"]
    monkeypatch.setenv("DATABASE_URL", server.create("board"))
    tiny_board.everything_happens(history)
    rows = everything()[0]["rows"]
    assert [row | {"submitted_at": ""} for row in rows] == [row | {"submitted_at": ""} for row in before]
    assert verify("tiny").entries == 4
    engine = open_database()
    with pytest.raises(DatabaseError, match="submissions are never changed"), writing(engine) as connection:
        connection.execute(submissions.update().values(team="blue"))
    with pytest.raises(DatabaseError, match="check constraint"), writing(engine) as connection:
        connection.execute(insert(scores).values(value=float("nan"), submission=1, **SCORE))
    engine.dispose()


# -- verify ------------------------------------------------------------------------------------------------------------


def test_a_stored_file_that_was_changed_or_lost_is_named(history):
    sha256 = shown().entries.all[0].sha256
    content = stored_file(sha256).read_bytes()
    stored_file(sha256).write_bytes(content.replace(b"b,1", b"b,2"))
    with pytest.raises(UserError, match=f"stored file of entry 1, {sha256[:12]} of red, does not have its sha256"):
        verify("tiny")
    stored_file(sha256).unlink()
    with pytest.raises(UserError, match=f"{sha256[:12]} of red, is missing; restore it from a backup"):
        verify("tiny")


def edit_database(home, sql):
    """As somebody who opens the file would: without triggers and foreign keys."""
    with sqlite3.connect(home / "leaderboard.db") as edited:
        for trigger, *_ in edited.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            edited.execute(f"DROP TRIGGER {trigger}")
        edited.execute(sql)
    edited.close()


@pytest.mark.parametrize(
    ("sql", "sentence"),
    [
        ("UPDATE scores SET value = 0.5 WHERE part = 'private' AND submission = 2", "entry 2, .* private score"),
        ("UPDATE scores SET low = 0 WHERE part = 'public' AND submission = 1", "entry 1, .* another public score"),
        ("DELETE FROM scores WHERE submission = 3", "entry 3, .* score"),
        ("DELETE FROM submissions WHERE id = 1", "is damaged; restore the last backup"),
    ],
)
def test_a_database_that_was_edited_is_found(history, sql, sentence):
    edit_database(history, sql)
    with pytest.raises(UserError, match=sentence):
        verify("tiny")


def test_verify_scores_the_stored_files_again_and_counts_what_is_shown_otherwise(history, capsys, monkeypatch):
    code, out, _ = call(capsys, monkeypatch, "verify", "tiny", "--json")
    found = json.loads(out)
    assert code == 0 and (found["entries"], found["files"], found["rescored"]) == (4, 4, 4)
    assert "otherwise" not in found["message"]
    edit_database(history, "UPDATE scores SET value = 1 WHERE part = 'shown' AND submission = 3")
    assert "1 are shown otherwise" in verify("tiny").message


# -- backup and restore ------------------------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(tmp_path_factory):
    """A new home with the declarations alone."""
    return tmp_path_factory.mktemp("elsewhere")


def test_everything_is_there_again_in_an_empty_home(history, use_empty_database, elsewhere, tmp_path, monkeypatch):
    engine = open_database()
    create_team(engine, "red")
    token = issue_token(engine, "ada", "red")
    session, _ = open_session(engine, token)
    before, file = everything(), tmp_path / "kept.tar"
    made = backup(file)
    assert made.competitions == ["tiny"] and made.bytes == file.stat().st_size

    monkeypatch.setenv("HARNESS_HOME", str(elsewhere))
    use_empty_database()
    assert restore(file).files == made.files
    assert everything() == before and verify("tiny").entries == 4
    assert user_of(open_database(), session) == user_of(open_database(), token)
    private = elsewhere / "data" / "tiny" / "aaaa1111" / "private"
    assert (private / "answers.npz").is_file() and stat.S_IMODE(private.stat().st_mode) == 0o700
    assert judge("tiny", entry(elsewhere, wrong="ef"), "new").entry == 5
    with reading(open_database()) as connection:
        assert len(connection.execute(select(tokens)).all()) == 2


def test_nothing_is_overwritten(history, tmp_path):
    backup(tmp_path / "kept.tar")
    with pytest.raises(UserError, match=r"kept.tar exists already"):
        backup(tmp_path / "kept.tar")
    with pytest.raises(UserError, match=r"there is a board already .*nothing is overwritten"):
        restore(tmp_path / "kept.tar")
    assert shown().rows


def renamed(to):
    """(name, content) of a member -> the same, with another name for current.json, also in the manifest."""
    old = "data/tiny/current.json"
    return lambda name, content: (to if name == old else name, content.replace(old.encode(), to.encode()))


def without(end):
    return lambda name, content: None if name.endswith(end) else (name, content)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda name, content: (name, content[:-1] + b"x" if name.endswith("npz") else content), "npz is not what"),
        (without("npz"), "npz is not what"),
        (without("manifest.json"), "is not a backup"),
        (renamed("../outside"), "is not a backup, or a damaged one .OutsideDestinationError"),
        (renamed("/outside"), "not as it was written|AbsolutePathError"),
        (renamed("competitions/tiny/evil.py"), "holds competitions/tiny/evil.py, which belongs to no backup"),
    ],
)
def test_a_file_that_is_not_as_it_was_written_is_refused_whole(
    history, elsewhere, tmp_path, monkeypatch, change, sentence
):
    backup(tmp_path / "kept.tar")
    with tarfile.open(tmp_path / "kept.tar") as old, tarfile.open(tmp_path / "other.tar", "w") as new:
        for member in old:
            if changed := change(member.name, old.extractfile(member).read()):
                member.name, member.size = changed[0], len(changed[1])
                new.addfile(member, io.BytesIO(changed[1]))
    monkeypatch.setenv("HARNESS_HOME", str(elsewhere))
    with pytest.raises(UserError, match=sentence):
        restore(tmp_path / "other.tar")
    assert all(path.name.startswith("leaderboard.db") for path in elsewhere.iterdir())
    assert not (tmp_path / "outside").exists()


def test_what_is_not_a_backup_is_one_sentence(home, tmp_path, capsys, monkeypatch):
    (tmp_path / "text.tar").write_text("this is not a tar")
    code, out, err = call(capsys, monkeypatch, "restore", tmp_path / "text.tar", "--json")
    assert code == 2 and "is not a backup" in json.loads(out)["error"] and err.count("\n") == 1
    with pytest.raises(UserError, match=r"nowhere.tar does not exist"):
        restore(tmp_path / "nowhere.tar")
