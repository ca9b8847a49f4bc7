"""The server's table of contents: every address, and what stands around them. `serve` is `make serve`."""

import getpass
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio.to_thread import current_default_thread_limiter
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from harness.errors import UserError
from leaderboard import queue
from leaderboard.database import open_database, shown
from leaderboard.teams import User
from leaderboard.web import api, bundles, entry_pages, errors, forms, pages
from leaderboard.web.security import Guard
from leaderboard.web.settings import HERE, LOOPBACK, THREADS, Settings
from leaderboard.web.watch import Scorer

ONE = "/c/{competition}"
API = "/api/competitions/{competition}"
ROUTES = [
    Route("/", pages.home),
    Route("/login", forms.look_at_login),
    Route("/login", forms.log_in, methods=["POST"]),
    Route("/logout", forms.log_out, methods=["POST"]),
    Route("/healthz", pages.healthy),
    Route(ONE, pages.board),
    Route(f"{ONE}/shake-up", pages.shake_up),
    Route(f"{ONE}/rules", pages.rules),
    Route(f"{ONE}/submit", pages.submit),
    Route(f"{ONE}/host", pages.look_at_host),
    Route(f"{ONE}/host", forms.say, methods=["POST"]),
    Route(f"{ONE}/sample_submission.csv", pages.sample),
    Route(f"{ONE}/team/{{team:path}}/finals", forms.choose, methods=["POST"]),
    Route(f"{ONE}/team/{{team:path}}", entry_pages.team),
    Route(f"{ONE}/entry/{{number:int}}", entry_pages.entry),
    Route(f"{ONE}/file/{{number:int}}", pages.job),
    Route("/api/openapi.json", api.document),
    Route("/api/me", api.me),
    Route("/api/competitions", api.competitions),
    Route(API, api.competition),
    Route(f"{API}/board", api.board),
    Route(f"{API}/board.csv", api.board_csv),
    Route(f"{API}/trust", api.trust),
    Route(f"{API}/submissions", api.submissions),
    Route(f"{API}/submissions", api.submit, methods=["POST"]),
    Route(f"{API}/submissions/{{number:int}}", api.submission),
    Route(f"{API}/finals", api.choice),
    Route(f"{API}/finals", api.choose, methods=["PUT"]),
    Route(f"{API}/data", api.data),
    Route(f"{API}/data/{{path:path}}", api.data_file),
    Route(f"{API}/bundles", bundles.listed),
    Route(f"{API}/bundles/{{sha256}}", bundles.fetched),
    Route(f"{API}/bundles/{{sha256}}", bundles.shared, methods=["PUT"]),
    Mount("/static", StaticFiles(directory=HERE / "static")),
]


def build(settings: Settings) -> Starlette:
    """The application; its scorer lives as long as it does."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        current_default_thread_limiter().total_tokens = THREADS
        queue.sweep(settings.engine)
        if settings.scorer:
            settings.scorer.start()
        try:
            yield
        finally:
            if settings.scorer:
                settings.scorer.stop()
            settings.engine.dispose()

    app = Starlette(
        routes=ROUTES,
        middleware=[Middleware(Guard, settings)],
        exception_handlers=errors.HANDLERS,
        lifespan=lifespan,
    )
    app.state.settings = settings
    return app


def serve(port: int, host: str, team_mode: bool, names: list[str]) -> None:
    """Until Ctrl-C. Raise `UserError` where this would open the door to everybody."""
    import scipy.special  # noqa: F401 (else the first board loads it, and everybody waits)
    import uvicorn

    if not team_mode and host not in ("127.0.0.1", "::1", "localhost"):
        raise UserError(
            f"--host {host} would let everybody in, for without --team-mode nobody logs in; "
            "add --team-mode, or leave --host at 127.0.0.1"
        )
    require_free_port(host, port)
    engine = open_database()
    reached = (*LOOPBACK, *names) if names or not team_mode else ()
    settings = Settings(engine, team_mode, reached, User(_user(), None, "host"), Scorer())
    mode = "team mode: everybody logs in with a token" if team_mode else "local mode: you alone, without a login"
    print(f"http://{host}:{port}  ({mode}; the board is in {shown(engine)})", file=sys.stderr, flush=True)
    uvicorn.run(
        build(settings),
        host=host,
        port=port,
        log_level="warning",
        server_header=False,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=10,
    )


def require_free_port(host: str, port: int) -> None:
    """Raise `UserError` where the server cannot listen."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as asked:
        asked.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            asked.bind((host, port))
        except OSError as error:
            raise UserError(f"{host}:{port} cannot be listened at ({error.strerror}); give another --port") from error


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "you"
