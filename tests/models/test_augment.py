"""Augmentation: what happens to an image happens to its mask, and nothing depends on anything but the draws."""

from dataclasses import replace

import numpy as np
import pytest

from harness.models.augment import Augment

STRONG = Augment(hflip=0.5, vflip=0.5, rotate=20, scale=0.3, shift=0.1)


def ramps(count: int = 10) -> np.ndarray:
    """(n, 16, 24) uint8, every pixel of an image different from its neighbours, all images different."""
    rows, columns, image = np.arange(16)[:, None], np.arange(24), np.arange(count)[:, None, None]
    return (10 * rows + 3 * columns + image).astype(np.uint8)


def test_flips_are_exact_and_the_mask_follows():
    images = ramps()
    augment = Augment(hflip=0.5, vflip=0.5)
    draws = augment.draw(np.random.default_rng(0), 10)
    flipped, masks = augment(images, images, draws)
    expected = [
        image[:: -1 if down else 1, :: -1 if right else 1]
        for image, right, down in zip(images, draws[:, 0] < 0.5, draws[:, 1] < 0.5, strict=True)
    ]
    assert (flipped == expected).all() and (masks == expected).all()
    assert (flipped != images).any((1, 2)).sum() >= 5 and (images == ramps()).all()


def test_a_warp_that_only_flips_is_the_flip():
    augment = Augment(hflip=1, vflip=1, rotate=1e-9)
    warped, masks = augment(ramps(), ramps(), augment.draw(np.random.default_rng(0), 10))
    assert (warped == ramps()[:, ::-1, ::-1]).all() and (masks == warped).all()


def test_a_quarter_turn_puts_pixels_where_numpy_puts_them():
    square = ramps()[:1, :, :16]
    draws = np.full((1, 15), 0.5)
    draws[0, :2], draws[0, 2] = 1, 1.0  # no flips, the full angle
    turned, masks = Augment(rotate=90)(square, square, draws)
    assert (turned[0] == np.rot90(square[0])).all() or (turned[0] == np.rot90(square[0], -1)).all()
    assert (masks == turned).all()


def test_image_and_mask_are_warped_alike():
    masks = np.zeros((10, 32, 64), np.uint8)
    masks[:, 8:24, 16:40] = 1
    augment = replace(STRONG, brightness=0.1, contrast=0.1)
    images, warped = augment(50 + 150 * masks, masks, augment.draw(np.random.default_rng(1), 10))
    assert set(np.unique(warped)) == {0, 1}
    assert ((images > 125) == warped).mean() > 0.97 and (warped != masks).any((1, 2)).all()


def test_colour_is_treated_as_grey_channel_by_channel():
    grey = ramps()
    draws = STRONG.draw(np.random.default_rng(2), 10)
    colour, _ = STRONG(np.stack((grey,) * 3, -1), None, draws)
    assert colour.shape == (10, 16, 24, 3) and (colour == STRONG(grey, None, draws)[0][..., None]).all()


def test_a_sample_depends_on_its_own_draws_only():
    augment = replace(STRONG, brightness=0.2, contrast=0.2)
    draws = augment.draw(np.random.default_rng(3), 10)
    whole, _ = augment(ramps(), ramps(), draws)
    alone, _ = augment(ramps()[7:8], ramps()[7:8], draws[7:8])
    assert (whole[7] == alone[0]).all()


def test_brightness_and_contrast_by_hand():
    augment = Augment(hflip=0, brightness=0.2, contrast=0.5)
    draws = np.full((1, 15), 0.5)
    draws[0, 6:8] = 1  # factor 1.5, offset 51
    images = np.array([[[0, 100, 127, 255]]], np.uint8)
    assert augment(images, None, draws)[0].tolist() == [[[0, 137, 178, 255]]]


def test_colours_change_channel_by_channel_by_hand():
    augment = Augment(hflip=0, colour=0.2)
    draws = np.full((1, 15), 0.5)
    draws[0, [8, 12]] = 1  # red: a factor of 1.2; green: 51 more; blue stays
    images = np.array([[[[0, 0, 0], [127, 127, 127], [200, 250, 9]]]], np.uint8)
    assert augment(images, None, draws)[0].tolist() == [[[[0, 51, 0], [127, 178, 127], [214, 255, 9]]]]


def flip_and_darken() -> list:
    import albumentations

    return [albumentations.HorizontalFlip(p=0.5), albumentations.RandomBrightnessContrast(p=1, contrast_limit=0)]


@pytest.mark.parametrize("colour", [False, True])
def test_albumentations_change_image_and_mask_alike_and_depend_on_the_draws_only(colour):
    augment, masks = Augment(hflip=0, transforms=flip_and_darken), ramps() % 5
    inputs = np.stack((ramps(),) * 3, -1) if colour else ramps()
    draws = augment.draw(np.random.default_rng(0), 10)
    images, changed = augment(inputs, masks, draws)
    again, _ = augment(inputs[::-1], masks[::-1], draws[::-1])
    assert images.shape == inputs.shape and images.dtype == np.uint8
    assert (again[::-1] == images).all() and (images != inputs).reshape(10, -1).any(1).all()
    flipped = (changed == masks[:, :, ::-1]).all((1, 2))
    assert (flipped | (changed == masks).all((1, 2))).all() and 0 < flipped.sum() < 10
    assert (np.sign(np.diff(images[flipped].astype(int), axis=2)) <= 0).mean() > 0.9
    assert (ramps() % 5 == masks).all()  # the inputs are not changed
