"""The audit's probes, on pictures that say nothing: what stands beside them does, or does not."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness import paths
from harness.audit import Audit, audit
from harness.audit.words import classes_in
from harness.competition import Competition
from harness.data.formats.images_on_disk import class_folders
from harness.data.images import EncodedImages, text_and_time
from harness.data.samples import Dataset, Ragged, Samples, numbered
from harness.data.splits import Folds, Holdout, labels, stratified_grouped
from harness.errors import UserError
from harness.files import write_bytes
from harness.options import Request
from harness.prepare import prepare
from harness.tasks.classification import Classification
from harness.tasks.detection import Detection
from harness.tasks.regression import Regression
from tests.support.tiny_runs import RUNS

ROWS, SIDE = 120, 32
TASK = Classification(("ant", "bee"))
TRUTH = np.random.default_rng(1).integers(0, 2, ROWS).astype(np.uint8)
SPLIT = stratified_grouped(by=labels, folds=3)


def noise(rows: int = ROWS, seed: int = 0, bright: float = 100) -> np.ndarray:
    coarse = np.random.default_rng(seed).normal(bright, 30, (rows, SIDE // 4, SIDE // 4))
    return coarse.repeat(4, 1).repeat(4, 2).clip(0, 255).astype(np.uint8)


def jpeg(picture: np.ndarray, padding: int = 0, **options: Any) -> np.ndarray:
    content = io.BytesIO()
    Image.fromarray(picture).convert("RGB").save(content, "JPEG", **options)
    return np.frombuffer(content.getvalue() + bytes(padding), np.uint8)


def filed(contents: list[np.ndarray], ids: np.ndarray | None = None) -> Samples:
    return Samples(numbered(len(contents)) if ids is None else ids, EncodedImages.of(contents), TRUTH[: len(contents)])


def plain() -> Samples:
    return filed([jpeg(picture) for picture in noise()])


def seen(samples: Samples, **official: Samples) -> Audit:
    return audit(Dataset(samples, official), TASK, SPLIT)


def verdicts(found: Audit) -> dict[str, str]:
    return {check.name: check.verdict for check in found.checks if check.verdict != "pass"}


def evidence(found: Audit, name: str) -> str:
    return next(check.evidence for check in found.checks if check.name == name)


def test_files_that_say_nothing_pass() -> None:
    assert verdicts(seen(plain())) == {}


def test_a_file_size_that_tells_the_class_fails() -> None:
    heavier = [jpeg(picture, padding=300 * label) for picture, label in zip(noise(), TRUTH.tolist(), strict=True)]
    found = seen(filed(heavier))
    assert verdicts(found) == {"file size leak": "fail"}
    assert "the file size predicts the target" in evidence(found, "file size leak")


def test_files_that_are_decoded_at_once_tell_their_size_too(tmp_path: Path) -> None:
    for row, (picture, label) in enumerate(zip(noise(), TRUTH.tolist(), strict=True)):
        write_bytes(tmp_path / TASK.classes[label] / f"{row:03d}.jpg", jpeg(picture, padding=300 * label).tobytes())
    found = audit(class_folders(tmp_path, TASK.classes), TASK, SPLIT)
    assert verdicts(found) == {"file size leak": "fail"}


def test_rows_in_the_order_of_their_classes_fail() -> None:
    order = np.argsort(TRUTH, kind="stable")
    assert verdicts(seen(Samples(numbered(ROWS), noise()[order], TRUTH[order]))) == {"order leak": "fail"}


def test_names_that_tell_the_class_fail() -> None:
    ids = np.array([f"{'uv'[label]}-{row}" for row, label in enumerate(TRUTH)])
    assert verdicts(seen(Samples(ids, noise(), TRUTH))) == {"name leak": "fail"}


def test_a_comment_and_a_time_that_go_with_the_class_fail() -> None:
    exif = [Image.Exif(), Image.Exif()]
    for label in (0, 1):
        exif[label][0x0132] = f"2024:01:0{1 + label} 10:00:00"
    written = [jpeg(p, comment=f"lot {k}", exif=exif[k]) for p, k in zip(noise(), TRUTH.tolist(), strict=True)]
    found = verdicts(seen(filed(written)))
    assert {name: found[name] for name in ("comment leak", "time leak")} == dict.fromkeys(
        found.keys() - {"file size leak"}, "fail"
    )


def test_a_signal_is_no_leak_and_warns_where_it_says_it_all() -> None:
    brighter = noise() // 2 + (100 * TRUTH)[:, None, None].astype(np.uint8)
    found = seen(Samples(numbered(ROWS), brighter, TRUTH))
    assert verdicts(found) == {"simple signals": "warn"}
    assert "mean grey" in evidence(found, "simple signals")


def test_an_order_that_the_inputs_tell_as_well_is_no_leak() -> None:
    """Later cars are weaker, and the year is a column."""
    table = np.zeros(200, [("year", "f8"), ("chance", "f8")])
    table["year"], table["chance"] = np.arange(200), np.random.default_rng(0).normal(size=200)
    strength = 300 - table["year"] + 10 * table["chance"]
    assert "order leak" not in verdicts(audit(Dataset(Samples(numbered(200), table, strength)), Regression("power")))


def test_a_leak_within_groups_alone_is_none() -> None:
    """Where groups come one after the other and have a label each, the order tells nothing of a new group."""
    groups = np.arange(ROWS) // 4
    truth = np.random.default_rng(3).integers(0, 2, groups.max() + 1).astype(np.uint8)[groups]
    assert "order leak" not in verdicts(seen(Samples(numbered(ROWS), noise(), truth, groups)))


# -- what a failure stops ----------------------------------------------------------------------------------------------


def sorted_rows() -> Competition:
    order = np.argsort(TRUTH, kind="stable")
    made = Dataset(Samples(numbered(ROWS), noise()[order], TRUTH[order]))
    return replace(RUNS["labels"](), name="sorted", task=TASK, split=SPLIT, load=lambda raw: made)


def test_a_failure_stops_before_anything_is_split_and_says_how_to_go_on() -> None:
    with pytest.raises(UserError, match=r'order leak: .* shuffle the rows .*ACCEPT="order leak" goes on despite it'):
        prepare(Request(sorted_rows()))
    assert not (paths.data("sorted") / "current.json").exists()


def test_accepted_by_its_name_it_is_said_and_no_more() -> None:
    lines: list[str] = []
    prepared = prepare(Request(sorted_rows(), accept=["order leak"], say=lines.append))
    assert len(prepared.train) + len(prepared.holdout) == ROWS
    assert any(line.startswith("audit, order leak: the order predicts the target") for line in lines)


def test_a_name_that_is_no_check_is_refused() -> None:
    with pytest.raises(UserError, match="ACCEPT=ordre names no check of the audit; there are shapes, labels"):
        prepare(Request(sorted_rows(), accept=["ordre"]))


# -- a label in words --------------------------------------------------------------------------------------------------


def test_a_test_picture_whose_comment_names_its_class_fails_and_is_named() -> None:
    pictures = noise(30, seed=7)
    test = filed([jpeg(picture, comment=("label=1" if row == 4 else "")) for row, picture in enumerate(pictures)])
    found = seen(plain(), test=replace(test, targets=None))
    assert verdicts(found) == {"labels in files": "fail"}
    assert "1 pictures name their class: test 4 says 'label=1'" in evidence(found, "labels in files")


def test_what_all_pictures_say_tells_nothing() -> None:
    assert verdicts(seen(filed([jpeg(picture, comment="an ant or a bee") for picture in noise()]))) == {}


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ("bee", {1}),
        ("Bee, asleep", {1}),
        ("beetle", set()),
        ("target: 0", {0}),
        ("class=ant", {0}),
        ("shot 1 of 2", set()),
        ("", set()),
    ],
)
def test_classes_are_read_in_whole_words(text: str, classes: set[int]) -> None:
    assert classes_in(text, ("ant", "bee")) == classes


def test_a_digit_is_no_name_unless_it_is_said_to_be_one() -> None:
    digits = tuple("0123456789")
    assert classes_in("made in 2019, page 7", digits) == set()
    assert classes_in("7", digits) == {7}


def test_exif_is_read_with_what_a_user_wrote() -> None:
    exif = Image.Exif()
    exif[0x010E] = "a bee"
    exif[0x9003] = "2020:02:02 02:02:02"
    assert text_and_time(jpeg(noise(1)[0], exif=exif).tobytes()) == ("a bee", "2020:02:02 02:02:02")


# -- shift -------------------------------------------------------------------------------------------------------------


def test_a_darker_test_set_is_a_warning_that_names_what_tells_it() -> None:
    test = Samples(numbered(60), noise(60, seed=5, bright=60))
    found = seen(Samples(numbered(ROWS), noise(), TRUTH), test=test)
    assert verdicts(found) == {"shift": "warn"}
    assert "the official test can be told" in evidence(found, "shift")
    assert "mean grey lower" in evidence(found, "shift")


def test_it_is_said_before_anything_is_trained() -> None:
    """`submit` begins with `prepare`, and prints what it says."""
    dark, lines = Samples(numbered(60), noise(60, seed=5, bright=60)), list[str]()
    made = Dataset(Samples(numbered(ROWS), noise(), TRUTH), {"test": dark})
    prepare(Request(replace(sorted_rows(), name="dark", load=lambda raw: made), say=lines.append))
    (told,) = (line for line in lines if line.startswith("audit, shift: the official test can be told"))
    assert "scores made here will not hold there" in told


def test_a_hold_out_of_another_kind_is_said_too() -> None:
    class Dark(Folds):
        def judged(self, samples: Samples, holdout: Holdout) -> np.ndarray:
            return np.asarray(samples.inputs).mean((1, 2)) < 80

    pictures = noise()
    pictures[::4] = noise(ROWS // 4, seed=5, bright=60)
    found = audit(Dataset(Samples(numbered(ROWS), pictures, TRUTH)), TASK, Dark(by=labels, folds=3))
    assert verdicts(found) == {"hold-out shift": "warn"}


def test_a_test_set_like_the_rest_passes_and_every_part_has_its_check() -> None:
    parts = {name: Samples(numbered(60), noise(60, seed=seed)) for seed, name in ((5, "a"), (6, "b"))}
    found = seen(Samples(numbered(ROWS), noise(), TRUTH), **parts)
    assert verdicts(found) == {}
    assert {"shift of a", "shift of b", "hold-out shift"} <= {check.name for check in found.checks}


def test_columns_of_a_table_tell_a_shift_too() -> None:
    table = np.zeros(300, [("weight", "f8"), ("colour", "U5")])
    table["weight"] = np.random.default_rng(0).normal(size=300)
    table["colour"] = np.where(np.arange(300) % 10 < np.where(np.arange(300) < 200, 1, 9), "red", "green")
    samples = Samples(numbered(200), table[:200], np.random.default_rng(1).normal(size=200))
    found = audit(Dataset(samples, {"test": Samples(numbered(100), table[200:])}), Regression("price"))
    assert verdicts(found) == {"shift": "warn"}
    assert "most telling: colour" in evidence(found, "shift")


# -- odd inputs, and the folds -----------------------------------------------------------------------------------------


def test_constant_torn_tiny_and_odd_pictures_are_named() -> None:
    contents = [jpeg(picture) for picture in noise()]
    contents[3] = jpeg(np.full((SIDE, SIDE), 90, np.uint8))
    contents[4] = jpeg(np.where(np.arange(SIDE)[:, None] < 20, noise(1, seed=9)[0], 128).astype(np.uint8))
    contents[5] = jpeg(noise(1, seed=9)[0][:8])
    contents[6] = jpeg(np.tile(noise(1, seed=8)[0], (1, 5)))
    found = seen(filed(contents))
    assert verdicts(found)["odd inputs"] == "warn"
    for told in ("1 constant: 3", "1 torn off: 4", "1 tiny: 5", "1 of an odd size: 6"):
        assert told in evidence(found, "odd inputs")


def test_a_picture_that_is_torn_off_fails_and_is_named() -> None:
    contents = [jpeg(picture) for picture in noise()]
    contents[3] = contents[3][:-20]
    found = seen(filed(contents))
    assert verdicts(found) == {"odd inputs": "fail"}
    assert "1 pictures are torn off or cannot be decoded: 3" in evidence(found, "odd inputs")


def test_a_constant_column_is_named() -> None:
    table = np.zeros(60, [("same", "f8"), ("other", "f8")])
    table["other"] = np.random.default_rng(0).normal(size=60)
    found = audit(Dataset(Samples(numbered(60), table, table["other"] ** 2)), Regression("square"))
    assert "1 constant columns: same" in evidence(found, "odd inputs")


def test_the_folds_are_a_table_that_keeps_what_the_judge_holds_to_itself() -> None:
    found = seen(Samples(numbered(ROWS), noise(), TRUTH))
    (folds,) = (check for check in found.checks if check.name == "folds")
    assert [row["part"] for row in folds.details] == ["hold-out", "fold 0", "fold 1", "fold 2"]
    assert sum(row["rows"] for row in folds.details) == ROWS
    assert set(folds.details[0]) == {"part", "rows", "height", "width"}
    assert sum(folds.details[1]["holds"].values()) == folds.details[1]["rows"]


def test_a_class_that_a_fold_lacks_is_a_warning() -> None:
    rows = [np.array([[k, 1, 1, 20, 20 + row % 9]], np.float32) for row, k in enumerate(TRUTH.tolist())]
    rows[0] = np.concatenate([rows[0], np.array([[2, 5, 5, 9, 9]], np.float32)])
    samples = replace(plain(), targets=Ragged.of(rows))
    split = replace(SPLIT, by=lambda boxes: (np.arange(len(boxes)) == -1).astype(int))
    found = audit(Dataset(samples), Detection(("ant", "bee", "cat")), split, Holdout(fraction=0.1))
    assert "cat is in no row of" in evidence(found, "folds")


def test_duplicates_that_a_split_cuts_fail() -> None:
    class Careless(Folds):
        def judged(self, samples: Samples, holdout: Holdout) -> np.ndarray:
            return np.arange(len(samples)) < 20

        def assign_folds(self, samples: Samples, count: int) -> np.ndarray:
            return np.arange(len(samples)) % count

    pictures = noise()
    pictures[1] = pictures[100]
    found = audit(Dataset(Samples(numbered(ROWS), pictures, TRUTH)), TASK, Careless(folds=3))
    assert verdicts(found)["duplicates"] == "fail"
    assert "the split cuts 1 of them: 1 = 100" in evidence(found, "duplicates")


def test_one_set_of_boxes_under_many_pictures_is_an_artefact() -> None:
    rows = [np.array([[0, 1, 1, 20, 12 + row]], np.float32) for row in range(40)]
    for row in (3, 7, 9):
        rows[row] = np.array([[0, 1, 1, 20, 20], [1, 4, 4, 9, 9]], np.float32)
    samples = filed([jpeg(picture) for picture in noise(40)])
    found = audit(Dataset(replace(samples, targets=Ragged.of(rows))), Detection(("ant", "bee")))
    assert sorted(found.exclusions) == ["3", "7", "9"]
