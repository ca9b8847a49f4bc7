"""Crops of images to train on, and overlapping tiles to predict by: images that are large, small, of several sizes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.data.images import EncodedImages, encode
from harness.data.samples import Samples, numbered
from harness.data.sized_masks import Masks
from harness.errors import UserError
from harness.models import Context, Interrupted
from harness.models.augment import Augment
from harness.models.losses import IGNORED, InverseFrequency, cross_entropy
from harness.models.optim import EarlyStopping
from harness.models.torch_loop.batches import Batches, Paste, Prime, Showing
from harness.models.torch_loop.crops import MOST, by_tiles, repeated_rows
from harness.models.torch_loop.outputs import TargetEncoding
from harness.tasks.classification import Classification
from harness.tasks.mask_cells import RUN_LENGTH
from harness.tasks.segmentation import Segmentation
from tests.support.tiny_networks import TASK, learner, stop_at, tiles

CROP = (8, 16)
OWN_SIZE = Segmentation(TASK.classes, void=0, layout=RUN_LENGTH)
cropped = replace(learner, channels=3, batch=4, epochs=3, augment=None, crop=CROP)


def several_sizes(sizes: tuple[tuple[int, int], ...] = ((8, 16), (20, 40), (5, 9), (33, 17))) -> Samples:
    """Images whose pixels differ from all others of the image, brighter where the mask is 2 than where it is 1."""
    images, masks = [], []
    for height, width in sizes:
        y, x = np.mgrid[:height, :width]
        masks.append(np.where(x < width / 2, 1, 2).astype(np.uint8))
        images.append(np.stack([y, x, 100 * masks[-1]], axis=2).astype(np.uint8))
    return Samples(
        numbered(len(sizes)), EncodedImages.of([encode(each) for each in images]), Masks(masks), np.arange(len(sizes))
    )


def batches_of(declared=cropped, train: Samples | None = None, **change: int) -> Batches:
    train = train or several_sizes()
    return Batches(declared, TargetEncoding(OWN_SIZE), train, Context(OWN_SIZE, Path("nowhere"), **change))


def crops_of(batches: Batches, epoch: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images and encoded targets of all batches of an epoch."""
    images, targets = zip(*batches.epoch(epoch), strict=True)
    return np.concatenate(images), np.concatenate(targets)


# -- tiles -------------------------------------------------------------------------------------------------------------


def as_seen(images: np.ndarray) -> np.ndarray:
    """A network that returns its input."""
    return np.moveaxis(images, -1, 1).astype(np.float32)


@pytest.mark.parametrize("size", [(64, 64), (300, 411), (65, 64), (20, 31), (1, 200), (97, 3)])
def test_tiles_of_a_network_that_returns_its_input_give_the_image_back(size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    seen: list[tuple[int, ...]] = []

    def noted(images: np.ndarray) -> np.ndarray:
        seen.append(images.shape)
        return as_seen(images)

    np.testing.assert_allclose(by_tiles(noted, image, (64, 64), 5), as_seen(image[None])[0], atol=1e-3)
    assert {shape[1:] for shape in seen} == {(64, 64, 3)}
    assert max(shape[0] for shape in seen) <= 5


def test_where_tiles_overlap_the_one_whose_middle_is_nearer_counts_more() -> None:
    """Two tiles of 4 in 6 columns share two; sin^2 of 22.5 and 67.5 degrees is 0.1464 and 0.8536."""

    def number_of_tile(images: np.ndarray) -> np.ndarray:
        return np.broadcast_to(np.arange(len(images), dtype=np.float32)[:, None, None, None], (len(images), 1, 4, 4))

    blended = by_tiles(number_of_tile, np.zeros((4, 6), np.uint8), (4, 4), 2)
    np.testing.assert_allclose(blended[0], [[0, 0, 0.1464, 0.8536, 1, 1]] * 4, atol=1e-4)


# -- crops -------------------------------------------------------------------------------------------------------------


def test_an_image_is_seen_as_often_as_crops_cover_it() -> None:
    masks = Masks([np.zeros(size, np.uint8) for size in ((8, 16), (20, 40), (5, 9), (200, 200))])
    assert np.bincount(repeated_rows(np.arange(4), masks, CROP)).tolist() == [1, 6, 1, MOST]
    assert repeated_rows(np.array([2, 3]), masks, (200, 100)).tolist() == [2, 3, 3]
    batches = batches_of()
    assert len(batches.rows) == 1 + 6 + 1 + 4
    assert batches.steps == 3


def test_crops_are_parts_of_the_image_and_of_its_mask_at_the_same_place() -> None:
    train = several_sizes(((20, 40),))
    images, targets = crops_of(batches_of(train=train))
    assert images.shape == (6, *CROP, 3)
    for image, target in zip(images, targets, strict=True):
        top, left = image[0, 0, :2]
        part = np.s_[top : top + CROP[0], left : left + CROP[1]]
        assert (image == train.inputs[0][part]).all()
        assert (target == train.targets[0][part] - 1).all()  # void has no output
    assert len({tuple(image[0, 0, :2]) for image in images}) > 1


def test_a_crop_is_a_function_of_seed_fold_and_epoch() -> None:
    places = [{"seed": seed, "fold": fold} for seed in range(2) for fold in range(2)]
    seen = [crops_of(batches_of(**place), epoch)[0].tobytes() for place in places for epoch in range(2)]
    assert seen == [crops_of(batches_of(**place), epoch)[0].tobytes() for place in places for epoch in range(2)]
    assert len(set(seen)) == len(seen)
    whole = [images.tobytes() for images, _ in batches_of().epoch(1)]
    assert [images.tobytes() for images, _ in batches_of().epoch(1, first=2)] == whole[2:]


def test_a_small_image_is_mirrored_and_no_loss_looks_beyond_its_border() -> None:
    import torch

    train = several_sizes(((5, 9),))
    images, targets = crops_of(batches_of(replace(cropped, augment=Augment(hflip=0)), train))
    image, target = images[0], targets[0]
    assert (image[:5, :9] == train.inputs[0]).all()
    assert (image[5:8] == image[[3, 2, 1]]).all()  # the last line is not repeated
    assert (target[:5, :9] == train.targets[0] - 1).all()
    assert (target[5:] == IGNORED).all() and (target[:, 9:] == IGNORED).all()
    logits = torch.randn(1, 3, *CROP, generator=torch.Generator().manual_seed(0))
    inside = cross_entropy(logits[:, :, :5, :9], torch.from_numpy(train.targets[0].astype(np.int64) - 1)[None])
    torch.testing.assert_close(cross_entropy(logits, torch.from_numpy(target.astype(np.int64))[None]), inside)


@pytest.mark.parametrize("marks", [Showing(3), lambda masks: Showing(3)(masks)], ids=["a class", "any function"])
def test_half_of_the_crops_of_a_marked_image_show_the_class(marks) -> None:
    train = several_sizes(((200, 200), (200, 200)))
    train.targets[1][150, 20] = 3
    batches = batches_of(replace(cropped, oversample=marks), train)
    shown = np.concatenate([(crops_of(batches, epoch)[1] == 2).any((1, 2)) for epoch in range(8)])
    assert len(shown) == 8 * 2 * MOST
    assert 0.35 * len(shown) / 2 < shown.sum() < 0.65 * len(shown) / 2  # half of every batch is of the marked image


def test_regions_are_pasted_into_crops() -> None:
    train = several_sizes(((40, 40), (40, 40)))
    train.targets[1][5:30, 5:8] = 3
    batches = batches_of(replace(cropped, paste=Paste(of=(3,), share=1.0)), train)
    assert (crops_of(batches)[1] == 2).any((1, 2)).all()


# -- fits --------------------------------------------------------------------------------------------------------------


def test_a_network_learns_and_predicts_images_of_several_sizes_at_their_own(tmp_path: Path) -> None:
    options = {"class_weights": InverseFrequency(), "prime": Prime(images=2), "drop_single_class": True, "norm_rows": 8}
    declared = replace(cropped, epochs=30, early_stopping=EarlyStopping(patience=30), **options)
    train = several_sizes()
    fitted = declared.fit(train, train, Context(OWN_SIZE, tmp_path))
    predicted = fitted.predict(train.inputs)
    assert [row.shape for row in predicted] == [(4, *mask.shape) for mask in train.targets]
    assert predicted.dtype == np.float16
    decided = OWN_SIZE.decide(predicted)
    assert np.mean([(one == other).mean() for one, other in zip(decided, train.targets, strict=True)]) > 0.9
    assert len(fitted.predict(train.inputs[:0])) == 0
    loaded = declared.load(Context(OWN_SIZE, tmp_path)).predict(train.inputs)
    assert loaded.pixels.tobytes() == predicted.pixels.tobytes()
    cost = declared.cost(train, Context(OWN_SIZE, tmp_path))
    assert cost.epoch > 0 and cost.predict > 0


def test_arrays_that_are_trained_on_crops_are_predicted_as_arrays(tmp_path: Path) -> None:
    declared = replace(learner, epochs=1, crop=(4, 8))
    fitted = declared.fit(tiles(), None, Context(TASK, tmp_path))
    assert fitted.predict(tiles().inputs).shape == (10, 4, 8, 16)
    assert fitted.predict(tiles().inputs[:0]).shape == (0, 4, 8, 16)
    assert (fitted.predict(tiles().inputs)[:, 0] == 0).all()  # void


@pytest.mark.parametrize("step", [1, 5])
def test_a_fit_on_crops_interrupted_ends_with_the_same_bytes(step: int, tmp_path: Path) -> None:
    declared, train = replace(cropped, augment=Augment(hflip=0.5, rotate=9)), several_sizes()
    whole = declared.fit(train, None, Context(OWN_SIZE, tmp_path / "whole"))
    with pytest.raises(Interrupted):
        declared.fit(train, None, Context(OWN_SIZE, tmp_path / "cut", stop=stop_at(step)))
    resumed = declared.fit(train, None, Context(OWN_SIZE, tmp_path / "cut"))
    assert resumed.predict(train.inputs).pixels.tobytes() == whole.predict(train.inputs).pixels.tobytes()


def test_several_sizes_need_a_crop_and_a_crop_needs_masks(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"several sizes.*crop=\(256, 256\)"):
        replace(cropped, crop=None).fit(several_sizes(), None, Context(OWN_SIZE, tmp_path))
    labelled = Samples(numbered(10), tiles().inputs, np.arange(10) % 2)
    with pytest.raises(UserError, match="crop= is for masks"):
        replace(learner, crop=CROP).fit(labelled, None, Context(Classification(("a", "b")), tmp_path))
