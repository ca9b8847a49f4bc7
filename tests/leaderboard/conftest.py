"""What every test of the leaderboard shares."""

from tests.support.board_fixtures import history, home, local, made, made_once, team  # noqa: F401 (pytest finds them)
