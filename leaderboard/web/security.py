"""Security: host names, forged requests (CSRF), tokens and sessions, permissions, form limits, response headers.

The check against forged requests is that of Go's http.CrossOriginProtection: Sec-Fetch-Site, else Origin.
"""

import asyncio
import sys
import traceback
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from leaderboard.queue import Refusal
from leaderboard.teams import SESSION_HOURS, User, close_session, open_session, team_name, user_of
from leaderboard.web.hosted import Settings, settings_of
from leaderboard.web.render import page, refusal

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
WITHOUT_LOGIN = ("/login", "/static/", "/healthz", "/api/openapi.json")
COOKIE = "session"
MAX_FORM = 8 << 10  # bytes
SILENT_SECONDS = 30  # between two chunks of a body


class SecurityMiddleware:
    """Check every request, name its member, and put our headers on every answer."""

    def __init__(self, app: ASGIApp, settings: Settings):
        self.app, self.settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request, begun = Request(scope), False

        async def secured(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun, headers = True, MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault(
                    "cache-control", "max-age=3600" if scope["path"].startswith("/static/") else "no-store"
                )
            await send(message)

        try:
            refused = await self._refused(request)
            await (refused or self.app)(scope, receive, secured)
        except Exception as error:  # a bug: the server lives, and the log says where it was, without any value
            lines = "".join(traceback.format_tb(error.__traceback__)[-6:])
            print(f"{request.method} {request.url.path}: {type(error).__name__}\n{lines}", file=sys.stderr, flush=True)
            if not begun:
                sentence = "something is broken here; it is in the log of the server, and nothing was counted"
                await refusal(request, 500, sentence)(scope, receive, secured)

    async def _refused(self, request: Request) -> Response | None:
        """The answer to a request that must go no further; None where it may. Sets `request.state.member`."""
        headers = request.headers
        if not is_our_name(headers.get("host", ""), self.settings.names):
            return refusal(request, 400, "this server does not go by that name; see `--name` in docs/team-server.md")
        if request.method not in READS and is_forged(headers):
            return refusal(request, 403, "this request comes from another site; nothing was changed")
        if not self.settings.team_mode:
            request.state.member = self.settings.user
            return None
        scheme, _, value = headers.get("authorization", "").partition(" ")
        token = value.strip() if scheme.lower() == "bearer" else request.cookies.get(COOKIE)
        request.state.member = await run_in_threadpool(user_of, self.settings.engine, token) if token else None
        if request.state.member or request.url.path.startswith(WITHOUT_LOGIN):
            return None
        if request.url.path.startswith("/api/"):
            return refusal(request, 401, "a token is needed: send it as `Authorization: Bearer lb_...`")
        return RedirectResponse(f"/login?next={quote(request.url.path)}", 303)


def is_our_name(host: str, names: tuple[str, ...]) -> bool:
    """Whether a Host header names this server: another name that leads here is DNS rebinding.

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


# -- permissions -------------------------------------------------------------------------------------------------------


def own_team(request: Request) -> str | None:
    """The member's team; in local mode the user's name is the team."""
    member: User | None = request.state.member
    if member is None:
        return None
    return member.team if settings_of(request).team_mode else member.name


def may_see(request: Request, team: str) -> bool:
    """Whether the member sees what is for the team itself and the host: messages, manifests, refused files."""
    member: User | None = request.state.member
    return member is not None and (member.is_host or member.team == team)


def require_host(request: Request) -> None:
    if not request.state.member.is_host:
        raise Refusal(403, "this page is the host's")


def submitting_team(request: Request, given: str | None) -> str:
    """The team that a file belongs to: the member's own, and in local mode whichever is named."""
    own = own_team(request)
    if not settings_of(request).team_mode:
        return team_name(given or own or "")
    if own is None:
        raise Refusal(403, "a host has no team; submit with the token of a player")
    if given and team_name(given) != own:
        raise Refusal(403, f"this token is of the team {own}, not of {team_name(given)}")
    return own


# -- bodies ------------------------------------------------------------------------------------------------------------


async def body_chunks(request: Request) -> AsyncIterator[bytes]:
    """The body as it comes. Raise `Refusal` where nothing comes for half a minute."""
    stream = request.stream()
    while True:
        try:
            yield await asyncio.wait_for(anext(stream), SILENT_SECONDS)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise Refusal(408, f"nothing came for {SILENT_SECONDS} s; send the file again") from None
        except ClientDisconnect:
            raise Refusal(400, "the connection broke off before the whole file came") from None


async def read_form(request: Request) -> dict[str, list[str]]:
    """An urlencoded body of at most 8 kB."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise Refusal(400, "a form is sent as application/x-www-form-urlencoded")
    body = b""
    async for chunk in body_chunks(request):
        body += chunk
        if len(body) > MAX_FORM:
            raise Refusal(413, "this form is longer than any on this server")
    try:
        return parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=20, errors="strict")
    except ValueError:
        raise Refusal(400, "this form cannot be understood") from None


# -- logging in --------------------------------------------------------------------------------------------------------


def login_page(request: Request) -> Response:
    return page(request, "login.html", wrong=False, next=next_page(request))


async def log_in(request: Request) -> Response:
    form = await read_form(request)
    token = form.get("token", [""])[0].strip()
    opened = await run_in_threadpool(open_session, settings_of(request).engine, token)
    if opened is None:
        return page(request, "login.html", 401, wrong=True, next=next_page(request))
    response = RedirectResponse(next_page(request), 303)
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, opened[0], max_age=SESSION_HOURS * 3600, httponly=True, samesite="lax", secure=secure)
    return response


def next_page(request: Request) -> str:
    """The page to go to after the login, if it is on this server; else the home page."""
    target = request.query_params.get("next", "/")
    is_local = target.startswith("/") and not target.startswith("//") and target.isprintable() and "\\" not in target
    return target if is_local else "/"


async def log_out(request: Request) -> Response:
    if session := request.cookies.get(COOKIE):
        await run_in_threadpool(close_session, settings_of(request).engine, session)
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE)
    return response
