"""The base of all torch networks: what is declared about their training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from harness.data.pixels import Size
from harness.data.samples import Samples
from harness.errors import UserError
from harness.files import sweep_partials
from harness.models import FINISHED, Context, Learner, TrainingCost, search_spaces
from harness.models.augment import Augment
from harness.models.losses import InverseFrequency, Loss, cross_entropy, dice, focal
from harness.models.optim import AdamW, EarlyStopping, Optimizer, Schedule, WarmupCosine
from harness.models.torch_loop import checkpoint
from harness.models.torch_loop.batches import Paste, Prime, Showing
from harness.models.torch_loop.fitted import AT_ONCE, TorchFitted
from harness.models.torch_loop.outputs import TargetEncoding
from harness.models.torch_loop.parameter_groups import ParameterGroup
from harness.models.torch_loop.state import Machine, seed_everything

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class TorchLearner(Learner):
    """What every torch network is trained with; a subclass defines the `network`.

    channels, mean, std: of the images the network sees, which are (x / 255 - mean) / std of uint8 x, and
    (x / 65535 - mean) / std of uint16 x; mean and std one number, or one a channel.
    lr: at the height of the schedule. weight_decay: on everything but norms and biases.
    oversample: targets -> (n,) bool, the rows that make up a `share` of every batch.
    drop_single_class: leave out masks with one class or none. paste: targeted samples. prime: few images first.
    ema: the share of all steps that the average of the weights reaches back; that average is the model.
    clip: the largest norm of the gradient. mixed_precision: on CUDA only.
    norm_rows: training rows, not augmented, that recalibrate batch norm at the end; 0 leaves it as trained.
    early_stopping, and a schedule that watches: take the loss on the validation rows after every epoch, or on the
    training rows where there are none.
    crop: (height, width) of the parts of images and masks that are trained on, where images are large or of several
    sizes; predictions are made of overlapping tiles of that size, `batch` at once. None: whole images of one size.
    target_class: train a specialist with one logit for this class; versus: on rows of this and that class alone.
    """

    channels: int = 1
    mean: tuple[float, ...] = (0.5,)
    std: tuple[float, ...] = (0.25,)
    epochs: int = 30
    fewest_epochs: int = 3
    batch: int = 32
    lr: float = 1e-3
    weight_decay: float = 1e-2
    optimizer: Optimizer = AdamW()
    schedule: Schedule = WarmupCosine()
    loss: Loss = cross_entropy
    class_weights: InverseFrequency | None = None
    augment: Augment | None = None
    oversample: Callable[[Any], np.ndarray] | None = None
    share: float = 0.5
    drop_single_class: bool = False
    paste: Paste | None = None
    prime: Prime | None = None
    ema: float = 0.05
    clip: float | None = 1.0
    mixed_precision: bool = True
    norm_rows: int = 1024
    early_stopping: EarlyStopping | None = None
    crop: Size | None = None

    slow_import: ClassVar[str] = "torch"
    masks: ClassVar[bool] = False  # whether it can predict nothing else

    def network(self, classes: int) -> nn.Module:
        """Floats (n, channels, h, w) to logits (n, classes, ...)."""
        raise NotImplementedError

    def parameter_groups(self, network: nn.Module) -> Sequence[ParameterGroup]:
        """What does not train from the first step on and at the full rate."""
        return ()

    def untrained(self) -> Self:
        """The same with random weights, in whose place others will come."""
        return replace(self, pretrained=False)

    def specialised(self, of: int, versus: int | None) -> Self:
        """Half of every batch shows the class, and the focal loss minds what is rare; a pair is seen alone."""
        plain = focal + dice if self.masks else focal
        return replace(
            self,
            target_class=of,
            versus=versus,
            oversample=Showing(of, self.loss.several) if versus is None else None,
            share=0.5,
            loss=self.loss if self.loss.several else plain,
            class_weights=None,
        )

    def search_space(self, trial: Any) -> Self:
        """Rate, decay, average, length and loss; augmentation and class weights where they are declared."""
        return replace(
            self,
            lr=search_spaces.rate(trial, self.lr, tamed=self.clip is not None),
            weight_decay=search_spaces.weight_decay(trial, self.weight_decay),
            ema=search_spaces.ema(trial, self.ema),
            epochs=search_spaces.epochs(trial, self),
            loss=search_spaces.loss(trial, self.loss, self.masks),
            augment=self.augment and self.augment.search_space(trial),
            class_weights=self.class_weights and self.class_weights.search_space(trial),
        )

    def fit(self, train: Samples, valid: Samples | None, context: Context) -> TorchFitted:
        from harness.models.torch_loop.training_loop import TrainingLoop

        context.folder.mkdir(parents=True, exist_ok=True)
        sweep_partials(context.folder)
        if (context.folder / FINISHED).exists():
            return self.load(context)
        return TrainingLoop(self, train, context).run(valid)

    def load(self, context: Context) -> TorchFitted:
        """The finished fit in the context's folder; raise `UserError` where there is none."""
        weights = checkpoint.finished(context.folder)
        machine, encoding = self.set_up(context)
        network = machine.place(self.untrained().network(encoding.outputs)).eval()
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:
            raise UserError(
                f"{context.folder} holds weights of another network: its code has changed since; "
                "delete the folder to train this fold again"
            ) from error
        return self.fitted(encoding, network, machine)

    def fitted(self, encoding: TargetEncoding, network: nn.Module, machine: Machine) -> TorchFitted:
        """This network as what predicts."""
        return TorchFitted(encoding, network, machine, self.crop, self.batch if self.crop else AT_ONCE)

    def require_channels(self, inputs: Any) -> None:
        """Raise `UserError` where the network is declared for images with other channels."""
        shape: tuple[int, ...] = getattr(inputs, "shape", ())
        count = shape[3] if len(shape) == 4 else 1
        if count not in (1, self.channels) or not {len(self.mean), len(self.std)} <= {1, self.channels}:
            raise UserError(
                f"the images have {count} channels, and the network is declared with channels={self.channels}, "
                f"mean={self.mean} and std={self.std}; declare channels={count}, and one mean and std or {count}"
            )

    def set_up(self, context: Context) -> tuple[Machine, TargetEncoding]:
        """Threads and seeds of this process, where tensors live, and what the network's outputs mean."""
        import torch

        torch.set_num_threads(context.threads)
        seed_everything(context.seed, context.fold)
        encoding = TargetEncoding(context.task, self.target_class, self.loss.several, self.versus)
        return Machine.best(self, context), encoding

    def cost(self, train: Samples, context: Context) -> TrainingCost:
        from harness.models.torch_loop.probe import cost

        return cost(self, train, context)

    def fast_paths(self, train: Samples, context: Context) -> dict[str, Any]:
        from harness.models.torch_loop.probe import fast_paths

        return fast_paths(self, train, context)
