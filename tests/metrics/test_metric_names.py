"""Every name of a metric leads to an expression that scores data of each of its tasks; a wrong name is explained."""

from typing import Any

import numpy as np
import pytest

from harness import metrics
from harness.data.samples import Ragged
from harness.errors import UserError
from harness.metrics.metric_names import METRICS, TASKS, find

CLASSES = ("a", "b")
LABELS, SEVERAL = np.array([0, 1, 1, 0]), np.array([[1, 0], [0, 1], [1, 1], [1, 0]])
MASKS = np.array([[[0, 1], [1, 1]], [[0, 0], [0, 1]]], np.uint8)
BOXES = Ragged.of([np.array([[0, 0, 0, 4, 4]]), np.array([[1, 2, 2, 9, 9]])])
SURE = Ragged(np.insert(BOXES.flat, 1, 1, axis=1), BOXES.offsets)
DATA: dict[tuple[str, str], tuple[Any, Any]] = {  # the truth, and a perfect prediction
    ("classification", "labels"): (LABELS, LABELS),
    ("classification", "probabilities"): (LABELS, np.eye(2)[LABELS]),
    ("multilabel", "labels"): (SEVERAL, SEVERAL),
    ("multilabel", "probabilities"): (SEVERAL, SEVERAL * 1.0),
    ("regression", "labels"): (np.array([1.0, 2, 3]), np.array([1.0, 2, 3])),
    ("segmentation", "labels"): (MASKS, MASKS),
    ("detection", "probabilities"): (BOXES, SURE),
}
EVERY = [(entry, name, task) for entry in METRICS for task in entry.tasks for name in entry.names]


def with_number(name: str) -> str:
    for key, number in {"<k>": "3", "<beta>": "1.5", "<q>": "0.9", "<iou>": "0.75", "<overlap>": "0.35"}.items():
        name = name.replace(key, number)
    return name


@pytest.mark.parametrize(("entry", "name", "task"), EVERY, ids=lambda value: value if isinstance(value, str) else "")
def test_every_name_leads_to_a_metric_that_scores_this_task(entry: Any, name: str, task: str) -> None:
    found = find(with_number(name).title(), task)
    assert found.names == entry.names  # and no earlier entry answers to it
    assert all(hasattr(metrics, imported) for imported in found.imports)
    metric = eval(found.expression, {**vars(metrics), "CLASSES": CLASSES})
    assert metric.needs == found.needs
    score = metric.score(metric.statistics(*DATA[task, metric.needs]))
    assert score == pytest.approx(1 if metric.higher_is_better else 0, abs=1e-9)


def test_every_metric_but_the_plain_function_and_the_cost_has_a_name() -> None:
    """A cost matrix cannot be said by a name."""
    named = {imported for entry in METRICS for imported in entry.imports}
    public = {name for name in metrics.__all__ if hasattr(getattr(metrics, name), "higher_is_better")}
    assert public - named == {"Metric", "PlainMetric", "Cost"} & public


def test_a_title_is_a_name_of_its_own() -> None:
    for task in TASKS:
        titles = [entry.title for entry in METRICS if task in entry.tasks]
        assert len(set(titles)) == len(titles)
        assert [find(title, task).title for title in titles] == titles


@pytest.mark.parametrize(
    ("name", "task", "expression"),
    [
        ("AUC", "classification", "ROCAUC(CLASSES)"),
        ("roc_auc", "multilabel", "ROCAUC(CLASSES)"),
        ("weighted log loss", "classification", "LogLoss(CLASSES, balanced=True)"),
        ("F1", "classification", "MacroF1(CLASSES)"),
        ("F1", "multilabel", "SampleF(CLASSES)"),
        ("f2", "multilabel", "SampleF(CLASSES, beta=2)"),
        ("F0.5", "classification", "MacroF(CLASSES, beta=0.5)"),
        ("F2 IoU", "segmentation", "ObjectF(CLASSES, beta=2)"),
        ("top5", "classification", "TopK(CLASSES, k=5)"),
        ("top-3 accuracy", "classification", "TopK(CLASSES, k=3)"),
        ("MAP@5", "classification", "MAPatK(CLASSES, k=5)"),
        ("map", "classification", "MAPatK(CLASSES, k=5)"),
        ("map", "detection", "MeanAveragePrecision(CLASSES)"),
        ("mAP@.5", "detection", "MeanAveragePrecision(CLASSES, iou=.5)"),
        ("mAP50", "detection", "MeanAveragePrecision(CLASSES, iou=0.5)"),
        ("mean precision", "segmentation", "ObjectPrecision(CLASSES)"),
        ("mean-precision", "detection", "BoxPrecision(CLASSES)"),
        ("Jaccard", "segmentation", "MeanIoU(CLASSES)"),
        ("pinball 0.1", "regression", "Pinball(0.1)"),
        ("RMSLE", "regression", "RMSLE()"),
    ],
)
def test_one_name_may_mean_different_metrics_of_different_tasks(name: str, task: str, expression: str) -> None:
    assert find(name, task).expression == expression


@pytest.mark.parametrize(
    ("name", "task", "told"),
    [
        ("logg loss", "classification", r"did you mean log loss\?"),
        ("rmsel", "regression", r"did you mean rms.*RMSE, RMSLE, MAE"),
        ("rmse", "classification", "a metric of regression, not of classification; that has accuracy"),
        ("map@5", "detection", "a metric of classification and multilabel"),
        ("map@0.33", "detection", "METRIC=map@0.33 is not a metric of detection"),
        ("pinball 10", "regression", r"did you mean pinball 0\.5\?"),
        ("nonsense", "segmentation", "is not a metric of segmentation; there are Dice"),
        ("auc", "clasification", r"did you mean classification\?"),
    ],
)
def test_a_name_that_is_none_is_told_with_the_nearest_and_the_list(name: str, task: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        find(name, task)
