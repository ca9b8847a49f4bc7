"""Data larger than memory: on disk without a trace, and the same values, hashes, files and predictions as in memory."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from harness.audit import Audit, Check
from harness.data import large_arrays
from harness.data.columns import arrays_hash, read_column, write_column
from harness.data.formats import images_and_masks
from harness.data.images import EncodedImages, encode
from harness.data.large_arrays import Rows, chosen, joined, new_array
from harness.data.samples import Dataset, Ragged, Samples, numbered
from harness.data.splits import labels_in_masks
from harness.errors import UserError
from harness.files import short_hash
from harness.models import Context
from harness.models.sklearn import features
from harness.prepare import Prepared, write
from harness.tasks.classification import Classification
from harness.training.fold import predict_views
from tests.benchmarks.large_data import measure
from tests.support.tiny_data import tiny_dataset, tiny_declaration
from tests.support.tiny_networks import TASK, learner, tiles


@pytest.fixture
def small_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is larger than memory, and a few rows are handled at once."""
    monkeypatch.setattr(large_arrays, "IN_MEMORY", 0)
    monkeypatch.setattr(large_arrays, "AT_ONCE", 64)


def on_disk(array: np.ndarray) -> np.memmap:
    stored = new_array(array.shape, array.dtype)
    stored[...] = array
    assert isinstance(stored, np.memmap)
    return stored


NUMBERS = np.random.default_rng(0).integers(0, 256, (20, 4, 5, 3), np.uint8)


# -- arrays ------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_memory")
def test_a_large_array_is_a_file_that_nobody_sees(tmp_path: Path) -> None:
    array = new_array((1000, 50), np.uint16)
    assert array.sum() == 0
    array[999] = 7
    assert array[999].tolist() == [7] * 50
    assert list((tmp_path / "data").iterdir()) == []  # so nothing is left where the process is killed


def test_small_arrays_stay_in_memory(tmp_path: Path) -> None:
    assert type(new_array((10, 5), np.uint8)) is np.ndarray
    flat, offsets = joined([np.arange(3), np.arange(0), np.arange(2)], np.int64)
    assert (flat.tolist(), offsets.tolist()) == ([0, 1, 2, 0, 1], [0, 3, 3, 5])
    assert not (tmp_path / "data").exists()


@pytest.mark.usefixtures("small_memory")
def test_a_full_disk_is_said_before_anything_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10**6))
    with pytest.raises(UserError, match=r"0\.0 GB free, and this run needs about 3\.0 GB"):
        new_array((3, 10**9), np.uint8)


@pytest.mark.usefixtures("small_memory")
@pytest.mark.parametrize(
    "rows", [np.array([3, 1, 1]), np.arange(20) % 3 == 0, slice(2, 9), slice(None, None, -2), np.zeros(0, int)]
)
def test_rows_of_a_large_array_are_those_of_numpy(rows: np.ndarray | slice) -> None:
    stored = on_disk(NUMBERS)
    found, expected = chosen(stored, rows), NUMBERS[rows]
    assert (found.shape, found.dtype, found.ndim, len(found)) == (expected.shape, np.uint8, 4, len(expected))
    assert (np.asarray(found) == expected).all()
    assert all((row == other).all() for row, other in zip(found, expected, strict=True))
    if len(expected):
        assert (found[-1] == expected[-1]).all()
        assert (np.asarray(found[[0, -1]]) == expected[[0, -1]]).all()
        assert (np.asarray(found[1:]) == expected[1:]).all()


@pytest.mark.usefixtures("small_memory")
def test_samples_read_their_inputs_when_they_are_asked_for() -> None:
    samples = Samples(numbered(20), on_disk(NUMBERS), np.arange(20))
    odd = samples[np.arange(20) % 2 == 1]
    assert isinstance(odd.inputs, Rows)
    some = odd[np.array([4, 0])]
    assert some.ids.tolist() == ["9", "1"]
    assert (np.asarray(some.inputs) == NUMBERS[[9, 1]]).all()
    assert (features(some.inputs) == NUMBERS[[9, 1]].reshape(2, -1).astype(np.float32) / 255).all()


def test_rows_of_several_lengths_are_the_same_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [np.arange(k * 2).reshape(k, 2) for k in (2, 0, 3, 1)]
    ragged = Ragged.of(rows)
    assert np.shares_memory(ragged[1:3].flat, ragged.flat)
    for limit in (10**9, 0):
        monkeypatch.setattr(large_arrays, "IN_MEMORY", limit)
        for chosen_rows in (slice(1, 3), slice(2, 2), slice(None, None, 2), np.array([3, 0]), np.array([True] * 4)):
            found, expected = ragged[chosen_rows], [rows[k] for k in np.arange(4)[chosen_rows]]
            assert [row.tolist() for row in found] == [row.tolist() for row in expected]
            assert found.flat.shape[1:] == (2,)


@pytest.mark.usefixtures("small_memory")
def test_encoded_images_are_appended_to_a_file() -> None:
    pictures = [NUMBERS[k, :, : k + 1] for k in range(3)]
    images = EncodedImages(*joined((encode(picture) for picture in pictures), np.uint8))
    assert isinstance(images.flat, np.memmap)
    flipped = images.map(lambda image: image[:, ::-1])
    assert isinstance(flipped.flat, np.memmap)
    assert all((found == picture[:, ::-1]).all() for found, picture in zip(flipped, pictures, strict=True))


# -- hashes and files --------------------------------------------------------------------------------------------------


COLUMNS: dict[str, Callable[[], np.ndarray]] = {
    "numbers": lambda: NUMBERS,
    "turned": lambda: NUMBERS[:, :, ::-1],
    "text": lambda: np.array(["a", "bcd"] * 50),
    "table": lambda: np.zeros(30, [("x", "f8"), ("y", "U7")]),
    "none": lambda: NUMBERS[:0],
}


@pytest.mark.usefixtures("small_memory")
@pytest.mark.parametrize("kind", COLUMNS)
def test_a_column_is_hashed_and_written_piece_by_piece_as_at_once(kind: str, tmp_path: Path) -> None:
    array = COLUMNS[kind]()
    header = f"{array.dtype.descr if array.dtype.names else array.dtype.str}{array.shape}"
    assert arrays_hash(array) == short_hash(header, array.tobytes())
    write_column(tmp_path, "inputs", array)
    np.save(tmp_path / "expected.npy", np.ascontiguousarray(array))
    assert (tmp_path / "inputs.npy").read_bytes() == (tmp_path / "expected.npy").read_bytes()


@pytest.mark.usefixtures("small_memory")
def test_rows_are_hashed_and_written_as_a_copy_of_them(tmp_path: Path) -> None:
    rows = np.array([7, 2, 19])
    selected = chosen(on_disk(NUMBERS), rows)
    assert arrays_hash(selected) == arrays_hash(NUMBERS[rows])
    write_column(tmp_path, "inputs", selected)
    assert (read_column(tmp_path, "inputs", "") == NUMBERS[rows]).all()


def prepared(dataset: Dataset) -> Prepared:
    return write(
        tiny_declaration(), dataset, Audit([Check("shapes", "pass", "")], {}, dataset.labelled.groups), "files"
    )


def files_of(prepared: Prepared) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(prepared.folder.rglob("*.npy"))}


def test_data_larger_than_memory_are_prepared_as_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    expected = prepared(tiny_dataset())
    of_expected = files_of(expected)
    monkeypatch.setattr(large_arrays, "IN_MEMORY", 0)
    monkeypatch.setattr(large_arrays, "AT_ONCE", 1000)
    dataset = tiny_dataset()
    labelled = replace(
        dataset.labelled, inputs=on_disk(dataset.labelled.inputs), targets=on_disk(dataset.labelled.targets)
    )
    (tmp_path / "data" / "tiny" / expected.data_hash).rename(tmp_path / "moved")
    found = prepared(replace(dataset, labelled=labelled))
    assert found.data_hash == expected.data_hash
    assert files_of(found) == of_expected
    some = found.train[np.arange(len(found.train)) % 2 == 0]
    assert isinstance(some.inputs, Rows)


def test_masks_are_read_one_by_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
        for k in range(5):
            np.save(tmp_path / folder / f"{k}.npy", NUMBERS[k, ..., 0] // (1 if folder == "images" else 200))
    expected = images_and_masks(tmp_path / "images", tmp_path / "masks").labelled
    monkeypatch.setattr(large_arrays, "IN_MEMORY", 0)
    monkeypatch.setattr(large_arrays, "AT_ONCE", 20)
    found = images_and_masks(tmp_path / "images", tmp_path / "masks").labelled
    assert isinstance(found.targets, np.memmap) and isinstance(found.inputs, np.memmap)
    assert (found.targets == expected.targets).all() and (found.inputs == expected.inputs).all()
    assert (labels_in_masks(found.targets) == [[0 in mask, 1 in mask] for mask in expected.targets]).all()


# -- training ----------------------------------------------------------------------------------------------------------


def test_a_network_learns_and_predicts_the_same_from_the_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    train, rows = tiles(), np.array([3, 1, 4, 9, 2, 6])
    expected = learner.fit(train[rows], None, Context(TASK, tmp_path / "memory"))
    monkeypatch.setattr(large_arrays, "IN_MEMORY", 0)
    selected = replace(train, inputs=on_disk(train.inputs))[rows]
    assert isinstance(selected.inputs, Rows)
    fitted = learner.fit(selected, None, Context(TASK, tmp_path / "disk"))
    assert fitted.predict(selected.inputs).tobytes() == expected.predict(train.inputs[rows]).tobytes()


def test_views_of_rows_on_disk_are_predicted_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each image's prediction is its left upper pixel; 600 rows are three times as many as are taken at once."""
    monkeypatch.setattr(large_arrays, "IN_MEMORY", 10**4)
    task = Classification(("a", "b"))
    inputs = np.random.default_rng(0).integers(0, 256, (600, 4, 5), np.uint8)
    fitted = SimpleNamespace(predict=lambda images: np.stack([images[:, 0, 0], 255 - images[:, 0, 0]], 1) / 255)
    competition = SimpleNamespace(task=task, tta=("hflip",))
    stored = chosen(on_disk(inputs), np.arange(600))
    assert isinstance(stored, Rows)
    found, expected = (predict_views(competition, fitted, images) for images in (stored, inputs))
    assert (found.plain == expected.plain).all()
    assert np.allclose(found.tta, expected.tta)
    assert not np.allclose(found.tta, found.plain)


@pytest.mark.soak
@pytest.mark.parametrize(("gigabytes", "masks"), [(3.0, False), (1.0, True)])
def test_images_larger_than_memory_need_less_than_a_gigabyte(gigabytes: float, masks: bool) -> None:
    """With pages of files, which the kernel takes back, not counted; in memory, one gigabyte of images needed 3.4."""
    found = measure(gigabytes, limit=2.0, masks=masks)
    assert found["prepare"]["gigabytes"] < 1
    assert found["epoch"]["seconds"] < 2 * found["loader"]["seconds"]
