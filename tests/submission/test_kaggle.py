"""`make kaggle`: the official client against a server on this machine that plays Kaggle."""
# ruff: noqa: F811 (pytest finds the fixture `home` by its name)

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from harness.competition import Competition
from harness.data.sources import File, Kaggle
from harness.errors import UserError
from harness.files import read_lines, write_json
from harness.submission import kaggle as kaggle_module
from harness.submission import writer
from harness.submission.kaggle import send
from leaderboard import host
from leaderboard.answers import prepared
from leaderboard.database import open_database, reading
from tests.support.board_fixtures import home  # noqa: F401
from tests.support.tiny_data import tiny_declaration

SERVICE = "/v1/competitions.CompetitionApiService/"
SLUG = "toy-cup"


class FakeKaggle:
    """scores: what it says of entry 7, look after look, the last for ever; refusal: of a call, (status, words)."""

    def __init__(self) -> None:
        self.scores: list[dict] = [{"status": "PENDING"}, {"status": "COMPLETE", "publicScore": "0.71"}]
        self.refusal: dict[str, tuple[int, str]] = {}
        self.received: list[bytes] = []
        self.calls: list[str] = []
        self.described = ""
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
                call = self.path.removeprefix(SERVICE)
                fake.calls.append(call)
                status, words = fake.refusal.get(call, (200, ""))
                answer = {"code": status, "message": words} if status != 200 else fake.answer(call, asked)
                self.say(status, json.dumps(answer).encode())

            def do_PUT(self) -> None:
                fake.received.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.say(200, b"{}")

            def say(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def answer(self, call: str, asked: dict) -> dict:
        if call == "StartSubmissionUpload":
            return {"token": "blob", "createUrl": f"{self.address}/upload"}
        if call == "CreateSubmission":
            assert asked["competitionName"] == SLUG and asked["blobFileTokens"] == "blob"
            self.described = asked["submissionDescription"]
            return {"message": "Successfully submitted", "ref": 7}
        state = self.scores.pop(0) if len(self.scores) > 1 else self.scores[0]
        return {"submissions": [{"ref": 6, "status": "COMPLETE", "publicScore": "0.99"}, {"ref": 7, **state}]}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, own_home: Path) -> Iterator[FakeKaggle]:
    """Credentials, and a server that plays api.kaggle.com."""
    for name in ("KAGGLE_API_TOKEN", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": own_home, "KAGGLE_CONFIG_DIR": own_home, "NO_PROXY": "*"}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("KAGGLE_USERNAME", "ada")
    monkeypatch.setenv("KAGGLE_KEY", "secret")
    from kagglesdk import kaggle_env

    monkeypatch.setattr("time.sleep", lambda seconds: None)
    kaggle = FakeKaggle()
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, kaggle.address)
    yield kaggle
    kaggle.server.shutdown()
    kaggle.server.server_close()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What our own board is told, in place of its process."""
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(writer, "ask_leaderboard", lambda *arguments: asked.append(arguments))
    return asked


@pytest.fixture
def toy(own_home: Path, told: list) -> Competition:
    """Prepared, with a best run whose CV was 0.8 and its official file."""
    write_json(own_home / "data" / "tiny" / "current.json", {"data_hash": "aaaa1111"})
    best = best_of(own_home)
    write_json(best / "submission.json", {"cv": {"score": 0.8}, "file": "somewhere.csv"})
    (best / "official.csv").write_text("id,label\n1,2\n")
    return tiny_declaration(sources=(File("a.npz"), Kaggle(SLUG)))


def best_of(home: Path) -> Path:
    return home / "submissions" / "tiny" / "aaaa1111" / "best"


def lines(home: Path) -> list[dict]:
    return read_lines(best_of(home).parent / "kaggle.jsonl")


def test_the_official_file_is_sent_and_its_public_score_written_down(
    toy: Competition, fake: FakeKaggle, own_home: Path, capsys: pytest.CaptureFixture
) -> None:
    told = send(toy, "aaaa1111", None, None, lambda line: None)
    assert (told["public"], told["cv"], told["ref"]) == (0.71, 0.8, 7)
    assert fake.received == [b"id,label\n1,2\n"]
    assert fake.described == f"official.csv {told['sha256'][:12]}"
    sent, scored = lines(own_home)
    assert "public" not in sent and sent["sent_at"].endswith("+00:00")
    assert (scored["public"], scored["sha256"]) == (0.71, told["sha256"])
    assert capsys.readouterr().out == ""


def test_the_score_stands_on_our_own_board_and_a_servers_is_left_alone(
    toy: Competition, fake: FakeKaggle, told: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = send(toy, "aaaa1111", None, None, lambda line: None)
    words = f"0.71 on Kaggle's toy-cup: submissions/tiny/aaaa1111/best/official.csv ({sent['sha256'][:12]})"
    assert told == [("host", "outside", "tiny", words, "--data", "aaaa1111")]
    monkeypatch.setenv("LEADERBOARD_URL", "http://127.0.0.1:9")
    send(toy, "aaaa1111", None, None, lambda line: None)
    assert len(told) == 1


def test_an_outside_score_is_an_action_of_the_host(home: Path) -> None:
    data, engine = prepared("tiny"), open_database()
    host.act(engine, data, "outside", "0.71 on Kaggle's toy-cup", "ada")
    with reading(engine) as connection:
        (action,) = host.read_host_state(connection, data).history
    assert (action.kind, action.text) == ("outside", "0.71 on Kaggle's toy-cup")


def test_the_same_file_is_not_sent_twice(toy: Competition, fake: FakeKaggle, own_home: Path) -> None:
    first = send(toy, "aaaa1111", None, "mine", lambda line: None)
    again = send(toy, "aaaa1111", None, None, lambda line: None)
    assert again == first and again["message"] == "mine"
    assert len(fake.received) == 1 and len(lines(own_home)) == 2


def test_a_wait_that_was_too_long_goes_on_with_the_next_command(
    toy: Competition, fake: FakeKaggle, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.scores = [{"status": "PENDING"}]
    monkeypatch.setattr(kaggle_module, "PATIENCE_SECONDS", 0)
    with pytest.raises(UserError, match="entry 7 and has not scored it yet; run the same command again later"):
        send(toy, "aaaa1111", None, None, lambda line: None)
    fake.scores = [{"status": "COMPLETE", "publicScore": "0.5"}]
    told = send(toy, "aaaa1111", None, None, lambda line: None)
    assert (told["public"], len(fake.received)) == (0.5, 1)


def test_a_file_that_kaggle_refuses_is_told_in_its_words_and_may_be_sent_again(
    toy: Competition, fake: FakeKaggle, own_home: Path
) -> None:
    fake.scores = [{"status": "ERROR", "errorDescription": "Submission must have 4000 rows"}]
    for sent in (1, 2):
        with pytest.raises(UserError, match=r"Kaggle refused .*official.csv: Submission must have 4000 rows"):
            send(toy, "aaaa1111", None, None, lambda line: None)
        assert len(fake.received) == sent


@pytest.mark.parametrize(
    ("call", "status", "sentence"),
    [
        ("StartSubmissionUpload", 401, "Kaggle does not accept the credentials; make a new token"),
        ("StartSubmissionUpload", 403, "accept its rules at https://www.kaggle.com/c/toy-cup/rules"),
        ("StartSubmissionUpload", 404, "Kaggle knows no competition 'toy-cup'"),
        ("CreateSubmission", 400, "Kaggle refuses this: five entries a day"),
    ],
)
def test_a_refusal_says_what_to_do(
    toy: Competition, fake: FakeKaggle, own_home: Path, call: str, status: int, sentence: str
) -> None:
    fake.refusal[call] = (status, "five entries a day")
    with pytest.raises(UserError, match=sentence):
        send(toy, "aaaa1111", None, None, lambda line: None)
    assert lines(own_home) == []


def test_without_a_connection_it_is_said(toy: Competition, fake: FakeKaggle, monkeypatch: pytest.MonkeyPatch) -> None:
    from kagglesdk import kaggle_env

    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, "http://127.0.0.1:9")
    with pytest.raises(UserError, match="Kaggle could not be reached"):
        send(toy, "aaaa1111", None, None, lambda line: None)


def test_without_credentials_nothing_is_tried(
    toy: Competition, fake: FakeKaggle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KAGGLE_KEY")
    with pytest.raises(UserError, match="no Kaggle credentials here"):
        send(toy, "aaaa1111", None, None, lambda line: None)
    assert fake.calls == []


def test_a_competition_that_is_not_on_kaggle_is_not_sent_there(toy: Competition) -> None:
    with pytest.raises(UserError, match="tiny declares no Kaggle competition among its sources"):
        send(replace(toy, sources=(File("a.npz"),)), "aaaa1111", None, None, lambda line: None)


def test_without_an_official_file_it_says_what_writes_one(toy: Competition, own_home: Path) -> None:
    (best_of(own_home) / "official.csv").unlink()
    with pytest.raises(UserError, match="tiny has no official file yet: `make submit COMP=tiny` writes it"):
        send(toy, "aaaa1111", None, None, lambda line: None)
    with pytest.raises(UserError, match=r"mine\.csv does not exist"):
        send(toy, "aaaa1111", Path("mine.csv"), None, lambda line: None)


def test_of_several_official_files_the_newest_of_one_part_is_taken_and_parts_are_asked_for(
    toy: Competition, own_home: Path
) -> None:
    best = best_of(own_home)
    final = best / "official-final.csv"
    final.write_text("id,label\n1,3\n")
    assert kaggle_module.newest_official("tiny", best) == final
    (best / "official-night.csv").write_text("")
    with pytest.raises(UserError, match="which official file"):
        kaggle_module.newest_official("tiny", best)
