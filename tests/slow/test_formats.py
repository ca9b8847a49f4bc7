"""Twelve competitions as their hosts hand them out: from the folder to a file that the host takes, in two commands."""

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.checkout import Checkout
from tests.support.tiny_data import SHARED

FORMATS = (SHARED / "formats").resolve()
HERE = pytest.mark.skipif(not FORMATS.is_dir(), reason=f"there are no hosts' files in {FORMATS}")


class Case(NamedTuple):
    """edits: (pattern, replacement) lines of the declaration that only the host's page tells."""

    metric: str
    edits: tuple[tuple[str, str], ...] = ()


CASES = {
    "aerial-cactus-identification": Case("AUC"),
    "airbus-ship-detection": Case("F2"),
    "detecting-insults-in-social-commentary": Case("AUC"),
    "digit-recognizer": Case("accuracy"),
    "global-wheat-detection": Case("wheat"),
    "mayo-clinic-strip-ai": Case("weighted log loss"),
    "nomad2018-predict-transparent-conductors": Case("RMSLE"),
    "open-images-2019-object-detection": Case("open images"),
    "plant-pathology-2021-fgvc8": Case("mean F1"),
    "severstal-steel-defect-detection": Case("dice"),
    "siim-acr-pneumothorax-segmentation": Case("dice"),
    "the-nature-conservancy-fisheries-monitoring": Case("log loss"),
}
QUICK = ("aerial-cactus-identification", "detecting-insults-in-social-commentary", "digit-recognizer",
         "nomad2018-predict-transparent-conductors")  # fmt: skip
LONGEST = 180  # seconds from the folder to the file, on two quiet cores


def checked(name: str, file: Path) -> subprocess.CompletedProcess[str]:
    """What the host says of the file."""
    command = [sys.executable, str(FORMATS / "check.py"), name, str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def made(checkout: Checkout, name: str) -> None:
    case = CASES[name]
    checkout.run(f"make new COMP=it FROM={FORMATS / name / 'raw'} METRIC='{case.metric}'")
    file = checkout.root / "competitions" / "it" / "competition.py"
    for pattern, replacement in case.edits:
        text, count = re.subn(pattern, replacement, file.read_text())
        assert count == 1
        file.write_text(text)


@HERE
@pytest.mark.parametrize("name", QUICK)
def test_a_fast_submission_is_valid_for_the_host(name: str, tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    made(checkout, name)
    checkout.run("make submit COMP=it FAST=1")
    (file,) = (tmp_path / "submissions" / "it").glob("*/*-official.csv")
    said = checked(name, file)
    assert "NOT VALID" not in said.stdout and "score" in said.stdout, said.stdout


@HERE
@pytest.mark.soak
@pytest.mark.parametrize("name", CASES)
def test_a_submission_is_valid_and_better_than_chance(name: str, tmp_path: Path) -> None:
    checkout, began = Checkout(tmp_path), time.monotonic()
    made(checkout, name)
    assert len(CASES[name].edits) <= 5
    checkout.run("make submit COMP=it")
    seconds = time.monotonic() - began
    (file,) = (tmp_path / "submissions" / "it").glob("*/best/official.csv")
    said = checked(name, file)
    assert said.returncode == 0, said.stdout
    assert seconds < LONGEST, f"{name}: {seconds:.0f} s"
