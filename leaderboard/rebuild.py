"""The board anew from its ledger and the stored files, after a damaged or lost database."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from harness import paths
from harness.competition import find
from harness.errors import UserError
from leaderboard import board, decisions, ledger
from leaderboard.database import DamagedDatabaseError, is_sound, now, open_database, shown, writing
from leaderboard.words import counted


@dataclass(frozen=True)
class Rebuilt:
    """path: the database; aside: where the damaged one lies now; scored: entries that were brought back."""

    competition: str
    path: str
    aside: str | None
    scored: int
    message: str


def rebuild(name: str) -> Rebuilt:
    """Follow the ledger where the database has not, and look at the board once. Twice does no harm.

    What scores were made of comes from the stored files again, for the entries that count.
    """
    competition = find(name)
    engine, aside = _open_or_replace()
    entries, refusals = 0, []
    for data in ledger.boards(name):
        with writing(engine) as connection:
            entries += decisions.count_missing(connection, data)
            decisions.catch_up(connection, data)
        try:
            board.read(engine, competition, data)
        except UserError as refusal:  # its data are no longer prepared here, or are others
            refusals.append(str(refusal))
    return Rebuilt(name, shown(engine), aside, entries, _message(name, entries, refusals, aside))


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
    database = Path(paths.database().removeprefix("sqlite:///"))
    aside = database.with_name(f"{database.name}.damaged-{now()[:19].replace(':', '')}")
    for suffix in ("", "-wal", "-shm"):
        part = database.with_name(database.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return paths.shown(aside)


def _message(name: str, entries: int, refusals: list[str], aside: str | None) -> str:
    told = [f"{name}: brought back {counted(entries)} of the ledger"]
    if refusals:
        told.append(f"it cannot be shown yet: {refusals[0]}")
    if aside:
        told.append(
            f"the damaged database is now {aside}; rebuild other competitions too, and make teams and tokens again"
        )
    return "; ".join(told)
