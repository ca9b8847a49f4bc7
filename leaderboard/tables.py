"""The tables of the board: SQLAlchemy Core, the same on SQLite and PostgreSQL.

Submissions, scores and events are never changed or deleted: a correction is a new row. They follow the ledger.
A score cannot be NULL, NaN or infinite, so two backends cannot rank differently. A change here needs a migration
(leaderboard/migrations).
"""

from typing import Any

from sqlalchemy import (
    DDL,
    JSON,
    CheckConstraint,
    Column,
    ColumnElement,
    Double,
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
    event,
)

from harness.metrics import Metric

PARTS = ("public", "private")

STATES = ("waiting", "scoring", "scored", "refused", "failed")
POSTGRES_FUNCTION = """CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '%% are never changed: a correction is a new row', TG_TABLE_NAME; END $$"""
POSTGRES_REFUSAL = "FOR EACH ROW EXECUTE FUNCTION refuse_change()"

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
shown = Table(
    "shown",  # what is told of the public score before the reveal (harness.rules); fixed when the entry was scored
    metadata,
    _submission(),
    Column("metric", String, nullable=False),
    Column("version", Integer, nullable=False),
    _finite("value"),
    _finite("low"),
    _finite("high"),
    PrimaryKeyConstraint("submission", "metric", "version"),
)
versions = Table(
    "versions",  # the metric, in the version, that a board stands by; the last row counts
    metadata,
    Column("id", Integer, primary_key=True),
    *_board_columns(),
    Column("metric", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("reason", String, nullable=False),
    Column("since", String, nullable=False),
    Index("versions_of_board", "competition", "data_hash"),
    sqlite_autoincrement=True,
)
ledger = Table(
    "ledger",  # the lines of the ledger that this database has followed
    metadata,
    *_board_columns(),
    Column("seq", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("seal", String(64), nullable=False),
    Column("submission", ForeignKey("submissions.id"), index=True),
    PrimaryKeyConstraint("competition", "data_hash", "seq"),
)
statistics = Table(
    "statistics",  # one row of the metric's statistics per sample, see `statistics.pack`
    metadata,
    _submission(),
    *_metric_columns(),
    Column("packed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("submission", "metric", "version", "part"),
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

jobs = Table(
    "jobs",  # a file that was received: what the server works on, and what it said; it is leased, never lost
    metadata,
    Column("id", Integer, primary_key=True),
    *_board_columns(),
    Column("team", String, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size", Integer, nullable=False),
    Column("name", String, nullable=False),  # of the file, as its sender calls it
    Column("card", JSON(none_as_null=True)),
    Column("received_at", String, nullable=False),
    Column("state", String, CheckConstraint(f"state IN {STATES}"), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("claimed_by", String),
    Column("claimed_until", Double),  # seconds since 1970 by the database's clock
    Column("message", String),
    Column("submission", ForeignKey("submissions.id")),
    UniqueConstraint("competition", "data_hash", "team", "sha256"),
    Index("jobs_by_state", "state"),
    sqlite_autoincrement=True,
)
resamples = Table(
    "resamples",  # a cache: the score of every bootstrap resample, the same resamples for all submissions
    metadata,
    _submission(),
    *_metric_columns(),
    Column("packed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("submission", "metric", "version", "part"),
)
events = Table(
    "events",  # what the host did, and why; the last word on a subject counts
    metadata,
    Column("id", Integer, primary_key=True),
    *_board_columns(),
    Column("kind", String, nullable=False),
    Column("team", String),
    Column("said", String, nullable=False),
    Column("said_by", String, nullable=False),
    Column("said_at", String, nullable=False),
    Index("events_of_board", "competition", "data_hash"),
    sqlite_autoincrement=True,
)
teams = Table(
    "teams",
    metadata,
    Column("name", String, primary_key=True),
    Column("looks", String, nullable=False, unique=True),  # what two names that look alike have in common
    Column("created_at", String, nullable=False),
)
tokens = Table(
    "tokens",  # of members and hosts, and of browsers that are logged in; only their sha256 is kept
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("member", String, nullable=False),
    Column("team", ForeignKey("teams.name")),  # a host has none
    Column("role", String, CheckConstraint("role IN ('player', 'host')"), nullable=False),
    Column("created_at", String, nullable=False),
    Column("expires_at", String),
    Column("revoked_at", String),
    Column("opened_by", ForeignKey("tokens.sha256")),  # a browser's session ends with the token that opened it
)


def _forbid_changes(table: Table) -> None:
    for verb in ("UPDATE", "DELETE"):
        trigger = f"CREATE TRIGGER {table.name}_refuse_{verb.lower()} BEFORE {verb} ON {table.name}"
        refusal = f"BEGIN SELECT RAISE(ABORT, '{table.name} are never changed: a correction is a new row'); END"
        event.listen(table, "after_create", DDL(f"{trigger} {refusal}").execute_if(dialect="sqlite"))
        event.listen(table, "after_create", DDL(f"{trigger} {POSTGRES_REFUSAL}").execute_if(dialect="postgresql"))


event.listen(metadata, "before_create", DDL(POSTGRES_FUNCTION).execute_if(dialect="postgresql"))
for _table in (submissions, scores, shown, versions, ledger, selections, finals, reveals, events):
    _forbid_changes(_table)


def on_board(table: Table, competition: str, data_hash: str) -> tuple[ColumnElement[bool], ...]:
    """The rows of one board."""
    return table.c.competition == competition, table.c.data_hash == data_hash


def scored_by(table: FromClause, metric: Metric) -> tuple[ColumnElement[bool], ...]:
    """The rows made by the metric as it is now."""
    return table.c.metric == metric.name, table.c.version == metric.version
