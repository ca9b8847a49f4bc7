"""What the board survives: many writers, kills, a full disk, a damaged or lost database."""
# ruff: noqa: F811 (pytest finds the fixture `home` by its name)

import multiprocessing
import resource
import signal
import time

import pytest

from harness.errors import UserError
from leaderboard import archive, ledger
from leaderboard.database import open_database
from leaderboard.judge import judge
from leaderboard.rebuild import rebuild
from tests.leaderboard.test_leaderboard import home, shown  # noqa: F401
from tests.support import tiny_board
from tests.support.tiny_board import entry

WRITERS = 8


def hand_in_at_once(start, file, team):
    start.wait()
    judge("tiny", file, team)


def at_once(work):
    """Run `hand_in_at_once` in as many processes as there are files, started by one barrier."""
    forked = multiprocessing.get_context("fork")
    start = forked.Barrier(len(work))
    processes = [forked.Process(target=hand_in_at_once, args=(start, *item)) for item in work]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    return [process.exitcode for process in processes]


def test_of_entries_in_the_same_instant_none_is_lost(home):
    files = [entry(home, wrong="abcdefgh"[k], name=f"entry{k}") for k in range(WRITERS)]
    codes = at_once([(file, f"team{k % 2}") for k, file in enumerate(files)])  # on a database that does not exist yet
    assert codes == [0] * WRITERS
    assert sorted(row.entries for row in shown().rows) == [WRITERS // 2, WRITERS // 2]


def test_the_same_file_in_the_same_instant_is_one_entry(home):
    assert at_once([(entry(home), "red")] * WRITERS) == [0] * WRITERS
    assert [row.entries for row in shown().rows] == [1]


@pytest.mark.soak
def test_what_was_acknowledged_survives_a_kill_at_any_moment(home):
    acknowledged = 0
    for k in range(40):
        process = tiny_board.python(
            home, "-m", "leaderboard", "score", "tiny", entry(home, by=k + 1, wrong="a"), "--team", "red", "--json"
        )
        time.sleep(0.5 + 0.03 * k)
        process.send_signal(signal.SIGKILL)
        acknowledged += "accepted" in process.communicate()[0]
    written = sum(row.entries for row in shown().rows)
    rebuild("tiny")
    assert acknowledged <= written <= sum(row.entries for row in shown().rows) <= 40


def test_a_lost_or_damaged_database_is_rebuilt_to_the_same_board(home):
    for team, wrong in (("red", "a"), ("blue", ""), ("red", "bc"), ("green", "")):
        judge("tiny", entry(home, wrong), team)
    before = shown().rows
    for file in home.glob("leaderboard.db*"):
        file.unlink()
    assert shown().missing == 4
    rebuild("tiny")
    assert shown().rows == before

    for file in home.glob("leaderboard.db*"):
        file.write_bytes(b"this is not a database" * 1000)
    with pytest.raises(UserError, match=r"leaderboard.db is damaged; `python -m leaderboard rebuild"):
        shown()
    assert (home / rebuild("tiny").aside).exists()
    assert shown().rows == before


def test_a_kill_before_the_commit_leaves_an_entry_that_can_be_handed_in_again(home, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(ledger, "append", killed)
        judge("tiny", entry(home), "red")
    assert shown().rows == []
    assert judge("tiny", entry(home), "red").entries_today == 1


def test_a_file_that_grows_while_it_is_scored_is_not_taken(home):
    file = entry(home)
    with pytest.raises(UserError, match="changed while it was being scored"):
        archive.keep(file, "0" * 64)
    assert not archive.stored("0" * 64).exists()


@pytest.mark.parametrize("url", ["postgres//nonsense", "sqlite:////nowhere/at/all/board.db", "sqlite:////dev"])
def test_a_database_that_cannot_be_opened_is_one_sentence(home, monkeypatch, url):
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(UserError, match="cannot be"):
        open_database()


def hand_in_on_a_small_disk(told, file, limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        told.send(judge("tiny", file, "blue").message)
    except UserError as refusal:
        told.send(f"refused: {refusal}")


# In the copy of the file, in its line of the ledger (the card is long), in the database, nowhere.
@pytest.mark.parametrize("limit", [10, 1_000, 30_000, 60_000, 90_000, 10_000_000])
def test_a_full_disk_is_one_sentence_and_loses_nothing(home, limit):
    judge("tiny", entry(home, wrong="a"), "red")
    file = entry(home, card={"models": ["unet"] * 200})
    receiver, sender = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=hand_in_on_a_small_disk, args=(sender, file, limit))
    process.start()
    process.join(60)
    told = receiver.recv()
    assert process.exitcode == 0
    if told.startswith("refused"):
        assert "cannot be written" in told and "free some space" in told
        assert [row.team for row in shown().rows] == ["red"]
    else:
        assert limit > 60_000 and {row.team for row in shown().rows} == {"red", "blue"}
    assert judge("tiny", file, "blue").rank == 1


@pytest.mark.parametrize("content", ["id,value\na,0\n", "id,value\nz,0\n", "id,worth\n", "", "id,value,x\na,1,1\n"])
def test_no_message_contains_an_answer(home, content):
    tiny_board.prepare(home, "tiny", "aaaa1111", answers=[987654.0] * 10)
    file = home / "broken.csv"
    file.write_text(content)
    with pytest.raises(UserError) as refusal:
        judge("tiny", file, "red")
    assert "987654" not in str(refusal.value)
