"""A finished run of every kind of prediction in a second: rows made up, and models that know the truth of most of them.

Nothing is trained: a model looks the truth up by the bytes of an input, and is wrong where a hash of them says so.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any

import numpy as np

from harness.competition import Competition
from harness.data.images import EncodedImages, encode
from harness.data.samples import Dataset, Ragged, Samples, numbered
from harness.data.sources import MadeSample
from harness.data.splits import Holdout, labels_of_boxes, quantile_bins, stratified_grouped
from harness.files import write_bytes
from harness.metrics import RMSE, Accuracy, LogLoss, MacroF1, MeanAveragePrecision, MeanIoU, Metric
from harness.models import Context, Learner
from harness.tasks import Task
from harness.tasks.classification import PROBABILITIES, Classification
from harness.tasks.detection import Detection
from harness.tasks.regression import Regression
from harness.tasks.segmentation import Segmentation
from tests.support.tiny_data import CLASSES, has_rare, tiny_dataset

ROWS = 60
WRONG = 0.3
NAMES = ("ant", "bee", "cat")


def key(row: Any) -> bytes:
    return sha256(np.asarray(row).tobytes()).digest()


@dataclass(frozen=True, kw_only=True)
class Knowing(Learner):
    """made: -> the whole data set; says: (truths of some rows, a number from 0 to 1 for each) -> a prediction, which is
    wrong where the number is below WRONG. Another seed is wrong about other rows.
    """

    made: Callable[[], Dataset]
    says: Callable[[Any, np.ndarray], Any]
    seed: int

    def train(self, train: Samples, context: Context) -> None:
        lines = [{"epoch": k, "loss": 1 / (k + 1), "images_per_second": 100.0, "seconds": 0.1} for k in range(3)]
        write_bytes(context.folder / "log.jsonl", "".join(json.dumps(line) + "\n" for line in lines).encode())

    def predict(self, model: None, inputs: Any, task: Task) -> Any:
        known = self.made().labelled
        row_of = {key(row): k for k, row in enumerate(known.inputs)}
        rows = np.array([row_of[key(row)] for row in inputs])
        chance = np.array([key([row, self.seed])[0] / 256 for row in rows])
        return self.says(known.targets[rows], chance)


def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (ROWS, 8, 8), dtype=np.uint8)


def labelled(targets: Any, inputs: Any) -> Dataset:
    return Dataset(Samples(numbered(len(inputs)), inputs, targets, np.arange(len(inputs))))


# -- one label, several, masks, boxes, numbers -------------------------------------------------------------------------


def labels() -> Dataset:
    return labelled(np.arange(ROWS) % 3, pictures())


def say_labels(truth: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """0.7 for what is said, which is the next class where it is wrong."""
    said = (truth + (chance < WRONG)) % 3
    return np.where(said[:, None] == np.arange(3), 0.7, 0.15).astype(np.float32)


def several() -> Dataset:
    return labelled(np.stack([np.arange(ROWS) % k == 0 for k in (2, 3, 5)], 1).astype(np.uint8), pictures())


def say_several(truth: np.ndarray, chance: np.ndarray) -> np.ndarray:
    return np.where(truth ^ ((chance < WRONG)[:, None] & (np.arange(3) == 0)), 0.8, 0.1).astype(np.float32)


def say_masks(truth: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Where it is wrong, the two classes change places; nothing is void."""
    said = np.where((chance < WRONG)[:, None, None], 3 - np.maximum(truth, 1), np.maximum(truth, 1))
    return np.where(said[:, None] == np.arange(3)[:, None, None], 0.7, 0.15).astype(np.float16)


def boxes() -> Dataset:
    """Two bright rectangles of two classes in every picture, among noise."""
    noise, row = np.random.default_rng(0), np.array([[0, 2, 2, 12, 12], [1, 20, 5, 40, 25]], np.float32)
    inputs = []
    for _ in range(ROWS):
        picture = noise.integers(0, 120, (30, 44, 3), dtype=np.uint8)
        picture[2:12, 2:12], picture[5:25, 20:40] = 200, 250
        inputs.append(encode(picture))
    return labelled(Ragged.of([row] * ROWS), EncodedImages.of(inputs))


def say_boxes(truth: Ragged, chance: np.ndarray) -> Ragged:
    """Where it is wrong, the second box stands beside the object."""
    rows = [
        np.insert(row, 1, (0.9, 0.6), axis=1) + at * np.float32(9) * BESIDE
        for row, at in zip(truth, chance < WRONG, strict=True)
    ]
    return Ragged.of([row.astype(np.float32) for row in rows])


BESIDE = np.array([[0, 0, 0, 0, 0, 0], [0, 0, 1, 1, 1, 1]], np.float32)


def numbers() -> Dataset:
    inputs = np.zeros(ROWS, [("a", "f8"), ("b", "f8")])
    inputs["a"], inputs["b"] = np.arange(ROWS), np.random.default_rng(0).normal(size=ROWS)
    return labelled(100.0 + 3 * inputs["a"] + inputs["b"], inputs)


def say_numbers(truth: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Off by up to 20, to either side."""
    return (truth + 40 * (chance - 0.5)).astype(np.float32)


def first_label(targets: np.ndarray) -> np.ndarray:
    return targets if targets.ndim == 1 else targets[:, 0]


def declared(
    name: str, made: Callable[[], Dataset], says: Callable[..., Any], by: Any, task: Task, metric: Metric
) -> Competition:
    names = enumerate(("first", "second", "third"))
    return Competition(
        name=name,
        task=task,
        metric=metric,
        sources=(MadeSample(lambda raw: None),),  # the rows are in memory
        load=lambda raw: made(),
        split=stratified_grouped(by=by, folds=3),
        models={name: Knowing(made=made, says=says, seed=seed) for seed, name in names},
        holdout=Holdout(fraction=0.25, public=0.5),
    )


MASKS, BOXES = Segmentation(CLASSES, (4, 8), void=0), Detection(NAMES[:2])
PROBABLE, MULTILABEL = Classification(NAMES, PROBABILITIES), Classification(NAMES, multilabel=True)
KINDS = {
    "labels": (labels, say_labels, first_label, Classification(NAMES), Accuracy(NAMES)),
    "probabilities": (labels, say_labels, first_label, PROBABLE, LogLoss(NAMES)),
    "several": (several, say_several, first_label, MULTILABEL, MacroF1(NAMES)),
    "masks": (tiny_dataset, say_masks, has_rare, MASKS, MeanIoU(CLASSES, void=0)),
    "boxes": (boxes, say_boxes, labels_of_boxes, BOXES, MeanAveragePrecision(NAMES[:2])),
    "numbers": (numbers, say_numbers, quantile_bins, Regression("length"), RMSE()),
}
RUNS = {kind: partial(declared, kind, *parts) for kind, parts in KINDS.items()}
