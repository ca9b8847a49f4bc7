"""The server of the board in this process, or in a thread behind a port; files are scored at once."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from sqlalchemy import Engine
from starlette.testclient import TestClient

from leaderboard.database import open_database
from leaderboard.judge import judge
from leaderboard.teams import User
from leaderboard.web import app
from leaderboard.web.app import LOOPBACK
from leaderboard.web.hosted import Settings
from tests.support.tiny_board import entry, score_all

FILES = "/api/competitions/tiny/submissions"
OURS = {"sec-fetch-site": "same-origin"}
ROUTES = [*app.PAGES, *app.api.router.routes]


class ScoresAtOnce:
    """Stands in for the scorer process."""

    def __init__(self, engine: Engine):
        self.engine = engine

    def start(self) -> None: ...
    def stop(self) -> None: ...

    def wake(self) -> None:
        score_all(self.engine)


def settings_for(team_mode: bool = False, user: str = "ada", scores: bool = True) -> Settings:
    engine = open_database()
    return Settings(engine, team_mode, LOOPBACK, User(user, None, "host"), ScoresAtOnce(engine) if scores else None)


def client_of(team_mode: bool = False, user: str = "ada", scores: bool = True, **headers: str) -> TestClient:
    application = app.build(settings_for(team_mode, user, scores))
    return TestClient(application, base_url="http://localhost:8000", headers=headers, follow_redirects=False)


@contextmanager
def served(team_mode: bool = False) -> Iterator[str]:
    """The address of a server in a thread."""
    config = uvicorn.Config(app.build(settings_for(team_mode)), port=0, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def submit(client: TestClient, home: Path, wrong: str = "", query: str = "", **headers: str) -> Any:
    """The answer to a file that is right but for the ids in `wrong`."""
    return client.post(f"{FILES}?name=mine.csv{query}", content=entry(home, wrong).read_bytes(), headers=headers)


def some_teams(home: Path) -> None:
    """Give the board the entries of three teams; red, which is ahead, has two."""
    for name, wrong in (("red", ""), ("blue", "a"), ("green", "bc"), ("red", "d")):
        judge("tiny", entry(home, wrong, manifest={"cv": {"score": 0.8}}), name)
