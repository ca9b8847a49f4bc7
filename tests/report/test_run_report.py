"""The run report stands alone, says what the submission's manifest says, and opens only out-of-fold predictions."""

import re
import shutil

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from harness import paths
from harness.errors import UserError
from harness.files import read_json, write_json
from harness.report import run_report
from harness.report.format import interval_of, number, percent, scored, signed
from harness.report.gallery import worst_to_best
from harness.report.last_run import LastRun, last_run
from harness.report.run_tables import confused_pairs, confusion_table
from tests.report.conftest import Finished
from tests.support.pages import PageReader
from tests.support.tiny_runs import RUNS

CALIBRATED = {"Confusion matrix", "Calibration", "If one class were perfect"}
# kind: (sections of its own, pictures): 18 rows and 12 label issues, as one picture, as three, or as lines of a table
KINDS = {
    "labels": (CALIBRATED, 30),
    "probabilities": (CALIBRATED, 30),
    "several": (CALIBRATED - {"Confusion matrix"}, 30),
    "masks": (CALIBRATED, 90),
    "boxes": (CALIBRATED - {"Confusion matrix"} | {"Precision and recall"}, 90),
    "numbers": ({"Predicted against true"}, 0),
}
EVERYWHERE = ("What each step added", "The ensemble", "How alike their errors are", "From the worst to the best",
              "Label issues", "Learning curves", "Cost", "The audit")  # fmt: skip
STANDINGS = {
    "rows": [
        {"rank": 1, "tied": False, "team": "red", "score": 0.9, "low": 0.8, "high": 1.0, "cv": None, "entries": 3},
        {"rank": 2, "tied": True, "team": "blue", "score": 0.8, "low": 0.7, "high": 0.9, "cv": 0.75, "entries": 1},
    ],
    "revealed_at": None,
}


@pytest.fixture(autouse=True)
def no_board(monkeypatch: pytest.MonkeyPatch) -> None:
    """The leaderboard is a process of its own, and these competitions have no folder that it could read."""
    monkeypatch.setattr(run_report, "board", lambda name, data_hash: None)


def page_of(run: LastRun) -> PageReader:
    file = run_report.run_page(run)
    assert file == paths.reports(run.competition.name) / "report.html"
    assert file.stat().st_size < 5_000_000
    page = PageReader(file.read_text())
    assert page.open == [] and page.loads == []
    assert "<script" not in file.read_text()
    assert not re.search(r"\b(nan|inf|None)\b", page.text)
    return page


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_of_every_kind_says_what_the_manifest_says_without_the_answers(kind: str, finished: Finished) -> None:
    """The hold-out and its answers are deleted before the page is made."""
    made = finished(kind)
    shutil.rmtree(paths.private(kind, made.prepared.data_hash))
    shutil.rmtree(made.prepared.folder / "holdout")
    for file in (paths.root() / "runs").rglob("holdout-*"):
        file.unlink()
    run, manifest = last_run(RUNS[kind]()), made.manifest
    page = page_of(run)
    own, pictures = KINDS[kind]
    sections = CALIBRATED | {"Precision and recall", "Predicted against true"}
    assert {heading for heading in sections if heading in page.text} == own
    assert len(page.pictures) == pictures
    assert all(heading in page.text for heading in EVERYWHERE)
    assert scored(interval_of(manifest["cv"])) in page.text
    for step in manifest["steps"]:
        assert step["step"] in page.text and number(step["score"]) in page.text
        assert not step["gain"] or signed(step["gain"]["difference"]) in page.text
    for name, score in manifest["models"].items():
        assert name in page.text and number(score["score"]) in page.text
    assert all(percent(weight) in page.text for weight in manifest["recipe"]["weights"].values())
    assert all(name in page.text for name in manifest["steps"][-1]["by_class"])
    assert "The code has changed since" not in page.text


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_decided_without_their_fold_and_a_perfect_class_never_makes_the_score_worse(
    kind: str, finished: Finished
) -> None:
    made = finished(kind)
    run = last_run(RUNS[kind]())
    metric = run.competition.metric
    score = metric.score(metric.statistics(run.oof.targets, run.predictions.decided))
    assert score == pytest.approx(made.manifest["cv"]["score"], abs=1e-12)
    assert run.samples.ids.tolist() == made.prepared.train.ids[made.folds >= 0].tolist()
    gains = [row.gain for row in run.headroom]
    assert gains == sorted(gains, reverse=True)
    assert {row.name for row in run.headroom} == set(run.competition.task.classes) - {"void"}
    if gains:
        assert gains[-1] >= 0 and gains[0] > 0
        assert f"A perfect specialist for {run.headroom[0].name}" in run_report.specialist_advice(run)


def test_the_board_is_shown_with_the_teams_own_row(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    finished("numbers")
    monkeypatch.setattr(run_report, "board", lambda name, data_hash: STANDINGS)
    page = page_of(last_run(RUNS["numbers"]()))
    assert "The leaderboard" in page.text and "rank 2 of 2" in page.text
    html = (paths.reports("numbers") / "report.html").read_text()
    assert 'class="own"><td class="n">=2</td><td>blue</td>' in html


def test_without_a_run_the_error_names_the_command() -> None:
    with pytest.raises(UserError, match="make submit COMP=labels"):
        run_report.report(RUNS["labels"]())


def test_a_run_on_other_data_and_a_manifest_from_other_code_are_noted(finished: Finished) -> None:
    """As FAST=1 leaves it: a manifest, and neither best/ nor current.json."""
    run = finished("numbers")
    folder = paths.submissions("numbers", run.prepared.data_hash)
    (manifest,) = folder.glob("*.json")
    changed = {**run.manifest["cv"], "score": run.manifest["cv"]["score"] - 0.25}
    write_json(manifest, read_json(manifest) | {"cv": changed})
    shutil.rmtree(folder / "best")
    (paths.data("numbers") / "current.json").unlink()
    text = page_of(last_run(RUNS["numbers"]())).text
    assert "not of the data prepared last" in text
    assert "The code has changed since" in text


def test_the_confusion_matrix_counts_rows_and_names_the_most_confused_classes(finished: Finished) -> None:
    finished("labels")
    run = last_run(RUNS["labels"]())
    table = confusion_table(run)
    assert table
    cells = [[int(cell["text"] or 0) for cell in cells] for _, cells in table["rows"]]
    assert cells == confusion_matrix(run.oof.targets, run.predictions.decided).tolist()
    pairs = confused_pairs(("ant", "bee", "cat"), np.array([[90, 10, 0], [0, 50, 0], [1, 1, 0]]), "row")
    assert pairs[0] == "ant predicted as bee (10 rows, 10 % of it)"
    assert pairs[1] == "cat predicted as ant (1 row, 50 % of it)"


@pytest.mark.parametrize(("rows", "shown"), [(1, [1, 0, 0]), (2, [1, 1, 0]), (5, [2, 2, 1]), (30, [8, 8, 8])])
def test_no_row_is_shown_twice_and_few_rows_are_shown_all(rows: int, shown: list[int]) -> None:
    scores = np.append(np.random.default_rng(0).random(rows), np.nan)  # a row without a score of its own is left out
    parts = worst_to_best(scores, np.zeros(rows + 1), 8)
    every = [row for of_part in parts for row in of_part]
    assert sorted(map(len, parts), reverse=True) == sorted(shown, reverse=True)
    assert len(every) == len(set(every)) == min(rows, 24)
    assert [scores[row] for row in every] == sorted(scores[row] for row in every)
    assert worst_to_best(np.full(3, np.nan), np.array([0.1, 0.3, 0.2]), 8) == [[1], [2], [0]]  # by their errors alone
