"""Numbers and spans of time as a person reads them, on pages and in the terminal."""

import re
from collections.abc import Mapping
from html import escape
from typing import Any

from harness.bootstrap import Interval


def number(value: float) -> str:
    """A score: four places below 10, fewer above.

    >>> number(0.71234), number(15.234), number(4321.2)
    ('0.7123', '15.23', '4321')
    """
    places = 4 if abs(value) < 10 else 2 if abs(value) < 1000 else 0
    return f"{value:.{places}f}"


def signed(value: float) -> str:
    return f"{'−' if value < 0 else '+'}{number(abs(value))}"


def bounds(low: float, high: float) -> str:
    """The ends of an interval, for the bracket behind a score."""
    return f"({number(low)} to {number(high)})"


def interval_of(stored: Mapping[str, Any]) -> Interval:
    """The interval that a manifest or an event holds."""
    return Interval(stored["score"], stored["low"], stored["high"])


def scored(interval: Interval) -> str:
    return f"{number(interval.score)} {bounds(interval.low, interval.high)}"


def gained(difference: float, low: float, high: float) -> str:
    """A difference with its interval."""
    return f"{signed(difference)} ({signed(low)} to {signed(high)})"


def setting(value: object) -> str:
    """A parameter's value.

    >>> setting(0.00312345), setting(128), setting("Unet")
    ('0.00312', '128', 'Unet')
    """
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def short(name: object, most: int = 11) -> str:
    """
    >>> short("tu-mobilenetv3_small_100")
    'mobilenetv…'
    """
    text = str(name).removeprefix("tu-")
    return text if len(text) <= most else f"{text[: most - 1]}…"


def span(seconds: float) -> str:
    """
    >>> span(0.4), span(48), span(330), span(28_000)
    ('0.4 s', '48 s', '5.5 min', '7.8 h')
    """
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2g} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def counted(count: int, thing: str) -> str:
    """
    >>> counted(1, "trial"), counted(3, "trial")
    ('1 trial', '3 trials')
    """
    return f"{count:,} {thing}{'s' * (count != 1)}"


def coded(text: str) -> str:
    """HTML of a sentence in which `this` is code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def without_numbers(reason: str) -> str:
    """The same text for reasons that differ in their numbers only."""
    return re.sub(r"[-+−]?\d[\d.,e+-]*", "#", reason)


def shortened(reason: str, most: int = 3) -> str:
    """A refusal with the first few of the classes that a step hurts, and how many more there are.

    >>> shortened("hurts ant, bee, cat, dog")
    'hurts ant, bee, cat and 1 more'
    """
    _, hurts, names = reason.partition("hurts ")
    if not names:
        return reason
    classes = names.split(", ")
    rest = f" and {len(classes) - most} more" if len(classes) > most else ""
    return hurts + ", ".join(classes[:most]) + rest
