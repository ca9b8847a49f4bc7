"""How the database of the board is opened, and brought to the tables of today; SQLite by default, PostgreSQL by URL.

What was acknowledged is on the disk (WAL, synchronous=FULL). A transaction that writes is alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, exc, inspect, make_url, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import Double

from harness import paths
from harness.errors import UserError
from leaderboard.tables import metadata

BUSY_SECONDS = 30  # a writer holds the database for milliseconds; only a stopped process holds it longer
SCHEMA = "ledger"  # the last of leaderboard/migrations/versions
ALONE = 4_207_117  # the number of PostgreSQL's lock that writers take
KEPT_OPEN = 15  # connections: to open one takes PostgreSQL 5 ms, as long as twenty queries


class clock(GenericFunction[float]):  # noqa: N801 (it is written as a function)
    """Seconds since 1970 by the clock of the database, the one that all its users share."""

    type = Double()
    inherit_cache = True


@compiles(clock, "sqlite")
def _of_sqlite(*_: Any, **__: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(clock, "postgresql")
def _of_postgresql(*_: Any, **__: Any) -> str:
    return "extract(epoch from clock_timestamp())::double precision"


def open_database(url: str | None = None) -> Engine:
    """The database of `folders.database()`, with its tables; raise `UserError` where it cannot be opened."""
    try:
        engine = create_engine(_with_our_driver(url or paths.database()), pool_size=KEPT_OPEN)
    except (exc.ArgumentError, exc.NoSuchModuleError, ImportError) as error:
        raise UserError(
            f"DATABASE_URL cannot be used ({error}); give sqlite:///<file> or postgresql://..., or unset it"
        ) from error
    if engine.dialect.name == "sqlite":
        _as_documented(engine)
    else:
        _one_writer(engine)
    with reading(engine) as connection:
        version = _version(connection)
    if version != SCHEMA:
        with writing(engine) as connection:  # two first processes take turns
            _bring_up(connection)
    return engine


def _with_our_driver(url: str) -> Any:
    """postgresql:// and postgres:// by psycopg 3."""
    parsed = make_url(url)
    return parsed.set(drivername="postgresql+psycopg") if parsed.drivername in ("postgresql", "postgres") else parsed


def _version(connection: Connection) -> str | None:
    """Of the tables: None in an empty database, "initial" in one from before there were versions."""
    there = inspect(connection)
    if there.has_table("alembic_version"):
        return connection.scalar(text("SELECT version_num FROM alembic_version"))
    return "initial" if there.has_table("reveals") else None


def _bring_up(connection: Connection) -> None:
    """An empty database gets the tables of today at once; an older one goes there step by step."""
    version = _version(connection)
    if version == SCHEMA:
        return
    if version is None:
        metadata.create_all(connection)
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
        connection.execute(text("INSERT INTO alembic_version VALUES (:version)"), {"version": SCHEMA})
    else:
        _migrate(connection, version)


def _migrate(connection: Connection, version: str) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    settings = Config(attributes={"connection": connection})
    settings.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    try:
        if version == "initial":
            command.stamp(settings, version)
        command.upgrade(settings, "head")
    except CommandError as error:
        raise UserError(
            f"the database is of a later version of this project ({version}); update the project, or use another one"
        ) from error


def _one_writer(engine: Engine) -> None:
    """On PostgreSQL a transaction that writes waits for the one before, as on SQLite: no limit is overrun."""

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get("immediate", False):
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ALONE})")


def _as_documented(engine: Engine) -> None:
    """SQLAlchemy's recipe: the driver's own transactions are off, and BEGIN is ours to say."""

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in (
            f"busy_timeout={BUSY_SECONDS * 1000}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "recursive_triggers=ON",  # so that INSERT OR REPLACE meets the triggers too
        ):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that reads first and writes later fails when another one wrote in between; one that says
        # IMMEDIATE waits for its turn.
        immediate = connection.get_execution_options().get("immediate", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that sees one state of the database, whatever is written meanwhile."""
    level = {"isolation_level": "REPEATABLE READ"} if engine.dialect.name == "postgresql" else {}
    with _in_words(engine), engine.execution_options(**level).begin() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that is alone from its first statement on, and on the disk when the block has ended."""
    with _in_words(engine), engine.execution_options(immediate=True).begin() as connection:
        yield connection


class DamagedDatabaseError(UserError):
    """The file is no database, or no longer."""


# What SQLite says -> what it means and what to do.
_DAMAGED = "is damaged; `python -m leaderboard rebuild <competition>` makes it anew from the stored files"
_SENTENCES = {
    "not a database": _DAMAGED,
    "malformed": _DAMAGED,
    "full": "cannot be written: the disk is full; free some space and run the same command again",
    "disk I/O error": "cannot be written: the disk is full or fails; free some space and run the same command again",
    "readonly": "cannot be written: it, or its folder, is read-only for you",
    "unable to open": "cannot be opened: its folder does not exist, or is not yours to write",
    "onnection refused": "cannot be reached: start its server, or correct DATABASE_URL",
    "authentication failed": "does not let us in: correct the user and the password in DATABASE_URL",
    "does not exist": "cannot be used: create it, or correct DATABASE_URL",
    "locked": f"is held by another process for {BUSY_SECONDS} s already; stop that, and run the same command again",
}


@contextmanager
def _in_words(engine: Engine) -> Iterator[None]:
    """Turn what the machine's owner can repair into a sentence."""
    try:
        yield
    except exc.DatabaseError as error:
        for phrase, sentence in _SENTENCES.items():
            if phrase in str(error.orig):
                kind = DamagedDatabaseError if sentence is _DAMAGED else UserError
                raise kind(f"{shown(engine)} {sentence}") from error
        raise


def is_sound(engine: Engine) -> bool:
    """Whether SQLite finds nothing wrong with the file. PostgreSQL looks after itself."""
    if engine.dialect.name != "sqlite":
        return True
    try:
        with reading(engine) as connection:
            return connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    except DamagedDatabaseError:
        return False


def shown(engine: Engine) -> str:
    """Where the board lies, for messages: a path, or a URL without its password."""
    if engine.dialect.name == "sqlite" and engine.url.database:
        return paths.shown(paths.root() / engine.url.database)
    return engine.url.render_as_string(hide_password=True)


def now() -> str:
    """UTC, ISO 8601 with microseconds. Ask inside the writing transaction, so that times and ids agree."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
