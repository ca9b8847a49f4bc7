"""The queue of suspect labels: wrong ones come first, nothing is removed by it, and a person's exclusions count."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import paths, pipeline
from harness.data.samples import Ragged, Samples, numbered
from harness.files import read_json, write_json
from harness.options import Request
from harness.prepare import prepare
from harness.report.label_quality import suspects
from harness.tasks.classification import Classification
from harness.tasks.detection import Detection
from harness.tasks.regression import Regression
from harness.tasks.segmentation import Segmentation
from harness.training import fold
from tests.support import here
from tests.support.tiny_runs import RUNS

ROWS = 40
WRONG = {"3", "17", "31"}
NAMES = ("ant", "bee", "cat")


def soft(labels: np.ndarray, count: int) -> np.ndarray:
    """(n, classes, ...): 0.9 for the label, the rest evenly."""
    classes = np.arange(count).reshape(count, *([1] * (labels.ndim - 1)))
    return np.where(labels[:, None] == classes, 0.9, 0.1 / (count - 1)).astype(np.float32)


def changed(targets: np.ndarray, change: Any) -> np.ndarray:
    given, rows = targets.copy(), [int(name) for name in WRONG]
    given[rows] = change(given[rows])
    return given


def labels() -> tuple[Any, Any, Any]:
    true = np.arange(ROWS) % 3
    return Classification(NAMES), changed(true, lambda rows: (rows + 1) % 3), soft(true, 3)


def several() -> tuple[Any, Any, Any]:
    true = np.stack([np.arange(ROWS) % k == 0 for k in (2, 3, 5)], 1).astype(np.uint8)
    return Classification(NAMES, multilabel=True), changed(true, lambda rows: 1 - rows), np.where(true, 0.95, 0.02)


def masks() -> tuple[Any, Any, Any]:
    """Void above, and a wrong lower half where it is wrong; what the models say of the void is no doubt."""
    true = np.tile(np.repeat([0, 1, 2], 3)[:, None], (ROWS, 1, 8)).astype(np.uint8)
    said = soft(np.maximum(true, 1), 3)

    def swapped(rows: np.ndarray) -> np.ndarray:
        return np.where(rows == 2, 1, rows).astype(np.uint8)

    return Segmentation(NAMES, (9, 8), void=0), changed(true, swapped), said


def boxes() -> tuple[Any, Any, Any]:
    """One label is of another class, one box stands beside, one is missing."""
    rows = [np.array([[0, 2, 2, 22, 22], [1, 30, 30, 60, 60]], np.float32) for _ in range(ROWS)]
    said = Ragged.of([np.insert(row, 1, 0.97, axis=1) for row in rows])
    rows[3] = rows[3] * np.array([[0, 1, 1, 1, 1]]) + np.array([[2, 0, 0, 0, 0], [1, 0, 0, 0, 0]], np.float32)
    rows[17] = rows[17] + np.array([[0, 0, 0, 0, 0], [0, 25, 25, 40, 40]], np.float32)
    rows[31] = rows[31][:1]
    return Detection(NAMES), Ragged.of([row.astype(np.float32) for row in rows]), said


def amounts() -> tuple[Any, Any, Any]:
    true = np.linspace(10, 50, ROWS)
    said = (true + np.random.default_rng(0).normal(size=ROWS)).astype(np.float32)
    return Regression("length"), changed(true, lambda rows: rows + 60), said


@pytest.mark.parametrize("kind", [labels, several, masks, boxes, amounts])
def test_wrong_labels_of_every_kind_come_first_and_are_doubted(kind: Any) -> None:
    task, given, said = kind()
    queue = suspects(task, Samples(numbered(ROWS), np.zeros((ROWS, 2)), given), said)
    assert len(queue) == ROWS
    assert {suspect.id for suspect in queue[:3]} == WRONG
    assert {suspect.id for suspect in queue if suspect.doubted} == WRONG
    assert all(0 <= suspect.quality <= 1 for suspect in queue)


def look(kind: str) -> dict[str, Any]:
    return next(check for check in pipeline.look(Request(RUNS[kind]()))["checks"] if check["name"] == "label suspects")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> here.Run:
    monkeypatch.setattr(fold, "find", lambda _: RUNS["labels"]())
    return here.run(Request(RUNS["labels"](), team="blue"))


def test_without_predictions_the_audit_says_why_it_has_no_suspects() -> None:
    found = look("labels")
    assert (found["verdict"], found["evidence"].split(";")[0]) == (
        "pass",
        "not looked for: no data are prepared for labels",
    )


def test_a_finished_run_gives_a_queue_in_a_file_and_removes_nothing(run: here.Run) -> None:
    before = run.prepared.exclusions
    found = look("labels")
    file = paths.reports("labels") / "suspects.csv"
    assert found["verdict"] == "warn"
    assert "reports/labels/suspects.csv" in found["evidence"] and "exclusions.json" in found["remedy"]
    with open(file, newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert {row["id"] for row in rows} == set(run.prepared.train.ids.tolist())
    assert [float(row["quality"]) for row in rows] == sorted(float(row["quality"]) for row in rows)
    assert rows[0]["given"] != rows[0]["said"]
    assert run.prepared.exclusions == before


def test_a_row_that_a_person_excludes_leaves_training_and_the_queue_waits_for_new_models(run: here.Run) -> None:
    folds = run.prepared.folds(RUNS["labels"](), 3)
    suspect = str(run.prepared.train.ids[0])
    write_json(run.prepared.folder / "exclusions.json", {suspect: "a bee, not an ant"})
    again = prepare(Request(RUNS["labels"]()))
    assert suspect not in again.train.ids
    assert again.data_hash == run.prepared.data_hash
    assert again.train_hash(again.folds(RUNS["labels"](), 3)) != run.prepared.train_hash(folds)
    assert "no model has predicted all of these rows" in look("labels")["evidence"]


def test_the_audit_is_kept_under_the_data_and_the_declared_split(tmp_path: Path) -> None:
    look("labels")
    audits = paths.data("labels") / "audits"
    (kept,) = audits.iterdir()
    stamp = kept.stat().st_mtime_ns
    look("labels")
    assert [file.stat().st_mtime_ns for file in audits.iterdir()] == [stamp]
    assert {check["name"] for check in read_json(kept)["checks"]} >= {"folds", "order leak", "hold-out shift"}
