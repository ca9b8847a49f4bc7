"""How the time is spent: measured once, written before the first step, read again on resume (DESIGN, section 7)."""

import heapq
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from harness.backends import Cost, Learner
from harness.errors import UserError
from harness.files import read_json, short_hash, write_json
from harness.store import canonical

MARGIN = 0.92  # of the time left is planned: a shared machine's speed drifts by that much within an hour
FEWEST_EPOCHS = 3  # a shorter schedule teaches a network less than leaving the model out teaches the ensemble


class Rows(NamedTuple):
    """How many rows there are to train on, to hold out, and in the official test."""

    train: int
    holdout: int
    official: int


@dataclass(frozen=True)
class Plan:
    """epochs: by model, in the order of training; seconds: the estimate; budget: seconds for the whole command, or None.

    spent: seconds used when the plan was last touched. fast: by model, which fast paths won their probe.
    """

    epochs: Mapping[str, int]
    folds: int
    workers: int
    threads: int
    fast: Mapping[str, Mapping[str, Any]]
    seconds: float
    budget: float | None
    spent: float = 0.0
    left_out: Mapping[str, str] = None  # type: ignore[assignment]

    def learner(self, name: str, declared: Learner) -> Learner:
        """The declared learner with the planned epochs."""
        return replace(declared, epochs=self.epochs[name])  # type: ignore[type-var]


class Plans:
    """The plans of one train hash: `plan.json`, by a hash of what was asked for."""

    def __init__(self, file: Path, asked: Mapping[str, Any]):
        self.file, self.key = file, short_hash(json.dumps(canonical(asked), sort_keys=True))

    def read(self) -> Plan | None:
        known = read_json(self.file) if self.file.exists() else {}
        return Plan(**known[self.key]) if self.key in known else None

    def write(self, plan: Plan) -> None:
        known = read_json(self.file) if self.file.exists() else {}
        write_json(self.file, {**known, self.key: asdict(plan)})


def make(
    learners: Mapping[str, Learner],
    costs: Mapping[str, Cost],
    fast: Mapping[str, Mapping[str, Any]],
    rows: Rows,
    views: int,
    folds: int,
    workers: int,
    threads: int,
    budget: float | None,
    spent: float,
    after: float,
) -> Plan:
    """Shrink every schedule by one factor until the budget holds; leave out the last models where that is too short.

    costs: for one fold's training rows. views: predictions of every row, the plain one included. after: seconds
    reserved for the ensemble and for writing. Raise `UserError` where not even one model fits.
    """
    left_out: dict[str, str] = {}
    official = {name: rows.official * views * folds * costs[name].predict / workers for name in learners}
    chosen = list(learners)
    while True:
        epochs = {name: learners[name].epochs for name in chosen}
        if budget is None:
            break
        available = (budget - spent) * MARGIN - after - sum(official[name] for name in chosen)
        share = _largest_share(chosen, learners, costs, rows, views, folds, workers, available)
        epochs = {name: max(FEWEST_EPOCHS, int(learners[name].epochs * share)) for name in chosen}
        if _training(epochs, costs, rows, views, folds, workers) <= available:
            break
        if len(chosen) == 1:
            shortest = (
                spent + (after + official[chosen[0]] + _training(epochs, costs, rows, views, folds, workers)) / MARGIN
            )
            raise UserError(
                f"BUDGET={budget / 60:.1f}m is too short for {chosen[0]} with {folds} folds on this machine; it needs about {shortest / 60:.1f}m "
                "(or fewer folds: FOLDS=2)"
            )
        left_out[chosen.pop()] = f"fewer than {FEWEST_EPOCHS} epochs would fit the budget"
    seconds = (
        spent + _training(epochs, costs, rows, views, folds, workers) + sum(official[name] for name in chosen) + after
    )
    return Plan(
        epochs, folds, workers, threads, {name: fast[name] for name in chosen}, seconds, budget, spent, left_out
    )


def _largest_share(
    chosen: Sequence[str],
    learners: Mapping[str, Learner],
    costs: Mapping[str, Cost],
    rows: Rows,
    views: int,
    folds: int,
    workers: int,
    available: float,
) -> float:
    """The largest factor on the declared epochs, at most 1, whose training fits; by bisection."""
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        epochs = {name: learners[name].epochs * middle for name in chosen}
        low, high = (
            (middle, high) if _training(epochs, costs, rows, views, folds, workers) <= available else (low, middle)
        )
    return high if high == 1.0 else low


def _training(
    epochs: Mapping[str, float], costs: Mapping[str, Cost], rows: Rows, views: int, folds: int, workers: int
) -> float:
    """Seconds until the last fold ends, when workers take folds in their order."""
    predicted = (rows.train / folds + rows.holdout) * views
    free = [0.0] * workers
    for name, count in epochs.items():
        for _ in range(folds):
            start = heapq.heappop(free)
            heapq.heappush(
                free, start + costs[name].start + count * costs[name].epoch + predicted * costs[name].predict
            )
    return max(free)


def seconds(text: str) -> float:
    """A duration as people write it.

    >>> seconds("90s"), seconds("10m"), seconds("1.5h"), seconds("1h30m")
    (90.0, 600.0, 5400.0, 5400.0)
    """
    import re

    parts = re.fullmatch(r"(?:([\d.]+)h)?(?:([\d.]+)m)?(?:([\d.]+)s)?", text.strip().lower())
    try:
        if not parts or not any(parts.groups()):
            raise ValueError
        value = sum(float(part) * unit for part, unit in zip(parts.groups(), (3600, 60, 1), strict=True) if part)
    except ValueError:
        raise UserError(f"BUDGET={text} is no duration; write 90s, 10m, 1.5h or 1h30m") from None
    if value <= 0:
        raise UserError(f"BUDGET={text} leaves no time")
    return value
