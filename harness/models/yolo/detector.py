"""YOLO detectors by ultralytics, which owns the training loop: declared as a frozen value, fitted per fold.

Everything stays in the folder of the run: no settings in the user's home, no call, no download.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from harness import paths
from harness.data.samples import Samples
from harness.errors import UserError
from harness.files import read_json, sweep_partials
from harness.models import FINISHED, Context, Learner, TrainingCost, search_spaces
from harness.models.optim import AdamW, Optimizer
from harness.models.torch_loop import checkpoint
from harness.models.yolo.predictor import STRIDE, YoloFitted
from harness.tasks import Task

if TYPE_CHECKING:
    from torch import nn
    from ultralytics.nn.tasks import DetectionModel

LOGGERS = ("sync", "clearml", "comet", "dvc", "mlflow", "raytune", "tensorboard", "wandb")


@dataclass(frozen=True, kw_only=True)
class Yolo(Learner):
    """A YOLO of any generation and size: "yolo11n", "yolov8s", "yolov3-tiny", ... (ultralytics' cfg/models).

    imgsz: the long side at which it sees images; small images are not enlarged. lr: the peak, after a linear
    warm-up over a share `warmup` of the epochs and before a cosine to 0. mosaic: the share of the epochs, from the
    first on, in which four images are put together (Bochkovskiy et al. 2020, arXiv 2004.10934). ema: the share of all
    steps that the moving average of the weights reaches back; the average is the final model. target_class: train a
    specialist for this class alone. pretrained: start from <model>.pt in the folder weights/.

    An optimizer step follows every batch, and the last weights are the model: the validation rows choose nothing.
    """

    model: str = "yolo11n"
    imgsz: int = 320
    epochs: int = 60
    batch: int = 16
    lr: float = 2e-3
    weight_decay: float = 1e-2
    optimizer: Optimizer = AdamW()
    warmup: float = 0.05
    mosaic: float = 0.7
    ema: float = 0.1
    fewest_epochs: int = 10  # random weights find nothing before that

    slow_import: ClassVar[str] = "torch"

    def fit(self, train: Samples, valid: Samples | None, context: Context) -> YoloFitted:
        context.folder.mkdir(parents=True, exist_ok=True)
        sweep_partials(context.folder)
        if not (context.folder / FINISHED).exists():
            from harness.models.yolo.trainer import DetectorFit

            library(context.folder)
            DetectorFit(self, train, context).run()
        return self.load(context)

    def load(self, context: Context) -> YoloFitted:
        """Load the finished fit in the context's folder; raise `UserError` where there is none."""
        import torch

        weights = checkpoint.finished(context.folder)
        library(context.folder)
        torch.set_num_threads(context.threads)
        facts = read_json(context.folder / FINISHED)
        classes, known = self.classes(context.task), facts["source_classes"]
        network = self.network(classes, None if known is None else self.network([""] * known))
        network.load_state_dict(weights)
        return YoloFitted.of(self, context.task, network, facts["long_sides"])

    def cost(self, train: Samples, context: Context) -> TrainingCost:
        """Time a few real batches in a folder that is removed."""
        from harness.models.yolo.trainer import DetectorFit

        with tempfile.TemporaryDirectory() as folder:
            library(Path(folder))
            return DetectorFit(self, train, replace(context, folder=Path(folder))).cost()

    def specialised(self, of: int, versus: int | None) -> Self:
        """Return a detector that sees every image, with the boxes of this class alone."""
        return replace(self, target_class=of)

    def search_space(self, trial: Any) -> Self:
        """Vary rate, decay, mosaics, average and length, and the size of its images in three steps."""
        step = round(0.2 * self.imgsz / STRIDE) * STRIDE
        sizes = (self.imgsz - step, self.imgsz + step)
        return replace(
            self,
            lr=search_spaces.rate(trial, self.lr),
            weight_decay=search_spaces.weight_decay(trial, self.weight_decay),
            mosaic=trial.suggest_float("mosaic", 0.2, 0.9),
            ema=search_spaces.ema(trial, self.ema),
            imgsz=trial.suggest_int("imgsz", *sizes, step=step) if step else self.imgsz,
            epochs=search_spaces.epochs(trial, self),
        )

    def network(self, classes: Sequence[str], source: nn.Module | None = None) -> DetectionModel:
        """Build it with random weights, or with those of `source`. Raise `UserError` where there is no such model.

        `DetectionModel.load` widens the class branch to that of the source, so a finished fit needs a source of as many
        classes to be loaded again.
        """
        from ultralytics.nn.tasks import DetectionModel

        try:
            network = DetectionModel(f"{self.model}.yaml", nc=len(classes), verbose=False)
        except FileNotFoundError as error:
            raise UserError(
                f"ultralytics knows no model {self.model!r}; it has yolov3-tiny, yolov8n, yolo11n, yolo11s and others"
            ) from error
        network.names = dict(enumerate(classes))  # a class that the source knows by name keeps its weights
        if source is not None:
            network.load(source, verbose=False)
        return network

    def source(self) -> Any:
        """Load the pretrained network, None for random weights; raise `UserError` where its file is missing."""
        if not self.pretrained:
            return None
        file = paths.root() / "weights" / f"{self.model}.pt"
        if not file.exists():
            get = f"from ultralytics.utils.downloads import attempt_download_asset as get; get('{paths.shown(file)}')"
            raise UserError(
                f"{self.model} needs weights: {paths.shown(file)} is not on this machine; fetch it where there is a "
                f'network with `.venv/bin/python -c "{get}"`, or declare pretrained=False'
            )
        from ultralytics.nn.tasks import load_checkpoint

        try:
            return load_checkpoint(file)[0]
        except TypeError as error:
            raise UserError(f"{paths.shown(file)} is not a checkpoint of ultralytics; fetch it again") from error

    def seen(self, longest: int) -> int:
        """Return the long side, a multiple of the stride, at which it sees the largest training image."""
        return min(self.imgsz, -(-longest // STRIDE) * STRIDE)

    def classes(self, task: Task) -> list[str]:
        return list(task.classes) if self.target_class is None else [task.classes[self.target_class]]


def library(folder: Path) -> None:
    """Import ultralytics so that it calls no server, prints nothing and keeps no settings.

    The import writes settings: into a folder below `folder` that is removed afterwards. Checkpoints are read as weights
    and known classes alone, never as an arbitrary pickle.
    """
    if "ultralytics" in sys.modules:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as settings:
        os.environ.update(
            YOLO_CONFIG_DIR=settings,
            YOLO_OFFLINE="true",
            YOLO_AUTOINSTALL="false",
            YOLO_VERBOSE="false",
            ULTRALYTICS_SAFE_LOAD="true",
        )
        import ultralytics.models.yolo.detect  # all of it, once per process: `cost` must not measure imports

        ultralytics.settings.update(dict.fromkeys(LOGGERS, False))
