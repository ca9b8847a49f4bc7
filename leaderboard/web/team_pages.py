"""The pages of a team, of an entry and of a file that waits; more is shown to the team itself and to the host."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlalchemy import func, select
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from leaderboard import host, queue
from leaderboard.database import jobs, on_board, reading, submissions
from leaderboard.entries import ScoredEntry
from leaderboard.queue import Refusal
from leaderboard.scoring import read_statistics
from leaderboard.web import board_charts
from leaderboard.web.api import job_of, quota_of
from leaderboard.web.hosted import BoardView, HostedCompetition, hosted_of, settings_of, view_of
from leaderboard.web.pages import board_page, one_page
from leaderboard.web.security import may_see, own_team, read_form

MAX_UNSCORED = 30  # files of a team that are not on the board


def team(request: Request) -> Response:
    view, name = view_of(request), request.path_params["team"]
    board, hosted, mine = view.board, view.hosted, may_see(request, name)
    entries = board.entries.of_team.get(name, [])[::-1]
    unscored = unscored_files(view, name) if mine else []
    if not entries and not unscored and name != own_team(request):
        raise Refusal(404, f"no team {name[:40]!r} has an entry on this board")
    choice = host.read_choice(view.engine, hosted.declared, hosted.data, name) if mine else None
    chosen = [entry for entry in entries if choice and entry.name in choice.finals]
    paging = one_page(request, [entry for entry in entries if entry not in chosen])
    return board_page(
        request,
        "team.html",
        view,
        team=name,
        mine=mine,
        row=board.row_of(name),
        entries=chosen + paging["rows"],  # the finals on every page: a form sends what it shows
        total=len(entries),
        paging=paging,
        unscored=unscored,
        choice=choice,
        quota=quota_of(request, hosted) if name == own_team(request) else None,
        disqualified=board.host.disqualified.get(name),
        history=board_charts.history(board, name) if entries else "",
    )


def unscored_files(view: BoardView, team: str) -> Sequence[Any]:
    """The team's last files that are not on the board."""
    columns = (jobs.c.id, jobs.c.received_at, jobs.c.name, jobs.c.state, jobs.c.message)
    query = select(*columns).where(*on_board(jobs, view.hosted.data), jobs.c.team == team, jobs.c.state != "scored")
    with reading(view.engine) as connection:
        return connection.execute(query.order_by(jobs.c.id.desc()).limit(MAX_UNSCORED)).all()


async def choose_finals(request: Request) -> Response:
    """Choose the entries whose boxes are ticked."""
    form = await read_form(request)
    name = request.path_params["team"]
    if not may_see(request, name):
        raise Refusal(403, "only the team itself chooses its finals")

    def choose() -> HostedCompetition:
        hosted, engine = hosted_of(request), settings_of(request).engine
        host.select_finals(engine, hosted.declared, hosted.data, name, form.get("final", []))
        return hosted

    return RedirectResponse((await run_in_threadpool(choose)).link("team", name), 303)


# -- an entry ----------------------------------------------------------------------------------------------------------


def entry(request: Request) -> Response:
    view, number = view_of(request), request.path_params["number"]
    board, scored = view.board, view.board.entries.entry(number)
    if scored is None:
        raise Refusal(404, f"there is no entry {number} on this board")
    mine = may_see(request, scored.team)
    job, manifest = file_and_manifest(view, scored) if mine else (None, None)
    earlier = [other for other in board.entries.of_team[scored.team] if other.id < number]
    sign = -1 if board.higher_is_better else 1
    return board_page(
        request,
        "entry.html",
        view,
        entry=scored,
        mine=mine,
        job=job,
        counts=next((row for row in board.rows if row.number == number), None),
        manifest=manifest,
        classes=by_class(view, scored) if mine and board.revealed_at else [],
        same=[team for team in board.entries.teams_with[scored.sha256] if team != scored.team],
        before=min(earlier, key=lambda other: sign * other.public.score, default=None),
        history=board_charts.history(board, scored.team),
    )


def file_and_manifest(view: BoardView, scored: ScoredEntry) -> tuple[Any, dict[str, Any]]:
    """(name and size of the file, its manifest); no file if the server's own command line scored it."""
    of_entry = (*on_board(jobs, view.hosted.data), jobs.c.team == scored.team, jobs.c.sha256 == scored.sha256)
    with reading(view.engine) as connection:
        file = connection.execute(select(jobs.c.name, jobs.c.size).where(*of_entry)).first()
        manifest = connection.scalar(select(submissions.c.manifest).where(submissions.c.id == scored.id))
    return file, manifest or {}


def by_class(view: BoardView, scored: ScoredEntry) -> list[tuple[str, float]]:
    """The score of each class that has public rows; [] if the metric has no classes.

    Only after the reveal: before, a player who enters often could learn labels from them.
    """
    declared = view.board.declared
    rows = read_statistics(view.engine, declared, view.hosted.data, "public", [scored.id])[scored.id]
    return [(name, float(value)) for name, value in declared.metric.by_class(rows).items() if np.isfinite(value)]


# -- a file that waits -------------------------------------------------------------------------------------------------


def file(request: Request) -> Response:
    view = view_of(request)
    job = job_of(request, view.hosted, request.path_params["number"])
    if job.state == "scored":
        return RedirectResponse(view.hosted.link("entry", str(job.submission)), 303)
    query = select(func.count()).where(jobs.c.state.in_(queue.OPEN), jobs.c.id < job.id)
    with reading(view.engine) as connection:
        ahead = connection.scalar(query)
    return board_page(request, "job.html", view, job=job, ahead=ahead)
