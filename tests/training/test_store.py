"""Hashes that name a run, the learners that they name, and the predictions that it holds."""

import functools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness import disk, paths
from harness.competition import find, names
from harness.data.columns import arrays_hash, read_array, train_hash, write_array
from harness.errors import UserError
from harness.files import locked, write_json
from harness.models.config import canonical, config_hash, revived
from harness.models.losses import cross_entropy, dice, focal
from harness.models.smp import Network
from harness.tasks.segmentation import Segmentation
from harness.training.ensembling import sharing
from harness.training.predictions import ModelRun, load_prediction, require_same_rows, save_prediction
from tests.support.tiny_data import tiny_declaration


def build(classes: int, channels: int, width: int) -> None:
    """Never called: a declaration is hashed by the name of its builder."""


def other_build(classes: int, channels: int, width: int) -> None:
    """Another name."""


learner = Network(build=build, width=8, epochs=5, loss=cross_entropy + dice)


# -- hashes ------------------------------------------------------------------------------------------------------------


def test_a_config_is_its_fields_whatever_their_order_and_functions_stand_by_their_names() -> None:
    changes = [
        {"width": 9}, {"lr": 2e-3}, {"build": other_build}, {"build": functools.partial(build, width=9)},
        {"loss": cross_entropy}, {"loss": dice + 2 * cross_entropy}, {"loss": focal}, {"target_class": 2},
    ]  # fmt: skip
    assert len({config_hash(replace(learner, **changed)) for changed in ({}, *changes)}) == 1 + len(changes)
    assert config_hash(Network(loss=cross_entropy + dice, epochs=5, width=8, build=build)) == config_hash(learner)
    assert config_hash({"a": 1, "b": (2, 3)}) == config_hash({"b": [2, 3], "a": 1})
    assert canonical(learner)["build"] == {"function": f"{__name__}:build"}


@pytest.mark.parametrize(
    "nameless",
    [lambda: 0, functools.partial(lambda: 0), object(), {1, 2}, b"raw"],
    ids=["lambda", "partial", "object", "set", "bytes"],
)
def test_what_has_no_name_to_look_up_is_refused(nameless: object) -> None:
    with pytest.raises(UserError, match="cannot be part of a model's declaration"):
        config_hash({"field": nameless})


def test_a_data_hash_sees_values_types_and_shapes() -> None:
    array = np.arange(6, dtype=np.uint8)
    others = [array[::-1], array.astype(np.int64), array.reshape(2, 3), array[:5]]
    assert len({arrays_hash(other) for other in (array, *others)}) == 5
    assert arrays_hash(array.reshape(2, 3).T) == arrays_hash(np.ascontiguousarray(array.reshape(2, 3).T))
    assert arrays_hash(array[:2], array[2:]) != arrays_hash(array[:3], array[3:])


def test_a_train_hash_is_data_exclusions_and_folds() -> None:
    folds = np.array([0, 1, 0])
    name = train_hash("data", ["a", "b"], folds)
    assert name == train_hash("data", ["b", "a"], folds.astype(np.int8))
    others = [("other", ["a", "b"], folds), ("data", ["a"], folds), ("data", ["a", "b"], np.array([0, 1, 1]))]
    assert len({name, *(train_hash(*other) for other in others)}) == 4


# -- stored learners ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", names())
def test_every_declared_learner_comes_back_from_its_canonical_form(name: str) -> None:
    for learner in find(name).models.values():
        again = revived(json.loads(json.dumps(canonical(learner))))
        assert type(again) is type(learner)
        assert config_hash(again) == config_hash(learner)


@pytest.mark.parametrize(("type_", "field"), [("Gone", "path"), ("Sklearn", "colour"), ("os:system", "path")])
def test_a_stored_learner_that_the_code_does_not_have_is_refused(type_: str, field: str) -> None:
    with pytest.raises(UserError, match=rf"{type_}|has changed since"):
        revived({"type": type_, field: "x"})


@pytest.mark.parametrize("name", ["harness.files:write_json", "write_json"])
def test_names_outside_of_models_and_competitions_are_neither_called_nor_imported(name: str) -> None:
    with pytest.raises(UserError):
        revived({"type": name, "path": "x", "value": 1})
    assert revived(name) == name  # text stays text
    assert revived({"function": "os:system"}) == "os:system"


# -- runs --------------------------------------------------------------------------------------------------------------

TASK = Segmentation(("void", "yes"), (1, 2), void=None)


def prediction(rows: list[float]) -> np.ndarray:
    """(n, 2, 1, 2): the first class has this probability everywhere."""
    first = np.array(rows, np.float16)[:, None, None, None]
    return np.broadcast_to(np.concatenate([first, 1 - first], 1), (len(rows), 2, 1, 2)).astype(np.float16)


@pytest.fixture
def model_run(tmp_path: Path) -> ModelRun:
    """Two folds of three rows: fold 1 holds row 0, fold 0 holds rows 1 and 2."""
    found = ModelRun(tmp_path / "net-abc")
    for fold, rows, holdout in ((0, [0.125, 0.25], [0.0, 1.0]), (1, [0.5], [0.5, 0.5])):
        for view, shift in (("plain", 0), ("tta", 0.25)):
            save_prediction(found.fold(fold), f"oof-{view}", prediction([row + shift for row in rows]), TASK)
            save_prediction(found.fold(fold), f"holdout-{view}", prediction(holdout), TASK)
        write_json(found.fold(fold) / "fold.json", {"fold": fold, "seconds": 1.0, "code": "c"})
    return found


def test_out_of_fold_predictions_stand_in_the_order_of_the_rows_and_the_hold_out_is_a_mean(model_run: ModelRun) -> None:
    member = model_run.out_of_fold(TASK, np.array([1, 0, 0]), [0, 1])
    assert member.plain[:, 0, 0, 0].tolist() == [0.5, 0.125, 0.25]
    assert member.tta[:, 0, 0, 0].tolist() == [0.75, 0.375, 0.5]
    assert model_run.holdout(TASK, model_run.held(2)).plain[:, 0, 0, 0].tolist() == [0.25, 0.75]


def test_a_fold_without_its_last_file_is_not_held(model_run: ModelRun) -> None:
    (model_run.fold(1) / "fold.json").unlink()
    assert model_run.held(2) == [0]
    assert model_run.out_of_fold(TASK, np.array([1, 0, 0]), [0]).plain[:, 0, 0, 0].tolist() == [0.125, 0.25]
    assert model_run.holdout(TASK, model_run.held(2)).plain[:, 0, 0, 0].tolist() == [0, 1]


def test_a_missing_or_broken_prediction_is_named(model_run: ModelRun) -> None:
    (file,) = model_run.fold(0).glob("oof-plain.*")
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(UserError, match=rf"{file.name} is missing or broken"):
        model_run.out_of_fold(TASK, np.array([1, 0, 0]), [0, 1])
    file.unlink()
    with pytest.raises(UserError, match="lacks oof-plain"):
        load_prediction(model_run.fold(0), "oof-plain", TASK)


def test_no_run_and_runs_of_other_rows_or_folds_are_refused(model_run: ModelRun) -> None:
    with pytest.raises(UserError, match=r"net-abc.*run\.json"):
        _ = model_run.manifest
    write_json(model_run.folder / "run.json", {"train_hash": "abc"})
    require_same_rows({"net": model_run}, "abc")
    with pytest.raises(UserError, match=r"net .*abc instead of def"):
        require_same_rows({"net": model_run}, "def")


def test_runs_that_share_no_fold_with_the_fullest_are_left_out_and_specialists_come_last(tmp_path: Path) -> None:
    def made(name: str, folds: list[int], target_class: int | None = None) -> ModelRun:
        model_run = ModelRun(tmp_path / name)
        write_json(model_run.folder / "run.json", {"config": {"target_class": target_class}})
        for k in folds:
            write_json(model_run.fold(k) / "fold.json", {})
        return model_run

    model_runs = {"far": made("far", [3]), "wide": made("wide", [0, 1]), "special": made("special", [1, 2, 3, 4], 2)}
    kept, shared = sharing(model_runs, 5)
    assert (list(kept), shared) == (["wide", "special"], [1])


class Bomb:
    """Unpickling it would be seen."""

    def __reduce__(self):
        return (Path.touch, (Path("exploded"),))


def test_arrays_are_never_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save(tmp_path / "a.npy", np.array([Bomb()], object), allow_pickle=True)
    with pytest.raises(UserError, match=r"a\.npy is missing or broken"):
        read_array(tmp_path / "a.npy")
    assert not Path("exploded").exists()
    with pytest.raises(ValueError, match="Object arrays"):
        write_array(tmp_path / "b.npy", np.array([Bomb()], object))
    np.load(tmp_path / "a.npy", allow_pickle=True)
    assert Path("exploded").exists()  # the bomb is a real one


def test_status_lists_runs_with_their_sizes_and_clean_keeps_those_in_use(own_home: Path) -> None:
    declared, runs = tiny_declaration(), paths.runs("tiny", "abc")
    for name in ("used-1", "idle-2"):
        write_json(runs / name / "fold_0" / "fold.json", {})
        (runs / name / "fold_1").mkdir()
    write_json(runs / "used-1" / "run.json", {"score": {"score": 0.5}})
    best = paths.submissions("tiny", "d") / "best"
    write_json(best / "submission.json", {"runs": {"used": paths.shown(runs / "used-1")}})
    (best / "submission.csv").write_text("id")
    told = disk.status(declared)
    assert [(run["name"], run["folds"], run["folds_done"], run["in_use"]) for run in told["runs"]] == [
        ("idle-2", 2, 1, False),
        ("used-1", 2, 1, True),
    ]
    assert (told["best"], told["running"]) == ("submissions/tiny/d/best/submission.csv", None)
    assert told["bytes"] == sum(file.stat().st_size for file in own_home.rglob("*") if file.is_file()) > 0
    with locked(runs):
        assert "in use by process" in disk.status(declared)["running"]
    assert disk.clean(declared)["removed"] == ["runs/tiny/abc/idle-2"]
    assert [run["name"] for run in disk.status(declared)["runs"]] == ["used-1"]
