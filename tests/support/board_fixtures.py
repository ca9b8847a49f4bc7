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


@pytest.fixture
def history(home, tmp_path_factory):
    """A home with the board of `tiny_board.everything_happens`, which is made once and copied for every other test."""
    made = tmp_path_factory.getbasetemp() / "history"
    if made.exists():
        shutil.copytree(made, home, dirs_exist_ok=True)
    else:
        tiny_board.everything_happens(home)
        shutil.copytree(home, made)
    return home
