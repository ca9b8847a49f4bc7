"""A competition is a folder that declares one value; `find` reads it."""

import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol

from harness.bootstrap import Interval
from harness.data.samples import Dataset, Samples
from harness.data.sources import Source
from harness.data.splits import Holdout, Split
from harness.declared import as_meant, below, explained, place_of
from harness.ensemble import Blend
from harness.errors import UserError, listed, nearest
from harness.metrics import Metric
from harness.models import Learner
from harness.tasks import Task

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


@dataclass(frozen=True)
class Rules:
    """What entries must obey. Daily limits bind on a team server; the embedded board counts and refuses nothing.

    feedback: what is shown of the public score before the reveal: `Exact()`, `Rounded(to)` or `Ladder(step)`.
    """

    pretrained: bool = True
    submissions_per_day: int = 5
    finals: int = 2
    feedback: Feedback = field(default_factory=Exact)


@dataclass(frozen=True)
class Competition:
    """What one folder declares: data, split, metric, models and rules.

    load: raw folder -> `Dataset`. models: everything declared; ensemble: how they become one prediction, a blend of all
    where none is declared; default: those that `make submit` trains, all where none is named.
    search: model name -> (trial, learner) -> learner. tta: names of the task's views, beside the plain one.
    reported: metrics that are shown beside the one that ranks, out-of-fold. sample: the host's sample submission, a
    file of the raw folder: the official file has its columns, and its rows in its order.
    """

    name: str
    task: Task
    metric: Metric
    sources: Sequence[Source]
    load: Callable[[Path], Dataset]
    split: Split
    models: Mapping[str, Learner]
    ensemble: Blend = Blend(())
    default: Sequence[str] = ()
    rules: Rules = Rules()
    holdout: Holdout = Holdout()
    search: Mapping[str, Callable[[Any, Learner], Learner]] = field(default_factory=dict)
    tta: Sequence[str] = ()
    reported: Sequence[Metric] = ()
    sample: str = ""

    def __post_init__(self) -> None:
        for name, value in as_meant(str(self.name), vars(self)).items():
            object.__setattr__(self, name, value)
        general = tuple(name for name, learner in self.models.items() if learner.target_class is None)
        blended = replace(self.ensemble, names=self.ensemble.names or general, views=bool(self.tta))
        object.__setattr__(self, "ensemble", blended)
        if not self.default:
            object.__setattr__(self, "default", tuple(self.models))
        if self.metric.needs != self.task.output:
            raise UserError(
                f"{self.name}: {self.metric.name} needs {self.metric.needs}, but the submissions of this task carry "
                f"what is {self.task.output}; declare another layout or another metric"
            )
        for metric in (self.metric, *self.reported):
            if getattr(metric, "multilabel", self.task.multilabel) != self.task.multilabel:
                raise UserError(
                    f"{self.name}: the task has multilabel={self.task.multilabel}, but {metric.name} would read its "
                    f"masks otherwise; declare multilabel={self.task.multilabel} in the metric too"
                )
        named = {"default": self.default, "search": self.search, "ensemble": self.ensemble.members}
        for kind, name in ((kind, name) for kind, names in named.items() for name in names):
            if name not in self.models:
                raise UserError(f"{self.name}: {kind} names {name!r}, which is not declared ({listed(self.models)})")
        for name in self.tta:
            if name not in self.task.views:
                raise UserError(
                    f"{self.name}: tta names {name!r}, but the views of this task and this shape of inputs are "
                    f"{', '.join(self.task.views) or 'none'}"
                )
        for name, learner in self.models.items():
            if learner.pretrained and not self.rules.pretrained:
                raise UserError(
                    f"{self.name}: the model {name!r} starts from pretrained weights, which the rules forbid"
                )

    def read(self, raw: Path) -> Dataset:
        """What `load` makes of the raw folder. Raise `UserError` naming its line for whatever goes wrong there."""
        if self.load is None:
            raise UserError(f"{self.name} declares load=None; give the function that reads the raw folder")
        file, line = place_of(self.load) or (Path("load"), 1)
        try:
            dataset = self.load(raw)
        except UserError:
            raise
        except Exception as error:
            raise UserError(f"{self.name}: load ends with an error at {explained(error, file.parent)}") from error
        whole = isinstance(dataset, Dataset)
        for part in (dataset.labelled, *dataset.official.values()) if whole else (dataset,):
            if not (whole and isinstance(part, Samples)):
                returned = "nothing, for a `return` is missing" if part is None else f"a {type(part).__name__}"
                raise UserError(
                    f"{self.name}: load ({below(file)}, line {line}) returns {returned}; it should return "
                    'Dataset(labelled, {"test": test}), both of them Samples'
                )
        return dataset

    def chosen(self, names: Sequence[str] | None) -> dict[str, Learner]:
        """The models of these names (MODELS=), or the default ones."""
        unknown = [name for name in names or () if name not in self.models]
        if unknown:
            hint = nearest(unknown[0], self.models)
            raise UserError(f"{self.name} declares no model {unknown[0]!r}{hint}; there are {listed(self.models)}")
        return {name: self.models[name] for name in (names or self.default)}


def declarations() -> dict[str, Path]:
    """Name -> competition.py, of every folder of `competitions` that has one."""
    package = importlib.import_module("competitions")
    files = [file for folder in package.__path__ for file in Path(folder).glob("*/competition.py")]
    return {file.parent.name: file for file in sorted(files)}


def names() -> list[str]:
    """The competitions there are."""
    return sorted(declarations())


def find(name: str) -> Competition:
    """Read the declaration of a competition; raise `UserError` with the nearest name where there is none.

    So too where the file cannot be run, naming the line, and where it declares no competition.
    """
    known = declarations()
    if name not in known:
        raise UserError(
            f"there is no competition {name!r}{nearest(name, known)}; there are {listed(sorted(known), 20)}"
        )
    try:
        module = importlib.import_module(f"competitions.{name}.competition")
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{name} cannot be read: {explained(error, known[name].parent)}") from error
    declared = getattr(module, "competition", None)
    if not isinstance(declared, Competition):
        comma = "; a comma follows Competition(...): remove it" if isinstance(declared, tuple) else ""
        raise UserError(f"{below(known[name])} should end with competition = Competition(...){comma}")
    return declared
