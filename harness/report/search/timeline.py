"""When things happened, in hours of searching: the nights are put one behind the other."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import optuna

HOUR = 3600.0


@dataclass(frozen=True)
class Clock:
    """starts, stops: of every night, in seconds since 1970."""

    starts: Sequence[float]
    stops: Sequence[float]

    @classmethod
    def of(cls, events: Sequence[Mapping[str, Any]], trials: Sequence["optuna.trial.FrozenTrial"]) -> "Clock":
        """A search that was killed has no end: there its last sign of life counts."""
        signs = [*times(events, "start", "incumbent", "refused", "end"), *map(ended, trials)]
        begun = [at for trial in trials if (at := local(trial.datetime_start)) is not None]
        starts = times(events, "start") or [min([*signs, *begun], default=0.0)]

        def of_night(night: int, moments: Sequence[float]) -> list[float]:
            return [at for at in moments if bisect_right(starts, at) == night + 1]

        ends = [of_night(night, times(events, "end")) or of_night(night, signs) for night in range(len(starts))]
        return cls(starts, [max([start, *night]) for start, night in zip(starts, ends, strict=True)])

    @property
    def total(self) -> float:
        return sum(stop - start for start, stop in zip(self.starts, self.stops, strict=True)) / HOUR

    def hours(self, at: float) -> float:
        night = max(0, bisect_right(self.starts, at) - 1)
        before = sum(self.stops[k] - self.starts[k] for k in range(night))
        return (before + max(0.0, min(at, self.stops[night]) - self.starts[night])) / HOUR


def times(events: Sequence[Mapping[str, Any]], *kinds: str) -> list[float]:
    return sorted(moment(event["at"]) for event in events if event["event"] in kinds)


def moment(text: str) -> float:
    """Seconds since 1970 of a time in ISO-8601, UTC where it does not say."""
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def local(at: datetime | None) -> float | None:
    """Optuna's times are of this place, and do not say so."""
    return at.timestamp() if at else None


def ended(trial: "optuna.trial.FrozenTrial") -> float:
    """When its last fold did, or the trial where no fold did."""
    folds = [moment(fold["ended"]) for fold in trial.user_attrs.get("folds", ()) if fold.get("ended")]
    return max(folds, default=0.0) or local(trial.datetime_complete or trial.datetime_start) or 0.0
