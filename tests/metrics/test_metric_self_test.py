"""What every metric promises: those of the harness, and those that the folders of competitions/ declare.

A competition's metric is shown targets of its task; so one that a folder brings itself is tested as well.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

from harness import metrics
from harness.competition import find, names
from harness.data.samples import Ragged
from harness.errors import UserError
from tests.support.coco import boxes, case

CLASSES = ("a", "b", "c", "d")
WEIGHTS = (0.5, 1, 1, 3)
ROWS = 30


class Rows(NamedTuple):
    """Targets, and predictions of them: the truth itself, the worst there is, one and the same for every row, some."""

    truth: Any
    best: Any
    worst: Any
    constant: Any
    some: Any


def labels(classes: int) -> Rows:
    rng = np.random.default_rng(0)
    truth, said = rng.permutation(np.arange(ROWS) % classes), rng.integers(0, classes, ROWS)
    return Rows(truth, truth, (truth + 1) % classes, truth * 0, np.where(rng.random(ROWS) < 0.6, truth, said))


def several_labels(classes: int) -> Rows:
    truth, said = np.random.default_rng(0).integers(0, 2, (2, ROWS, classes)).astype(np.uint8)
    return Rows(truth, truth, 1 - truth, np.ones_like(truth), np.where(said[:, :1], truth, said))


def probabilities(classes: int) -> Rows:
    rng, of = np.random.default_rng(0), labels(classes)
    sure = np.eye(classes)[of.truth]
    some = 0.5 * rng.dirichlet(np.ones(classes), ROWS) + 0.5 * np.eye(classes)[of.some]
    return Rows(of.truth, sure, (1 - sure) / (classes - 1), np.full_like(sure, 1 / classes), some)


def several_probabilities(classes: int) -> Rows:
    of = several_labels(classes)
    some = 0.5 * np.random.default_rng(1).random(of.truth.shape) + 0.5 * of.some
    return Rows(of.truth, 1.0 * of.truth, 1.0 * of.worst, of.truth * 0 + 0.5, some)


def numbers(classes: int) -> Rows:
    truth, noise = np.random.default_rng(0).normal(3, 2, (2, ROWS))
    return Rows(truth, truth, -9 * truth, np.full(ROWS, truth.mean()), truth + noise)


def positive_columns(classes: int) -> Rows:
    truth, said = np.random.default_rng(0).uniform(1, 5, (2, ROWS, classes))
    some = 0.7 * truth + 0.3 * said
    return Rows(truth, truth, -9 * truth, np.full_like(truth, 3), some)


def masks(classes: int) -> Rows:
    truth, said = np.random.default_rng(0).integers(0, classes, (2, ROWS, 5, 6)).astype(np.uint8)
    constant = np.full_like(truth, classes - 1)
    return Rows(truth, truth, (truth + 1) % classes, constant, np.where(said > 0, truth, said))


def sets(classes: int) -> Rows:
    """Masks whose classes overlap; the worst finds nothing."""
    truth, said = np.random.default_rng(0).integers(0, 2**classes, (2, ROWS, 5, 6)).astype(np.uint8)
    return Rows(truth, truth, 0 * truth, np.full_like(truth, 2**classes - 1), np.where(said > 2, truth, said))


def detections(classes: int) -> Rows:
    truth, some = case(2, images=ROWS, classes=classes)
    sure = np.insert(truth.flat, 1, 1, axis=1)
    same = np.column_stack([np.arange(classes), np.full(classes, 0.5), boxes(np.random.default_rng(0), classes)])
    best, nothing = Ragged(sure, truth.offsets), Ragged(sure[:0], truth.offsets * 0)
    return Rows(truth, best, nothing, Ragged.of([same] * ROWS), some)


def crowded(classes: int) -> Rows:
    """As `detections`; the worst is a box in every image, where no object is."""
    far = [[label, 0.9, 900, 900, 910, 910] for label in range(classes)]
    return detections(classes)._replace(worst=Ragged.of([np.array(far)] * ROWS))


def smape(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    return float(np.mean(2 * np.abs(y_pred - y_true) / (np.abs(y_true) + np.abs(y_pred) + 1e-9)))


# -- the metrics -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    name: str
    metric: Any
    make: Callable[[int], Rows]

    @property
    def rows(self) -> Rows:
        return self.make(len(getattr(self.metric, "classes", CLASSES)))

    def scored(self, truth: Any, predicted: Any) -> float:
        """The score, turned so that higher is better."""
        score = self.metric.score(self.metric.statistics(truth, predicted))
        return score if self.metric.higher_is_better else -score


COSTS = ((0, 1, 1, 1), (2, 0, 2, 2), (5, 5, 0, 5), (3, 3, 3, 0))
OF_THE_HARNESS: list[tuple[Callable[[int], Rows], list[Any]]] = [
    (labels, [metrics.Accuracy(CLASSES), metrics.BalancedAccuracy(CLASSES), metrics.MacroF1(CLASSES)]),
    (labels, [metrics.Precision(CLASSES), metrics.Recall(CLASSES), metrics.MCC(CLASSES)]),
    (labels, [metrics.QuadraticKappa(CLASSES), metrics.Cost(CLASSES, COSTS)]),
    (labels, [metrics.MacroF(CLASSES, beta=2)]),
    (several_labels, [metrics.Accuracy(CLASSES), metrics.MacroF1(CLASSES), metrics.MacroF(CLASSES, beta=0.5)]),
    (several_labels, [metrics.SampleF(CLASSES), metrics.SampleF(CLASSES, beta=2)]),
    (
        probabilities,
        [
            metrics.LogLoss(CLASSES),
            metrics.LogLoss(CLASSES, balanced=True),
            metrics.LogLoss(CLASSES, weights=WEIGHTS),
            metrics.Brier(CLASSES),
        ],
    ),
    (probabilities, [metrics.ROCAUC(CLASSES), metrics.ROCAUC(CLASSES[:2]), metrics.Gini(CLASSES[:2])]),
    (probabilities, [metrics.AveragePrecision(CLASSES), metrics.AveragePrecision(CLASSES[:2])]),
    (probabilities, [metrics.TopK(CLASSES, k=2), metrics.MAPatK(CLASSES, k=3)]),
    (
        several_probabilities,
        [
            metrics.ROCAUC(CLASSES),
            metrics.AveragePrecision(CLASSES),
            metrics.LogLoss(CLASSES),
            metrics.LogLoss(CLASSES, weights=WEIGHTS),
        ],
    ),
    (several_probabilities, [metrics.Brier(CLASSES), metrics.TopK(CLASSES, k=1), metrics.MAPatK(CLASSES, k=3)]),
    (numbers, [metrics.RMSE(), metrics.MAE(), metrics.R2(), metrics.metric("smape", smape, higher_is_better=False)]),
    (numbers, [metrics.SMAPE(), metrics.Pinball(0.1)]),
    (positive_columns, [metrics.RMSE(targets=CLASSES), metrics.MAE(targets=CLASSES), metrics.R2(targets=CLASSES)]),
    (positive_columns, [metrics.RMSLE(targets=CLASSES), metrics.MAPE(), metrics.Pinball(0.9, targets=CLASSES)]),
    (masks, [metrics.MeanIoU(CLASSES), metrics.MeanIoU(CLASSES, void=0), metrics.MeanDice(CLASSES)]),
    (masks, [metrics.MeanImageIoU(CLASSES), metrics.ObjectF(CLASSES), metrics.ObjectPrecision(CLASSES)]),
    (masks, [metrics.ObjectPrecision(CLASSES, connected=False)]),
    (sets, [metrics.MeanIoU(CLASSES, multilabel=True), metrics.MeanDice(CLASSES, multilabel=True)]),
    (sets, [metrics.ObjectF(CLASSES, multilabel=True), metrics.DiceHausdorff(CLASSES, multilabel=True)]),
    (detections, [metrics.MeanAveragePrecision(CLASSES), metrics.MeanAveragePrecision(CLASSES, iou=0.5)]),
    (detections, [metrics.VOCAveragePrecision(CLASSES)]),
    (crowded, [metrics.BoxPrecision(CLASSES)]),
]
OF_TASK: dict[tuple[str, str], Callable[[int], Rows]] = {  # that a competition declares, and what the metric needs
    ("Classification", "labels"): labels,
    ("Classification", "probabilities"): probabilities,
    ("Regression", "labels"): numbers,
    ("Segmentation", "labels"): masks,
    ("Detection", "probabilities"): detections,
}


def of_competitions() -> list[Case]:
    made = []
    for name in names():
        declared = find(name)
        several = (
            {labels: several_labels, probabilities: several_probabilities}
            if getattr(declared.task, "multilabel", False)
            else {}
        )
        for metric in (declared.metric, *declared.reported):
            make = OF_TASK[type(declared.task).__name__, metric.needs]
            made.append(Case(name, metric, several.get(make, make)))
    return made


CASES = [Case(make.__name__, each, make) for make, several in OF_THE_HARNESS for each in several] + of_competitions()


def named(case: Case) -> str:
    return f"{case.name} {case.metric.name}"


EVERY = pytest.mark.parametrize("case", CASES, ids=named)


def test_every_metric_is_tested() -> None:
    public = {name for name in metrics.__all__ if hasattr(getattr(metrics, name), "higher_is_better")}
    assert public - {type(case.metric).__name__ for case in CASES} == {"Metric"}
    assert {case.name for case in CASES} >= set(names())


@EVERY
def test_the_truth_scores_best_and_nothing_below_the_worst(case: Case) -> None:
    rows = case.rows
    best, worst, constant, some = (
        case.scored(rows.truth, said) for said in (rows.best, rows.worst, rows.constant, rows.some)
    )
    assert worst <= constant + 1e-12
    assert constant < best
    assert worst < some < best
    assert np.isfinite([best, worst]).all()
    assert hash(case.metric) == hash(case.metric)  # a value: frozen, of values


@EVERY
def test_the_order_of_rows_does_not_matter_and_a_row_of_statistics_is_its_own(case: Case) -> None:
    rows, mixed = case.rows, np.random.default_rng(1).permutation(ROWS)
    whole = case.metric.statistics(rows.truth, rows.some)
    again = case.metric.statistics(rows.truth[mixed], rows.some[mixed])
    assert (again == whole[mixed]).all()
    assert again.dtype == whole.dtype
    assert case.metric.score(again) == pytest.approx(case.metric.score(whole), abs=1e-12)


@EVERY
def test_a_resample_by_counts_is_one_of_repeated_rows(case: Case) -> None:
    metric, rows = case.metric, case.rows
    statistics = metric.statistics(rows.truth, rows.some)
    counts = np.random.default_rng(2).integers(0, 4, (6, ROWS))
    counts[0] = 1
    scores, by_class = metric.score(statistics, counts), metric.by_class(statistics, counts)
    assert isinstance(metric.score(statistics), float)
    assert scores.shape == (6,)
    for k, times in enumerate(counts):
        again = statistics[np.repeat(np.arange(ROWS), times)]
        assert scores[k] == pytest.approx(metric.score(again), abs=1e-9)
        assert metric.score(statistics, times) == pytest.approx(scores[k], abs=1e-12)
        expected = {name: float(score) for name, score in metric.by_class(again).items()}
        assert {name: each[k] for name, each in by_class.items()} == pytest.approx(expected, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("case", [case for case in CASES if case.make in (labels, masks)], ids=named)
def test_an_absent_class_is_defined(case: Case) -> None:
    rows = case.rows
    truth, some = (np.minimum(each, rows.truth.max() - 1) for each in (rows.truth, rows.some))
    assert case.scored(truth, some) <= case.scored(rows.truth, rows.best)  # and not NaN


LABELS = (labels, several_labels, masks, sets)  # are whole numbers and cannot be NaN


@pytest.mark.parametrize("case", [case for case in CASES if case.make not in LABELS], ids=named)
def test_nan_is_refused(case: Case) -> None:
    rows = case.rows
    np.ravel(rows.some.flat if isinstance(rows.some, Ragged) else rows.some)[ROWS // 2] = np.nan
    with pytest.raises(UserError, match="is not a finite number"):
        case.metric.statistics(rows.truth, rows.some)
