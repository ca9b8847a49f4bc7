"""Fixtures of the leaderboard's tests: a home with tiny competitions and an empty board, or one with a history."""

import shutil
import sys

import pytest

import competitions
from leaderboard import teams
from leaderboard.database import open_database
from tests.support import tiny_board
from tests.support.served import client_of


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A repository with the competitions `tiny` and `darts`, prepared, and an empty board."""
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setattr(competitions, "__path__", [str(tmp_path / "competitions")])
    for name in [name for name in sys.modules if name.startswith(("competitions.tiny", "competitions.darts"))]:
        monkeypatch.delitem(sys.modules, name)
    return tiny_board.make(tmp_path)


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Homes that several tests begin with, by what made them."""
    return tmp_path_factory.mktemp("made"), {}


@pytest.fixture
def made_once(home, made):
    """Leave in `home` what a function makes there; made once, and copied for every other test."""

    def begin_with(make):
        folder, known = made
        if make in known:
            shutil.copytree(known[make], home, dirs_exist_ok=True)
        else:
            make(home)
            known[make] = shutil.copytree(home, folder / str(len(known)))
        return home

    return begin_with


@pytest.fixture
def history(made_once):
    return made_once(tiny_board.everything_happens)


@pytest.fixture
def local(home):
    """A client of a server without login, with a sample submission beside the data."""
    public = home / "data" / "tiny" / "aaaa1111" / "public"
    public.mkdir()
    rows = "\n".join(f"{name},0" for name in tiny_board.IDS)
    (public / "sample_submission.csv").write_text(f"id,value\n{rows}\n")
    with client_of() as client:
        yield client


@pytest.fixture
def team(home):
    """A client of a team server; `tokens` has the header of a player of red, of blue, and of the host."""
    engine = open_database()
    tokens = {}
    for name in ("red", "blue"):
        teams.create_team(engine, name)
        tokens[name] = {"authorization": f"Bearer {teams.issue_token(engine, f'of {name}', name)}"}
    tokens["host"] = {"authorization": f"Bearer {teams.issue_token(engine, 'eva', None, 'host')}"}
    with client_of(team_mode=True) as client:
        client.tokens = tokens
        yield client
