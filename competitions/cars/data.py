"""The raw files of cars: `auto_mpg.csv`, or scikit-learn's diabetes table where that is not there."""

from pathlib import Path

from harness.data.formats import csv_table
from harness.data.samples import Dataset

CARS, STAND_IN = "auto_mpg.csv", "diabetes.csv"


def load(raw: Path) -> Dataset:
    """All other columns are inputs; cars without a horsepower are the official part."""
    if (raw / CARS).exists():
        return csv_table(raw / CARS, target="horsepower")
    return csv_table(raw / STAND_IN, target="progression")


def diabetes_sample(folder: Path) -> None:
    """442 patients, ten measurements, and how far their diabetes went in a year (Efron et al. 2004, LARS)."""
    from sklearn.datasets import load_diabetes

    table = load_diabetes(as_frame=True, scaled=False).frame.rename(columns={"target": "progression"})
    table.to_csv(folder / STAND_IN, index=False)
