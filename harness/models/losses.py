"""Losses as values: declared without importing torch, added and weighted (`cross_entropy + 0.5 * dice`), then called.

Each takes logits (n, classes, ...) float32, targets (n, ...) int64 in which `IGNORED` (void) counts nowhere, and class
weights (classes,) or None, and returns a scalar tensor; 0 where all is ignored. One logit is the binary form: the
targets are 0 and 1, and the probability of 1 is its sigmoid. With several labels a row or a pixel the targets are
(n, classes, ...) of 0 and 1. Cross-entropy and focal use the class weights; the overlap losses weigh classes alike by
themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

IGNORED = -100  # torch's own default


class Loss:
    """What can be added and weighted.

    several: whether it is for several labels a row or a pixel, one sigmoid each. overlaps: whether it looks at the
    overlap of whole masks, rather than pixel by pixel.
    """

    overlaps: ClassVar[bool] = False

    @property
    def several(self) -> bool:
        return False

    def __call__(self, logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        raise NotImplementedError

    def __add__(self, other: Loss) -> Loss:
        return Sum(terms_of(self) + terms_of(other))

    def __rmul__(self, share: float) -> Loss:
        return Sum(tuple((share * weight, loss) for weight, loss in terms_of(self)))


@dataclass(frozen=True)
class Sum(Loss):
    """Losses with their weights."""

    terms: tuple[tuple[float, Loss], ...]

    @property
    def several(self) -> bool:
        return any(loss.several for _, loss in self.terms)

    def __call__(self, logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        return sum(share * loss(logits, targets, weights) for share, loss in self.terms)  # type: ignore[return-value]


def terms_of(loss: Loss) -> tuple[tuple[float, Loss], ...]:
    return loss.terms if isinstance(loss, Sum) else ((1.0, loss),)


@dataclass(frozen=True, kw_only=True)
class CrossEntropy(Loss):
    """smoothing: the share of the target that is spread over all classes (Szegedy et al., arXiv 1512.00567)."""

    smoothing: float = 0.0

    def __call__(self, logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        from torch.nn.functional import cross_entropy

        logits = as_classes(logits)
        summed = cross_entropy(logits, targets, weights, reduction="sum", label_smoothing=self.smoothing)
        return summed / total_weight(targets, weights)


@dataclass(frozen=True, kw_only=True)
class BinaryCrossEntropy(Loss):
    """For several labels a row or a pixel: logits and targets (n, classes, ...); the mean over all that count."""

    @property
    def several(self) -> bool:
        return True

    def __call__(self, logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        from torch.nn.functional import binary_cross_entropy_with_logits

        counts = targets != IGNORED
        shares = counts.float()
        if weights is not None:
            shares = shares * weights.view(-1, *(1,) * (logits.ndim - 2))
        summed = binary_cross_entropy_with_logits(logits, targets.clamp_min(0).float(), shares, reduction="sum")
        return summed / counts.sum().clamp_min(1)


@dataclass(frozen=True, kw_only=True)
class Focal(Loss):
    """(1 - p)^gamma times cross-entropy, p the probability of the true class (Lin et al., arXiv 1708.02002).

    It works on the softmax, which is what is predicted; segmentation-models-pytorch's is one sigmoid per class.
    """

    gamma: float = 2.0

    def __call__(self, logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        from torch.nn.functional import nll_loss

        log_probs = as_classes(logits).log_softmax(1)
        modulated = (1 - log_probs.exp()).pow(self.gamma) * log_probs
        return nll_loss(modulated, targets, weights, reduction="sum") / total_weight(targets, weights)


@dataclass(frozen=True, kw_only=True)
class Tversky(Loss):
    """1 - the Tversky index over the batch, mean over the classes present (Salehi et al., arXiv 1706.05721).

    false_positives, false_negatives: their costs; 0.5 and 0.5 is Dice. Binary: the overlap of class 1 only.
    """

    false_positives: float = 0.3
    false_negatives: float = 0.7

    overlaps: ClassVar[bool] = True

    def __call__(self, logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        return _overlap("TverskyLoss", logits, targets, alpha=self.false_positives, beta=self.false_negatives)


@dataclass(frozen=True, kw_only=True)
class Dice(Loss):
    """1 - the soft Dice coefficient over the batch, mean over the classes present (Milletari et al., 1606.04797)."""

    overlaps: ClassVar[bool] = True

    def __call__(self, logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        return _overlap("DiceLoss", logits, targets)


cross_entropy, focal, dice, tversky = CrossEntropy(), Focal(), Dice(), Tversky()
binary_cross_entropy = BinaryCrossEntropy()


def as_classes(logits: Tensor) -> Tensor:
    """One logit as two: the softmax of (0, z) is the sigmoid of z."""
    import torch

    return torch.cat((torch.zeros_like(logits), logits), 1) if logits.shape[1] == 1 else logits


def total_weight(targets: Tensor, weights: Tensor | None) -> Tensor:
    """What a weighted mean divides by; 1 where nothing counts, so that the loss is 0 and not NaN."""
    seen = targets != IGNORED
    total = seen.sum() if weights is None else (weights[targets.clamp_min(0)] * seen).sum()
    return total.clamp_min(1 if weights is None else 1e-7)


def _overlap(name: str, logits: Tensor, targets: Tensor, **options: Any) -> Tensor:
    """A loss of segmentation-models-pytorch, whose mean would also count the classes that the batch lacks as 0."""
    from segmentation_models_pytorch import losses

    kind = getattr(losses, name)
    if targets.ndim == logits.ndim:
        shown = (targets > 0).transpose(0, 1).flatten(1).any(1).nonzero().flatten().tolist()
        overlap = kind("multilabel", classes=shown, ignore_index=IGNORED, **options)
        return overlap(logits, targets) if shown else logits.sum() * 0
    if logits.shape[1] == 1:
        return kind("binary", ignore_index=IGNORED, **options)(logits, targets)
    present = targets[targets != IGNORED].bincount().nonzero().flatten().tolist()  # unique() takes ten times as long
    if not present:
        return logits.sum() * 0
    return kind("multiclass", classes=present, ignore_index=IGNORED, **options)(logits, targets)


@dataclass(frozen=True, kw_only=True)
class InverseFrequency:
    """Class weights from how often each class occurs; those that occur weigh 1 on average, the others nothing.

    power: 1 makes all classes weigh the same in sum, 0 leaves them as they are, 0.5 is a common middle.
    """

    power: float = 0.5

    def __call__(self, counts: np.ndarray) -> np.ndarray:
        """Counts (classes,) of pixels or samples to weights (classes,) float32."""
        weights = (counts > 0) / np.maximum(counts, 1) ** self.power
        return (weights * (counts > 0).sum() / weights.sum()).astype(np.float32)

    def search_space(self, trial: Any) -> Self:
        return replace(self, power=trial.suggest_float("class_power", 0.0, 1.0))
