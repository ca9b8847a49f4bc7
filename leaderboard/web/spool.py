"""The body of a request on its way to the disk."""

import hashlib
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from harness import paths
from harness.errors import THEIRS
from harness.files import TEMPORARY
from leaderboard.queue import Refusal


@contextmanager
def incoming(told: str) -> Iterator[Path]:
    """A path of its own, which whoever succeeds moves or removes; after an error nothing is there.

    told: with a place for what is wrong with the disk; that is a `Refusal`.
    """
    folder = paths.root() / "boards" / "incoming"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".{secrets.token_hex(8)}{TEMPORARY}"
    try:
        yield path
    except OSError as error:
        path.unlink(missing_ok=True)
        if error.errno not in THEIRS:
            raise
        raise Refusal(507, told.format(THEIRS[error.errno])) from error
    except BaseException:
        path.unlink(missing_ok=True)
        raise


async def spooled(contents: AsyncIterator[bytes], path: Path, most: int, longer: str) -> tuple[str, int]:
    """Sha256 and number of bytes of what is on the disk when this returns. longer: the refusal of more than `most`."""
    digest, size = hashlib.sha256(), 0
    with open(path, "wb") as file:
        async for content in contents:
            size += len(content)
            if size > most:
                raise Refusal(413, longer)
            digest.update(content)
            file.write(content)
        file.flush()
        await run_in_threadpool(os.fsync, file.fileno())
    return digest.hexdigest(), size
