"""One fit by ultralytics' own trainer: its data, its arguments, and callbacks that report, save and stop."""

from __future__ import annotations

import copy
import io
import json
import math
import shutil
import time
from contextlib import redirect_stdout, suppress
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.data.samples import Samples
from harness.files import write_bytes
from harness.models import Context, Diverged, Interrupted, OutOfTime, TrainingCost
from harness.models.optim import half_cosine
from harness.models.torch_loop import checkpoint
from harness.models.torch_loop.progress import Progress, fitting_epochs
from harness.models.yolo.predictor import YoloFitted

if TYPE_CHECKING:
    from harness.models.yolo.detector import Yolo

SAVE_SECONDS = 30.0  # a kill costs this much work and the epoch that it interrupts
REPORT_SECONDS = 0.5
COST_SECONDS, COST_STEPS = 4.0, 8  # `cost` stops at the first of the two, after one step of warm-up


class DetectorFit:
    """One fold's training. ultralytics writes only into `home`, a folder that is removed when the fit is finished."""

    def __init__(self, learner: Yolo, train: Samples, context: Context):
        self.learner, self.train, self.context = learner, train, context
        self.home = context.folder / "ultralytics"
        sides = train.inputs.sizes.max(1)
        self.long_sides = (int(sides.min()), int(sides.max()))
        self.classes, self.source = learner.classes(context.task), learner.source()
        self.log: list[dict[str, Any]] = []
        self.progress = Progress(learner.epochs)  # in epochs
        self.steps = self.done = 0  # of all epochs: planned, and so far
        self.epoch_began = self.reported = self.saved = time.monotonic()

    def run(self) -> None:
        """Train to the end from the newest checkpoint; raise `Interrupted`, `OutOfTime` or `Diverged`."""
        trainer = self.trainer()
        trainer.add_callback("on_train_batch_end", self.after_batch)
        trainer.add_callback("on_fit_epoch_end", self.after_epoch)
        with redirect_stdout(io.StringIO()):  # the progress bar cannot be turned off, and standard output is for JSON
            trainer.train()
        facts = {
            "epochs": self.progress.total,
            "seconds": round(sum(entry["seconds"] for entry in self.log), 3),
            "long_sides": self.long_sides,
            "source_classes": None if self.source is None else len(self.source.names),
        }
        checkpoint.finish(self.context.folder, trainer.ema.ema.float().state_dict(), facts)
        shutil.rmtree(self.home)

    def cost(self) -> TrainingCost:
        """Time a few batches as they leave the training loop, and a few predictions."""
        began, ends = time.perf_counter(), list[float]()

        def enough(trainer: Any) -> None:
            ends.append(time.perf_counter())
            if len(ends) > 2 and (len(ends) > COST_STEPS or ends[-1] - ends[0] > COST_SECONDS):
                raise _Measured

        trainer = self.trainer()
        trainer.add_callback("on_train_batch_end", enough)
        with suppress(_Measured), redirect_stdout(io.StringIO()):
            trainer.train()
        step = float(np.median(np.diff(ends))) if len(ends) > 1 else ends[0] - began
        fitted, inputs = self.fitted(trainer), self.train.inputs[: 2 * self.learner.batch]
        fitted.predict(inputs[:1])
        start = time.perf_counter()
        fitted.predict(inputs)
        predict = (time.perf_counter() - start) / len(inputs)
        return TrainingCost(max(0.0, ends[0] - began - step), step * len(trainer.train_loader), predict)

    # -- the trainer ---------------------------------------------------------------------------------------------------

    def trainer(self) -> Any:
        import torch

        write_data(self.train, self.learner.target_class, self.home / "data")
        trainer = _trainer(self, self.arguments())
        network = self.learner.network(self.classes, self.source)
        if self.context.channels_last:
            network = network.to(memory_format=torch.channels_last)  # ultralytics would do so on CUDA alone
        trainer.model = network
        trainer.add_callback("on_train_start", self.start)
        trainer.add_callback("on_train_epoch_start", self.start_epoch)
        return trainer

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of ultralytics' cfg/default.yaml. An optimizer step follows every batch."""
        import torch

        learner, cuda = self.learner, torch.cuda.is_available()
        momentum = getattr(learner.optimizer, "momentum", 0.9)  # the warm-up would move that of the optimizer to this
        return {
            "model": f"{learner.model}.yaml",
            "save_dir": str(self.home / "run"),
            "imgsz": learner.seen(self.long_sides[1]),
            "epochs": learner.epochs,
            "batch": learner.batch,
            "nbs": learner.batch,
            "lr0": learner.lr,
            "lrf": 0.0,
            "cos_lr": True,
            "momentum": momentum,
            "warmup_momentum": momentum,
            "warmup_epochs": learner.warmup * learner.epochs,
            "warmup_bias_lr": 0.0,
            "close_mosaic": learner.epochs - round(learner.mosaic * learner.epochs),
            "seed": self.context.seed + self.context.fold,
            "device": "0" if cuda else "cpu",
            "amp": "bf16" if cuda and torch.cuda.is_bf16_supported() else False,  # fp16 is tried on a download first
            "channels_last": None if self.context.channels_last else False,
            "workers": 0,
            "cache": "ram",
            "val": False,
            "plots": False,
            "patience": 0,
            "verbose": False,
        }

    def fitted(self, trainer: Any) -> YoloFitted:
        average = copy.deepcopy(trainer.ema.ema).float()
        return YoloFitted.of(self.learner, self.context.task, average, self.long_sides)

    # -- callbacks -----------------------------------------------------------------------------------------------------

    def resume(self, trainer: Any) -> None:
        """Restore the newest checkpoint, if there is one."""
        state = checkpoint.load(self.context.folder, self.context.warn)
        if state is None:
            return
        trainer.model.load_state_dict(state["network"])
        trainer.ema.ema.load_state_dict(state["average"])
        trainer.ema.updates = state["updates"]
        trainer.optimizer.load_state_dict(state["optimizer"])
        trainer.start_epoch = state["epoch"]
        self.log = state["log"]
        if (progress := Progress(*state["progress"])).since:  # else ultralytics' own schedule goes on
            self.schedule(trainer, progress)
        criterion = trainer.model.init_criterion()
        if hasattr(criterion, "update"):  # end-to-end heads weigh their two losses by the epoch
            criterion.updates = trainer.start_epoch - 1
            criterion.update()
            trainer.model.criterion = criterion

    def start(self, trainer: Any) -> None:
        import torch

        torch.set_num_threads(self.context.threads)  # ultralytics took all cores but one
        reach = max(1.0, self.learner.ema * self.learner.epochs * len(trainer.train_loader))
        trainer.ema.decay = lambda step: 1 - 1 / min(reach, 1 + step / 10)

    def start_epoch(self, trainer: Any) -> None:
        """Make order and augmentation a function of (seed, fold, epoch), whatever ran before in this process."""
        from ultralytics.utils.torch_utils import init_seeds

        batches = len(trainer.train_loader)
        self.steps, self.done = self.progress.total * batches, trainer.epoch * batches
        self.epoch_began = time.monotonic()
        key = [self.context.seed, self.context.fold, trainer.epoch]
        seed = int(np.random.SeedSequence(key).generate_state(1)[0])
        init_seeds(seed, deterministic=trainer.args.deterministic)
        trainer.train_loader.reset()
        trainer.train_loader.generator.manual_seed(seed)

    def after_batch(self, trainer: Any) -> None:
        """Report, and stop at the deadline or on a signal."""
        self.done += 1
        now = time.monotonic()
        if not math.isfinite(trainer.loss.item()):
            raise Diverged(
                f"training diverged: the loss is not a number any more in epoch {trainer.epoch}; declare a lower lr. "
                f"The last good state stays in {self.context.folder}"
            )
        if now - self.reported > REPORT_SECONDS:
            self.reported = now
            pace = (now - self.epoch_began) / (self.done - trainer.epoch * len(trainer.train_loader))
            left = (self.steps - self.done) * pace
            self.context.report({"step": self.done, "steps_total": self.steps, "seconds_left": left})
        rest = f"after step {self.done} of {self.steps}; the same command goes on from the last epoch that was saved"
        if self.context.stop():
            raise Interrupted(f"stopped {rest}")
        if self.context.deadline is not None and now > self.context.deadline and self.done < self.steps:
            raise OutOfTime(f"out of time {rest}")

    def after_epoch(self, trainer: Any) -> None:
        """Log and report the epoch, save where the last checkpoint is old, and let the search have a look."""
        spent = time.monotonic() - self.epoch_began
        entry = {
            "epoch": trainer.epoch,
            "loss": sum(float(part) for part in trainer.tloss.values()),
            "lr": max(trainer.lr.values()),
            "seconds": round(spent, 3),
            "images_per_second": round(len(self.train) / spent, 1),
        }
        self.log.append(entry)
        last = trainer.epoch + 1 == self.progress.total
        if not last:
            self.fit_to_clock(trainer)
        if time.monotonic() - self.saved > SAVE_SECONDS and not last:
            # in full precision: ultralytics' own last.pt keeps halves, and no resume is exact with it
            state = {
                "epoch": trainer.epoch + 1,
                "network": trainer.model.state_dict(),
                "average": trainer.ema.ema.state_dict(),
                "updates": trainer.ema.updates,
                "optimizer": trainer.optimizer.state_dict(),
                "log": self.log,
                "progress": list(astuple(self.progress)),
            }
            checkpoint.save(self.context.folder, state, self.done)
            self.saved = time.monotonic()
        lines = "".join(json.dumps(each) + "\n" for each in self.log)
        write_bytes(self.context.folder / "log.jsonl", lines.encode())
        self.context.report({**entry, "step": self.done, "steps_total": self.steps})
        if not last:
            share = self.progress.done(trainer.epoch + 1)
            self.context.look(share, lambda inputs: self.fitted(trainer).predict(inputs))

    def fit_to_clock(self, trainer: Any) -> None:
        """Change the length of the schedule where the fit would end too late or too early."""
        planned, seconds = self.progress.total, [entry["seconds"] for entry in self.log]
        epochs = fitting_epochs(self.context, planned, seconds, time.monotonic())
        if epochs != planned:
            self.schedule(trainer, self.progress.of_length(epochs, trainer.epoch + 1))

    def schedule(self, trainer: Any, progress: Progress) -> None:
        """Go on by this schedule: its cosine, and the epoch in which the mosaics end."""
        self.progress, trainer.epochs = progress, progress.total
        trainer.lf = lambda epoch: half_cosine(progress.done(epoch))
        trainer.scheduler.lr_lambdas = [trainer.lf] * len(trainer.scheduler.lr_lambdas)
        ends = next((k for k in range(progress.total) if progress.done(k) >= self.learner.mosaic), progress.total)
        trainer.args.close_mosaic = progress.total - ends


class _Measured(Exception):
    """`cost` has seen enough batches."""


def _trainer(fit: DetectorFit, arguments: dict[str, Any]) -> Any:
    from ultralytics.models.yolo.detect import DetectionTrainer

    class DetectorTraining(DetectionTrainer):
        """ultralytics' trainer without its validation, with the harness's data, optimizer and checkpoints.

        "Trainer" in its name would make ultralytics attach the callbacks of logging services.
        """

        def get_dataset(self) -> dict[str, Any]:
            """Return the contents of a data.yaml; ultralytics' check of such a file looks for fonts to download."""
            folder, classes = fit.home / "data", dict(enumerate(fit.classes))
            files = {"train": str(folder / "images"), "val": str(folder / "one.txt")}  # it asks for the second, unused
            return {**files, "names": classes, "nc": len(classes), "channels": 3}

        def build_optimizer(self, model: Any, *_: Any, **__: Any) -> Any:
            optimizer = fit.learner.optimizer.build(model, fit.learner.weight_decay)
            for group in optimizer.param_groups:
                group["lr"] = fit.learner.lr  # the height of ultralytics' schedule
            return optimizer

        def resume_training(self, ckpt: Any) -> None:
            fit.resume(self)

        def save_model(self) -> bool:
            return False  # `after_epoch` saves

        def validate(self) -> tuple[dict[str, float], None]:
            return {}, None

        def final_eval(self) -> None:
            """Keep the average of the last epoch: the validation rows choose nothing."""

    return DetectorTraining(overrides=arguments)


# -- the files that ultralytics reads ----------------------------------------------------------------------------------


def write_data(train: Samples, target_class: int | None, folder: Path) -> None:
    """Write images/, the encoded images, and labels/, their boxes; one.txt, written last, names one image.

    target_class: write only the boxes of this class, as class 0.
    """
    if (folder / "one.txt").exists():
        return
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for row, (height, width) in enumerate(train.inputs.sizes.tolist()):
        (folder / "images" / f"{row:06d}.png").write_bytes(train.inputs.encoded(row))  # read by content, not by suffix
        boxes = np.asarray(train.targets[row], np.float64)
        if target_class is not None:
            boxes = boxes[boxes[:, 0] == target_class] - np.array([target_class, 0, 0, 0, 0])
        middle, size = (boxes[:, 1:3] + boxes[:, 3:5]) / 2, boxes[:, 3:5] - boxes[:, 1:3]
        shares = np.concatenate([middle, size], axis=1) / [width, height, width, height]
        lines = (
            f"{int(label)} {' '.join(f'{share:.6f}' for share in row)}\n"
            for label, row in zip(boxes[:, 0], shares, strict=True)
        )
        (folder / "labels" / f"{row:06d}.txt").write_text("".join(lines))
    write_bytes(folder / "one.txt", b"./images/000000.png\n")
