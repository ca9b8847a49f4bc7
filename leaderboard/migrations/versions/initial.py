"""The embedded board as it was before there were versions: a database without a version is at this one."""

revision, down_revision = "initial", None


def upgrade() -> None:
    """Nothing: `database._bring_up` makes an empty database with the tables of today."""
