"""Who asks, where, and what for: what all addresses want to know of a request."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect, Request

from leaderboard.queue import Refusal
from leaderboard.teams import User, team_name
from leaderboard.web.boards import Place, find_place
from leaderboard.web.settings import MOST_OF_A_FORM, SILENT_SECONDS, Settings


def settings_of(request: Request) -> Settings:
    return request.app.state.settings


def asked_place(request: Request) -> Place:
    return find_place(request.path_params["competition"], request.query_params.get("data"))


def own_team(request: Request) -> str | None:
    """Of the member who asks; in local mode the user's name is the team."""
    member: User | None = request.state.member
    if member is None:
        return None
    return member.team if settings_of(request).team_mode else member.name


def may_see(request: Request, team: str) -> bool:
    """What is only for the team itself and the host: messages, cards, files that were refused."""
    member: User | None = request.state.member
    return member is not None and (member.is_host or member.team == team)


def require_host(request: Request) -> None:
    if not request.state.member.is_host:
        raise Refusal(403, "this page is the host's")


def known_team(request: Request, given: str | None) -> str:
    """Whose file this is: the member's own team, and in local mode whichever is named."""
    own = own_team(request)
    if not settings_of(request).team_mode:
        return team_name(given or own or "")
    if own is None:
        raise Refusal(403, "a host has no team; hand in with the token of a player")
    if given and team_name(given) != own:
        raise Refusal(403, f"this token is of the team {own}, not of {team_name(given)}")
    return own


async def read_form(request: Request) -> dict[str, list[str]]:
    """Of an urlencoded body of at most 8 kB."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise Refusal(400, "a form is sent as application/x-www-form-urlencoded")
    body = b""
    async for piece in pieces(request):
        body += piece
        if len(body) > MOST_OF_A_FORM:
            raise Refusal(413, "this form is longer than any of ours")
    try:
        return parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=20, errors="strict")
    except ValueError:
        raise Refusal(400, "this form cannot be understood") from None


async def pieces(request: Request) -> AsyncIterator[bytes]:
    """The body as it comes; whoever says nothing for half a minute is cut off."""
    stream = request.stream()
    while True:
        try:
            yield await asyncio.wait_for(anext(stream), SILENT_SECONDS)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise Refusal(408, f"nothing came for {SILENT_SECONDS} s; send the file again") from None
        except ClientDisconnect:
            raise Refusal(400, "the connection broke off before all of the file was here") from None
