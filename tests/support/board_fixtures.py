"""Fixtures of the leaderboard's tests: a home with tiny competitions and an empty board, or one with a history."""

import shutil
import sys

import pytest

import competitions
from tests.support import tiny_board


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
