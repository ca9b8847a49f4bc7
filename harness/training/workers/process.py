"""Inside a worker: whether it was asked to stop, events to the parent, and errors as text.

A learner calls `stopping` and `report` and need not know who listens.
"""

import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.errors import UserError
from harness.models import Interrupted, OutOfTime
from harness.options import silent

stop = threading.Event()
_send: Callable[[dict[str, Any]], None] = silent


def stopping() -> bool:
    """Whether this process was asked to end; learners look after every step."""
    return stop.is_set()


def report(event: dict[str, Any]) -> None:
    """Send an event to the parent, if there is one."""
    _send(event)


def send_events_to(listener: Callable[[dict[str, Any]], None]) -> None:
    """From now on `report` calls this."""
    global _send
    _send = listener


class WorkerError(Exception):
    """An exception of a worker whose class the parent does not know; its traceback is a note."""


@dataclass(frozen=True)
class ErrorText:
    """An exception as plain text. A library's own exception may not unpickle in another process.

    kind: the first of `KINDS` that it is, "" for none. arguments: of the system's errors, number, words and file name.
    """

    kind: str
    module: str
    name: str
    message: str
    traceback: str
    arguments: tuple[int | str | None, ...] = ()

    @classmethod
    def of(cls, error: BaseException) -> "ErrorText":
        kind = next((name for name, base in KINDS.items() if isinstance(error, base)), "")
        numbered = isinstance(error, OSError) and error.errno is not None
        arguments = (error.errno, error.strerror, str(error.filename or "") or None) if numbered else ()  # type: ignore[attr-defined]
        where = "".join(traceback.format_exception(error))
        return cls(kind, type(error).__module__, type(error).__qualname__, str(error), where, arguments)

    def error(self) -> Exception:
        """The exception again: a `UserError` keeps its class, any other library's becomes a `WorkerError`."""
        made: Exception = WorkerError(f"{self.name}: {self.message}")
        if self.kind:
            made = KINDS[self.kind](*(self.arguments or (self.message,)))
        if self.kind == "user":
            made = self._user_error()
        made.add_note(self.traceback)
        return made

    def _user_error(self) -> UserError:
        known = getattr(sys.modules.get(self.module), self.name, UserError)
        try:
            return known(self.message)
        except TypeError:  # it wants more than a message
            return UserError(self.message)


KINDS: dict[str, type[Exception]] = {
    "user": UserError,
    "time": OutOfTime,
    "interrupted": Interrupted,
    "memory": MemoryError,
    "system": OSError,
}


def attempt(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """The function's result, or the `ErrorText` of what it raised."""
    try:
        return function(*arguments)
    except BaseException as error:
        return ErrorText.of(error)
