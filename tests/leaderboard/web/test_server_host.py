"""The host's verbs on the command line."""
# ruff: noqa: F811 (pytest finds the fixture `home` by its name)

import inspect
import json
import re

import pytest
from leaderboard.host_verbs import HELP, app
from tests.leaderboard.test_leaderboard import call, home, shown  # noqa: F401

from leaderboard.database import open_database
from leaderboard.judge import judge
from leaderboard.teams import who
from tests.support.tiny_board import entry
from tests.test_readme import REPOSITORY, VERBS, expanded


def test_a_host_makes_teams_and_tokens_and_revokes_them(home, capsys, monkeypatch):
    assert call(capsys, monkeypatch, "host", "team", "red")[0] == 0
    code, out, _ = call(capsys, monkeypatch, "host", "token", "ada", "--team", "red", "--json")
    made = json.loads(out)
    assert code == 0 and made["role"] == "player" and who(open_database(), made["token"]) == ("ada", "red", "player")
    code, out, _ = call(capsys, monkeypatch, "host", "token", "eva")
    assert who(open_database(), out.strip()).is_host
    assert call(capsys, monkeypatch, "host", "revoke", "ada", "--team", "red")[0] == 0
    assert who(open_database(), made["token"]) is None
    assert call(capsys, monkeypatch, "host", "revoke", "ada", "--team", "red")[0] == 2


def test_a_host_closes_disqualifies_announces_and_undoes(home, capsys, monkeypatch):
    judge("tiny", entry(home), "red")
    for words in (
        ["disqualify", "tiny", "red", "two accounts"],
        ["announce", "tiny", "hello"],
        ["deadline", "tiny", "2999-01-01T12:00+02:00"],
        ["pause", "tiny", "a repair"],
    ):
        assert call(capsys, monkeypatch, "host", *words)[0] == 0
    assert shown().rows == [] and shown().word.refusal("2026") == "the competition is paused: a repair"
    assert shown().word.deadline == "2999-01-01T10:00:00.000000Z" and shown().word.news[0].said == "hello"
    call(capsys, monkeypatch, "host", "reinstate", "tiny", "red")
    call(capsys, monkeypatch, "host", "resume", "tiny")
    _code, out, _ = call(capsys, monkeypatch, "host", "baseline", "tiny", "red", "--json")
    assert json.loads(out)["path"] == "leaderboard.db" and shown().rows[0].baseline
    assert [said.kind for said in shown().word.history][:3] == ["baseline", "resume", "reinstate"]
    assert call(capsys, monkeypatch, "host", "reveal", "tiny")[0] == 0 and shown().revealed_at


@pytest.mark.parametrize(
    "words", [["deadline", "tiny", "soon"], ["disqualify", "tiny", "nobody", "why"], ["token", "a", "--team", "x"]]
)
def test_a_wrong_word_is_one_sentence_and_exit_code_2(home, capsys, monkeypatch, words):
    code, _, err = call(capsys, monkeypatch, "host", *words)
    assert code == 2 and err.startswith("error: ") and err.count("\n") == 1


def test_the_page_for_hosts_names_verbs_and_options_that_there_are():
    page = (REPOSITORY / "docs" / "team-server.md").read_text()
    verbs = {command.name or command.callback.__name__ for command in app.registered_commands}
    named = set(re.findall(r"(?:leaderboard |`)host ([a-z-]+)", page))
    assert named == verbs
    for command in re.findall(r"^make \S[^#\n]*", page, re.MULTILINE):
        words = expanded(command.strip())
        package, verb = words[words.index("-m") + 1 : words.index("-m") + 3]
        options = {word[2:].replace("-", "_") for word in words if word.startswith("--")}
        assert options <= set(inspect.signature(VERBS[f"{package} {verb}"]).parameters), command


def test_every_word_of_the_host_has_a_verb():
    from leaderboard.host import KINDS

    assert set(HELP) == set(KINDS)
