"""The door: which host is asked for, who asks, whether a form comes from our own page; and headers on every answer.

The algorithm against forged requests is that of Go's http.CrossOriginProtection: Sec-Fetch-Site, else Origin.
"""

import sys
import traceback
from urllib.parse import quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from leaderboard.teams import who
from leaderboard.web.errors import answer
from leaderboard.web.settings import Settings

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
READS = ("GET", "HEAD", "OPTIONS")
OPEN = ("/login", "/static/", "/healthz", "/api/openapi.json")
COOKIE = "session"
BROKEN = "something is broken here; it is in the log of the server, and nothing was counted"


class Guard:
    """ASGI middleware around everything."""

    def __init__(self, app: ASGIApp, settings: Settings):
        self.app, self.settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        guarded, request = _Guarded(send, scope["path"]), Request(scope)
        try:
            stopped = await self._stopped(request)
            await (stopped or self.app)(scope, receive, guarded.send)
        except Exception as error:  # a bug: the server lives, and what went wrong is in the log without any value
            places = "".join(traceback.format_tb(error.__traceback__)[-6:])
            print(f"{request.method} {request.url.path}: {type(error).__name__}\n{places}", file=sys.stderr, flush=True)
            if not guarded.begun:
                await answer(request, 500, BROKEN)(scope, receive, guarded.send)

    async def _stopped(self, request: Request) -> Response | None:
        """The answer to a request that must go no further; None where it may. Says to the others who asks."""
        headers = request.headers
        if not is_our_name(headers.get("host", ""), self.settings.names):
            return answer(request, 400, "this server does not go by that name; see `--name` in docs/team-server.md")
        if request.method not in READS and is_forged(headers):
            return answer(request, 403, "this request comes from another site; nothing was changed")
        if not self.settings.team_mode:
            request.scope.setdefault("state", {})["member"] = self.settings.user
            return None
        token = _token(request)
        member = await run_in_threadpool(who, self.settings.engine, token) if token else None
        request.scope.setdefault("state", {})["member"] = member
        if member or request.url.path.startswith(OPEN):
            return None
        if request.url.path.startswith("/api/"):
            return answer(request, 401, "a token is needed: send it as `Authorization: Bearer lb_...`")
        return RedirectResponse(f"/login?next={quote(request.url.path)}", 303)


def is_our_name(host: str, names: tuple[str, ...]) -> bool:
    """Another name that leads here is another site's trick (DNS rebinding).

    >>> is_our_name("localhost:8000", ("localhost",)), is_our_name("evil.example", ("localhost",)), is_our_name("", ())
    (True, False, False)
    """
    name = host.lower()
    if not name.endswith("]") and name.rpartition(":")[2].isdigit():
        name = name.rpartition(":")[0]
    return bool(name) and (not names or name in names)


def is_forged(headers: Headers) -> bool:
    """Whether a request that changes something was made by the page of another site."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        return site not in ("same-origin", "none")
    return origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower()


def _token(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else request.cookies.get(COOKIE)


class _Guarded:
    """Sends on, with our headers. begun: whether an answer is on its way."""

    def __init__(self, send: Send, path: str):
        self._send, self.begun = send, False
        self.keep = "max-age=3600" if path.startswith("/static/") else "no-store"

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            headers.setdefault("cache-control", self.keep)
        await self._send(message)
