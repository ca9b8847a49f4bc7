"""The pages of a team and of an entry: what it got, beside what it claimed; more for the team itself."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import Response

from leaderboard import host
from leaderboard.board import Board
from leaderboard.database import jobs, on_board, reading, submissions
from leaderboard.entries import ScoredEntry
from leaderboard.queue import Refusal
from leaderboard.scoring import read_statistics
from leaderboard.web import accounts, boards, charts
from leaderboard.web.asking import asked_place, may_see, own_team, settings_of
from leaderboard.web.boards import Place
from leaderboard.web.pages import ROWS, asked_page, board_page, quota_of
from leaderboard.web.settings import Settings

MOST_UNSCORED = 30  # files of a team that are not on the board


def team(request: Request) -> Response:
    settings, place, name = settings_of(request), asked_place(request), request.path_params["team"]
    view = boards.view(settings.engine, place)
    board, entries, mine = view.board, view.board.entries.of_team.get(name, [])[::-1], may_see(request, name)
    unscored = unscored_of(settings, place, name) if mine else []
    if not entries and not unscored and name != own_team(request):
        raise Refusal(404, f"no team {name[:40]!r} has an entry on this board")
    row = board.row_of(name)
    choice = host.read_choice(settings.engine, place.declared, place.data, name) if mine else None
    chosen = [entry for entry in entries if choice and entry.name in choice.finals]
    others = [entry for entry in entries if entry not in chosen]
    first = ROWS * asked_page(request, len(others))
    return board_page(
        request,
        "team.html",
        place,
        board,
        team=name,
        mine=mine,
        shown=view.shown([row])[0] if row else None,
        entries=chosen + others[first : first + ROWS],  # on every page the finals: a form sends what it shows
        total=len(entries),
        others=len(others),
        first=first,
        per_page=ROWS,
        unscored=unscored,
        choice=choice,
        quota=quota_of(request, place) if name == own_team(request) else None,
        decimals=view.decimals,
        disqualified=board.host.disqualified.get(name),
        history=charts.history(board, name) if entries else "",
    )


def unscored_of(settings: Settings, place: Place, team: str) -> Sequence[Any]:
    """The last files of a team that are not on the board."""
    columns = (jobs.c.id, jobs.c.received_at, jobs.c.name, jobs.c.state, jobs.c.message)
    mine = (*on_board(jobs, place.name, place.data.data_hash), jobs.c.team == team, jobs.c.state != "scored")
    with reading(settings.engine) as connection:
        return connection.execute(select(*columns).where(*mine).order_by(jobs.c.id.desc()).limit(MOST_UNSCORED)).all()


def entry(request: Request) -> Response:
    settings, place, number = settings_of(request), asked_place(request), request.path_params["number"]
    view = boards.view(settings.engine, place)
    board, this = view.board, view.board.entries.entry(number)
    if this is None:
        raise Refusal(404, f"there is no entry {number} on this board")
    mine, same = may_see(request, this.team), board.entries.teams_with[this.sha256]
    open_to_me = mine and not board.protected
    return board_page(
        request,
        "entry.html",
        place,
        board,
        entry=this,
        mine=mine,
        job=job_of(settings, place, this) if mine else None,
        counts=next((row for row in board.rows if row.number == number), None),
        card=card_of(settings, number) if mine else None,
        classes=by_class(settings, place, board, this) if open_to_me else [],
        account=accounts.account_of(place.data, this.sha256) if open_to_me else None,
        same=[team for team in same if team != this.team],
        decimals=view.decimals,
        before=best_before(board.entries.of_team[this.team], this, board.higher_is_better),
        history=charts.history(board, this.team),
    )


def job_of(settings: Settings, place: Place, this: ScoredEntry) -> Any:
    """How the file came; None for one that was scored on the server's own command line."""
    same = (jobs.c.team == this.team, jobs.c.sha256 == this.sha256)
    query = select(jobs.c.name, jobs.c.size)
    with reading(settings.engine) as connection:
        return connection.execute(query.where(*on_board(jobs, place.name, place.data.data_hash), *same)).first()


def card_of(settings: Settings, number: int) -> dict[str, Any]:
    with reading(settings.engine) as connection:
        return connection.scalar(select(submissions.c.manifest).where(submissions.c.id == number)) or {}


def best_before(entries: list[ScoredEntry], this: ScoredEntry, higher: bool) -> ScoredEntry | None:
    """The team's best entry that came earlier."""
    earlier = [entry for entry in entries if entry.id < this.id]
    sign = -1 if higher else 1
    return min(earlier, key=lambda entry: sign * entry.public.score, default=None)


def by_class(settings: Settings, place: Place, board: Board, this: ScoredEntry) -> list[tuple[str, float]]:
    """Of the public rows, where the metric has classes; a class that is absent is left out."""
    rows = read_statistics(settings.engine, board.declared, place.data, "public", [this.id])[this.id]
    found = {name: float(np.asarray(value)) for name, value in board.declared.metric.by_class(rows).items()}
    return [(name, value) for name, value in found.items() if np.isfinite(value)]
