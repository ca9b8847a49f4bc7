"""Rows of several images: read, stored and audited as rows, seen image by image, predicted as the mean."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.audit import audit
from harness.data.columns import arrays_hash, read_column, write_column
from harness.data.formats import images_and_csv, rows_named
from harness.data.formats.new_inputs import inputs_like
from harness.data.images import EncodedImages
from harness.data.samples import Bags, Dataset, Joined, Ragged, Samples, numbered
from harness.errors import UserError
from harness.models import Context, Learner, TrainingCost
from harness.tasks.classification import Classification
from harness.tasks.segmentation import Segmentation
from harness.training.whole_rows import RowLearner
from tests.support.audited import SIDE, TRUTH, evidence, jpeg, noise, problems

TASK = Classification(("no", "yes"))
TRAIN = ("pic,who,age,y", "c,two,8,1", "a,one,7,0", "d,two,8,1", "e,two,8,1", "b,three,9,")


def bags(*lengths: int, seed: int = 0) -> Bags:
    return Bags(noise(sum(lengths), seed), np.cumsum([0, *lengths]))


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Pictures a to e of 10 to 50 grey, the last one larger, and p to r of 60 to 80 of the test."""
    for folder, names, first in (("train", "abcde", 10), ("test", "pqr", 60)):
        (tmp_path / folder).mkdir()
        for k, name in enumerate(names):
            size = (6, 4) if name == "e" else (3, 2)
            Image.new("L", size, first + 10 * k).save(tmp_path / folder / f"{name}.png")
    (tmp_path / "train.csv").write_text("\n".join(TRAIN))
    (tmp_path / "test.csv").write_text("pic,who,age\nr,five,1\np,four,2\nq,five,1\n")
    return tmp_path


def read(raw: Path, **options: object) -> Dataset:
    named = {"id": "pic", "target": "y", "classes": ("0", "1"), "row": "who", "test_table": raw / "test.csv"}
    return images_and_csv(raw / "train", raw / "train.csv", **{**named, "test": raw / "test", **options})


# -- files -------------------------------------------------------------------------------------------------------------


def test_the_images_of_a_row_are_one_sample_whatever_their_number_and_size(raw: Path) -> None:
    dataset = read(raw)
    labelled, test, rest = dataset.labelled, dataset.official["test"], dataset.official["unlabelled"]
    assert labelled.ids.tolist() == ["two", "one"] and labelled.targets.tolist() == [1, 0]
    assert isinstance(labelled.inputs.flat, EncodedImages) and np.diff(labelled.inputs.offsets).tolist() == [3, 1]
    assert [int(image[0, 0, 0]) for image in labelled.inputs[0]] == [30, 40, 50]
    assert rest.ids.tolist() == ["three"] and [image.shape for image in rest.inputs[0]] == [(2, 3, 3)]
    assert test.ids.tolist() == ["five", "four"] and [int(image[0, 0, 0]) for image in test.inputs[0]] == [80, 70]
    asked = rows_named(raw / "test.csv", "pic", "who", raw / "test")
    small = read(raw, size=(2, 3), test={"four": asked["four"]}, test_table=None)
    assert small.labelled.inputs.flat[:, 0, 0].tolist() == [30, 40, 50, 10]
    assert small.official["test"].inputs[0].tolist() == [[[60] * 3] * 2]


def test_a_few_images_are_seen_at_once_where_that_is_declared(raw: Path) -> None:
    inputs = read(raw, size=(2, 3), together=2).labelled.inputs
    assert inputs[:, :, 0].tolist() == [[30, 30, 40, 40], [10, 10, 10, 10]]


def test_rows_of_images_have_columns_of_a_table_too(raw: Path) -> None:
    dataset = read(raw, size=(2, 3), columns=True)
    assert dataset.labelled.inputs["age"].tolist() == [8, 7] and dataset.official["test"].inputs["age"].tolist() == [
        1,
        2,
    ]
    images, row = dataset.labelled.inputs[0]
    assert images[:, 0, 0].tolist() == [30, 40, 50] and row.tolist() == (8,)
    new = inputs_like(raw / "test", dataset.labelled.inputs, dataset.labelled.reading)
    assert new.ids.tolist() == ["five", "four"] and new.inputs["age"].tolist() == [1, 2]
    assert new.inputs.images.flat[:, 0, 0].tolist() == [80, 70, 60]
    (raw / "train.csv").write_text("\n".join(TRAIN).replace("d,two,8", "d,two,9"))
    with pytest.raises(UserError, match=r"train\.csv, line 4, column age: '9' is '8' for another image of two"):
        read(raw, columns=True)


def test_images_of_a_row_with_two_targets_are_refused(raw: Path) -> None:
    (raw / "train.csv").write_text("\n".join(TRAIN).replace("d,two,8,1", "d,two,8,0"))
    with pytest.raises(UserError, match=r"line 4, column who: 'two' has images with different targets"):
        read(raw)


def test_new_rows_are_those_of_a_table_and_without_one_every_image_is_a_row(raw: Path) -> None:
    labelled = read(raw, size=(2, 3)).labelled
    new = inputs_like(raw / "test", labelled.inputs, labelled.reading)
    assert new.ids.tolist() == ["five", "four"] and np.diff(new.inputs.offsets).tolist() == [2, 1]
    (raw / "test.csv").unlink()
    new = inputs_like(raw / "test", labelled.inputs, labelled.reading)
    assert new.ids.tolist() == ["p", "q", "r"] and np.diff(new.inputs.offsets).tolist() == [1, 1, 1]


@pytest.mark.parametrize("encoded", [False, True])
@pytest.mark.parametrize("beside", [False, True])
def test_rows_are_on_disk_what_they_were(encoded: bool, beside: bool, tmp_path: Path) -> None:
    rows = bags(2, 1, 3)
    if encoded:
        rows = Bags(EncodedImages.of([jpeg(picture) for picture in rows.flat]), rows.offsets)
    inputs = Joined(rows, np.array([(1.0,), (2.0,), (3.0,)], [("age", float)])) if beside else rows
    write_column(tmp_path, "inputs", inputs)
    again = read_column(tmp_path, "inputs", "")
    assert type(again) is type(inputs) and arrays_hash(again) == arrays_hash(inputs) != arrays_hash(inputs[[1, 0, 2]])
    chosen = again[np.array([False, True, True])]
    images = chosen.images if beside else chosen
    assert np.diff(images.offsets).tolist() == [1, 3]
    np.testing.assert_array_equal(np.stack(list(images.flat)), np.stack(list(rows.flat[2:])))


# -- models ------------------------------------------------------------------------------------------------------------


class Bright(Learner):
    """Predicts how bright an image is, as the second class's probability; remembers what it was given."""

    def fit(self, train: Samples, valid: Samples | None, context: Context) -> "Bright":
        object.__setattr__(self, "given", (train, valid))
        context.look(0.5, self.predict)
        return self

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        share = inputs.mean((1, 2)) / 100
        return np.stack([1 - share, share], 1).astype(np.float16)

    def cost(self, train: Samples, context: Context) -> TrainingCost:
        return TrainingCost(1, len(train), 0.5)


def flat(*greys: int) -> np.ndarray:
    return np.array(greys, np.uint8)[:, None, None].repeat(4, 1).repeat(4, 2)


def test_a_model_sees_every_image_and_a_row_is_the_mean_of_its_own(tmp_path: Path) -> None:
    rows = Bags(flat(10, 20, 60, 50, 0, 100), np.array([0, 3, 4, 6]))
    samples = Samples(np.array(["a", "b", "c"]), rows, np.array([1, 0, 1]), np.array([7, 8, 8]))
    learner, looks = Bright(), list[np.ndarray]()
    context = Context(TASK, tmp_path, look=lambda _, predict: looks.append(predict(rows[:2])))
    fitted = RowLearner(learner).fit(samples, samples[1:2], context)
    train, valid = learner.given
    assert (train.ids.tolist(), train.targets.tolist()) == (list("aaabcc"), [1, 1, 1, 0, 1, 1])
    assert train.groups.tolist() == [7, 7, 7, 8, 8, 8] and valid.inputs.tolist() == flat(50).tolist()
    np.testing.assert_allclose(fitted.predict(rows)[:, 1], [0.3, 0.5, 0.5], atol=1e-3)
    np.testing.assert_allclose(looks[0][:, 1], [0.3, 0.5], atol=1e-3)
    assert len(fitted.predict(rows[:0])) == 0
    assert RowLearner(learner).cost(samples, context) == TrainingCost(1, 6, 1.0)  # two images a row
    view = TASK.views["hflip"].apply(rows)
    np.testing.assert_array_equal(view.flat, rows.flat[:, :, ::-1])


@pytest.mark.parametrize("shape", [(), (3,)])
def test_numbers_and_several_values_a_row_are_averaged_too(shape: tuple[int, ...]) -> None:
    values = np.arange(6 * 3).reshape(6, 3)[:, : 3 if shape else 1].reshape(6, *shape)
    means = Bags(np.zeros(6), np.array([0, 1, 4, 6])).means(values)
    expected = [values[:1].mean(0), values[1:4].mean(0), values[4:].mean(0)]
    np.testing.assert_array_equal(means, np.array(expected, np.float32))


# -- the audit ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("copy", ["exact", "near", "small"])
def test_an_image_in_two_rows_makes_them_one_group(copy: str) -> None:
    rows = bags(*[1, 2, 3] * 20)
    assert problems(audit(Dataset(Samples(numbered(60), rows, TRUTH[:60])), TASK)) == {}
    rows.flat[rows.offsets[9] - 1] = rows.flat[4] + np.uint8(9 * (copy == "near"))  # of rows 8 and 2
    rows = Bags(rows.flat[:, ::2, ::2], rows.offsets) if copy == "small" else rows
    found = audit(Dataset(Samples(numbered(60), rows, TRUTH[:60])), TASK)
    assert found.groups.tolist() == [2 if row == 8 else row for row in range(60)]
    test = Samples(np.array(["x", "y"]), Bags(rows.flat[[0, 1, 7]], np.array([0, 2, 3])))
    with_test = audit(Dataset(Samples(numbered(60), rows, TRUTH[:60]), {"test": test}), TASK)
    assert "1 = test x, 4 = test y" in evidence(with_test, "test duplicates")


def test_what_is_wrong_with_one_image_is_said_of_its_row() -> None:
    rows = bags(*[2] * 20)
    rows.flat[7] = 0
    found = audit(Dataset(Samples(numbered(20), rows, TRUTH[:20])), TASK)
    assert problems(found) == {"odd inputs": "warn"} and "1 constant: 3" in evidence(found, "odd inputs")
    assert "several images each, uint8 32x32" in evidence(found, "shapes")


def test_masks_boxes_and_rows_without_images_are_refused() -> None:
    rows, masks = bags(2, 1), np.ones((2, SIDE, SIDE), np.uint8)
    found = audit(Dataset(Samples(numbered(2), rows, masks)), Segmentation(("void", "soil"), (SIDE, SIDE), void=0))
    assert "one image each" in evidence(found, "labels")
    empty = Samples(numbered(3), Bags(rows.flat, np.array([0, 2, 2, 3])), np.array([0, 1, 0]))
    found = audit(Dataset(empty), TASK)
    assert problems(found) == {"shapes": "fail"} and "1 has no image" in evidence(found, "shapes")
    assert isinstance(rows, Ragged)
