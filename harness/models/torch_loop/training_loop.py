"""The one training loop for torch networks: steps, checkpoints, the log, early ends, and the finished network."""

from __future__ import annotations

import json
import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.data.samples import Samples
from harness.files import write_bytes
from harness.metrics import chunks
from harness.models import Context, Diverged, Interrupted, OutOfTime
from harness.models.torch_loop import checkpoint
from harness.models.torch_loop.batches import RECALIBRATE, VALIDATE, Batches
from harness.models.torch_loop.fitted import TorchFitted, recalibrate
from harness.models.torch_loop.progress import fitting_epochs
from harness.models.torch_loop.state import State

if TYPE_CHECKING:
    from torch import Tensor, nn

    from harness.models.torch_loop.learner import TorchLearner

SAVE_SECONDS = 30.0  # the most work that a kill costs; a save of the Mars networks takes 0.2 to 0.35 s of CPU
CHECK_STEPS = 10  # reading the loss waits for the GPU
REPORT_SECONDS = 0.5


class TrainingLoop:
    """One fit in progress. `step` is a training step and touches no file; the rest is when to save, stop and report."""

    def __init__(self, learner: TorchLearner, train: Samples, context: Context):
        self.learner, self.context = learner, context
        learner.require_channels(train.inputs)
        self.machine, self.encoding = learner.set_up(context)
        self.batches = Batches(learner, self.encoding, train, context)
        steps = learner.epochs * self.batches.steps
        self.state = State(learner, learner.network(self.encoding.outputs), self.machine, steps)
        self.weights = None
        if learner.class_weights:
            counts = self.encoding.count(train.targets[np.unique(self.batches.rows)])
            self.weights = self.machine.send(learner.class_weights(counts))
        self.saved = self.reported = time.monotonic()

    def run(self, valid: Samples | None) -> TorchFitted:
        """Go on from the newest state there is, and its log: no epoch is missing in it, none is there twice."""
        saved = checkpoint.load(self.context.folder, self.context.warn)
        if saved is not None:
            self.state.restore(saved)
        self.write_log()
        rule = self.learner.early_stopping
        while self.state.epoch < self.epochs and not (rule and rule.stop(self.watched)):
            self.run_epoch()
            self.close_epoch(valid)
        return self.finish()

    @property
    def watched(self) -> list[float]:
        return [entry.get("valid_loss", entry["loss"]) for entry in self.state.log]

    @property
    def done(self) -> int:
        """Steps, of all epochs."""
        return self.state.epoch * self.batches.steps + self.state.step

    @property
    def epochs(self) -> int:
        """Of the schedule, as long as it now is."""
        return self.state.progress.total // self.batches.steps

    @property
    def share(self) -> float:
        """Of the schedule, that is done."""
        return self.state.progress.done(self.done)

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
        """One optimizer step on a batch of `Batches`."""
        state, rate = self.state, self.rate()
        state.open(self.share)
        for group in state.optimizer.param_groups:
            group["lr"] = rate * group["scale"]
        state.optimizer.zero_grad(set_to_none=True)
        state.loss += self.forward_backward(self.machine.images(images), self.machine.send(targets).long())
        if self.learner.clip:
            state.scaler.unscale_(state.optimizer)
            self.clip(self.learner.clip)
        state.scaler.step(state.optimizer)
        state.scaler.update()
        state.step += 1
        state.follow(self.done)

    def forward_backward(self, images: Tensor, targets: Tensor) -> Tensor:
        """What cannot be saved; the bench takes everything else for overhead."""
        with self.machine.autocast():
            logits = self.state.network(images)
        loss = self.learner.loss(logits.float(), targets, self.weights)
        self.state.scaler.scale(loss).backward()
        return loss.detach()

    def clip(self, largest: float) -> None:
        """Shorten the gradient; a processor, which need not wait for the answer, asks first whether it is long."""
        from torch.nn import utils

        norm = utils.get_total_norm([p.grad for p in self.state.parameters if p.grad is not None])
        if norm.device.type != "cpu" or norm > largest:
            utils.clip_grads_with_norm_(self.state.parameters, largest, norm)

    def rate(self) -> float:
        return self.learner.lr * self.learner.schedule.factor(self.share, self.watched)

    def after_step(self, now: float) -> None:
        """Save what must not be lost, and stop at the deadline or on a signal."""
        total = self.state.progress.total
        if self.state.step % CHECK_STEPS == 0:
            self.check(math.isfinite(self.state.loss.item()))
        if now - self.reported > REPORT_SECONDS:
            self.reported = now
            left = (total - self.done) * self.state.seconds / self.state.step
            self.context.report({"step": self.done, "steps_total": total, "seconds_left": left})
        stopped = self.context.stop()
        late = self.context.deadline is not None and now > self.context.deadline and self.done < total
        if stopped or late or now - self.saved > SAVE_SECONDS:
            self.save()
        if stopped:
            raise Interrupted(f"stopped after step {self.done} of {total}; the same command goes on from there")
        if late:
            raise OutOfTime(f"out of time after step {self.done} of {total}; the same command goes on from there")

    def check(self, finite: bool) -> None:
        if not finite:
            raise Diverged(
                f"training diverged: the loss is not finite at step {self.state.step} of epoch "
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
        self.fit_to_clock()
        if time.monotonic() - self.saved > SAVE_SECONDS:
            self.save()
        self.write_log()
        self.context.report({**entry, "step": self.done, "steps_total": state.progress.total})
        if state.epoch < self.epochs:
            self.context.look(self.share, self.predict)

    def fit_to_clock(self) -> None:
        """Change the length of the schedule at the end of an epoch, where the fit would end too late or too early."""
        state, planned = self.state, self.epochs
        epochs = fitting_epochs(self.context, planned, [entry["seconds"] for entry in state.log], time.monotonic())
        if state.epoch < planned and epochs != planned:
            state.schedule(state.progress.of_length(epochs * self.batches.steps, self.done))

    def predict(self, inputs: Any) -> Any:
        """Predictions of the averaged weights so far."""
        with self.state.averaged() as network:
            return self.fitted(network).predict(inputs)

    def fitted(self, network: nn.Module) -> TorchFitted:
        """This network, which is in evaluation mode, as what predicts."""
        return self.learner.fitted(self.encoding, network, self.machine)

    def loss_on(self, samples: Samples) -> float:
        """The mean loss per row or crop, every epoch the same crops, of the averaged weights."""
        import torch

        rows, total = self.batches.repeated(np.arange(len(samples)), samples), 0.0
        parts = self.batches.parts(samples, rows, self.context.rng(0, VALIDATE))
        with self.state.averaged() as network, torch.inference_mode():
            for places in chunks(len(rows), self.learner.batch):
                seen, given = parts[places]
                images = self.machine.images(np.array(seen, order="C"))
                targets = self.machine.send(self.encoding.encode(given)).long()
                with self.machine.autocast():
                    logits = network(images)
                total += len(targets) * self.learner.loss(logits.float(), targets, self.weights).item()
        return total / len(rows)

    def write_log(self) -> None:
        lines = "".join(json.dumps(entry) + "\n" for entry in self.state.log)
        write_bytes(self.context.folder / "log.jsonl", lines.encode())

    def finish(self) -> TorchFitted:
        import torch

        state = self.state
        self.check(state.is_finite())
        torch._foreach_copy_(state.tracked, state.average)
        self.recalibrate_batch_norm()
        facts = {"epochs": state.epoch, "seconds": round(sum(entry["seconds"] for entry in state.log), 3)}
        checkpoint.finish(self.context.folder, state.network.state_dict(), facts)
        return self.fitted(state.network)

    def recalibrate_batch_norm(self) -> None:
        """On random training rows or crops, of a pair's specialist those of the pair; what never trained stays."""
        network, train, rng = self.state.network.train(), self.batches.train, self.context.rng(0, RECALIBRATE)
        self.state.open(1.0)
        everyone = self.batches.repeated(np.arange(len(train)), train)
        candidates = self.batches.rows if self.learner.versus is not None else everyone
        rows = rng.permutation(candidates)[: self.learner.norm_rows]
        parts, fitted = self.batches.parts(train, rows, rng), self.fitted(network)
        recalibrate(network, lambda places: fitted.probabilities(parts[places][0]), len(rows), fitted.at_once)
