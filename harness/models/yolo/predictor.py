"""A trained YOLO as something that predicts."""

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

AT_ONCE = 16  # pictures: more are no faster on a CPU
STRIDE = 32  # what a canvas is a multiple of
GREY = 114  # what surrounds a picture, as in training
CONFIDENCE, OVERLAP = 0.003, 0.7  # fainter boxes are dropped; of two that overlap more, the fainter one
FURTHEST = 1.5  # times the size of training that a picture may be seen at


@dataclass(frozen=True)
class YoloFitted:
    """network: fused, in evaluation mode. sides: the shortest and the longest long side of the training pictures."""

    learner: Yolo
    task: Task
    network: nn.Module
    device: torch.device
    sides: tuple[int, int]

    @classmethod
    def of(cls, learner: Yolo, task: Task, network: Any, sides: Sequence[int]) -> YoloFitted:
        import torch

        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        fused = network.eval().fuse(verbose=False).to(device).to(memory_format=torch.channels_last)
        return cls(learner, task, fused, device, (sides[0], sides[1]))

    def predict(self, inputs: EncodedImages) -> Any:
        """Boxes of every picture, the best `MOST`; a picture's boxes do not depend on the others."""
        rows: list[np.ndarray] = [np.zeros((0, 6), np.float32)] * len(inputs)
        if len(inputs):
            for batch, height, width in self.batches(inputs.sizes):
                for row, boxes in zip(batch, self.boxes(inputs, batch, height, width), strict=True):
                    rows[row] = boxes
        found = Ragged.of(rows) if rows else Ragged(np.zeros((0, 6), np.float32), np.zeros(1, np.int64))
        return found if self.learner.target_class is None else self.task.expand(found, self.learner.target_class)

    def batches(self, sizes: np.ndarray) -> Iterator[tuple[np.ndarray, int, int]]:
        """Rows of one seen size, and the height and width of the canvas they are put on."""
        canvas = -(-self.seen(sizes) // STRIDE) * STRIDE
        for shape in np.unique(canvas, axis=0):
            alike = np.flatnonzero((canvas == shape).all(1))
            for part in chunks(len(alike), AT_ONCE):
                yield alike[part], int(shape[0]), int(shape[1])

    def seen(self, sizes: np.ndarray) -> np.ndarray:
        """(n, 2) int: height and width at which pictures of these sizes are seen.

        The long side is as in training. A picture larger than all of training is seen larger, by the same
        ratio up to a limit, and a smaller one smaller: else a scaled view would look like the plain one.
        """
        long = sizes.max(1)
        ratio = np.clip(long / np.clip(long, *self.sides), 1 / FURTHEST, FURTHEST)
        return np.maximum(1, np.round(sizes * (self.learner.seen(self.sides[1]) * ratio / long)[:, None])).astype(int)

    def boxes(self, inputs: EncodedImages, batch: np.ndarray, height: int, width: int) -> list[np.ndarray]:
        import cv2
        import torch
        from ultralytics.utils.nms import non_max_suppression

        sizes = np.empty((len(batch), 2), int)
        canvas = np.full((len(batch), height, width, 3), GREY, np.uint8)
        corners, seen = np.empty_like(sizes), np.empty_like(sizes)
        for k, row in enumerate(batch):
            picture = inputs[int(row)]
            sizes[k] = picture.shape[:2]
            seen[k] = self.seen(sizes[k : k + 1])[0]
            top, left = corners[k] = (canvas.shape[1:3] - seen[k]) // 2
            small = cv2.resize(picture, (int(seen[k, 1]), int(seen[k, 0])), interpolation=cv2.INTER_LINEAR)
            canvas[k, top : top + seen[k, 0], left : left + seen[k, 1]] = small
        with torch.inference_mode():
            pixels = (
                torch.from_numpy(canvas).to(self.device).permute(0, 3, 1, 2).float() / 255
            )  # channels last in memory
            found = non_max_suppression(
                self.network(pixels),
                CONFIDENCE,
                OVERLAP,
                multi_label=True,
                max_det=MOST,
                max_time_img=1e9,  # a slow machine must not say less
                end2end=getattr(self.network, "end2end", False),
            )
        return [_in_picture(*each) for each in zip(_arrays(found), corners, seen, sizes, strict=True)]


def _arrays(found: Sequence[Any]) -> list[np.ndarray]:
    return [boxes.float().cpu().numpy().astype(np.float64) for boxes in found]


def _in_picture(found: np.ndarray, corner: np.ndarray, seen: np.ndarray, size: np.ndarray) -> np.ndarray:
    """(k, 6) label, score, x1, y1, x2, y2 in pixels of the picture, of x1, y1, x2, y2, score, label on the canvas."""
    boxes = (found[:, :4] - corner[[1, 0, 1, 0]]) * (size / seen)[[1, 0, 1, 0]]
    boxes = np.clip(boxes, 0, size[[1, 0, 1, 0]])
    rows = np.concatenate([found[:, [5, 4]], boxes], axis=1).astype(np.float32)
    return rows[(rows[:, 4] > rows[:, 2]) & (rows[:, 5] > rows[:, 3])]
