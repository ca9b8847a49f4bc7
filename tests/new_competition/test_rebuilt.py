"""Three competitions that everybody knows, rebuilt in their hosts' formats from scikit-learn's data, to a rank."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_breast_cancer, load_digits, load_wine

from tests.support.checkout import Checkout


def tables(file: Path, train: pd.DataFrame, test: pd.DataFrame, sample: pd.DataFrame) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name, table in {"train": train, "test": test, "sample_submission": sample}.items():
            archive.writestr(f"{name}.csv", table.to_csv(index=False))


def titanic(file: Path) -> pd.Series:
    """A number and an id a row, accuracy: tumours instead of passengers."""
    frame = load_breast_cancer(as_frame=True).frame.sample(frac=1, random_state=0).reset_index(drop=True)
    frame = frame.rename(columns={"target": "Survived"})
    frame.insert(0, "PassengerId", range(1, len(frame) + 1))
    test = frame[450:]
    tables(file, frame[:450], test.drop(columns="Survived"), test[["PassengerId"]].assign(Survived=0))
    return test.set_index("PassengerId")["Survived"]


def otto(file: Path) -> pd.Series:
    """Class_1 ... Class_3, a probability for each, log loss: wines instead of products."""
    frame = load_wine(as_frame=True).frame.sample(frac=1, random_state=0).reset_index(drop=True)
    frame.columns = [*(f"feat_{k}" for k in range(1, 14)), "target"]
    frame.insert(0, "id", range(1, len(frame) + 1))
    frame["target"] = "Class_" + (frame["target"] + 1).astype(str)
    test = frame[130:]
    sample = test[["id"]].assign(Class_1=1, Class_2=0, Class_3=0)
    tables(file, frame[:130], test.drop(columns="target"), sample)
    return test.set_index("id")["target"]


def aptos(file: Path) -> pd.Series:
    """A zip in the zip of images, grades 0 to 4, quadratic kappa: digits instead of eyes."""
    digits = load_digits(n_class=5)
    names = [f"{row * 7919 % 100_003:08x}" for row in range(400)]
    with zipfile.ZipFile(file, "w") as archive:
        for part, rows in (("train_images", range(300)), ("test_images", range(300, 400))):
            inner = io.BytesIO()
            with zipfile.ZipFile(inner, "w") as images:
                for row in rows:
                    out = io.BytesIO()
                    Image.fromarray(np.kron(digits.images[row] * 15, np.ones((4, 4))).astype(np.uint8)).save(out, "PNG")
                    images.writestr(f"{names[row]}.png", out.getvalue())
            archive.writestr(f"{part}.zip", inner.getvalue())
        lines = [f"{names[row]},{digits.target[row]}" for row in range(300)]
        archive.writestr("train.csv", "\n".join(["id_code,diagnosis", *lines]))
        archive.writestr("test.csv", "\n".join(["id_code", *names[300:]]))
        archive.writestr("sample_submission.csv", "\n".join(["id_code,diagnosis", *(f"{n},0" for n in names[300:])]))
    return pd.Series(digits.target[300:400], names[300:])


def accuracy(file: Path, truth: pd.Series) -> float:
    """Of the labels, or of the most probable class."""
    told = pd.read_csv(file, index_col=0)
    assert told.index.tolist() == truth.index.tolist()
    return float((told.idxmax(axis=1) if told.shape[1] > 1 else told.iloc[:, 0]).eq(truth).mean())


@pytest.mark.parametrize(
    ("rebuild", "metric", "models", "least"),
    [
        pytest.param(titanic, "accuracy", "linear", 0.9, id="titanic", marks=pytest.mark.soak),
        pytest.param(otto, "log loss", "linear", 0.9, id="otto", marks=pytest.mark.soak),
        pytest.param(aptos, "qwk", "trees", 0.9, id="aptos", marks=pytest.mark.soak),
    ],
)
def test_from_the_host_s_zip_to_a_rank_in_two_commands(
    rebuild: Callable[[Path], pd.Series], metric: str, models: str, least: float, tmp_path: Path
) -> None:
    checkout, truth = Checkout(tmp_path), rebuild(tmp_path / "host.zip")
    checkout.run(f"make new COMP=it FROM=host.zip METRIC='{metric}'")
    assert "rank 1 of 1" in checkout.run(f"make submit COMP=it MODELS={models}")
    (official,) = tmp_path.glob("submissions/it/*/best/official.csv")
    assert accuracy(official, truth) > least
