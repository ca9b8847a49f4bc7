"""What a ledger needs: the lines followed, the shown scores, and the version of the metric that a board stands by."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "ledger", "server"


def upgrade() -> None:
    op.create_table(
        "shown",
        sa.Column("submission", sa.Integer, sa.ForeignKey("submissions.id"), nullable=False),
        sa.Column("metric", sa.String, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        *(
            sa.Column(name, sa.Double, sa.CheckConstraint(f"{name} BETWEEN -1e300 AND 1e300"), nullable=False)
            for name in ("value", "low", "high")
        ),
        sa.PrimaryKeyConstraint("submission", "metric", "version"),
    )
    op.create_table(
        "versions",
        sa.Column("id", sa.Integer, primary_key=True),
        *_texts("competition", "data_hash", "metric"),
        sa.Column("version", sa.Integer, nullable=False),
        *_texts("reason", "since"),
        sqlite_autoincrement=True,
    )
    op.create_index("versions_of_board", "versions", ["competition", "data_hash"])
    op.create_table(
        "ledger",
        *_texts("competition", "data_hash"),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("seal", sa.String(64), nullable=False),
        sa.Column("submission", sa.Integer, sa.ForeignKey("submissions.id")),
        sa.PrimaryKeyConstraint("competition", "data_hash", "seq"),
    )
    op.create_index("ix_ledger_submission", "ledger", ["submission"])
    op.execute(
        "INSERT INTO shown SELECT submission, metric, version, value, low, high FROM scores WHERE part = 'public'"
    )
    op.execute(
        "INSERT INTO versions (competition, data_hash, metric, version, reason, since) "
        "SELECT competition, data_hash, metric, max(version), '', min(received_at) FROM scores "
        "JOIN submissions ON submissions.id = scores.submission GROUP BY competition, data_hash, metric "
        "ORDER BY min(submissions.id)"
    )
    op.drop_table("comparisons", if_exists=True)  # made from the kept resamples now
    _forbid_changes()


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String, nullable=False) for name in names]


def _forbid_changes() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    for table in ("shown", "versions", "ledger"):
        for verb in ("UPDATE", "DELETE"):
            refusal = (
                f"BEGIN SELECT RAISE(ABORT, '{table} are never changed: a correction is a new row'); END"
                if sqlite
                else "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
            )
            op.execute(f"CREATE TRIGGER {table}_refuse_{verb.lower()} BEFORE {verb} ON {table} {refusal}")
