"""The server: its routes, its errors and its scorer process. `serve` is `make serve`."""

import getpass
import os
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from harness.errors import InvalidSubmission, UserError
from leaderboard import queue
from leaderboard.database import open_database, shown
from leaderboard.queue import Refusal
from leaderboard.teams import User
from leaderboard.web import api, pages, security, team_pages
from leaderboard.web.hosted import HERE, Settings
from leaderboard.web.render import refusal
from leaderboard.web.security import SecurityMiddleware

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
THREADS = 6  # Python runs one at a time: forty, anyio's number, only make each other wait
POLL_SECONDS = 0.5  # between two checks that the scorer lives
ONE = "/c/{competition}"
PAGES = [
    Route("/", pages.home),
    Route("/login", security.login_page),
    Route("/login", security.log_in, methods=["POST"]),
    Route("/logout", security.log_out, methods=["POST"]),
    Route("/healthz", pages.healthy),
    Route(ONE, pages.board),
    Route(f"{ONE}/shake-up", pages.shake_up),
    Route(f"{ONE}/rules", pages.rules),
    Route(f"{ONE}/submit", pages.submit),
    Route(f"{ONE}/host", pages.host_page),
    Route(f"{ONE}/host", pages.act_as_host, methods=["POST"]),
    Route(f"{ONE}/sample_submission.csv", pages.sample),
    Route(f"{ONE}/team/{{team:path}}/finals", team_pages.choose_finals, methods=["POST"]),
    Route(f"{ONE}/team/{{team:path}}", team_pages.team),
    Route(f"{ONE}/entry/{{number:int}}", team_pages.entry),
    Route(f"{ONE}/file/{{number:int}}", team_pages.file),
    Mount("/static", StaticFiles(directory=HERE / "static")),
]
SENTENCES = {
    400: "this request cannot be understood",
    403: "this page is not for you",
    404: "there is nothing here",
    405: "this address does not take this method",
    413: "this request is too large",
}


def build(settings: Settings) -> FastAPI:
    """The application; its scorer lives as long as it does."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
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

    app = FastAPI(
        title="Leaderboard",
        version="1",
        description="Who is ahead, and whether the lead means anything.",
        routes=list(PAGES),
        middleware=[Middleware(SecurityMiddleware, settings)],
        exception_handlers={
            UserError: user_error,
            RequestValidationError: invalid_request,
            HTTPException: http_error,
        },
        lifespan=lifespan,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.include_router(api.router)
    app.state.settings = settings
    return app


# -- errors ------------------------------------------------------------------------------------------------------------


async def user_error(request: Request, error: UserError) -> Response:
    status = 422 if isinstance(error, InvalidSubmission) else 400
    return refusal(request, error.status if isinstance(error, Refusal) else status, str(error))


async def invalid_request(request: Request, error: RequestValidationError) -> Response:
    """A parameter of the API that its description does not allow."""
    first = error.errors()[0]
    where, name = first["loc"][0], first["loc"][-1]
    if where == "path":
        return refusal(request, 404, SENTENCES[404])
    if first["type"] == "missing":
        return refusal(request, 422, f"{name}= is missing in the address")
    reason = first["msg"][0].lower() + first["msg"][1:]
    return refusal(request, 400, f"{name}={str(first['input'])[:40]!r} cannot be understood: {reason}")


async def http_error(request: Request, error: HTTPException) -> Response:
    """Answer what Starlette raises: no such page, no such method."""
    response = refusal(request, error.status_code, SENTENCES.get(error.status_code, str(error.detail)))
    response.headers.update(error.headers or {})
    return response


# -- serving -----------------------------------------------------------------------------------------------------------


def serve(port: int, host: str, team_mode: bool, names: list[str]) -> None:
    """Serve until Ctrl-C. Raise `UserError` where everybody could get in, or where the port is taken."""
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
    settings = Settings(engine, team_mode, reached, User(_user(), None, "host"), ScorerProcess())
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
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UserError(f"cannot listen at {host}:{port} ({error.strerror}); give another --port") from error


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "you"


class ScorerProcess:
    """One scorer process, started again when it dies. `wake` makes it look for a new file now, not within a second."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.ending = threading.Event()
        self.watcher: threading.Thread | None = None

    def start(self) -> None:
        self.ending.clear()
        self._launch()
        self.watcher = threading.Thread(target=self._watch, daemon=True)
        self.watcher.start()

    def stop(self) -> None:
        """End the process. The next scorer scores the file that this one was working on."""
        self.ending.set()
        if self.process and self.process.stdin:
            self.process.stdin.close()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.watcher:
            self.watcher.join(2)

    def wake(self) -> None:
        process = self.process
        if process and process.stdin and not process.stdin.closed:
            try:
                os.write(process.stdin.fileno(), b"\n")
            except (BrokenPipeError, BlockingIOError):
                return  # dead, and being replaced; or awake already

    def _launch(self) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        importable = (str(Path(__file__).resolve().parents[2]), environment.get("PYTHONPATH"))
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, importable))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "leaderboard.scorer"], stdin=subprocess.PIPE, env=environment
        )
        assert self.process.stdin
        os.set_blocking(self.process.stdin.fileno(), False)

    def _watch(self) -> None:
        while not self.ending.wait(POLL_SECONDS):
            if self.process and self.process.poll() is not None:
                print(f"the scorer ended with code {self.process.returncode}; a new one begins", file=sys.stderr)
                self._launch()
