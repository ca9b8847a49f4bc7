"""The ledger: the board can be made from it alone, and no byte of it changes unseen."""
# ruff: noqa: F811 (pytest finds the fixture `home` by its name)

import json
import os
import random
import shutil
import sqlite3

import numpy as np
import pytest

from harness.competition import find
from harness.errors import UserError
from leaderboard import archive, decisions, host, judge, ledger, table
from leaderboard.answers import prepared
from leaderboard.database import open_database
from leaderboard.finals import read_choice, reveal_board, select_finals
from leaderboard.rebuild import rebuild
from leaderboard.rescore import differences
from leaderboard.verify import check_database, check_files, verify
from tests.leaderboard.test_leaderboard import call, home, shown  # noqa: F401
from tests.support import tiny_board
from tests.support.tiny_board import entry

_made = {}


def made_once(home, make, tmp_path_factory):
    """Leave in `home` what `make` makes there; made once, and copied for every other test."""
    if make in _made:
        shutil.copytree(_made[make], home, dirs_exist_ok=True)
    else:
        make(home)
        _made[make] = shutil.copytree(home, tmp_path_factory.mktemp("made") / "home")
    return home


@pytest.fixture
def history(home, tmp_path_factory):
    return made_once(home, everything_happens, tmp_path_factory)


def everything_happens(home):
    """On the board of `tiny`."""
    engine, declared, data = open_database(), find("tiny"), prepared("tiny")
    first = judge.judge("tiny", entry(home, wrong="a", card={"cv": {"score": 0.75}}), "red")
    for team, wrong in (("red", "b"), ("blue", "cd"), ("grün", "h")):
        judge.judge("tiny", entry(home, wrong, name=f"entry{wrong}"), team)
    select_finals(engine, declared, data, "red", [first.submission])
    host.say(engine, data, "announce", "Welcome — “all”", "eva")
    host.say(engine, data, "disqualify", "two accounts", "eva", "blue")
    reveal_board(engine, data)


def lose_database(home):
    for file in home.glob("leaderboard.db*"):
        file.unlink()


def everything():
    board, data = shown(), prepared("tiny")
    choice = read_choice(open_database(), find("tiny"), data, "red")
    return table.as_json(board), board.word, choice, board.book.entries


def test_a_lost_database_is_made_again_with_finals_reveal_and_the_words_of_the_host(history):
    before = everything()
    lose_database(history)
    assert shown().rows == [] and shown().missing == 4
    assert rebuild("tiny").scored == 4 and rebuild("tiny").scored == 0
    assert everything() == before
    assert verify("tiny").lines == 8


def test_every_changed_byte_is_found(history):
    chance, data = random.Random(0), prepared("tiny")
    lines, engine = list(ledger.read(data)), open_database()
    files = [archive.stored(line.body["sha256"]) for line in lines if line.kind == "entry"]

    def found():
        try:
            written = list(ledger.read(data))
            if written == lines:
                check_files(written)
            else:
                check_database(engine, data, written)
        except UserError as error:
            return str(error)
        return None

    assert found() is None
    for k in range(1000):
        path = ledger.file_of(data) if k % 4 else chance.choice(files)
        with path.open("r+b", buffering=0) as file:
            where = chance.randrange(path.stat().st_size)
            was = os.pread(file.fileno(), 1, where)
            changed = bytes([chance.choice([byte for byte in range(256) if byte != was[0]])])
            os.pwrite(file.fileno(), changed, where)
            assert found(), (path, where, changed)
            os.pwrite(file.fileno(), was, where)
    assert found() is None


def test_the_first_line_that_was_changed_is_named(history, capsys, monkeypatch):
    path = ledger.file_of(prepared("tiny"))
    path.write_bytes(path.read_bytes().replace(b"two accounts", b"ten accounts"))
    code, out, err = call(capsys, monkeypatch, "verify", "tiny", "--json")
    assert code == 2 and "line 7 of boards/ledger/tiny/aaaa1111.jsonl is not as it was written" in err
    assert json.loads(out)["error"] in err


def test_a_line_that_is_written_anew_with_all_its_hashes_is_found_by_the_database(history):
    data, forged = prepared("tiny"), []
    for line in ledger.read(data):
        body = line.body | ({"said": "ten accounts"} if line.body.get("said") == "two accounts" else {})
        forged.append(ledger.following(data, forged[-1] if forged else None, line.at, line.kind, body, line.secret))
    ledger.file_of(data).unlink()
    ledger.append(data, forged)
    with pytest.raises(UserError, match="the database says otherwise than the ledger in its table events"):
        verify("tiny")


@pytest.mark.parametrize(
    "sql", ["UPDATE scores SET value = 0.5", "DELETE FROM events", "UPDATE submissions SET team = 'me'"]
)
def test_a_database_that_was_edited_is_found(history, sql):
    with sqlite3.connect(history / "leaderboard.db") as database:
        for trigger, *_ in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {trigger}")
        database.execute(sql)
    database.close()
    with pytest.raises(UserError, match="the database says otherwise than the ledger in its table"):
        verify("tiny")


def test_lines_that_were_cut_off_are_found_and_nothing_is_written_after_them(history):
    path = ledger.file_of(prepared("tiny"))
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:5]))
    with pytest.raises(UserError, match="ends at line 5, and the database has followed 8: lines were cut off"):
        verify("tiny")
    with pytest.raises(UserError, match="lines were cut off"):
        judge.judge("tiny", entry(history, wrong="e"), "red")


def test_a_torn_last_line_is_cut_off_by_the_next_one(home):
    judge.judge("tiny", entry(home), "red")
    with ledger.file_of(prepared("tiny")).open("ab") as file:
        file.write(b'{"seq":2,"kind":"ent')
    assert verify("tiny").lines == 1
    judge.judge("tiny", entry(home, wrong="a"), "red")
    assert verify("tiny").lines == 2


def test_what_a_crash_left_in_the_ledger_alone_is_followed_by_the_next_write_once(home, monkeypatch):
    written = ledger.append

    def killed(*line):
        written(*line)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(ledger, "append", killed)
        judge.judge("tiny", entry(home), "red")
    assert shown().rows == [] and shown().missing == 1 and verify("tiny").behind == 1
    judge.judge("tiny", entry(home, wrong="a"), "blue")
    assert judge.judge("tiny", entry(home), "red").entries_today == 1
    assert [(row.team, row.entries) for row in shown().rows] == [("red", 1), ("blue", 1)]
    assert (verify("tiny").lines, verify("tiny").behind) == (2, 0)


def test_a_board_from_before_there_were_ledgers_gets_one_with_the_next_entry(history):
    before = everything()
    with sqlite3.connect(history / "leaderboard.db") as old:
        for name in ("ledger", "shown", "versions"):
            old.execute(f"DROP TABLE {name}")
        old.execute("UPDATE alembic_version SET version_num = 'server'")
    old.close()
    ledger.file_of(prepared("tiny")).unlink()
    assert everything() == before
    host.say(open_database(), prepared("tiny"), "announce", "a ledger now", "eva")
    assert verify("tiny").lines == 10  # the eight that were, by which metric the board stands, and the new one
    before = everything()
    lose_database(history)
    rebuild("tiny")
    assert everything() == before and differences(open_database(), find("tiny"), prepared("tiny")) == []


def test_a_receipt_names_the_line_and_the_head_of_the_chain(home):
    judge.judge("tiny", entry(home), "red")
    receipt = judge.judge("tiny", entry(home, wrong="a"), "red").ledger
    line = list(ledger.read(prepared("tiny")))[-1]
    assert (receipt.sequence, receipt.head, receipt.sha256) == (2, line.hash, line.body["sha256"])
    assert receipt.metric_version == 1 and verify("tiny").heads == {"aaaa1111": receipt.head}


def test_no_receipt_depends_on_a_private_answer(home, monkeypatch):
    monkeypatch.setattr(decisions, "now", lambda: "2026-01-01T00:00:00Z")
    monkeypatch.setattr(judge, "now", lambda: "2026-01-01T00:00:00Z")
    one = judge.judge("tiny", entry(home), "red")
    lose_database(home)
    ledger.file_of(prepared("tiny")).unlink()
    tiny_board.prepare(home, "tiny", "aaaa1111", answers=np.array([0, 1, 2, 3, 4, 5, -1, -1, -1, -1.0]))
    assert judge.judge("tiny", entry(home), "red") == one


def test_another_board_s_entries_do_not_take_the_numbers_of_a_lost_one(home):
    for team, wrong in (("red", "a"), ("blue", "")):
        judge.judge("tiny", entry(home, wrong), team)
    lose_database(home)
    judge.judge("darts", entry(home), "red")  # takes number 1
    rebuild("tiny")
    assert [(entry.id, entry.team) for entry in shown().book.entries] == [(2, "red"), (3, "blue")]
    assert verify("tiny").behind == verify("darts").behind == 0
