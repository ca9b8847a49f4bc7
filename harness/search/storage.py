"""The database of a study: SQLite in WAL mode on one machine, PostgreSQL for several, and its troubles in words.

Not Optuna's journal file: it refuses work after a torn last record.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from harness.errors import UserError

if TYPE_CHECKING:
    import optuna


def tables(url: str) -> optuna.storages.RDBStorage:
    """SQLite: readers never wait, a writer syncs at checkpoints only; a power cut costs the last entries, no more."""
    import optuna
    from sqlalchemy import event

    options: dict[str, Any] = {"connect_args": {"timeout": 30}} if url.startswith("sqlite") else {"pool_pre_ping": True}
    storage = optuna.storages.RDBStorage(driven(url), engine_kwargs=options)
    if url.startswith("sqlite"):

        @event.listens_for(storage.engine, "connect")
        def quick(connection: Any, _: Any) -> None:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")

        storage.engine.dispose()  # the connections from before the pragmas
    return storage


def driven(url: str) -> str:
    """With the driver that is installed."""
    return url.replace("postgresql://", "postgresql+psycopg://")


@contextmanager
def reached() -> Iterator[None]:
    """Raise `UserError` where the storage is lost meanwhile, whoever notices it."""
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise UserError(
            f"the connection to the study's storage was lost ({why(error)}); what was trained is kept, and the same "
            "command goes on"
        ) from error


def why(error: BaseException) -> str:
    """The first line of what the database itself says; it never names a password."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).strip().splitlines()[0]


def hidden(url: str) -> str:
    """Without its password."""
    from sqlalchemy.engine import make_url

    return make_url(url).render_as_string(hide_password=True) if "://" in url else url
