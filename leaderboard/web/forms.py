"""What is sent from a page without JavaScript: logging in and out, the finals, the host's words."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from leaderboard import host
from leaderboard.queue import Refusal
from leaderboard.teams import close_session, open_session
from leaderboard.web.asking import asked_place, may_see, read_form, require_host, settings_of
from leaderboard.web.boards import Place
from leaderboard.web.render import page
from leaderboard.web.security import COOKIE


async def choose(request: Request) -> Response:
    """The team's finals, from the boxes that are ticked."""
    form = await read_form(request)
    name = request.path_params["team"]
    if not may_see(request, name):
        raise Refusal(403, "only the team itself chooses its finals")

    def select_them() -> Place:
        place = asked_place(request)
        host.select_finals(settings_of(request).engine, place.declared, place.data, name, form.get("final", []))
        return place

    place = await run_in_threadpool(select_them)
    return RedirectResponse(place.link("team", name), 303)


async def say(request: Request) -> Response:
    require_host(request)
    form = {name: values[0] for name, values in (await read_form(request)).items()}

    def say_it() -> Place:
        place, engine = asked_place(request), settings_of(request).engine
        if form.get("kind") == "reveal":
            host.reveal_board(engine, place.data, request.state.member.name)
        else:
            said, team = form.get("said", ""), form.get("team")
            host.act(engine, place.data, form.get("kind", ""), said, request.state.member.name, team)
        return place

    place = await run_in_threadpool(say_it)
    return RedirectResponse(place.link("host"), 303)


def look_at_login(request: Request) -> Response:
    return page(request, "login.html", wrong=False, next=asked_next(request))


async def log_in(request: Request) -> Response:
    form = await read_form(request)
    token = form.get("token", [""])[0].strip()
    opened = await run_in_threadpool(open_session, settings_of(request).engine, token)
    if opened is None:
        return page(request, "login.html", 401, wrong=True, next=asked_next(request))
    response = RedirectResponse(asked_next(request), 303)
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, opened[0], max_age=14 * 86400, httponly=True, samesite="lax", secure=secure)
    return response


def asked_next(request: Request) -> str:
    """A page of ours: whatever else is asked for is the home page."""
    asked = request.query_params.get("next", "/")
    ours = asked.startswith("/") and not asked.startswith(("//", "/\\")) and asked.isprintable() and "\\" not in asked
    return asked if ours else "/"


async def log_out(request: Request) -> Response:
    if session := request.cookies.get(COOKIE):
        await run_in_threadpool(close_session, settings_of(request).engine, session)
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE)
    return response
