"""A submitted file: one raw body, streamed to the disk, put into the queue, and its verdict waited for.

The file is the body; its name, team and the length of the manifest that goes before it are in the query. No multipart.
"""

import asyncio
import hashlib
import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from anyio.to_thread import run_sync
from sqlalchemy import Row
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from harness import paths
from harness.errors import THEIRS
from harness.files import TEMPORARY
from leaderboard import queue
from leaderboard.answers import count_ids
from leaderboard.queue import ReceivedFile, Refusal
from leaderboard.scoring import is_manifest
from leaderboard.web.hosted import BYTES_PER_ID, MAX_MANIFEST, MAX_SUBMISSION, HostedCompetition, Settings, settings_of
from leaderboard.web.security import body_chunks

TABLE = "write it as the table that the sample submission shows"
MAGIC = {
    b"PK": "a zip archive: unpack it, and send the table that is in it",
    b"\x1f\x8b": "compressed: unpack it, and send the table that is in it",
    b"\x93NUMPY": f"a numpy array: {TABLE}",
    b"\x89PNG": f"an image: {TABLE}",
    b"\xff\xd8\xff": f"an image: {TABLE}",
    b"%PDF": f"a PDF: {TABLE}",
    b"\x80": f"a Python pickle, which this server does not open: {TABLE}",
    b"\x7fELF": f"a program, which this server does not run: {TABLE}",
}


async def submit(
    request: Request, hosted: HostedCompetition, team: str, name: str, manifest_bytes: int, seconds: float
) -> Row[Any]:
    """The job of the file that is the body, finished where scoring took less than `seconds`."""
    settings, rules = settings_of(request), hosted.declared.rules
    ids = await run_in_threadpool(count_ids, hosted.data)
    limit = min(MAX_SUBMISSION, MAX_MANIFEST + BYTES_PER_ID * ids)
    received = await receive(request, manifest_bytes, limit, queue.plain_name(name))
    try:
        accept = partial(queue.accept, limit=rules.submissions_per_day, binding=settings.team_mode)
        number = await run_sync(accept, settings.engine, hosted.data, team, received, limiter=settings.upload_limiter)
    finally:
        received.path.unlink(missing_ok=True)
    if settings.scorer:
        settings.scorer.wake()
    return await finished(settings, number, seconds)


async def receive(request: Request, manifest_bytes: int, limit: int, name: str) -> ReceivedFile:
    """Write the body to the disk and read its manifest. Raise `Refusal` where it is too long, empty or not a text."""
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > limit + manifest_bytes:
        raise Refusal(413, f"{name} has {int(length):,} bytes; a submission here has at most {limit:,}")
    manifest_text, digest, size = bytearray(), hashlib.sha256(), 0
    with upload_buffer() as path:
        with open(path, "wb") as file:
            async for chunk in body_chunks(request):
                rest = manifest_bytes - len(manifest_text)
                manifest_text += chunk[:rest]
                content = chunk[rest:]
                if content and not size:
                    require_text(content, name)
                size += len(content)
                if size > limit:
                    raise Refusal(413, f"{name} is longer than the {limit:,} bytes that a submission here has at most")
                digest.update(content)
                file.write(content)
            file.flush()
            await run_in_threadpool(os.fsync, file.fileno())
        if not size:
            raise Refusal(400, f"{name} is empty; send the file as the body of the request")
        manifest = None
        if manifest_bytes:
            with suppress(ValueError, RecursionError):
                manifest = json.loads(manifest_text.decode())
            if not is_manifest(manifest):
                raise Refusal(400, "the manifest before the file is not a JSON object without NaN")
        return ReceivedFile(path, digest.hexdigest(), size, name, manifest)


def require_text(beginning: bytes, name: str) -> None:
    for magic, sentence in MAGIC.items():
        if beginning.startswith(magic):
            raise Refusal(415, f"{name} is {sentence}")
    if b"\0" in beginning[:4096]:
        raise Refusal(415, f"{name} is not a text: send the table that the sample submission shows, in UTF-8")


@contextmanager
def upload_buffer() -> Iterator[Path]:
    """Yield a new path, which the queue moves or removes; after an error no file is left."""
    folder = paths.root() / "boards" / "incoming"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".{secrets.token_hex(8)}{TEMPORARY}"
    try:
        yield path
    except OSError as error:
        path.unlink(missing_ok=True)
        if error.errno not in THEIRS:
            raise
        raise Refusal(507, f"the file cannot be stored: {THEIRS[error.errno]}; nothing was counted") from error
    except BaseException:
        path.unlink(missing_ok=True)
        raise


async def finished(settings: Settings, number: int, seconds: float) -> Row[Any]:
    """The job when it is finished, or as it stands when the time is up."""
    deadline, pause = time.monotonic() + seconds, 0.02
    while True:
        job = await run_in_threadpool(queue.read_job, settings.engine, number)
        assert job is not None, "jobs are never deleted"
        if job.state not in queue.OPEN or time.monotonic() > deadline:
            return job
        await asyncio.sleep(pause)
        pause = min(0.25, pause * 1.3)
