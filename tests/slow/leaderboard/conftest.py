"""What the slow tests of the leaderboard share."""

from tests.support.board_fixtures import history, home, local, made, made_once, team  # noqa: F401 (pytest finds them)
