"""The audit's ranking of label issues: nothing is removed by it, and a person's exclusions count."""

import csv
from typing import Any

from harness import paths, pipeline
from harness.files import write_json
from harness.options import Request
from harness.prepare import prepare
from tests.report.conftest import Finished
from tests.support.tiny_runs import RUNS


def check() -> dict[str, Any]:
    checks = pipeline.look(Request(RUNS["labels"]()))["checks"]
    return next(check for check in checks if check["name"] == "label issues")


def test_a_finished_run_ranks_all_labels_in_a_file_and_removes_nothing(finished: Finished) -> None:
    assert "no data are prepared for labels" in check()["evidence"]
    run = finished("labels")
    before, found = run.prepared.exclusions, check()
    assert found["verdict"] == "warn"
    assert "reports/labels/label_issues.csv" in found["evidence"] and "exclusions.json" in found["remedy"]
    with open(paths.reports("labels") / "label_issues.csv", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert {row["id"] for row in rows} == set(run.prepared.train.ids.tolist())
    assert [float(row["quality"]) for row in rows] == sorted(float(row["quality"]) for row in rows)
    assert rows[0]["given"] != rows[0]["predicted"]
    assert run.prepared.exclusions == before


def test_an_excluded_row_leaves_training_and_the_ranking_waits_for_new_models(finished: Finished) -> None:
    run = finished("labels")
    excluded = str(run.prepared.train.ids[0])
    write_json(run.prepared.folder / "exclusions.json", {excluded: "a bee, not an ant"})
    again = prepare(Request(RUNS["labels"]()))
    assert excluded not in again.train.ids
    assert again.data_hash == run.prepared.data_hash
    assert again.train_hash(again.folds(RUNS["labels"](), 3)) != run.prepared.train_hash(run.folds)
    assert "no model has predicted all of these rows" in check()["evidence"]
