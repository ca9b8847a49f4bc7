"""The probes, on pictures that say nothing: what stands beside them predicts the target, or does not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness import paths
from harness.audit import Audit, audit
from harness.audit.leaks import classes_in
from harness.competition import Competition
from harness.data.formats.images_on_disk import class_folders
from harness.data.samples import Dataset, Ragged, Samples, numbered
from harness.data.splits import Folds, Holdout, labels, stratified_grouped
from harness.errors import UserError
from harness.files import write_bytes
from harness.options import Request
from harness.prepare import prepare
from harness.tasks.classification import Classification
from harness.tasks.detection import Detection
from harness.tasks.regression import Regression
from tests.support.audited import ROWS, TRUTH, evidence, in_files, jpeg, noise, problems
from tests.support.tiny_runs import RUNS

TASK = Classification(("ant", "bee"))
SPLIT = stratified_grouped(by=labels, folds=3)


def audited(samples: Samples, **official: Samples) -> Audit:
    return audit(Dataset(samples, official), TASK, SPLIT)


def test_files_that_say_nothing_pass() -> None:
    assert problems(audited(in_files([jpeg(picture) for picture in noise()]))) == {}


def test_a_file_size_that_tells_the_class_fails_also_where_only_pixels_are_kept(tmp_path: Path) -> None:
    """Files of the class 1 are 300 bytes longer."""
    padded = [jpeg(picture, padding=300 * label) for picture, label in zip(noise(), TRUTH.tolist(), strict=True)]
    assert problems(audited(in_files(padded))) == {"file size leak": "fail"}
    for row, (content, label) in enumerate(zip(padded, TRUTH.tolist(), strict=True)):
        write_bytes(tmp_path / TASK.classes[label] / f"{row:03d}.jpg", content.tobytes())
    assert problems(audit(class_folders(tmp_path, TASK.classes), TASK, SPLIT)) == {"file size leak": "fail"}


def test_an_order_and_names_that_tell_the_class_fail() -> None:
    order = np.argsort(TRUTH, kind="stable")
    assert problems(audited(Samples(numbered(ROWS), noise()[order], TRUTH[order]))) == {"order leak": "fail"}
    ids = np.array([f"{'uv'[label]}-{row}" for row, label in enumerate(TRUTH)])
    assert problems(audited(Samples(ids, noise(), TRUTH))) == {"name leak": "fail"}


def test_a_comment_and_a_time_that_go_with_the_class_fail() -> None:
    exif = [Image.Exif(), Image.Exif()]
    for label in (0, 1):
        exif[label][0x010E], exif[label][0x0132] = f"lot {label}", f"2024:01:0{1 + label} 10:00:00"
    contents = [jpeg(p, exif=exif[k]) for p, k in zip(noise(), TRUTH.tolist(), strict=True)]
    found = problems(audited(in_files(contents)))
    assert found["comment leak"] == found["time leak"] == "fail"


def test_a_signal_of_the_picture_is_not_a_leak_and_warns_where_it_explains_all() -> None:
    brighter = noise() // 2 + (100 * TRUTH)[:, None, None].astype(np.uint8)
    found = audited(Samples(numbered(ROWS), brighter, TRUTH))
    assert problems(found) == {"simple signals": "warn"}
    assert "mean grey" in evidence(found, "simple signals")


def test_an_order_that_the_inputs_explain_is_not_a_leak() -> None:
    """Later cars are weaker, and the year is a column."""
    table = np.zeros(200, [("year", "f8"), ("chance", "f8")])
    table["year"], table["chance"] = np.arange(200), np.random.default_rng(0).normal(size=200)
    strength = 300 - table["year"] + 10 * table["chance"]
    assert "order leak" not in problems(audit(Dataset(Samples(numbered(200), table, strength)), Regression("power")))


def test_an_order_that_leaks_only_within_groups_passes() -> None:
    """Where groups follow each other and have one label each, the order says nothing about a new group."""
    groups = np.arange(ROWS) // 4
    truth = np.random.default_rng(3).integers(0, 2, groups.max() + 1).astype(np.uint8)[groups]
    assert "order leak" not in problems(audited(Samples(numbered(ROWS), noise(), truth, groups)))


# -- what a failure stops ----------------------------------------------------------------------------------------------


def sorted_rows() -> Competition:
    order = np.argsort(TRUTH, kind="stable")
    made = Dataset(Samples(numbered(ROWS), noise()[order], TRUTH[order]))
    return replace(RUNS["labels"](), name="sorted", task=TASK, split=SPLIT, load=lambda raw: made)


def test_a_failure_stops_before_the_split_unless_it_is_accepted_by_name() -> None:
    with pytest.raises(UserError, match=r'order leak: .*ACCEPT="order leak"'):
        prepare(Request(sorted_rows()))
    assert not (paths.data("sorted") / "current.json").exists()
    with pytest.raises(UserError, match=r"ACCEPT=ordre .* shapes, labels"):
        prepare(Request(sorted_rows(), accept=["ordre"]))
    lines: list[str] = []
    prepared = prepare(Request(sorted_rows(), accept=["order leak"], say=lines.append))
    assert len(prepared.train) + len(prepared.holdout) == ROWS
    assert any(line.startswith("audit, order leak:") for line in lines)


def test_the_audit_is_cached_under_the_data_and_the_declared_split() -> None:
    prepare(Request(RUNS["labels"]()))
    audits = paths.data("labels") / "audits"
    (cached,) = audits.iterdir()
    stamp = cached.stat().st_mtime_ns
    prepare(Request(RUNS["labels"]()))
    assert [file.stat().st_mtime_ns for file in audits.iterdir()] == [stamp]


# -- labels in files ---------------------------------------------------------------------------------------------------


def test_a_test_picture_whose_comment_names_its_class_fails_and_a_comment_in_every_file_says_nothing() -> None:
    """Nor does a comment that every labelled file has."""
    labelled = in_files([jpeg(picture, comment="an ant or a bee") for picture in noise()])
    pictures = noise(30, seed=7)
    test = in_files([jpeg(picture, comment="label=1" if row == 4 else "") for row, picture in enumerate(pictures)])
    found = audited(labelled, test=replace(test, targets=None))
    assert problems(found) == {"labels in files": "fail"}
    assert "test 4 says 'label=1'" in evidence(found, "labels in files")


DIGITS = tuple("0123456789")


@pytest.mark.parametrize(
    ("text", "names", "classes"),
    [
        ("bee", TASK.classes, {1}),
        ("Bee, asleep", TASK.classes, {1}),
        ("beetle", TASK.classes, set()),
        ("target: 0", TASK.classes, {0}),
        ("class=ant", TASK.classes, {0}),
        ("shot 1 of 2", TASK.classes, set()),
        ("", TASK.classes, set()),
        ("made in 2019, page 7", DIGITS, set()),
        ("7", DIGITS, {7}),
    ],
)
def test_classes_are_read_in_whole_words(text: str, names: tuple[str, ...], classes: set[int]) -> None:
    assert classes_in(text, names) == classes


# -- shift -------------------------------------------------------------------------------------------------------------


def test_a_darker_test_set_is_a_warning_that_names_what_tells_it() -> None:
    dark = Samples(numbered(60), noise(60, seed=5, bright=60))
    found = audited(Samples(numbered(ROWS), noise(), TRUTH), test=dark)
    assert problems(found) == {"shift": "warn"}
    assert "mean grey lower" in evidence(found, "shift")


def test_a_hold_out_of_another_kind_is_reported_too() -> None:
    class Dark(Folds):
        def held_out(self, samples: Samples, holdout: Holdout) -> np.ndarray:
            return np.asarray(samples.inputs).mean((1, 2)) < 80

    pictures = noise()
    pictures[::4] = noise(ROWS // 4, seed=5, bright=60)
    found = audit(Dataset(Samples(numbered(ROWS), pictures, TRUTH)), TASK, Dark(by=labels, folds=3))
    assert problems(found) == {"hold-out shift": "warn"}


def test_a_similar_test_set_passes_and_every_part_has_its_check() -> None:
    parts = {name: Samples(numbered(60), noise(60, seed=seed)) for seed, name in ((5, "a"), (6, "b"))}
    found = audited(Samples(numbered(ROWS), noise(), TRUTH), **parts)
    assert problems(found) == {}
    assert {"shift of a", "shift of b", "hold-out shift"} <= {check.name for check in found.checks}


def test_columns_of_a_table_tell_a_shift_too() -> None:
    table = np.zeros(300, [("weight", "f8"), ("colour", "U5")])
    table["weight"] = np.random.default_rng(0).normal(size=300)
    table["colour"] = np.where(np.arange(300) % 10 < np.where(np.arange(300) < 200, 1, 9), "red", "green")
    samples = Samples(numbered(200), table[:200], np.random.default_rng(1).normal(size=200))
    found = audit(Dataset(samples, {"test": Samples(numbered(100), table[200:])}), Regression("price"))
    assert problems(found) == {"shift": "warn"}
    assert "colour" in evidence(found, "shift")


# -- folds -------------------------------------------------------------------------------------------------------------


def test_the_folds_are_a_table_without_the_labels_of_the_hold_out() -> None:
    found = audited(Samples(numbered(ROWS), noise(), TRUTH))
    (folds,) = (check for check in found.checks if check.name == "folds")
    assert [row["part"] for row in folds.details] == ["hold-out", "fold 0", "fold 1", "fold 2"]
    assert sum(row["rows"] for row in folds.details) == ROWS
    assert set(folds.details[0]) == {"part", "rows", "height", "width"}
    assert sum(folds.details[1]["holds"].values()) == folds.details[1]["rows"]


def test_a_class_that_a_fold_lacks_is_a_warning() -> None:
    rows = [np.array([[k, 1, 1, 20, 20 + row % 9]], np.float32) for row, k in enumerate(TRUTH.tolist())]
    rows[0] = np.concatenate([rows[0], np.array([[2, 5, 5, 9, 9]], np.float32)])
    samples = replace(in_files([jpeg(picture) for picture in noise()]), targets=Ragged.of(rows))
    split = replace(SPLIT, by=lambda boxes: (np.arange(len(boxes)) == -1).astype(int))
    found = audit(Dataset(samples), Detection(("ant", "bee", "cat")), split, Holdout(fraction=0.1))
    assert "cat is in no row of" in evidence(found, "folds")
