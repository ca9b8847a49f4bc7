"""The scikit-learn backend: any estimator, fitted once a fold, seeded, kept on the disk, fitted again when broken."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

import harness.models
from harness.data.images import EncodedImages, encode
from harness.data.samples import Samples, numbered
from harness.errors import UserError
from harness.files import read_json, write_json
from harness.models import FINISHED, MODEL, Context, Learner
from harness.models.sklearn import Sklearn, features
from harness.tasks.classification import Classification
from harness.tasks.regression import Regression

CLASSES = Classification(("cat", "dog", "fox"))
NUMBER = Regression("weight")
FOREST = Sklearn(partial(RandomForestClassifier, n_estimators=5))


def shades(rows: int = 30) -> Samples:
    """Small images of three shades, one a class."""
    targets = np.arange(rows) % 3
    noise = np.random.default_rng(0).integers(0, 20, (rows, 4, 5))
    return Samples(numbered(rows), (noise + 80 * targets[:, None, None]).astype(np.uint8), targets, np.arange(rows))


def test_images_are_rows_of_pixels_and_probabilities_are_of_all_classes(tmp_path: Path) -> None:
    train = shades()
    probs = FOREST.fit(train[train.targets != 1], None, Context(CLASSES, tmp_path)).predict(train.inputs)
    assert (probs.shape, probs.dtype) == ((30, 3), np.float32)
    assert (probs[:, 1] == 0).all()
    assert (probs.argmax(1) == train.targets)[train.targets != 1].all()
    assert features(np.full((1, 2, 2, 3), 255, np.uint8)).tolist() == [[1.0] * 12]


def test_a_fold_that_holds_one_class_alone_predicts_it(tmp_path: Path) -> None:
    train = shades()
    learner = Sklearn(LogisticRegression)  # refuses to learn from one class
    probs = learner.fit(train[train.targets == 1], None, Context(CLASSES, tmp_path)).predict(train.inputs)
    assert (probs == [0, 1, 0]).all()


def by_name() -> Any:
    """Least squares on the column named "size", and on what the text says."""
    columns = make_column_transformer(("passthrough", ["size"]), (OneHotEncoder(), ["kind"]))
    return make_pipeline(columns, LinearRegression())


def test_a_table_keeps_its_names_and_its_text(tmp_path: Path) -> None:
    rng, inputs = np.random.default_rng(0), np.zeros(30, [("size", "f8"), ("kind", "U4")])
    inputs["size"], inputs["kind"] = rng.random(30), rng.choice(["left", "no"], 30)
    line = Samples(numbered(30), inputs, 3.0 * inputs["size"] + (inputs["kind"] == "no"))
    predicted = Sklearn(by_name).fit(line, None, Context(NUMBER, tmp_path)).predict(inputs)
    assert predicted.dtype == np.float32
    np.testing.assert_allclose(predicted, line.targets, rtol=1e-5)


@pytest.mark.parametrize("versus", [None, 0])
def test_a_specialist_tells_its_class_from_the_rest_or_from_one(versus: int | None, tmp_path: Path) -> None:
    train = shades()
    probs = FOREST.specialised(2, versus).fit(train, None, Context(CLASSES, tmp_path)).predict(train.inputs)
    asked = train.targets != 1 if versus is not None else slice(None)
    assert ((probs[:, 2] > 0.5) == (train.targets == 2))[asked].all()
    assert (probs[:, 0] == probs[:, 1]).all()


def test_several_labels_a_row_come_as_one_column_each(tmp_path: Path) -> None:
    train, task = shades(), replace(CLASSES, multilabel=True)
    marks = np.stack([train.targets == 0, train.targets < 2, train.targets == 2], 1).astype(np.uint8)
    learner = Sklearn(partial(OneVsRestClassifier, LogisticRegression()))
    fitted = learner.fit(replace(train, targets=marks), None, Context(task, tmp_path))
    assert (task.decide(fitted.predict(train.inputs)) == marks).mean() > 0.8


def forest_behind_a_scaler() -> Any:
    return make_pipeline(StandardScaler(), RandomForestRegressor(n_estimators=5, n_jobs=7))


def test_the_same_seed_is_the_same_forest_and_another_seed_or_fold_another(tmp_path: Path) -> None:
    train = replace(shades(), targets=np.random.default_rng(1).random(30))

    def predictions(name: str, **change: Any) -> bytes:
        fitted = Sklearn(forest_behind_a_scaler).fit(train, None, Context(NUMBER, tmp_path / name, threads=2, **change))
        assert fitted.model[-1].n_jobs == 2
        return fitted.predict(train.inputs).tobytes()

    first = predictions("first")
    assert predictions("second") == first
    assert predictions("seed", seed=1) != first != predictions("fold", fold=1)


@pytest.mark.parametrize("harm", ["cut off", "gone", "another library"])
def test_a_finished_fold_is_loaded_and_a_broken_one_reported_and_fitted_again(harm: str, tmp_path: Path) -> None:
    train, events = shades(), list[dict]()
    context = Context(CLASSES, tmp_path, report=events.append)
    with pytest.raises(UserError, match="no finished fit"):
        FOREST.load(context)
    first = FOREST.fit(train, None, context).predict(train.inputs)
    other = replace(train, inputs=255 - train.inputs)
    assert (FOREST.fit(other, None, context).predict(train.inputs) == first).all()
    assert (FOREST.load(context).predict(train.inputs) == first).all()
    file = tmp_path / MODEL
    if harm == "cut off":
        file.write_bytes(file.read_bytes()[:-9])
    if harm == "gone":
        file.unlink()
    if harm == "another library":
        write_json(tmp_path / FINISHED, {**read_json(tmp_path / FINISHED), "version": "0.1"})
    assert events == []
    with pytest.raises(UserError, match="delete it and run the same training command again"):
        FOREST.load(context)
    assert (FOREST.fit(train, None, context).predict(train.inputs) == first).all()
    assert [str(tmp_path) in event["warning"] for event in events] == [True]


def test_what_cannot_be_used_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"LinearSVC\(\) gives no probabilities"):
        Sklearn(LinearSVC).fit(shades(), None, Context(CLASSES, tmp_path))
    assert not list(tmp_path.glob("*.json*"))
    different = EncodedImages.of([encode(np.zeros((side, 3, 3), np.uint8)) for side in (2, 3)])
    with pytest.raises(UserError, match="different sizes"):
        features(different)
    with pytest.raises(UserError, match="wings"):
        replace(FOREST, parameters=(("wings", 2),)).fit(shades(), None, Context(CLASSES, tmp_path))


@dataclass(frozen=True)
class Counting(Learner):
    """The smallest learner there is: it predicts how often each class was seen."""

    seen: ClassVar[list[np.ndarray]] = []

    def train(self, train: Samples, context: Context) -> np.ndarray:
        self.seen.append(train.targets)
        return np.bincount(train.targets, minlength=3) / len(train)

    def predict(self, model: np.ndarray, inputs: Any, task: Any) -> np.ndarray:
        return np.tile(model, (len(inputs), 1))


def test_a_learner_needs_only_to_train_and_to_predict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = Counting().fit(shades(), None, Context(CLASSES, tmp_path))
    assert fitted.predict(shades(2).inputs).tolist() == [[1 / 3] * 3] * 2
    assert Counting().specialised(1, None) is None and Counting().search_space(None) == Counting()

    monkeypatch.setattr(harness.models, "FEW", 10)
    monkeypatch.setattr(harness.models, "ENOUGH", 0.0)  # the first look is enough: ten rows of sixty
    cost = Counting().cost(shades(60), Context(CLASSES, tmp_path / "probe"))
    assert len(Counting.seen[-1]) == 10
    assert np.bincount(Counting.seen[-1]).min() >= 3  # evenly from all classes
    assert cost.start > 0 == cost.epoch
    assert not (tmp_path / "probe").exists()
