"""The database of a study: SQLite in WAL mode on one machine, PostgreSQL for several searches at once.

Optuna's journal file is not an option: it refuses to work after a torn last record.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from harness.errors import UserError

if TYPE_CHECKING:
    import optuna
    from sqlalchemy import Connection

KEEPALIVE = {"idle": 30, "interval": 10, "count": 3}  # seconds: the server notices a dead machine within a minute


def open_storage(url: str) -> optuna.storages.BaseStorage:
    """On SQLite readers never wait, and a writer syncs at checkpoints only: a power cut costs the last entries."""
    import optuna
    from sqlalchemy import event

    options: dict[str, Any] = {"connect_args": {"timeout": 30}} if url.startswith("sqlite") else {"pool_pre_ping": True}
    storage = optuna.storages.RDBStorage(with_driver(url), engine_kwargs=options)
    if url.startswith("sqlite"):

        @event.listens_for(storage.engine, "connect")
        def set_pragmas(connection: Any, _: Any) -> None:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")

        storage.engine.dispose()  # the connections from before the pragmas
    return optuna.storages.get_storage(storage)


def with_driver(url: str) -> str:
    """The URL with the PostgreSQL driver that is installed."""
    return url.replace("postgresql://", "postgresql+psycopg://")


class TrialLocks:
    """Which search works on which trial.

    On PostgreSQL several machines share a study: a lock is an advisory lock of this connection. It ends with the
    connection, so no clock is trusted. On SQLite one search at a time holds the folder, and nothing is locked.
    """

    def __init__(self, url: str):
        from sqlalchemy import create_engine, text

        self.study_id, self.shared, self.held = 0, url.startswith("postgresql"), set[int]()
        self.connection: Connection | None = None
        if self.shared:
            engine = create_engine(with_driver(url), isolation_level="AUTOCOMMIT")
            self.connection = engine.connect()
            for setting, value in KEEPALIVE.items():
                self.connection.execute(text(f"SET tcp_keepalives_{setting} = {value}"))

    @contextmanager
    def creating(self) -> Iterator[None]:
        """Nobody else creates the study meanwhile: searches that start at once would create its tables twice."""
        self._call("pg_advisory_lock", 0)
        try:
            yield
        finally:
            self._call("pg_advisory_unlock", 0)

    def take(self, trial_id: int) -> bool:
        """False where it is held, by another search or by this one: PostgreSQL grants a session its own locks again."""
        taken = trial_id not in self.held and self._call("pg_try_advisory_lock", trial_id)
        if taken:
            self.held.add(trial_id)
        return taken

    def release(self, trial_id: int) -> None:
        self._call("pg_advisory_unlock", trial_id)
        self.held.discard(trial_id)

    def require_connection(self) -> None:
        """Raise `UserError` where the connection was lost, and all locks with it: others may work on our trials."""
        from sqlalchemy import text

        with explain_lost_storage():
            if self.connection is not None:
                self.connection.execute(text("SELECT 1"))

    def _call(self, function: str, trial_id: int) -> bool:
        from sqlalchemy import text

        if self.connection is None:
            return True
        return bool(self.connection.execute(text(f"SELECT {function}({self.study_id}, {trial_id})")).scalar())


@contextmanager
def explain_lost_storage() -> Iterator[None]:
    """Raise `UserError` where the connection to the storage is lost, wherever that is noticed."""
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise UserError(
            f"the connection to the study's storage was lost ({why(error)}); what was trained is saved, and the same "
            "command resumes it"
        ) from error


def why(error: BaseException) -> str:
    """The first line of the database's own message; it never names a password."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).strip().splitlines()[0]


def without_password(url: str) -> str:
    from sqlalchemy.engine import make_url

    return make_url(url).render_as_string(hide_password=True) if "://" in url else url
