"""Augmentation: what happens to an image happens to its mask, and nothing depends on anything but the draws."""

from dataclasses import replace

import numpy as np
import pytest

from harness.models.augment import Augment

STRONG = Augment(hflip=0.5, vflip=0.5, rotate=20, scale=0.3, shift=0.1)
STILL = Augment(hflip=0)


def ramps(count: int = 10) -> np.ndarray:
    """(n, 16, 24) uint8, every pixel of an image different from its neighbours, all images different."""
    rows, columns, image = np.arange(16)[:, None], np.arange(24), np.arange(count)[:, None, None]
    return (10 * rows + 3 * columns + image).astype(np.uint8)


def middle(changed: dict[int, float]) -> np.ndarray:
    """The draws (1, 15) of a sample that nothing is done to, but in these columns."""
    draws = np.full((1, 15), 0.5)
    draws[0, list(changed)] = list(changed.values())
    return draws


@pytest.mark.parametrize("warps", [0.0, 1e-9])  # flipped by numpy, and by a warp that does nothing else
def test_flips_are_exact_and_the_mask_follows(warps: float):
    images, augment = ramps(), Augment(hflip=0.5, vflip=0.5, rotate=warps)
    draws = augment.draw(np.random.default_rng(0), 10)
    flipped, masks = augment(images, images, draws)
    expected = [
        image[:: -1 if down else 1, :: -1 if right else 1]
        for image, right, down in zip(images, draws[:, 0] < 0.5, draws[:, 1] < 0.5, strict=True)
    ]
    assert (flipped == expected).all() and (masks == expected).all()
    assert (flipped != images).any((1, 2)).sum() >= 5 and (images == ramps()).all()


def test_a_quarter_turn_puts_pixels_where_numpy_puts_them():
    square = ramps()[:1, :, :16]
    turned, masks = Augment(hflip=0, rotate=90)(square, square, middle({2: 1}))
    assert (turned[0] == np.rot90(square[0])).all() or (turned[0] == np.rot90(square[0], -1)).all()
    assert (masks == turned).all()


def test_image_and_mask_are_warped_alike_whatever_the_colours_and_the_other_samples():
    masks = np.zeros((10, 32, 64), np.uint8)
    masks[:, 8:24, 16:40] = 1
    augment = replace(STRONG, brightness=0.1, contrast=0.1)
    draws = augment.draw(np.random.default_rng(1), 10)
    images, warped = augment(50 + 150 * masks, masks, draws)
    assert set(np.unique(warped)) == {0, 1}
    assert ((images > 125) == warped).mean() > 0.97 and (warped != masks).any((1, 2)).all()
    colour, _ = augment(np.stack((50 + 150 * masks,) * 3, -1), None, draws)
    assert (colour == images[..., None]).all()
    alone, _ = augment(50 + 150 * masks[7:8], None, draws[7:8])
    assert (images[7] == alone[0]).all()


def test_brightness_contrast_and_colours_by_hand():
    grey = np.array([[[0, 100, 127, 255]]], np.uint8)
    brighter, _ = replace(STILL, brightness=0.2, contrast=0.5)(grey, None, middle({6: 1, 7: 1}))  # factor 1.5, 51 more
    assert brighter.tolist() == [[[0, 137, 178, 255]]]
    colours = np.array([[[[0, 0, 0], [127, 127, 127], [200, 250, 9]]]], np.uint8)
    dyed, _ = replace(STILL, colour=0.2)(colours, None, middle({8: 1, 12: 1}))  # red: a factor of 1.2; green: 51 more
    assert dyed.tolist() == [[[[0, 51, 0], [127, 178, 127], [214, 255, 9]]]]


def flip_and_darken() -> list:
    import albumentations

    return [albumentations.HorizontalFlip(p=0.5), albumentations.RandomBrightnessContrast(p=1, contrast_limit=0)]


@pytest.mark.parametrize("colour", [False, True])
def test_albumentations_change_image_and_mask_alike_and_depend_on_the_draws_only(colour):
    augment, masks = replace(STILL, transforms=flip_and_darken), ramps() % 5
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
