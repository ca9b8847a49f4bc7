"""The tables of the board and how they are opened: SQLAlchemy Core; SQLite by default, PostgreSQL by its URL.

What was acknowledged is on the disk (WAL, synchronous=FULL). Submissions, scores and events are never changed or
deleted: a correction is a new row. A score cannot be NULL, NaN or infinite, so two backends cannot rank differently.
"""

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
)

from harness import folders
from harness.errors import UserError
from harness.metrics import Metric

PARTS = ("public", "private")
BUSY_SECONDS = 30  # a writer holds the database for milliseconds; only a stopped process holds it longer

metadata = MetaData()


def _board_columns() -> list[Column[Any]]:
    """One board per competition and data hash: scores made on other data never meet."""
    return [Column("competition", String, nullable=False), Column("data_hash", String, nullable=False)]


def _submission() -> Column[Any]:
    return Column("submission", ForeignKey("submissions.id"), nullable=False)


def _metric_columns() -> list[Column[Any]]:
    """Which metric, in which version, on which rows ("public" or "private")."""
    return [
        Column("metric", String, nullable=False),
        Column("version", Integer, nullable=False),
        Column("part", String, CheckConstraint("part IN ('public', 'private')"), nullable=False),
    ]


def _finite(name: str) -> Column[Any]:
    """A double that is a number: the comparison is false or unknown for NaN, infinities and text, on every backend."""
    return Column(name, Double, CheckConstraint(f"{name} BETWEEN -1e300 AND 1e300"), nullable=False)


submissions = Table(
    "submissions",
    metadata,
    Column("id", Integer, primary_key=True),  # the order of arrival, which decides between equal scores
    *_board_columns(),
    Column("team", String, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size", Integer, nullable=False),
    Column("received_at", String, nullable=False),  # UTC, ISO 8601: sorts as text
    Column("card", JSON(none_as_null=True)),
    UniqueConstraint("competition", "data_hash", "team", "sha256"),
    sqlite_autoincrement=True,
)
scores = Table(
    "scores",
    metadata,
    _submission(),
    *_metric_columns(),
    _finite("value"),
    _finite("low"),
    _finite("high"),
    PrimaryKeyConstraint("submission", "metric", "version", "part"),
)
statistics = Table(
    "statistics",  # one row of the metric's statistics per sample, see `statistics.pack`
    metadata,
    _submission(),
    *_metric_columns(),
    Column("packed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("submission", "metric", "version", "part"),
)
comparisons = Table(
    "comparisons",  # a cache: by how much `submission` is better than `other`
    metadata,
    _submission(),
    Column("other", ForeignKey("submissions.id"), nullable=False),
    *_metric_columns(),
    _finite("difference"),
    _finite("low"),
    _finite("high"),
    PrimaryKeyConstraint("submission", "other", "metric", "version", "part"),
)
selections = Table(
    "selections",  # a team names its finals; the last selection counts
    metadata,
    Column("id", Integer, primary_key=True),
    *_board_columns(),
    Column("team", String, nullable=False),
    Column("selected_at", String, nullable=False),
    Index("selections_of_board", "competition", "data_hash"),
    sqlite_autoincrement=True,
)
finals = Table(
    "finals",
    metadata,
    Column("selection", ForeignKey("selections.id"), nullable=False),
    _submission(),
    PrimaryKeyConstraint("selection", "submission"),
)
reveals = Table(
    "reveals",  # the host's decision to show private scores; it cannot be taken back
    metadata,
    *_board_columns(),
    Column("revealed_at", String, nullable=False),
    PrimaryKeyConstraint("competition", "data_hash"),
)


def _forbid_changes(table: Table) -> None:
    for verb in ("UPDATE", "DELETE"):
        trigger = f"CREATE TRIGGER {table.name}_refuse_{verb.lower()} BEFORE {verb} ON {table.name}"
        refusal = f"BEGIN SELECT RAISE(ABORT, '{table.name} are never changed: a correction is a new row'); END"
        event.listen(table, "after_create", DDL(f"{trigger} {refusal}").execute_if(dialect="sqlite"))


for _table in (submissions, scores, selections, finals, reveals):
    _forbid_changes(_table)


def on_board(table: Table, competition: str, data_hash: str) -> tuple[ColumnElement[bool], ...]:
    """The rows of one board."""
    return table.c.competition == competition, table.c.data_hash == data_hash


def scored_by(table: Table, metric: Metric) -> tuple[ColumnElement[bool], ...]:
    """The rows made by the metric as it is now."""
    return table.c.metric == metric.name, table.c.version == metric.version


def open_database(url: str | None = None) -> Engine:
    """The database of `folders.database()`, with its tables; raise `UserError` where it cannot be opened."""
    try:
        engine = create_engine(make_url(url or folders.database()))
    except (exc.ArgumentError, exc.NoSuchModuleError, ImportError) as error:
        raise UserError(f"DATABASE_URL cannot be used ({error}); give sqlite:///<file>, or unset it") from error
    if engine.dialect.name == "sqlite":
        _as_documented(engine)
    with reading(engine) as connection:
        complete = inspect(connection).has_table(reveals.name)
    if not complete:
        with writing(engine) as connection:  # two first processes take turns
            metadata.create_all(connection)
    return engine


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
    """A transaction that sees one state of the database."""
    with _in_words(engine), engine.begin() as connection:
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
        return folders.shown(folders.root() / engine.url.database)
    return engine.url.render_as_string(hide_password=True)


def now() -> str:
    """UTC, ISO 8601 with microseconds. Ask inside the writing transaction, so that times and ids agree."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
