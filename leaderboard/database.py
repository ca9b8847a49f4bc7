"""The database of the boards: the one truth of what was submitted, scored and decided. SQLite, or PostgreSQL by URL.

Rows of entries, scores and decisions are only ever added: a correction is a new row. A score cannot be NULL, NaN or
infinite, so two backends cannot rank differently. A committed transaction is on the disk; a writing one is alone.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    DDL,
    JSON,
    CheckConstraint,
    Column,
    ColumnElement,
    Connection,
    Double,
    Engine,
    ForeignKey,
    FromClause,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    create_engine,
    event,
    exc,
    inspect,
    make_url,
    select,
)

from harness import paths
from harness.errors import UserError
from harness.metrics import Metric
from leaderboard.answers import JudgedData

SCHEMA = 1  # raise it with every change of a table
PARTS = ("public", "private")
STATES = ("waiting", "scoring", "scored", "refused", "failed")
BUSY_SECONDS = 30  # a writer holds the database for milliseconds; only a stopped process holds it longer
WRITER_LOCK = 4_207_117  # the number of PostgreSQL's advisory lock that writers take
POOL_SIZE = 15  # to open a connection takes PostgreSQL 5 ms, as long as twenty queries

metadata = MetaData()


# -- tables ------------------------------------------------------------------------------------------------------------


def _text(*names: str) -> list[Column[Any]]:
    return [Column(name, String, nullable=False) for name in names]


def _submission() -> Column[Any]:
    return Column("submission", ForeignKey("submissions.id"), nullable=False)


def _metric_columns(*parts: str) -> list[Column[Any]]:
    """Which metric, in which version, on which rows."""
    part = Column("part", String, CheckConstraint(f"part IN {parts}"), nullable=False)
    return [Column("metric", String, nullable=False), Column("version", Integer, nullable=False), part]


def _finite(name: str) -> Column[Any]:
    """A double that is a number: the comparison is false or unknown for NaN, infinities and text, on every backend."""
    return Column(name, Double, CheckConstraint(f"{name} BETWEEN -1e300 AND 1e300"), nullable=False)


def _array_table(name: str) -> Table:
    """One packed array (`scoring.pack`) for every part of a scored submission; the stored file gives it again."""
    key = PrimaryKeyConstraint("submission", "metric", "version", "part")
    packed = Column("packed", LargeBinary, nullable=False)
    return Table(name, metadata, _submission(), *_metric_columns(*PARTS), packed, key)


def _board_table(name: str, *columns: Any) -> Table:
    """A table of what happened on every board, in the order of `id`. Scores made on other data never meet."""
    board = _text("competition", "data_hash")
    of_board = Index(f"{name}_of_board", "competition", "data_hash", "id")
    key = Column("id", Integer, primary_key=True)
    return Table(name, metadata, key, *board, *columns, of_board, sqlite_autoincrement=True)


# Times are UTC, ISO 8601.
submissions = _board_table(
    "submissions",  # of two with equal scores the one that came first is ahead
    *_text("team"),
    Column("sha256", String(64), nullable=False),
    Column("size", Integer, nullable=False),
    *_text("received_at"),
    Column("manifest", JSON(none_as_null=True)),
    UniqueConstraint("competition", "data_hash", "team", "sha256"),
)
scores = Table(
    "scores",  # "shown" is what the public score is shown as before the reveal (harness.competition)
    metadata,
    _submission(),
    *_metric_columns(*PARTS, "shown"),
    _finite("value"),
    _finite("low"),
    _finite("high"),
    PrimaryKeyConstraint("submission", "metric", "version", "part"),
)
statistics = _array_table("statistics")  # a row of the metric's statistics for every sample
resamples = _array_table("resamples")  # the score of every bootstrap resample, the same resamples for all submissions
# The metric, in the version, that a board is scored by; the last row counts.
versions = _board_table(
    "versions", *_text("metric"), Column("version", Integer, nullable=False), *_text("reason", "since")
)
selections = _board_table("selections", *_text("team", "selected_at"))  # of finals, by a team; the last one counts
finals = Table(
    "finals",
    metadata,
    Column("selection", ForeignKey("selections.id"), nullable=False),
    _submission(),
    PrimaryKeyConstraint("selection", "submission"),
)
# What the host did, and why; the last action on a subject counts.
host_actions = _board_table("host_actions", *_text("kind"), Column("team", String), *_text("text", "by", "at"))
jobs = Table(
    "jobs",  # a file that a server received, and what became of it
    metadata,
    Column("id", Integer, primary_key=True),
    *_text("competition", "data_hash", "team"),
    Column("sha256", String(64), nullable=False),
    Column("size", Integer, nullable=False),
    *_text("name"),  # of the file, as its sender calls it
    Column("manifest", JSON(none_as_null=True)),
    *_text("received_at"),
    Column("state", String, CheckConstraint(f"state IN {STATES}"), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("claimed_by", String),  # the scorer process that may write the result
    Column("message", String),
    Column("submission", ForeignKey("submissions.id")),
    UniqueConstraint("competition", "data_hash", "team", "sha256"),
    Index("jobs_by_state", "state"),
    sqlite_autoincrement=True,
)
teams = Table(
    "teams",
    metadata,
    Column("name", String, primary_key=True),
    Column("looks", String, nullable=False, unique=True),  # what two names that look alike have in common
    *_text("created_at"),
)
tokens = Table(
    "tokens",  # of members, hosts and logged-in browsers; only their sha256 is stored
    metadata,
    Column("sha256", String(64), primary_key=True),
    *_text("member"),
    Column("team", ForeignKey("teams.name")),  # a host has none
    Column("role", String, CheckConstraint("role IN ('player', 'host')"), nullable=False),
    *_text("created_at"),
    Column("expires_at", String),
    Column("revoked_at", String),
    Column("opened_by", ForeignKey("tokens.sha256")),  # a browser's session ends with the token that opened it
)
schema_version = Table("schema_version", metadata, Column("version", Integer, primary_key=True))

POSTGRES_FUNCTION = """CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '%% are never changed: a correction is a new row', TG_TABLE_NAME; END $$"""


def _forbid_changes(table: Table) -> None:
    for verb in ("UPDATE", "DELETE"):
        trigger = f"CREATE TRIGGER {table.name}_refuse_{verb.lower()} BEFORE {verb} ON {table.name}"
        abort = f"BEGIN SELECT RAISE(ABORT, '{table.name} are never changed: a correction is a new row'); END"
        refusals = {"sqlite": abort, "postgresql": "FOR EACH ROW EXECUTE FUNCTION refuse_change()"}
        for dialect, refusal in refusals.items():
            event.listen(table, "after_create", DDL(f"{trigger} {refusal}").execute_if(dialect=dialect))


event.listen(metadata, "before_create", DDL(POSTGRES_FUNCTION).execute_if(dialect="postgresql"))
for _table in (submissions, scores, versions, selections, finals, host_actions):
    _forbid_changes(_table)


def on_board(table: Table, data: JudgedData) -> tuple[ColumnElement[bool], ...]:
    """Select the rows of one board."""
    return table.c.competition == data.competition, table.c.data_hash == data.data_hash


def scored_by(table: FromClause, metric: Metric) -> tuple[ColumnElement[bool], ...]:
    """Select the rows made by this version of the metric."""
    return table.c.metric == metric.name, table.c.version == metric.version


# -- opening -----------------------------------------------------------------------------------------------------------


def open_database(url: str | None = None) -> Engine:
    """The database of `paths.database()`, with its tables; raise `UserError` where it cannot be opened."""
    try:
        parsed = make_url(url or paths.database())
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        engine = create_engine(parsed, pool_size=POOL_SIZE)
    except (exc.ArgumentError, exc.NoSuchModuleError, ImportError) as error:
        raise UserError(
            f"DATABASE_URL cannot be used ({error}); give sqlite:///<file> or postgresql://..., or unset it"
        ) from error
    _begin_transactions(engine)
    with reading(engine) as connection:
        is_ready = _has_tables(connection, engine)
    if not is_ready:
        with writing(engine) as connection:  # two first processes take turns
            if not _has_tables(connection, engine):
                metadata.create_all(connection)
                connection.execute(schema_version.insert().values(version=SCHEMA))
    return engine


def _has_tables(connection: Connection, engine: Engine) -> bool:
    """Whether the tables exist; raise `UserError` if another version of this project made them."""
    names = inspect(connection).get_table_names()
    version = connection.scalar(select(schema_version.c.version)) if "schema_version" in names else None
    if version == SCHEMA or (version is None and not {"submissions", "alembic_version"} & set(names)):
        return version == SCHEMA
    raise UserError(
        f"{shown(engine)} was written by another version of this project (its tables have version {version or 'none'}, "
        f"this code wants {SCHEMA}): use that version, or name another database with DATABASE_URL"
    )


def _begin_transactions(engine: Engine) -> None:
    """A transaction that writes waits for the one before it, on both backends: no limit is overrun."""
    is_sqlite = engine.dialect.name == "sqlite"

    def configure_sqlite(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy's recipe: the driver's own transactions are off
        connection.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
        _turn_wal_on(connection)
        # The triggers are recursive so that INSERT OR REPLACE meets them too.
        connection.executescript("PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA recursive_triggers=ON")

    def begin(connection: Connection) -> None:
        is_writing = connection.get_execution_options().get("immediate", False)
        if is_sqlite:
            # A transaction that reads first and writes later fails when another one wrote in between.
            connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writing else "BEGIN")
        elif is_writing:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITER_LOCK})")

    if is_sqlite:
        event.listen(engine, "connect", configure_sqlite)
    event.listen(engine, "begin", begin)


def _turn_wal_on(connection: sqlite3.Connection) -> None:
    """SQLite itself does not wait for another process that is doing the same."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that sees one state of the database, whatever is written meanwhile."""
    level = {"isolation_level": "REPEATABLE READ"} if engine.dialect.name == "postgresql" else {}
    with _explained(engine), engine.execution_options(**level).begin() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that is alone from its first statement on, and on the disk when the block has ended."""
    with _explained(engine), engine.execution_options(immediate=True).begin() as connection:
        yield connection


DAMAGED = "is damaged; restore the last backup into an empty home: `HARNESS_HOME=<new folder> make restore FROM=<file>`"
# What the driver says -> what it means and what to do.
_SENTENCES = {
    "not a database": DAMAGED,
    "malformed": DAMAGED,
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
def _explained(engine: Engine) -> Iterator[None]:
    """Turn what the machine's owner can repair into a sentence."""
    try:
        yield
    except exc.DatabaseError as error:
        for phrase, sentence in _SENTENCES.items():
            if phrase in str(error.orig):
                raise UserError(f"{shown(engine)} {sentence}") from error
        raise


def shown(engine: Engine) -> str:
    """Show the place of the database in messages: a path, or a URL without its password."""
    if engine.dialect.name == "sqlite" and engine.url.database:
        return paths.shown(paths.root() / engine.url.database)
    return engine.url.render_as_string(hide_password=True)


def now() -> str:
    """UTC, ISO 8601 with microseconds. Ask inside the writing transaction, so that times and ids agree."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
