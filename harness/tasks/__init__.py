"""A task owns everything that differs between kinds of prediction; see `Task`."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np


class View(NamedTuple):
    """One view of test-time augmentation: how to change the inputs, and how to undo it on a prediction.

    undo(prediction, inputs): inputs as they were before the change, for what depends on their sizes.
    """

    apply: Callable[[Any], Any]
    undo: Callable[[Any, Any], Any]


class ClassSpecialist(NamedTuple):
    """A specialist's say over one class: its share in the blend, and the probability above which the class wins.

    threshold: None where the class wins as any other. against: of a pair, the other class; the two are divided anew.
    """

    by: str
    of: int
    share: float
    threshold: float | None
    versus: int | None = None


class Task(Protocol):
    """A kind of prediction. A *prediction* holds rows of probabilities; *decided* rows are what a submission says."""

    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def void(self) -> int | None:
        """The label that is never predicted."""

    @property
    def output(self) -> str:
        """What its submissions carry, and so which metrics can judge them: "decided" or "scores"."""

    @property
    def tunes(self) -> Sequence[str]:
        """What is fitted out-of-fold after the blend, in this order: "calibration" (see `Calibrated`), "offsets"."""

    @property
    def combines(self) -> Sequence[str]:
        """The ways, of `harness.ensemble.WAYS`, in which its members can become one beside greedy selection."""

    @property
    def views(self) -> Mapping[str, View]: ...
    @property
    def suffix(self) -> str:
        """Of an official submission; the judge's file is always a table, .csv."""

    @property
    def row_bytes(self) -> int:
        """About what `pack` stores for one row."""

    def average(self, predictions: Sequence[Any], weights: Sequence[float]) -> Any:
        """Weighted mean of predictions; one member with any weight is returned as it is."""

    def weighing(self, predictions: Sequence[Any]) -> Callable[[Sequence[float]], Any]:
        """weights -> the decided mean of these predictions, where many weights are asked for."""

    def expand(self, presence: Any, of: int) -> Any:
        """The probability of one class, as a binary network gives it, to a prediction of all classes."""

    def overlay(self, prediction: Any, specialist: Any, of: int, share: float) -> Any:
        """p'_c = (1 - share) p_c + share s_c for the class `of` alone, renormalised."""

    def decide(
        self, prediction: Any, offsets: Sequence[float] | None = None, class_specialist: ClassSpecialist | None = None
    ) -> Any:
        """Probabilities to labels; `offsets` are added to the log-probabilities, one per class."""

    def scores(self, prediction: Any) -> Any:
        """What a metric looks at that needs what submissions do not carry: probabilities beside labels, or labels."""

    def subsample(self, rows: Any) -> Any:
        """A cheaper view of predictions or targets, on which weights and thresholds are fitted (never scored)."""

    def pack(self, prediction: Any) -> dict[str, np.ndarray]:
        """The arrays that a bundle stores, in float16 where they are probabilities."""

    def unpack(self, arrays: Mapping[str, np.ndarray]) -> Any: ...

    def join(self, predictions: Sequence[Any]) -> Any:
        """Predictions of consecutive rows as one."""

    def write(self, ids: np.ndarray, decided: Any, file: Path) -> None:
        """Write the submission: a function of its arguments only, so the same rows are the same bytes.

        The suffix of the file is ".csv" for the judge, and `suffix` for the official test.
        """

    def read(self, file: Path, ids: np.ndarray) -> Any:
        """Strict: returns decided rows in the order of `ids`, or raises `InvalidSubmission` naming row and column."""

    def sample_submission(self, ids: np.ndarray, file: Path) -> None:
        """A valid submission that knows nothing."""

    def check_targets(self, targets: Any) -> None:
        """Raise `UserError` where the targets are not what this task is about (shape, dtype, range)."""


class Calibrated(Task, Protocol):
    """A task whose members may mean different things by the same score; needed where `tunes` names "calibration"."""

    def calibration(self, prediction: Any, targets: Any) -> Sequence[float]:
        """A few finite numbers, fitted on these rows of one member, for `calibrated`."""

    def calibrated(self, prediction: Any, fitted: Sequence[float]) -> Any:
        """The member's prediction with scores that mean the share of them that is right."""


class Probabilistic(Task, Protocol):
    """A task whose members can be taken apart into numbers; needed for most of what `combines` may name."""

    def evidence(self, predictions: Sequence[Any], targets: Any) -> tuple[list[np.ndarray], np.ndarray]:
        """Of each member (m, columns) float32, and the truth likewise, of all that is labelled."""

    def mixed(self, change: Callable[[list[np.ndarray]], np.ndarray], predictions: Sequence[Any]) -> Any:
        """The prediction whose scores `change` makes of the members' probabilities (n, classes, ...)."""


class Paired(Task, Protocol):
    """A task in which two classes can be told apart again; needed for an `ClassSpecialist` with `against`."""

    def divided(self, prediction: Any, specialist: Any, pair: tuple[int, int], share: float) -> Any:
        """What the pair has together, divided anew: the first gets (1 - share) of what it had of it, and of the rest
        as much as the specialist gives it."""
