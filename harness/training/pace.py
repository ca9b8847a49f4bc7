"""When each fold should end, so that the last one ends with the time for training: asked again as each fold starts.

The plan's estimates are of one moment. A machine that is slower or faster than then changes what is left for the folds
still to come, and these stretch or compress their schedules to it (`models.torch_loop.progress`).
"""

import heapq
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

RESERVE = 0.02  # of the budget, for the last epoch of a fold that takes longer than those before
LEAST, MOST = 1e-3, 1e6  # times as long as was planned: between them lies what a schedule becomes


@dataclass
class Pace:
    """todo: (fixed seconds, seconds of the planned epochs) of every fold, in the order in which they start.

    planned: the first so many of them share the time; the others start where a slot would be idle. slots: folds that
    train at once. end: when training must end, in seconds since the epoch; None without a budget.
    """

    todo: Sequence[Sequence[float]]
    planned: int
    slots: int
    end: float | None
    running: dict[int, float] = field(default_factory=dict)  # fold -> when it should end

    def fits(self, k: int, share: float) -> bool:
        """Whether fold k was planned, or a share of its epochs would end in time if it started now."""
        fixed, epochs = self.todo[k]
        return k < self.planned or (self.end is not None and time.time() + fixed + share * epochs < self.end)

    def start(self, k: int) -> float | None:
        """When the epochs of fold k, which starts now, should end; what follows them is in its fixed seconds."""
        if self.end is None:
            return None
        fixed, epochs = self.todo[k]
        until = self.end - fixed if k >= self.planned else time.time() + self.stretch(k, self.end) * epochs
        self.running[k] = until + fixed
        return until

    def stretch(self, k: int, end: float) -> float:
        """The factor with which the planned folds from k on are done at the end."""
        now = time.time()
        free = [max(now, busy) for busy in self.running.values()] + [now] * (self.slots - len(self.running))
        low, high = LEAST, MOST
        while high / low > 1.001:
            middle = (low * high) ** 0.5
            fits = last_end(free, self.todo[k : self.planned], middle) <= end
            low, high = (middle, high) if fits else (low, middle)
        return low

    def finish(self, k: int) -> None:
        self.running.pop(k, None)


def last_end(free: Sequence[float], todo: Sequence[Sequence[float]], stretch: float) -> float:
    """When the last fold ends, where each starts in the slot that is free first, with stretched schedules.

    >>> last_end([0.0, 0.0], [(1, 10), (1, 10), (1, 10)], 2.0)
    42.0
    """
    ends = list(free)
    heapq.heapify(ends)
    for fixed, flexible in todo:
        heapq.heappush(ends, heapq.heappop(ends) + fixed + stretch * flexible)
    return max(ends)
