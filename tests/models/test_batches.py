"""Which rows make up a batch: oversampling, priming, pasting, dropping; the same from the same seed, fold and epoch."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.data.samples import Samples, numbered
from harness.models import Context, Interrupted
from harness.models.torch_loop.batches import Batches, Paste, Prime, batches, several_classes
from harness.models.torch_loop.outputs import TargetEncoding
from tests.support.tiny_networks import TASK, learner, tiles

primed = replace(learner, epochs=5, batch=4, augment=None, prime=Prime(images=3, share=0.4))  # 2 epochs, then 3
ALL = np.arange(10)


def rows_of(batches: Batches, epoch: int) -> list[list[int]]:
    """The rows of each batch, known by their pictures."""
    row_of = {image.tobytes(): row for row, image in enumerate(tiles().inputs)}
    return [[row_of[image.tobytes()] for image in images] for images, _ in batches.epoch(epoch)]


def batches_of(seed: int = 0, fold: int = 0, declared=primed) -> Batches:
    return Batches(declared, TargetEncoding(TASK), tiles(), Context(TASK, Path("nowhere"), seed=seed, fold=fold))


def test_the_first_epochs_show_the_same_few_images_and_the_others_all() -> None:
    batches = batches_of()
    seen = [{row for rows in rows_of(batches, epoch) for row in rows} for epoch in range(5)]
    assert seen[0] == seen[1] == set(batches.few.tolist())
    assert len(seen[0]) == 3
    assert seen[2] == seen[3] == seen[4] == set(range(10))


def test_a_primed_epoch_is_as_long_as_any_and_its_images_take_turns() -> None:
    batches = batches_of()
    for epoch in range(5):
        assert [len(rows) for rows in rows_of(batches, epoch)] == [4, 3, 3]
    for epoch in range(2):
        order = [row for rows in rows_of(batches, epoch) for row in rows]
        assert set(order[:3]) == set(order[3:6]) == set(order[6:9])  # none a third time before all were there twice


def test_the_few_depend_on_seed_and_fold_and_the_order_also_on_the_epoch() -> None:
    chosen = {(seed, fold): tuple(batches_of(seed, fold).few.tolist()) for seed in range(4) for fold in range(4)}
    assert chosen == {place: tuple(batches_of(*place).few.tolist()) for place in chosen}
    assert len(set(chosen.values())) > 8
    batches = batches_of()
    assert rows_of(batches, 0) == rows_of(batches_of(), 0) != rows_of(batches, 1)


@pytest.mark.parametrize("step", [2, 7])  # inside the first primed epoch, and the first with all images
def test_a_primed_fit_interrupted_ends_with_the_same_bytes(step: int, tmp_path: Path) -> None:
    asked = iter(range(1, 100))
    whole = primed.fit(tiles(), None, Context(TASK, tmp_path / "whole"))
    with pytest.raises(Interrupted):
        primed.fit(tiles(), None, Context(TASK, tmp_path / "cut", stop=lambda: next(asked) == step))
    resumed = primed.fit(tiles(), None, Context(TASK, tmp_path / "cut"))
    assert resumed.predict(tiles().inputs).tobytes() == whole.predict(tiles().inputs).tobytes()


# -- which few ---------------------------------------------------------------------------------------------------------


def choices(samples: Samples, images: int, rows: np.ndarray = ALL) -> list[np.ndarray]:
    return [Prime(images=images).choose(samples, rows, np.random.default_rng(seed)) for seed in range(20)]


def test_every_class_that_the_masks_show_is_among_the_few() -> None:
    """Rows 0 and 5 alone show the rare class."""
    for few in choices(tiles(), images=2):
        assert len(set(few.tolist())) == 2
        assert {0, 5} & set(few.tolist())
    assert len({tuple(few) for few in choices(tiles(), images=2)}) > 10


def test_labels_of_whole_images_are_covered_too() -> None:
    labelled = Samples(numbered(10), ALL, np.array([0, 0, 0, 0, 0, 0, 0, 1, 1, 2]))
    for few in choices(labelled, images=6):
        assert np.bincount(labelled.targets[few]).tolist() == [3, 2, 1]  # in turn; there is one 2, its turn goes on


def test_strata_that_the_samples_bring_are_covered_in_place_of_labels() -> None:
    graded = replace(tiles(), stratify=np.array([0, 0, 0, 0, 0, 0, 0, 0, 1, 1]))
    for few in choices(graded, images=4):
        assert np.bincount(graded.stratify[few]).tolist() == [2, 2]


@pytest.mark.parametrize(("epochs", "primed_epochs"), [(1, 0), (5, 1), (60, 12)])
def test_a_fifth_of_the_epochs_is_primed_and_none_of_a_single_one(epochs: int, primed_epochs: int) -> None:
    assert Prime().epochs(epochs) == primed_epochs


# -- the rows of an epoch ----------------------------------------------------------------------------------------------


def test_every_row_is_seen_once_an_epoch_and_marked_rows_fill_their_share():
    rng = np.random.default_rng(0)
    rows, marked = np.arange(10), np.arange(10) < 2
    plain = batches(rows, np.zeros(10, bool), 0.5, 4, rng)
    assert sorted(np.concatenate(plain)) == list(range(10)) and [len(b) for b in plain] == [4, 3, 3]
    shared = batches(rows, marked, 0.5, 4, rng)
    assert [(b < 2).sum() for b in shared] == [2, 2, 1] and sum(map(len, shared)) == 10
    unmarked = np.concatenate(shared)[np.concatenate(shared) >= 2]
    assert len(set(unmarked)) == len(unmarked) == 5


def test_an_epoch_is_a_function_of_seed_fold_and_epoch_and_can_be_entered_anywhere(tmp_path):
    def drawn(epoch: int, first: int = 0, **change) -> list[bytes]:
        made = Batches(
            replace(learner, paste=Paste(of=(3,))), TargetEncoding(TASK), tiles(), Context(TASK, tmp_path, **change)
        )
        return [images.tobytes() + codes.tobytes() for images, codes in made.epoch(epoch, first)]

    assert drawn(4) == drawn(4) and drawn(4, first=2) == drawn(4)[2:]
    assert drawn(4) != drawn(5) and drawn(4) != drawn(4, seed=1) and drawn(4) != drawn(4, fold=1)


def test_tiles_of_a_single_class_can_be_dropped(tmp_path):
    train = tiles()
    train.targets[3] = 1
    train.targets[4] = 0
    assert np.flatnonzero(~several_classes(train.targets, void=0)).tolist() == [3, 4]
    made = Batches(replace(learner, drop_single_class=True), TargetEncoding(TASK), train, Context(TASK, tmp_path))
    assert not {3, 4} & set(made.rows) and len(made.rows) == 8


def test_a_pasted_region_brings_its_pixels_and_its_labels_and_nothing_else():
    train, paste = tiles(), Paste(of=(3,), share=1.0)
    assert paste.donors(train.targets).tolist() == [0, 5]
    images, masks = np.zeros((4, 8, 16), np.uint8), np.ones((4, 8, 16), np.uint8)
    paste(images, masks, train, paste.donors(train.targets), paste.draw(np.random.default_rng(0), 4))
    assert ((masks == 3).sum((1, 2)) == 16).all() and ((images > 0) == (masks == 3)).all()
    assert {(masks[0] == 3).argmax(), (masks[1] == 3).argmax(), (masks[2] == 3).argmax()} != {(masks[3] == 3).argmax()}
    assert (train.targets == tiles().targets).all() and (train.inputs == tiles().inputs).all()


def test_labels_are_counted_without_void():
    targets = np.array([[[0, 1, 1, 3]]], np.uint8)
    assert TargetEncoding(TASK).count(targets).tolist() == [2, 0, 1]
    assert TargetEncoding(TASK, target_class=3).count(targets).tolist() == [2, 1]
    assert TargetEncoding(TASK, target_class=3).encode(targets).tolist() == [[[-100, 0, 0, 1]]]
