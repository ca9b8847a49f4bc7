"""The worst-to-best gallery: what the best run said out-of-fold, the worst first, as one picture."""

import numpy as np
import pytest
from conftest import CLASSES, tiny_dataset, tiny_declaration

from harness import folders, gallery
from harness.audit import Audit, Check
from harness.competition import Competition
from harness.errors import UserError
from harness.files import write_json
from harness.prepared import Prepared, write
from harness.store import Bundle, save_prediction

FOLDS, WRONG = 3, 5  # the row of the training part about which the made run says nothing right


@pytest.fixture
def run() -> tuple[Competition, Prepared]:
    """A finished run whose one model knows the truth of every row but one."""
    declared, dataset = tiny_declaration(), tiny_dataset()
    prepared = write(
        declared, dataset, Audit([Check("shapes", "pass", "96 rows")], {}, dataset.labelled.groups), "files"
    )
    write_json(folders.data("tiny") / "current.json", {"data_hash": prepared.data_hash, "source": "files"})
    folds, truth = prepared.folds(declared, FOLDS), prepared.train.targets
    said = truth.copy()
    said[WRONG] = np.where(truth[WRONG] == 1, 2, 1)
    bundle = Bundle(folders.runs("tiny", prepared.train_hash(folds)) / "oracle")
    for k in range(FOLDS):
        probabilities = (said[folds == k][:, None] == np.arange(len(CLASSES))[:, None, None]).astype(np.float16)
        for view in ("plain", "tta"):
            save_prediction(bundle.fold(k), f"oof-{view}", probabilities, declared.task)
        write_json(bundle.fold(k) / "fold.json", {"fold": k})
    write_json(bundle.folder / "bundle.json", {"folds": list(range(FOLDS)), "complete": True})
    recipe = {"weights": {"oracle": 1.0}, "tta": False, "override": None, "offsets": None}
    card = {
        "recipe": recipe,
        "bundles": {"oracle": folders.shown(bundle.folder)},
        "train_hash": prepared.train_hash(folds),
    }
    write_json(folders.submissions("tiny", prepared.data_hash) / "best" / "submission.json", card)
    return declared, prepared


def test_it_shows_what_was_said_out_of_fold_in_the_order_of_the_rows(run: tuple[Competition, Prepared]) -> None:
    declared, prepared = run
    prepared.folds(declared, 2)  # another split of the same rows, by which nothing was trained
    seen = gallery.best_out_of_fold(declared)
    assert seen.samples.ids.tolist() == prepared.train.ids.tolist()
    labelled = prepared.train.targets > 0
    right = ((seen.decided == prepared.train.targets) | ~labelled).all((1, 2))
    assert np.flatnonzero(~right).tolist() == [WRONG]
    scores = gallery.row_scores(declared.metric, seen.statistics)
    assert scores.argmin() == WRONG
    assert scores[WRONG] == 0
    assert (np.delete(scores, WRONG) == 1).all()


def test_the_picture_is_written_and_the_worst_stands_first(run: tuple[Competition, Prepared], monkeypatch) -> None:
    """24 lines of three panels of 64x128, and three headings; the first panel is the row that went wrong."""
    import cv2

    declared, prepared = run
    headings: list[str] = []
    plain = gallery.text
    monkeypatch.setattr(gallery, "text", lambda words, width: (headings.append(words), plain(words, width))[1])
    file = gallery.worst_to_best(declared)
    assert folders.shown(file) == "reports/tiny/worst-to-best.png"
    picture = cv2.imread(str(file))[..., ::-1]
    line = 3 * (128 + gallery.GAP)
    assert picture.shape == (8 * (64 + gallery.LINE) + gallery.LINE, 3 * (line + gallery.GAP), 3)
    assert headings[0] == f"{prepared.train.ids[WRONG]}   0.000"
    assert sum(words.startswith(("worst", "median", "best")) for words in headings) == 3
    first = picture[2 * gallery.LINE : 2 * gallery.LINE + 64, :128]
    assert (first == gallery.enlarged(gallery.rgb(prepared.train.inputs[WRONG]))).all()


@pytest.mark.parametrize(("rows", "shown"), [(1, [1, 0, 0]), (2, [1, 1, 0]), (5, [2, 2, 1]), (30, [8, 8, 8])])
def test_no_row_is_shown_twice_and_few_rows_are_shown_all(rows: int, shown: list[int]) -> None:
    scores = np.random.default_rng(0).random(rows)
    parts = gallery.chosen(tiny_declaration().metric, scores)
    every = [row for _, of_part in parts for row in of_part]
    assert sorted(map(len, dict(parts).values()), reverse=True) == sorted(shown, reverse=True)
    assert len(every) == len(set(every)) == min(rows, 24)
    assert [scores[row] for row in every] == sorted(scores[row] for row in every)


def test_rows_of_which_the_metric_says_nothing_are_left_out() -> None:
    parts = gallery.chosen(tiny_declaration().metric, np.array([0.5, np.nan, 0.25]))
    assert [row for _, of_part in parts for row in of_part] == [2, 0]


def test_without_a_run_there_is_one_sentence(run: tuple[Competition, Prepared]) -> None:
    declared, prepared = run
    card = folders.submissions("tiny", prepared.data_hash) / "best" / "submission.json"
    write_json(card, {"recipe": None})
    with pytest.raises(UserError, match="make submit COMP=tiny"):
        gallery.worst_to_best(declared)


def test_a_run_on_other_rows_is_not_shown_as_if_it_were_on_these(run: tuple[Competition, Prepared]) -> None:
    declared, prepared = run
    write_json(prepared.folder / "exclusions.json", {str(prepared.train.ids[0]): "blurred"})
    with pytest.raises(UserError, match="was trained on other rows"):
        gallery.worst_to_best(declared)
