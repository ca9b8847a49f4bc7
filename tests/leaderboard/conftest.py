"""What every test of the leaderboard shares: a home with tiny competitions and an empty board."""

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
