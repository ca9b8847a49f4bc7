"""The API: the same as the pages, as JSON; described in openapi.py."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import Row
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from harness import paths
from harness.errors import InvalidSubmission
from leaderboard import host, queue
from leaderboard.cli.text import as_csv, as_json
from leaderboard.judge import result_of
from leaderboard.queue import Refusal
from leaderboard.trust import Trust, read_trust
from leaderboard.web import boards, openapi, public
from leaderboard.web.asking import asked_place, known_team, may_see, own_team, settings_of
from leaderboard.web.boards import Place, View
from leaderboard.web.pages import phase, quota_of
from leaderboard.web.upload import hand_in, receipt


def document(request: Request) -> Response:
    return JSONResponse(openapi.DOCUMENT)


def me(request: Request) -> Response:
    member = request.state.member
    return JSONResponse({"name": member.name, "team": own_team(request), "role": member.role})


def competitions(request: Request) -> Response:
    return JSONResponse({"competitions": [described(request, place) for place in boards.places()]})


def competition(request: Request) -> Response:
    return JSONResponse(described(request, asked_place(request)))


def described(request: Request, place: Place) -> dict[str, Any]:
    """What a player may know of a competition before it begins to work."""
    declared, board = place.declared, boards.standings(settings_of(request).engine, place)
    quota = quota_of(request, place)
    return {
        "competition": place.name,
        "title": place.title,
        "data_hash": place.data.data_hash,
        "source": place.data.source,
        "metric": declared.metric.name,
        "higher_is_better": declared.metric.higher_is_better,
        "phase": phase(board),
        "deadline": board.host.deadline,
        "teams": len(board.rows),
        "entries": len(board.entries.all),
        "rules": asdict(declared.rules) | {"feedback": declared.rules.feedback.words},
        "quota": quota._asdict() | {"left": quota.left} if quota else None,
    }


def board(request: Request) -> Response:
    place = asked_place(request)
    view = boards.view(settings_of(request).engine, place)
    return JSONResponse(as_json(view.board))


def trust(request: Request) -> Response:
    return JSONResponse(boards.view(settings_of(request).engine, asked_place(request)).once(_trust).to_json())


def _trust(view: View) -> Trust:
    return read_trust(view.engine, view.board)


def board_csv(request: Request) -> Response:
    place = asked_place(request)
    headers = {"content-disposition": f'attachment; filename="{place.name}-board.csv"'}
    table = as_csv(boards.standings(settings_of(request).engine, place))
    return Response(table, media_type="text/csv", headers=headers)


# -- handing in --------------------------------------------------------------------------------------------------------

STATUS = {"waiting": 202, "scoring": 202, "scored": 201, "refused": 422, "failed": 503}


async def submit(request: Request) -> Response:
    job = await hand_in(request)
    told = await run_in_threadpool(told_of, request, job)
    headers = {"location": f"/api/competitions/{job.competition}/submissions/{job.id}"}
    return JSONResponse(told, STATUS[job.state], headers)


def submissions(request: Request) -> Response:
    """The files of a team, the latest first."""
    place = asked_place(request)
    team = known_team(request, request.query_params.get("team"))
    found = queue.jobs_of(settings_of(request).engine, place.data, team)
    return JSONResponse({"competition": place.name, "team": team, "submissions": [summary(job) for job in found]})


def submission(request: Request) -> Response:
    place = asked_place(request)
    job = queue.read_job(settings_of(request).engine, request.path_params["number"])
    if job is None or job.competition != place.name or not may_see(request, job.team):
        raise Refusal(404, f"there is no file {request.path_params['number']} of yours")
    return JSONResponse(told_of(request, job))


def told_of(request: Request, job: Row[Any]) -> dict[str, Any]:
    """What a team learns about its file; as `python -m leaderboard score --json` tells it, once it is scored."""
    told = summary(job)
    if job.state == "scored":
        place = boards.find_place(job.competition, job.data_hash)
        engine, entry = settings_of(request).engine, {"team": job.team, "sha256": job.sha256}
        verdict = result_of(entry, boards.standings(engine, place), repeated=False)
        return told | asdict(verdict) | {"page": place.link("entry", str(job.submission))}
    sentences = {"refused": job.message, "failed": job.message}
    told |= {"accepted": False, "public": None, "rank": None, "message": job.message or "received; it will be scored"}
    if job.state in sentences:
        told["error"] = job.message
    return told | {"page": f"/c/{job.competition}/file/{job.id}"}


def summary(job: Row[Any]) -> dict[str, Any]:
    names = ("id", "competition", "data_hash", "team", "name", "size", "sha256", "received_at", "state", "message")
    return {name: getattr(job, name) for name in names} | {"receipt": receipt(job)}


# -- finals ------------------------------------------------------------------------------------------------------------


def choice(request: Request) -> Response:
    place = asked_place(request)
    team = known_team(request, request.query_params.get("team"))
    told = asdict(host.read_choice(settings_of(request).engine, place.declared, place.data, team))
    del told["path"]
    return JSONResponse(told)


def choose(request: Request) -> Response:
    """?entry= once for every final."""
    place = asked_place(request)
    team = known_team(request, request.query_params.get("team"))
    names = request.query_params.getlist("entry")
    if not names:
        raise InvalidSubmission("name the finals with ?entry=, once for each")
    host.select_finals(settings_of(request).engine, place.declared, place.data, team, names)
    return choice(request)


# -- data --------------------------------------------------------------------------------------------------------------


def data(request: Request) -> Response:
    place = asked_place(request)
    files = public.listed(place.name, place.data.data_hash)
    told = {"competition": place.name, "data_hash": place.data.data_hash, "source": place.data.source}
    return JSONResponse(told | {"files": files})


def data_file(request: Request) -> Response:
    """One file of the public part; a broken download goes on with a Range."""
    place = asked_place(request)
    wanted = request.path_params["path"]
    known = {file["path"] for file in public.listed(place.name, place.data.data_hash)}
    if wanted not in known:
        raise Refusal(404, f"the public data of {place.name} hold no file {wanted[:80]!r}")
    path = paths.public(place.name, place.data.data_hash) / wanted
    return FileResponse(path, media_type="application/octet-stream")
