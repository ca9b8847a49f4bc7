"""The pages of a competition: home, board, shake-up, rules, submit, host; those of teams are in team_pages.py."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response

from harness import paths
from leaderboard import host
from leaderboard.board import Row
from leaderboard.cli.text import notes, standing
from leaderboard.database import now, reading
from leaderboard.queue import Refusal
from leaderboard.web import board_charts
from leaderboard.web.api import quota_of
from leaderboard.web.hosted import BoardView, HostedCompetition, hosted_of, list_hosted, settings_of, view_of
from leaderboard.web.render import file_format, page
from leaderboard.web.security import own_team, read_form, require_host

PAGE_ROWS = 100


def home(request: Request) -> Response:
    return page(request, "home.html", views=[view_of(request, hosted) for hosted in list_hosted()])


def healthy(request: Request) -> Response:
    with reading(settings_of(request).engine) as connection:
        connection.execute(select(1))
    return PlainTextResponse("ok\n")


def board_page(request: Request, template: str, view: BoardView, **content: Any) -> Response:
    """A page below a board's heading. own: the team of the member who looks at it."""
    own = own_team(request)
    return page(request, template, view=view, hosted=view.hosted, board=view.board, own=own, **content)


def one_page(request: Request, rows: Sequence[Any]) -> dict[str, Any]:
    """The rows on the requested page, and what the links to the others need: {rows, total, first, per_page}."""
    wanted, last = request.query_params.get("page", "1"), max(1, -(-len(rows) // PAGE_ROWS))
    if not (wanted.isascii() and wanted.isdigit() and len(wanted) < 9) or not 1 <= int(wanted) <= last:
        raise Refusal(404, f"there is no page {wanted[:20]!r}; there are 1 to {last}")
    first = PAGE_ROWS * (int(wanted) - 1)
    return {"rows": rows[first : first + PAGE_ROWS], "total": len(rows), "first": first, "per_page": PAGE_ROWS}


# -- the ranking -------------------------------------------------------------------------------------------------------

COLUMNS = {  # of the board's table: the attribute of its rows, and whether a first click sorts down
    "rank": ("rank", False),
    "team": ("team", False),
    "score": ("score", True),
    "private": ("private", True),
    "cv": ("cv", True),
    "gap": ("gap", False),
    "entries": ("entries", True),
    "time": ("submitted_at", True),
    "moved": ("moved", True),
}


def board(request: Request) -> Response:
    view, sort = view_of(request), request.query_params.get("sort", "rank")
    if sort not in COLUMNS:
        raise Refusal(400, f"the table cannot be sorted by {sort[:40]!r}; it can by {', '.join(COLUMNS)}")
    down = request.query_params.get("order", "up") == "down"
    paging = one_page(request, sorted_by(view.board.rows, COLUMNS[sort][0], down))
    return board_page(
        request,
        "board.html",
        view,
        paging=paging,
        strips=board_charts.interval_strips(paging["rows"], view.board.revealed_at is not None),
        sort=sort,
        down=down,
        columns=COLUMNS,
        standing=standing(view.board),
        notes=notes(view.board),
    )


def sorted_by(rows: Sequence[Row], attribute: str, down: bool) -> list[Row]:
    """Sort rows, names without regard to case; those without the value stand last either way."""

    def value(row: Row) -> Any:
        found = getattr(row, attribute)
        return found.casefold() if isinstance(found, str) else found

    with_value = [row for row in rows if value(row) is not None]
    return sorted(with_value, key=value, reverse=down) + [row for row in rows if value(row) is None]


def shake_up(request: Request) -> Response:
    """Show how far the private ranking moved the teams of the public one; nothing before the reveal."""
    view = view_of(request)
    moved = [row for row in view.board.rows if row.moved is not None]
    moved.sort(key=lambda row: row.rank + (row.moved or 0))
    distances = [abs(row.moved or 0) for row in moved]
    return board_page(
        request,
        "shake_up.html",
        view,
        paging=one_page(request, moved),
        leader=moved[0] if moved else None,
        mean=sum(distances) / len(distances) if distances else None,
        furthest=max(moved, key=lambda row: abs(row.moved or 0), default=None),
    )


# -- rules and submitting ----------------------------------------------------------------------------------------------


def rules(request: Request) -> Response:
    view = view_of(request)
    form, quota = file_format(view.hosted), quota_of(request, view.hosted)
    return board_page(request, "rules.html", view, format=form, quota=quota)


def submit(request: Request) -> Response:
    view = view_of(request)
    return board_page(
        request,
        "submit.html",
        view,
        refusal=view.board.host.refusal(now()),
        format=file_format(view.hosted),
        quota=quota_of(request, view.hosted),
        address=str(request.base_url).rstrip("/"),
    )


def sample(request: Request) -> Response:
    hosted = hosted_of(request)
    file = paths.public(hosted.name, hosted.data.data_hash) / "sample_submission.csv"
    if not file.exists():
        raise Refusal(404, f"{hosted.name} has no sample submission on this server")
    return FileResponse(file, filename=f"{hosted.name}-sample_submission.csv", media_type="text/csv")


# -- the host ----------------------------------------------------------------------------------------------------------


def host_page(request: Request) -> Response:
    require_host(request)
    view = view_of(request)
    kinds = {"kinds": host.KINDS, "of_a_team": host.OF_A_TEAM}
    return board_page(request, "host.html", view, **kinds, teams=sorted(view.board.entries.of_team))


async def act_as_host(request: Request) -> Response:
    """Do what the host's form asks for."""
    require_host(request)
    form = {name: values[0] for name, values in (await read_form(request)).items()}

    def act() -> HostedCompetition:
        hosted, engine = hosted_of(request), settings_of(request).engine
        if form.get("kind") == "reveal":
            host.reveal_board(engine, hosted.data, request.state.member.name)
        else:
            kind, text, team = form.get("kind", ""), form.get("text", ""), form.get("team")
            host.act(engine, hosted.data, kind, text, request.state.member.name, team)
        return hosted

    return RedirectResponse((await run_in_threadpool(act)).link("host"), 303)
