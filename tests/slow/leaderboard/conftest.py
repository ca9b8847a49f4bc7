"""What the slow tests of the leaderboard share."""

from tests.support.board_fixtures import history, home  # noqa: F401 (pytest finds them by name)
from tests.support.browser import page  # noqa: F401
