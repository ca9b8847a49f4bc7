"""The options of a verb, checked."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.competition import Competition
from harness.models import Learner


def silent(_: Any) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class Request:
    """The options of a verb. budget in seconds, of the whole command; started on the clock `time.monotonic()`.

    engine: "local" or "ray"; workers: jobs at once, None for as many as there is room for. searched: whether what a
    search found goes before the declared default; variants: what is trained instead of declared models, by name.
    say: called with lines for people; listen: with every event of a fit.
    """

    competition: Competition
    data: Path | None = None
    models: Sequence[str] | None = None
    folds: int | None = None
    budget: float | None = None
    team: str | None = None
    fast: bool = False
    accept: Sequence[str] = ()
    engine: str = "local"
    workers: int | None = None
    searched: bool = True
    variants: Mapping[str, Learner] | None = None
    started: float = field(default_factory=time.monotonic)
    say: Callable[[str], None] = silent
    listen: Callable[[dict[str, Any]], None] = silent

    @property
    def spent(self) -> float:
        """Seconds since the command began."""
        return time.monotonic() - self.started

    @property
    def learners(self) -> dict[str, Learner]:
        return dict(self.variants or self.competition.chosen(self.models))

    @property
    def imports(self) -> list[str]:
        """What the workers may load while the data are read."""
        return sorted({learner.slow_import for learner in self.learners.values()} - {""})

    @property
    def fold_count(self) -> int:
        return self.folds or (2 if self.fast else self.competition.split.folds)
