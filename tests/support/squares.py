"""Tiny pictures of a red and a blue square, and a detector that trains on them in seconds."""

import json
from pathlib import Path

import numpy as np

from harness.data.images import EncodedImages, encode
from harness.data.samples import Ragged, Samples, numbered
from harness.models import Context
from harness.models.yolo.detector import Yolo
from harness.tasks.detection import Detection

TASK = Detection(("red", "blue"))
YOLO = Yolo(model=str(Path(__file__).with_name("tiny_yolo")), imgsz=64, epochs=2, batch=4)


def squares(count: int = 8, height: int = 48, width: int = 64) -> Samples:
    """The red square lies in the left half of every picture, the blue one in the right half."""
    rng = np.random.default_rng(0)
    pictures, rows = [], []
    for _ in range(count):
        picture = np.full((height, width, 3), 60, np.uint8)
        boxes = []
        for label, colour in enumerate(([250, 0, 0], [0, 0, 250])):
            x, y = rng.integers(0, width // 2 - 24) + label * width // 2, rng.integers(0, height - 24)
            picture[y : y + 24, x : x + 24] = colour
            boxes.append([label, x, y, x + 24, y + 24])
        pictures.append(encode(picture))
        rows.append(np.array(boxes, float))
    return Samples(numbered(count), EncodedImages.of(pictures), Ragged.of(rows), np.arange(count))


def context(folder: Path, **changed: object) -> Context:
    return Context(TASK, folder, **changed)


def logged_epochs(folder: Path) -> list[int]:
    return [json.loads(line)["epoch"] for line in (folder / "log.jsonl").read_text().splitlines()]


def weights(folder: Path) -> bytes:
    return (folder / "weights.safetensors").read_bytes()
