"""The report: it stands alone, says what the card says, and opens nothing but what was predicted out-of-fold."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from harness import paths, report
from harness.data.samples import Ragged
from harness.ensemble.leave_one_out import gain_of
from harness.errors import UserError
from harness.files import read_json, write_json
from harness.metrics import Accuracy, MeanAveragePrecision, MeanIoU
from harness.options import Request
from harness.report.board import standing
from harness.report.classes import matrix, pairs
from harness.report.headroom import advice, wishes
from harness.report.html.format import number, percent, scored, signed
from harness.report.members import correlation, interval_of
from harness.report.run import LastRun, last_run
from harness.tasks.classification import Classification
from harness.tasks.detection import Detection
from harness.tasks.segmentation import Segmentation
from harness.training import fold
from tests.support import here
from tests.support.pages import Reader
from tests.support.tiny_runs import NAMES, RUNS

KINDS = pytest.mark.parametrize("kind", RUNS)
BOARD = {
    "rows": [
        {"rank": 1, "tied": False, "team": "red", "score": 0.9, "low": 0.8, "high": 1.0, "cv": None, "entries": 3},
        {"rank": 2, "tied": True, "team": "blue", "score": 0.8, "low": 0.7, "high": 0.9, "cv": 0.75, "entries": 1},
    ],
    "standing": "red and blue are tied.",
    "revealed_at": None,
}


@pytest.fixture(autouse=True)
def no_board(monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge is a process of its own, and these competitions have no folder that it could read."""
    monkeypatch.setattr(report, "standing", lambda name, data: None)


Made = Callable[[str], here.Run]
MADE: dict[str, tuple[Path, here.Run]] = {}


@pytest.fixture
def finished(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """kind -> its run, copied into the home of the test; every run is made once."""

    def copied(kind: str) -> here.Run:
        if kind not in MADE:
            home, declared = tmp_path_factory.mktemp(kind), RUNS[kind]()
            with monkeypatch.context() as patched:
                patched.setenv("HARNESS_HOME", str(home))
                patched.setattr(fold, "find", lambda _: declared)
                MADE[kind] = home, here.run(Request(declared, team="blue"))
        shutil.copytree(MADE[kind][0], paths.root(), dirs_exist_ok=True)
        return MADE[kind][1]

    return copied


def page_of(kind: str) -> Reader:
    told = report.report(RUNS[kind]())
    assert told == {"competition": kind, "path": f"reports/{kind}/report.html"}
    file = paths.root() / told["path"]
    assert file.stat().st_size < 5_000_000
    page = Reader(file.read_text())
    assert page.open == [] and page.loads == []
    assert "<script" not in file.read_text()
    assert not re.search(r"\b(nan|inf|None)\b", page.words)
    return page


# -- the page ----------------------------------------------------------------------------------------------------------


@KINDS
def test_the_page_stands_alone_and_its_numbers_are_the_cards(kind: str, finished: Made) -> None:
    card = finished(kind).card
    page = page_of(kind)
    for heading in ("What each step added", "The ensemble", "How alike they err", "From the worst to the best",
                    "Labels to look at",
                    "How they learnt", "What it cost", "The audit"):  # fmt: skip
        assert heading in page.words
    assert scored(interval_of(card["cv"])) in page.words
    for step in card["steps"]:
        assert step["step"] in page.words
        assert number(step["score"]) in page.words
        if step["gain"]:
            assert signed(step["gain"]["difference"]) in page.words
    for name, score in card["models"].items():
        assert name in page.words
        assert number(score["score"]) in page.words
    for weight in card["recipe"]["weights"].values():
        assert percent(weight) in page.words
    for name, score in card["steps"][-1]["by_class"].items():
        assert name in page.words
        assert score is None or number(score) in page.words
    assert "The code has changed since" not in page.words


@pytest.mark.parametrize(
    ("kind", "there", "pictures"),
    [
        ("labels", ("What is taken for what", "What a probability was worth", "If one class were perfect"), 30),
        ("probabilities", ("What is taken for what", "What a probability was worth", "If one class were perfect"), 30),
        ("several", ("What a probability was worth", "If one class were perfect"), 30),
        ("masks", ("What is taken for what", "What a probability was worth", "If one class were perfect"), 90),
        ("boxes", ("Precision and recall", "What a probability was worth", "If one class were perfect"), 90),
        ("numbers", ("Predicted against true",), 0),
    ],
)
def test_every_kind_has_its_own_sections(kind: str, there: tuple[str, ...], pictures: int, finished: Made) -> None:
    """18 rows and 12 suspects are shown, as one picture, as three, or as a line; and nothing that its kind has not."""
    finished(kind)
    page = page_of(kind)
    own = {"What is taken for what", "What a probability was worth", "If one class were perfect",
           "Precision and recall", "Predicted against true"}  # fmt: skip
    assert {heading for heading in own if heading in page.words} == set(there)
    assert len(page.pictures) == pictures


@KINDS
def test_it_needs_neither_answers_nor_the_hold_out(kind: str, finished: Made) -> None:
    """They are gone, and the page is there."""
    done = finished(kind)
    shutil.rmtree(paths.private(kind, done.prepared.data_hash))
    shutil.rmtree(done.prepared.folder / "holdout")
    for file in (paths.root() / "runs").rglob("holdout-*"):
        file.unlink()
    page_of(kind)


def test_the_board_is_shown_with_the_own_row(finished: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    finished("labels")
    assert "The board" not in page_of("labels").words
    monkeypatch.setattr(report, "standing", lambda name, data: BOARD)
    page = page_of("labels")
    assert "The board" in page.words and "red and blue are tied." in page.words
    assert "stands on rank 2 of 2" in page.words
    assert 'class="mine"><td class="n">=2</td><td>blue</td>' in (paths.reports("labels") / "report.html").read_text()


def test_where_the_leaderboard_has_no_such_data_there_is_no_board() -> None:
    assert standing("tiny", "0" * 12) is None


def test_without_a_run_there_is_one_sentence() -> None:
    with pytest.raises(UserError, match="make submit COMP=labels"):
        report.report(RUNS["labels"]())


def test_a_run_that_was_never_the_best_is_reported_and_said_so(finished: Made) -> None:
    """As FAST=1 leaves it: a card, and neither best/ nor current.json."""
    done = finished("labels")
    shutil.rmtree(paths.submissions("labels", done.prepared.data_hash) / "best")
    (paths.data("labels") / "current.json").unlink()
    assert "not of the data prepared last" in page_of("labels").words


def test_a_card_that_other_code_wrote_is_not_passed_over_in_silence(finished: Made) -> None:
    done = finished("labels")
    file = paths.submissions("labels", done.prepared.data_hash) / "best" / "submission.json"
    card = read_json(file)
    card["cv"]["score"] -= 0.25
    write_json(file, card)
    assert "The code has changed since" in page_of("labels").words


# -- what it rests on --------------------------------------------------------------------------------------------------


@KINDS
def test_every_row_is_decided_by_a_recipe_that_did_not_see_its_fold(kind: str, finished: Made) -> None:
    """The decided rows of the page have the statistics of the card's cross-fitted score."""
    done = finished(kind)
    run, metric = last_run(RUNS[kind]()), RUNS[kind]().metric
    statistics = metric.statistics(run.oof.targets, run.said.decided)
    assert metric.score(statistics) == pytest.approx(done.card["cv"]["score"], abs=1e-12)
    assert run.samples.ids.tolist() == done.prepared.train.ids[done.folds >= 0].tolist()
    assert run.share == 1


def classes(run: LastRun) -> Iterator[tuple[int, str]]:
    return ((label, name) for label, name in enumerate(run.competition.task.classes) if name != "void")


@pytest.mark.parametrize("kind", ["labels", "probabilities", "several", "masks", "boxes"])
def test_a_perfect_class_never_makes_the_score_worse_and_the_largest_gain_goes_first(kind: str, finished: Made) -> None:
    finished(kind)
    run = last_run(RUNS[kind]())
    ranked = wishes(run)
    assert {wish.name for wish in ranked} == {name for _, name in classes(run)}
    gains = [wish.gain for wish in ranked]
    assert gains == sorted(gains, reverse=True)
    assert gains[-1] >= 0 and gains[0] > 0
    assert f"A perfect specialist for {ranked[0].name} would take" in advice(run, ranked)


def test_the_confusion_is_counted_and_told(finished: Made) -> None:
    finished("labels")
    run = last_run(RUNS["labels"]())
    shown = matrix(run)
    assert shown is not None
    of_row = np.array([[int(cell.text or 0) for cell in cells] for _, cells in shown.rows])
    truth, said = run.oof.targets, run.said.decided
    assert of_row.tolist() == [[int(((truth == k) & (said == j)).sum()) for j in range(3)] for k in range(3)]
    told = pairs(run, np.array([[90, 10, 0], [0, 50, 0], [1, 1, 0]]), "row")
    assert told[0] == "ant taken for bee (10 rows, 10 % of ant)"
    assert told[1] == "cat taken for ant (1 row, 50 % of cat)"


def test_leaving_a_member_out_gives_what_it_adds(finished: Made) -> None:
    """Of numbers it is the difference of two errors, computed by hand."""
    finished("numbers")
    run = last_run(RUNS["numbers"]())
    weights = run.recipe.weights
    assert len(weights) > 1, "these members add to each other"
    name = next(iter(weights))
    left, gain = run.recipe.without(name), gain_of(run.oof, run.recipe, name)
    assert left.weights == {other: weight for other, weight in weights.items() if other != name}
    assert gain is not None
    mean = sum(weight * run.oof.members[other].plain for other, weight in left.weights.items())
    errors = mean / sum(left.weights.values()) - run.oof.targets
    full = float(np.sqrt(run.oof.statistics_of(run.recipe).mean()))
    assert gain.difference == pytest.approx(np.sqrt((errors**2).mean()) - full, rel=1e-4)


def test_members_that_err_alike_are_told_from_those_that_do_not() -> None:
    a, b = np.array([0.0, 1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0, 0.0])
    assert correlation(a, 2 * a + 1) == pytest.approx(1)
    assert correlation(a, b) == pytest.approx(-1)
    assert correlation(a, np.ones(4)) is None


# -- the oracle, by hand -----------------------------------------------------------------------------------------------


def test_a_perfect_label_takes_its_rows_and_gives_back_what_is_not_its_own() -> None:
    """Of six rows four are right. Where ant was said wrongly, the second choice stands, which is right here."""
    task, metric = Classification(NAMES), Accuracy(NAMES)
    targets = np.array([0, 0, 1, 1, 2, 2])
    probabilities = np.array(
        [[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.1, 0.8, 0.1], [0.2, 0.7, 0.1], [0.1, 0.1, 0.8], [0.5, 0.1, 0.4]]
    )
    decided = task.decide(probabilities)
    assert decided.tolist() == [0, 1, 1, 1, 2, 0]
    perfect = [task.account.perfected(targets, probabilities, decided, of) for of in range(3)]
    assert [rows.tolist() for rows in perfect] == [[0, 0, 1, 1, 2, 2], [0, 0, 1, 1, 2, 0], [0, 1, 1, 1, 2, 2]]
    scores = [metric.score(metric.statistics(targets, rows)) for rows in perfect]
    assert scores == [1, 5 / 6, 5 / 6]


def test_a_perfect_class_of_masks_gives_back_its_wrong_pixels() -> None:
    """Truth void soil soil rock, said rock rock soil soil: perfect rock leaves the void pixel to soil, and finds its
    own."""
    task = Segmentation(("void", "soil", "rock"), (1, 4), void=0)
    metric = MeanIoU(task.classes, void=0)
    targets = np.array([[[0, 1, 1, 2]]], np.uint8)
    soil = np.array([0.2, 0.4, 0.9, 0.8])
    prediction = np.stack([np.zeros(4), soil, 1 - soil]).reshape(1, 3, 1, 4).astype(np.float16)
    decided = task.decide(prediction)
    assert decided.ravel().tolist() == [2, 2, 1, 1]
    rock = task.account.perfected(targets, prediction, decided, 2)
    assert rock.ravel().tolist() == [1, 1, 1, 2]
    assert metric.score(metric.statistics(targets, rock)) == 1
    assert task.account.confusion(targets, decided).tolist() == [[0, 0, 0], [0, 1, 1], [0, 1, 0]]


def test_a_perfect_class_of_boxes_is_found_whole_and_the_others_stay() -> None:
    """Two true fish overlap by so much that a fusion would take them for one."""
    task = Detection(("fish", "shark"))
    metric = MeanAveragePrecision(task.classes)
    targets = Ragged.of([np.array([[0, 0, 0, 10, 10], [0, 2, 0, 12, 10], [1, 20, 20, 30, 30]], np.float32)])
    said = Ragged.of([np.array([[0, 0.9, 50, 50, 60, 60], [1, 0.8, 40, 40, 50, 50]], np.float32)])
    fish = task.account.perfected(targets, said, said, 0)
    assert fish[0].tolist() == [[0, 1, 0, 0, 10, 10], [0, 1, 2, 0, 12, 10], [1, pytest.approx(0.8), 40, 40, 50, 50]]
    found = metric.by_class(metric.statistics(targets, fish))
    assert (found["fish"], found["shark"]) == (pytest.approx(1), 0)


def test_of_a_difference_every_true_box_is_found_or_missed() -> None:
    """Green, vermilion, blue: the colour of a box's upper left corner."""
    task, image = Detection(("fish",)), np.zeros((60, 60, 3), np.uint8)
    truth = np.array([[0, 5, 5, 15, 15], [0, 30, 30, 40, 40]], np.float32)
    said = np.array([[0, 0.9, 5, 5, 15, 15], [0, 0.8, 45, 5, 55, 15]], np.float32)
    drawn, _ = task.account.difference(image, truth, said)
    assert [drawn[y, x].tolist() for y, x in ((5, 5), (30, 30), (5, 45))] == [
        [0, 158, 115],
        [213, 94, 0],
        [86, 180, 233],
    ]
