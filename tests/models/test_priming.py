"""Priming: few images first, then all; the same few after every interruption, and one of every kind among them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.data.samples import Samples, numbered
from harness.models import Context, Interrupted
from harness.models.torch_loop.batches import Batches
from harness.models.torch_loop.outputs import Labels
from harness.models.torch_loop.sampling import Prime
from tests.support.tiny_networks import TASK, learner, tiles

primed = replace(learner, epochs=5, batch=4, augment=None, prime=Prime(images=3, share=0.4))  # 2 epochs, then 3
ALL = np.arange(10)


def rows_of(batches: Batches, epoch: int) -> list[list[int]]:
    """The rows of each batch, known by their pictures."""
    row_of = {image.tobytes(): row for row, image in enumerate(tiles().inputs)}
    return [[row_of[image.tobytes()] for image in images] for images, _ in batches.epoch(epoch)]


def batches_of(seed: int = 0, fold: int = 0, declared=primed) -> Batches:
    return Batches(declared, Labels(TASK), tiles(), Context(TASK, Path("nowhere"), seed=seed, fold=fold))


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


def test_without_priming_nothing_is_drawn_otherwise() -> None:
    """The unprimed epochs of a primed learner are those of the same learner without priming."""
    for epoch in (2, 3, 4):
        assert rows_of(batches_of(), epoch) == rows_of(batches_of(declared=replace(primed, prime=None)), epoch)


def test_the_batches_go_on_from_any_step_of_a_primed_epoch() -> None:
    batches = batches_of()
    whole = [images.tobytes() for images, _ in batches.epoch(1)]
    assert [images.tobytes() for images, _ in batches.epoch(1, first=2)] == whole[2:]


@pytest.mark.parametrize("step", [2, 5, 7])  # inside the first primed epoch, the second, and the first with all images
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


def test_only_rows_that_train_are_chosen_and_at_most_all() -> None:
    for few in choices(tiles(), images=8, rows=np.array([1, 2, 3])):
        assert sorted(few.tolist()) == [1, 2, 3]


@pytest.mark.parametrize(("epochs", "primed_epochs"), [(1, 0), (5, 1), (60, 12)])
def test_a_fifth_of_the_epochs_is_primed_and_none_of_a_single_one(epochs: int, primed_epochs: int) -> None:
    assert Prime().epochs(epochs) == primed_epochs
