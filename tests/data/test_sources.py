"""Where raw files come from: what is tried, what is refused, and what an interruption leaves. All on this machine."""

import hashlib
import importlib
import io
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from harness.data.downloads import unzip
from harness.data.sources import File, Found, Kaggle, MadeSample, Url, locate
from harness.errors import UserError

CONTENT = b"tiles" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NOWHERE = "http://127.0.0.1:9/tiles.npz"  # the discard port: nothing listens


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty repository on a machine without Kaggle credentials and proxies; returns the folder of "toy"'s data."""
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "*")
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_CONFIG_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "data" / "toy"


Answer = tuple[int, dict[str, str], bytes]  # status, headers, body


@pytest.fixture
def serve() -> Iterator[Callable[[dict[str, Answer]], str]]:
    """Start a server that answers with these, by path; returns its address."""
    servers = []

    def start(answers: dict[str, Answer]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, headers, body = answers[self.path]
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(body))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *args: object) -> None:
                """Nothing."""

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def make_sample(folder: Path) -> None:
    (folder / "tiles.npz").write_bytes(b"made")


def left_in(folder: Path) -> list[str]:
    """Visible and hidden names, but for the waiting room of downloads."""
    return sorted(path.name for path in folder.glob("*") if path.name != ".download")


# -- files and samples -------------------------------------------------------------------------------------------------


def test_without_files_a_sample_is_made_and_again_when_the_code_of_its_maker_changes(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for content in ("first", "first", "second"):
        (tmp_path / "toymaker.py").write_text(f"def make(folder):\n    (folder / {content!r}).touch()\n")
        sys.modules.pop("toymaker", None)
        made = MadeSample(importlib.import_module("toymaker").make)
        assert locate("toy", (File("tiles.npz"), Kaggle("toy-cup"), made)) == Found("sample", home / "sample")
        assert (home / "sample" / content).exists()
        if content == "first":
            (home / "sample" / "kept").touch()
    assert left_in(home / "sample") == [".source.json", "second"]
    sys.modules.pop("toymaker")
    (home / "raw").mkdir()
    (home / "raw" / "tiles.npz").touch()  # files that are there come before everything else
    assert locate("toy", (File("tiles.npz"), made)) == Found("files", home / "raw")


def test_a_sample_whose_maker_fails_leaves_nothing_behind(home: Path) -> None:
    def broken(folder: Path) -> None:
        (folder / "half").touch()
        raise MemoryError

    with pytest.raises(MemoryError):
        locate("toy", (MadeSample(broken),))
    assert left_in(home) == []


def test_a_given_folder_allows_no_other_source(home: Path, tmp_path: Path) -> None:
    sources = (File("train.npz", "test.npz"), File("all.npz"), MadeSample(make_sample))
    given = tmp_path / "mine"
    with pytest.raises(UserError, match=r"DATA=.*mine is not a folder"):
        locate("toy", sources, given)
    given.mkdir()
    (given / "train.npz").touch()
    with pytest.raises(UserError, match=r"mine lacks test\.npz; it should hold train\.npz and test\.npz; or all\.npz"):
        locate("toy", sources, given)
    (given / "all.npz").touch()
    assert locate("toy", sources, given) == Found("files", given)
    with pytest.raises(UserError, match="declares no files"):
        locate("toy", sources[2:], given)


def test_without_any_source_the_folder_to_fill_is_named(home: Path) -> None:
    with pytest.raises(UserError, match=r"no data for toy: .* data/toy/raw, .* DATA="):
        locate("toy", (File("tiles.npz"), Kaggle("toy-cup")))


# -- a web address -----------------------------------------------------------------------------------------------------


def test_a_download_with_the_right_hash_takes_the_place_of_raw(home: Path, serve: Callable) -> None:
    source = Url(serve({"/a/tiles.npz": (200, {}, CONTENT)}) + "/a/tiles.npz", SHA256)
    assert locate("toy", (source,)) == Found("url", home / "raw")
    assert (home / "raw" / "tiles.npz").read_bytes() == CONTENT
    assert left_in(home) == ["raw"]
    # and is not asked for again, nor taken for a person's own file
    assert locate("toy", (File("tiles.npz"), Url(NOWHERE, SHA256))) == Found("url", home / "raw")


@pytest.mark.parametrize(
    ("answer", "pattern"),
    [
        ((200, {}, b"other"), f"{SHA256}.*{hashlib.sha256(b'other').hexdigest()}"),
        ((200, {"Content-Length": "9999"}, CONTENT), r"the download of .*/tiles\.npz broke off"),
        ((404, {}, b""), r"404 .*/tiles\.npz"),
    ],
    ids=["a wrong hash", "broken off", "gone"],
)
def test_what_is_wrong_with_a_download_is_said_no_sample_is_used_and_no_file_left(
    home: Path, serve: Callable, answer: Any, pattern: str
) -> None:
    address = serve({"/tiles.npz": answer})
    with pytest.raises(UserError, match=pattern):
        locate("toy", (Url(address + "/tiles.npz", SHA256), MadeSample(make_sample)))
    assert left_in(home) == []


def test_without_a_connection_the_next_source_is_used_and_the_reason_printed(
    home: Path, capsys: pytest.CaptureFixture
) -> None:
    assert locate("toy", (Url(NOWHERE, SHA256), MadeSample(make_sample))).kind == "sample"
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "127.0.0.1:9/tiles.npz cannot be reached" in printed.err
    with pytest.raises(UserError, match=r"cannot be reached; .*DATA="):  # without another source
        locate("toy", (Url(NOWHERE, SHA256),))


def test_a_persons_own_files_in_raw_are_never_replaced_and_a_changed_one_is_refused(home: Path) -> None:
    (home / "raw").mkdir(parents=True)
    (home / "raw" / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match=r"data/toy/raw holds notes\.txt, but not all that toy needs"):
        locate("toy", (Url(NOWHERE, SHA256),))
    (home / "raw" / "tiles.npz").write_bytes(b"other")
    with pytest.raises(UserError, match=f"has the sha256 {hashlib.sha256(b'other').hexdigest()}, but {SHA256}"):
        locate("toy", (Url(NOWHERE, SHA256),))
    assert left_in(home / "raw") == ["notes.txt", "tiles.npz"]


# -- Kaggle, its own client against a server on this machine -----------------------------------------------------------

CALL = "/v1/competitions.CompetitionApiService/DownloadDataFiles"


@pytest.fixture
def kaggle(home: Path, serve: Callable, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Answer]], None]:
    """Credentials, and a server that plays api.kaggle.com with these answers."""
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(home.parent / "no kaggle.json"))
    monkeypatch.setenv("KAGGLE_USERNAME", "ada")
    monkeypatch.setenv("KAGGLE_KEY", "secret")
    from kagglesdk import kaggle_env

    monkeypatch.setattr("time.sleep", lambda seconds: None)  # the client waits a minute in all between its attempts

    def play(answers: dict[str, Answer]) -> None:
        monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, serve(answers))

    return play


def archive(*names: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name in names:
            file.writestr(name, f"content of {name}")
    return packed.getvalue()


def delivered(body: bytes, **headers: str) -> dict[str, Answer]:
    """As Kaggle does it: the call is answered with the address of an archive."""
    return {CALL: (302, {"Location": "/store/archive.zip"}, b""), "/store/archive.zip": (200, headers, body)}


def test_a_kaggle_competition_is_unpacked_into_raw_and_remembered(
    home: Path, kaggle: Callable, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    kaggle(delivered(archive("train.npz", "more/test.npz")))
    sources = (File("train.npz"), Kaggle("toy-cup"), MadeSample(make_sample))
    assert locate("toy", sources) == Found("kaggle", home / "raw")
    assert (home / "raw" / "more" / "test.npz").read_text() == "content of more/test.npz"
    assert left_in(home) == ["raw"]
    assert capsys.readouterr().out == ""
    monkeypatch.delenv("KAGGLE_KEY")  # later without credentials, and found by its file: it still came from Kaggle
    assert locate("toy", sources) == locate("toy", sources[1:]) == Found("kaggle", home / "raw")


@pytest.mark.parametrize(
    ("status", "pattern"),
    [(401, "settings, or give"), (403, "toy-cup/rules"), (404, "'toy-cup'"), (503, "503 .*later")],
)
def test_a_refusal_of_kaggle_says_what_to_do_and_no_sample_is_used(
    home: Path, kaggle: Callable, status: int, pattern: str
) -> None:
    kaggle({CALL: (status, {}, b"")})
    with pytest.raises(UserError, match=pattern):
        locate("toy", (File("train.npz"), Kaggle("toy-cup"), MadeSample(make_sample)))
    assert left_in(home) == []


def test_a_cut_off_kaggle_download_leaves_raw_untouched_and_the_next_one_succeeds(home: Path, kaggle: Callable) -> None:
    body = archive("train.npz")
    kaggle(delivered(body, **{"Content-Length": str(len(body) + 9)}))
    with pytest.raises(UserError, match=r"the download of toy-cup broke off .*; run the same command again to go on"):
        locate("toy", (Kaggle("toy-cup"), MadeSample(make_sample)))
    assert left_in(home) == []
    kaggle(delivered(body))
    assert locate("toy", (Kaggle("toy-cup"),)).kind == "kaggle"
    assert (home / "raw" / "train.npz").read_text() == "content of train.npz"


def test_credentials_without_a_network_or_of_no_use_are_an_error_not_an_exit(
    home: Path, kaggle: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = (Kaggle("toy-cup"), MadeSample(make_sample))
    from kagglesdk import kaggle_env

    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, "http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"could not be reached.*remove the credentials.*DATA="):
        locate("toy", sources)
    for name in ("KAGGLE_CONFIG_DIR", "KAGGLE_USERNAME", "KAGGLE_KEY"):
        monkeypatch.delenv(name)
    own = Path.home() / ".kaggle"
    own.mkdir()
    (own / "kaggle.json").write_text("{}")
    with pytest.raises(UserError, match="credentials are incomplete or expired"):
        locate("toy", sources)


def test_an_archive_that_would_write_outside_its_folder_or_is_none_is_refused_as_a_whole(tmp_path: Path) -> None:
    file, folder = tmp_path / "a.zip", tmp_path / "files"
    folder.mkdir()
    for content, pattern in ((archive("good.txt", "../evil.txt"), r"'\.\./evil\.txt'"), (b"<html>", "damaged")):
        file.write_bytes(content)
        with pytest.raises(UserError, match=rf"a\.zip is .*{pattern}"):
            unzip(file, folder)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.zip", "files"]
