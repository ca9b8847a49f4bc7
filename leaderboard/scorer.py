"""The scorer: takes files from the queue and scores each in a child with limits: `python -m leaderboard.scorer`.

It ends with the server that started it (its standard input ends), and the next one takes over what it was doing.
"""

import json
import os
import resource
import select
import shutil
import signal
import socket
import sys
import time
import traceback
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Engine, Row

from harness import paths
from harness.competition import Competition, find
from harness.errors import InvalidSubmission
from leaderboard import queue
from leaderboard.answers import Answers, prepared, read_answers
from leaderboard.database import PARTS, open_database, reading, writing
from leaderboard.entries import entries_of, outdated
from leaderboard.judge import record
from leaderboard.scoring import (
    PartScore,
    check_manifest,
    is_storable,
    pack,
    resampled_scores,
    score_file,
    store_file,
    unpack,
)

MEMORY, CPU_SECONDS, WALL_SECONDS, OPEN_FILES, FILE_BYTES = 2 << 30, 60, 120, 64, 256 << 20
MAX_LINE = 4096  # bytes
OVER_LIMIT = "{} needs more than {} to be read and scored: it is refused"


class ScoringOutcome(NamedTuple):
    """scored: the parts, or None; refused: why the file cannot be scored, or None. Neither: the child died."""

    scored: dict[str, PartScore] | None = None
    refused: str | None = None


def main() -> None:
    """Score until standard input ends; every line there says that a file has been received."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which closes our input
    engine, worker = open_database(), f"{socket.gethostname()}:{os.getpid()}:{os.urandom(4).hex()}"
    queue.take_over(engine)
    seconds = 0.0
    while True:
        ready, _, _ = select.select([sys.stdin], [], [], seconds)
        if ready and not os.read(sys.stdin.fileno(), 4096):
            return  # the server has ended
        job = queue.claim(engine, worker)
        seconds = 1.0 if job is None else 0.0
        if job is not None:
            work(engine, worker, job)


def work(engine: Engine, worker: str, job: Row[Any]) -> None:
    """Score one claimed file and write the result."""
    declared, data = find(job.competition), prepared(job.competition, job.data_hash)
    folder = paths.root() / "boards" / "scoring" / str(job.id)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        with reading(engine) as connection:
            refused = outdated(connection, declared, data)
        outcome = ScoringOutcome(refused=refused) if refused else score_in_child(job, declared, _answers(data), folder)
        conclude(engine, worker, job, declared, outcome)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if outcome.scored:  # the next reader of the board would wait for the resamples of the team's best entry
        with reading(engine) as connection:
            best = entries_of(engine, connection, declared, data, revealed=False).best.get(job.team)
        if best:
            resampled_scores(engine, declared, data, "public", [best.id])


_answers = lru_cache(maxsize=4)(read_answers)


def conclude(engine: Engine, worker: str, job: Row[Any], declared: Competition, outcome: ScoringOutcome) -> None:
    """Write entry, scores and the job's end in one transaction, unless another scorer has taken the job over."""
    if outcome.scored:
        store_file(queue.waiting_file(job.sha256), job.sha256)
    with writing(engine) as connection:
        if not queue.is_claimed(connection, job.id, worker):
            return
        if outcome.scored:
            number = record(connection, declared, job._asdict(), outcome.scored)
            queue.finish(connection, job, "scored", submission=number)
        elif outcome.refused is not None:
            queue.finish(connection, job, "refused", message=outcome.refused)
        elif job.attempts < queue.MAX_ATTEMPTS:
            queue.finish(connection, job, "waiting")
        else:
            queue.finish(connection, job, "failed", message=queue.FAILED)


# -- the child ---------------------------------------------------------------------------------------------------------


def score_in_child(job: Row[Any], declared: Competition, answers: Answers, folder: Path) -> ScoringOutcome:
    """Score in a process of its own, which cannot take more than its share, nor end ours."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _score_and_exit(writer, job, declared, answers, folder)
    os.close(writer)
    try:
        line = _read_line(reader)
    finally:
        os.close(reader)
        os.kill(child, signal.SIGKILL)  # it has ended and its line is whole, or what it still says does not count
        os.waitpid(child, 0)
    return parse_outcome(line, folder)


def _read_line(reader: int) -> bytes:
    """Read all that the child writes until it ends; b"" if that is too much or takes too long."""
    line, deadline = b"", time.monotonic() + WALL_SECONDS
    while time.monotonic() < deadline and len(line) <= MAX_LINE:
        ready, _, _ = select.select([reader], [], [], 1.0)
        if ready:
            piece = os.read(reader, MAX_LINE)
            if not piece:
                return line
            line += piece
    return b""


def parse_outcome(line: bytes, folder: Path) -> ScoringOutcome:
    """Parse the line of a child. An invalid line means that the child died: it never becomes a score.

    {"refused": sentence}, or {"public": [value, low, high], "private": [...]} with the statistics in files.
    """
    try:
        result = json.loads(line.decode(), parse_constant=lambda name: None)
        if isinstance(result, dict) and isinstance(result.get("refused"), str):
            return ScoringOutcome(refused=result["refused"])
        scored = {}
        for part in PARTS:
            value, low, high = (float(bound) for bound in result[part])
            if not all(map(is_storable, (value, low, high))):
                return ScoringOutcome()
            scored[part] = PartScore(value, low, high, unpack((folder / part).read_bytes()))
        return ScoringOutcome(scored=scored)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError, OSError):
        return ScoringOutcome()


def _score_and_exit(writer: int, job: Row[Any], declared: Competition, answers: Answers, folder: Path) -> None:
    """Run in the child. Nothing it prints may hold an answer: of an error only its place is printed."""
    code = 1
    try:
        os.closerange(3, writer)  # the database and all else that is the scorer's own
        os.closerange(writer + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        _limit_resources()
        line = _scored_line(job, declared, answers, folder)
        os.write(writer, json.dumps(line, allow_nan=False).encode()[:MAX_LINE])
        code = 0
    except BaseException as error:  # whatever it is, the parent must live
        places = "".join(traceback.format_tb(error.__traceback__)[-3:])
        os.write(2, f"scoring job {job.id}: {type(error).__name__}\n{places}\n".encode())
    finally:
        os._exit(code)


class OutOfTimeError(Exception):
    """The processor time of one file is used up."""


def _limit_resources() -> None:
    """Limit memory beyond the inherited, time, open files and file size; a file out of time is refused, not killed."""
    pages = Path("/proc/self/statm")
    inherited = int(pages.read_text().split()[0]) * resource.getpagesize() if pages.exists() else 0
    resource.setrlimit(resource.RLIMIT_AS, (inherited + MEMORY, inherited + MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 5))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))

    def out_of_time(*_: object) -> None:
        raise OutOfTimeError

    signal.signal(signal.SIGXCPU, out_of_time)


def _scored_line(job: Row[Any], declared: Competition, answers: Answers, folder: Path) -> dict[str, Any]:
    """The file is read under the name that its sender gave it, so that messages name it."""
    file = folder / job.name
    file.symlink_to(queue.received_file(job.sha256))
    try:
        check_manifest(job.manifest, prepared(job.competition, job.data_hash), job.name)
        scored = score_file(declared, file, answers)
    except InvalidSubmission as refusal:
        return {"refused": str(refusal)[: MAX_LINE // 8]}
    except MemoryError:
        return {"refused": OVER_LIMIT.format(job.name, f"{MEMORY >> 30} GiB of memory")}
    except OutOfTimeError:
        return {"refused": OVER_LIMIT.format(job.name, f"{CPU_SECONDS} s")}
    for part, score in scored.items():
        (folder / part).write_bytes(pack(score.statistics))
    return {part: list(score[:3]) for part, score in scored.items()}


if __name__ == "__main__":
    main()
