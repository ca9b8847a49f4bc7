"""Inside a worker: whether it was asked to end, and a word to the parent. A learner need not know who listens."""

import threading
from collections.abc import Callable
from typing import Any

from harness.options import silent

stop = threading.Event()
_tell: Callable[[dict[str, Any]], None] = silent


def stopping() -> bool:
    """Whether this process was asked to end; learners look after every step."""
    return stop.is_set()


def report(event: dict[str, Any]) -> None:
    """Send an event to the parent, if there is one."""
    _tell(event)


def speak_to(listener: Callable[[dict[str, Any]], None]) -> None:
    """From now on `report` calls this."""
    global _tell
    _tell = listener
