"""Runs and prediction bundles on disk: the only currency between training, ensembling, team-mates and reports."""

import dataclasses
import functools
import importlib
import json
import re
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness import folders
from harness.ensembles import Member
from harness.errors import UserError
from harness.files import atomic, read_json, short_hash, write_json
from harness.pictures import Pictures
from harness.samples import Ragged
from harness.tasks import Task

VIEWS = ("plain", "tta")


# -- hashes ------------------------------------------------------------------------------------------------------------


def canonical(value: Any) -> Any:
    """A learner's fields as plain JSON: dataclasses by type and fields, functions by `module:qualname`, also partial.

    Raise `UserError` for a lambda or anything else without a name that another machine can look up.
    """
    if isinstance(value, type | types.FunctionType | types.BuiltinFunctionType):
        name = f"{value.__module__}:{value.__qualname__}"
        if "<" in name:
            raise UserError(f"{name} cannot stand in a model's declaration: give the function a name in a module")
        return name
    if isinstance(value, functools.partial):
        return {"partial": canonical(value.func), "args": canonical(value.args), "keywords": canonical(value.keywords)}
    if dataclasses.is_dataclass(value):
        fields = {field.name: canonical(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"type": canonical(type(value)), **fields}
    if isinstance(value, Mapping):
        return {str(key): canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [canonical(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise UserError(f"{value!r} cannot stand in a model's declaration: use numbers, text, functions and dataclasses")


NAME = re.compile(r"(?:harness|competitions)(?:\.\w+)*:\w+(?:\.\w+)*")


def revived(value: Any) -> Any:
    """The learner of `canonical`; lists become tuples. Names outside of harness and competitions are not looked up.

    Raise `UserError` where the code no longer has the name or the field.
    """
    if isinstance(value, str) and NAME.fullmatch(value):
        return named(value)
    if isinstance(value, list):
        return tuple(map(revived, value))
    if not isinstance(value, dict):
        return value
    if "partial" in value:
        return functools.partial(revived(value["partial"]), *revived(value["args"]), **revived(value["keywords"]))
    fields = {name: revived(item) for name, item in value.items() if name != "type"}
    if "type" not in value:
        return fields
    try:
        return named(value["type"])(**fields)
    except TypeError as error:
        raise UserError(f"{value['type']} has changed since this model was trained ({error}); train it anew") from error


def named(name: str) -> Any:
    """What `module:qualname` is."""
    module, _, inside = name.partition(":")
    try:
        return functools.reduce(getattr, inside.split("."), importlib.import_module(module))
    except (ImportError, AttributeError) as error:
        raise UserError(f"the code has no {name} any more, which a trained model needs; train it anew") from error


def config_hash(learner: Any) -> str:
    return short_hash(json.dumps(canonical(learner), sort_keys=True))


def arrays_hash(*columns: Any) -> str:
    """Of dtypes, shapes and bytes. The data hash is that of ids, inputs, targets, groups and the hold-out's ids."""
    arrays = [array for column in columns for array in parts_of(column).values()]
    parts: list[str | bytes] = []
    for array in map(np.ascontiguousarray, arrays):
        parts += [f"{array.dtype.descr if array.dtype.names else array.dtype.str}{array.shape}", array.tobytes()]
    return short_hash(*parts)


def train_hash(data: str, excluded: list[str], folds: np.ndarray) -> str:
    """Names the bundles that may be blended: the data, without the excluded rows, cut into these folds."""
    return short_hash(data, json.dumps(sorted(excluded)), np.asarray(folds, np.int64).tobytes())


def code_hash(competition: str) -> str:
    """The source of the harness and of the competition."""
    here = Path(__file__).parent
    files = sorted(here.rglob("*.py")) + sorted((here.parent / "competitions" / competition).rglob("*.py"))
    return short_hash(*(file.read_bytes() for file in files))


# -- bundles -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bundle:
    """One model's predictions: `fold_k/` hold those of each fold, `bundle.json` says what they are.

    A fold holds, for the plain view and the mean over the declared views, its own rows out-of-fold and the whole
    hold-out, as the task packs them (float16), and `fold.json` once it is complete.
    """

    folder: Path

    @property
    def manifest(self) -> dict[str, Any]:
        """Raise `UserError` where there is none."""
        file = self.folder / "bundle.json"
        if not file.exists():
            raise UserError(f"{folders.shown(self.folder)} is no bundle: it holds no bundle.json")
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
    """A member whose predictions stay on the disk: each view is read when it is asked for, and not kept.

    Twenty members of 2,500 Mars tiles would be 8 GB in two views.
    """

    bundle: Bundle
    task: Task
    fold_of_row: np.ndarray
    held: list[int]

    def __post_init__(self) -> None:
        for name in VIEWS:
            self.parts(name)  # what is missing or broken is said at once

    def __iter__(self) -> Iterator[Any]:
        return iter((self.plain, self.tta))

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
        """Of every fold, memory-mapped."""
        return [load_prediction(self.bundle.fold(k), f"oof-{name}", self.task) for k in self.held]


def bundle_folder(competition: str, train: str, model: str, learner: Any) -> Path:
    return folders.runs(competition, train) / f"{model}-{config_hash(learner)}"


def save_prediction(folder: Path, name: str, prediction: Any, task: Task) -> None:
    for part, array in task.pack(prediction).items():
        write_array(folder / f"{name}.{part}.npy", array)


def load_prediction(folder: Path, name: str, task: Task) -> Any:
    """Memory-mapped. Raise `UserError` where a file is missing or broken."""
    arrays = {file.name.split(".")[-2]: read_array(file) for file in sorted(folder.glob(f"{name}.*.npy"))}
    if not arrays:
        raise UserError(
            f"{folders.shown(folder)} lacks {name}; delete {folders.shown(folder / 'fold.json')} and run again"
        )
    return task.unpack(arrays)


def read_array(file: Path, remedy: str = "delete its folder and run the same command again") -> np.ndarray:
    """A memory-mapped array; nothing is ever unpickled."""
    try:
        return np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{folders.shown(file)} is missing or broken ({error}); {remedy}") from error


def write_array(file: Path, array: np.ndarray) -> None:
    """An .npy file, written by ourselves: `np.save` hides the reason when the disk is full."""
    array = np.ascontiguousarray(array)
    if array.dtype.hasobject:
        raise ValueError("Object arrays are never written: they would have to be unpickled")
    with atomic(file) as out:
        np.lib.format.write_array_header_1_0(out, np.lib.format.header_data_from_array_1_0(array))
        out.write(array.tobytes())


RAGGED: Mapping[str, type[Ragged]] = {"flat": Ragged, "encoded": Pictures}


def parts_of(column: Any) -> dict[str, np.ndarray]:
    """The arrays that a column of samples is stored as, by their part of the file's name."""
    for part, kind in RAGGED.items():
        if type(column) is kind:
            return {f".{part}": column.flat, ".offsets": column.offsets}
    return {"": column}


def write_column(folder: Path, name: str, column: Any) -> None:
    """ids, inputs, targets or groups of samples: an array, `Ragged` or `Pictures`."""
    for part, array in parts_of(column).items():
        write_array(folder / f"{name}{part}.npy", array)


def read_column(folder: Path, name: str, remedy: str) -> Any:
    """Memory-mapped, as `write_column` left it."""
    for part, kind in RAGGED.items():
        if (file := folder / f"{name}.{part}.npy").exists():
            return kind(read_array(file, remedy), np.asarray(read_array(folder / f"{name}.offsets.npy", remedy)))
    return read_array(folder / f"{name}.npy", remedy)


def require_same_rows(bundles: Mapping[str, Bundle], train: str) -> None:
    """Bundles of other rows or folds would leak: refuse them in words."""
    for name, bundle in bundles.items():
        other = bundle.manifest["train_hash"]
        if other != train:
            raise UserError(
                f"the bundle {name} was made on other rows or folds (train hash {other} instead of {train}); "
                "train it on this data, or blend it with its own kind"
            )


def once(file: Path, make: Callable[[], Any]) -> Any:
    """The JSON value in `file`, made and written first where it is not there: files are the state."""
    if not file.exists():
        write_json(file, make())
    return read_json(file)
