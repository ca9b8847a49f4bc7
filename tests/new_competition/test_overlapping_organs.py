"""Organs that overlap in a scan, written as UW-Madison does, from the host's zip to a judged official file."""

import csv
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.data.run_lengths import RunLengths
from harness.errors import UserError
from harness.new_competition.host_files import Host, Options
from harness.new_competition.new_declaration import declaration
from harness.new_competition.reading import Reading
from harness.new_competition.recognise import recognise
from tests.support.checkout import Checkout

ORGANS = ("large_bowel", "small_bowel", "stomach")
SIDE = 32
DOWN = RunLengths(by_columns=True)


def scan(seed: int, overlap: bool) -> tuple[np.ndarray, np.ndarray]:
    """A grey slice (32, 32) and the masks (3, 32, 32) of its organs, each brighter; one in four slices is empty."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((3, SIDE, SIDE), bool)
    if seed % 4:
        for k in range(3):
            top, left = int(rng.integers(0, 6)), int(rng.integers(0, 4)) + (4 if overlap else 10) * k
            masks[k, top : top + 20, left : left + 7] = True
    grey = 30 + rng.integers(0, 20, masks.shape[1:]) + (masks * np.array([40, 60, 80])[:, None, None]).sum(0)
    return grey.astype(np.uint8), masks


def hand_out(file: Path, overlap: bool = True, train: int = 48, test: int = 8) -> None:
    rows, asked = io.StringIO(), io.StringIO()
    csv.writer(rows).writerow(["id", "class", "segmentation"])
    csv.writer(asked).writerow(["id", "class", "predicted"])
    with zipfile.ZipFile(file, "w") as archive:
        for k in range(train + test):
            part, name = "train" if k < train else "test", f"case{k // 4}_day0_slice_{k:04d}"
            grey, masks = scan(k, overlap)
            out = io.BytesIO()
            Image.fromarray(grey).save(out, "PNG")
            archive.writestr(f"{part}/{name}.png", out.getvalue())
            for organ, mask in zip(ORGANS, masks, strict=True):
                if part == "train":
                    csv.writer(rows).writerow([name, organ, DOWN.encode(mask)])
                else:
                    csv.writer(asked).writerow([name, organ, ""])
        archive.writestr("train.csv", rows.getvalue())
        archive.writestr("sample_submission.csv", asked.getvalue())


def recognised(folder: Path, overlap: bool, metric: str = "dice") -> tuple[Reading, list[str], str]:
    hand_out(folder / "host.zip", overlap)
    with zipfile.ZipFile(folder / "host.zip") as archive:
        archive.extractall(folder / "raw")
    host = Host.read(folder / "raw", Options(metric))
    reading = recognise(host)
    return reading, host.said, declaration("it", "It", host.sample or "", reading)


def test_classes_that_share_pixels_are_declared_so_and_it_is_said(tmp_path: Path) -> None:
    reading, said, source = recognised(tmp_path, overlap=True)
    assert reading.classes == ORGANS and reading.keys == {"id": "{id}", "class": "{class}"}
    (line,) = [line for line in said if line.startswith("overlap:")]
    assert "case0_day0_slice_0001" in line and "multilabel=True" in line
    for part in (
        "metric=MeanDice(CLASSES, multilabel=True)", "by=sets_in_masks", "loss=binary_cross_entropy + dice",
        'runs="segmentation"', 'label="class"', 'Runs("predicted", RUNS)', "by_columns=True",
    ):  # fmt: skip
        assert part in source
    assert source.count("multilabel=True") == 3  # of the reader, the task and the metric


def test_classes_beside_each_other_stay_labels(tmp_path: Path) -> None:
    reading, said, source = recognised(tmp_path, overlap=False)
    assert reading.classes == ("background", *ORGANS)
    assert not any("overlap" in line for line in said) and "multilabel" not in source
    assert "loss=cross_entropy + dice" in source


def test_a_run_length_that_leaves_its_image_is_named(tmp_path: Path) -> None:
    hand_out(tmp_path / "host.zip")
    with zipfile.ZipFile(tmp_path / "host.zip") as archive:
        archive.extractall(tmp_path / "raw")
    table = tmp_path / "raw" / "train.csv"
    table.write_text(
        table.read_text().replace("case0_day0_slice_0003,stomach,", "case0_day0_slice_0003,stomach,1020 9 ")
    )
    with pytest.raises(UserError, match="fit into the images"):
        recognise(Host.read(tmp_path / "raw", Options("dice")))


@pytest.mark.soak
def test_from_the_host_s_zip_to_an_official_file_that_is_judged(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    hand_out(tmp_path / "host.zip")
    checkout.run("make new COMP=organs FROM=host.zip METRIC=dice")
    assert "multilabel=True" in (tmp_path / "competitions" / "organs" / "competition.py").read_text()
    assert "rank 1 of 1" in checkout.run("make submit COMP=organs FAST=1")
    (official,) = tmp_path.glob("submissions/organs/*/*official.csv")
    with open(official, newline="") as lines:
        header, *rows = csv.reader(lines)
    assert header == ["id", "class", "predicted"]
    asked = [[f"case{k // 4}_day0_slice_{k:04d}", organ] for k in range(48, 56) for organ in ORGANS]
    assert [row[:2] for row in rows] == asked
    assert all(DOWN.decode(row[2], (SIDE, SIDE)).shape == (SIDE, SIDE) for row in rows)
    assert "organs" in checkout.run("make report COMP=organs")
