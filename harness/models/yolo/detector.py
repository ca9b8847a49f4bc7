"""YOLO detectors by ultralytics, which owns the training loop: declared as a frozen value, fitted per fold.

Nothing of it leaves the folder of the run: no settings at home, no call, no download.
"""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from harness import paths
from harness.data.samples import Samples
from harness.errors import UserError
from harness.files import read_json, sweep_partials
from harness.models import Context, Learner, TrainingCost, search_spaces
from harness.models.optim import AdamW, Optimizer, Schedule, WarmupCosine
from harness.models.torch_loop import checkpoint
from harness.models.yolo.predictor import STRIDE, YoloFitted

if TYPE_CHECKING:
    from torch import nn

CALLERS = ("sync", "clearml", "comet", "dvc", "mlflow", "raytune", "tensorboard", "wandb")


@dataclass(frozen=True, kw_only=True)
class Yolo(Learner):
    """A YOLO of any generation and size: "yolo11n", "yolov8s", "yolov3-tiny", ... (ultralytics' cfg/models).

    imgsz: the long side of the pictures it sees; small pictures are not enlarged. lr: at the height of the schedule.
    mosaic: the share of the epochs, from the first on, in which four pictures are put together (Bochkovskiy et al.
    2020, arXiv 2004.10934); the rest sees them as they are. ema: the share of all steps that the average of the weights
    reaches back; it is the model that is kept. options: more of ultralytics' training arguments, as pairs.
    focus: train a specialist that knows this class alone. pretrained: start from <model>.pt in the folder weights/.

    An optimizer step follows every batch, and the last weights are kept: nothing is chosen by the validation rows.
    """

    model: str = "yolo11n"
    imgsz: int = 320
    epochs: int = 60
    batch: int = 16
    lr: float = 2e-3
    weight_decay: float = 1e-2
    optimizer: Optimizer = AdamW()
    schedule: Schedule = WarmupCosine()
    mosaic: float = 0.7
    ema: float = 0.1
    options: tuple[tuple[str, Any], ...] = ()
    target_class: int | None = None
    pretrained: bool = False
    fewest_epochs: int = 10  # with random weights, nothing is found before that

    def fit(self, train: Samples, valid: Samples | None, context: Context) -> YoloFitted:
        context.folder.mkdir(parents=True, exist_ok=True)
        sweep_partials(context.folder)
        if checkpoint.finished(context.folder) is None:
            from harness.models.yolo.trainer import Training

            library(context.folder)
            Training(self, train, context).run()
        return self.load(context)

    def load(self, context: Context) -> YoloFitted:
        """The finished fit in the context's folder; raise `UserError` where there is none."""
        import torch

        weights = checkpoint.finished(context.folder)
        if weights is None:
            raise UserError(f"{context.folder} holds no finished fit; run the same training command again")
        library(context.folder)
        torch.set_num_threads(context.threads)
        network = self.network(self.outputs(context))
        network.load_state_dict(weights)
        sides = read_json(context.folder / "finished.json")["long_sides"]
        return YoloFitted.of(self, context.task, network, sides)

    def cost(self, train: Samples, context: Context) -> TrainingCost:
        """Of a few real batches in a folder that is removed."""
        from harness.models.yolo.trainer import Training

        with tempfile.TemporaryDirectory() as folder:
            library(Path(folder))
            return Training(self, train, replace(context, folder=Path(folder))).cost()

    def fast_paths(self, train: Samples, context: Context) -> dict[str, Any]:
        """None to choose from: on CUDA it trains in bfloat16 where that is supported, with channels last."""
        return {}

    def specialised(self, of: int, versus: int | None) -> Self:
        """It sees every picture, with the boxes of this class alone."""
        return replace(self, target_class=of)

    def vary(self, trial: Any) -> Self:
        """Rate, decay, mosaics, average, length, and the size of what it sees in three steps; the model stays."""
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

    def network(self, outputs: int) -> nn.Module:
        """With random weights. Raise `UserError` where ultralytics knows no such model."""
        from ultralytics.nn.tasks import DetectionModel

        try:
            return DetectionModel(f"{self.model}.yaml", nc=outputs, verbose=False)
        except FileNotFoundError as error:
            raise UserError(
                f"ultralytics knows no model {self.model!r}; it has yolov3-tiny, yolov8n, yolo11n, yolo11s and others"
            ) from error

    def seen(self, longest: int) -> int:
        """The long side that it sees where `longest` is the largest of training: a multiple of its largest stride."""
        return min(self.imgsz, -(-longest // STRIDE) * STRIDE)

    def outputs(self, context: Context) -> int:
        return len(context.task.classes) if self.target_class is None else 1

    @property
    def weights(self) -> Path | None:
        """What it starts from, None for random weights. Raise `UserError` where they are not on this machine."""
        if not self.pretrained:
            return None
        file = paths.root() / "weights" / f"{self.model}.pt"
        if not file.exists():
            get = f"from ultralytics.utils.downloads import attempt_download_asset as get; get('{paths.shown(file)}')"
            raise UserError(
                f"{self.model} needs weights: {paths.shown(file)} is not on this machine; fetch it where there is a "
                f'network with `.venv/bin/python -c "{get}"`, or declare pretrained=False'
            )
        return file


def library(folder: Path) -> None:
    """Import ultralytics so that it calls nobody, prints nothing and keeps no settings.

    It writes its settings while it is imported: into a folder below `folder` that is gone afterwards. Checkpoints are
    read as weights and known classes alone, never as any pickle.
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
        import ultralytics

        ultralytics.settings.update(dict.fromkeys(CALLERS, False))
