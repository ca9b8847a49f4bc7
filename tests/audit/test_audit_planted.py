"""Faults planted in real data are found, and the data as they are raise no alarm."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness.audit import Audit, audit
from harness.competition import find
from harness.data.images import EncodedImages
from harness.data.samples import Dataset, Samples
from harness.options import Request
from harness.prepare import prepare
from harness.report.label_quality import suspects
from tests.conftest import REAL_SETS, SHARED

pytestmark = pytest.mark.real

ROWS = 1500


def read(name: str, folder: str, rows: int | None = ROWS) -> Dataset:
    """Random labelled rows, and of every part of the official test."""
    raw = SHARED / "data" / folder
    if not raw.is_dir():
        pytest.skip(f"no real data at {raw}")
    whole = find(name).load(raw)

    def some(samples: Samples) -> Samples:
        return samples[np.sort(np.random.default_rng(0).permutation(len(samples))[:rows])]

    return Dataset(some(whole.labelled), {part: some(samples) for part, samples in whole.official.items()})


def seen(name: str, dataset: Dataset) -> Audit:
    declared = find(name)
    return audit(dataset, declared.task, declared.split, declared.holdout)


def verdicts(found: Audit) -> dict[str, str]:
    return {check.name: check.verdict for check in found.checks if check.verdict != "pass"}


def evidence(found: Audit, name: str) -> str:
    return next(check.evidence for check in found.checks if check.name == name)


@pytest.mark.parametrize(("name", "folder"), REAL_SETS)
def test_real_data_as_they_are_raise_no_alarm(name: str, folder: str) -> None:
    found = seen(name, read(name, folder, None))
    assert "fail" not in verdicts(found).values(), verdicts(found)
    assert found.exclusions == {}


def test_forty_duplicates_are_grouped_and_so_on_one_side() -> None:
    dataset = read("blood", "bloodcells96")
    samples, rows = dataset.labelled, np.random.default_rng(1).permutation(len(dataset.labelled))[:80]
    originals, copies = rows[:40], rows[40:]
    samples.inputs[copies] = (samples.inputs[originals] * 0.95 + 5).astype(np.uint8)
    samples.inputs[copies[:20]] = samples.inputs[originals[:20]]
    samples.targets[copies] = samples.targets[originals]
    found = seen("blood", dataset)
    assert (found.groups[originals] == found.groups[copies]).all()
    assert "duplicates" not in verdicts(found)


def test_thirty_aliens_under_one_mask_are_exactly_those_excluded() -> None:
    dataset = read("mars", "mars", None)
    masks, planted = dataset.labelled.targets.copy(), np.random.default_rng(1).permutation(2615)[:30]
    masks[planted] = 2
    masks[planted, 20:44, 50:70] = 4
    found = seen("mars", replace(dataset, labelled=replace(dataset.labelled, targets=masks)))
    assert sorted(found.exclusions) == sorted(dataset.labelled.ids[planted].tolist())
    assert verdicts(found) == {"shared masks": "warn"}


# -- leaks -------------------------------------------------------------------------------------------------------------


def padded(pictures: EncodedImages, padding: np.ndarray) -> EncodedImages:
    """Files that are some bytes longer: no decoder minds."""
    zero = [np.zeros(count, np.uint8) for count in padding.tolist()]
    rows = [np.frombuffer(pictures.encoded(row), np.uint8) for row in range(len(pictures))]
    return EncodedImages.of([np.concatenate(pair) for pair in zip(rows, zero, strict=True)])


def encoded(images: np.ndarray, **options: Any) -> EncodedImages:
    files = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", **options)
        files.append(np.frombuffer(file.getvalue(), np.uint8))
    return EncodedImages.of(files)


def test_a_file_size_that_counts_the_platelets_fails() -> None:
    dataset = read("bccd", "bccd")
    platelets = find("bccd").task.account.facets(dataset.labelled.targets)[:, 2].astype(int)
    labelled = replace(dataset.labelled, inputs=padded(dataset.labelled.inputs, 8000 * platelets))
    found = verdicts(seen("bccd", replace(dataset, labelled=labelled)))
    assert found["file size leak"] == "fail"


def test_the_size_of_honest_files_is_no_leak_though_it_says_something_of_the_class() -> None:
    labelled = read("blood", "bloodcells28").labelled
    found = seen("blood", Dataset(replace(labelled, inputs=encoded(labelled.inputs, quality=90))))
    assert "fail" not in verdicts(found).values(), evidence(found, "file size leak")


def test_files_whose_quality_goes_with_the_class_fail() -> None:
    labelled = read("blood", "bloodcells28").labelled
    files = [encoded(labelled.inputs[row : row + 1], quality=80 + int(labelled.targets[row])) for row in range(ROWS)]
    inputs = EncodedImages.of([np.frombuffer(file.encoded(0), np.uint8) for file in files])
    found = seen("blood", Dataset(replace(labelled, inputs=inputs)))
    assert verdicts(found)["file size leak"] == "fail"


def test_a_test_picture_with_its_label_in_a_jpeg_comment_fails_and_is_named() -> None:
    dataset = read("bccd", "bccd")
    test = dataset.official["test"]
    rows = [test.inputs.encoded(row) for row in range(len(test))]
    note = b"label=WBC"
    rows[7] = rows[7][:2] + b"\xff\xfe" + (len(note) + 2).to_bytes(2, "big") + note + rows[7][2:]
    leaking = replace(test, inputs=EncodedImages.of([np.frombuffer(row, np.uint8) for row in rows]))
    found = seen("bccd", replace(dataset, official={"test": leaking}))
    assert verdicts(found)["labels in files"] == "fail"
    assert evidence(found, "labels in files") == f"1 pictures name their class: test {test.ids[7]} says 'label=WBC'"


def test_rows_sorted_by_their_class_fail() -> None:
    labelled = read("digits", "mnist").labelled
    order = np.argsort(labelled.targets, kind="stable")
    sorted_ = Samples(np.arange(ROWS).astype(str), labelled.inputs[order], labelled.targets[order])
    assert verdicts(seen("digits", Dataset(sorted_)))["order leak"] == "fail"


# -- shift -------------------------------------------------------------------------------------------------------------


def darker(images: np.ndarray) -> np.ndarray:
    return (255 * (images / 255.0) ** 1.3).astype(np.uint8)


def off_centre(images: np.ndarray) -> np.ndarray:
    return np.roll(images, 3, axis=2)


@pytest.mark.parametrize(
    ("name", "folder", "change"),
    [("blood", "bloodcells28", darker), ("mars", "mars", darker), ("digits", "mnist", off_centre)],
)
def test_a_test_set_of_another_camera_is_said(name: str, folder: str, change: Any) -> None:
    dataset = read(name, folder)
    other = {part: replace(samples, inputs=change(samples.inputs)) for part, samples in dataset.official.items()}
    assert verdicts(seen(name, replace(dataset, official=other)))["shift"] == "warn"


def test_a_shifted_test_is_said_before_anything_is_trained(tmp_path: Path) -> None:
    """`submit` begins with `prepare`, and prints what it says."""
    dataset, lines = read("blood", "bloodcells28"), list[str]()
    bright = replace(dataset.official["test"], inputs=255 - (255 - dataset.official["test"].inputs) // 2)
    shifted = replace(dataset, official={"test": bright})
    declared = replace(find("blood"), load=lambda raw: shifted)
    prepare(Request(declared, data=SHARED / "data" / "bloodcells28", say=lines.append))
    (told,) = (line for line in lines if line.startswith("audit, shift:"))
    assert "scores made here will not hold there" in told


# -- flipped labels ----------------------------------------------------------------------------------------------------


def tones(images: np.ndarray) -> np.ndarray:
    """(n, 48) roots of the shares of 16 tones in every colour."""
    shares = [(images // 16 == tone).mean((1, 2)) for tone in range(16)]
    return np.sqrt(np.concatenate(shares, axis=1))


def described(images: np.ndarray) -> np.ndarray:
    """Of coloured pictures, pixels of half the size, and the tones of all and of the middle."""
    pixels = images.reshape(len(images), -1) / 255.0
    if images.ndim == 3:
        return pixels
    coarse = images.reshape(-1, 14, 2, 14, 2, 3).mean((2, 4)).reshape(len(images), -1) / 255.0
    return np.concatenate([coarse, tones(images), tones(images[:, 8:20, 8:20])], axis=1)


def out_of_fold(images: np.ndarray, given: np.ndarray) -> np.ndarray:
    """(n, classes) probabilities of a small model for rows that it did not see."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.decomposition import PCA
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import SVC

    model = make_pipeline(PCA(40, random_state=0), CalibratedClassifierCV(SVC(C=5), ensemble=False))
    return cross_val_predict(model, described(images), given, cv=5, method="predict_proba")


@pytest.mark.parametrize(("name", "folder"), [("blood", "bloodcells28"), ("digits", "mnist")])
def test_most_of_sixty_flipped_labels_are_in_the_first_tenth_of_the_queue(name: str, folder: str) -> None:
    labelled, task, rng = read(name, folder).labelled, find(name).task, np.random.default_rng(2)
    flipped = rng.permutation(ROWS)[:60]
    given = labelled.targets.copy()
    given[flipped] = (given[flipped] + rng.integers(1, len(task.classes), 60)) % len(task.classes)
    queue = suspects(task, replace(labelled, targets=given), out_of_fold(labelled.inputs, given))
    found = np.isin([suspect.row for suspect in queue[:150]], flipped).sum()
    assert found >= 48
