"""Default search spaces: how far a variant goes from what is declared. Ranges are about the declared value.

`trial` is a trial of Optuna, or anything with its suggest_float, suggest_int and suggest_categorical.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from harness.models.losses import Loss, Sum, cross_entropy, dice, terms_of

if TYPE_CHECKING:
    from harness.models import Learner

WEIGHT_DECAY = 1e-3  # what is searched about where none is declared
SHORTEST = 0.5  # the share of the declared epochs that a variant trains at least
WIDTH_STEP = 4  # the blocks of `networks` halve and quarter their widths


def near(trial: Any, name: str, declared: float, below: float = 4.0, above: float = 4.0) -> float:
    """Log-uniform from declared / below to declared * above."""
    return trial.suggest_float(name, declared / below, declared * above, log=True)


def rate(trial: Any, declared: float, tamed: bool = True) -> float:
    """A factor of 4 either way, but 2 upwards where nothing tames a step that goes too far.

    Plain gradient descent on two dense layers still learns digits at twice its rate (0.87), not at four times (0.09).
    """
    return near(trial, "lr", declared, above=4.0 if tamed else 2.0)


def weight_decay(trial: Any, declared: float) -> float:
    """Less goes further down than up: with a large rate, three times as much is already a strong pull to 0."""
    return near(trial, "weight_decay", declared or WEIGHT_DECAY, below=10.0, above=3.0)


def epochs(trial: Any, learner: Learner) -> int:
    """A share of the learner's epochs, but never fewer than teach it something, nor more than it declares."""
    share = trial.suggest_float("epochs_share", SHORTEST, 1.0)
    return max(round(share * learner.epochs), min(learner.fewest_epochs, learner.epochs))


def ema(trial: Any, declared: float) -> float:
    """How far back the average of the weights reaches, as a share of all steps."""
    return near(trial, "ema", declared or 0.05, below=5.0, above=4.0)


def width(trial: Any, declared: int) -> int:
    """0.75 to 1.5 times the declared, in steps that every block can divide; as declared where there is no such step."""
    low, high = -(-0.75 * declared // WIDTH_STEP) * WIDTH_STEP, 1.5 * declared // WIDTH_STEP * WIDTH_STEP
    return trial.suggest_int("width", int(low), int(high), step=WIDTH_STEP) if low < high else declared


def one_of(trial: Any, name: str, choices: Iterable[str], declared: str) -> str:
    """The declared one is among them in any case."""
    return trial.suggest_categorical(name, list(dict.fromkeys((declared, *choices))))


def loss(trial: Any, declared: Loss, masks: bool) -> Loss:
    """How much the overlap of masks weighs; as declared unless the learner predicts masks.

    masks: whether the learner predicts nothing else. For others an overlap term in the declared loss shows it.
    """
    if not (masks or any(term.overlaps for _, term in terms_of(declared))):
        return declared
    return with_overlap(declared, trial.suggest_float("loss_overlap", 0.0, 0.9))


def with_overlap(declared: Loss, share: float) -> Loss:
    """The same weight in all, `share` of it on the overlap terms; cross-entropy or Dice where there is no such term.

    >>> with_overlap(cross_entropy + dice, 0.5) == cross_entropy + dice
    True
    """
    terms = terms_of(declared)
    total = sum(weight for weight, _ in terms)
    pixels = [term for term in terms if not term[1].overlaps] or [(1.0, cross_entropy)]
    overlap = [term for term in terms if term[1].overlaps] or [(1.0, dice)]
    found: list[tuple[float, Loss]] = []
    for part, wanted in ((pixels, total * (1 - share)), (overlap, total * share)):
        scale = wanted / sum(weight for weight, _ in part)
        found += [(scale * weight, loss) for weight, loss in part]
    return Sum(tuple(found))
