"""The raw file of cancer: `breast_cancer.csv`, measurements and a diagnosis; by default scikit-learn's."""

from pathlib import Path

from harness.data.formats import csv_table
from harness.data.samples import Dataset

FILE = "breast_cancer.csv"
CLASSES = ("benign", "malignant")


def load(raw: Path) -> Dataset:
    return csv_table(raw / FILE, target="diagnosis", classes=CLASSES)


def wisconsin_sample(folder: Path) -> None:
    """569 fine-needle samples, 30 measurements each (Wolberg, Street and Mangasarian 1995, UCI). Real patients."""
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer(as_frame=True)
    table = bunch.frame.rename(columns={"target": "diagnosis"})
    table["diagnosis"] = bunch.target_names[table["diagnosis"]]
    table.to_csv(folder / FILE, index=False)
