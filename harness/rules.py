"""What a team is shown of its public score: exact, rounded, or by the Ladder, so that many tries teach little."""

import math
from dataclasses import dataclass
from typing import ClassVar, Protocol

from harness.bootstrap import Interval

BOUND = 1.96  # standard errors from a score to its 95 % bound


class Feedback(Protocol):
    """words: the sentence for players. exact: whether what is shown is what was measured."""

    @property
    def words(self) -> str: ...
    @property
    def exact(self) -> bool: ...
    def shown(self, score: Interval, best: Interval | None, higher_is_better: bool) -> Interval:
        """What is shown of an entry that scored `score`; best: the best that its team was shown before."""
        ...


@dataclass(frozen=True)
class Exact:
    """The score as it is. A player who submits often enough can fit the public rows; the private ones will tell."""

    words: ClassVar[str] = "public scores are exact"
    exact: ClassVar[bool] = True

    def shown(self, score: Interval, best: Interval | None, higher_is_better: bool) -> Interval:
        return score


@dataclass(frozen=True)
class Rounded:
    """To multiples of `to`. It hides the labels of single rows, and hardly slows a player who fits the public rows.

    >>> Rounded(0.01).shown(Interval(0.8123, 0.7911, 0.8342), None, True)
    Interval(score=0.81, low=0.79, high=0.84)
    """

    to: float = 0.001
    exact: ClassVar[bool] = False

    @property
    def words(self) -> str:
        return f"public scores are rounded to {self.to:g}"

    def shown(self, score: Interval, best: Interval | None, higher_is_better: bool) -> Interval:
        return _rounded(score, self.to)


@dataclass(frozen=True)
class Ladder:
    """A score is shown only where it beats the team's best so far by more than `step`; else that best one again.

    step: None for one standard error of the score. What is shown is rounded to the step, or to the decimal of the
    standard error. Blum and Hardt, "The Ladder: a reliable leaderboard for machine learning competitions", ICML 2015.

    >>> first = Ladder().shown(Interval(0.8123, 0.7911, 0.8342), None, True)
    >>> first, Ladder().shown(Interval(0.82, 0.80, 0.84), first, True) == first
    (Interval(score=0.81, low=0.79, high=0.84), True)
    """

    step: float | None = None
    exact: ClassVar[bool] = False

    @property
    def words(self) -> str:
        step = "one standard error" if self.step is None else f"{self.step:g}"
        return f"a public score is shown only where it beats your best one by more than {step}; else that one is"

    def shown(self, score: Interval, best: Interval | None, higher_is_better: bool) -> Interval:
        step = (score.high - score.low) / (2 * BOUND) if self.step is None else self.step
        gain = 0.0 if best is None else (score.score - best.score) * (1 if higher_is_better else -1)
        if best is not None and gain <= step:
            return best
        return _rounded(score, self.step or (10.0 ** math.floor(math.log10(step)) if step > 0 else 0.001))


def _rounded(score: Interval, to: float) -> Interval:
    """The bounds outwards: rounded they must say no more than the score. A power of ten or its multiple stays one."""
    multiples = (round(score.score / to), math.floor(score.low / to), math.ceil(score.high / to))
    return Interval(*(round(multiple * to, 12) for multiple in multiples))
