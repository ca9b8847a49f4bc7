"""Prediction bundles that the members of a team share: kept as they came, unopened, for the same team alone.

boards/bundles/<competition>/<data hash>/<hash of the team>/<sha256>.zip, and beside it a .json that says whose it is.
"""

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from harness import paths
from harness.files import read_json, short_hash, sync_folder, write_json
from leaderboard.database import now
from leaderboard.queue import Refusal
from leaderboard.web.asking import asked_place, known_team, pieces
from leaderboard.web.settings import MOST_OF_A_BUNDLE, MOST_OF_BUNDLES
from leaderboard.web.spool import incoming, spooled

PARAMETERS = {"sha256": "[0-9a-f]{64}", "train": "[0-9a-f]{12}", "name": r"\w[\w.-]{0,99}"}


def listed(request: Request) -> Response:
    """What the team has shared, the oldest first; most: bytes of a bundle."""
    competition, data_hash, team = whose(request)
    place = {"competition": competition, "data_hash": data_hash, "team": team, "most": MOST_OF_A_BUNDLE}
    return JSONResponse(place | {"bundles": kept(folder_of(competition, data_hash, team))})


def fetched(request: Request) -> Response:
    file = folder_of(*whose(request)) / f"{asked(request, 'sha256')}.zip"
    if not file.exists():
        raise Refusal(404, "your team has shared no such bundle")
    return FileResponse(file, media_type="application/octet-stream")


async def shared(request: Request) -> Response:
    """?train= its train hash, ?name= the model; what the same member shared under this name before is replaced."""
    competition, data_hash, team = await run_in_threadpool(whose, request)
    told = {name: asked(request, name) for name in PARAMETERS} | {"member": request.state.member.name}
    folder = folder_of(competition, data_hash, team)
    room = min(MOST_OF_A_BUNDLE, MOST_OF_BUNDLES - sum(one["size"] for one in kept(folder) if not is_same(one, told)))
    told["size"] = await receive(request, folder / f"{told['sha256']}.zip", told["sha256"], room)
    told["received_at"] = now()
    await run_in_threadpool(keep, folder, told)
    return JSONResponse(told, 201)


def whose(request: Request) -> tuple[str, str, str]:
    """Competition, data hash and team of who asks."""
    place = asked_place(request)
    return place.name, place.data.data_hash, known_team(request, request.query_params.get("team"))


def asked(request: Request, name: str) -> str:
    """A parameter of the path or the query."""
    text = str(request.path_params.get(name) or request.query_params.get(name, ""))
    if not re.fullmatch(PARAMETERS[name], text, re.ASCII):
        raise Refusal(400, f"{name}={text[:40]!r} should look like {PARAMETERS[name]}")
    return text


# -- on the disk -------------------------------------------------------------------------------------------------------


def folder_of(competition: str, data_hash: str, team: str) -> Path:
    return paths.root() / "boards" / "bundles" / competition / data_hash / short_hash(team)


def kept(folder: Path) -> list[dict[str, Any]]:
    found = []
    for file in folder.glob("*.json"):
        with suppress(FileNotFoundError):  # it was replaced a moment ago
            found.append(read_json(file))
    return sorted(found, key=lambda one: (one["received_at"], one["sha256"]))


def keep(folder: Path, told: dict[str, Any]) -> None:
    """Its description is written last, and what it replaces goes after that."""
    write_json(folder / f"{told['sha256']}.json", told)
    for one in kept(folder):
        if is_same(one, told) and one["sha256"] != told["sha256"]:
            for suffix in (".json", ".zip"):
                (folder / f"{one['sha256']}{suffix}").unlink(missing_ok=True)


def is_same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """One model of one member."""
    return (one["member"], one["name"]) == (other["member"], other["name"])


async def receive(request: Request, path: Path, sha256: str, most: int) -> int:
    """The body on the disk under its hash; how long it is. Raise `Refusal` where it is too long, or another file."""
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > most:
        raise Refusal(413, f"this bundle has {int(length):,} bytes, and there is room for {most:,}")
    with incoming("the bundle cannot be kept: {}") as waiting:
        path.parent.mkdir(parents=True, exist_ok=True)
        longer = f"this bundle is longer than the {most:,} bytes that there is room for"
        found, size = await spooled(pieces(request), waiting, most, longer)
        if not size:
            raise Refusal(400, "send the bundle as the body of the request")
        if found != sha256:
            raise Refusal(400, f"the body has the sha256 {found}, not {sha256}; send it again")
        os.replace(waiting, path)
        sync_folder(path.parent)
    return size
