"""A player's machine and a server with other data: nothing is trained that nobody would judge."""

import pytest

from tests.support.board_client import served
from tests.support.tiny_competition import Home

pytestmark = pytest.mark.soak


@pytest.fixture
def server(home):
    with served() as address:
        yield address


def test_nothing_is_trained_on_data_that_the_server_does_not_judge(server, tmp_path_factory, monkeypatch):
    player = Home(tmp_path_factory.mktemp("player"))
    monkeypatch.setenv("LEADERBOARD_URL", server)
    code, _, err = player.run("harness", "submit", player.name, "--team", "red")
    assert code == 2 and "nothing was trained" in err and "Traceback" not in err
    assert not player.predictions()
