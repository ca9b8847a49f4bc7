"""What holds for every folder of competitions/: it is read, its models are built, and its sample ends with a score."""

import json
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.competition import find, names
from harness.models.config import config_hash
from harness.models.yolo.detector import Yolo
from tests.support import contract

REPOSITORY = Path(__file__).resolve().parents[2]
EVERY = pytest.mark.parametrize("name", names())
HEAVY = ("torch", "timm", "ultralytics", "optuna", "ray", "segmentation_models_pytorch", "albumentations")


@EVERY
def test_a_folder_goes_from_its_sample_to_a_scored_submission(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    contract.check_folder(name, monkeypatch)


@EVERY
def test_the_sample_submission_is_valid_and_the_truth_beats_it(name: str) -> None:
    contract.check_sample_submission(name)


def test_declarations_are_read_and_varied_without_heavy_libraries() -> None:
    code = f"""import json, sys
from harness.competition import find, names
declared = [find(name) for name in names()]
read = [each for each in {HEAVY} if each in sys.modules]
import optuna
for each in declared:
    for learner in each.models.values():
        learner.search_space(optuna.create_study().ask())
print(json.dumps([read, [each for each in {HEAVY} if each in sys.modules]]))"""
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [[], ["optuna"]]


@EVERY
def test_a_folder_is_named_as_its_declaration_and_says_what_it_is(name: str) -> None:
    declared, folder = find(name), REPOSITORY / "competitions" / name
    assert declared.name == name
    assert (folder / "README.md").read_text().startswith("# ")
    assert (folder / "competition.py").read_text().startswith('"""')
    hashes = [config_hash(learner) for learner in declared.models.values()]
    assert len(set(hashes)) == len(hashes)  # every model has a name of its own on the disk
    assert set(declared.default) <= set(declared.ensemble.members)
    assert set(declared.default) - {declared.ensemble.specialist}
    assert not [model for model in declared.default if declared.models[model].pretrained]


@EVERY
def test_every_model_is_built(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretrained ones too, without their weights: there is no network here."""
    import torch

    monkeypatch.setenv("YOLO_CONFIG_DIR", str(tmp_path))
    declared = find(name)
    for model, learner in declared.models.items():
        assert declared.ensemble.specialist == model or learner.target_class is None, model
        if hasattr(learner, "network"):
            outputs: Any = 1 if learner.target_class is not None else max(1, len(declared.task.classes))
            if isinstance(learner, Yolo):
                outputs = learner.classes(declared.task)
            with torch.device("meta") if hasattr(learner, "untrained") else nullcontext():  # large ones take no memory
                network = replace(learner, pretrained=False).network(outputs)
            assert sum(weights.numel() for weights in network.parameters()) > 1000, model
