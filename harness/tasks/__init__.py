"""A task owns everything that differs between kinds of prediction; see `Task`."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from harness.tasks.layout import Asked, Layout


class View(NamedTuple):
    """One view of test-time augmentation: how to change the inputs, and how to undo it on a prediction.

    undo(prediction, inputs): inputs as they were before the change, for what depends on their sizes.
    """

    apply: Callable[[Any], Any]
    undo: Callable[[Any, Any], Any]


class ClassSpecialist(NamedTuple):
    """How a model changes one class: its share in the blend, and the probability above which the class wins.

    threshold: None where the class wins as any other. versus: of a pair, the other class; only the two are changed.
    """

    model: str
    target_class: int
    share: float
    threshold: float | None
    versus: int | None = None


class Task(ABC):
    """A kind of prediction. A *prediction* holds rows of probabilities; *decided* rows are what a submission carries.

    classes: names, the index is the label. void: the label that is never predicted. multilabel: whether a row, or a
    pixel, may have any number of classes. ensemble_steps: which of "stacking", "calibration", "offsets" and "least
    score" an ensemble may try (`harness.ensemble`).
    """

    classes: tuple[str, ...]
    void: int | None = None
    multilabel: bool = False
    ensemble_steps: Sequence[str] = ()

    @property
    def output(self) -> str:
        """What submissions carry, and so which metrics can judge them: "labels" or "probabilities"."""
        return self.table.output

    @property
    def official_suffix(self) -> str:
        """Of an official submission's file; the judge's file is always a table, .csv."""
        return ".csv"

    def for_official(self, ids: np.ndarray, host: Mapping[str, Any]) -> Self:
        """The task that writes official files of these rows as the host's own files call rows and classes.

        host: `Samples.host`. Raise `UserError` where rows cannot be named, or the declaration says something else.
        """
        return self

    @property
    def views(self) -> Mapping[str, View]:
        """The views of test-time augmentation, by name."""
        return {}

    @abstractmethod
    def row_bytes(self, targets: Any) -> int:
        """About what `pack` stores for one row, on average over rows like these."""

    @abstractmethod
    def pack(self, prediction: Any) -> dict[str, np.ndarray]:
        """The arrays that a run stores."""

    @abstractmethod
    def unpack(self, arrays: Mapping[str, np.ndarray]) -> Any:
        """The prediction that `pack` was given."""

    @abstractmethod
    def join(self, predictions: Sequence[Any]) -> Any:
        """Predictions of consecutive rows as one."""

    def subsample(self, rows: Any) -> Any:
        """A cheaper form of predictions or targets, on which weights and thresholds are fitted (never scored)."""
        return rows

    @abstractmethod
    def average(self, predictions: Sequence[Any], weights: Sequence[float]) -> Any:
        """Weighted mean of predictions; one member with any weight is returned as it is."""

    @abstractmethod
    def expand(self, presence: Any, target_class: int) -> Any:
        """The probability of one class, as a binary network gives it, to a prediction of all classes."""

    @abstractmethod
    def blend_class(
        self, prediction: Any, specialist: Any, target_class: int, share: float, versus: int | None = None
    ) -> Any:
        """p'_c = (1 - share) p_c + share s_c for one class c, renormalised. versus: only these two are changed."""

    def calibration(self, prediction: Any, targets: Any) -> Sequence[float]:
        """A few finite numbers, fitted on these rows of one member, for `calibrated`; where "calibration" is tried."""
        raise NotImplementedError

    def calibrated(self, prediction: Any, fitted: Sequence[float]) -> Any:
        """The member's prediction with scores that mean the share of them that is right."""
        raise NotImplementedError

    @abstractmethod
    def decide(
        self, prediction: Any, offsets: Sequence[float] | None = None, class_specialist: ClassSpecialist | None = None
    ) -> Any:
        """Probabilities to labels; `offsets` are added to the log-probabilities, one per class.

        Of objects with scores those are kept whose log-odds and offset together are more than 0; without offsets, all.
        """

    def scores(self, prediction: Any) -> Any:
        """What a metric looks at that needs what submissions do not carry: probabilities beside labels, or labels."""
        return prediction

    @property
    @abstractmethod
    def table(self) -> Layout:
        """The layout of the judge's file, and of the official one where that is a table."""

    def write(self, asked: Asked, decided: Any, file: Path) -> None:
        """Write the submission: a function of its arguments only, so the same rows are the same bytes.

        The suffix of the file is ".csv" for the judge, and `official_suffix` for the official test.
        """

        self.table.write(self, asked, decided, file)

    def read(self, file: Path, asked: Asked) -> Any:
        """Strict: returns decided rows in the order of `asked`, or raises `InvalidSubmission` naming row and column."""
        return self.table.read(self, file, asked)

    @abstractmethod
    def sample_submission(self, asked: Asked, file: Path) -> None:
        """Write a valid submission that knows nothing."""

    @abstractmethod
    def check_targets(self, targets: Any) -> None:
        """Raise `UserError` where the targets are not what this task is about (shape, dtype, range)."""
