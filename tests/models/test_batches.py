"""Which rows make up a batch: oversampling, priming, pasting, dropping; the same from the same seed, fold and epoch."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.data.samples import Samples, numbered
from harness.models import Context, Interrupted
from harness.models.augment import Augment
from harness.models.torch_loop.batches import Batches, Paste, Prime
from harness.models.torch_loop.outputs import TargetEncoding
from harness.tasks.classification import Classification
from tests.support.tiny_networks import TASK, has_rare, learner, stop_at, tiles

plain = replace(learner, batch=4, augment=None)
primed = replace(plain, epochs=5, prime=Prime(images=3, share=0.4))  # 2 epochs, then 3


def batches_of(declared=primed, train: Samples | None = None, **change) -> Batches:
    return Batches(declared, TargetEncoding(TASK), train or tiles(), Context(TASK, Path("nowhere"), **change))


def rows_of(batches: Batches, epoch: int) -> list[list[int]]:
    """The rows of each batch, known by their images."""
    row_of = {image.tobytes(): row for row, image in enumerate(tiles().inputs)}
    return [[row_of[image.tobytes()] for image in images] for images, _ in batches.epoch(epoch)]


# -- priming -----------------------------------------------------------------------------------------------------------


def test_the_first_epochs_show_the_same_few_images_in_turn_and_the_others_all() -> None:
    batches = batches_of()
    for epoch in range(5):
        rows = rows_of(batches, epoch)
        order = np.concatenate(rows).tolist()
        assert [len(batch) for batch in rows] == [4, 3, 3]
        if epoch < 2:  # none a third time before all were there twice
            assert set(order[:3]) == set(order[3:6]) == set(order[6:9]) == set(batches.few.tolist())
        else:
            assert sorted(order) == list(range(10))


def test_the_few_depend_on_seed_and_fold_and_the_order_also_on_the_epoch() -> None:
    places = [{"seed": seed, "fold": fold} for seed in range(4) for fold in range(4)]
    chosen = [tuple(batches_of(**place).few.tolist()) for place in places]
    assert chosen == [tuple(batches_of(**place).few.tolist()) for place in places]
    assert len(set(chosen)) > 8
    assert rows_of(batches_of(), 0) == rows_of(batches_of(), 0) != rows_of(batches_of(), 1)


@pytest.mark.parametrize("step", [2, 7])  # inside the first primed epoch, and the first with all images
def test_a_primed_fit_interrupted_ends_with_the_same_bytes(step: int, tmp_path: Path) -> None:
    whole = primed.fit(tiles(), None, Context(TASK, tmp_path / "whole"))
    with pytest.raises(Interrupted):
        primed.fit(tiles(), None, Context(TASK, tmp_path / "cut", stop=stop_at(step)))
    resumed = primed.fit(tiles(), None, Context(TASK, tmp_path / "cut"))
    assert resumed.predict(tiles().inputs).tobytes() == whole.predict(tiles().inputs).tobytes()


LABELLED = Samples(numbered(10), np.arange(10), np.array([0, 0, 0, 0, 0, 0, 0, 1, 1, 2]))
GRADED = replace(tiles(), stratify=np.array([0, 0, 0, 0, 0, 0, 0, 0, 1, 1]))


@pytest.mark.parametrize(
    ("samples", "images", "kinds", "expected"),
    [
        (tiles(), 2, has_rare(tiles().targets), {(1, 1), (0, 2)}),  # every class that the masks show
        (LABELLED, 6, LABELLED.targets, {(3, 2, 1)}),  # in turn; there is one 2, its turn goes on
        (GRADED, 4, GRADED.stratify, {(2, 2)}),  # strata in place of labels
    ],
)
def test_every_kind_of_sample_is_among_the_few(samples: Samples, images: int, kinds: np.ndarray, expected: set) -> None:
    few = [Prime(images=images).choose(samples, np.arange(10), np.random.default_rng(seed)) for seed in range(20)]
    assert {tuple(np.bincount(kinds[rows].astype(int)).tolist()) for rows in few} <= expected
    assert len({tuple(rows) for rows in few}) > 10


# -- the rows of an epoch ----------------------------------------------------------------------------------------------


def test_every_row_is_seen_once_an_epoch_and_marked_rows_fill_their_share() -> None:
    rows = rows_of(batches_of(plain), 0)
    assert sorted(np.concatenate(rows).tolist()) == list(range(10)) and [len(batch) for batch in rows] == [4, 3, 3]
    shared = [np.array(batch) for batch in rows_of(batches_of(replace(plain, oversample=has_rare)), 0)]
    assert [(batch % 5 == 0).sum() for batch in shared] == [2, 2, 1] and sum(map(len, shared)) == 10
    unmarked = np.concatenate(shared)[np.concatenate(shared) % 5 > 0]
    assert len(set(unmarked)) == len(unmarked) == 5


def test_an_epoch_is_a_function_of_seed_fold_and_epoch_and_can_be_entered_anywhere() -> None:
    def drawn(epoch: int, first: int = 0, **change) -> list[bytes]:
        made = batches_of(replace(learner, paste=Paste(of=(3,))), **change)
        return [images.tobytes() + codes.tobytes() for images, codes in made.epoch(epoch, first)]

    assert drawn(4) == drawn(4) and drawn(4, first=2) == drawn(4)[2:]
    assert drawn(4) != drawn(5) and drawn(4) != drawn(4, seed=1) and drawn(4) != drawn(4, fold=1)


def test_tiles_of_a_single_class_can_be_dropped() -> None:
    train = tiles()
    train.targets[3], train.targets[4] = 1, 0
    assert batches_of(replace(learner, drop_single_class=True), train).rows.tolist() == [0, 1, 2, 5, 6, 7, 8, 9]


def test_a_pasted_region_brings_its_pixels_and_its_labels_and_nothing_else() -> None:
    train, paste = tiles(), Paste(of=(3,), share=1.0)
    assert paste.donors(train.targets).tolist() == [0, 5]
    images, masks = np.zeros((4, 8, 16), np.uint8), np.ones((4, 8, 16), np.uint8)
    paste(images, masks, train, paste.donors(train.targets), paste.draw(np.random.default_rng(0), 4))
    assert ((masks == 3).sum((1, 2)) == 16).all() and ((images > 0) == (masks == 3)).all()
    assert len({(mask == 3).argmax() for mask in masks}) > 1
    assert (train.targets == tiles().targets).all() and (train.inputs == tiles().inputs).all()


def test_labels_are_counted_and_encoded_without_void() -> None:
    targets = np.array([[[0, 1, 1, 3]]], np.uint8)
    special = TargetEncoding(TASK, target_class=3)
    assert TargetEncoding(TASK).count(targets).tolist() == [2, 0, 1] and special.count(targets).tolist() == [2, 1]
    assert special.encode(targets).tolist() == [[[-100, 0, 0, 1]]]


# -- augmented ---------------------------------------------------------------------------------------------------------


def test_only_masks_are_turned_with_their_images() -> None:
    """Several labels a row have two dimensions too."""
    flags = np.random.default_rng(0).integers(0, 2, (len(tiles()), 3))
    several = replace(tiles(), targets=flags)
    turned = replace(learner, batch=len(several), augment=Augment(hflip=1.0, rotate=30.0))
    encoding = TargetEncoding(Classification(("a", "b", "c"), multilabel=True), several=True)
    ((images, targets),) = Batches(turned, encoding, several, Context(TASK, Path("nowhere"))).epoch(0)
    assert sorted(targets.tolist()) == sorted(flags.tolist())
    assert images.shape == several.inputs.shape
