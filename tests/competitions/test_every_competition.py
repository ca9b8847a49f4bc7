"""What holds for every folder of competitions/: it reads, its models construct, and the whole path ends with a rank.

`test_contract` goes the same path for every folder, in one process and on few rows; here it is the command itself, for
one competition, and for all in `make test-all`.
"""

import json
import os
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from harness.competition import find, names
from harness.models.config import config_hash
from harness.options import Request
from harness.prepare import prepare
from tests.support.tiny_data import REAL_SETS, SHARED

REPOSITORY = Path(__file__).resolve().parents[2]
EVERY = pytest.mark.parametrize("name", names())
ALSO_IN_THE_FAST_SUITE = "mars"  # of the commands that take a quarter of a minute each
COMMANDS = [pytest.param(name, marks=[] if name == ALSO_IN_THE_FAST_SUITE else pytest.mark.soak) for name in names()]


def test_there_are_competitions() -> None:
    assert "mars" in names()


@EVERY
def test_a_declaration_is_read_without_torch(name: str) -> None:
    code = "import sys; from harness.competition import find; find(sys.argv[1]); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, name], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert f"competitions.{name}.competition" in loaded
    assert not loaded & {
        "torch",
        "timm",
        "ultralytics",
        "optuna",
        "ray",
        "segmentation_models_pytorch",
        "albumentations",
    }


@EVERY
def test_it_says_what_it_is(name: str) -> None:
    declared, folder = find(name), REPOSITORY / "competitions" / name
    assert declared.name == name
    assert (folder / "README.md").read_text().startswith("# ")
    first = (folder / "competition.py").read_text().splitlines()[0]
    assert first.startswith('"""')
    assert first.rstrip().endswith(('."""', "."))


@EVERY
def test_every_model_has_a_name_of_its_own_on_the_disk(name: str) -> None:
    hashes = [config_hash(learner) for learner in find(name).models.values()]
    assert len(set(hashes)) == len(hashes)


@EVERY
def test_every_model_constructs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretrained ones too, without their weights: there is no network here."""
    import torch

    monkeypatch.setenv("YOLO_CONFIG_DIR", str(tmp_path))
    declared = find(name)
    for model, learner in declared.models.items():
        assert declared.ensemble.specialist == model or learner.target_class is None, (
            f"{model} is a specialist of nothing"
        )
        if hasattr(learner, "network"):
            outputs = 1 if learner.target_class is not None else max(1, len(declared.task.classes))
            nowhere = (
                torch.device("meta") if hasattr(learner, "untrained") else nullcontext()
            )  # what is large is not made
            with nowhere:
                network = replace(learner, pretrained=False).network(outputs)
            assert sum(weights.numel() for weights in network.parameters()) > 1000, model


@EVERY
def test_what_is_trained_by_default_takes_part(name: str) -> None:
    declared = find(name)
    assert set(declared.default) <= set(declared.ensemble.members)
    assert set(declared.default) - {declared.ensemble.specialist}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_whole_path_ends_with_a_rank(name: str, tmp_path: Path) -> None:
    """`make submit COMP=<name> FAST=1` on the sample, in a home of its own."""
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


@EVERY
def test_the_few_rows_of_a_fast_run_pass_the_audit(name: str) -> None:
    assert prepare(Request(find(name), fast=True)).source == "sample"


@pytest.mark.real
@pytest.mark.parametrize(("name", "folder"), REAL_SETS)
def test_its_real_data_pass_the_audit_and_can_be_split(name: str, folder: str, tmp_path: Path) -> None:
    prepared = prepare(Request(find(name), data=SHARED / "data" / folder))
    folds = prepared.folds(find(name), find(name).split.folds)
    assert set(folds) == set(range(find(name).split.folds))
    assert len(prepared.holdout) > 0.1 * len(prepared.train)
