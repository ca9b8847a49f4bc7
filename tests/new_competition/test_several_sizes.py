"""Masks of images of several sizes, from a host's files, as those of the 2018 Data Science Bowl, to a rank."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.data.run_lengths import RunLengths
from tests.support.checkout import Checkout

pytestmark = pytest.mark.soak

SIZES = ((40, 40), (48, 64), (72, 96), (20, 90))
DOWN = RunLengths(by_columns=True)


def nuclei(seed: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """(h, w, 3) uint8 of a size of its own, and (h, w) bool of every bright disc on it; none touches another."""
    rng = np.random.default_rng(seed)
    height, width = SIZES[seed % len(SIZES)]
    y, x = np.mgrid[:height, :width]
    masks = []
    for left in range(0, width - 19, 20):
        row, radius = rng.integers(8, height - 8), rng.integers(4, 8)
        masks.append((y - row) ** 2 + (x - left - 10) ** 2 < radius**2)
    grey = rng.integers(0, 60, (height, width)) + 150 * np.any(masks, axis=0)
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8), masks


def host_files(raw: Path, rows: int = 60, test: int = 8) -> None:
    """train/, test/, a table with a row for every object, and a sample submission; run lengths down the columns."""
    lines = [("ImageId", "EncodedPixels")]
    for number in range(rows + test):
        image, masks = nuclei(number)
        folder, name = raw / ("train" if number < rows else "test"), f"{number * 7919 % 100_003:05x}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{name}.png")
        lines += [(name, DOWN.encode(mask)) for mask in masks if number < rows]
    asked = [("ImageId", "EncodedPixels"), *((file.stem, "1 1") for file in sorted((raw / "test").iterdir()))]
    for name, table in (("train_labels", lines), ("sample_submission", asked)):
        with open(raw / f"{name}.csv", "w", newline="") as file:
            csv.writer(file).writerows(table)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A competition made from a host's files and submitted with FAST=1."""
    made = Checkout(tmp_path_factory.mktemp("nuclei"))
    host_files(made.root / "host")
    said = made.run("make new COMP=nuclei FROM=host METRIC='object precision' 2>&1")
    assert "of several sizes, 40 x 40 to 72 x 96 pixels" in said
    assert "rank 1 of 1" in made.run("make submit COMP=nuclei FAST=1")
    return made


def test_the_declaration_has_no_shape_and_its_network_sees_crops(checkout: Checkout) -> None:
    source = (checkout.root / "competitions/nuclei/competition.py").read_text()
    assert "Segmentation(CLASSES, layout=" in source
    assert "crop=(64, 96)" in source


def test_the_official_file_has_run_lengths_of_every_image_at_its_own_size(checkout: Checkout) -> None:
    (official,) = checkout.root.glob("submissions/nuclei/*/*official.csv")
    with open(official, newline="") as file:
        rows = list(csv.DictReader(file))
    tested = {file.stem: Image.open(file).size[::-1] for file in (checkout.root / "host/test").iterdir()}
    assert {row["ImageId"] for row in rows} == tested.keys()
    for row in rows:  # raises where a run leaves the image
        assert DOWN.decode(row["EncodedPixels"], tested[row["ImageId"]]).shape == tested[row["ImageId"]]


def test_new_images_of_any_size_are_predicted(checkout: Checkout) -> None:
    sizes = {"small": (9, 13), "large": (150, 210)}
    (checkout.root / "new").mkdir()
    for name, size in sizes.items():
        Image.fromarray(np.full((*size, 3), 90, np.uint8)).save(checkout.root / "new" / f"{name}.png")
    assert "rows: 2" in checkout.run("make predict COMP=nuclei INPUT=new")
    (file,) = checkout.root.glob("submissions/nuclei/*/predicted-new.csv")
    with open(file, newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert {row["ImageId"] for row in rows} == sizes.keys()
    for row in rows:
        DOWN.decode(row["EncodedPixels"], sizes[row["ImageId"]])


@pytest.mark.soak
def test_the_report_draws_masks_on_images_of_several_sizes(checkout: Checkout) -> None:
    assert "reports/nuclei/report.html" in checkout.run("make report COMP=nuclei")
    assert (checkout.root / "reports/nuclei/report.html").read_text().count("data:image/") > 10
