"""Servers inside the test's process: one in local mode, and one for the teams red and blue."""

import pytest

from leaderboard import teams
from leaderboard.database import open_database
from tests.support import tiny_board
from tests.support.board_client import client_of
from tests.support.browser import page  # noqa: F401 (pytest finds it by its name)


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
