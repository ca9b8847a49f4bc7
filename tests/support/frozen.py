"""A server that can be replayed to the byte: the test sets its clock and its random secrets."""

import hashlib
import http.cookies
import importlib
import itertools
import pkgutil
import secrets
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import leaderboard


class Clock:
    """A UTC clock that does not move between two ticks."""

    def __init__(self, at: str = "2026-01-01T12:00:00"):
        self.at = datetime.fromisoformat(at).replace(tzinfo=UTC)

    def tick(self, **by: float) -> None:
        self.at += timedelta(**by or {"seconds": 1})

    def midnight(self) -> None:
        self.at = (self.at + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)


def hold(monkeypatch, clock: Clock) -> Clock:
    """Let `datetime.now` of every module of the leaderboard, and the end of a cookie, follow `clock`."""

    def date(seconds: float) -> str:
        return format_datetime(clock.at + timedelta(seconds=seconds), usegmt=True)

    monkeypatch.setattr(http.cookies, "_getdate", date)

    class Held(datetime):
        @classmethod
        def now(cls, tz=None):
            return clock.at.astimezone(tz)

    for found in pkgutil.walk_packages(leaderboard.__path__, "leaderboard."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
    for name, module in list(sys.modules.items()):
        if name.startswith("leaderboard.") and getattr(module, "datetime", None) is datetime:
            monkeypatch.setattr(module, "datetime", Held)
    return clock


def no_chance(monkeypatch) -> None:
    """The first secret is the same in every run, and so is the second."""
    count = itertools.count()
    for name in ("token_urlsafe", "token_hex"):
        monkeypatch.setattr(
            secrets, name, lambda size=32: hashlib.sha256(str(next(count)).encode()).hexdigest()[: 2 * size]
        )


def forget() -> None:
    """Empty the caches of the leaderboard, as a new process would begin; compiled templates know no data."""
    for name, module in list(sys.modules.items()):
        if name.startswith("leaderboard.") and not name.endswith(".render"):
            for value in vars(module).values():
                if callable(clear := getattr(value, "cache_clear", None)):
                    clear()
