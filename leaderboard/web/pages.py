"""The pages: home, board, shake-up, rules, submit, file, host; those of teams and entries are in entries.py."""

from typing import Any

from markupsafe import Markup
from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response

from harness import paths
from leaderboard import host, queue
from leaderboard.board import Board
from leaderboard.cli.text import notes, standing
from leaderboard.database import jobs, now, reading
from leaderboard.judge import RankChange, rank_changes
from leaderboard.queue import Refusal
from leaderboard.web import boards, charts, formats, shake_ups
from leaderboard.web.asking import asked_place, may_see, own_team, require_host, settings_of
from leaderboard.web.boards import Place, View
from leaderboard.web.render import page

ROWS = 100  # of a page
MOST_MOVES = 50  # teams that a new version of the metric moved


# -- home and board ----------------------------------------------------------------------------------------------------


def home(request: Request) -> Response:
    engine = settings_of(request).engine
    shown = []
    for place in boards.places():
        view = boards.view(engine, place)
        shown.append({"place": place, "board": view.board, "phase": phase(view.board), "decimals": view.decimals})
    return page(request, "home.html", shown=shown)


def board_page(request: Request, template: str, place: Place, board: Board, **content: Any) -> Response:
    """A page below a board's heading; own: the team of who looks at it."""
    return page(request, template, place=place, board=board, phase=phase(board), own=own_team(request), **content)


def phase(board: Board) -> str:
    """Where the competition stands, in two words."""
    if board.revealed_at:
        return "revealed"
    if board.host.closed or (board.host.deadline and now() >= board.host.deadline):
        return "closed"
    return "paused" if board.host.paused else "open"


def board(request: Request) -> Response:
    place = asked_place(request)
    view = boards.view(settings_of(request).engine, place)
    sort, down = asked_order(request)
    first = ROWS * asked_page(request, len(view.board.rows))
    cut = view.shown(boards.sorted_by(view.board.rows, sort, down)[first : first + ROWS])
    return board_page(
        request,
        "board.html",
        place,
        view.board,
        rows=list(zip(cut, charts.interval_strips(cut, view.board.revealed_at is not None), strict=True)),
        total=len(view.board.rows),
        first=first,
        per_page=ROWS,
        sort=sort,
        down=down,
        down_first=boards.DOWN_FIRST,
        decimals=view.decimals,
        standing=standing(view.board),
        metric=view.versions[-1] if len(view.versions) > 1 else None,
        notes=notes(view.board),
        pictures=view.once(pictures),
    )


def pictures(view: View) -> dict[str, Markup]:
    """Of a whole board."""
    return {
        "history": charts.history(view.board),
        "cv": charts.cv_against_public(view.board),
        "ranks": charts.rank_intervals(view.shown(view.board.rows[: charts.MOST_BARS])),
    }


def shake_up(request: Request) -> Response:
    """Before the reveal how far the ranks may still move, and after it how far they did."""
    place = asked_place(request)
    view = boards.view(settings_of(request).engine, place)
    told = view.once(shake_ups.shake_up) if view.board.revealed_at else None
    first = ROWS * asked_page(request, len(told.teams) if told else 0)
    return board_page(
        request,
        "shake_up.html",
        place,
        view.board,
        told=told,
        rows=told.teams[first : first + ROWS] if told else [],
        first=first,
        per_page=ROWS,
    )


def asked_order(request: Request) -> tuple[str, bool]:
    sort = request.query_params.get("sort", "rank")
    if sort not in boards.SORTS:
        raise Refusal(400, f"the table cannot be sorted by {sort[:40]!r}; it can by {', '.join(boards.SORTS)}")
    return sort, request.query_params.get("order", "up") == "down"


def asked_page(request: Request, rows: int) -> int:
    """From 0."""
    asked = request.query_params.get("page", "1")
    last = max(1, -(-rows // ROWS))
    if not (asked.isascii() and asked.isdigit() and len(asked) < 9) or not 1 <= int(asked) <= last:
        raise Refusal(404, f"there is no page {asked[:20]!r}; there are 1 to {last}")
    return int(asked) - 1


# -- rules, and handing in ---------------------------------------------------------------------------------------------


def rules(request: Request) -> Response:
    settings, place = settings_of(request), asked_place(request)
    view = boards.view(settings.engine, place)
    return board_page(
        request,
        "rules.html",
        place,
        view.board,
        format=formats.format_of(place),
        quota=quota_of(request, place),
        settings=settings,
        metric=view.versions[-1] if len(view.versions) > 1 else None,
        moves=view.once(moves) if len(view.versions) > 1 else [],
        decimals=view.decimals,
    )


def moves(view: View) -> list[RankChange]:
    """The teams whose rank the last re-scoring changed, those that moved furthest first."""
    found = rank_changes(view.engine, view.place.declared, view.place.data)
    moved = [one for one in found if one.new_rank != one.old_rank]
    return sorted(moved, key=lambda one: -abs(one.new_rank - one.old_rank))[:MOST_MOVES]


def submit(request: Request) -> Response:
    settings, place = settings_of(request), asked_place(request)
    standings = boards.standings(settings.engine, place)
    return board_page(
        request,
        "submit.html",
        place,
        standings,
        refusal=standings.host.refusal(now()),
        format=formats.format_of(place),
        quota=quota_of(request, place),
        settings=settings,
        address=str(request.base_url).rstrip("/"),
    )


def quota_of(request: Request, place: Place) -> queue.Quota | None:
    team = own_team(request)
    if team is None:
        return None
    return queue.read_quota(settings_of(request).engine, place.data, team, place.declared.rules.submissions_per_day)


def sample(request: Request) -> Response:
    place = asked_place(request)
    file = paths.public(place.name, place.data.data_hash) / "sample_submission.csv"
    if not file.exists():
        raise Refusal(404, f"{place.name} has no sample submission on this server")
    return FileResponse(file, filename=f"{place.name}-sample_submission.csv", media_type="text/csv")


# -- a file that waits, the host, and the machine ---------------------------------------------------------------------


def job(request: Request) -> Response:
    settings, place = settings_of(request), asked_place(request)
    found = queue.read_job(settings.engine, request.path_params["number"])
    if found is None or found.competition != place.name or not may_see(request, found.team):
        raise Refusal(404, f"there is no file {request.path_params['number']} of yours")
    if found.state == "scored":
        return RedirectResponse(place.link("entry", str(found.submission)), 303)
    with reading(settings.engine) as connection:
        ahead = len(
            connection.execute(select(jobs.c.id).where(jobs.c.state.in_(queue.OPEN), jobs.c.id < found.id)).all()
        )
    standings = boards.standings(settings.engine, place)
    return board_page(request, "job.html", place, standings, job=found, ahead=ahead)


def look_at_host(request: Request) -> Response:
    require_host(request)
    settings, place = settings_of(request), asked_place(request)
    standings = boards.standings(settings.engine, place)
    return board_page(
        request,
        "host.html",
        place,
        standings,
        kinds=host.KINDS,
        of_a_team=host.OF_A_TEAM,
        teams=sorted(standings.entries.of_team),
    )


def healthy(request: Request) -> Response:
    with reading(settings_of(request).engine) as connection:
        connection.execute(select(1))
    return PlainTextResponse("ok\n")
