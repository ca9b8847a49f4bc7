"""The server of the board in this process, whose files are scored at once instead of by a scorer process."""

from typing import Any

from starlette.testclient import TestClient

from leaderboard import queue, scorer
from leaderboard.database import open_database
from leaderboard.teams import User
from leaderboard.web import app
from leaderboard.web.settings import LOOPBACK, Settings

OURS = {"sec-fetch-site": "same-origin"}


class ScoresAtOnce:
    """Stands in for the scorer process."""

    def __init__(self, engine: Any):
        self.engine = engine

    def start(self) -> None: ...
    def stop(self) -> None: ...

    def wake(self) -> None:
        while job := queue.claim(self.engine, "here"):
            scorer.work(self.engine, "here", job)


def client_of(
    team_mode: bool = False, names: tuple = LOOPBACK, user: str = "ada", scores: bool = True, **headers: str
) -> TestClient:
    engine = open_database()
    at_once: Any = ScoresAtOnce(engine) if scores else None
    settings = Settings(engine, team_mode, names, User(user, None, "host"), at_once)
    application = app.build(settings)
    return TestClient(application, base_url="http://localhost:8000", headers=headers, follow_redirects=False)
