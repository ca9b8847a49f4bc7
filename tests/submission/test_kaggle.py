"""`make kaggle`: the official client against a server on this machine that plays Kaggle."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from harness.data.sources import File, Kaggle
from harness.errors import UserError
from harness.files import read_lines, write_json
from harness.submission import kaggle, writer
from tests.support.fake_kaggle import SLUG, FakeKaggle
from tests.support.tiny_data import tiny_declaration


@pytest.fixture
def fake(monkeypatch, own_home):
    """Credentials, and a server that plays api.kaggle.com."""
    from kagglesdk import kaggle_env

    for name in ("KAGGLE_API_TOKEN", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    settings = {"HOME": own_home, "KAGGLE_CONFIG_DIR": own_home, "NO_PROXY": "*"}
    for name, value in (settings | {"KAGGLE_USERNAME": "ada", "KAGGLE_KEY": "secret"}).items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with FakeKaggle() as server:
        monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, server.address)
        yield server
        server.shutdown()


@pytest.fixture
def told(monkeypatch):
    """What our own board is told, in place of its process."""
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(writer, "ask_leaderboard", lambda *arguments: asked.append(arguments))
    return asked


@pytest.fixture
def best(own_home):
    """The folder of the best run, whose CV was 0.8, with its official file."""
    folder = own_home / "submissions" / "tiny" / "aaaa1111" / "best"
    folder.mkdir(parents=True)
    write_json(folder / "submission.json", {"cv": {"score": 0.8}, "file": "somewhere.csv"})
    (folder / "official.csv").write_text("id,label\n1,2\n")
    return folder


TOY = tiny_declaration(sources=(File("a.npz"), Kaggle(SLUG)))
send = partial(kaggle.send, TOY, "aaaa1111", file=None, message=None, say=lambda line: None)


def lines(best):
    return read_lines(best.parent / "kaggle.jsonl")


def test_the_official_file_is_sent_once_and_its_public_score_written_down(best, fake, told, capsys):
    answer = send()
    assert (answer["public"], answer["cv"], answer["ref"]) == (0.71, 0.8, 7)
    assert fake.received == [b"id,label\n1,2\n"] and fake.described == f"official.csv {answer['sha256'][:12]}"
    sent, scored = lines(best)
    assert "public" not in sent and sent["sent_at"].endswith("+00:00")
    assert (scored["public"], scored["sha256"]) == (0.71, answer["sha256"])
    assert capsys.readouterr().out == ""
    assert send(message="another") == answer and len(fake.received) == 1 and len(lines(best)) == 2


def test_the_score_stands_on_our_own_board_and_a_servers_is_left_alone(best, fake, told, monkeypatch):
    sent = send()
    note = f"0.71 on Kaggle's toy-cup: submissions/tiny/aaaa1111/best/official.csv ({sent['sha256'][:12]})"
    assert told == [("host", "outside", "tiny", note, "--data", "aaaa1111")]
    monkeypatch.setenv("LEADERBOARD_URL", "http://127.0.0.1:9")
    (best / "official.csv").write_text("id,label\n1,3\n")
    assert send()["sha256"] != sent["sha256"] and len(told) == 1


def test_a_wait_that_was_too_long_goes_on_with_the_next_command(best, fake, told, monkeypatch):
    fake.scores = [{"status": "PENDING"}]
    monkeypatch.setattr(kaggle, "PATIENCE_SECONDS", 0)
    with pytest.raises(UserError, match="entry 7 and has not scored it yet; run the same command again later"):
        send()
    fake.scores = [{"status": "COMPLETE", "publicScore": "0.5"}]
    assert send()["public"] == 0.5 and len(fake.received) == 1


def test_a_file_that_kaggle_refuses_is_told_in_its_words_and_may_be_sent_again(best, fake, told):
    fake.scores = [{"status": "ERROR", "errorDescription": "Submission must have 4000 rows"}]
    for sent in (1, 2):
        with pytest.raises(UserError, match=r"Kaggle refused .*official.csv: Submission must have 4000 rows"):
            send()
        assert len(fake.received) == sent


@pytest.mark.parametrize(
    ("call", "status", "sentence"),
    [
        ("StartSubmissionUpload", 401, "Kaggle does not accept the credentials; make a new token"),
        ("StartSubmissionUpload", 403, "accept its rules at https://www.kaggle.com/c/toy-cup/rules"),
        ("CreateSubmission", 400, "Kaggle refuses this: five entries a day"),
    ],
)
def test_a_refusal_says_what_to_do(best, fake, call, status, sentence):
    fake.refusals[call] = (status, "five entries a day")
    with pytest.raises(UserError, match=sentence):
        send()
    assert lines(best) == []


def test_without_a_connection_or_credentials_it_is_said(best, fake, monkeypatch):
    from kagglesdk import kaggle_env

    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, "http://127.0.0.1:9")
    with pytest.raises(UserError, match="Kaggle could not be reached"):
        send()
    monkeypatch.delenv("KAGGLE_KEY")
    with pytest.raises(UserError, match="no Kaggle credentials here"):
        send()
    assert fake.calls == []


def test_of_several_official_files_the_newest_of_one_part_is_taken_and_parts_are_asked_for(best):
    final = best / "official-final.csv"
    final.write_text("id,label\n1,3\n")
    assert kaggle.newest_official("tiny", best) == final
    (best / "official-other.csv").write_text("")
    with pytest.raises(UserError, match="which official file"):
        send()


def test_what_cannot_be_sent_is_named(best):
    with pytest.raises(UserError, match="tiny declares no Kaggle competition among its sources"):
        kaggle.send(replace(TOY, sources=(File("a.npz"),)), "aaaa1111", None, None, print)
    with pytest.raises(UserError, match=r"mine\.csv does not exist"):
        send(file=Path("mine.csv"))
    (best / "official.csv").unlink()
    with pytest.raises(UserError, match="tiny has no official file yet: `make submit COMP=tiny` writes it"):
        send()
