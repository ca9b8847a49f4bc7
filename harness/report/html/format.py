"""Numbers and spans of time as a person reads them, and round ticks between two of them."""

import math
import re
from html import escape

from harness.bootstrap import Interval


def number(value: float) -> str:
    """A score: four places below 10, fewer above.

    >>> number(0.71234), number(15.234), number(4321.2)
    ('0.7123', '15.23', '4321')
    """
    places = 4 if abs(value) < 10 else 2 if abs(value) < 1000 else 0
    return f"{value:.{places}f}"


def signed(value: float) -> str:
    return f"{'-' if value < 0 else '+'}{number(abs(value))}".replace("-", "−")


def scored(interval: Interval) -> str:
    return f"{number(interval.score)} ({number(interval.low)} to {number(interval.high)})"


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


def alike(reason: str) -> str:
    """Reasons that differ in their numbers only are one kind."""
    return re.sub(r"[-+−]?\d[\d.,e+-]*", "#", reason)


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers from low to high.

    >>> ticks(0.61, 0.72)
    [0.62, 0.64, 0.66, 0.68, 0.7, 0.72]
    """
    rough = (high - low) / most or 1.0
    scale = 10.0 ** math.floor(math.log10(rough))
    step = min((scale * k for k in (1, 2, 5, 10)), key=lambda step: abs(math.log(step / rough)))
    return [round(k * step, 12) for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten, or the powers alone where that is too many."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    found = [k * 10.0**power for power in range(first, last + 1) for k in (1, 2, 5)]
    inside = [value for value in found if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)]
    tens = [value for value in inside if math.isclose(math.log10(value), round(math.log10(value)))]
    return tens if len(inside) > 5 and len(tens) >= 2 else inside
