"""The board anew from the archive: after a damaged or lost database, and after a new version of the metric."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sqlalchemy import Engine

from harness import folders
from harness.competition import find
from harness.errors import UserError
from leaderboard import archive
from leaderboard.answers import Answers, prepared, read_answers
from leaderboard.database import DamagedDatabaseError, is_sound, now, open_database, reading, shown, writing
from leaderboard.judge import is_scored, record
from leaderboard.scoring import score_file
from leaderboard.words import counted


@dataclass(frozen=True)
class Rebuilt:
    """path: the database; aside: where the damaged one lies now; scored: entries that lacked a score."""

    competition: str
    path: str
    aside: str | None
    scored: int
    message: str


def rebuild(name: str) -> Rebuilt:
    """Score every stored entry that the database lacks, or has by an older metric only. Twice does no harm."""
    competition = find(name)
    engine, aside = _open_or_replace()
    scored, refusals = 0, []
    for entry in archive.receipts(name):
        with reading(engine) as connection:
            if is_scored(connection, entry, competition.metric):
                continue
        try:
            parts = score_file(competition, archive.stored(entry["sha256"]), _answers(name, entry["data_hash"]))
        except UserError as refusal:  # its data are no longer prepared here, or the reader has become stricter
            refusals.append(str(refusal))
            continue
        with writing(engine) as connection:
            record(connection, entry, competition.metric, parts)
        scored += 1
    return Rebuilt(name, shown(engine), aside, scored, _message(name, scored, refusals, aside))


@cache
def _answers(competition: str, data_hash: str) -> Answers:
    return read_answers(prepared(competition, data_hash))


def _open_or_replace() -> tuple[Engine, str | None]:
    try:
        engine = open_database()
        if is_sound(engine):
            return engine, None
        engine.dispose()
    except DamagedDatabaseError:
        pass
    aside = _set_aside()
    return open_database(), aside


def _set_aside() -> str:
    """Nothing is deleted: the damaged files get a new name."""
    database = Path(folders.database().removeprefix("sqlite:///"))
    aside = database.with_name(f"{database.name}.damaged-{now()[:19].replace(':', '')}")
    for suffix in ("", "-wal", "-shm"):
        part = database.with_name(database.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return folders.shown(aside)


def _message(name: str, scored: int, refusals: list[str], aside: str | None) -> str:
    told = [f"{name}: scored {counted(scored)} of the archive"]
    if refusals:
        told.append(f"could not score {counted(len(refusals))}, the first because {refusals[0]}")
    if aside:
        told.append(
            f"the damaged database is now {aside}; rebuild other competitions too, and choose finals and reveal again"
        )
    return "; ".join(told)
