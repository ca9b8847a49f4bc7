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
from tests.support.tiny_board import call, entry, everything, shown

WRITERS = 8


@pytest.fixture(scope="module")
def server():
    with postgres.running() as running:
        yield running


# -- what is written is never changed ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change", ["UPDATE {} SET rowid = rowid", "DELETE FROM {}", "INSERT OR REPLACE INTO {0} SELECT * FROM {0}"]
)
def test_what_is_written_is_never_changed(history, change):
    engine = open_database()
    for name in ("submissions", "scores", "versions", "selections", "finals", "host_actions"):
        with pytest.raises(IntegrityError, match="are never changed"), writing(engine) as connection:
            connection.exec_driver_sql(change.format(name))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), None, "0.5x", 1e301])
def test_the_database_takes_no_score_that_is_not_a_finite_number(home, value):
    judge("tiny", entry(home), "red")
    row = {"submission": 1, "metric": "m", "version": 1, "part": "public", "low": 0.0, "high": 1.0}
    with pytest.raises(Exception, match=r"constraint failed|could not convert"), writing(open_database()) as connection:
        connection.execute(insert(scores).values(value=value, **row))


def test_a_score_of_an_entry_that_does_not_exist_is_refused(home):
    row = {"submission": 99, "metric": "m", "version": 1, "part": "public", "value": 0.5, "low": 0.0, "high": 1.0}
    with pytest.raises(IntegrityError, match="FOREIGN KEY"), writing(open_database()) as connection:
        connection.execute(insert(scores).values(row))


# -- opening -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["postgres//nonsense", "sqlite:////nowhere/at/all/board.db", "sqlite:////dev"])
def test_a_database_that_cannot_be_opened_is_one_sentence(home, monkeypatch, url):
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(UserError, match="cannot be"):
        open_database()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE schema_version SET version = 99",
        "DROP TABLE schema_version",  # as one from before there were versions
    ],
)
def test_a_database_of_another_version_is_refused_in_words(home, change):
    with writing(open_database()) as connection:
        connection.exec_driver_sql(change)
    with pytest.raises(UserError, match="was written by another version of this project"):
        open_database()


def test_a_damaged_database_is_one_sentence_that_points_to_the_backup(home, capsys, monkeypatch):
    judge("tiny", entry(home), "red")
    for file in home.glob("leaderboard.db*"):
        file.write_bytes(b"this is not a database" * 1000)
    code, _, err = call(capsys, monkeypatch, "board", "tiny")
    assert code == 2 and err.count("\n") == 1
    assert "leaderboard.db is damaged" in err and "make restore FROM=" in err


# -- many writers, kills, a full disk ----------------------------------------------------------------------------------


def submit_at_once(work):
    """Judge (file, team) in as many processes, started by one barrier; their exit codes."""
    forked = multiprocessing.get_context("fork")
    start = forked.Barrier(len(work))

    def submit(file, team):
        start.wait()
        judge("tiny", file, team)

    processes = [forked.Process(target=submit, args=item) for item in work]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    return [process.exitcode for process in processes]


def test_of_entries_in_the_same_instant_none_is_lost(home):
    files = [entry(home, wrong="abcdefgh"[k], name=f"entry{k}") for k in range(WRITERS)]
    codes = submit_at_once([(file, f"team{k % 2}") for k, file in enumerate(files)])  # the first one makes the database
    assert codes == [0] * WRITERS
    assert sorted(row.entries for row in shown().rows) == [WRITERS // 2, WRITERS // 2]


def test_the_same_file_in_the_same_instant_is_one_entry(home):
    assert submit_at_once([(entry(home), "red")] * WRITERS) == [0] * WRITERS
    assert [row.entries for row in shown().rows] == [1]


def test_an_error_before_the_commit_leaves_nothing_and_the_file_can_be_submitted_again(home):
    engine = open_database()
    with pytest.raises(KeyboardInterrupt), writing(engine) as connection:
        connection.execute(insert(teams).values(name="red", looks="red", created_at="2026"))
        raise KeyboardInterrupt
    assert create_team(engine, "red") == "red"


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


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_who_reads_sees_one_state_while_others_write(home, request, monkeypatch, kind):
    if kind == "postgresql":
        monkeypatch.setenv("DATABASE_URL", request.getfixturevalue("server").create("states"))
    engine = open_database()
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
        row = {"submission": 1, "metric": "m", "version": 1, "part": "public", "low": 0.0, "high": 1.0}
        connection.execute(insert(scores).values(value=float("nan"), **row))
    engine.dispose()


# -- verify ------------------------------------------------------------------------------------------------------------


def test_verify_scores_the_stored_files_again(history, capsys, monkeypatch):
    code, out, _ = call(capsys, monkeypatch, "verify", "tiny", "--json")
    found = json.loads(out)
    assert code == 0 and (found["entries"], found["files"], found["rescored"]) == (4, 4, 4)


def test_a_stored_file_that_was_changed_or_lost_is_named(history):
    sha256 = shown().entries.all[0].sha256
    content = stored_file(sha256).read_bytes()
    stored_file(sha256).write_bytes(content.replace(b"b,1", b"b,2"))
    with pytest.raises(UserError, match=f"stored file of entry 1, {sha256[:12]} of red, does not have its sha256"):
        verify("tiny")
    stored_file(sha256).unlink()
    with pytest.raises(UserError, match=f"{sha256[:12]} of red, is missing; restore it from a backup"):
        verify("tiny")


def test_verify_counts_what_is_shown_otherwise_than_the_rules_would_show_it(history):
    assert "otherwise" not in verify("tiny").message
    edit_database(history, "UPDATE scores SET value = 1 WHERE part = 'shown' AND submission = 3")
    assert "1 are shown otherwise" in verify("tiny").message


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
        (
            "UPDATE scores SET value = 0.5 WHERE part = 'private' AND submission = 2",
            "entry 2, .* another private score",
        ),
        ("UPDATE scores SET low = 0 WHERE part = 'public' AND submission = 1", "entry 1, .* another public score"),
        ("DELETE FROM scores WHERE submission = 3", "entry 3, .* score"),
        ("DELETE FROM submissions WHERE id = 1", "is damaged; restore the last backup"),
    ],
)
def test_a_database_that_was_edited_is_found(history, sql, sentence):
    edit_database(history, sql)
    with pytest.raises(UserError, match=sentence):
        verify("tiny")


# -- backup and restore ------------------------------------------------------------------------------------------------


def move_to(empty, monkeypatch):
    """A new home with the declarations alone."""
    empty.mkdir()
    monkeypatch.setenv("HARNESS_HOME", str(empty))


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_everything_is_there_again_in_an_empty_home(history, request, tmp_path, monkeypatch, kind):
    engine = open_database()
    create_team(engine, "red")
    token = issue_token(engine, "ada", "red")
    session, _ = open_session(engine, token)
    before, file = everything(), tmp_path / "kept.tar"
    made = backup(file)
    assert made.competitions == ["tiny"] and made.bytes == file.stat().st_size

    move_to(tmp_path / "elsewhere", monkeypatch)
    if kind == "postgresql":
        monkeypatch.setenv("DATABASE_URL", request.getfixturevalue("server").create("restored"))
    assert restore(file).files == made.files
    assert everything() == before and verify("tiny").entries == 4
    assert user_of(open_database(), session) == user_of(open_database(), token)
    private = tmp_path / "elsewhere" / "data" / "tiny" / "aaaa1111" / "private"
    assert (private / "answers.npz").is_file() and stat.S_IMODE(private.stat().st_mode) == 0o700
    assert judge("tiny", entry(tmp_path / "elsewhere", wrong="ef"), "new").entry == 5
    with reading(open_database()) as connection:
        assert len(connection.execute(select(tokens)).all()) == 2


def test_nothing_is_overwritten(history, tmp_path):
    backup(tmp_path / "kept.tar")
    with pytest.raises(UserError, match=r"kept.tar exists already"):
        backup(tmp_path / "kept.tar")
    with pytest.raises(UserError, match=r"there is a board already .*nothing is overwritten"):
        restore(tmp_path / "kept.tar")
    assert shown().rows


def rewritten(source, target, change):
    """The same tar with every member as `change` makes it: (name, content) -> the same, or None to leave it out."""
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        for member in old:
            if changed := change(member.name, old.extractfile(member).read()):
                info = tarfile.TarInfo(changed[0])
                info.size = len(changed[1])
                new.addfile(info, io.BytesIO(changed[1]))


def with_file(name):
    """Lists and holds `name` too."""

    def change(member, content):
        if member != "manifest.json":
            return (name if member == "data/tiny/current.json" else member), content
        return member, content.replace(b"data/tiny/current.json", name.encode())

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda name, content: (name, content[:-1] + b"x" if name.endswith("npz") else content), "has another sha256"),
        (lambda name, content: None if name.endswith("npz") else (name, content), "and not in both"),
        (lambda name, content: None if name == "manifest.json" else (name, content), "is not a backup"),
        (with_file("../outside"), "is not a backup, or a damaged one .OutsideDestinationError"),
        (with_file("/outside"), "not as it was written|AbsolutePathError"),
        (with_file("competitions/tiny/evil.py"), "holds competitions/tiny/evil.py, which belongs to no backup"),
    ],
)
def test_a_file_that_is_not_as_it_was_written_is_refused_whole(history, tmp_path, monkeypatch, change, sentence):
    backup(tmp_path / "kept.tar")
    rewritten(tmp_path / "kept.tar", tmp_path / "other.tar", change)
    move_to(tmp_path / "elsewhere", monkeypatch)
    with pytest.raises(UserError, match=sentence):
        restore(tmp_path / "other.tar")
    assert all(path.name.startswith("leaderboard.db") for path in (tmp_path / "elsewhere").iterdir())
    assert not (tmp_path / "outside").exists()


def test_what_is_not_a_backup_is_one_sentence(home, tmp_path, capsys, monkeypatch):
    (tmp_path / "text.tar").write_text("this is not a tar")
    code, out, err = call(capsys, monkeypatch, "restore", tmp_path / "text.tar", "--json")
    assert code == 2 and "is not a backup" in json.loads(out)["error"] and err.count("\n") == 1
    with pytest.raises(UserError, match=r"nowhere.tar does not exist"):
        restore(tmp_path / "nowhere.tar")
