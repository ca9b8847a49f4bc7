"""The prepared data: the judge's rows are his alone, the answers are in no public file, and hashes mean the data."""

import json
import shutil
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness import paths
from harness.audit import Audit, Check
from harness.data.samples import Dataset, Samples, numbered
from harness.data.splits import Holdout, stratified_grouped
from harness.errors import UserError
from harness.files import write_json
from harness.prepare import Prepared, content_hash, current, few, write
from tests.support.tiny_data import has_rare, tiny_dataset, tiny_declaration


def prepare(
    dataset: Dataset | None = None,
    exclusions: dict[str, str] | None = None,
    groups: np.ndarray | None = None,
    **changed: object,
) -> Prepared:
    dataset = dataset or tiny_dataset()
    audit = Audit([Check("shapes", "pass", "96 rows")], exclusions or {}, dataset.labelled.groups)
    audit = audit if groups is None else replace(audit, groups=groups)
    return write(tiny_declaration(**changed), dataset, audit, "files")


def answers(prepared: Prepared) -> dict[str, np.ndarray]:
    with np.load(paths.private("tiny", prepared.data_hash) / "answers.npz") as arrays:
        return dict(arrays)


# -- who is where ------------------------------------------------------------------------------------------------------


def test_every_row_is_to_train_on_or_held_out_and_columns_stay_with_their_rows() -> None:
    prepared, everyone = prepare(), tiny_dataset().labelled
    train, held_out = prepared.train, prepared.holdout
    assert sorted([*train.ids, *held_out.ids]) == sorted(everyone.ids)
    assert 0.15 < len(held_out) / len(everyone) < 0.35
    row_of = {name: row for row, name in enumerate(everyone.ids.tolist())}
    learned, judged = ([row_of[name] for name in part.ids.tolist()] for part in (train, held_out))
    for column in ("inputs", "targets", "groups"):
        assert (getattr(train, column) == getattr(everyone, column)[learned]).all()
    assert (held_out.inputs == everyone.inputs[judged]).all()
    assert (answers(prepared)["targets"] == everyone.targets[judged]).all()
    assert (answers(prepared)["ids"] == held_out.ids).all()
    assert (prepared.official["test"].inputs == tiny_dataset().official["test"].inputs).all()
    lines = (prepared.folder / "sample_submission.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == held_out.ids.tolist()


@pytest.mark.parametrize("merged", [1, 2], ids=["of the file", "of the audit, which found copies"])
def test_no_group_is_in_both_parts(merged: int) -> None:
    everyone = tiny_dataset().labelled
    groups = everyone.groups // merged
    prepared = prepare(groups=groups)
    train, held_out = (set(groups[np.isin(everyone.ids, part.ids)]) for part in (prepared.train, prepared.holdout))
    assert not train & held_out


# -- the wall ----------------------------------------------------------------------------------------------------------


def holders(folder: Path, needle: bytes) -> list[str]:
    return [file.name for file in folder.rglob("*") if file.is_file() and needle in file.read_bytes()]


def test_no_public_file_holds_an_answer_the_key_or_which_rows_are_public() -> None:
    """Not the answers as a whole, and not the mask of any single row."""
    prepared = prepare()
    private, known = paths.private("tiny", prepared.data_hash), answers(prepared)
    assert {file.name for file in private.iterdir()} == {"answers.npz", "key"}
    assert not private.is_relative_to(prepared.folder)
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    key = (private / "key").read_bytes()
    assert len(key) == 64
    for secret in (key, known["public"].tobytes(), known["targets"].tobytes(), *map(bytes, known["targets"])):
        assert holders(prepared.folder, secret) == []
    assert prepared.holdout.targets is prepared.holdout.groups is None
    # The search finds what is there: the inputs of the hold-out are public, and masks to train on are.
    assert holders(prepared.folder, np.asarray(prepared.holdout.inputs).tobytes()) == ["inputs.npy"]
    assert holders(prepared.folder, prepared.train.targets[0].tobytes()) == ["targets.npy"]


def test_the_public_part_is_drawn_with_a_key_that_is_in_no_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draws, hashes = set(), set()
    for home in map(str, range(6)):
        monkeypatch.setenv("HARNESS_HOME", str(tmp_path / home))
        prepared = prepare(tiny_dataset(groups=40))
        known = answers(prepared)
        public, groups = known["public"], known["groups"]
        draws.add(public.tobytes())
        hashes.add(prepared.data_hash)
        assert 0.3 < public.mean() < 0.7
        assert not set(groups[public]) & set(groups[~public])
        for part in (public, ~public):
            assert set(has_rare(known["targets"][part])) == {0, 1}
    assert len(hashes) == 1
    assert len(draws) > 1


def test_what_is_written_stays_written_and_what_broke_off_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Preparing again draws no new key: entries of yesterday are scored by the same rows."""

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched, pytest.raises(OSError, match="No space"):
        patched.setattr("harness.prepare.np.savez", full)
        prepare()
    assert not list(paths.data("tiny").glob("*/public"))
    before = prepare()
    first = answers(before)["public"].tolist()
    assert prepare().data_hash == before.data_hash
    assert answers(before)["public"].tolist() == first


# -- hashes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["ids", "inputs", "targets", "groups"])
def test_other_data_have_another_hash(column: str) -> None:
    dataset = tiny_dataset()
    values = getattr(dataset.labelled, column).copy()
    values[0] = "other" if column == "ids" else 99 if column == "groups" else values[0] ^ 1
    moved = replace(dataset, labelled=replace(dataset.labelled, **{column: values}))
    assert prepare(moved).data_hash != prepare().data_hash


def test_the_hold_out_is_in_the_data_hash_and_what_does_not_change_the_board_is_not() -> None:
    base = prepare().data_hash
    assert prepare(holdout=Holdout(0.25, 0.5, seed=1)).data_hash != base
    assert prepare(holdout=Holdout(0.4, 0.5)).data_hash != base
    assert prepare(holdout=Holdout(0.25, 0.3)).data_hash == base
    assert prepare(Dataset(tiny_dataset().labelled)).data_hash == base
    assert prepare(exclusions={"t0": "blurred"}).data_hash == base
    assert content_hash(Dataset(tiny_dataset().labelled)) != content_hash(tiny_dataset())


def test_exclusions_edited_by_hand_change_the_train_hash_and_never_the_data_hash() -> None:
    prepared = prepare()
    folds = prepared.folds(tiny_declaration(), 3)
    before, ids, first = prepared.train_hash(folds), prepared.train.ids, str(prepared.train.ids[0])
    write_json(prepared.folder / "exclusions.json", {first: "a person looked at it"})
    edited = Prepared("tiny", prepared.data_hash)
    assert edited.train.ids.tolist() == ids[1:].tolist()
    assert len(edited.train.targets) == len(ids) - 1
    fewer = edited.folds(tiny_declaration(), 3)
    assert fewer.tolist() == folds[1:].tolist()  # the others stay where they were
    assert edited.train_hash(fewer) != before
    assert prepare().data_hash == prepared.data_hash
    assert prepare().exclusions == {first: "a person looked at it"}


def test_artefacts_leave_training_and_stay_in_the_hold_out() -> None:
    prepared = prepare()
    named = [str(prepared.train.ids[0]), str(prepared.holdout.ids[0])]
    shutil.rmtree(paths.data("tiny"))
    again = prepare(exclusions=dict.fromkeys(named, "one mask under many pictures"))
    assert dict(again.exclusions).keys() == {named[0]}
    assert named[0] not in again.train.ids
    assert again.holdout.ids.tolist() == prepared.holdout.ids.tolist()


# -- folds -------------------------------------------------------------------------------------------------------------


def test_folds_are_made_once_saved_and_the_same_for_everybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = prepare()
    folds, train = prepared.folds(tiny_declaration(), 3), prepared.train
    content = (prepared.folder / "folds-3.json").read_bytes()
    changed = tiny_declaration(split=stratified_grouped(by=has_rare, folds=3, seed=5))
    assert (Prepared("tiny", prepared.data_hash).folds(changed, 3) == folds).all()
    assert (prepared.folder / "folds-3.json").read_bytes() == content
    assert all(len(set(folds[train.groups == group])) == 1 for group in train.groups)
    assert [set(has_rare(train.targets[folds == fold])) for fold in range(3)] == [{0, 1}] * 3
    two = prepared.folds(tiny_declaration(), 2)
    assert prepared.train_hash(two) != prepared.train_hash(folds)
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path / "another machine"))
    there = prepare()
    assert (there.data_hash, there.train_hash(folds)) == (prepared.data_hash, prepared.train_hash(folds))
    assert (there.folds(tiny_declaration(), 3) == folds).all()


def test_folds_of_other_rows_are_an_error_not_a_new_split() -> None:
    prepared = prepare()
    prepared.folds(tiny_declaration(), 3)
    file = prepared.folder / "folds-3.json"
    saved = json.loads(file.read_text())
    for broken in ({**saved, "ids": saved["ids"][::-1]}, {**saved, "folds": saved["folds"][:-1]}):
        write_json(file, broken)
        with pytest.raises(UserError, match=r"folds-3\.json is not about these rows"):
            prepared.folds(tiny_declaration(), 3)


def test_strata_that_the_samples_bring_split_them_and_stay_with_the_training_rows() -> None:
    """A grade that no mask shows: every part has both grades, and the folds are made from what was written."""
    dataset, split = tiny_dataset(), stratified_grouped(folds=3)
    grade = np.arange(len(dataset.labelled)) // 3 % 2
    graded = Dataset(replace(dataset.labelled, stratify=grade), dataset.official)
    prepared = prepare(graded, split=split)
    grade_of = dict(zip(graded.labelled.ids.tolist(), grade.tolist(), strict=True))
    assert prepared.train.stratify.tolist() == [grade_of[name] for name in prepared.train.ids.tolist()]
    assert np.bincount([grade_of[name] for name in prepared.holdout.ids.tolist()]).tolist() == [12, 12]
    folds = prepared.folds(tiny_declaration(split=split), 3)
    assert [np.bincount(prepared.train.stratify[folds == k]).tolist() for k in range(3)] == [[12, 12]] * 3
    with pytest.raises(UserError, match="declare by=, or load samples with stratify="):
        prepare(split=split)


# -- the rest ----------------------------------------------------------------------------------------------------------


def test_few_rows_are_of_every_stratum_and_their_place_does_not_tell_it() -> None:
    """For FAST=1. Of the first rows of each, all of the common one would come before most of the rare one."""
    stratify = (np.random.default_rng(0).random(2000) < 0.1).astype(int)
    dataset = Dataset(
        Samples(numbered(2000), np.zeros((2000, 1)), stratify, np.arange(2000)), {"test": Samples([], [])}
    )
    fewer = few(dataset, stratify, each=100)
    kept, place = fewer.labelled.targets, np.arange(200) / 200
    assert np.bincount(kept).tolist() == [100, 100]
    assert (np.diff(fewer.labelled.groups) > 0).all()  # in their order
    assert abs(place[kept == 0].mean() - place[kept == 1].mean()) < 0.12  # 0.5 for the first ones; error 0.04
    assert fewer.official == {}


def test_the_data_prepared_last_are_the_current_ones_and_are_mapped_not_read() -> None:
    with pytest.raises(UserError, match="make data COMP=tiny"):
        current("tiny")
    prepared = prepare()
    write_json(paths.data("tiny") / "current.json", {"data_hash": prepared.data_hash, "source": "files"})
    assert current("tiny") == prepared
    assert current("tiny").source == "files"
    assert isinstance(prepared.holdout.inputs, np.memmap)
    assert isinstance(prepared.train.inputs, np.memmap)
