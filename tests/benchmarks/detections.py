"""Row 7: how fast predicted boxes are scored, against pycocotools."""

import numpy as np

from harness.data.samples import Ragged
from harness.metrics import MeanAveragePrecision
from harness.metrics.average_precision import MOST
from tests.benchmarks.protocol import Result, in_turn, ratios, timed, typical
from tests.support.coco import as_coco, boxes, evaluated

IMAGES, CLASSES, TRUE = 448, 7, 8  # TRUE: boxes an image, about
TIMES = 5  # ours is too fast to be timed once


def mean_average_precision() -> list[Result]:
    """Time boxes in memory to mAP 50-95; pycocotools gets its dictionaries ready and indexed."""
    truth, predicted = detections()
    gt, dt = as_coco(truth, predicted, CLASSES)
    metric = MeanAveragePrecision(tuple("abcdefg"))

    def ours() -> float:
        return metric.score(metric.statistics(truth, predicted))

    def many() -> None:
        for _ in range(TIMES):
            ours()

    difference = abs(ours() - np.mean(evaluated(gt, dt).eval["precision"][..., 0, -1]))
    arms = {
        "usual": lambda: timed(lambda: evaluated(gt, dt)),
        "one area": lambda: timed(lambda: evaluated(gt, dt, areas=("all",))),
        "ours": lambda: timed(many) / TIMES,
        "again": lambda: timed(many) / TIMES,
    }
    taken = in_turn(arms, rounds=5)
    one_area = Result(row="", goal="", target=0, values=ratios(taken, "one area", "ours"))
    return [
        Result(
            row="7",
            goal="mAP of boxes / pycocotools, equal to 1e-9",
            target=6,
            values=ratios(taken, "usual", "ours"),
            control=ratios(taken, "ours", "again"),
            note=f"{IMAGES} images of {MOST} boxes, {CLASSES} classes: {1e3 * typical(taken, 'ours'):.0f} ms; "
            f"{one_area.measured} times pycocotools that looks at the area 'all' alone, which is one of its four",
            broken="" if difference < 1e-9 else f"the means differ by {difference:.2g}",
        )
    ]


def detections() -> tuple[Ragged, Ragged]:
    """Draw three boxes near most true ones, the rest of `MOST` at random; float32, as models predict them."""
    rng = np.random.default_rng(0)
    truth, predicted = [], []
    for _ in range(IMAGES):
        labels = rng.integers(0, CLASSES, rng.poisson(TRUE))
        true = np.column_stack([labels, boxes(rng, len(labels), size=400)])
        near = np.repeat(true, 3, axis=0)[:MOST]
        near[:, 1:] += rng.uniform(-2.9, 2.9, (len(near), 4))
        others = np.column_stack([rng.integers(0, CLASSES, MOST - len(near)), boxes(rng, MOST - len(near), size=400)])
        rows = np.concatenate([near, others])
        scores = np.sort(rng.random(MOST))[::-1]
        truth.append(true)
        predicted.append(np.insert(rows[rng.permutation(MOST)], 1, scores, axis=1).astype(np.float32))
    return Ragged.of(truth), Ragged.of(predicted)
