"""Rows of an image and columns of a table: read from files, on disk, in the audit, and for each kind of model."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.audit import audit
from harness.data.columns import arrays_hash, read_column, write_column
from harness.data.formats import images_and_csv
from harness.data.formats.new_inputs import inputs_like
from harness.data.images import EncodedImages
from harness.data.samples import Dataset, Joined, Samples, numbered
from harness.errors import UserError
from harness.models import Context
from harness.models.losses import cross_entropy
from harness.models.sklearn import Sklearn
from harness.models.smp import Network
from harness.models.tabular import linear_labels, trees_labels
from harness.tasks.cells import Label
from harness.tasks.classification import Classification
from harness.tasks.layout import Layout
from harness.training.whole_rows import RowLearner
from tests.support.audited import ROWS, TRUTH, evidence, jpeg, noise, problems
from tests.support.tiny_networks import pooled

TASK = Classification(("no", "yes"))
TRAIN = ("pic,age,sex,place,site,y", "c,7,m,x,1,1", "a,,f,y,1,0", "b,9,m,z,2,", "d,3,f,y,3,1")
TEST = ("pic,sex,age,site", "q,f,4,9", "p,m,5,9")


def joined(images: np.ndarray, **columns: np.ndarray) -> Joined:
    table = np.empty(len(images), [(name, column.dtype) for name, column in columns.items()])
    for name, column in columns.items():
        table[name] = column
    return Joined(images, table)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Train pictures a to d of 10, 20, 30 and 40 grey, test pictures p and q of 50 and 60, and their tables."""
    for folder, names, first in (("train", "abcd", 10), ("test", "pq", 50)):
        (tmp_path / folder).mkdir()
        for k, name in enumerate(names):
            Image.new("L", (3, 2), first + 10 * k).save(tmp_path / folder / f"{name}.png")
    (tmp_path / "train.csv").write_text("\n".join(TRAIN))
    (tmp_path / "test.csv").write_text("\n".join(TEST))
    return tmp_path


def read(raw: Path, **options: object) -> Dataset:
    named = {"id": "pic", "target": "y", "classes": ("0", "1"), "test": raw / "test", "test_table": raw / "test.csv"}
    return images_and_csv(raw / "train", raw / "train.csv", **{**named, **options})


def refused(pattern: str, raw: Path, **options: object) -> None:
    with pytest.raises(UserError, match=pattern):
        read(raw, **options)


# -- files -------------------------------------------------------------------------------------------------------------


def test_every_image_has_the_columns_of_its_own_line(raw: Path, caplog: pytest.LogCaptureFixture) -> None:
    dataset = read(raw, columns=True, group="site")
    labelled, (unlabelled, test) = dataset.labelled, (dataset.official[part] for part in ("unlabelled", "test"))
    assert "place" in caplog.text  # which the test does not have
    assert labelled.inputs.table.dtype.names == ("age", "sex")
    assert labelled.ids.tolist() == ["c", "a", "d"] and labelled.inputs.images[:, 0, 0].tolist() == [30, 10, 40]
    assert labelled.inputs["sex"].tolist() == ["m", "f", "f"]
    np.testing.assert_array_equal(labelled.inputs["age"], [7, np.nan, 3])
    assert unlabelled.ids.tolist() == ["b"] and unlabelled.inputs.table.tolist() == [(9, "m")]
    assert test.ids.tolist() == ["q", "p"] and test.inputs.table.tolist() == [(4, "f"), (5, "m")]
    assert test.inputs.images[:, 0, 0].tolist() == [60, 50]


def test_columns_are_chosen_and_read_as_declared(raw: Path) -> None:
    asked = {"p": raw / "test" / "p.png"}  # the order and the choice of a host's sample
    dataset = read(raw, columns=("site", "age"), text=("site",), missing=("9",), test=asked)
    assert dataset.labelled.inputs["site"].tolist() == ["1", "1", "3"]
    assert dataset.official["test"].inputs.table.tolist() == [("9", 5)]
    assert np.isnan(dataset.official["unlabelled"].inputs["age"]).all()


def test_a_table_that_does_not_fit_is_named(raw: Path) -> None:
    refused(r"train\.csv has no column 'agee'; did you mean age", raw, columns=("agee",))
    refused(r"test\.csv has no column 'place'", raw, columns=("place",))
    refused(r"test\.csv, column pic, has no row of 'x'", raw, columns=("age",), test={"x": raw / "test" / "p.png"})
    (raw / "test.csv").write_text("pic,when\np,1\nq,2\n")
    refused(r"train\.csv has no column left", raw, columns=True)


def test_new_rows_are_a_folder_and_the_table_in_it_or_beside_it(raw: Path) -> None:
    labelled = read(raw, columns=("age", "sex")).labelled
    assert inputs_like(raw / "test", labelled.inputs, labelled.reading).inputs.table.tolist() == [(4, "f"), (5, "m")]
    (raw / "test" / "rows.csv").write_text("pic;age;sex\np;0,5;w\n")
    new = inputs_like(raw / "test", labelled.inputs, labelled.reading)
    assert new.ids.tolist() == ["p"] and new.inputs.table.tolist() == [(0.5, "w")]
    assert new.inputs.images.tolist() == [[[50] * 3] * 2]
    (raw / "test" / "more.csv").write_text("pic\np\n")
    with pytest.raises(UserError, match=r"more\.csv, .*rows\.csv"):
        inputs_like(raw / "test", labelled.inputs, labelled.reading)


@pytest.mark.parametrize("encoded", [False, True])
def test_rows_are_on_disk_what_they_were(encoded: bool, tmp_path: Path) -> None:
    pictures = noise(3)
    images = EncodedImages.of([jpeg(picture) for picture in pictures]) if encoded else pictures
    rows = joined(images, age=np.array([1.0, np.nan, 3]), sex=np.array(["m", "", "f"]))
    write_column(tmp_path, "inputs", rows)
    again = read_column(tmp_path, "inputs", "")
    assert (
        arrays_hash(again) == arrays_hash(rows) != arrays_hash(joined(images, age=rows["age"], sex=rows["sex"][::-1]))
    )
    assert len(again) == 3 and again[[2, 0]]["sex"].tolist() == ["f", "m"]
    image, row = again[2]
    np.testing.assert_array_equal(image, list(rows)[2][0])
    assert row.tolist() == (3, "f")


def test_a_layout_repeats_a_column_of_the_rows() -> None:
    inputs = joined(noise(2), age=np.array([1.0, 2.5]), sex=np.array(["m", "f"]))
    layout = Layout(Label("y"), {"id": "{id}", "Sex": "{sex}", "Age": "{age}"})
    asked = layout.asked(Samples(np.array(["a", "b"]), inputs))
    assert {name: column.tolist() for name, column in asked.copied.items()} == {"age": ["1", "2.5"], "sex": ["m", "f"]}
    with pytest.raises(UserError, match="'place'"):
        Layout(Label("y"), {"id": "{id}", "Place": "{place}"}).asked(Samples(np.array(["a", "b"]), inputs))


# -- the audit ---------------------------------------------------------------------------------------------------------


def clean() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return noise(), np.random.default_rng(2).normal(size=ROWS), TRUTH.copy()


def test_one_image_beside_other_columns_is_one_group_and_no_conflict() -> None:
    images, age, truth = clean()
    images[7], truth[7] = images[2], 1 - truth[2]
    found = audit(Dataset(Samples(numbered(ROWS), joined(images, age=age), truth)), TASK)
    assert problems(found) == {} and found.groups[7] == found.groups[2] == 2
    assert "uint8 32x32 and a table with 1 columns: age" in evidence(found, "shapes")
    age[7] = age[2]
    found = audit(Dataset(Samples(numbered(ROWS), joined(images, age=age), truth)), TASK)
    assert problems(found) == {"conflicting labels": "warn"} and "2 / 7" in evidence(found, "conflicting labels")


def test_what_is_wrong_with_the_columns_is_said_of_rows_with_images_too() -> None:
    images, age, truth = clean()
    test = joined(noise(ROWS, seed=1), age=age + 3, flat=np.zeros(ROWS))
    age[5] = np.nan
    labelled = Samples(numbered(ROWS), joined(images, age=age, flat=np.zeros(ROWS)), truth)
    found = audit(Dataset(labelled, {"test": Samples(numbered(ROWS), test)}), TASK)
    assert problems(found) == {"finite": "warn", "odd inputs": "warn", "shift": "warn"}
    assert "flat" in evidence(found, "odd inputs") and "age higher" in evidence(found, "shift")
    other = Samples(numbered(ROWS), joined(test.images, age=test["age"]))
    lacking = audit(Dataset(labelled, {"test": other}), TASK)
    assert problems(lacking)["shapes"] == "fail" and re.search("lacks flat", evidence(lacking, "shapes"))


# -- models ------------------------------------------------------------------------------------------------------------


def test_each_kind_of_model_sees_its_part(tmp_path: Path) -> None:
    """The label is the sum of what the picture shows and what the table says: neither knows more than a half of it."""
    rng = np.random.default_rng(0)
    light, hours = rng.random((2, 200))
    images = (50 + 150 * light[:, None, None] + rng.normal(0, 3, (200, 8, 8))).astype(np.uint8)
    samples = Samples(numbered(200), joined(images, hours=hours), (light + hours > 1).astype(np.uint8))
    train, valid = samples[:150], samples[150:]
    looks: list[np.ndarray] = []
    network = Network(build=pooled, width=4, epochs=30, batch=16, lr=0.02, loss=cross_entropy)
    learners = {"network": network, "table": Sklearn(linear_labels), "pixels": Sklearn(trees_labels, sees="images")}
    members = []
    for name, learner in learners.items():
        context = Context(TASK, tmp_path / name, look=lambda _, predict: looks.append(predict(valid.inputs)))
        fitted = RowLearner(learner).fit(train, valid, context)
        members.append(fitted.predict(valid.inputs))
        np.testing.assert_array_equal(RowLearner(learner).load(context).predict(valid.inputs), members[-1])
    assert len(looks) == 29 and looks[0].shape == (50, 2)
    accuracy = [float((member.argmax(1) == valid.targets).mean()) for member in members]
    blended = TASK.average([members[0], members[1]], [0.5, 0.5])
    assert max(accuracy) < 0.85 < (blended.argmax(1) == valid.targets).mean(), accuracy
    with pytest.raises(UserError, match='sees="images"'):
        RowLearner(Sklearn(linear_labels, sees="both")).fit(train, valid, Context(TASK, tmp_path / "both"))


def test_a_view_changes_the_images_alone() -> None:
    rows = joined(noise(2), age=np.array([1.0, 2]))
    view = TASK.views["hflip"]
    np.testing.assert_array_equal(view.apply(rows).images, rows.images[:, :, ::-1])
    assert view.apply(rows)["age"].tolist() == [1, 2]
