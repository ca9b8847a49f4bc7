"""What a run cost: the time of every model and fold, how fast it went, and how its loss fell."""

from typing import Any

import numpy as np

from harness.disk import size
from harness.files import read_lines
from harness.report.charts import Epochs
from harness.training.predictions import ModelRun


def logs(model_run: ModelRun) -> list[list[dict[str, Any]]]:
    """Of every fold the epochs that were logged; none where a backend has no epochs."""
    kept = [read_lines(model_run.fold(k) / "log.jsonl") for k in model_run.manifest["folds"]]
    return [[entry for entry in of_fold if "loss" in entry] for of_fold in kept]


def epochs(model_run: ModelRun) -> Epochs | None:
    """The fold spread of the training loss; None where there are not two epochs."""
    losses = [[entry["loss"] for entry in of_fold] for of_fold in logs(model_run) if of_fold]
    longest = max(map(len, losses), default=0)
    if longest < 2:
        return None
    reached = [[of_fold[epoch] for of_fold in losses if len(of_fold) > epoch] for epoch in range(longest)]
    mean, low, high = (np.array([how(of_epoch) for of_epoch in reached]) for how in (np.mean, np.min, np.max))
    return Epochs(mean, low, high, len(losses))


def cost(name: str, model_run: ModelRun) -> dict[str, Any]:
    """seconds: of every fold; rate: images/s, the median of all epochs, None where no epoch says it."""
    logged = logs(model_run)
    rates = [entry["images_per_second"] for of_fold in logged for entry in of_fold if "images_per_second" in entry]
    seconds = [model_run.finished(k)["seconds"] for k in model_run.manifest["folds"]]
    return {
        "name": name,
        "seconds": seconds,
        "total": sum(seconds),
        "epochs": max(map(len, logged), default=0) or None,
        "rate": float(np.median(rates)) if rates else None,
        "bytes": size(model_run.folder),
    }
