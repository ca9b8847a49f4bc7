"""The scorer: takes files from the queue and scores each in a child with limits: `python -m leaderboard.scorer`.

It dies with the server that started it (its standard input ends), and what it was doing is taken up by the next one.
"""

import json
import math
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
from leaderboard import archive, queue
from leaderboard.answers import Answers, Prepared, prepared, read_answers
from leaderboard.cards import check_card
from leaderboard.database import open_database, reading, writing
from leaderboard.judge import record
from leaderboard.scoring import Scored, pack, score_file, unpack
from leaderboard.tables import PARTS, submissions
from leaderboard.versions import behind

MEMORY, CPU_SECONDS, WALL_SECONDS, OPEN_FILES, FILE_BYTES = 2 << 30, 60, 120, 64, 256 << 20
LONGEST_LINE = 4096
TOO_MUCH = "{} needs more than {} to be read and scored: it is refused"


class Outcome(NamedTuple):
    """scored: the parts, or None; refused: why the file is none, or None. Neither: the child died."""

    scored: dict[str, Scored] | None = None
    refused: str | None = None


def main() -> None:
    """Score until standard input ends; every line there says that something has come in."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which closes our input
    engine, worker = open_database(), f"{socket.gethostname()}:{os.getpid()}:{os.urandom(4).hex()}"
    seconds = 0.0
    while wait_for_more(seconds):
        job = queue.claim(engine, worker)
        seconds = 1.0 if job is None else 0.0
        if job is not None:
            work(engine, worker, job)


def wait_for_more(seconds: float) -> bool:
    """False where our server has gone."""
    heard, _, _ = select.select([sys.stdin], [], [], seconds)
    return not heard or os.read(sys.stdin.fileno(), 4096) != b""


def work(engine: Engine, worker: str, job: Row[Any]) -> None:
    """One file, from the claim to the last word."""
    declared, data = find(job.competition), prepared(job.competition, job.data_hash)
    desk = paths.root() / "boards" / "scoring" / str(job.id)
    shutil.rmtree(desk, ignore_errors=True)
    desk.mkdir(parents=True)
    try:
        with reading(engine) as connection:
            refused = behind(connection, declared, data)
        ours = answers_of(data)
        outcome = Outcome(refused=refused) if refused else in_a_child(engine, worker, job, declared, ours, desk)
        conclude(engine, worker, job, declared, outcome)
    finally:
        shutil.rmtree(desk, ignore_errors=True)
    if outcome.scored:
        warm(engine, declared, data, job.team)


@lru_cache(maxsize=4)
def answers_of(data: Prepared) -> Answers:
    return read_answers(data)


def conclude(engine: Engine, worker: str, job: Row[Any], declared: Competition, outcome: Outcome) -> None:
    """Entry, scores and the job's end in one transaction, and only while the job is ours."""
    names = ("competition", "data_hash", "team", "sha256", "size", "card", "received_at")
    entry = {name: getattr(job, name) for name in names}
    if outcome.scored:
        archive.keep(queue.waiting(job.sha256), job.sha256)
    with writing(engine) as connection:
        if outcome.refused is not None:
            queue.finish(connection, job, worker, "refused", message=outcome.refused)
        elif outcome.scored is None:
            again = job.attempts < queue.MOST_ATTEMPTS
            queue.finish(
                connection, job, worker, "waiting" if again else "failed", message=None if again else queue.OURS
            )
        elif queue.renew_in(connection, job.id, worker):
            number = record(connection, declared, entry, outcome.scored)
            queue.finish(connection, job, worker, "scored", submission=number)


def warm(engine: Engine, declared: Competition, data: Prepared, team: str) -> None:
    """What the next reader of the board, and of the team's page, would wait for: the resamples of the team's best."""
    from leaderboard import entries, forecast, resampled

    with reading(engine) as connection:
        candidates = entries.read_entries(connection, declared, data, False, submissions.c.team == team)
    if best := forecast.candidates(candidates, declared.metric.higher_is_better):
        resampled.scores_of(engine, declared, data, "public", [entry.id for entry in best])


# -- the child ---------------------------------------------------------------------------------------------------------


def in_a_child(
    engine: Engine, worker: str, job: Row[Any], declared: Competition, answers: Answers, desk: Path
) -> Outcome:
    """What a process of its own says, which cannot take more than its share, nor us with it."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        score_and_exit(writer, job, declared, answers, desk)
    os.close(writer)
    try:
        said = listen(reader, lambda: queue.renew(engine, job.id, worker))
    finally:
        os.close(reader)
        if os.waitpid(child, os.WNOHANG)[0] == 0 and not ends_soon(child):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    return understood(said, desk)


def ends_soon(child: int, seconds: float = 2.0) -> bool:
    """Whether the child, which has said everything, ends by itself."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if os.waitpid(child, os.WNOHANG)[0]:
            return True
        time.sleep(0.005)
    return False


def listen(reader: int, renew: Any) -> bytes:
    """All that comes, until the child ends, says too much, takes too long, or is no longer ours."""
    said, deadline, renewed = b"", time.monotonic() + WALL_SECONDS, time.monotonic()
    while time.monotonic() < deadline and len(said) <= LONGEST_LINE:
        heard, _, _ = select.select([reader], [], [], 1.0)
        if heard:
            piece = os.read(reader, LONGEST_LINE)
            if not piece:
                return said
            said += piece
        if time.monotonic() - renewed > queue.LEASE_SECONDS / 3:
            if not renew():
                return b""
            renewed = time.monotonic()
    return b""


def understood(said: bytes, desk: Path) -> Outcome:
    """What the child's line means; a line that is none means that it died. It must not be believed more than it says.

    {"refused": sentence}, or {"public": [value, low, high], "private": [...]} with the statistics in files.
    """
    try:
        line = json.loads(said.decode(), parse_constant=lambda name: None)
        if isinstance(line, dict) and isinstance(line.get("refused"), str):
            return Outcome(refused=line["refused"])
        scored = {}
        for part in PARTS:
            value, low, high = (float(bound) for bound in line[part])
            if not all(math.isfinite(bound) and abs(bound) < 1e300 for bound in (value, low, high)):
                return Outcome()
            scored[part] = Scored(value, low, high, unpack((desk / part).read_bytes()))
        return Outcome(scored=scored)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError, OSError):
        return Outcome()


def score_and_exit(writer: int, job: Row[Any], declared: Competition, answers: Answers, desk: Path) -> None:
    """In the child. Nothing it prints may hold an answer: of an error only where it was is said."""
    code = 1
    try:
        os.closerange(3, writer)  # the database and all else that is the scorer's own
        os.closerange(writer + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        limit()
        line = scored_line(job, declared, answers, desk)
        os.write(writer, json.dumps(line, allow_nan=False).encode()[:LONGEST_LINE])
        code = 0
    except BaseException as error:  # whatever it is, the parent must live
        places = "".join(traceback.format_tb(error.__traceback__)[-3:])
        os.write(2, f"scoring job {job.id}: {type(error).__name__}\n{places}\n".encode())
    finally:
        os._exit(code)


def limit() -> None:
    """Memory beyond what was inherited, time, open files and file size; time that is used up is a refusal, no death."""
    memory = inherited() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 5))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
    signal.signal(signal.SIGXCPU, _out_of_time)


def inherited() -> int:
    """Bytes of address space that this process began with, where the kernel tells."""
    pages = Path("/proc/self/statm")
    return int(pages.read_text().split()[0]) * resource.getpagesize() if pages.exists() else 0


class OutOfTimeError(Exception):
    """The processor time of one file is used up."""


def _out_of_time(*_: object) -> None:
    raise OutOfTimeError


def scored_line(job: Row[Any], declared: Competition, answers: Answers, desk: Path) -> dict[str, Any]:
    """The file is read under the name that its sender gave it, so that messages name it."""
    file = desk / job.name
    file.symlink_to(queue.kept_file(job.sha256))
    try:
        check_card(job.card, prepared(job.competition, job.data_hash), job.name)
        scored = score_file(declared, file, answers)
    except InvalidSubmission as refusal:
        return {"refused": str(refusal)[: LONGEST_LINE // 8]}
    except MemoryError:
        return {"refused": TOO_MUCH.format(job.name, f"{MEMORY >> 30} GiB of memory")}
    except OutOfTimeError:
        return {"refused": TOO_MUCH.format(job.name, f"{CPU_SECONDS} s")}
    for part, (_, _, _, rows) in scored.items():
        (desk / part).write_bytes(pack(rows))
    return {part: [value, low, high] for part, (value, low, high, _) in scored.items()}


if __name__ == "__main__":
    main()
