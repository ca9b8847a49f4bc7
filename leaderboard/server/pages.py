"""The pages: home, board, rules, submit, team, entry, file, host."""

from typing import Any

import numpy as np
from markupsafe import Markup
from sqlalchemy import Engine, select
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response

from harness import folders
from leaderboard import finals, host, inbox
from leaderboard.board import Board, Entry
from leaderboard.database import now, reading
from leaderboard.inbox import Refusal
from leaderboard.scoring import unpack
from leaderboard.server import boards, charts, formats
from leaderboard.server.asking import asked_place, may_see, own_team, require_host, settings_of
from leaderboard.server.boards import Place
from leaderboard.server.render import page
from leaderboard.server.settings import Settings
from leaderboard.tables import jobs, scored_by, statistics, submissions
from leaderboard.words import notes, standing

ROWS = 100  # of a page


# -- home and board ----------------------------------------------------------------------------------------------------


def home(request: Request) -> Response:
    engine = settings_of(request).engine
    shown = []
    for place in boards.places():
        board = boards.standings(engine, place)
        shown.append({"place": place, "board": board, "phase": phase(board), "decimals": boards.decimals(board)})
    return page(request, "home.html", shown=shown)


def phase(board: Board) -> str:
    """Where the competition stands, in two words."""
    if board.revealed_at:
        return "revealed"
    if board.word.closed or (board.word.deadline and now() > board.word.deadline):
        return "closed"
    return "paused" if board.word.paused else "open"


def board(request: Request) -> Response:
    settings, place = settings_of(request), asked_place(request)
    standings = boards.standings(settings.engine, place)
    rows = boards.rows_of(settings.engine, place, standings)
    sort, down = asked_order(request)
    first = ROWS * asked_page(request, len(rows))
    cut = boards.sorted_by(rows, sort, down)[first : first + ROWS]
    revealed = standings.revealed_at is not None
    return page(
        request,
        "board.html",
        place=place,
        board=standings,
        phase=phase(standings),
        rows=list(zip(cut, charts.interval_strips(cut, revealed), strict=True)),
        total=len(rows),
        first=first,
        per_page=ROWS,
        sort=sort,
        down=down,
        down_first=boards.DOWN_FIRST,
        decimals=boards.decimals(standings),
        standing=standing(standings),
        notes=notes(standings),
        own=own_team(request),
        pictures=pictures(settings.engine, place),
    )


@boards.kept
def pictures(engine: Engine, place: Place) -> dict[str, Markup]:
    """Of a whole board."""
    standings = boards.standings(engine, place)
    rows = boards.rows_of(engine, place, standings)
    return {
        "history": charts.history(standings.entries, standings),
        "cv": charts.cv_against_public(rows, standings),
        "ranks": charts.rank_intervals(rows),
    }


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
    return page(
        request,
        "rules.html",
        place=place,
        board=(standings := boards.standings(settings.engine, place)),
        phase=phase(standings),
        format=formats.format_of(place),
        quota=quota_of(request, place),
        settings=settings,
        own=own_team(request),
    )


def submit(request: Request) -> Response:
    settings, place = settings_of(request), asked_place(request)
    standings = boards.standings(settings.engine, place)
    return page(
        request,
        "submit.html",
        place=place,
        board=standings,
        phase=phase(standings),
        refusal=standings.word.refusal(now()),
        format=formats.format_of(place),
        quota=quota_of(request, place),
        settings=settings,
        own=own_team(request),
        address=str(request.base_url).rstrip("/"),
    )


def quota_of(request: Request, place: Place) -> inbox.Quota | None:
    team = own_team(request)
    if team is None:
        return None
    return inbox.read_quota(settings_of(request).engine, place.data, team, place.declared.rules.submissions_per_day)


def sample(request: Request) -> Response:
    place = asked_place(request)
    file = folders.public(place.name, place.data.data_hash) / "sample_submission.csv"
    if not file.exists():
        raise Refusal(404, f"{place.name} has no sample submission on this server")
    return FileResponse(file, filename=f"{place.name}-sample_submission.csv", media_type="text/csv")


# -- teams and entries -------------------------------------------------------------------------------------------------


def team(request: Request) -> Response:
    settings, place, name = settings_of(request), asked_place(request), request.path_params["team"]
    standings = boards.standings(settings.engine, place)
    entries = [entry for entry in standings.entries if entry.team == name]
    mine = may_see(request, name)
    received = inbox.jobs_of(settings.engine, place.data, name) if mine else []
    if not entries and not received and name != own_team(request):
        raise Refusal(404, f"no team {name[:40]!r} has an entry on this board")
    rows = boards.rows_of(settings.engine, place, standings)
    choice = finals.read_choice(settings.engine, place.declared, place.data, name) if mine else None
    return page(
        request,
        "team.html",
        place=place,
        board=standings,
        phase=phase(standings),
        team=name,
        mine=mine,
        row=next((shown for shown in rows if shown.row.team == name), None),
        entries=entries[::-1],
        unscored=[job for job in received if job.state != "scored"],
        choice=choice,
        quota=quota_of(request, place) if name == own_team(request) else None,
        decimals=boards.decimals(standings),
        disqualified=standings.word.disqualified.get(name),
        history=charts.history(standings.entries, standings, name) if entries else "",
    )


def entry(request: Request) -> Response:
    settings, place, number = settings_of(request), asked_place(request), request.path_params["number"]
    standings = boards.standings(settings.engine, place)
    this = next((one for one in standings.entries if one.id == number), None)
    if this is None:
        raise Refusal(404, f"there is no entry {number} on this board")
    mine = may_see(request, this.team)
    job = next((job for job in inbox.jobs_of(settings.engine, place.data, this.team) if job.submission == number), None)
    return page(
        request,
        "entry.html",
        place=place,
        board=standings,
        phase=phase(standings),
        entry=this,
        mine=mine,
        job=job,
        counts=next((row for row in standings.rows if row.number == number), None),
        card=card_of(settings, number) if mine else None,
        classes=by_class(settings, place, this) if mine else [],
        decimals=boards.decimals(standings),
        before=best_before(standings.entries, this, standings.higher_is_better),
        history=charts.history(standings.entries, standings, this.team),
    )


def card_of(settings: Settings, number: int) -> dict[str, Any]:
    with reading(settings.engine) as connection:
        return connection.scalar(select(submissions.c.card).where(submissions.c.id == number)) or {}


def best_before(entries: list[Entry], this: Entry, higher: bool) -> Entry | None:
    """The team's best entry that came earlier."""
    earlier = [entry for entry in entries if entry.team == this.team and entry.id < this.id]
    sign = -1 if higher else 1
    return min(earlier, key=lambda entry: sign * entry.public.score, default=None)


def by_class(settings: Settings, place: Place, this: Entry) -> list[tuple[str, float]]:
    """Of the public rows, where the metric has classes; a class that is absent is left out."""
    metric = place.declared.metric
    query = select(statistics.c.packed).where(
        statistics.c.submission == this.id, statistics.c.part == "public", *scored_by(statistics, metric)
    )
    with reading(settings.engine) as connection:
        packed = connection.scalar(query)
    if packed is None:
        return []
    found = {name: float(np.asarray(value)) for name, value in metric.by_class(unpack(packed)).items()}
    return [(name, value) for name, value in found.items() if np.isfinite(value)]


def job(request: Request) -> Response:
    settings, place = settings_of(request), asked_place(request)
    found = inbox.read_job(settings.engine, request.path_params["number"])
    if found is None or found.competition != place.name or not may_see(request, found.team):
        raise Refusal(404, f"there is no file {request.path_params['number']} of yours")
    if found.state == "scored":
        return RedirectResponse(place.link("entry", str(found.submission)), 303)
    with reading(settings.engine) as connection:
        ahead = len(
            connection.execute(select(jobs.c.id).where(jobs.c.state.in_(inbox.OPEN), jobs.c.id < found.id)).all()
        )
    standings = boards.standings(settings.engine, place)
    return page(request, "job.html", place=place, board=standings, phase=phase(standings), job=found, ahead=ahead)


# -- the host, and the machine -----------------------------------------------------------------------------------------


def look_at_host(request: Request) -> Response:
    require_host(request)
    settings, place = settings_of(request), asked_place(request)
    standings = boards.standings(settings.engine, place)
    return page(
        request,
        "host.html",
        place=place,
        board=standings,
        phase=phase(standings),
        kinds=host.KINDS,
        of_a_team=host.OF_A_TEAM,
        teams=sorted({entry.team for entry in standings.entries}),
    )


def healthy(request: Request) -> Response:
    with reading(settings_of(request).engine) as connection:
        connection.execute(select(1))
    return PlainTextResponse("ok\n")
