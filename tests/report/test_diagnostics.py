"""Diagnostics of every kind of prediction, by hand."""

from typing import Any

import numpy as np
import pytest

from harness.data.samples import Ragged, Samples, numbered
from harness.report.diagnostics import diagnostics
from harness.report.label_issues import label_issues
from harness.tasks.classification import Classification
from harness.tasks.detection import Detection
from harness.tasks.regression import Regression
from harness.tasks.segmentation import Segmentation

NAMES = ("ant", "bee", "cat")
ROWS = 40
WRONG = {"3", "17", "31"}


def test_a_perfect_label_takes_its_rows_and_gives_wrong_ones_to_the_second_choice() -> None:
    task, targets = Classification(NAMES), np.array([0, 0, 1, 1, 2, 2])
    probabilities = np.array(
        [[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.1, 0.8, 0.1], [0.2, 0.7, 0.1], [0.1, 0.1, 0.8], [0.5, 0.1, 0.4]]
    )
    decided = task.decide(probabilities)
    assert decided.tolist() == [0, 1, 1, 1, 2, 0]
    perfect = [diagnostics(task).with_perfect_class(targets, probabilities, decided, label) for label in range(3)]
    assert [rows.tolist() for rows in perfect] == [[0, 0, 1, 1, 2, 2], [0, 0, 1, 1, 2, 0], [0, 1, 1, 1, 2, 2]]


def test_a_perfect_class_of_masks_gives_back_its_wrong_pixels() -> None:
    """Truth: void soil soil rock; predicted: rock rock soil soil. Perfect rock leaves the void pixel to soil."""
    task, targets = Segmentation(("void", "soil", "rock"), (1, 4), void=0), np.array([[[0, 1, 1, 2]]], np.uint8)
    soil = np.array([0.2, 0.4, 0.9, 0.8])
    prediction = np.stack([np.zeros(4), soil, 1 - soil]).reshape(1, 3, 1, 4).astype(np.float16)
    decided = task.decide(prediction)
    assert decided.ravel().tolist() == [2, 2, 1, 1]
    rock = diagnostics(task).with_perfect_class(targets, prediction, decided, 2)
    assert rock.ravel().tolist() == [1, 1, 1, 2]
    assert diagnostics(task).confusion(targets, decided).tolist() == [[0, 0, 0], [0, 1, 1], [0, 1, 0]]


def test_a_perfect_class_of_boxes_is_found_whole_and_the_others_stay() -> None:
    """Two true fish overlap by so much that a fusion would take them for one."""
    targets = Ragged.of([np.array([[0, 0, 0, 10, 10], [0, 2, 0, 12, 10], [1, 20, 20, 30, 30]], np.float32)])
    predicted = Ragged.of([np.array([[0, 0.9, 50, 50, 60, 60], [1, 0.8, 40, 40, 50, 50]], np.float32)])
    fish = diagnostics(Detection(("fish", "shark"))).with_perfect_class(targets, predicted, predicted, 0)
    assert fish[0].tolist() == [[0, 1, 0, 0, 10, 10], [0, 1, 2, 0, 12, 10], [1, pytest.approx(0.8), 40, 40, 50, 50]]


def test_the_difference_shows_boxes_found_missed_and_false() -> None:
    """Green, vermilion, blue: the colour of a box's upper left corner."""
    truth = np.array([[0, 5, 5, 15, 15], [0, 30, 30, 40, 40]], np.float32)
    predicted = np.array([[0, 0.9, 5, 5, 15, 15], [0, 0.8, 45, 5, 55, 15]], np.float32)
    image, _ = diagnostics(Detection(("fish",))).draw_difference(np.zeros((60, 60, 3), np.uint8), truth, predicted)
    corners = [image[y, x].tolist() for y, x in ((5, 5), (30, 30), (5, 45))]
    assert corners == [[0, 158, 115], [213, 94, 0], [86, 180, 233]]


# -- label issues ------------------------------------------------------------------------------------------------------


def soft(labels: np.ndarray, count: int) -> np.ndarray:
    """(n, classes, ...): 0.9 for the label, the rest evenly."""
    classes = np.arange(count).reshape(count, *([1] * (labels.ndim - 1)))
    return np.where(labels[:, None] == classes, 0.9, 0.1 / (count - 1)).astype(np.float32)


def with_errors(targets: np.ndarray, change: Any) -> np.ndarray:
    given, rows = targets.copy(), [int(name) for name in WRONG]
    given[rows] = change(given[rows])
    return given


def labels() -> tuple[Any, Any, Any]:
    true = np.arange(ROWS) % 3
    return Classification(NAMES), with_errors(true, lambda rows: (rows + 1) % 3), soft(true, 3)


def several() -> tuple[Any, Any, Any]:
    true = np.stack([np.arange(ROWS) % k == 0 for k in (2, 3, 5)], 1).astype(np.uint8)
    return Classification(NAMES, multilabel=True), with_errors(true, lambda rows: 1 - rows), np.where(true, 0.95, 0.02)


def masks() -> tuple[Any, Any, Any]:
    """Void above, and a wrong lower half where the label is wrong; void pixels are never an issue."""
    true = np.tile(np.repeat([0, 1, 2], 3)[:, None], (ROWS, 1, 8)).astype(np.uint8)

    def swapped(rows: np.ndarray) -> np.ndarray:
        return np.where(rows == 2, 1, rows).astype(np.uint8)

    return Segmentation(NAMES, (9, 8), void=0), with_errors(true, swapped), soft(np.maximum(true, 1), 3)


def boxes() -> tuple[Any, Any, Any]:
    """One label is of another class, one box lies beside its object, one is missing."""
    rows = [np.array([[0, 2, 2, 22, 22], [1, 30, 30, 60, 60]], np.float32) for _ in range(ROWS)]
    predicted = Ragged.of([np.insert(row, 1, 0.97, axis=1) for row in rows])
    rows[3] = rows[3] * np.array([[0, 1, 1, 1, 1]]) + np.array([[2, 0, 0, 0, 0], [1, 0, 0, 0, 0]], np.float32)
    rows[17] = rows[17] + np.array([[0, 0, 0, 0, 0], [0, 25, 25, 40, 40]], np.float32)
    rows[31] = rows[31][:1]
    return Detection(NAMES), Ragged.of([row.astype(np.float32) for row in rows]), predicted


def numbers() -> tuple[Any, Any, Any]:
    true = np.linspace(10, 50, ROWS)
    predicted = (true + np.random.default_rng(0).normal(size=ROWS)).astype(np.float32)
    return Regression("length"), with_errors(true, lambda rows: rows + 60), predicted


@pytest.mark.parametrize("kind", [labels, several, masks, boxes, numbers])
def test_wrong_labels_of_every_kind_come_first_and_are_issues(kind: Any) -> None:
    task, given, predicted = kind()
    ranking = label_issues(task, Samples(numbered(ROWS), np.zeros((ROWS, 2)), given), predicted)
    assert len(ranking) == ROWS
    assert {issue.id for issue in ranking[:3]} == WRONG
    assert {issue.id for issue in ranking if issue.is_issue} == WRONG
    assert all(0 <= issue.quality <= 1 for issue in ranking)
