"""How far a training schedule is, and how long it becomes when the machine is faster or slower than was planned."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from harness.models import Context

RECENT = 3  # epochs by which the pace is known
SLACK = 1.05  # a schedule is lengthened by more than this or not at all


@dataclass(frozen=True)
class Progress:
    """total: steps of the whole schedule. Where its length was changed, a share of it was done at the step `since`.

    The share that is done never jumps: after a change, the rest of the schedule is stretched or compressed.

    >>> half = Progress(10).of_length(6, step=5)
    >>> Progress(10).done(5), half.done(5), half.done(6)
    (0.5, 0.5, 1.0)
    """

    total: int
    since: int = 0
    share: float = 0.0

    def done(self, step: float) -> float:
        """The share of the schedule that lies behind after so many steps."""
        return self.share + (1 - self.share) * (step - self.since) / (self.total - self.since)

    def of_length(self, total: int, step: int) -> "Progress":
        return Progress(total, step, self.done(step))


def fitting_epochs(context: Context, planned: int, seconds: Sequence[float], now: float) -> int:
    """How many epochs the schedule should have so that the fit ends at `context.until`; at least one more.

    planned: as many as it now has. seconds: that each of those so far took. now: on the clock of `until`.
    """
    if context.until is None:
        return planned
    fits = len(seconds) + max(1, int((context.until - now) / mean(seconds[-RECENT:])))
    if fits < planned:
        return fits
    longest = max(planned, min(fits, context.most_epochs))
    return longest if longest > SLACK * planned else planned
