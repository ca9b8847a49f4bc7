"""One fit in ultralytics' loop, with the house's optimizer and schedule, and with its ways to stop and to go on."""

from __future__ import annotations

import io
import json
import math
import os
import shutil
import time
from contextlib import redirect_stdout, suppress
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.data.samples import Samples
from harness.files import write_bytes
from harness.models import Context, Diverged, Interrupted, OutOfTime, TrainingCost
from harness.models.torch_loop import checkpoint
from harness.models.yolo.dataset import write_data
from harness.models.yolo.predictor import YoloFitted

if TYPE_CHECKING:
    from harness.models.yolo.detector import Yolo

SAVE_SECONDS = 30.0  # the most work that a kill costs, besides the epoch that it interrupts
REPORT_SECONDS = 0.5
SECONDS, STEPS = 4.0, 8  # of a measurement, at most, after a step that warms up


class Training:
    """Everything of ultralytics lies in `home`, a folder that goes when the fit is finished."""

    def __init__(self, learner: Yolo, train: Samples, context: Context):
        self.learner, self.train, self.context = learner, train, context
        self.home = context.folder / "ultralytics"
        self.long_sides = train.inputs.sizes.max(1)
        self.log: list[dict[str, Any]] = []
        self.first = self.done = 0  # steps of all epochs: before this process, and up to now
        self.began = self.epoch_began = self.reported = time.monotonic()
        self.warn = context.warn

    def run(self) -> None:
        """Raise `Interrupted`, `OutOfTime` or `Diverged`; the same call goes on from the last epoch that was saved."""
        trainer = self.trainer()
        trainer.add_callback("on_train_start", self.open)
        trainer.add_callback("on_train_epoch_start", self.open_epoch)
        trainer.add_callback("on_train_batch_end", self.after_batch)
        trainer.add_callback("on_train_epoch_end", self.close_epoch)
        with redirect_stdout(io.StringIO()):  # a progress bar that cannot be turned off; standard output is not ours
            trainer.train()
        facts = {
            "epochs": self.learner.epochs,
            "seconds": round(sum(entry["seconds"] for entry in self.log), 3),
            "long_sides": self.sides,
        }
        checkpoint.finish(self.context.folder, trainer.ema.ema.float().state_dict(), facts)
        shutil.rmtree(self.home)

    @property
    def layout(self) -> Any:
        import torch

        return torch.channels_last if self.context.channels_last else torch.contiguous_format

    @property
    def sides(self) -> tuple[int, int]:
        return int(self.long_sides.min()), int(self.long_sides.max())

    def cost(self) -> TrainingCost:
        """The median of a few batches, as they come out of the loop."""
        _trainer_class()  # its imports are paid once by a process, not by every fold
        began, ends = time.perf_counter(), list[float]()

        def enough(trainer: Any) -> None:
            ends.append(time.perf_counter())
            if len(ends) > 2 and (len(ends) > STEPS or ends[-1] - ends[0] > SECONDS):
                raise _Enough

        trainer = self.trainer()
        trainer.add_callback("on_train_batch_end", enough)
        with suppress(_Enough), redirect_stdout(io.StringIO()):
            trainer.train()
        step = float(np.median(np.diff(ends))) if len(ends) > 1 else ends[0] - began
        fitted = YoloFitted.of(self.learner, self.context.task, trainer.ema.ema.float(), self.sides)
        inputs = self.train.inputs[: 2 * self.learner.batch]
        fitted.predict(inputs[:1])
        asked = time.perf_counter()
        fitted.predict(inputs)
        predict = (time.perf_counter() - asked) / len(inputs)
        return TrainingCost(max(0.0, ends[0] - began - step), step * len(trainer.train_loader), predict)

    def trainer(self) -> Any:
        """Ready to train: from the start, or from the last epoch that was saved."""
        write_data(self.train, self.learner.target_class, self.home / "data")
        last = self.home / "run" / "weights" / "last.pt"
        if last.exists():
            try:
                return self.made({"model": str(last), "resume": str(last)})
            except FileNotFoundError:  # what ultralytics says of a checkpoint that it cannot load
                self.warn(f"the checkpoint {last} is damaged; this fold is trained anew")
                shutil.rmtree(self.home / "run")
        elif (self.context.folder / "log.jsonl").exists():
            self.warn("this fold was left before its first checkpoint; it is trained anew")
        return self.made({"model": f"{self.learner.model}.yaml"})

    def made(self, start: dict[str, Any]) -> Any:
        return _trainer_class()(self, {**self.arguments(), **start})

    def data(self) -> dict[str, Any]:
        """What ultralytics reads from a data.yaml. It wants a validation set, which is never used."""
        names = (
            self.context.task.classes
            if self.learner.target_class is None
            else [self.context.task.classes[self.learner.target_class]]
        )
        files = {"train": str(self.home / "data" / "images"), "val": str(self.home / "data" / "one.txt")}
        return {**files, "names": dict(enumerate(names)), "nc": len(names), "channels": 3}

    def arguments(self) -> dict[str, Any]:
        """For ultralytics: see its cfg/default.yaml."""
        import torch

        learner, cuda = self.learner, torch.cuda.is_available()
        weights = learner.weights
        return {
            "save_dir": str(self.home / "run"),
            "imgsz": learner.seen(self.sides[1]),
            "epochs": learner.epochs,
            "batch": learner.batch,
            "nbs": learner.batch,  # a step after every batch
            "warmup_epochs": 0.0,  # the schedule warms up, see `set_rate`
            "close_mosaic": learner.epochs - round(learner.mosaic * learner.epochs),
            "pretrained": str(weights) if weights else False,
            "seed": self.context.seed + self.context.fold,
            "device": "0" if cuda else "cpu",
            "amp": "bf16" if cuda and torch.cuda.is_bf16_supported() else False,  # others are tried on a download first
            "workers": 0,
            "cache": "ram",
            "val": False,
            "plots": False,
            "patience": 0,
            "verbose": False,
            **dict(learner.options),
        }

    # -- called by the loop --------------------------------------------------------------------------------------------

    def set_up(self, trainer: Any) -> None:
        import torch

        torch.set_num_threads(self.context.threads)  # ultralytics took all cores but one
        reach = max(1.0, self.learner.ema * self.steps(trainer))
        trainer.ema.decay = lambda step: 1 - 1 / min(reach, 1 + step / 10)  # as in the torch loop
        trainer.best_fitness = 0.0  # with none, every checkpoint would be the best one and be written twice

    def steps(self, trainer: Any) -> int:
        return self.learner.epochs * len(trainer.train_loader)

    def open(self, trainer: Any) -> None:
        """Go on with the log of the epochs that are not trained again."""
        file = self.context.folder / "log.jsonl"
        lines = file.read_text().splitlines() if trainer.start_epoch else []
        self.log = [json.loads(line) for line in lines][: trainer.start_epoch]
        self.first = self.done = trainer.start_epoch * len(trainer.train_loader)
        self.began = time.monotonic()

    def open_epoch(self, trainer: Any) -> None:
        self.epoch_began = time.monotonic()

    def set_rate(self, trainer: Any) -> None:
        rate = self.learner.lr * self.learner.schedule.factor(self.done / self.steps(trainer), [])
        for group in trainer.optimizer.param_groups:
            group["lr"] = rate

    def after_batch(self, trainer: Any) -> None:
        """Leave where the clock or a signal says so."""
        self.done += 1
        steps, now = self.steps(trainer), time.monotonic()
        if not math.isfinite(trainer.loss.item()):
            raise Diverged(
                f"training diverged: the loss is no number any more in epoch {trainer.epoch}; declare a lower lr. "
                f"The last good state stays in {self.context.folder}"
            )
        if now - self.reported > REPORT_SECONDS:
            self.reported = now
            left = (steps - self.done) * (now - self.began) / (self.done - self.first)
            self.context.report({"step": self.done, "steps_total": steps, "seconds_left": left})
        rest = f"after step {self.done} of {steps}; the same command goes on from the last epoch that was saved"
        if self.context.stop():
            raise Interrupted(f"stopped {rest}")
        if self.context.deadline is not None and now > self.context.deadline and self.done < steps:
            raise OutOfTime(f"out of time {rest}")

    def close_epoch(self, trainer: Any) -> None:
        spent = time.monotonic() - self.epoch_began
        entry = {
            "epoch": trainer.epoch,
            "loss": sum(float(part) for part in trainer.tloss.values()),
            "lr": trainer.optimizer.param_groups[0]["lr"],
            "seconds": round(spent, 3),
            "images_per_second": round(len(self.train) / spent, 1),
        }
        self.log.append(entry)
        lines = "".join(json.dumps(each) + "\n" for each in self.log)
        write_bytes(self.context.folder / "log.jsonl", lines.encode())
        self.context.report({**entry, "step": self.done, "steps_total": self.steps(trainer)})


class _Enough(Exception):
    """Has been measured."""


@cache
def _trainer_class() -> type[Any]:
    """Made when first needed, as ultralytics is imported."""
    from ultralytics.models.yolo.detect import DetectionTrainer

    class FoldFit(DetectionTrainer):
        """ultralytics' loop without its validation, tables and plots.

        Its name must not hold the word that makes ultralytics attach the callbacks of logging services.
        """

        def __init__(self, training: Training, overrides: dict[str, Any]):
            self.training, self.saved_at = training, time.monotonic()
            super().__init__(overrides=overrides)
            self.add_callback("on_pretrain_routine_end", training.set_up)
            self.add_callback("on_train_batch_start", training.set_rate)

        def get_dataset(self) -> dict[str, Any]:
            """Where the files are, without a look for fonts to download."""
            return self.training.data()

        def setup_model(self) -> Any:
            kept = super().setup_model()
            network: Any = self.model
            self.model = network.to(memory_format=self.training.layout)
            return kept

        def preprocess_batch(self, batch: dict[str, Any]) -> dict[str, Any]:
            batch = super().preprocess_batch(batch)
            return {**batch, "img": batch["img"].contiguous(memory_format=self.training.layout)}

        def build_optimizer(self, model: Any, *_: Any, **__: Any) -> Any:
            learner = self.training.learner
            return learner.optimizer.build(model, learner.weight_decay)

        def save_model(self) -> bool:
            """last.pt, replaced whole; not after the last epoch, whose weights are kept otherwise."""
            if time.monotonic() - self.saved_at < SAVE_SECONDS or self.epoch + 1 >= self.epochs:
                return False
            self.saved_at, kept = time.monotonic(), self.last
            self.last = kept.with_suffix(".partial")
            super().save_model()
            os.replace(self.last, kept)
            self.last = kept
            return True

        def validate(self) -> tuple[dict[str, float], None]:
            return {}, None

        def final_eval(self) -> None:
            """Nothing is looked at once more."""

        def save_metrics(self, metrics: Any) -> None:
            """`close_epoch` keeps the log."""

        def read_results_csv(self) -> dict[str, Any]:
            return {}

    return FoldFit
