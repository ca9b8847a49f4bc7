"""A file comes in: one raw body, streamed to the disk, looked at, put into the queue, and its verdict waited for.

The file is the body; its name, team and the length of the card that goes before it are in the query. No multipart.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from anyio.to_thread import run_sync
from sqlalchemy import Row
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from harness.files import short_hash
from leaderboard import queue
from leaderboard.answers import count_ids
from leaderboard.queue import ReceivedFile, Refusal
from leaderboard.scoring import is_manifest
from leaderboard.web.asking import asked_place, known_team, pieces, settings_of
from leaderboard.web.boards import Place
from leaderboard.web.settings import MOST_OF_A_CARD, Settings
from leaderboard.web.spool import incoming, spooled

LONGEST_WAIT = 60.0
MAGIC = {
    b"PK": "a zip archive: unpack it, and send the table that is in it",
    b"\x1f\x8b": "compressed: unpack it, and send the table that is in it",
    b"\x93NUMPY": "a numpy array: write it as the table that the sample submission shows",
    b"\x89PNG": "a picture: write it as the table that the sample submission shows",
    b"\xff\xd8\xff": "a picture: write it as the table that the sample submission shows",
    b"%PDF": "a PDF: send the table that the sample submission shows",
    b"\x80": "a Python pickle, which nobody here opens: send the table that the sample submission shows",
    b"\x7fELF": "a program, which nobody here runs: send the table that the sample submission shows",
}


async def hand_in(request: Request) -> Row[Any]:
    """The job of the file, finished where that took less than `?wait=` seconds (20, at most 60)."""
    settings = settings_of(request)
    place, team, most = await run_in_threadpool(who_and_where, request)
    name = queue.plain_name(request.query_params.get("name", "submission.csv"))
    seconds = asked_number(request, "wait", 20, int(LONGEST_WAIT))
    received = await receive(request, asked_number(request, "card", 0, MOST_OF_A_CARD), most, name)
    rules = place.declared.rules
    try:
        accept = partial(queue.accept, limit=rules.submissions_per_day, binding=settings.team_mode)
        number = await run_sync(accept, settings.engine, place.data, team, received, limiter=settings.turn)
    finally:
        received.path.unlink(missing_ok=True)
    if settings.scorer:
        settings.scorer.wake()
    return await finished(settings, number, seconds)


def who_and_where(request: Request) -> tuple[Place, str, int]:
    """The place, the team, and how many bytes its files may have."""
    place = asked_place(request)
    team = known_team(request, request.query_params.get("team"))
    return place, team, settings_of(request).most_bytes(count_ids(place.data))


def asked_number(request: Request, name: str, otherwise: int, most: int) -> int:
    text = request.query_params.get(name, str(otherwise))
    if not (text.isascii() and text.isdigit() and len(text) < 10) or int(text) > most:
        raise Refusal(400, f"{name}={text[:20]!r} should be a whole number from 0 to {most}")
    return int(text)


# -- the body ----------------------------------------------------------------------------------------------------------


async def receive(request: Request, card_bytes: int, most: int, name: str) -> ReceivedFile:
    """The body on the disk, its card read. Raise `Refusal` where it is too long, too slow, empty or no text."""
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > most + card_bytes:
        raise Refusal(413, f"{name} has {int(length):,} bytes; a submission here has at most {most:,}")
    card = bytearray()

    async def table() -> AsyncIterator[bytes]:
        begun = False
        async for piece in pieces(request):
            needed = card_bytes - len(card)
            card.extend(piece[:needed])
            content = piece[needed:] if needed else piece
            if content and not begun:
                begun = True
                refuse_other_kinds(content, name)
            yield content

    with incoming("the file cannot be kept: {}; nothing was counted") as path:
        longer = f"{name} is longer than the {most:,} bytes that a submission here has at most"
        sha256, size = await spooled(table(), path, most, longer)
        if not size:
            raise Refusal(400, f"{name} is empty; send the file as the body of the request")
        return ReceivedFile(path, sha256, size, name, read_card(bytes(card)) if card_bytes else None)


def refuse_other_kinds(beginning: bytes, name: str) -> None:
    for magic, sentence in MAGIC.items():
        if beginning.startswith(magic):
            raise Refusal(415, f"{name} is {sentence}")
    if b"\0" in beginning[:4096]:
        raise Refusal(415, f"{name} is no text: send the table that the sample submission shows, in UTF-8")


def read_card(text: bytes) -> dict[str, Any]:
    try:
        card = json.loads(text.decode())
    except (ValueError, RecursionError):
        card = None
    if not is_manifest(card):
        raise Refusal(400, "the card before the file is no JSON object without NaN")
    return card


# -- the verdict -------------------------------------------------------------------------------------------------------


async def finished(settings: Settings, number: int, seconds: float) -> Row[Any]:
    """The job as it is when it is finished, or when the time is up."""
    deadline, pause = time.monotonic() + seconds, 0.02
    while True:
        job = await run_in_threadpool(queue.read_job, settings.engine, number)
        assert job is not None, "jobs are never deleted"
        if job.state not in queue.OPEN or time.monotonic() > deadline:
            return job
        await asyncio.sleep(pause)
        pause = min(0.25, pause * 1.3)


def receipt(job: Row[Any]) -> str:
    """Names what was received: team, board and content."""
    return short_hash(job.competition, job.data_hash, job.team, job.sha256)
