"""Faults planted in real data are found, and the data as they are raise no alarm."""

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness.audit import Audit, audit
from harness.audit.checks import label_matrix
from harness.competition import find
from harness.data.images import EncodedImages
from harness.data.samples import Dataset, Samples
from harness.report.label_issues import label_issues
from tests.support.audited import evidence, problems, under_motifs
from tests.support.tiny_data import REAL_SETS, SHARED

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


def audited(name: str, dataset: Dataset) -> Audit:
    declared = find(name)
    return audit(dataset, declared.task, declared.split, declared.holdout)


@pytest.mark.parametrize(("name", "folder"), REAL_SETS)
def test_real_data_as_they_are_raise_no_alarm(name: str, folder: str) -> None:
    found = audited(name, read(name, folder, None))
    assert "fail" not in problems(found).values(), problems(found)
    assert found.exclusions == {}


def test_forty_duplicates_are_grouped_and_so_on_one_side() -> None:
    dataset = read("blood", "bloodcells96")
    samples, rows = dataset.labelled, np.random.default_rng(1).permutation(len(dataset.labelled))[:80]
    originals, copies = rows[:40], rows[40:]
    samples.inputs[copies] = (samples.inputs[originals] * 0.95 + 5).astype(np.uint8)
    samples.inputs[copies[:20]] = samples.inputs[originals[:20]]
    samples.targets[copies] = samples.targets[originals]
    found = audited("blood", dataset)
    assert (found.groups[originals] == found.groups[copies]).all()
    assert "duplicates" not in problems(found)


def test_thirty_aliens_under_one_mask_are_exactly_those_excluded() -> None:
    dataset = read("mars", "mars", None)
    masks, planted = dataset.labelled.targets.copy(), np.random.default_rng(1).permutation(2615)[:30]
    masks[planted] = 2
    masks[planted, 20:44, 50:70] = 4
    found = audited("mars", replace(dataset, labelled=replace(dataset.labelled, targets=masks)))
    assert sorted(found.exclusions) == sorted(dataset.labelled.ids[planted].tolist())
    assert problems(found) == {"shared masks": "warn"}


@pytest.mark.parametrize("folder", ["bloodcells28", "bloodcells96"])
def test_copies_of_real_cells_make_small_groups(folder: str) -> None:
    found = audited("blood", read("blood", folder, None))
    assert np.unique(found.groups, return_counts=True)[1].max() <= 3


def test_motifs_over_copies_of_real_cells_are_found_and_no_cell_with_them() -> None:
    declared, cells = find("blood"), read("blood", "bloodcells96", None).labelled
    samples, planted = under_motifs(cells, each=75, classes=len(declared.task.classes))  # 13 %, as in the course
    found = set(audit(Dataset(samples), declared.task).exclusions)
    assert found <= set(planted.astype(str))
    assert len(found) >= 0.95 * len(planted)


# -- leaks -------------------------------------------------------------------------------------------------------------


def stored(files: list[bytes]) -> EncodedImages:
    return EncodedImages.of([np.frombuffer(file, np.uint8) for file in files])


def encoded(image: np.ndarray, quality: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return file.getvalue()


def test_a_file_size_that_counts_the_platelets_fails() -> None:
    dataset = read("bccd", "bccd")
    platelets = label_matrix(find("bccd").task, dataset.labelled.targets)[:, 2].astype(int)
    files = [dataset.labelled.inputs.encoded(row) + bytes(8000 * count) for row, count in enumerate(platelets.tolist())]
    found = problems(audited("bccd", replace(dataset, labelled=replace(dataset.labelled, inputs=stored(files)))))
    assert found["file size leak"] == "fail"


@pytest.mark.parametrize("step", [0, 1], ids=["one quality", "a quality a class"])
def test_files_whose_quality_goes_with_the_class_fail_and_honest_ones_do_not(step: int) -> None:
    """Also the size of honest files says something of the class."""
    labelled = read("blood", "bloodcells28").labelled
    qualities = 80 + step * labelled.targets.astype(int)
    files = [encoded(image, quality) for image, quality in zip(labelled.inputs, qualities.tolist(), strict=True)]
    found = problems(audited("blood", Dataset(replace(labelled, inputs=stored(files)))))
    assert (found.get("file size leak") == "fail") == bool(step)
    assert step or "fail" not in found.values()


def test_a_test_picture_with_its_label_in_a_jpeg_comment_fails_and_is_named() -> None:
    dataset = read("bccd", "bccd")
    test, note = dataset.official["test"], b"label=WBC"
    files = [test.inputs.encoded(row) for row in range(len(test))]
    files[7] = files[7][:2] + b"\xff\xfe" + (len(note) + 2).to_bytes(2, "big") + note + files[7][2:]
    found = audited("bccd", replace(dataset, official={"test": replace(test, inputs=stored(files))}))
    assert problems(found)["labels in files"] == "fail"
    assert evidence(found, "labels in files") == f"1 pictures name their class: test {test.ids[7]} says 'label=WBC'"


def test_rows_sorted_by_their_class_fail() -> None:
    labelled = read("digits", "mnist").labelled
    order = np.argsort(labelled.targets, kind="stable")
    sorted_ = Samples(np.arange(ROWS).astype(str), labelled.inputs[order], labelled.targets[order])
    assert problems(audited("digits", Dataset(sorted_)))["order leak"] == "fail"


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
    assert problems(audited(name, replace(dataset, official=other)))["shift"] == "warn"


# -- flipped labels ----------------------------------------------------------------------------------------------------


def out_of_fold(images: np.ndarray, given: np.ndarray) -> np.ndarray:
    """(n, classes) probabilities of a small model for rows that it did not see."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.decomposition import PCA
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import SVC

    model = make_pipeline(PCA(40, random_state=0), CalibratedClassifierCV(SVC(C=5), ensemble=False))
    return cross_val_predict(model, images.reshape(len(images), -1) / 255.0, given, cv=5, method="predict_proba")


def test_most_of_sixty_flipped_labels_are_in_the_first_tenth_of_the_label_issues() -> None:
    labelled, task, rng = read("digits", "mnist").labelled, find("digits").task, np.random.default_rng(2)
    flipped = rng.permutation(ROWS)[:60]
    given = labelled.targets.copy()
    given[flipped] = (given[flipped] + rng.integers(1, len(task.classes), 60)) % len(task.classes)
    ranking = label_issues(task, replace(labelled, targets=given), out_of_fold(labelled.inputs, given))
    found = np.isin([issue.row for issue in ranking[:150]], flipped).sum()
    assert found >= 48
