"""Which trials are worked on here, where several searches share a study."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harness.search.storage import driven, reached

if TYPE_CHECKING:
    from sqlalchemy import Connection

HEARTBEAT = {"idle": 30, "interval": 10, "count": 3}  # seconds: a machine without power is missed in a minute


class Claims:
    """Which trials are worked on here. On PostgreSQL several machines share a study: a claim is an advisory lock, which
    ends with the connection that holds it, so no clock is trusted. On SQLite one search at a time has the folder."""

    def __init__(self, url: str):
        from sqlalchemy import create_engine, text

        self.study, self.shared, self.held = 0, url.startswith("postgresql"), set[int]()
        self.connection: Connection | None = None
        if self.shared:
            engine = create_engine(driven(url), isolation_level="AUTOCOMMIT")
            self.connection = engine.connect()
            for setting, value in HEARTBEAT.items():
                self.connection.execute(text(f"SET tcp_keepalives_{setting} = {value}"))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else makes the study meanwhile: searches that begin at once would make its tables twice."""
        self._ask("pg_advisory_lock", 0)
        try:
            yield
        finally:
            self._ask("pg_advisory_unlock", 0)

    def take(self, trial: int) -> bool:
        """False where it is held, by another or here: the database would let us take our own locks again."""
        taken = trial not in self.held and self._ask("pg_try_advisory_lock", trial)
        if taken:
            self.held.add(trial)
        return taken

    def release(self, trial: int) -> None:
        self._ask("pg_advisory_unlock", trial)
        self.held.discard(trial)

    def _ask(self, function: str, trial: int) -> bool:
        from sqlalchemy import text

        if self.connection is None:
            return True
        return bool(self.connection.execute(text(f"SELECT {function}({self.study}, {trial})")).scalar())

    def require_alive(self) -> None:
        """Raise `UserError` where the connection was lost, and with it every claim: others may work on our trials."""
        from sqlalchemy import text

        with reached():
            if self.connection is not None:
                self.connection.execute(text("SELECT 1"))
