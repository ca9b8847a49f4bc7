"""The one training loop for torch networks: declared as a frozen value, fitted per fold, resumed after a kill."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from harness.data.samples import Samples
from harness.errors import UserError
from harness.files import sweep_partials, write_bytes
from harness.metrics import chunks
from harness.models import Context, Cost, Diverged, Interrupted, OutOfTime, search_spaces
from harness.models.augment import Augmentation
from harness.models.class_weights import ClassWeights
from harness.models.losses import Loss, cross_entropy, dice, focal
from harness.models.optim import AdamW, Optimizer
from harness.models.schedules import EarlyStopping, Schedule, WarmupCosine
from harness.models.torch_loop import batch_norm, checkpoint
from harness.models.torch_loop.batches import NORMS, Batches
from harness.models.torch_loop.fitted import TorchFitted
from harness.models.torch_loop.outputs import Labels
from harness.models.torch_loop.parameter_groups import Part
from harness.models.torch_loop.sampling import Paste, Prime, Showing
from harness.models.torch_loop.state import Machine, State, seed_everything

if TYPE_CHECKING:
    from torch import Tensor, nn

SAVE_SECONDS = 30.0  # the most work that a kill costs; a save of the Mars networks takes 0.2 to 0.35 s of CPU
CHECK_STEPS = 10  # a look at the loss waits for the GPU
REPORT_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class TorchLearner:
    """What every torch network is trained with; a variant says what the `network` is.

    channels, mean, std: of the images the network sees, which are (x / 255 - mean) / std of uint8 x.
    lr: at the height of the schedule. weight_decay: on everything but norms and biases.
    oversample: targets -> (n,) bool, the rows that make up a `share` of every batch.
    drop_single_class: leave out masks with one class or none. paste: targeted samples. prime: few images first.
    ema: the share of all steps that the average of the weights reaches back; it is the model that is kept.
    clip: the largest norm of the gradient. mixed_precision: on CUDA only.
    norm_rows: training rows, not augmented, that batch norms are measured on at the end; 0 leaves them as trained.
    early_stopping, and a schedule that watches: look at the validation rows after every epoch, or at the training
    loss where there are none.
    focus: train a specialist with one logit for this class; against: on rows of this and that class alone.
    pretrained: start from weights trained on other data.
    """

    channels: int = 1
    mean: tuple[float, ...] = (0.5,)
    std: tuple[float, ...] = (0.25,)
    epochs: int = 30
    batch: int = 32
    lr: float = 1e-3
    weight_decay: float = 1e-2
    optimizer: Optimizer = AdamW()
    schedule: Schedule = WarmupCosine()
    loss: Loss = cross_entropy
    class_weights: ClassWeights | None = None
    augment: Augmentation | None = None
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
    target_class: int | None = None
    versus: int | None = None
    pretrained: bool = False

    fewest_epochs: ClassVar[int] = 3
    masks: ClassVar[bool] = False  # whether it can predict nothing else

    def network(self, classes: int) -> nn.Module:
        """Floats (n, channels, h, w) to logits (n, classes, ...)."""
        raise NotImplementedError

    def parts(self, network: nn.Module) -> Sequence[Part]:
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

    def vary(self, trial: Any) -> Self:
        """Rate, decay, average, length and loss; augmentation and class weights where they are declared."""
        return replace(
            self,
            lr=search_spaces.rate(trial, self.lr, tamed=self.clip is not None),
            weight_decay=search_spaces.weight_decay(trial, self.weight_decay),
            ema=search_spaces.ema(trial, self.ema),
            epochs=search_spaces.epochs(trial, self),
            loss=search_spaces.loss(trial, self.loss, self.masks),
            augment=self.augment and self.augment.vary(trial),
            class_weights=self.class_weights and self.class_weights.vary(trial),
        )

    def fit(self, train: Samples, valid: Samples | None, context: Context) -> TorchFitted:
        context.folder.mkdir(parents=True, exist_ok=True)
        sweep_partials(context.folder)
        weights = checkpoint.finished(context.folder)
        if weights is not None:
            return load(self, weights, context)
        training = Training(self, train, context)
        training.resume()
        while training.goes_on():
            training.run_epoch()
            training.close_epoch(valid)
        return training.finish()

    def cost(self, train: Samples, context: Context) -> Cost:
        from harness.models.torch_loop.probe import cost

        return cost(self, train, context)

    def fast_paths(self, train: Samples, context: Context) -> dict[str, Any]:
        from harness.models.torch_loop.probe import fast_paths

        return fast_paths(self, train, context)

    def load(self, context: Context) -> TorchFitted:
        """The finished fit in the context's folder; raise `UserError` where there is none."""
        weights = checkpoint.finished(context.folder)
        if weights is None:
            raise UserError(f"{context.folder} holds no finished fit; run the same training command again")
        return load(self, weights, context)


def load(learner: TorchLearner, weights: dict[str, Tensor], context: Context) -> TorchFitted:
    machine, labels = set_up(learner, context)
    network = machine.place(learner.untrained().network(labels.outputs)).eval()
    network.load_state_dict(weights)
    return TorchFitted(labels, network, machine)


def set_up(learner: TorchLearner, context: Context) -> tuple[Machine, Labels]:
    import torch

    torch.set_num_threads(context.threads)
    seed_everything(context.seed, context.fold)
    return Machine.best(learner, context), Labels(
        context.task, learner.target_class, learner.loss.several, learner.versus
    )


class Training:
    """One fit in progress. `step` is a training step and touches no file; the rest is when to save, stop and say."""

    def __init__(self, learner: TorchLearner, train: Samples, context: Context):
        import torch

        self.learner, self.context = learner, context
        self.machine, self.labels = set_up(learner, context)
        self.batches = Batches(learner, self.labels, train, context)
        self.steps = learner.epochs * self.batches.steps
        self.state = State(learner, learner.network(self.labels.outputs), self.machine, self.steps)
        self.forward = torch.compile(self.state.network) if context.compile else self.state.network
        self.weights = None
        if learner.class_weights:
            counts = self.labels.count(train.targets[self.batches.rows])
            self.weights = self.machine.send(learner.class_weights(counts))
        self.saved = self.reported = time.monotonic()
        self.warn = checkpoint.warner(context.report)

    def resume(self) -> None:
        """Take the newest state there is, and its log: no epoch is missing in it, none is there twice."""
        saved = checkpoint.load(self.context.folder, self.warn)
        if saved is not None:
            self.state.restore(saved)
        self.write_log()

    def goes_on(self) -> bool:
        rule = self.learner.early_stopping
        return self.state.epoch < self.learner.epochs and not (rule and rule.stop(self.watched))

    @property
    def watched(self) -> list[float]:
        return [entry.get("valid_loss", entry["loss"]) for entry in self.state.log]

    @property
    def done(self) -> int:
        """Steps, of all epochs."""
        return self.state.epoch * self.batches.steps + self.state.step

    def run_epoch(self) -> None:
        state = self.state
        state.network.train()
        began = time.monotonic()
        for images, targets in self.batches.epoch(state.epoch, first=state.step):
            self.step(images, targets)
            now = time.monotonic()
            state.seconds, began = state.seconds + now - began, now
            self.after_step(now)

    def step(self, images: np.ndarray, targets: np.ndarray) -> None:
        """One optimizer step on a batch as `Batches` gives it."""
        rate = self.rate()
        self.state.open(self.done / self.steps)
        for group in self.state.optimizer.param_groups:
            group["lr"] = rate * group["scale"]
        self.state.optimizer.zero_grad(set_to_none=True)
        self.state.loss += self.forward_backward(self.machine.images(images), self.machine.targets(targets))
        self.update()

    def forward_backward(self, images: Tensor, targets: Tensor) -> Tensor:
        """What cannot be saved; the bench takes everything else for overhead."""
        with self.machine.autocast():
            logits = self.forward(images)
        loss = self.learner.loss(logits.float(), targets, self.weights)
        self.state.scaler.scale(loss).backward()
        return loss.detach()

    def update(self) -> None:
        state = self.state
        if self.learner.clip:
            state.scaler.unscale_(state.optimizer)
            self.clip(self.learner.clip)
        state.scaler.step(state.optimizer)
        state.scaler.update()
        state.step += 1
        state.follow(self.done)

    def clip(self, largest: float) -> None:
        """Shorten the gradient; a processor, which need not wait for the answer, asks first whether it is long."""
        from torch.nn import utils

        norm = utils.get_total_norm([p.grad for p in self.state.parameters if p.grad is not None])
        if norm.device.type != "cpu" or norm > largest:
            utils.clip_grads_with_norm_(self.state.parameters, largest, norm)

    def rate(self) -> float:
        return self.learner.lr * self.learner.schedule.factor(self.done / self.steps, self.watched)

    def after_step(self, now: float) -> None:
        """Save what must not be lost, and leave where the clock or a signal says so."""
        if self.state.step % CHECK_STEPS == 0:
            self.check(math.isfinite(self.state.loss.item()))
        if now - self.reported > REPORT_SECONDS:
            self.reported = now
            left = (self.steps - self.done) * self.state.seconds / self.state.step
            self.context.report({"step": self.done, "steps_total": self.steps, "seconds_left": left})
        stopped = self.context.stop()
        late = self.context.deadline is not None and now > self.context.deadline and self.done < self.steps
        if stopped or late or now - self.saved > SAVE_SECONDS:
            self.save()
        if stopped:
            raise Interrupted(f"stopped after step {self.done} of {self.steps}; the same command goes on from there")
        if late:
            raise OutOfTime(f"out of time after step {self.done} of {self.steps}; the same command goes on from there")

    def check(self, finite: bool) -> None:
        if not finite:
            raise Diverged(
                f"training diverged: the loss is no number any more at step {self.state.step} of epoch "
                f"{self.state.epoch} (learning rate {self.rate():.2g}); declare a lower lr or a smaller clip. "
                f"The last good state stays in {self.context.folder}"
            )

    def save(self) -> None:
        self.check(self.state.is_finite())
        checkpoint.save(self.context.folder, self.state.dump(), self.done)
        self.saved = time.monotonic()

    def close_epoch(self, valid: Samples | None) -> None:
        """Log the epoch and begin the next one."""
        state, learner = self.state, self.learner
        self.check(math.isfinite(state.loss.item()))
        entry = {
            "epoch": state.epoch,
            "loss": state.loss.item() / self.batches.steps,
            "lr": max(group["lr"] for group in state.optimizer.param_groups),
            "seconds": round(state.seconds, 3),
            "images_per_second": round(len(self.batches.rows) / state.seconds, 1),
        }
        if valid is not None and len(valid) and (learner.early_stopping or learner.schedule.watches):
            entry["valid_loss"] = self.loss_on(valid)
        state.log.append(entry)
        state.epoch, state.step, state.seconds = state.epoch + 1, 0, 0.0
        state.loss.zero_()
        if time.monotonic() - self.saved > SAVE_SECONDS:
            self.save()
        self.write_log()
        self.context.report({**entry, "step": self.done, "steps_total": self.steps})
        if state.epoch < learner.epochs:
            self.context.look(state.epoch / learner.epochs, self.predict)

    def predict(self, inputs: Any) -> Any:
        """What the averaged weights say so far."""
        with self.state.averaged() as network:
            return TorchFitted(self.labels, network, self.machine).predict(inputs)

    def loss_on(self, samples: Samples) -> float:
        """The mean loss per row, of the averaged weights."""
        import torch

        total = 0.0
        with self.state.averaged() as network, torch.inference_mode():
            for rows in chunks(len(samples), self.learner.batch):
                images = self.machine.images(np.array(samples.inputs[rows], order="C"))
                targets = self.machine.targets(self.labels.encode(samples.targets[rows]))
                with self.machine.autocast():
                    logits = network(images)
                total += len(targets) * self.learner.loss(logits.float(), targets, self.weights).item()
        return total / len(samples)

    def write_log(self) -> None:
        lines = "".join(json.dumps(entry) + "\n" for entry in self.state.log)
        write_bytes(self.context.folder / "log.jsonl", lines.encode())

    def finish(self) -> TorchFitted:
        import torch

        state = self.state
        self.check(state.is_finite())
        torch._foreach_copy_(state.tracked, state.average)
        self.measure_norms()
        facts = {"epochs": state.epoch, "seconds": round(sum(entry["seconds"] for entry in state.log), 3)}
        checkpoint.finish(self.context.folder, state.network.state_dict(), facts)
        return TorchFitted(self.labels, state.network, self.machine)

    def measure_norms(self) -> None:
        """On random training rows, of a pair's specialist those of the pair; what never trained stays as it is."""
        network, inputs = self.state.network.train(), self.batches.train.inputs
        self.state.open(1.0)
        asked = self.batches.rows if self.learner.versus is not None else np.arange(len(inputs))
        rows = self.batches.rng(0, NORMS).permutation(asked)[: self.learner.norm_rows]
        batch_norm.measure(network, TorchFitted(self.labels, network, self.machine).probabilities, inputs, rows)
