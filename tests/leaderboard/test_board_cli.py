"""The command line of the leaderboard: JSON, exit codes, the host's verbs, which data are used, what is imported."""

import json

import pytest

from leaderboard.cli.host_verbs import HELP
from leaderboard.database import open_database
from leaderboard.host import KINDS
from leaderboard.judge import judge
from leaderboard.teams import user_of
from tests.support import tiny_board
from tests.support.tiny_board import call, entry, shown


def test_score_and_board_print_one_json_object(home, capsys, monkeypatch):
    code, out, err = call(capsys, monkeypatch, "score", "tiny", entry(home, wrong="a"), "--team", "red", "--json")
    result = json.loads(out)
    assert (code, err) == (0, "") and (result["accepted"], result["public"], result["rank"]) == (True, 5 / 6, 1)
    assert result["interval"]["score"] == 5 / 6 and len(result["sha256"]) == 64 and result["entry"] == 1
    code, out, err = call(capsys, monkeypatch, "board", "tiny", "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert {"competition", "data_hash", "metric", "higher_is_better", "rows"} <= set(found)
    asked = {"rank", "tied", "team", "score", "low", "high", "private", "cv", "entries", "submitted_at"}
    assert asked <= set(found["rows"][0])


def test_finals_are_listed_and_chosen(home, capsys, monkeypatch):
    name = judge("tiny", entry(home, wrong="a"), "red").submission
    code, out, _ = call(capsys, monkeypatch, "finals", "tiny", "--team", "red", "--json")
    assert code == 0 and json.loads(out)["finals"] == [] and json.loads(out)["entries"][0]["submission"] == name
    code, out, _ = call(capsys, monkeypatch, "finals", "tiny", name, "", "--team", "red")
    assert code == 0 and f"Final: {name}" in out


def test_a_rescoring_is_one_json_object_or_a_table(home, capsys, monkeypatch):
    from harness.competition import find

    judge("tiny", entry(home, wrong="a"), "red")
    metric = type(find("tiny").metric)
    monkeypatch.setattr(metric, "version", 2)
    code, out, _ = call(capsys, monkeypatch, "rescore", "tiny", "--reason", "typo", "--json")
    found = json.loads(out)
    assert code == 0 and found["now"]["reason"] == "typo"
    assert found["moved"] == [{"team": "red", "old_rank": 1, "new_rank": 1, "old_score": 5 / 6, "new_score": 5 / 6}]
    monkeypatch.setattr(metric, "version", 3)
    code, out, _ = call(capsys, monkeypatch, "rescore", "tiny")
    assert code == 0 and "version 3 of share of hits, before by 2; 1 entry scored" in " ".join(out.split())


def test_the_board_is_exported_as_csv_and_json(home, capsys, monkeypatch):
    judge("tiny", entry(home), "=red")
    code, out, _ = call(capsys, monkeypatch, "export", "tiny")
    assert code == 0 and out.startswith("rank,tied,team,score") and ",'=red," in out
    code, out, _ = call(capsys, monkeypatch, "export", "tiny", "--format", "json")
    assert code == 0 and json.loads(out)["rows"][0]["team"] == "=red"
    code, _, err = call(capsys, monkeypatch, "export", "tiny", "--format", "xlsx")
    assert code == 2 and "there are csv and json" in err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["score", "tiny", "nowhere.csv"], "nowhere.csv does not exist"),
        (["score", "tyni", "nowhere.csv"], "did you mean tiny?"),
        (["board", "tiny", "--data", "ffff"], "names 0 of the data of tiny: aaaa1111"),
        (["board", "tiny", "--reveal"], "there is nothing to reveal"),
        (["verify", "tiny"], "nothing to verify"),
        (["board"], "Missing argument"),
        (["board", "tiny", "--worst"], "No such option"),
        (["host", "deadline", "tiny", "soon"], "is not a time"),
        (["host", "disqualify", "tiny", "nobody", "why"], "nobody has no entry"),
        (["host", "token", "ada", "--team", "x"], "there is no team 'x'"),
    ],
)
def test_a_wrong_input_is_one_sentence_and_exit_code_2(home, capsys, monkeypatch, arguments, sentence):
    code, out, err = call(capsys, monkeypatch, *arguments, "--json")
    assert code == 2 and sentence in err and "Traceback" not in err and err.count("\n") == 1
    assert sentence in json.loads(out)["error"]


def test_a_competition_without_prepared_data_says_what_to_run(home, capsys, monkeypatch):
    (home / "data" / "tiny" / "aaaa1111" / "private" / "answers.npz").unlink()
    code, _, err = call(capsys, monkeypatch, "board", "tiny")
    assert code == 2 and "make data COMP=tiny" in err


def test_where_no_data_were_named_as_the_last_the_newest_are_used_and_said(home, capsys, monkeypatch):
    """FAST=1 prepares data of its own and leaves current.json alone."""
    tiny_board.prepare(home, "tiny", "bbbb2222")
    (home / "data" / "tiny" / "current.json").unlink()
    for verb in (["score", "tiny", entry(home), "--team", "red"], ["board", "tiny"], ["export", "tiny"]):
        code, out, err = call(capsys, monkeypatch, *verb)
        assert code == 0 and "bbbb2222" in err, verb
    assert ",red," in out and call(capsys, monkeypatch, "verify", "tiny")[0] == 0


def test_the_user_is_the_team_by_default(home, capsys, monkeypatch):
    monkeypatch.setenv("LOGNAME", "ada")
    call(capsys, monkeypatch, "score", "tiny", entry(home))
    assert [row.team for row in shown().rows] == ["ada"]


# -- the host's verbs --------------------------------------------------------------------------------------------------


def test_a_host_makes_teams_and_tokens_and_revokes_them(home, capsys, monkeypatch):
    assert call(capsys, monkeypatch, "host", "team", "red")[0] == 0
    code, out, _ = call(capsys, monkeypatch, "host", "token", "ada", "--team", "red", "--json")
    made = json.loads(out)
    assert (
        code == 0 and made["role"] == "player" and user_of(open_database(), made["token"]) == ("ada", "red", "player")
    )
    code, out, _ = call(capsys, monkeypatch, "host", "token", "eva")
    assert user_of(open_database(), out.strip()).is_host
    assert call(capsys, monkeypatch, "host", "revoke", "ada", "--team", "red")[0] == 0
    assert user_of(open_database(), made["token"]) is None
    assert call(capsys, monkeypatch, "host", "revoke", "ada", "--team", "red")[0] == 2


def test_a_host_closes_disqualifies_announces_reveals_and_all_is_in_the_history(home, capsys, monkeypatch):
    judge("tiny", entry(home), "red")
    for action in (
        ["disqualify", "tiny", "red", "two accounts"],
        ["announce", "tiny", "hello"],
        ["deadline", "tiny", "2999-01-01T12:00+02:00"],
        ["pause", "tiny", "a repair"],
    ):
        assert call(capsys, monkeypatch, "host", *action)[0] == 0
    host = shown().host
    assert shown().rows == [] and host.refusal("2026") == "the competition is paused: a repair"
    assert host.deadline == "2999-01-01T10:00:00.000000Z" and host.announcements[0].text == "hello"
    call(capsys, monkeypatch, "host", "reinstate", "tiny", "red")
    call(capsys, monkeypatch, "host", "resume", "tiny")
    _, out, _ = call(capsys, monkeypatch, "host", "baseline", "tiny", "red", "--json")
    assert json.loads(out)["path"] == "leaderboard.db" and shown().rows[0].baseline
    assert call(capsys, monkeypatch, "host", "reveal", "tiny")[0] == 0 and shown().revealed_at
    assert [action.kind for action in shown().host.history][:4] == ["reveal", "baseline", "resume", "reinstate"]


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
