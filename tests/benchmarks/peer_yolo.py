"""ultralytics alone, given the same time: one model with its own defaults from random weights, on our leaderboard.

    python -m tests.benchmarks.peer_yolo aquarium --minutes 20 [--model yolo11n] [--imgsz 320]

It trains on the same rows (every ninth validates, as its users do) and submits boxes of the same hold-out as team
"ultralytics": `make leaderboard COMP=aquarium` then shows both. Prepare the data first (`make data`).
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from harness import paths
from harness.competition import find
from harness.data.images import EncodedImages
from harness.data.samples import Ragged
from harness.models.yolo.detector import library
from harness.models.yolo.trainer import write_data
from harness.prepare import Prepared, current
from harness.submission import writer

FAINTEST, MOST = 0.001, 100  # the confidence that its own validation keeps; the boxes per picture that COCO counts


def main() -> None:
    asked = options()
    began, prepared, competition = time.monotonic(), current(asked.competition), find(asked.competition)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        library(folder)
        trained = train(prepared, competition.task.classes, folder, asked)
        decided = competition.task.decide(predicted(trained, prepared.holdout.inputs, asked.imgsz))
    manifest = {"cv": None, "model": asked.model, "seconds": time.monotonic() - began}
    file = writer.write(competition.name, prepared.data_hash, competition.task, prepared.holdout.ids, decided, manifest)
    standing = writer.judge(competition.name, file, "ultralytics", prepared.data_hash)
    print(f"{standing['message']}; {paths.shown(file)}; {time.monotonic() - began:.0f} s")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("competition")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--model", default="yolo11n")
    parser.add_argument("--imgsz", type=int, default=320)
    return parser.parse_args()


def train(prepared: Prepared, classes: tuple[str, ...], folder: Path, asked: argparse.Namespace) -> Any:
    """Train by its own trainer with its own defaults, and load its best weights."""
    from ultralytics import YOLO

    kept_back = np.arange(len(prepared.train)) % 9 == 0
    for part, rows in (("train", ~kept_back), ("val", kept_back)):
        write_data(prepared.train[rows], None, folder / part)
    names = "".join(f"  {k}: {label}\n" for k, label in enumerate(classes))
    (folder / "data.yaml").write_text(f"path: {folder}\ntrain: train/images\nval: val/images\nnames:\n{names}")
    model = YOLO(f"{asked.model}.yaml")
    model.train(
        data=str(folder / "data.yaml"),
        time=asked.minutes / 60,
        imgsz=asked.imgsz,
        project=str(folder),
        name="run",
        workers=0,
        plots=False,
        amp=False,
        verbose=False,
        seed=0,
    )
    return YOLO(folder / "run" / "weights" / "best.pt")


def predicted(model: Any, pictures: EncodedImages, imgsz: int) -> Ragged:
    """Return (label, score, x1, y1, x2, y2) for every picture."""
    rows = []
    for row in range(len(pictures)):
        bgr = np.ascontiguousarray(pictures[row][..., ::-1])
        boxes = model.predict(bgr, imgsz=imgsz, conf=FAINTEST, max_det=MOST, verbose=False)[0].boxes
        found = np.column_stack([boxes.cls.numpy(), boxes.conf.numpy(), boxes.xyxy.numpy()]).astype(np.float32)
        rows.append(found[(found[:, 4:] > found[:, 2:4]).all(axis=1)])  # a submission must not hold empty boxes
    return Ragged.of(rows)


if __name__ == "__main__":
    main()
