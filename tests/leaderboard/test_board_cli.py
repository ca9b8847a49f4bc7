"""The command line of the leaderboard: JSON, exit codes, the host's verbs, which data are used, what is imported."""

import json

import pytest

from harness.competition import find
from leaderboard.cli.host_verbs import HELP
from leaderboard.database import open_database
from leaderboard.host import KINDS
from leaderboard.teams import user_of
from tests.support import tiny_board
from tests.support.tiny_board import enter, entry, shown


@pytest.fixture
def call(home, capsys, monkeypatch):
    """Call a verb in this process; it must succeed; its standard output, or its value with --json."""

    def call(*arguments, code=0):
        found, out, err = tiny_board.call(capsys, monkeypatch, *arguments)
        assert found == code, err
        call.err = err
        return json.loads(out) if "--json" in arguments else out

    return call


def test_score_and_board_print_one_json_object(call, home):
    result = call("score", "tiny", entry(home, wrong="a"), "--team", "red", "--json")
    assert (result["accepted"], result["public"], result["rank"], call.err) == (True, 5 / 6, 1, "")
    assert result["interval"]["score"] == 5 / 6 and len(result["sha256"]) == 64 and result["entry"] == 1
    found = call("board", "tiny", "--json")
    assert {"competition", "data_hash", "metric", "higher_is_better", "rows"} <= set(found) and call.err == ""
    asked = {"rank", "tied", "team", "score", "low", "high", "private", "cv", "entries", "submitted_at"}
    assert asked <= set(found["rows"][0])


def test_finals_are_listed_and_chosen(call, home):
    name = enter(home, ("red", "a"))[0].submission
    found = call("finals", "tiny", "--team", "red", "--json")
    assert found["finals"] == [] and found["entries"][0]["submission"] == name
    assert f"Final: {name}" in call("finals", "tiny", name, "", "--team", "red")


def test_a_rescoring_is_one_json_object_or_a_table(call, home, monkeypatch):
    enter(home, ("red", "a"))
    metric = type(find("tiny").metric)
    monkeypatch.setattr(metric, "version", 2)
    found = call("rescore", "tiny", "--reason", "typo", "--json")
    assert (found["was"]["version"], found["now"]["version"], found["now"]["reason"]) == (1, 2, "typo")
    assert found["moved"] == [{"team": "red", "old_rank": 1, "new_rank": 1, "old_score": 5 / 6, "new_score": 5 / 6}]
    monkeypatch.setattr(metric, "version", 3)
    out = " ".join(call("rescore", "tiny").split())
    assert "version 3 of share of hits, before by 2; 1 entry scored" in out


def test_the_board_is_exported_as_csv_and_json(call, home):
    enter(home, ("=red", ""))
    out = call("export", "tiny")
    assert out.startswith("rank,tied,team,score") and ",'=red," in out
    assert json.loads(call("export", "tiny", "--format", "json"))["rows"][0]["team"] == "=red"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["score", "tiny", "nowhere.csv"], "nowhere.csv does not exist"),
        (["score", "tyni", "nowhere.csv"], "did you mean tiny?"),
        (["board", "tiny", "--data", "ffff"], "names 0 of the data of tiny: aaaa1111"),
        (["board", "darts"], "make data COMP=darts"),
        (["board", "tiny", "--reveal"], "there is nothing to reveal"),
        (["verify", "tiny"], "nothing to verify"),
        (["board"], "Missing argument"),
        (["board", "tiny", "--worst"], "No such option"),
        (["export", "tiny", "--format", "xlsx"], "there are csv and json"),
        (["host", "deadline", "tiny", "soon"], "is not a time"),
        (["host", "disqualify", "tiny", "nobody", "why"], "nobody has no entry"),
        (["host", "disqualify", "tiny", "red"], "needs a text"),
        (["host", "token", "ada", "--team", "x"], "there is no team 'x'"),
    ],
)
def test_a_wrong_input_is_one_sentence_and_exit_code_2(call, home, arguments, sentence):
    (home / "data" / "darts" / "aaaa1111" / "private" / "answers.npz").unlink()
    out = call(*arguments, "--json", code=2)
    assert sentence in call.err and "Traceback" not in call.err and call.err.count("\n") == 1
    assert sentence in out["error"]


def test_where_no_data_were_named_as_the_last_the_newest_are_used_and_said(call, home):
    """FAST=1 prepares data of its own and leaves current.json alone."""
    tiny_board.prepare(home, "tiny", "bbbb2222")
    (home / "data" / "tiny" / "current.json").unlink()
    for verb in (["score", "tiny", entry(home), "--team", "red"], ["board", "tiny"], ["export", "tiny"]):
        out = call(*verb)
        assert "bbbb2222" in call.err, verb
    assert ",red," in out and call("verify", "tiny")


def test_the_user_is_the_team_by_default(call, home, monkeypatch):
    monkeypatch.setenv("LOGNAME", "ada")
    call("score", "tiny", entry(home))
    assert [row.team for row in shown().rows] == ["ada"]


# -- the host's verbs --------------------------------------------------------------------------------------------------


def test_a_host_makes_teams_and_tokens_and_revokes_them(call):
    call("host", "team", "red")
    made = call("host", "token", "ada", "--team", "red", "--json")
    assert made["role"] == "player" and user_of(open_database(), made["token"]) == ("ada", "red", "player")
    assert user_of(open_database(), call("host", "token", "eva").strip()).is_host
    call("host", "revoke", "ada", "--team", "red")
    assert user_of(open_database(), made["token"]) is None
    call("host", "revoke", "ada", "--team", "red", code=2)


def test_a_host_closes_disqualifies_announces_reveals_and_all_is_in_the_history(call, home):
    enter(home, ("red", ""))
    call("host", "disqualify", "tiny", "red", "two accounts")
    call("host", "announce", "tiny", "hello")
    call("host", "deadline", "tiny", "2999-01-01T12:00+02:00")
    call("host", "pause", "tiny", "a repair")
    host = shown().host
    assert shown().rows == [] and host.refusal("2026") == "the competition is paused: a repair"
    assert host.deadline == "2999-01-01T10:00:00.000000Z" and host.announcements[0].text == "hello"
    assert "red is disqualified: two accounts." in call("board", "tiny", "--json")["notes"]
    call("host", "reinstate", "tiny", "red")
    call("host", "resume", "tiny")
    call("host", "reference", "tiny", "red")
    assert call("host", "baseline", "tiny", "red", "--json")["path"] == "leaderboard.db"
    assert shown().rows[0].baseline and shown().rows[0].reference
    call("host", "reveal", "tiny")
    assert shown().revealed_at
    kinds = [action.kind for action in shown().host.history]
    assert kinds[:5] == ["reveal", "baseline", "reference", "resume", "reinstate"]


def test_every_action_of_a_host_has_a_verb():
    assert set(HELP) == set(KINDS)


# -- imports -----------------------------------------------------------------------------------------------------------

IMPORTS = """
import sys
sys.argv = {argv}
from leaderboard.__main__ import main
code = main()
print(*sys.modules)
sys.exit(code)
"""


@pytest.mark.parametrize(
    ("argv", "never"),
    [
        (["leaderboard", "--help"], {"numpy", "pandas", "torch", "sqlalchemy"}),
        (["leaderboard", "board", "tiny"], {"pandas", "torch"}),
    ],
)
def test_help_and_board_import_nothing_heavy(home, argv, never):
    process = tiny_board.python(home, "-c", IMPORTS.format(argv=argv))
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert not never & set(out.split())
