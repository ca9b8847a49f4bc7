"""The fixtures of tests/leaderboard, for its slow tests."""

from tests.leaderboard.conftest import home as home
