"""From files to the host's file where a row is more than one image: with columns of a table, or several images."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.support.checkout import Checkout


def grey(light: float, rng: np.random.Generator, size: tuple[int, int] = (24, 30)) -> bytes:
    """A picture that is dark at 0 and bright at 1."""
    pixels = rng.normal(40 + 160 * light, 8, (*size, 3)).clip(0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def paws(file: Path, known: int = 120, count: int = 150) -> pd.Series:
    """A number that is half in the picture and half in the table: 50 times the light and 50 times the hours."""
    rng = np.random.default_rng(0)
    light, hours = rng.random((2, count))
    rows = pd.DataFrame({"Id": [f"paw{k:03d}" for k in range(count)], "Hours": hours.round(4), "Blur": 1})
    rows["Blur"] = np.arange(count) % 2
    rows["Pawpularity"] = (50 * light + 50 * hours).round(3)
    with zipfile.ZipFile(file, "w") as archive:
        for k, name in enumerate(rows["Id"]):
            archive.writestr(f"{'train' if k < known else 'test'}/{name}.png", grey(light[k], rng))
        test = rows[known:]
        archive.writestr("train.csv", rows[:known].to_csv(index=False))
        archive.writestr("test.csv", test.drop(columns="Pawpularity").to_csv(index=False))
        archive.writestr("sample_submission.csv", test[["Id"]].assign(Pawpularity=50).to_csv(index=False))
    return test.set_index("Id")["Pawpularity"]


@pytest.mark.soak
def test_images_and_a_table_are_blended_where_neither_is_enough(tmp_path: Path) -> None:
    checkout, truth = Checkout(tmp_path), paws(tmp_path / "paws.zip")
    checkout.run("make new COMP=paws FROM=paws.zip METRIC=rmse")
    checkout.run("make submit COMP=paws FAST=1")
    (official,) = tmp_path.glob("submissions/paws/*/*-official.csv")
    official_rows = pd.read_csv(official, index_col="Id")["Pawpularity"]
    assert official_rows.index.tolist() == truth.index.tolist()
    alone = [json.loads(file.read_text())["score"]["score"] for file in tmp_path.glob("runs/paws/*/*/run.json")]
    (manifest,) = [json.loads(file.read_text()) for file in tmp_path.glob("submissions/paws/*/*.json")]
    blended = manifest["cv"]["score"]
    assert len(alone) == 2 and blended < 0.85 * min(alone)
    assert np.sqrt(((official_rows - truth) ** 2).mean()) < 0.7 * truth.std()

    asked = tmp_path / "asked"
    asked.mkdir()
    (asked / "new.png").write_bytes(grey(0.9, np.random.default_rng(1)))
    (asked / "rows.csv").write_text("Id,Hours,Blur\nnew,0.9,0\n")
    predicted = json.loads(checkout.run("make predict COMP=paws INPUT=asked JSON=1"))
    again = pd.read_csv(tmp_path / predicted["path"], index_col="Id")["Pawpularity"]
    assert again.index.tolist() == ["new"] and again["new"] > 60


def clots(file: Path, known: int = 80, count: int = 110) -> pd.Series:
    """Patients with one to four pictures of several sizes; the label is in their mean, with much noise in each."""
    rng = np.random.default_rng(0)
    truth = pd.Series(rng.permutation(np.arange(count) % 2), [f"{k:04d}" for k in range(count)])
    rows = []
    with zipfile.ZipFile(file, "w") as archive:
        for k, (patient, label) in enumerate(truth.items()):
            for number in range(rng.integers(1, 5)):
                part, name = "train" if k < known else "test", f"{patient}_{number}"
                light = 0.35 + 0.3 * label + rng.normal(0, 0.15)
                archive.writestr(f"{part}/{name}.png", grey(light, rng, (24, 24 + 6 * (number % 2))))
                rows.append((part, name, patient, "AB"[label]))
        table = pd.DataFrame(rows, columns=["part", "image_id", "patient_id", "label"])
        for part, columns in (("train", ["image_id", "patient_id", "label"]), ("test", ["image_id", "patient_id"])):
            archive.writestr(f"{part}.csv", table[table["part"] == part][columns].to_csv(index=False))
        sample = pd.DataFrame({"patient_id": truth.index[known:], "A": 0.5, "B": 0.5})
        archive.writestr("sample_submission.csv", sample.to_csv(index=False))
    return truth[known:]


def test_a_row_of_several_images_is_judged_and_handed_in_as_one(tmp_path: Path) -> None:
    checkout, truth = Checkout(tmp_path), clots(tmp_path / "clots.zip")
    said = checkout.run("make new COMP=clots FROM=clots.zip METRIC='log loss'")
    checkout.run("make submit COMP=clots FAST=1 MODELS=trees")
    (official,) = tmp_path.glob("submissions/clots/*/*-official.csv")
    official_rows = pd.read_csv(official, dtype={"patient_id": str}).set_index("patient_id")
    assert official_rows.columns.tolist() == ["A", "B"] and official_rows.index.tolist() == truth.index.tolist()
    assert ((official_rows["B"] > official_rows["A"]).astype(int) == truth).mean() > 0.75, said
    (manifest,) = tmp_path.glob("data/clots/*/public/manifest.json")
    rows = json.loads(manifest.read_text())["rows"]
    assert rows["train"] + rows["holdout"] == 80
