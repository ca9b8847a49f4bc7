"""`make new FROM=kaggle:<name>`: the official client against a server on this machine that plays Kaggle."""

import io
import socket
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.data import downloads
from harness.errors import UserError
from harness.new_competition import create_from, folder_of
from harness.new_competition.host_files import Options
from tests.new_competition import hosts_tables
from tests.support.fake_kaggle import SLUG, FakeKaggle


@pytest.fixture
def fake(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKaggle]:
    """Credentials, a server that plays api.kaggle.com, and no competitions here."""
    from kagglesdk import kaggle_env

    import competitions

    for name in ("KAGGLE_API_TOKEN", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    settings = {"HOME": own_home, "KAGGLE_CONFIG_DIR": own_home / "none", "NO_PROXY": "*"}
    for name, value in (settings | {"KAGGLE_USERNAME": "ada", "KAGGLE_KEY": "secret"}).items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # the client waits a minute in all between its attempts
    (own_home / "competitions").mkdir()
    monkeypatch.setattr(competitions, "__path__", [str(own_home / "competitions")])
    with FakeKaggle() as server:
        monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, server.address)
        yield server
        server.shutdown()


@pytest.fixture
def archive(tmp_path: Path) -> bytes:
    """Kaggle's zip of titanic, with a zip in it, as many competitions have one."""
    hosts_tables.titanic(tmp_path / "host")
    out, inner = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(inner, "w") as packed:
        packed.write(tmp_path / "host" / "test.csv", "test.csv")
    with zipfile.ZipFile(out, "w") as packed:
        for name in ("train.csv", "gender_submission.csv"):
            packed.write(tmp_path / "host" / name, name)
        packed.writestr("test.csv.zip", inner.getvalue())
    return out.getvalue()


def make(origin: str, lines: list[str] | None = None) -> dict:
    return create_from("it", origin, Options("accuracy"), (lines if lines is not None else []).append)


@pytest.mark.parametrize("origin", [f"kaggle:{SLUG}", f"https://www.kaggle.com/competitions/{SLUG}/data"])
def test_a_competition_comes_from_kaggle_and_is_declared_to_come_from_there(
    origin: str, fake: FakeKaggle, archive: bytes, own_home: Path
) -> None:
    fake.archive = archive
    made = make(origin)
    raw = own_home / "data" / "it" / "raw"
    assert sorted(path.name for path in raw.iterdir()) == [".from", "gender_submission.csv", "test.csv", "train.csv"]
    assert [path.name for path in raw.parent.iterdir()] == ["raw"]
    source = (own_home / "competitions" / "it" / "competition.py").read_text()
    assert f'Kaggle("{SLUG}")' in source
    assert made["next"] == "make submit COMP=it"
    assert fake.calls == ["DownloadDataFiles", "/store/archive.zip?signed=1"]


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (401, "does not accept the credentials.* FROM=toy-cup.zip"),
        (403, "accept its rules at https://www.kaggle.com/c/toy-cup/rules, or download the zip"),
        (404, "knows no competition 'toy-cup'; correct the name"),
        (503, "refuses toy-cup .*try again later"),
    ],
)
def test_a_refusal_is_one_sentence_and_leaves_nothing(status: int, why: str, fake: FakeKaggle, own_home: Path) -> None:
    fake.refusals["DownloadDataFiles"] = (status, "no")
    with pytest.raises(UserError, match=why) as refused:
        make(f"kaggle:{SLUG}")
    assert "\n" not in str(refused.value)
    assert list((own_home / "data" / "it").iterdir()) == [] and not folder_of("it").exists()


def test_without_credentials_kaggle_is_not_asked(
    fake: FakeKaggle, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(UserError, match=r"FROM=kaggle:toy-cup needs .*access_token, or download .*FROM=toy-cup\.zip"):
        make(f"kaggle:{SLUG}")
    assert fake.calls == [] and capfd.readouterr().out == ""


@pytest.mark.parametrize("slug", ["", "toy cup", "../toy"])
def test_a_name_that_is_none_is_refused(slug: str, fake: FakeKaggle) -> None:
    with pytest.raises(UserError, match="names no competition; the last part of its address is right"):
        make(f"kaggle:{slug}")
    assert fake.calls == []


def test_a_server_that_never_answers_is_given_up(fake: FakeKaggle, monkeypatch: pytest.MonkeyPatch) -> None:
    from kagglesdk import kaggle_env

    monkeypatch.setattr(downloads, "SILENT_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, address)
        with pytest.raises(UserError, match="could not be reached, or the download of toy-cup broke off"):
            make(f"kaggle:{SLUG}")
