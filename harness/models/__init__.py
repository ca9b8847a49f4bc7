"""What can be fitted: the two protocols, and what a fit is told. One module per library stands beside this one."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

from harness.data.samples import Samples
from harness.errors import UserError
from harness.tasks import Task


class Cost(NamedTuple):
    """Measured on this machine with the threads of the context, in seconds."""

    start: float  # building the model, warming up and what ends a fit, once a fold
    epoch: float  # one pass over the training samples
    predict: float  # one input, one view


@dataclass(frozen=True)
class Context:
    """What a fit is told besides its data.

    folder: where checkpoints and `log.jsonl` go; a fit into a folder that holds a finished one loads it.
    deadline: on the clock `time.monotonic()`, or None. report: called with one dict per epoch, and now and then with
    the progress inside one. stop: asked after every step (a signal came). look: called after every epoch with the share
    of the schedule that is done and a function inputs -> predictions, by learners that have a say in their loop; it may
    raise. channels_last, compile: what `torch_probe.fast_paths` found to pay on this machine.
    """

    task: Task
    folder: Path
    seed: int = 0
    fold: int = 0
    threads: int = 1
    deadline: float | None = None
    report: Callable[[dict[str, Any]], None] = lambda event: None
    stop: Callable[[], bool] = lambda: False
    look: Callable[[float, Callable[[Any], Any]], None] = lambda share, predict: None
    channels_last: bool = True
    compile: bool = False


class OutOfTime(Exception):
    """The deadline passed in the middle of a fit; everything is saved, and the same call goes on from there."""


class Interrupted(Exception):
    """`Context.stop` said so; everything is saved, and the same call goes on from there."""


class Diverged(UserError):
    """The loss is not a number any more; the last good state stays on the disk."""


class Fitted(Protocol):
    def predict(self, inputs: Any) -> Any:
        """Predictions of the task, aligned with `inputs`, rows first."""


class Learner(Protocol):
    """A frozen dataclass; a variant is `dataclasses.replace(...)`.

    pretrained: whether it starts from weights trained on other data (a rule may forbid it).
    focus: the one class that a specialist looks for, or None; where it tells that class from one other alone, it has a
    field `against` for that one. epochs: the length of its schedule. fewest_epochs: a
    schedule shorter than that teaches it less than leaving it out teaches the ensemble.
    """

    @property
    def pretrained(self) -> bool: ...
    @property
    def target_class(self) -> int | None: ...
    @property
    def epochs(self) -> int: ...
    @property
    def fewest_epochs(self) -> int: ...

    def fit(self, train: Samples, valid: Samples | None, context: Context) -> Fitted: ...

    def cost(self, train: Samples, context: Context) -> Cost:
        """Time a few steps on these samples; leaves nothing on the disk."""

    def fast_paths(self, train: Samples, context: Context) -> dict[str, Any]:
        """The fields of `Context` that make it faster on this machine, by a probe that leaves nothing on the disk."""

    def load(self, context: Context) -> Fitted:
        """The finished fit in the context's folder; raise `UserError` where there is none."""

    def specialised(self, of: int, versus: int | None) -> Self | None:
        """The same as a specialist for the class `of`, told from all others or `against` one; None if it cannot be."""

    def vary(self, trial: Any) -> Self:
        """A variant for the search, or itself where nothing can vary.

        trial: of Optuna, or anything with its suggest_float, suggest_int and suggest_categorical. No network is built,
        and torch not imported: the search that asks trains nothing itself.
        """
