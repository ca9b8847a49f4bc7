"""What a team server needs: received files, the host's words, teams and tokens, and the cache of resampled scores."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "server", "initial"

BOARD = ("competition", "data_hash")


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.Integer, primary_key=True),
        *_texts(*BOARD, "team"),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        *_texts("name"),
        sa.Column("card", sa.JSON(none_as_null=True)),
        *_texts("received_at"),
        sa.Column(
            "state",
            sa.String,
            sa.CheckConstraint("state IN ('waiting', 'scoring', 'scored', 'refused', 'failed')"),
            nullable=False,
        ),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("claimed_by", sa.String),
        sa.Column("claimed_until", sa.Double),
        sa.Column("message", sa.String),
        sa.Column("submission", sa.Integer, sa.ForeignKey("submissions.id")),
        sa.UniqueConstraint(*BOARD, "team", "sha256"),
        sqlite_autoincrement=True,
    )
    op.create_index("jobs_by_state", "jobs", ["state"])
    op.create_table(
        "resamples",
        sa.Column("submission", sa.Integer, sa.ForeignKey("submissions.id"), nullable=False),
        *_texts("metric"),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("part", sa.String, sa.CheckConstraint("part IN ('public', 'private')"), nullable=False),
        sa.Column("packed", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("submission", "metric", "version", "part"),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.Integer, primary_key=True),
        *_texts(*BOARD, "kind"),
        sa.Column("team", sa.String),
        *_texts("said", "said_by", "said_at"),
        sqlite_autoincrement=True,
    )
    op.create_index("events_of_board", "events", list(BOARD))
    op.create_table(
        "teams",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("looks", sa.String, nullable=False, unique=True),
        *_texts("created_at"),
    )
    op.create_table(
        "tokens",
        sa.Column("sha256", sa.String(64), primary_key=True),
        *_texts("member"),
        sa.Column("team", sa.String, sa.ForeignKey("teams.name")),
        sa.Column("role", sa.String, sa.CheckConstraint("role IN ('player', 'host')"), nullable=False),
        *_texts("created_at"),
        sa.Column("expires_at", sa.String),
        sa.Column("revoked_at", sa.String),
        sa.Column("opened_by", sa.String(64), sa.ForeignKey("tokens.sha256")),
    )
    _forbid_changes()


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String, nullable=False) for name in names]


def _forbid_changes() -> None:
    """Events are never changed. PostgreSQL had no such guards yet, so there the older tables get theirs too."""
    sentence = "are never changed: a correction is a new row"
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER events_refuse_{verb.lower()} BEFORE {verb} ON events "
                f"BEGIN SELECT RAISE(ABORT, 'events {sentence}'); END"
            )
        return
    op.execute(
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '% {sentence}', TG_TABLE_NAME; END $$"
    )
    for table in ("submissions", "scores", "selections", "finals", "reveals", "events"):
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_refuse_{verb.lower()} BEFORE {verb} ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
            )
