"""A player's machine and a team server: data fetched and checked, files submitted, over a real connection."""

import hashlib
import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from harness.errors import InvalidSubmission, UserError
from harness.submission import client, writer
from leaderboard import host, teams
from leaderboard.answers import prepared
from leaderboard.database import open_database
from tests.support import tiny_board
from tests.support.board_client import served
from tests.support.tiny_board import call, entry
from tests.support.tiny_competition import Home

CONTENT = bytes(range(256)) * 4000


@pytest.fixture
def server(home):
    public = home / "data" / "tiny" / "aaaa1111" / "public"
    (public / "train").mkdir(parents=True)
    (public / "train" / "inputs.npy").write_bytes(CONTENT)
    (public / "manifest.json").write_text('{"source": "sample"}')
    with served() as address:
        yield address


PLAYER = """
import json, sys
from harness.submission import client
from leaderboard import __main__
server = sys.argv[1]
client.fetch(server, "tiny")
def run(*arguments):
    sys.argv = ["leaderboard", "board", "tiny", *arguments]
    print("code", __main__.main())
run("--server", server, "--trust")
run("--server", server, "--json")
run()
run("--reveal", "--server", server)
"""


def test_a_player_fetches_the_public_data_and_sees_the_board_of_the_server(
    server, home, capsys, monkeypatch, tmp_path_factory
):
    for k, wrong in enumerate(("a", "ab", "abg", "gh", "")):
        submitted = entry(home, wrong=wrong)
        submitted.with_suffix(".json").write_text(json.dumps({"cv": {"score": 0.5 + k / 10, "low": 0.4, "high": 1.0}}))
        client.submit(server, "tiny", submitted, f"team {k}")
    _, board, _ = call(capsys, monkeypatch, "board", "tiny", "--trust")
    _, board_json, _ = call(capsys, monkeypatch, "board", "tiny", "--json")

    there, mine = tmp_path_factory.mktemp("player"), home / "data" / "tiny" / "aaaa1111" / "public"
    shutil.copytree(home / "competitions", there / "competitions")
    out, err = tiny_board.python(there, "-c", PLAYER, server).communicate(timeout=120)
    shown, rest = out.split("code 0\n", 1)
    assert shown == board and "team 4" in board and "rank correlation" in board
    answer, own = (json.loads(text) for text in (rest.split("code 0\n")[0], board_json))
    assert [row | answer["rows"][k] for k, row in enumerate(own["rows"])] == answer["rows"]
    assert {**answer, "rows": []} == {**own, "rows": []}
    assert out.endswith("code 2\ncode 2\n")
    assert f"SERVER={server}" in err and "reveal" in err
    for name in ("train/inputs.npy", "manifest.json"):
        assert (there / "data/tiny/aaaa1111/public" / name).read_bytes() == (mine / name).read_bytes()
    assert not list(there.rglob("*private*")) and not list(there.rglob("*.part"))


def listing(**changed):
    file = {"path": "train/inputs.npy", "size": len(CONTENT), "sha256": hashlib.sha256(CONTENT).hexdigest()}
    return {"data_hash": "aaaa1111", "source": "sample", "files": [file | changed]}


@pytest.fixture
def copy_server(monkeypatch):
    """A server of one file. listed: its answer to the list; sent: the file; cut: it breaks off after so many bytes."""
    monkeypatch.setattr(client.time, "sleep", lambda _: None)

    class Handler(BaseHTTPRequestHandler):
        listed, sent, cut, asked = listing(), CONTENT, 1 << 30, []

        def do_GET(self):
            if self.path.endswith("/data"):
                return self.say(200, json.dumps(self.listed).encode())
            first = int(self.headers.get("Range", "bytes=0-")[6:-1])
            self.asked.append(first)
            return self.say(206 if first else 200, self.sent[first:])

        def say(self, status, content):
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: self.cut])

        def log_message(self, *_): ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    Handler.address = f"http://127.0.0.1:{server.server_port}"
    yield Handler
    server.shutdown()
    server.server_close()


def test_a_download_that_breaks_off_goes_on_where_it_stopped(copy_server, tmp_path):
    copy_server.cut = 400_000
    client.fetch(copy_server.address, "tiny")
    assert copy_server.asked == [0, 393_216, 786_432]
    assert (tmp_path / "data/tiny/aaaa1111/public/train/inputs.npy").read_bytes() == CONTENT


def test_a_file_whose_hash_is_wrong_takes_no_place(copy_server, tmp_path):
    copy_server.sent = CONTENT[:-1] + b"!"
    with pytest.raises(UserError, match="fetched whole"):
        client.fetch(copy_server.address, "tiny")
    assert not (tmp_path / "data/tiny/aaaa1111").exists() and not (tmp_path / "data/tiny/current.json").exists()


@pytest.mark.parametrize(
    "listed",
    [
        *(listing(path=path) for path in ("../private/x", "/etc/passwd", "")),
        *(listing(size="1"), listing(sha256="x"), listing() | {"data_hash": "../../x"}, {"files": []}),
    ],
    ids=str,
)
def test_a_server_cannot_write_outside_the_folder(copy_server, tmp_path, listed):
    copy_server.listed = listed
    with pytest.raises(UserError, match="cannot be understood"):
        client.fetch(copy_server.address, "tiny")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_fetched_data_are_prepared_and_their_server_judges(copy_server, monkeypatch):
    client.fetch(copy_server.address, "tiny")
    client.fetch(copy_server.address, "tiny")
    assert copy_server.asked == [0]
    assert client.served("tiny") == "aaaa1111" and client.server_of("tiny", "aaaa1111") == copy_server.address
    assert client.server_of("tiny", "bbbb2222") is None
    monkeypatch.setenv("LEADERBOARD_URL", "http://other.example")
    assert client.server_of("tiny", "aaaa1111") == "http://other.example"


def test_a_file_is_submitted_with_its_manifest_by_the_verb_and_by_the_harness(server, home, capsys, monkeypatch):
    file = entry(home, "a", manifest={"cv": {"score": 0.7}})
    code, out, _ = call(capsys, monkeypatch, "score", "tiny", file, "--team", "red", "--server", server, "--json")
    verdict = json.loads(out)
    assert code == 0 and (verdict["accepted"], verdict["rank"], verdict["public"]) == (True, 1, 5 / 6)
    monkeypatch.setenv("LEADERBOARD_URL", server)
    answer = writer.judge("tiny", entry(home, name="better"), "blue", "aaaa1111")
    assert answer["rank"] == 1 and answer["teams"] == 2


def test_finals_are_chosen_at_the_server_by_the_same_verb(server, home, capsys, monkeypatch):
    made = [client.submit(server, "tiny", entry(home, wrong, name=f"f{wrong}"), "red")["submission"] for wrong in "abc"]
    there = ["--team", "red", "--server", server]
    assert "None chosen" in call(capsys, monkeypatch, "finals", "tiny", *there)[1]
    code, out, _ = call(capsys, monkeypatch, "finals", "tiny", *made[:2], *there, "--json")
    assert code == 0 and json.loads(out)["finals"] == made[:2] and json.loads(out)["path"] == server
    assert call(capsys, monkeypatch, "finals", "tiny", *made, *there)[0] == 2


def test_a_refusal_of_the_server_is_one_sentence(server, home):
    file = entry(home)
    file.write_text("id,value\nzzz,1\n")
    with pytest.raises(InvalidSubmission, match=r"entry\.csv"):
        client.submit(server, "tiny", file, "red")
    for address, name, sentence in (
        (server, "none", "no competition 'none'"),
        ("b.example", "tiny", "not the address"),
    ):
        with pytest.raises(UserError, match=sentence):
            client.submit(address, name, file, "red")


@pytest.fixture
def team_server(home, monkeypatch):
    """The address of a team server, named in LEADERBOARD_URL; `log_in` sets the token of a player of red."""
    engine = open_database()
    teams.create_team(engine, "red")
    token = teams.issue_token(engine, "ada", "red")
    monkeypatch.delenv("LEADERBOARD_TOKEN", raising=False)
    with served(team_mode=True) as address:
        monkeypatch.setenv("LEADERBOARD_URL", address)
        yield address, lambda: monkeypatch.setenv("LEADERBOARD_TOKEN", token)


def test_who_may_not_submit_learns_it_before_the_training_and_what_is_missing(team_server, home):
    address, log_in = team_server
    with pytest.raises(UserError, match="set LEADERBOARD_TOKEN"):
        client.submit(address, "tiny", entry(home), None)
    with pytest.raises(UserError, match=r"set LEADERBOARD_TOKEN.*nothing was trained"):
        writer.require_accepting_board("tiny", None, "aaaa1111", print)
    log_in()
    writer.require_accepting_board("tiny", None, "aaaa1111", pytest.fail)
    with pytest.raises(UserError, match=r"`make data COMP=tiny SERVER=`.*nothing was trained"):
        writer.require_accepting_board("tiny", None, "bbbb2222", pytest.fail)
    assert client.submit(address, "tiny", entry(home), None)["team"] == "red"


def test_before_the_training_it_is_said_that_no_file_is_taken_now(team_server, home):
    address, log_in = team_server
    log_in()
    said: list[str] = []
    for wrong in ("a", "b", "g", "h", "ab"):
        client.submit(address, "tiny", entry(home, wrong=wrong), None)
    writer.require_accepting_board("tiny", None, "aaaa1111", said.append)
    assert "no entry is left" in said.pop()
    host.act(open_database(), prepared("tiny"), "close", "that is all", "eva")
    writer.require_accepting_board("tiny", None, "aaaa1111", said.append)
    assert "is closed and takes no files" in said.pop()


def test_a_server_that_is_down_for_now_does_not_stop_the_training(home, monkeypatch):
    monkeypatch.setattr(client.time, "sleep", lambda _: None)
    monkeypatch.setenv("LEADERBOARD_URL", "http://127.0.0.1:1")
    said: list[str] = []
    writer.require_accepting_board("tiny", "red", "aaaa1111", said.append)
    assert len(said) == 1 and "cannot be reached" in said[0] and "make score" in said[0]


def test_a_certificate_that_is_not_trusted_stops_at_once_and_says_what_to_set(server, home, monkeypatch):
    """Asked with TLS, a server without it has none; nothing heals by waiting, so no training begins either."""
    monkeypatch.setattr(client.time, "sleep", lambda _: pytest.fail("asked again"))
    monkeypatch.setenv("LEADERBOARD_URL", server.replace("http://", "https://"))
    with pytest.raises(UserError, match=r"REQUESTS_CA_BUNDLE=that file.*nothing was trained"):
        writer.require_accepting_board("tiny", None, "aaaa1111", print)


@pytest.mark.soak
def test_nothing_is_trained_on_data_that_the_server_does_not_judge(server, tmp_path_factory, monkeypatch):
    player = Home(tmp_path_factory.mktemp("player"))
    monkeypatch.setenv("LEADERBOARD_URL", server)
    code, _, err = player.run("harness", "submit", player.name, "--team", "red")
    assert code == 2 and "nothing was trained" in err and "Traceback" not in err
    assert not player.predictions()
