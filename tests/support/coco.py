"""Made boxes, and what pycocotools says of boxes."""

import contextlib
import io
from typing import Any

import numpy as np

from harness.data.samples import Ragged


def boxes(rng: np.random.Generator, count: int, ties: bool = False, size: float = 60) -> np.ndarray:
    """(count, 4) x1, y1, x2, y2 in about this square; ties: on a grid of six pixels, so that overlaps are equal."""
    corner, extent = rng.uniform(0, size, (count, 2)), rng.uniform(6, size / 2, (count, 2))
    made = np.concatenate([corner, corner + extent], axis=1)
    return np.round(made / 6) * 6 + [0, 0, 6, 6] if ties else made


def case(seed: int, images: int = 8, classes: int = 4, most: int = 12) -> tuple[Ragged, Ragged]:
    """Truth and predictions: true boxes that were moved, boxes at random, and labels that are sometimes wrong.

    Odd seeds: scores and overlaps tie. Some images are without truth, without predictions or without both; of some
    cases the last class is not in the truth, or not in the predictions, or in neither.
    """
    rng = np.random.default_rng(seed)
    ties, of_truth, of_predicted = seed % 2 == 1, classes - (seed % 3 == 0), classes - (seed % 5 == 0)
    truth, predicted = [], []
    for _ in range(images):
        labels = rng.integers(0, of_truth, rng.integers(0, most) * (rng.random() < 0.9))
        true = np.column_stack([labels, boxes(rng, len(labels), ties)])
        moved = true[rng.random(len(true)) < 0.8]
        moved[:, 1:] += 0 if ties else rng.uniform(-2.9, 2.9, (len(moved), 4))
        moved[rng.random(len(moved)) < 0.1, 0] = 0
        labels = rng.integers(0, of_predicted, rng.integers(0, most))
        said = np.concatenate(
            [moved[moved[:, 0] < of_predicted], np.column_stack([labels, boxes(rng, len(labels), ties)])]
        )
        said = said[rng.permutation(len(said)) if rng.random() < 0.9 else []]
        scores = rng.random(len(said)).round(1 if ties else 12)
        order = np.argsort(-scores, kind="stable")
        truth.append(true)
        predicted.append(np.column_stack([said[:, 0], scores, said[:, 1:]])[order])
    return Ragged.of(truth), Ragged.of(predicted)


def average_precisions(truth: Ragged, predicted: Ragged, classes: int) -> np.ndarray:
    """(10, C): at every threshold, of every class, by pycocotools; NaN for a class that is not in the truth."""
    evaluation = evaluated(*as_coco(truth, predicted, classes), areas=("all",))
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    return np.where(precision > -1, precision, np.nan).mean(1)


def evaluated(gt: Any, dt: Any, areas: tuple[str, ...] = ("all", "small", "medium", "large")) -> Any:
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(gt, dt, "bbox")
        known = dict(zip(evaluation.params.areaRngLbl, evaluation.params.areaRng, strict=True))
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [known[area] for area in areas], list(areas)
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def as_coco(truth: Ragged, predicted: Ragged, classes: int) -> tuple[Any, Any]:
    """The two objects of pycocotools."""
    images, categories = [{"id": row} for row in range(len(truth))], [{"id": label} for label in range(classes)]
    return tuple(
        coco({"images": images, "categories": categories, "annotations": annotations})
        for annotations in (_annotations(truth), _annotations(predicted))
    )


def _annotations(rows: Ragged) -> list[dict[str, Any]]:
    """COCO counts from 1: an annotation 0 is one that nobody can find."""
    image = np.repeat(np.arange(len(rows)), np.diff(rows.offsets)).tolist()
    corner, extent = rows.flat[:, -4:-2], rows.flat[:, -2:] - rows.flat[:, -4:-2]
    xywh, area = np.hstack([corner, extent]).tolist(), extent.prod(1).tolist()
    labels, scores = rows.flat[:, 0].astype(int).tolist(), rows.flat[:, 1].tolist()
    return [
        {"id": n + 1, "image_id": image[n], "category_id": labels[n], "bbox": xywh[n], "area": area[n], "iscrowd": 0}
        | {"score": scores[n]}
        for n in range(len(image))
    ]


def coco(dataset: dict[str, Any]) -> Any:
    """A dataset as its file says it, indexed."""
    from pycocotools.coco import COCO

    made = COCO()
    made.dataset = dataset
    with contextlib.redirect_stdout(io.StringIO()):
        made.createIndex()
    return made
