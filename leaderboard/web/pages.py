"""The pages of a competition: home, board, shake-up, rules, submit, host; those of teams are in team_pages.py."""

from typing import Any

from markupsafe import Markup
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response

from harness import paths
from leaderboard import host
from leaderboard.cli.text import notes, standing
from leaderboard.database import now, reading
from leaderboard.judge import RankChange, rank_changes
from leaderboard.queue import Refusal
from leaderboard.web import board_charts
from leaderboard.web.api import quota_of
from leaderboard.web.hosted import (
    COLUMNS,
    BoardView,
    HostedCompetition,
    hosted_of,
    list_hosted,
    phase,
    settings_of,
    sorted_by,
    view_of,
)
from leaderboard.web.render import file_format, page
from leaderboard.web.security import own_team, read_form, require_host

PAGE_ROWS = 100
MAX_MOVES = 50  # teams that a new version of the metric moved


def home(request: Request) -> Response:
    engine = settings_of(request).engine
    views = [view_of(engine, hosted) for hosted in list_hosted()]
    return page(request, "home.html", views=[(view, phase(view.board)) for view in views])


def healthy(request: Request) -> Response:
    with reading(settings_of(request).engine) as connection:
        connection.execute(select(1))
    return PlainTextResponse("ok\n")


def viewed(request: Request) -> BoardView:
    return view_of(settings_of(request).engine, hosted_of(request))


def board_page(request: Request, template: str, view: BoardView, **content: Any) -> Response:
    """A page below a board's heading. own: the team of the member who looks at it."""
    return page(
        request,
        template,
        hosted=view.hosted,
        board=view.board,
        phase=phase(view.board),
        decimals=view.decimals,
        own=own_team(request),
        settings=settings_of(request),
        **content,
    )


def first_row(request: Request, rows: int) -> int:
    """The position of the first row on the requested page."""
    wanted = request.query_params.get("page", "1")
    last = max(1, -(-rows // PAGE_ROWS))
    if not (wanted.isascii() and wanted.isdigit() and len(wanted) < 9) or not 1 <= int(wanted) <= last:
        raise Refusal(404, f"there is no page {wanted[:20]!r}; there are 1 to {last}")
    return PAGE_ROWS * (int(wanted) - 1)


# -- the ranking -------------------------------------------------------------------------------------------------------


def board(request: Request) -> Response:
    view, sort = viewed(request), request.query_params.get("sort", "rank")
    if sort not in COLUMNS:
        raise Refusal(400, f"the table cannot be sorted by {sort[:40]!r}; it can by {', '.join(COLUMNS)}")
    down = request.query_params.get("order", "up") == "down"
    first = first_row(request, len(view.board.rows))
    rows = sorted_by(view.board.rows, sort, down)[first : first + PAGE_ROWS]
    strips = board_charts.interval_strips(rows, view.board.revealed_at is not None)
    return board_page(
        request,
        "board.html",
        view,
        rows=list(zip(rows, strips, strict=True)),
        total=len(view.board.rows),
        first=first,
        per_page=PAGE_ROWS,
        sort=sort,
        down=down,
        columns=COLUMNS,
        standing=standing(view.board),
        metric=view.corrected_metric,
        notes=notes(view.board),
        charts=view.once(_charts),
    )


def _charts(view: BoardView) -> dict[str, Markup]:
    rows = view.board.rows[: board_charts.MAX_BARS]
    return {
        "history": board_charts.history(view.board),
        "cv": board_charts.cv_against_public(view.board),
        "ranks": board_charts.rank_intervals(rows),
    }


def shake_up(request: Request) -> Response:
    """Show how far the private ranking moved the teams of the public one; nothing before the reveal."""
    view = viewed(request)
    moved = [row for row in view.board.rows if row.moved is not None]
    moved.sort(key=lambda row: row.rank + (row.moved or 0))
    first = first_row(request, len(moved))
    distances = [abs(row.moved or 0) for row in moved]
    return board_page(
        request,
        "shake_up.html",
        view,
        rows=moved[first : first + PAGE_ROWS],
        total=len(moved),
        first=first,
        per_page=PAGE_ROWS,
        leader=moved[0] if moved else None,
        mean=sum(distances) / len(distances) if distances else None,
        furthest=max(moved, key=lambda row: abs(row.moved or 0), default=None),
    )


# -- rules and submitting ----------------------------------------------------------------------------------------------


def rules(request: Request) -> Response:
    view = viewed(request)
    return board_page(
        request,
        "rules.html",
        view,
        format=file_format(view.hosted),
        quota=quota_of(request, view.hosted),
        metric=view.corrected_metric,
        moves=view.once(_moves) if view.corrected_metric else [],
    )


def _moves(view: BoardView) -> list[RankChange]:
    """The teams whose rank the last re-scoring changed, those that moved furthest first."""
    changes = rank_changes(view.engine, view.hosted.declared, view.hosted.data)
    moved = [team for team in changes if team.new_rank != team.old_rank]
    return sorted(moved, key=lambda team: -abs(team.new_rank - team.old_rank))[:MAX_MOVES]


def submit(request: Request) -> Response:
    view = viewed(request)
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
    view = viewed(request)
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
