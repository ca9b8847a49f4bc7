"""What a trial may change of a learner: the competition's own search space, or the learner's default one."""

from collections.abc import Callable
from dataclasses import dataclass, is_dataclass, replace
from typing import Any

from harness.competition import Competition
from harness.errors import UserError
from harness.models import Learner
from harness.models.config import canonical


@dataclass(frozen=True)
class ModelTrial:
    """An Optuna trial whose parameters carry the model's name, so that models do not share them."""

    trial: Any
    model: str

    def suggest_float(self, name: str, *arguments: Any, **options: Any) -> float:
        return self.trial.suggest_float(f"{self.model}.{name}", *arguments, **options)

    def suggest_int(self, name: str, *arguments: Any, **options: Any) -> int:
        return self.trial.suggest_int(f"{self.model}.{name}", *arguments, **options)

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        return self.trial.suggest_categorical(f"{self.model}.{name}", choices)


def variant(competition: Competition, trial: ModelTrial, declared: Learner, epochs: int) -> Learner:
    """The variant of the declared learner that this trial stands for; epochs: of a trial's schedule.

    Raise `UserError` where the search space raises, or gives what may not be trained here.
    """
    model, base = trial.model, replace(declared, epochs=epochs)
    space: Callable[[Any, Learner], Learner] = competition.search.get(
        model, lambda trial, base: base.search_space(trial)
    )
    where = f"{competition.name}: the search space of {model}"
    try:
        made = space(trial, base)
        canonical(made)
    except UserError as error:
        raise UserError(f"{where} gives what cannot be trained: {error}") from error
    except Exception as error:
        raise UserError(f"{where} raised {type(error).__name__}: {error}; fix it, the study is unchanged") from error
    if not is_dataclass(made) or made.target_class != declared.target_class or made.epochs < 1:
        raise UserError(f"{where} gives {made!r}; it must give a variant of the learner, `replace(learner, ...)`")
    if made.pretrained and not competition.rules.pretrained:
        raise UserError(f"{where} starts from pretrained weights, which the rules forbid")
    return made
