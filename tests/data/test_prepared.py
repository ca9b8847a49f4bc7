"""The prepared data: the judge's rows are his alone, the answers are in no public file, and hashes mean the data."""

import json
import os
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

CHECKS = [Check("shapes", "pass", "96 rows")]


def prepare(dataset: Dataset | None = None, exclusions: dict[str, str] | None = None, **changed: object) -> Prepared:
    dataset = dataset or tiny_dataset()
    return write(
        tiny_declaration(**changed), dataset, Audit(CHECKS, exclusions or {}, dataset.labelled.groups), "files"
    )


def answers(prepared: Prepared) -> dict[str, np.ndarray]:
    with np.load(paths.private("tiny", prepared.data_hash) / "answers.npz") as arrays:
        return dict(arrays)


# -- who is where ------------------------------------------------------------------------------------------------------


def test_every_row_is_to_train_on_or_held_out_and_no_group_is_both() -> None:
    prepared, everyone = prepare(), tiny_dataset().labelled
    train, held_out = prepared.train.ids, prepared.holdout.ids
    assert sorted([*train, *held_out]) == sorted(everyone.ids)
    group_of = dict(zip(everyone.ids.tolist(), everyone.groups.tolist(), strict=True))
    assert not {group_of[name] for name in train.tolist()} & {group_of[name] for name in held_out.tolist()}
    assert 0.15 < len(held_out) / len(everyone) < 0.35
    assert has_rare(answers(prepared)["targets"]).any()


def test_columns_stay_with_their_rows() -> None:
    prepared, everyone = prepare(), tiny_dataset().labelled
    row_of = {name: row for row, name in enumerate(everyone.ids.tolist())}
    rows = [row_of[name] for name in prepared.train.ids.tolist()]
    for column in ("inputs", "targets", "groups"):
        assert (getattr(prepared.train, column) == getattr(everyone, column)[rows]).all()
    rows = [row_of[name] for name in prepared.holdout.ids.tolist()]
    assert (prepared.holdout.inputs == everyone.inputs[rows]).all()
    assert (answers(prepared)["targets"] == everyone.targets[rows]).all()
    assert (answers(prepared)["ids"] == prepared.holdout.ids).all()
    assert (prepared.official["test"].inputs == tiny_dataset().official["test"].inputs).all()


def test_the_groups_of_the_audit_hold_not_those_of_the_file() -> None:
    """Two pictures that are copies of each other are never parted, whatever groups were declared."""
    dataset = tiny_dataset()
    merged = dataset.labelled.groups // 2
    prepared = write(tiny_declaration(), dataset, Audit(CHECKS, {}, merged), "files")
    parts = [set(merged[np.isin(dataset.labelled.ids, ids)]) for ids in (prepared.train.ids, prepared.holdout.ids)]
    assert not parts[0] & parts[1]


# -- the wall ----------------------------------------------------------------------------------------------------------


def test_the_judges_part_is_not_inside_the_players() -> None:
    prepared = prepare()
    private = paths.private("tiny", prepared.data_hash)
    assert not private.is_relative_to(prepared.folder)
    assert {file.name for file in private.iterdir()} == {"answers.npz", "key"}
    assert stat.S_IMODE(os.stat(private).st_mode) == 0o700


def holders(folder: Path, needle: bytes) -> list[str]:
    return [file.name for file in folder.rglob("*") if file.is_file() and needle in file.read_bytes()]


def test_the_answers_are_in_no_public_file() -> None:
    """Not as a whole, and not the mask of any single row."""
    prepared = prepare()
    private = answers(prepared)
    assert holders(prepared.folder, private["targets"].tobytes()) == []
    for mask in private["targets"]:
        assert holders(prepared.folder, mask.tobytes()) == []
    assert prepared.holdout.targets is None
    assert prepared.holdout.groups is None
    # The search finds what is there: the inputs of the hold-out are public, and masks to train on are.
    assert holders(prepared.folder, np.asarray(prepared.holdout.inputs).tobytes()) == ["inputs.npy"]
    assert holders(prepared.folder, prepared.train.targets[0].tobytes()) == ["targets.npy"]


def test_nor_is_the_key_or_which_rows_are_public() -> None:
    prepared = prepare()
    private = paths.private("tiny", prepared.data_hash)
    key = (private / "key").read_bytes()
    assert len(key) == 64
    assert holders(prepared.folder, key) == []
    assert holders(prepared.folder, answers(prepared)["public"].tobytes()) == []


def test_the_public_part_is_drawn_with_a_key_that_is_in_no_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draws, hashes = set(), set()
    for home in map(str, range(6)):
        monkeypatch.setenv("HARNESS_HOME", str(tmp_path / home))
        prepared = prepare(tiny_dataset(groups=40))
        public = answers(prepared)["public"]
        draws.add(public.tobytes())
        hashes.add(prepared.data_hash)
        assert 0.3 < public.mean() < 0.7
        groups = answers(prepared)["groups"]
        assert not set(groups[public]) & set(groups[~public])
        for part in (public, ~public):
            assert set(has_rare(answers(prepared)["targets"][part])) == {0, 1}
    assert len(hashes) == 1
    assert len(draws) > 1


def test_what_is_written_stays_written() -> None:
    """Preparing again draws no new key: entries of yesterday are scored by the same rows."""
    before = prepare()
    first = (paths.private("tiny", before.data_hash) / "answers.npz").read_bytes()
    again = prepare()
    assert again.data_hash == before.data_hash
    assert (paths.private("tiny", again.data_hash) / "answers.npz").read_bytes() == first


def test_a_half_written_part_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    from harness import prepare as module

    def broken(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched, pytest.raises(OSError, match="No space"):
        patched.setattr(module, "_write_private", broken)
        prepare()
    assert not list(paths.data("tiny").glob("*/public"))
    assert answers(prepare())["ids"].size


# -- hashes ------------------------------------------------------------------------------------------------------------


def moved(dataset: Dataset, **columns: np.ndarray) -> Dataset:
    return replace(dataset, labelled=replace(dataset.labelled, **columns))


@pytest.mark.parametrize("column", ["ids", "inputs", "targets", "groups"])
def test_other_data_have_another_hash(column: str) -> None:
    dataset = tiny_dataset()
    values = getattr(dataset.labelled, column).copy()
    values[0] = "other" if column == "ids" else 99 if column == "groups" else values[0] ^ 1
    assert prepare(moved(dataset, **{column: values})).data_hash != prepare().data_hash


def test_another_hold_out_has_another_hash_and_another_public_share_has_not() -> None:
    base = prepare().data_hash
    assert prepare(holdout=Holdout(0.25, 0.5, seed=1)).data_hash != base
    assert prepare(holdout=Holdout(0.4, 0.5)).data_hash != base
    assert prepare(holdout=Holdout(0.25, 0.3)).data_hash == base


def test_the_official_test_and_the_audit_are_not_in_the_data_hash() -> None:
    assert prepare(Dataset(tiny_dataset().labelled)).data_hash == prepare().data_hash
    assert prepare(exclusions={"t0": "blurred"}).data_hash == prepare().data_hash
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
    assert json.loads((prepared.folder / "exclusions.json").read_text()) == {first: "a person looked at it"}


def test_artefacts_leave_training_and_stay_in_the_hold_out() -> None:
    prepared = prepare()
    named = [str(prepared.train.ids[0]), str(prepared.holdout.ids[0])]
    shutil.rmtree(paths.data("tiny"))
    again = prepare(exclusions=dict.fromkeys(named, "one mask under many pictures"))
    assert again.data_hash == prepared.data_hash
    assert dict(again.exclusions).keys() == {named[0]}
    assert named[0] not in again.train.ids
    assert again.holdout.ids.tolist() == prepared.holdout.ids.tolist()


# -- folds -------------------------------------------------------------------------------------------------------------


def test_folds_are_made_once_saved_and_the_same_for_everybody() -> None:
    prepared = prepare()
    folds = prepared.folds(tiny_declaration(), 3)
    file = prepared.folder / "folds-3.json"
    content = file.read_bytes()
    changed = tiny_declaration(split=stratified_grouped(by=has_rare, folds=3, seed=5))
    assert (Prepared("tiny", prepared.data_hash).folds(changed, 3) == folds).all()
    assert file.read_bytes() == content
    assert set(folds) == {0, 1, 2}
    groups = prepared.train.groups
    assert all(len(set(folds[groups == group])) == 1 for group in groups)
    for fold in range(3):
        assert set(has_rare(prepared.train.targets[folds == fold])) == {0, 1}


def test_another_number_of_folds_is_another_split_with_its_own_hash() -> None:
    prepared = prepare()
    two, three = (prepared.folds(tiny_declaration(), count) for count in (2, 3))
    assert set(two) == {0, 1}
    assert prepared.train_hash(two) != prepared.train_hash(three)
    assert {file.name for file in prepared.folder.glob("folds-*")} == {"folds-2.json", "folds-3.json"}


def test_two_machines_make_the_same_folds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = prepare()
    folds = here.folds(tiny_declaration(), 3)
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path / "elsewhere"))
    there = prepare()
    assert there.data_hash == here.data_hash
    assert (there.folds(tiny_declaration(), 3) == folds).all()
    assert there.train_hash(folds) == here.train_hash(folds)


def test_folds_of_other_rows_are_an_error_not_a_new_split() -> None:
    prepared = prepare()
    prepared.folds(tiny_declaration(), 3)
    file = prepared.folder / "folds-3.json"
    saved = json.loads(file.read_text())
    for broken in ({**saved, "ids": saved["ids"][::-1]}, {**saved, "folds": saved["folds"][:-1]}):
        write_json(file, broken)
        with pytest.raises(UserError, match=r"folds-3\.json is not about these rows"):
            prepared.folds(tiny_declaration(), 3)


# -- the rest ----------------------------------------------------------------------------------------------------------


def test_few_rows_are_of_every_stratum_in_their_order_without_official_test() -> None:
    dataset = tiny_dataset(groups=40)
    stratify = has_rare(dataset.labelled.targets)
    fewer = few(dataset, stratify, each=6)
    rows = np.flatnonzero(np.isin(dataset.labelled.ids, fewer.labelled.ids))
    assert fewer.labelled.ids.tolist() == dataset.labelled.ids[rows].tolist()
    assert np.bincount(stratify[rows].astype(int)).tolist() == [6, 6]
    assert fewer.official == {}
    assert len(few(dataset, stratify, each=10**6).labelled) == len(dataset.labelled)


def test_the_place_of_the_few_rows_does_not_tell_a_rare_stratum() -> None:
    """Of the first rows of each, all of the common one would come before most of the rare one."""
    stratify = (np.random.default_rng(0).random(2000) < 0.1).astype(int)
    dataset = Dataset(Samples(numbered(2000), np.zeros((2000, 1)), stratify, np.arange(2000)))
    kept = few(dataset, stratify, each=100).labelled.targets
    place = np.arange(len(kept)) / len(kept)
    assert abs(place[kept == 0].mean() - place[kept == 1].mean()) < 0.12  # 0.5 for the first ones; error 0.04


def test_the_data_prepared_last_are_the_current_ones() -> None:
    with pytest.raises(UserError, match="make data COMP=tiny"):
        current("tiny")
    prepared = prepare()
    write_json(paths.data("tiny") / "current.json", {"data_hash": prepared.data_hash, "source": "files"})
    assert current("tiny") == prepared
    assert current("tiny").source == "files"


def test_arrays_are_mapped_not_read() -> None:
    assert isinstance(prepare().holdout.inputs, np.memmap)
    assert isinstance(prepare().train.inputs, np.memmap)


def test_the_sample_submission_is_about_the_hold_out() -> None:
    prepared = prepare()
    lines = (prepared.folder / "sample_submission.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == prepared.holdout.ids.tolist()
    assert Samples(prepared.holdout.ids, prepared.holdout.inputs).targets is None


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
    assert prepare().train.stratify is None
    with pytest.raises(UserError, match="declare by=, or load samples with stratify="):
        prepare(split=split)
