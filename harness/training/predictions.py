"""Predictions on disk, a folder per model and fold: training writes them, ensembling and reports read them."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from harness import paths
from harness.data.columns import read_array, write_array
from harness.ensemble import Member
from harness.errors import UserError
from harness.files import read_json, short_hash
from harness.models.config import config_hash
from harness.tasks import Task

VIEWS = ("plain", "tta")


@dataclass(frozen=True)
class ModelRun:
    """One model's predictions: `fold_k/` holds those of a fold, `run.json` describes them.

    A fold holds, for the plain view and the mean over the declared views, its own rows out-of-fold and the whole
    hold-out, as the task packs them (float16), and `fold.json` once it is complete.
    """

    folder: Path

    @property
    def manifest(self) -> dict[str, Any]:
        """Raise `UserError` where there is none."""
        file = self.folder / "run.json"
        if not file.exists():
            raise UserError(f"{paths.shown(self.folder)} is not a run: it holds no run.json")
        return read_json(file)

    def fold(self, k: int) -> Path:
        return self.folder / f"fold_{k}"

    def refit(self, k: int) -> Path:
        """Where FINAL=1 leaves the fold's network trained with the hold-out included."""
        return self.folder / f"final_{k}"

    def finished(self, k: int) -> dict[str, Any]:
        return read_json(self.fold(k) / "fold.json")

    def held(self, folds: int) -> list[int]:
        """The folds that are complete."""
        return [k for k in range(folds) if (self.fold(k) / "fold.json").exists()]

    def out_of_fold(self, task: Task, fold_of_row: np.ndarray, held: list[int]) -> "OutOfFold":
        """Predictions of all rows of these folds, in the order of the rows."""
        return OutOfFold(self, task, fold_of_row, held)

    def holdout(self, task: Task, held: list[int]) -> Member:
        """The mean over these folds of their predictions of the hold-out."""
        return Member(
            *(
                task.average([load_prediction(self.fold(k), f"holdout-{view}", task) for k in held], [1.0] * len(held))
                for view in VIEWS
            )
        )


@dataclass(frozen=True)
class OutOfFold:
    """A member whose predictions stay on the disk: each view is read when it is used, and not kept in memory.

    Twenty members of 2,500 segmented images would be 8 GB in two views.
    """

    model_run: ModelRun
    task: Task
    fold_of_row: np.ndarray
    held: list[int]

    def __post_init__(self) -> None:
        for name in VIEWS:
            self.parts(name)  # raises at once where a file is missing or broken

    @property
    def plain(self) -> Any:
        return self.view("plain")

    @property
    def tta(self) -> Any:
        return self.view("tta")

    def view(self, name: str) -> Any:
        order = np.argsort(np.concatenate([np.flatnonzero(self.fold_of_row == k) for k in self.held]))
        return self.task.join(self.parts(name))[order]

    def parts(self, name: str) -> list[Any]:
        """The predictions of every fold, memory-mapped."""
        return [load_prediction(self.model_run.fold(k), f"oof-{name}", self.task) for k in self.held]


def run_folder(competition: str, train: str, model: str, learner: Any) -> Path:
    return paths.runs(competition, train) / f"{model}-{config_hash(learner)}"


def save_prediction(folder: Path, name: str, prediction: Any, task: Task) -> None:
    for part, array in task.pack(prediction).items():
        write_array(folder / f"{name}.{part}.npy", array)


def load_prediction(folder: Path, name: str, task: Task) -> Any:
    """Memory-mapped. Raise `UserError` where a file is missing or broken."""
    arrays = {file.name.split(".")[-2]: read_array(file) for file in sorted(folder.glob(f"{name}.*.npy"))}
    if not arrays:
        raise UserError(f"{paths.shown(folder)} lacks {name}; delete {paths.shown(folder / 'fold.json')} and run again")
    return task.unpack(arrays)


def require_same_rows(model_runs: Mapping[str, ModelRun], train: str) -> None:
    """Raise `UserError` where a run was made on other rows or folds: it would leak."""
    for name, model_run in model_runs.items():
        other = model_run.manifest["train_hash"]
        if other != train:
            raise UserError(
                f"the run {name} was made on other rows or folds (train hash {other} instead of {train}); "
                "train it on these data, or blend it with runs of the same rows"
            )


def code_hash(competition: str) -> str:
    """The hash of the sources of the harness and of the competition."""
    spec = find_spec(f"competitions.{competition}")
    folders = [Path(__file__).parents[1], *map(Path, (spec and spec.submodule_search_locations) or ())]
    files = [file for folder in folders for file in sorted(folder.rglob("*.py"))]
    return short_hash(*(file.read_bytes() for file in files))
