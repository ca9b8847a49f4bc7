"""What every test of the leaderboard shares."""

from tests.support.board_fixtures import history, home  # noqa: F401 (pytest finds them by name)
