"""Hashes that name a run, and the predictions that it holds."""

import functools
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from harness.competition import find, names
from harness.data.columns import arrays_hash, read_array, train_hash, write_array
from harness.errors import UserError
from harness.files import once, write_json
from harness.models.config import canonical, config_hash, revived
from harness.models.losses import cross_entropy, dice, focal
from harness.models.smp import Network, Smp
from harness.tasks.segmentation import Segmentation
from harness.training.ensembling import sharing
from harness.training.predictions import ModelRun, load_prediction, require_same_rows, save_prediction


def build(classes: int, channels: int, width: int) -> None:
    """Never called: a declaration is hashed by the name of its builder."""


def other_build(classes: int, channels: int, width: int) -> None:
    """Another name."""


learner = Network(build=build, width=8, epochs=5, loss=cross_entropy + dice)


# -- the config hash ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed",
    [
        {"width": 9},
        {"epochs": 6},
        {"lr": 2e-3},
        {"build": other_build},
        {"loss": cross_entropy},
        {"loss": dice + 2 * cross_entropy},
        {"loss": focal},
        {"target_class": 2},
        {"clip": None},
        {"pretrained": True},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_another_field_is_another_config(changed: dict) -> None:
    assert config_hash(replace(learner, **changed)) != config_hash(learner)


def test_the_same_fields_are_the_same_config() -> None:
    assert config_hash(replace(learner)) == config_hash(learner)
    assert config_hash(Network(loss=cross_entropy + dice, epochs=5, width=8, build=build)) == config_hash(learner)
    assert config_hash(replace(learner, lr=2e-3)) == config_hash(replace(replace(learner, width=9), lr=2e-3, width=8))


def test_the_type_counts_and_the_order_of_a_mapping_does_not() -> None:
    @dataclass
    class Pair:
        a: int = 1

    @dataclass
    class Other:
        a: int = 1

    Pair.__qualname__, Other.__qualname__ = "Pair", "Other"
    assert config_hash(Pair()) != config_hash(Other())
    assert config_hash({"a": 1, "b": (2, 3)}) == config_hash({"b": [2, 3], "a": 1})
    assert config_hash({"a": 1}) != config_hash({"a": 1.5}) != config_hash({"a": None})
    assert config_hash(Smp("Unet")) != config_hash(Smp("FPN"))


def test_functions_stand_by_their_names() -> None:
    assert canonical(build) == {"function": f"{__name__}:build"}
    one, other = (canonical(functools.partial(build, width=width)) for width in (8, 9))
    assert one["partial"] == {"function": f"{__name__}:build"}
    assert one != other
    assert canonical(learner)["build"] == {"function": f"{__name__}:build"}
    assert canonical(learner)["type"] == "Network"


def inner():
    def nested() -> None: ...

    return nested


@pytest.mark.parametrize(
    "nameless",
    [lambda: 0, inner(), functools.partial(lambda: 0), object(), {1, 2}, b"raw"],
    ids=["lambda", "nested function", "partial", "object", "set", "bytes"],
)
def test_what_has_no_name_to_look_up_is_refused(nameless: object) -> None:
    with pytest.raises(UserError, match="cannot be part of a model's declaration"):
        config_hash({"field": nameless})


# -- the other hashes --------------------------------------------------------------------------------------------------


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
    assert len({name, train_hash("other", ["a", "b"], folds), train_hash("data", ["a"], folds)}) == 3
    assert name != train_hash("data", ["a", "b"], np.array([0, 1, 1]))


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


def test_out_of_fold_predictions_stand_in_the_order_of_the_rows(model_run: ModelRun) -> None:
    member = model_run.out_of_fold(TASK, np.array([1, 0, 0]), [0, 1])
    assert member.plain[:, 0, 0, 0].tolist() == [0.5, 0.125, 0.25]
    assert member.tta[:, 0, 0, 0].tolist() == [0.75, 0.375, 0.5]


def test_the_hold_out_is_the_mean_over_the_folds(model_run: ModelRun) -> None:
    assert model_run.holdout(TASK, model_run.held(2)).plain[:, 0, 0, 0].tolist() == [0.25, 0.75]
    assert model_run.holdout(TASK, [1]).plain[:, 0, 0, 0].tolist() == [0.5, 0.5]


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


def test_a_folder_without_run_json_is_refused(model_run: ModelRun) -> None:
    with pytest.raises(UserError, match=r"net-abc.*run\.json"):
        _ = model_run.manifest


def test_runs_of_other_rows_or_folds_are_refused(model_run: ModelRun) -> None:
    write_json(model_run.folder / "run.json", {"train_hash": "abc"})
    require_same_rows({"net": model_run}, "abc")
    with pytest.raises(UserError, match=r"net .*abc instead of def"):
        require_same_rows({"net": model_run}, "def")


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
    assert not (tmp_path / "b.npy").exists()
    np.load(tmp_path / "a.npy", allow_pickle=True)
    assert Path("exploded").exists()  # the bomb is a real one


def test_what_is_made_once_is_read_ever_after(tmp_path: Path) -> None:
    values = iter([{"a": 1}, {"a": 2}])
    assert [once(tmp_path / "x.json", lambda: next(values)) for _ in range(2)] == [{"a": 1}] * 2


@pytest.mark.parametrize("name", names())
def test_every_declared_learner_comes_back_from_its_canonical_form(name: str) -> None:
    for learner in find(name).models.values():
        again = revived(json.loads(json.dumps(canonical(learner))))
        assert type(again) is type(learner)
        assert config_hash(again) == config_hash(learner)


def test_a_name_that_the_code_no_longer_has_is_said_so() -> None:
    with pytest.raises(UserError, match="Gone"):
        revived({"type": "Gone"})


def test_a_field_that_a_learner_no_longer_has_is_said_so() -> None:
    with pytest.raises(UserError, match="has changed since"):
        revived({"type": "Sklearn", "colour": 3})


@pytest.mark.parametrize("name", ["os:system", "harness.files:write_json", "write_json"])
def test_names_outside_of_models_and_competitions_are_neither_called_nor_imported(name: str) -> None:
    with pytest.raises(UserError):
        revived({"type": name, "path": "x"})
    assert revived(name) == name  # text stays text
    assert revived({"function": "os:system"}) == "os:system"


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
