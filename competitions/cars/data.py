"""The raw files of cars: `auto_mpg.csv`, or scikit-learn's diabetes table where that is not there."""

from pathlib import Path

from harness.data.formats import csv_table
from harness.data.samples import Dataset

CARS, CARS_TARGET = "auto_mpg.csv", "horsepower"
STAND_IN, STAND_IN_TARGET = "diabetes.csv", "progression"


def load(raw: Path) -> Dataset:
    """All other columns are inputs; cars without a horsepower are the official part."""
    if (raw / CARS).exists():
        return csv_table(raw / CARS, target=CARS_TARGET)
    return csv_table(raw / STAND_IN, target=STAND_IN_TARGET)


def diabetes_sample(folder: Path) -> None:
    """442 patients, ten measurements, and how far their diabetes went in a year (Efron et al. 2004, LARS)."""
    from sklearn.datasets import load_diabetes

    table = load_diabetes(as_frame=True, scaled=False).frame.rename(columns={"target": STAND_IN_TARGET})
    table.to_csv(folder / STAND_IN, index=False)
