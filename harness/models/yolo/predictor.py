"""A trained YOLO that predicts boxes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.data.images import EncodedImages
from harness.data.samples import Ragged
from harness.metrics import chunks
from harness.metrics.boxes import MOST
from harness.tasks import Task

if TYPE_CHECKING:
    import torch
    from torch import nn

    from harness.models.yolo.detector import Yolo

BATCH = 16  # images: more are no faster on a CPU
STRIDE = 32  # the sides of a canvas are multiples of it
GREY = 114  # the padding around an image, as in training
CONFIDENCE, OVERLAP = 0.003, 0.7  # fainter boxes are dropped; of two that overlap more, the fainter one
MOST_ZOOM = 1.5  # times the size of training at which an image may be seen


@dataclass(frozen=True)
class YoloFitted:
    """network: fused, in evaluation mode. sides: the shortest and the longest long side of the training images."""

    learner: Yolo
    task: Task
    network: nn.Module
    device: torch.device
    sides: tuple[int, int]

    @classmethod
    def of(cls, learner: Yolo, task: Task, network: Any, sides: Sequence[int]) -> YoloFitted:
        """Fuse convolutions with their norms, in place, and send the network to the device."""
        import torch

        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        fused = network.eval().fuse(verbose=False).to(device).to(memory_format=torch.channels_last)
        return cls(learner, task, fused, device, (sides[0], sides[1]))

    def predict(self, inputs: EncodedImages) -> Ragged:
        """Return the best `MOST` boxes of every image; they do not depend on the other images."""
        rows: list[np.ndarray] = [np.zeros((0, 6), np.float32)] * len(inputs)
        if len(inputs):
            for batch, height, width in self.batches(inputs.sizes):
                for row, detected in zip(batch, self.boxes(inputs, batch, height, width), strict=True):
                    rows[row] = detected
        boxes = Ragged.of(rows) if rows else Ragged(np.zeros((0, 6), np.float32), np.zeros(1, np.int64))
        return boxes if self.learner.target_class is None else self.task.expand(boxes, self.learner.target_class)

    def batches(self, sizes: np.ndarray) -> Iterator[tuple[np.ndarray, int, int]]:
        """Yield the rows that share a canvas, and its height and width."""
        canvas = -(-self.seen(sizes) // STRIDE) * STRIDE
        for shape in np.unique(canvas, axis=0):
            alike = np.flatnonzero((canvas == shape).all(1))
            for part in chunks(len(alike), BATCH):
                yield alike[part], int(shape[0]), int(shape[1])

    def seen(self, sizes: np.ndarray) -> np.ndarray:
        """Return height and width (n, 2) int at which images of these sizes are seen.

        The long side is as in training. An image larger than all of training is seen larger, by the same ratio up to a
        limit, and a smaller one smaller: else a scaled view would look like the plain one.
        """
        long = sizes.max(1)
        ratio = np.clip(long / np.clip(long, *self.sides), 1 / MOST_ZOOM, MOST_ZOOM)
        return np.maximum(1, np.round(sizes * (self.learner.seen(self.sides[1]) * ratio / long)[:, None])).astype(int)

    def boxes(self, inputs: EncodedImages, batch: np.ndarray, height: int, width: int) -> list[np.ndarray]:
        """Return label, score, x1, y1, x2, y2 (k, 6) for every row, each in the middle of a canvas of this size."""
        import cv2
        import torch
        from ultralytics.utils.nms import non_max_suppression

        sizes = inputs.sizes[batch]
        seen = self.seen(sizes)
        corners = (np.array([height, width]) - seen) // 2
        canvas = np.full((len(batch), height, width, 3), GREY, np.uint8)
        for row, place, (top, left), (high, wide) in zip(batch, canvas, corners, seen, strict=True):
            image = cv2.resize(inputs[int(row)], (int(wide), int(high)), interpolation=cv2.INTER_LINEAR)
            place[top : top + high, left : left + wide] = image
        with torch.inference_mode():
            pixels = torch.from_numpy(canvas).to(self.device).permute(0, 3, 1, 2).float() / 255
            detections = non_max_suppression(
                self.network(pixels),
                CONFIDENCE,
                OVERLAP,
                multi_label=True,
                max_det=MOST,
                max_time_img=1e9,  # a slow machine must not find less
                end2end=getattr(self.network, "end2end", False),
            )
        found, xyxy = [], [1, 0, 1, 0]
        for each, corner, small, size in zip(detections, corners, seen, sizes, strict=True):
            detected = each.float().cpu().numpy().astype(np.float64)  # x1, y1, x2, y2 on the canvas, score, label
            boxes = np.clip((detected[:, :4] - corner[xyxy]) * (size / small)[xyxy], 0, size[xyxy])
            rows = np.concatenate([detected[:, [5, 4]], boxes], axis=1).astype(np.float32)
            found.append(rows[(rows[:, 4] > rows[:, 2]) & (rows[:, 5] > rows[:, 3])])
        return found
