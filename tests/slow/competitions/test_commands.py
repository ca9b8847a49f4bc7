"""The command itself, for every folder: `make submit COMP=<name> FAST=1` on the sample, in a home of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.competition import find, names

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.mark.soak
@pytest.mark.parametrize("name", names())
def test_the_whole_path_ends_with_a_rank(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harness", "submit", name, "--fast", "--team", "red", "--json"],
        cwd=REPOSITORY, env={**os.environ, "HARNESS_HOME": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["competition"], result["source"]) == (name, "sample")
    assert (result["rank"], result["teams"]) == (1, 1)
    assert result["models"].keys() == set(find(name).default)
    assert result["public"]["low"] <= result["public"]["score"] <= result["public"]["high"]
    assert (tmp_path / result["submission"]).is_file()
    assert result["official"] == {}
    assert not list(tmp_path.glob("submissions/*/*/best"))  # a fast run is never the best
    assert result["seconds"] < 90
