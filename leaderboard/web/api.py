"""The API: the same as the pages, as JSON. FastAPI makes its OpenAPI document from this file and schemas.py."""

from collections.abc import Callable
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path as FilePath
from typing import Annotated, Any, TypeVar

import sqlalchemy
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import FileResponse
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool

from harness import paths
from harness.errors import InvalidSubmission
from harness.files import TEMPORARY, sha256_of
from leaderboard import host, queue
from leaderboard.cli.text import as_csv, as_json
from leaderboard.judge import result_of
from leaderboard.queue import Refusal
from leaderboard.web import upload
from leaderboard.web.hosted import MAX_MANIFEST, HostedCompetition, find_hosted, list_hosted, settings_of, view_of
from leaderboard.web.schemas import (
    BoardAnswer,
    CompetitionAnswer,
    CompetitionsAnswer,
    DataAnswer,
    ErrorAnswer,
    FileAnswer,
    FilesAnswer,
    FinalsAnswer,
    MeAnswer,
    TrustAnswer,
    VerdictAnswer,
)
from leaderboard.web.security import may_see, own_team, submitting_team

MAX_NUMBER = 2**31 - 1  # PostgreSQL's integers
STATUS = {"waiting": 202, "scoring": 202, "scored": 201, "refused": 422, "failed": 503}

# -- what a request names ----------------------------------------------------------------------------------------------


def _hosted(
    competition: Annotated[str, Path(pattern="^[a-z0-9][a-z0-9_-]{0,62}$", description="The competition.")],
    data: Annotated[str | None, Query(description="The hash of the data; the last prepared ones by default.")] = None,
) -> HostedCompetition:
    return find_hosted(competition, data)


async def _team(
    request: Request, team: Annotated[str | None, Query(description="The team; a token knows its own.")] = None
) -> str:
    return submitting_team(request, team)


Hosted = Annotated[HostedCompetition, Depends(_hosted)]
Team = Annotated[str, Depends(_team)]
Number = Annotated[int, Path(ge=1, le=MAX_NUMBER, description="The number of the file.")]
Finals = Annotated[list[str], Query(description="A final, by (the beginning of) its sha256; once for each.")]

router = APIRouter(
    prefix="/api",
    dependencies=[Depends(HTTPBearer(auto_error=False, scheme_name="token"))],
    responses={"default": {"model": ErrorAnswer, "description": "A refusal."}},
)
ONE = "/competitions/{competition}"
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


def read(path: str, **options: Any) -> Callable[[Endpoint], Endpoint]:
    """Declare a GET, and the HEAD that goes with it."""

    def declare(endpoint: Endpoint) -> Endpoint:
        router.add_api_route(path, endpoint, methods=["HEAD"], include_in_schema=False, **options)
        router.add_api_route(path, endpoint, methods=["GET"], **options)
        return endpoint

    return declare


def content(media_type: str) -> dict[str, Any]:
    """Options of an endpoint whose answer is a file."""
    described = {media_type: {"schema": {"type": "string", "format": "binary"}}}
    return {"response_class": Response, "responses": {200: {"description": "The file.", "content": described}}}


# -- competitions and boards -------------------------------------------------------------------------------------------


@read("/me")
def me(request: Request) -> MeAnswer:
    """Return the member whose token this is."""
    member = request.state.member
    return MeAnswer(name=member.name, team=own_team(request), role=member.role)


@read("/competitions", response_model=CompetitionsAnswer)
def competitions(request: Request) -> Any:
    """List the competitions that have a board here."""
    return {"competitions": [described(request, hosted) for hosted in list_hosted()]}


@read(ONE, response_model=CompetitionAnswer)
def competition(request: Request, hosted: Hosted) -> Any:
    """Return rules, phase, deadline, and the quota that is left."""
    return described(request, hosted)


def described(request: Request, hosted: HostedCompetition) -> dict[str, Any]:
    declared, view, quota = hosted.declared, view_of(request, hosted), quota_of(request, hosted)
    return {
        "competition": hosted.name,
        "title": hosted.title,
        "data_hash": hosted.data.data_hash,
        "source": hosted.data.source,
        "metric": declared.metric.name,
        "higher_is_better": declared.metric.higher_is_better,
        "phase": view.phase,
        "deadline": view.board.host.deadline,
        "teams": len(view.board.rows),
        "entries": len(view.board.entries.all),
        "rules": asdict(declared.rules) | {"feedback": declared.rules.feedback.words},
        "quota": quota._asdict() | {"left": quota.left} if quota else None,
    }


def quota_of(request: Request, hosted: HostedCompetition) -> queue.Quota | None:
    """The quota of the member's team; None for a host."""
    team, limit = own_team(request), hosted.declared.rules.submissions_per_day
    return queue.read_quota(settings_of(request).engine, hosted.data, team, limit) if team is not None else None


@read(f"{ONE}/board", response_model=BoardAnswer)
def board(request: Request, hosted: Hosted) -> Any:
    """Return the ranking."""
    return as_json(view_of(request, hosted).board)


@read(f"{ONE}/board.csv", **content("text/csv"))
def board_csv(request: Request, hosted: Hosted) -> Response:
    """Return the ranking as a table."""
    headers = {"content-disposition": f'attachment; filename="{hosted.name}-board.csv"'}
    table = as_csv(view_of(request, hosted).board)
    return Response(table, media_type="text/csv", headers=headers)


@read(f"{ONE}/trust", response_model=TrustAnswer)
def trust(request: Request, hosted: Hosted) -> Any:
    """Return how alike CV and the board rank the entries, and which to trust."""
    return view_of(request, hosted).trust.to_json()


# -- submissions -------------------------------------------------------------------------------------------------------


@router.post(
    f"{ONE}/submissions",
    response_model=VerdictAnswer | ErrorAnswer,
    status_code=201,
    response_description="Scored, and on the board.",
    responses={202: {"model": VerdictAnswer, "description": "Received and stored; ask again at Location."}},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def submit(
    request: Request,
    response: Response,
    hosted: Hosted,
    team: Team,
    name: Annotated[str, Query(description="What you call the file; messages name it so.")] = "submission.csv",
    manifest_bytes: Annotated[
        int,
        Query(
            alias="manifest",
            ge=0,
            le=MAX_MANIFEST,
            description="Bytes at the beginning of the body that are the manifest (JSON).",
        ),
    ] = 0,
    wait: Annotated[int, Query(ge=0, le=60, description="Seconds to wait for the verdict.")] = 20,
) -> Any:
    """Submit a file: the body is the file, and nothing else."""
    job = await upload.submit(request, hosted, team, name, manifest_bytes, wait)
    response.status_code = STATUS[job.state]
    response.headers["location"] = f"/api/competitions/{job.competition}/submissions/{job.id}"
    return await run_in_threadpool(verdict, request, job)


@read(f"{ONE}/submissions", response_model=FilesAnswer)
def submissions(request: Request, hosted: Hosted, team: Team) -> Any:
    """List the files of a team, the latest first."""
    files = queue.jobs_of(settings_of(request).engine, hosted.data, team)
    return {"competition": hosted.name, "team": team, "submissions": [summary(job) for job in files]}


@read(f"{ONE}/submissions/{{number:int}}", response_model=VerdictAnswer)
def submission(request: Request, hosted: Hosted, number: Number) -> Any:
    """Return the state of a file, and its result once it is scored."""
    return verdict(request, job_of(request, hosted, number))


def job_of(request: Request, hosted: HostedCompetition, number: int) -> sqlalchemy.Row[Any]:
    """A submitted file; raise `Refusal` where the member may not see it."""
    job = queue.read_job(settings_of(request).engine, number) if number <= MAX_NUMBER else None
    if job is None or job.competition != hosted.name or not may_see(request, job.team):
        raise Refusal(404, f"there is no file {number} of yours")
    return job


def verdict(request: Request, job: sqlalchemy.Row[Any]) -> dict[str, Any]:
    """Return what a team learns about its file; once it is scored, the same as `python -m leaderboard score --json`."""
    answer = summary(job)
    if job.state == "scored":
        hosted = find_hosted(job.competition, job.data_hash)
        entry = {"team": job.team, "sha256": job.sha256}
        scored = asdict(result_of(entry, view_of(request, hosted).board, repeated=False))
        return answer | scored | {"page": hosted.link("entry", str(job.submission))}
    answer |= {"accepted": False, "public": None, "rank": None, "message": job.message or "received; it will be scored"}
    if job.state in ("refused", "failed"):
        answer["error"] = job.message
    return answer | {"page": f"/c/{job.competition}/file/{job.id}"}


def summary(job: sqlalchemy.Row[Any]) -> dict[str, Any]:
    return {name: getattr(job, name) for name in FileAnswer.model_fields}


# -- finals ------------------------------------------------------------------------------------------------------------


@read(f"{ONE}/finals", response_model=FinalsAnswer)
def read_finals(request: Request, hosted: Hosted, team: Team) -> Any:
    """Return what a team can choose from, and what it chose."""
    answer = asdict(host.read_choice(settings_of(request).engine, hosted.declared, hosted.data, team))
    del answer["path"]
    return answer


@router.put(f"{ONE}/finals", response_model=FinalsAnswer)
def choose_finals(request: Request, hosted: Hosted, team: Team, entry: Finals) -> Any:
    """Choose the finals; an earlier choice is replaced."""
    if not entry:
        raise InvalidSubmission("name the finals with ?entry=, once for each")
    host.select_finals(settings_of(request).engine, hosted.declared, hosted.data, team, entry)
    return read_finals(request, hosted, team)


# -- data --------------------------------------------------------------------------------------------------------------


@read(f"{ONE}/data", response_model=DataAnswer)
def data(hosted: Hosted) -> Any:
    """List the public files, with size and sha256."""
    answer = {"competition": hosted.name, "data_hash": hosted.data.data_hash, "source": hosted.data.source}
    return answer | {"files": public_files(hosted)}


@read(f"{ONE}/data/{{path:path}}", **content("application/octet-stream"))
def data_file(hosted: Hosted, path: Annotated[str, Path(description="As in the list.")]) -> Response:
    """Send one public file; a broken download goes on with a Range."""
    if path not in {file["path"] for file in public_files(hosted)}:
        raise Refusal(404, f"the public data of {hosted.name} hold no file {path[:80]!r}")
    file = paths.public(hosted.name, hosted.data.data_hash) / path
    return FileResponse(file, media_type="application/octet-stream")


def public_files(hosted: HostedCompetition) -> list[dict[str, Any]]:
    """List what was prepared, without what this machine added later (folds, locks)."""
    folder = paths.public(hosted.name, hosted.data.data_hash)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    public = [path for path in files if not path.name.startswith((".", "folds-")) and TEMPORARY not in path.name]
    return [
        {
            "path": path.relative_to(folder).as_posix(),
            "size": (stat := path.stat()).st_size,
            "sha256": _hash(str(path), stat.st_size, stat.st_mtime_ns),
        }
        for path in public
    ]


@lru_cache(maxsize=4096)
def _hash(path: str, _size: int, _changed: int) -> str:
    return sha256_of(FilePath(path))
